/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "base/zip_reader.h"
#include "base/zip_writer.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

static GBytes *
finish(struct zip_writer *zip)
{
    g_autoptr(GError) error = NULL;
    GBytes *bytes = zip_writer_finish_bytes(zip, &error);
    g_assert_no_error(error);
    return bytes;
}

static GBytes *
make_small(void)
{
    g_autoptr(GError) error = NULL;
    auto_ptr(zip_writer) zip = zip_writer_new_memory("small.zip");
    g_autofree char *text = g_strnfill(1000, 'a');
    g_assert_true(zip_writer_add(zip, "dir/text", text, 1000, &error));
    g_assert_true(zip_writer_add(zip, "empty", "", 0, &error));
    g_assert_true(zip_writer_begin(zip, "stored", 6, &error));
    g_assert_true(zip_writer_write(zip, "abc", 3, &error));
    g_assert_true(zip_writer_write(zip, "def", 3, &error));
    g_assert_true(zip_writer_end(zip, &error));
    g_assert_no_error(error);
    GBytes *bytes = finish(zip);
    g_assert_cmpuint(zip_writer_size(zip), ==, g_bytes_get_size(bytes));
    return bytes;
}

static void
check_member(struct zip_reader *reader, const char *name, gboolean deflated, const char *expected,
             gsize length)
{
    g_autoptr(GError) error = NULL;
    const struct zip_member *member = zip_reader_find(reader, name);
    g_assert_nonnull(member);
    g_assert_cmpint(member->deflated, ==, deflated);
    g_autoptr(GBytes) bytes = zip_reader_read(reader, member, 1 << 20, &error);
    g_assert_no_error(error);
    g_assert_cmpmem(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), expected, length);
}

static void
test_read_back(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) bytes = make_small();
    auto_ptr(zip_reader) reader = zip_reader_new_bytes(bytes, "small.zip", &error);
    g_assert_no_error(error);
    g_assert_cmpuint(zip_reader_count(reader), ==, 3);
    g_autofree char *text = g_strnfill(1000, 'a');
    check_member(reader, "dir/text", TRUE, text, 1000);
    check_member(reader, "empty", FALSE, "", 0);
    check_member(reader, "stored", FALSE, "abcdef", 6);
}

static void
test_same_bytes(void)
{
    g_autoptr(GBytes) first = make_small();
    g_autoptr(GBytes) second = make_small();
    g_assert_true(g_bytes_equal(first, second));
}

/* Sizes and CRC in the local header, no flags, 1980-01-01, no extra field. */
static void
test_local_header(void)
{
    g_autoptr(GError) error = NULL;
    auto_ptr(zip_writer) zip = zip_writer_new_memory("x.zip");
    g_assert_true(zip_writer_begin(zip, "a", 3, &error));
    g_assert_true(zip_writer_write(zip, "abc", 3, &error));
    g_assert_true(zip_writer_end(zip, &error));
    g_autoptr(GBytes) bytes = finish(zip);
    static const guint8 expected[] = {
        'P',  'K',  3,    4,          /* signature */
        20,   0,    0,    0,    0, 0, /* version needed, flags, stored */
        0,    0,    0x21, 0,          /* time, date */
        0xc2, 0x41, 0x24, 0x35,       /* CRC-32 of "abc" */
        3,    0,    0,    0,          /* packed size */
        3,    0,    0,    0,          /* size */
        1,    0,    0,    0,          /* lengths of name and extra field */
        'a',  'a',  'b',  'c',        /* name and data */
        'P',  'K',  1,    2,          /* the central directory follows at once */
    };
    g_assert_cmpuint(g_bytes_get_size(bytes), >, sizeof expected);
    g_assert_cmpmem(g_bytes_get_data(bytes, NULL), sizeof expected, expected, sizeof expected);
}

static void
test_big_header(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = g_build_filename(g_get_tmp_dir(), "zip-writer-XXXXXX", NULL);
    int fd = g_mkstemp(path);
    g_assert_cmpint(fd, >=, 0);
    auto_ptr(zip_writer) zip = zip_writer_new_fd(fd, path);
    guint64 size = G_GUINT64_CONSTANT(0x123456789);
    g_assert_true(zip_writer_begin(zip, "a", size, &error));
    guint8 header[51];
    g_assert_cmpint(pread(fd, header, sizeof header, 0), ==, sizeof header);
    static const guint8 tail[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1,    0,    20,
                                  0,    'a',  1,    0,    16,   0,    0x89, 0x67, 0x45, 0x23, 1,
                                  0,    0,    0,    0x89, 0x67, 0x45, 0x23, 1,    0,    0,    0};
    g_assert_cmpint(header[4], ==, 45);
    g_assert_cmpmem(header + 18, sizeof header - 18, tail, sizeof tail);
    close(fd);
    g_unlink(path);
}

