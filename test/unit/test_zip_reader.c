/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "base/zip_reader.h"
#include "base/zip_writer.h"

#include <string.h>

/* A sound archive with two members, as bytes that can be damaged. */
static GByteArray *
make_archive(void)
{
    g_autoptr(GError) error = NULL;
    auto_ptr(zip_writer) zip = zip_writer_new_memory("two.zip");
    g_assert_true(zip_writer_add(zip, "first", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 32, &error));
    g_assert_true(zip_writer_begin(zip, "second", 5, &error));
    g_assert_true(zip_writer_write(zip, "world", 5, &error));
    g_assert_true(zip_writer_end(zip, &error));
    g_autoptr(GBytes) bytes = zip_writer_finish_bytes(zip, &error);
    g_assert_no_error(error);
    return g_bytes_unref_to_array(g_steal_pointer(&bytes));
}

static gsize
find(const GByteArray *archive, const char *text, guint nth)
{
    gsize length = strlen(text);
    for (gsize at = 0; at + length <= archive->len; at++)
        if (memcmp(archive->data + at, text, length) == 0 && nth-- == 0)
            return at;
    g_assert_not_reached();
}

static struct zip_reader *
open_archive(const GByteArray *archive, GError **error)
{
    g_autoptr(GBytes) bytes = g_bytes_new(archive->data, archive->len);
    return zip_reader_new_bytes(bytes, "two.zip", error);
}

static void
expect_refused(const GByteArray *archive, int code, const char *pattern)
{
    g_autoptr(GError) error = NULL;
    g_assert_null(open_archive(archive, &error));
    g_assert_error(error, SLIPWAY_ERROR, code);
    if (!g_pattern_match_simple(pattern, error->message))
        g_error("`%s` does not match `%s`", error->message, pattern);
}

static void
test_truncated(void)
{
    g_autoptr(GByteArray) archive = make_archive();
    while (archive->len > 0) {
        g_byte_array_set_size(archive, archive->len - 1);
        g_autoptr(GError) error = NULL;
        g_assert_null(open_archive(archive, &error));
        g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
    }
}

static void
rename_member(GByteArray *archive, const char *from, const char *to)
{
    for (guint i = 0; i < 2; i++)
        memcpy(archive->data + find(archive, from, 0), to, strlen(to));
}

static void
test_names(void)
{
    g_autoptr(GByteArray) climbing = make_archive();
    rename_member(climbing, "first", "../st");
    expect_refused(climbing, SLIPWAY_ERROR_CORRUPT,
                   "two.zip: has a member called `../st', which leads out of the archive");
    g_autoptr(GByteArray) absolute = make_archive();
    rename_member(absolute, "first", "/irst");
    expect_refused(absolute, SLIPWAY_ERROR_CORRUPT, "*`/irst'*leads out*");
    g_autoptr(GByteArray) backslash = make_archive();
    rename_member(backslash, "first", "..\\xx");
    expect_refused(backslash, SLIPWAY_ERROR_CORRUPT, "*leads out*");
    g_autoptr(GByteArray) zero = make_archive();
    zero->data[find(zero, "first", 1) + 2] = '\0';
    expect_refused(zero, SLIPWAY_ERROR_CORRUPT, "*impossible name");
}

static void
test_names_from_windows(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GByteArray) backslash = make_archive();
    rename_member(backslash, "first", "a\\b\\c");
    auto_ptr(zip_reader) reader = open_archive(backslash, &error);
    g_assert_no_error(error);
    g_assert_nonnull(zip_reader_find(reader, "a/b/c"));
    g_autoptr(GByteArray) latin = make_archive();
    rename_member(latin, "first", "f\xfcrst");
    auto_ptr(zip_reader) other = open_archive(latin, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(zip_reader_count(other), ==, 1);
}

static void
test_duplicate(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GByteArray) archive = make_archive();
    gsize central = find(archive, "PK\1\2", 1);
    memcpy(archive->data + central + 46, "first", 5);
    archive->data[central + 28] = 5; /* a shorter name: the rest becomes a comment */
    archive->data[central + 32] = 1;
    expect_refused(archive, SLIPWAY_ERROR_CORRUPT, "two.zip: has two members called first");
}

