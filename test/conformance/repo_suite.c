/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "repo_suite_private.h"

#include <time.h>

/* ---- Names ----------------------------------------------------------------------------------- */

#define TEXT_40 "0123456789012345678901234567890123456789"
#define LONGEST TEXT_40 "/" TEXT_40 "/" TEXT_40 "/0123456789012345678901234567890123456"
G_STATIC_ASSERT(sizeof LONGEST == REPO_NAME_MAX + 1);

static const char *const valid_names[] = {
    "a",    "0",     "config", "a/b/c/d", "packs/1f/1f00", "a.b_c-d", "-", "_",
    "tmp2", "a/tmp", "tmp.x",  "a.",      LONGEST,
};
static const char *const invalid_names[] = {
    "",          "/",        "/a",   "a/",        "a//b",
    "a/b/c/d/e", ".",        "..",   ".a",        "a/.b",
    "a/..",      "A",        "a b",  "a\\b",      "a:b",
    "a\n",       "\xc3\xa4", "a+b",  "a\x7f",     "tmp",
    "tmp/a",     "tmp/a/b",  "../a", LONGEST "a", TEXT_40 TEXT_40 TEXT_40 TEXT_40 "a",
};

static void
check_refused(struct repo *repo, const char *name)
{
    g_autoptr(GError) error = NULL;
    guint64 size;
    char byte = 0;
    g_assert_false(repo_name_valid(name));
    REPO_CASE_FAILED(repo_put(repo, name, "x", 1, &error), error, SLIPWAY_ERROR_USAGE);
    REPO_CASE_FAILED(repo_replace(repo, name, "x", 1, &error), error, SLIPWAY_ERROR_USAGE);
    REPO_CASE_FAILED(repo_read(repo, name, 0, &byte, 1, &error), error, SLIPWAY_ERROR_USAGE);
    REPO_CASE_FAILED(repo_read_all(repo, name, 1, &error) != NULL, error, SLIPWAY_ERROR_USAGE);
    REPO_CASE_FAILED(repo_view(repo, name, 1, &error) != NULL, error, SLIPWAY_ERROR_USAGE);
    REPO_CASE_FAILED(repo_size(repo, name, &size, &error), error, SLIPWAY_ERROR_USAGE);
    REPO_CASE_FAILED(repo_remove(repo, name, &error), error, SLIPWAY_ERROR_USAGE);
    if (*name != '\0')
        REPO_CASE_FAILED(repo_list(repo, name, &error) != NULL, error, SLIPWAY_ERROR_USAGE);
    REPO_CASE_FAILED(repo_writer_commit(repo_create(repo, OWNER_A, NULL), name, &error), error,
                     SLIPWAY_ERROR_USAGE);
}

static void
test_names(gconstpointer suite)
{
    auto_repo_case one = repo_case_new(suite);
    for (guint i = 0; i < G_N_ELEMENTS(invalid_names); i++)
        check_refused(one.repo, invalid_names[i]);
    repo_case_expect_list(one.repo, "", "");
    repo_case_expect_unfinished(one.repo, "");
    for (guint i = 0; i < G_N_ELEMENTS(valid_names); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_true(repo_name_valid(valid_names[i]));
        g_autofree char *name = g_strdup(valid_names[i]);
        /* No name is a folder of another one. */
        if (!g_str_equal(name, "a") && !g_str_equal(name, "a/b/c/d")) {
            repo_case_put(one.repo, name, name);
            repo_case_expect_text(one.repo, name, name);
        }
    }
}

/* ---- Small objects --------------------------------------------------------------------------- */

static void
test_put(gconstpointer suite)
{
    auto_repo_case one = repo_case_new(suite);
    g_autoptr(GError) error = NULL;
    repo_case_expect_missing(one.repo, "a/b");
    repo_case_put(one.repo, "a/b", "first");
    REPO_CASE_FAILED(repo_put(one.repo, "a/b", "second", 6, &error), error, SLIPWAY_ERROR_EXISTS);
    repo_case_expect_text(one.repo, "a/b", "first");
    repo_case_put(one.repo, "a/c", "");
    repo_case_expect_text(one.repo, "a/c", "");
    g_assert_true(repo_put(one.repo, "a/d", NULL, 0, &error));
    repo_case_expect_text(one.repo, "a/d", "");
    repo_case_expect_unfinished(one.repo, "");
}

static void
test_replace(gconstpointer suite)
{
    auto_repo_case one = repo_case_new(suite);
    g_autoptr(GError) error = NULL;
    const char *texts[] = {"one", "a longer one", "", "x"};
    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_assert_true(repo_replace(one.repo, "state/now", texts[i], strlen(texts[i]), &error));
        repo_case_expect_text(one.repo, "state/now", texts[i]);
    }
    repo_case_expect_list(one.repo, "", "state/now");
    repo_case_expect_unfinished(one.repo, "");
}

