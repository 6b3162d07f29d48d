/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Decompressing, with zlib as the judge.  The first byte: bit 0 gzip or deflate, bit 1 a small
 * limit, the rest how much is read at once.
 *
 * Never more bytes come out than the limit; what comes out is what zlib makes of it, and whatever
 * zlib takes is taken. */
#include "base/error.h"
#include "base/stream.h"
#include "fuzz.h"

#include <string.h>
#include <zlib.h>

#define LIMIT_SMALL 1000
#define LIMIT_LARGE 200000

/* One member by zlib, at most LIMIT_LARGE + 1 bytes; NULL when it is none. */
static GByteArray *
judge(const uint8_t *data, size_t size, enum stream_format format, gsize *ret_used)
{
    z_stream z = {0};
    g_assert_cmpint(inflateInit2(&z, format == STREAM_GZIP ? 15 + 16 : -15), ==, Z_OK);
    z.next_in = (Bytef *)data;
    z.avail_in = (uInt)size;
    g_autoptr(GByteArray) all = g_byte_array_new();
    guint8 buffer[4096];
    int result = Z_OK;
    while (result == Z_OK && all->len <= LIMIT_LARGE) {
        z.next_out = buffer;
        z.avail_out = sizeof buffer;
        result = inflate(&z, Z_NO_FLUSH);
        g_byte_array_append(all, buffer, (guint)sizeof buffer - z.avail_out);
    }
    *ret_used = size - z.avail_in;
    inflateEnd(&z);
    return result == Z_STREAM_END ? g_steal_pointer(&all) : NULL;
}

/* Bytes that came out are appended to `all`. */
static gboolean
read_all(struct stream *stream, gsize step, GByteArray *all, GError **error)
{
    g_autofree guint8 *buffer = g_malloc(step);
    gssize got;
    while ((got = stream_read(stream, buffer, step, error)) > 0)
        g_byte_array_append(all, buffer, (guint)got);
    if (got == 0)
        g_assert_cmpint(stream_read(stream, buffer, step, NULL), ==, 0);
    return got == 0;
}

/* A single member with nothing behind it, so that both mean the same. */
static void
compare(const uint8_t *data, size_t size, enum stream_format format, const GByteArray *all,
        gboolean ok, const GError *error)
{
    gsize used = 0;
    g_autoptr(GByteArray) right = judge(data, size, format, &used);
    if (right == NULL || right->len > LIMIT_LARGE || (format == STREAM_GZIP && used != size))
        return;
    g_assert_no_error(error);
    g_assert_true(ok);
    g_assert_cmpmem(all->data, all->len, right->data, right->len);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    enum stream_format format = data[0] & 1 ? STREAM_GZIP : STREAM_DEFLATE;
    gsize limit = data[0] & 2 ? LIMIT_SMALL : LIMIT_LARGE;
    gsize step = data[0] >> 2 == 0 ? 65536 : (gsize)(data[0] >> 2) * 7;
    g_autoptr(GBytes) bytes = g_bytes_new_static(data + 1, size - 1);
    auto_ptr(stream) stream = stream_new_inflate(stream_new_bytes(bytes, "input"), format, limit);
    g_autoptr(GByteArray) all = g_byte_array_new();
    g_autoptr(GError) error = NULL;
    gboolean ok = read_all(stream, step, all, &error);
    fuzz_check(ok, error);
    g_assert_cmpuint(all->len, <=, limit);
    if (limit == LIMIT_LARGE)
        compare(data + 1, size - 1, format, all, ok, error);
    return 0;
}