/* The second member claims the first one's bytes: how small bombs unpack to petabytes. */
static void
test_overlap(void)
{
    g_autoptr(GByteArray) archive = make_archive();
    gsize central = find(archive, "PK\1\2", 1);
    memset(archive->data + central + 42, 0, 4);
    expect_refused(archive, SLIPWAY_ERROR_CORRUPT, "two.zip: * and * overlap");
}

static void
test_unsupported(void)
{
    g_autoptr(GByteArray) encrypted = make_archive();
    encrypted->data[find(encrypted, "PK\1\2", 0) + 8] |= 1;
    expect_refused(encrypted, SLIPWAY_ERROR_UNSUPPORTED, "two.zip: first is encrypted");
    g_autoptr(GByteArray) method = make_archive();
    method->data[find(method, "PK\1\2", 0) + 10] = 12;
    expect_refused(method, SLIPWAY_ERROR_UNSUPPORTED, "*packed with method 12*");
}

static void
read_member(const GByteArray *archive, const char *name, int code, const char *pattern)
{
    g_autoptr(GError) error = NULL;
    auto_ptr(zip_reader) reader = open_archive(archive, &error);
    g_assert_no_error(error);
    g_assert_null(zip_reader_read(reader, zip_reader_find(reader, name), 1000, &error));
    g_assert_error(error, SLIPWAY_ERROR, code);
    if (!g_pattern_match_simple(pattern, error->message))
        g_error("`%s` does not match `%s`", error->message, pattern);
}

static void
test_sizes_that_lie(void)
{
    g_autoptr(GByteArray) larger = make_archive();
    larger->data[find(larger, "PK\1\2", 0) + 24] = 33;
    read_member(larger, "first", SLIPWAY_ERROR_CORRUPT, "first in two.zip: is smaller than*");
    g_autoptr(GByteArray) smaller = make_archive();
    smaller->data[find(smaller, "PK\1\2", 0) + 24] = 31;
    read_member(smaller, "first", SLIPWAY_ERROR_LIMIT, "*decompresses to more than 31 bytes");
    g_autoptr(GByteArray) crc = make_archive();
    crc->data[find(crc, "PK\1\2", 1) + 16] ^= 1;
    read_member(crc, "second", SLIPWAY_ERROR_CORRUPT, "*its CRC-32 is*");
    g_autoptr(GByteArray) content = make_archive();
    content->data[find(content, "world", 0)] ^= 1;
    read_member(content, "second", SLIPWAY_ERROR_CORRUPT, "*its CRC-32 is*");
}

/* Whatever one byte becomes, the reader answers; with a failure that has words. */
static void
test_every_byte(void)
{
    g_autoptr(GByteArray) good = make_archive();
    for (guint at = 0; at < good->len; at++) {
        g_autoptr(GByteArray) archive = make_archive();
        archive->data[at] ^= 0x5a;
        g_autoptr(GError) error = NULL;
        auto_ptr(zip_reader) reader = open_archive(archive, &error);
        for (gsize i = 0; reader != NULL && error == NULL && i < zip_reader_count(reader); i++) {
            g_autoptr(GBytes) bytes =
                zip_reader_read(reader, zip_reader_member(reader, i), 1000, &error);
            g_assert_true((bytes == NULL) == (error != NULL));
        }
        g_assert_true(error == NULL || *error->message != '\0');
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/zip-reader/truncated", test_truncated);
    g_test_add_func("/zip-reader/names", test_names);
    g_test_add_func("/zip-reader/names-from-windows", test_names_from_windows);
    g_test_add_func("/zip-reader/duplicate", test_duplicate);
    g_test_add_func("/zip-reader/overlap", test_overlap);
    g_test_add_func("/zip-reader/unsupported", test_unsupported);
    g_test_add_func("/zip-reader/sizes-that-lie", test_sizes_that_lie);
    g_test_add_func("/zip-reader/every-byte", test_every_byte);
    return g_test_run();
}
