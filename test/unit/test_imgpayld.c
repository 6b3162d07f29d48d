/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "esx/imgpayld.h"
#include "scratch_directory.h"

#include <zlib.h>

static struct stream *
open_bytes(void *user_data, GError **error G_GNUC_UNUSED)
{
    return stream_new_bytes(user_data, "payload");
}

static void
clear_file(gpointer data)
{
    struct imgpayld_file *file = data;
    g_free(file->name);
    g_bytes_unref(file->user_data);
}

static GArray *
make_files(const gsize *sizes, guint n)
{
    GArray *files = g_array_new(FALSE, TRUE, sizeof(struct imgpayld_file));
    g_array_set_clear_func(files, clear_file);
    for (guint i = 0; i < n; i++) {
        char *data = g_strnfill(sizes[i], (char)('a' + i));
        struct imgpayld_file file = {.name = g_strdup_printf("f%u.b00", i),
                                     .size = sizes[i],
                                     .open = open_bytes,
                                     .user_data = g_bytes_new_take(data, sizes[i])};
        g_array_append_val(files, file);
    }
    return files;
}

/* Read in pieces of `step`; NULL with an error. */
static GBytes *
read_content(GArray *files, gsize step, GError **error)
{
    struct iso_content *content = imgpayld_content_new(files);
    g_autoptr(GByteArray) all = g_byte_array_new();
    g_autofree guint8 *buffer = g_malloc(step);
    gssize got = content->open(content, error) ? 1 : -1;
    while (got > 0) {
        got = content->read(content, buffer, step, error);
        if (got > 0)
            g_byte_array_append(all, buffer, (guint)got);
    }
    content->close(content);
    content->free(content);
    return got < 0 ? NULL : g_byte_array_free_to_bytes(g_steal_pointer(&all));
}

static char *
run(const char *command)
{
    char *out = NULL;
    int status = 1;
    g_autoptr(GError) error = NULL;
    const char *argv[] = {"sh", "-c", command, NULL};
    g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &out, NULL, &status,
                 &error);
    g_assert_no_error(error);
    g_assert_cmpint(status, ==, 0);
    return out;
}

/* The size is known beforehand, whatever the sizes of the payloads, and other programs read it. */
static void
test_size_and_content(void)
{
    static const gsize sizes[] = {0, 1, 511, 512, 513, 65535, 65536, 200000};
    g_autoptr(GArray) files = make_files(sizes, G_N_ELEMENTS(sizes));
    g_autoptr(GError) error = NULL;
    guint64 size = 0;
    g_assert_true(imgpayld_size(files, &size, &error));
    g_autoptr(GBytes) whole = read_content(files, 1 << 20, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(g_bytes_get_size(whole), ==, size);
    g_autoptr(GBytes) pieces = read_content(files, 2048, &error);
    g_assert_true(g_bytes_equal(whole, pieces));

    auto_scratch scratch = scratch_new();
    scratch_put_bytes(&scratch, "imgpayld.tgz", whole);
    g_autofree char *command = g_strdup_printf(
        "cd %s && gzip -t imgpayld.tgz && tar xzf imgpayld.tgz && cd var/db/payloads/boot && "
        "for f in *; do wc -c <$f | tr -d '\\n'; echo \" $f $(tr -d a-h <$f | wc -c)\"; done",
        scratch.path);
    g_autofree char *out = run(command);
    g_assert_cmpstr(out, ==,
                    "0 f0.b00 0\n1 f1.b00 0\n511 f2.b00 0\n512 f3.b00 0\n513 f4.b00 0\n"
                    "65535 f5.b00 0\n65536 f6.b00 0\n200000 f7.b00 0\n");
}

static void
test_wrong_size(void)
{
    static const gsize sizes[] = {100};
    g_autoptr(GArray) files = make_files(sizes, 1);
    g_autoptr(GError) larger = NULL, smaller = NULL;
    g_array_index(files, struct imgpayld_file, 0).size = 99;
    g_assert_null(read_content(files, 2048, &larger));
    g_assert_error(larger, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
    g_assert_cmpstr(larger->message, ==, "payload: is larger than stated");
    g_array_index(files, struct imgpayld_file, 0).size = 101;
    g_assert_null(read_content(files, 2048, &smaller));
    g_assert_error(smaller, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/imgpayld/size-and-content", test_size_and_content);
    g_test_add_func("/imgpayld/wrong-size", test_wrong_size);
    return g_test_run();
}
