/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "base/stream.h"
#include "scratch_directory.h"

#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>

static GBytes *
gzip(const char *data, gsize length)
{
    gsize room = compressBound(length) + 64;
    guint8 *out = g_malloc(room);
    z_stream z = {0};
    g_assert_cmpint(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), ==, Z_OK);
    z.next_in = (guint8 *)data;
    z.avail_in = (guint)length;
    z.next_out = out;
    z.avail_out = (guint)room;
    g_assert_cmpint(deflate(&z, Z_FINISH), ==, Z_STREAM_END);
    gsize made = z.total_out;
    deflateEnd(&z);
    return g_bytes_new_take(out, made);
}

static void
append(GByteArray *all, GBytes *bytes)
{
    gsize length;
    const guint8 *data = g_bytes_get_data(bytes, &length);
    g_byte_array_append(all, data, (guint)length);
}

static GBytes *
inflate_all(GBytes *packed, guint64 limit, GError **error)
{
    auto_ptr(stream) stream =
        stream_new_inflate(stream_new_bytes(packed, "packed"), STREAM_GZIP, limit);
    return stream_read_all(stream, 1 << 24, error);
}

/* Members of all lengths meet every place in the decompressor's look-ahead. */
static void
test_gzip_members(void)
{
    g_autoptr(GByteArray) packed = g_byte_array_new();
    g_autoptr(GString) plain = g_string_new(NULL);
    for (guint i = 0; i < 300; i++) {
        g_autofree char *part = g_strnfill(i, (char)('a' + i % 26));
        g_autoptr(GBytes) member = gzip(part, i);
        append(packed, member);
        g_string_append(plain, part);
    }
    g_byte_array_append(packed, (const guint8 *)"\0\0\0\0", 4); /* padding is fine */
    g_autoptr(GBytes) bytes = g_bytes_new(packed->data, packed->len);
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) out = inflate_all(bytes, 1 << 20, &error);
    g_assert_no_error(error);
    g_assert_cmpmem(g_bytes_get_data(out, NULL), g_bytes_get_size(out), plain->str, plain->len);
}

static void
expect_failure(GBytes *packed, guint64 limit, int code, const char *message)
{
    g_autoptr(GError) error = NULL;
    g_assert_null(inflate_all(packed, limit, &error));
    g_assert_error(error, SLIPWAY_ERROR, code);
    g_assert_cmpstr(error->message, ==, message);
}

static void
test_gzip_damage(void)
{
    g_autofree char *text = g_strnfill(5000, 'x');
    g_autoptr(GBytes) good = gzip(text, 5000);
    gsize length;
    const guint8 *data = g_bytes_get_data(good, &length);
    for (gsize cut = 0; cut < length; cut++) {
        g_autoptr(GBytes) part = g_bytes_new(data, cut);
        g_autoptr(GError) error = NULL;
        g_assert_null(inflate_all(part, 1 << 20, &error));
        g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
    }
    guint8 *copy = g_memdup2(data, length);
    copy[length - 6] ^= 1; /* in the CRC-32 */
    g_autoptr(GBytes) wrong_crc = g_bytes_new_take(copy, length);
    expect_failure(wrong_crc, 1 << 20, SLIPWAY_ERROR_CORRUPT,
                   "packed: its gzip checksum is wrong, the data is damaged");
    g_autoptr(GByteArray) more = g_byte_array_new();
    append(more, good);
    g_byte_array_append(more, (const guint8 *)"junk", 4);
    g_autoptr(GBytes) trailing = g_bytes_new(more->data, more->len);
    expect_failure(trailing, 1 << 20, SLIPWAY_ERROR_CORRUPT,
                   "packed: has something after the end of its gzip data");
    expect_failure(good, 4999, SLIPWAY_ERROR_LIMIT, "packed: decompresses to more than 4999 bytes");
}

static void
test_bytes(void)
{
    g_autoptr(GBytes) bytes = g_bytes_new_static("0123456789", 10);
    auto_ptr(stream) stream = stream_new_bytes(bytes, "ten");
    char buffer[16];
    g_autoptr(GError) error = NULL;
    g_assert_cmpuint(stream_size(stream), ==, 10);
    g_assert_true(stream_read_exact(stream, buffer, 3, &error));
    g_assert_true(stream_skip(stream, 2, &error));
    g_assert_cmpint(stream_read(stream, buffer, 16, &error), ==, 5);
    g_assert_cmpmem(buffer, 5, "56789", 5);
    g_assert_cmpint(stream_read(stream, buffer, 16, &error), ==, 0);
    g_assert_false(stream_skip(stream, 1, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
    g_assert_cmpstr(error->message, ==, "ten: ends too early, the file is truncated");
}

/* Two ranges of one file do not disturb each other; a file that shrank is noticed. */
static void
test_file_ranges(void)
{
    auto_scratch scratch = scratch_new();
    scratch_put(&scratch, "file", "abcdefghij");
    g_autofree char *path = scratch_path(&scratch, "file");
    int fd = open(path, O_RDWR);
    g_autoptr(GError) error = NULL;
    auto_ptr(stream) first = stream_new_fd(fd, 0, 4, "first", &error);
    auto_ptr(stream) second = stream_new_fd(fd, 4, 6, "second", &error);
    g_assert_no_error(error);
    char buffer[8];
    g_assert_true(stream_read_exact(second, buffer, 2, &error));
    g_assert_true(stream_read_exact(first, buffer + 2, 4, &error));
    g_assert_cmpmem(buffer, 6, "efabcd", 6);
    g_assert_cmpint(ftruncate(fd, 7), ==, 0);
    close(fd);
    g_assert_false(stream_read_exact(second, buffer, 4, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
}

static void
test_file_errors(void)
{
    g_autoptr(GError) missing = NULL, directory = NULL;
    g_assert_null(stream_new_file("/nowhere/at/all", &missing));
    g_assert_error(missing, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND);
    g_assert_cmpstr(missing->message, ==, "cannot open /nowhere/at/all: No such file or directory");
    g_assert_null(stream_new_file("/", &directory));
    g_assert_error(directory, SLIPWAY_ERROR, SLIPWAY_ERROR_USAGE);
}

static void
test_read_all_limit(void)
{
    g_autoptr(GBytes) bytes = g_bytes_new_static("0123456789", 10);
    g_autoptr(GError) error = NULL;
    auto_ptr(stream) fits = stream_new_bytes(bytes, "ten");
    g_autoptr(GBytes) all = stream_read_all(fits, 10, &error);
    g_assert_cmpuint(g_bytes_get_size(all), ==, 10);
    auto_ptr(stream) over = stream_new_bytes(bytes, "ten");
    g_assert_null(stream_read_all(over, 9, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_LIMIT);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/stream/gzip-members", test_gzip_members);
    g_test_add_func("/stream/gzip-damage", test_gzip_damage);
    g_test_add_func("/stream/bytes", test_bytes);
    g_test_add_func("/stream/file-ranges", test_file_ranges);
    g_test_add_func("/stream/file-errors", test_file_errors);
    g_test_add_func("/stream/read-all-limit", test_read_all_limit);
    return g_test_run();
}