/* The driver may keep large ones open: not after it replaced them itself. */
static void
test_replace_large(gconstpointer suite)
{
    auto_repo_case one = repo_case_new(suite);
    g_autoptr(GError) error = NULL;
    for (guint32 seed = 0; seed < 3; seed++) {
        g_autoptr(GBytes) bytes = repo_case_bytes(seed, REPO_FRESH_MAX + 1 + seed);
        gsize length;
        const void *data = g_bytes_get_data(bytes, &length);
        g_assert_true(repo_replace(one.repo, "large", data, length, &error));
        repo_case_expect(one.repo, "large", bytes);
    }
    g_assert_true(repo_remove(one.repo, "large", &error));
    repo_case_expect_missing(one.repo, "large");
    repo_case_put(one.repo, "large", "small");
    repo_case_expect_text(one.repo, "large", "small");
}

/* ---- Writers --------------------------------------------------------------------------------- */

static void
test_write(gconstpointer suite)
{
    auto_repo_case one = repo_case_new(suite);
    const struct {
        gsize length, step;
    } runs[] = {
        {0, 1},         {1, 1},           {1000, 7},         {262144, 262144},  {262145, 262144},
        {524288, 1000}, {300000, 262143}, {1048577, 131072}, {20000000, 65536}, {20000001, 9000000},
    };
    for (guint i = 0; i < G_N_ELEMENTS(runs); i++) {
        g_autoptr(GBytes) bytes = repo_case_bytes(i, runs[i].length);
        g_autofree char *name = g_strdup_printf("packs/%02x/n%u", i % 3, i);
        repo_case_write(one.repo, name, bytes, runs[i].step);
        repo_case_expect(one.repo, name, bytes);
    }
    repo_case_expect_unfinished(one.repo, "");
}

static void
test_commit(gconstpointer suite)
{
    auto_repo_case one = repo_case_new(suite);
    g_autoptr(GError) error = NULL;
    struct repo_writer *writer = repo_create(one.repo, OWNER_A, &error);
    g_assert_true(repo_writer_append(writer, "text", 4, &error));
    g_assert_true(repo_writer_append(writer, NULL, 0, &error));
    repo_case_expect_list(one.repo, "", "");
    repo_case_expect_unfinished(one.repo, OWNER_A);
    g_assert_true(repo_writer_commit(writer, "a/b", &error));
    repo_case_expect_list(one.repo, "", "a/b");
    repo_case_expect_text(one.repo, "a/b", "text");

    writer = repo_create(one.repo, OWNER_A, &error);
    g_assert_true(repo_writer_append(writer, "other", 5, &error));
    REPO_CASE_FAILED(repo_writer_commit(writer, "a/b", &error), error, SLIPWAY_ERROR_EXISTS);
    repo_case_expect_text(one.repo, "a/b", "text");
    repo_case_expect_unfinished(one.repo, "");
}

static void
test_abandon(gconstpointer suite)
{
    auto_repo_case one = repo_case_new(suite);
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) bytes = repo_case_bytes(1, 3000000);
    struct repo_writer *writer = repo_create(one.repo, OWNER_A, &error);
    g_assert_true(repo_writer_append(writer, g_bytes_get_data(bytes, NULL), 3000000, &error));
    repo_writer_abandon(writer);
    repo_writer_abandon(NULL);
    repo_case_expect_list(one.repo, "", "");
    repo_case_expect_unfinished(one.repo, "");
}

static void
test_owners(gconstpointer suite)
{
    auto_repo_case one = repo_case_new(suite);
    g_autoptr(GError) error = NULL;
    const char *wrong[] = {"",
                           "abc",
                           OWNER_A "0",
                           "0123456789ABCDEF0123456789abcdef",
                           "0123456789abcdef0123456789abcde/",
                           REPO_OWNER_PUT};
    for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
        REPO_CASE_FAILED(repo_create(one.repo, wrong[i], &error) != NULL, error,
                         SLIPWAY_ERROR_USAGE);
        if (!g_str_equal(wrong[i], REPO_OWNER_PUT))
            REPO_CASE_FAILED(repo_unfinished_remove(one.repo, wrong[i], &error), error,
                             SLIPWAY_ERROR_USAGE);
    }
    repo_case_expect_unfinished(one.repo, "");
    g_assert_true(repo_unfinished_remove(one.repo, REPO_OWNER_PUT, &error));
}