static void
test_many_members(void)
{
    g_autoptr(GError) error = NULL;
    auto_ptr(zip_writer) zip = zip_writer_new_memory("many.zip");
    for (int i = 0; i < 70000; i++) {
        g_autofree char *name = g_strdup_printf("%d", i);
        g_assert_true(zip_writer_add(zip, name, "", 0, &error));
    }
    g_autoptr(GBytes) bytes = finish(zip);
    auto_ptr(zip_reader) reader = zip_reader_new_bytes(bytes, "many.zip", &error);
    g_assert_no_error(error);
    g_assert_cmpuint(zip_reader_count(reader), ==, 70000);
    check_member(reader, "69999", FALSE, "", 0);
}

static void
check_error(GError *error, enum slipway_error code, const char *text)
{
    g_assert_error(error, SLIPWAY_ERROR, (int)code);
    g_assert_cmpstr(error->message, ==, text);
    g_error_free(error);
}

static void
test_names(void)
{
    static const char *const bad[] = {"",       "/a", "a/",   "a//b", "../a",
                                      "a/../b", ".",  "a\\b", "a\nb", "\xff"};
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        auto_ptr(zip_writer) zip = zip_writer_new_memory("x.zip");
        g_assert_false(zip_writer_add(zip, bad[i], "", 0, &error));
        g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
    }
    GError *error = NULL;
    auto_ptr(zip_writer) zip = zip_writer_new_memory("x.zip");
    zip_writer_add(zip, "../a", "", 0, &error);
    check_error(error, SLIPWAY_ERROR_CORRUPT,
                "x.zip: `../a` cannot be the name of a member of a zip archive");
    error = NULL;
    g_assert_true(zip_writer_add(zip, "a", "", 0, &error));
    g_assert_false(zip_writer_begin(zip, "a", 1, &error));
    check_error(error, SLIPWAY_ERROR_CORRUPT, "x.zip: member a would be there twice");
}

static void
test_wrong_size(void)
{
    GError *error = NULL;
    auto_ptr(zip_writer) zip = zip_writer_new_memory("x.zip");
    g_assert_true(zip_writer_begin(zip, "a", 5, &error));
    g_assert_true(zip_writer_write(zip, "abc", 3, &error));
    g_assert_false(zip_writer_end(zip, &error));
    check_error(error, SLIPWAY_ERROR_CORRUPT, "a: ends 2 bytes before the 5 that were announced");
    error = NULL;
    g_assert_false(zip_writer_write(zip, "def", 3, &error));
    check_error(error, SLIPWAY_ERROR_CORRUPT, "a: has more than the 5 bytes that were announced");
}

static void
test_file(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = g_build_filename(g_get_tmp_dir(), "zip-writer-XXXXXX", NULL);
    int fd = g_mkstemp(path);
    auto_ptr(zip_writer) zip = zip_writer_new_fd(fd, path);
    g_assert_true(zip_writer_begin(zip, "\xc3\xa4", 3, &error));
    g_assert_true(zip_writer_write(zip, "abc", 3, &error));
    g_assert_true(zip_writer_end(zip, &error));
    g_assert_true(zip_writer_finish(zip, &error));
    close(fd);
    auto_ptr(zip_reader) reader = zip_reader_open(path, &error);
    g_assert_no_error(error);
    check_member(reader, "\xc3\xa4", FALSE, "abc", 3);
    g_unlink(path);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/zip_writer/read_back", test_read_back);
    g_test_add_func("/zip_writer/same_bytes", test_same_bytes);
    g_test_add_func("/zip_writer/local_header", test_local_header);
    g_test_add_func("/zip_writer/big_header", test_big_header);
    g_test_add_func("/zip_writer/many_members", test_many_members);
    g_test_add_func("/zip_writer/names", test_names);
    g_test_add_func("/zip_writer/wrong_size", test_wrong_size);
    g_test_add_func("/zip_writer/file", test_file);
    return g_test_run();
}
