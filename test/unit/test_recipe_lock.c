/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "esx/recipe_lock.h"

#include <glib/gstdio.h>
#include <string.h>

#define SHA_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define SHA_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static void
add_vib(struct recipe_lock *lock, const char *id, const char *sha256, guint64 size)
{
    struct recipe_lock_item *item = g_new0(struct recipe_lock_item, 1);
    item->name = g_strdup(id);
    item->depot = g_strdup("hpe");
    item->sha256 = g_strdup(sha256);
    item->size = size;
    g_ptr_array_add(lock->vibs, item);
}

static struct recipe_lock *
make_lock(void)
{
    struct recipe_lock *lock = recipe_lock_new();
    lock->profile_name = g_strdup("lab \"x\"");
    lock->profile_vendor = g_strdup("me");
    lock->acceptance = ACCEPTANCE_PARTNER;
    add_vib(lock, "V_bootbank_b_1", SHA_B, 2);
    add_vib(lock, "V_bootbank_a_1", SHA_A, 1);
    lock->output_kind = g_strdup("zip");
    lock->output_sha256 = g_strdup(SHA_A);
    lock->output_size = 5000000000;
    return lock;
}

static const char TEXT[] = "{\n"
                           "  \"files\": [],\n"
                           "  \"format\": 1,\n"
                           "  \"output\": {\n"
                           "    \"kind\": \"zip\",\n"
                           "    \"sha256\": \"" SHA_A "\",\n"
                           "    \"size\": 5000000000\n"
                           "  },\n"
                           "  \"profile\": {\n"
                           "    \"acceptance\": \"partner\",\n"
                           "    \"name\": \"lab \\\"x\\\"\",\n"
                           "    \"vendor\": \"me\"\n"
                           "  },\n"
                           "  \"vibs\": [\n"
                           "    {\n"
                           "      \"depot\": \"hpe\",\n"
                           "      \"id\": \"V_bootbank_a_1\",\n"
                           "      \"sha256\": \"" SHA_A "\",\n"
                           "      \"size\": 1\n"
                           "    },\n"
                           "    {\n"
                           "      \"depot\": \"hpe\",\n"
                           "      \"id\": \"V_bootbank_b_1\",\n"
                           "      \"sha256\": \"" SHA_B "\",\n"
                           "      \"size\": 2\n"
                           "    }\n"
                           "  ]\n"
                           "}\n";

static void
test_format(void)
{
    auto_ptr(recipe_lock) lock = make_lock();
    g_autofree char *text = recipe_lock_format(lock);
    g_assert_cmpstr(text, ==, TEXT);
}

static void
test_parse(void)
{
    g_autoptr(GError) error = NULL;
    auto_ptr(recipe_lock) lock = recipe_lock_parse(TEXT, strlen(TEXT), "lab.lock", &error);
    g_assert_no_error(error);
    g_autofree char *text = recipe_lock_format(lock);
    g_assert_cmpstr(text, ==, TEXT);
    auto_ptr(recipe_lock) same = make_lock();
    g_autoptr(GPtrArray) differences = recipe_lock_compare(lock, same);
    g_assert_cmpuint(differences->len, ==, 0);
}

static void
test_compare(void)
{
    auto_ptr(recipe_lock) locked = make_lock();
    add_vib(locked, "V_bootbank_c_1", SHA_A, 3);
    add_vib(locked, "V_bootbank_u_1", SHA_A, 3);
    auto_ptr(recipe_lock) actual = recipe_lock_new();
    add_vib(actual, "V_bootbank_a_1", SHA_B, 1);
    add_vib(actual, "V_bootbank_c_1", SHA_A, 4);
    add_vib(actual, "V_bootbank_n_1", SHA_A, 3);
    add_vib(actual, "V_bootbank_u_1", NULL, 0); /* the depot states nothing */
    g_autoptr(GPtrArray) differences = recipe_lock_compare(locked, actual);
    static const char *const expected[] = {
        "VIB V_bootbank_b_1 is not there",
        "VIB V_bootbank_a_1 has the SHA-256 " SHA_B " instead of " SHA_A,
        "VIB V_bootbank_c_1 has 4 bytes instead of 3",
        "VIB V_bootbank_n_1 is new",
    };
    g_assert_cmpuint(differences->len, ==, G_N_ELEMENTS(expected));
    for (gsize i = 0; i < G_N_ELEMENTS(expected); i++)
        g_assert_cmpstr(differences->pdata[i], ==, expected[i]);
}

static void
test_failures(void)
{
    static const struct {
        const char *text;
        enum slipway_error code;
        const char *message;
    } rows[] = {
        {"{", SLIPWAY_ERROR_CORRUPT,
         "x: line 1: is no JSON: string or '}' expected near end of file"},
        {"", SLIPWAY_ERROR_CORRUPT, "x: is empty; make it anew by a build without --locked"},
        {"[]", SLIPWAY_ERROR_CORRUPT,
         "x: is no lock file of a recipe: it has no 'format'; make it anew by a build without "
         "--locked"},
        {"{\"format\": 2}", SLIPWAY_ERROR_UNSUPPORTED,
         "x: was written by a newer version of slipway (format 2)"},
        {"{\"format\": 1}", SLIPWAY_ERROR_CORRUPT,
         "x: is no lock file of a recipe: it has no list 'vibs'; make it anew by a build without "
         "--locked"},
        {"{\"format\": 1, \"vibs\": [{\"id\": \"a\", \"sha256\": \"0\", \"size\": 1}]}",
         SLIPWAY_ERROR_CORRUPT,
         "x: is no lock file of a recipe: entry 1 of 'vibs'; make it anew by a build without "
         "--locked"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(recipe_lock_parse(rows[i].text, strlen(rows[i].text), "x", &error));
        g_assert_error(error, SLIPWAY_ERROR, (int)rows[i].code);
        g_assert_cmpstr(error->message, ==, rows[i].message);
    }
}

static void
test_files(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *directory = g_dir_make_tmp("lock-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(directory, "a.lock", NULL);
    auto_ptr(recipe_lock) lock = make_lock();
    g_assert_true(recipe_lock_write(lock, path, &error));
    auto_ptr(recipe_lock) read = recipe_lock_read(path, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(read->profile_name, ==, "lab \"x\"");
    g_assert_cmpint(read->acceptance, ==, ACCEPTANCE_PARTNER);
    g_assert_true(g_file_set_contents(path, "abc", 3, NULL));
    g_assert_true(recipe_lock_add_file(read, "abc", path, &error));
    const struct recipe_lock_item *item = read->files->pdata[0];
    g_assert_cmpstr(item->sha256, ==,
                    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    g_assert_cmpuint(item->size, ==, 3);
    g_unlink(path);
    g_assert_null(recipe_lock_read(path, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND);
    g_assert_true(g_str_has_prefix(error->message,
                                   "there is no lock file yet, build once without --locked: "));
    g_rmdir(directory);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/recipe_lock/format", test_format);
    g_test_add_func("/recipe_lock/parse", test_parse);
    g_test_add_func("/recipe_lock/compare", test_compare);
    g_test_add_func("/recipe_lock/failures", test_failures);
    g_test_add_func("/recipe_lock/files", test_files);
    return g_test_run();
}