static void
test_unfinished(gconstpointer suite)
{
    auto_repo_case one = repo_case_new(suite);
    g_autoptr(GError) error = NULL;
    struct repo_writer *b = repo_create(one.repo, OWNER_B, &error);
    struct repo_writer *a1 = repo_create(one.repo, OWNER_A, &error);
    struct repo_writer *a2 = repo_create(one.repo, OWNER_A, &error);
    repo_case_expect_unfinished(one.repo, OWNER_A "," OWNER_B);
    g_assert_true(repo_writer_append(a1, "a", 1, &error));
    g_assert_true(repo_unfinished_remove(one.repo, OWNER_A, &error));
    g_assert_true(repo_unfinished_remove(one.repo, OWNER_A, &error));
    repo_case_expect_unfinished(one.repo, OWNER_B);
    /* Its writers still live: they learn of it. */
    REPO_CASE_FAILED(repo_writer_commit(a1, "a/one", &error), error, SLIPWAY_ERROR_NOT_FOUND);
    repo_writer_abandon(a2);
    repo_case_expect_list(one.repo, "", "");
    g_assert_true(repo_writer_commit(b, "b", &error));
    repo_case_expect_list(one.repo, "", "b");
    repo_case_expect_unfinished(one.repo, "");
}

/* ---- Lists ----------------------------------------------------------------------------------- */

static void
test_list(gconstpointer suite)
{
    auto_repo_case one = repo_case_new(suite);
    g_autoptr(GError) error = NULL;
    const char *names[] = {"packs/b/2", "packs/a/1", "packs/a/0", "packs2/x",  "packs-x",
                           "config",    "packs/c",   "p/a/c/k",   "packs/a/10"};
    for (guint i = 0; i < G_N_ELEMENTS(names); i++)
        repo_case_put(one.repo, names[i], names[i]);
    repo_case_expect_list(one.repo, "packs", "packs/a/0,packs/a/1,packs/a/10,packs/b/2,packs/c");
    repo_case_expect_list(one.repo, "packs/a", "packs/a/0,packs/a/1,packs/a/10");
    repo_case_expect_list(one.repo, "p/a/c", "p/a/c/k");
    repo_case_expect_list(one.repo, "pack", "");
    repo_case_expect_list(one.repo, "none/at/all", "");
    repo_case_expect_list(one.repo, "",
                          "config,p/a/c/k,packs-x,packs/a/0,packs/a/1,packs/a/10,packs/b/2,"
                          "packs/c,packs2/x");

    g_autoptr(GPtrArray) entries = repo_list(one.repo, "packs/a", &error);
    const struct repo_entry *entry = entries->pdata[2];
    g_assert_cmpuint(entry->size, ==, strlen("packs/a/10"));
    g_assert_cmpint(ABS(entry->written - (gint64)time(NULL)), <, 300);
}

static void
test_remove(gconstpointer suite)
{
    auto_repo_case one = repo_case_new(suite);
    g_autoptr(GError) error = NULL;
    repo_case_put(one.repo, "a/b", "1");
    repo_case_put(one.repo, "a/c", "2");
    g_assert_true(repo_remove(one.repo, "a/b", &error));
    repo_case_expect_missing(one.repo, "a/b");
    repo_case_expect_list(one.repo, "a", "a/c");
    g_assert_true(repo_remove(one.repo, "a/b", &error));
    g_assert_true(repo_remove(one.repo, "no/such/folder", &error));
    repo_case_put(one.repo, "a/b", "again");
    repo_case_expect_text(one.repo, "a/b", "again");
}

static void
test_space(gconstpointer suite)
{
    auto_repo_case one = repo_case_new(suite);
    g_assert_cmpuint(repo_free_space(one.repo), >, 0);
    g_assert_nonnull(repo_label(one.repo));
    g_assert_cmpuint(strlen(repo_label(one.repo)), >, 0);
}

void
repo_suite_add(const struct repo_suite *suite)
{
    repo_suite_add_test(suite, "names", test_names);
    repo_suite_add_test(suite, "put", test_put);
    repo_suite_add_test(suite, "replace", test_replace);
    repo_suite_add_test(suite, "replace-large", test_replace_large);
    repo_suite_add_test(suite, "write", test_write);
    repo_suite_add_test(suite, "commit", test_commit);
    repo_suite_add_test(suite, "abandon", test_abandon);
    repo_suite_add_test(suite, "owners", test_owners);
    repo_suite_add_test(suite, "unfinished", test_unfinished);
    repo_suite_add_test(suite, "list", test_list);
    repo_suite_add_test(suite, "remove", test_remove);
    repo_suite_add_test(suite, "space", test_space);
    repo_suite_add_read(suite);
    repo_suite_add_threads(suite);
}
