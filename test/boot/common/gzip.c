/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "gzip.h"

#include "crc32.h"

#define HEADER_SIZE 10
#define TRAILER_SIZE 8
#define METHOD_DEFLATE 8
#define RATIO_MAX 1032 /* deflate cannot do better */

enum {
    FLAG_HEADER_CRC = 1 << 1,
    FLAG_EXTRA = 1 << 2,
    FLAG_NAME = 1 << 3,
    FLAG_COMMENT = 1 << 4,
    FLAGS_RESERVED = 0xe0,
};

static uint32_t
get_u32(const uint8_t *at)
{
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

bool
gzip_detect(const uint8_t *in, size_t in_size)
{
    return in_size >= 2 && in[0] == 0x1f && in[1] == 0x8b;
}

size_t
gzip_size_guess(const uint8_t *in, size_t in_size)
{
    if (in_size < HEADER_SIZE + TRAILER_SIZE)
        return 1;
    size_t stated = get_u32(in + in_size - 4);
    /* Deflate never makes data much longer, so a size far below that of the file is that
     * of the last of several members, and one beyond the best ratio is no size at all. */
    if (stated + stated / 64 + 1024 < in_size || stated / RATIO_MAX > in_size)
        return in_size * 4;
    return stated == 0 ? 1 : stated;
}

/* Step over a text that ends with a NUL. */
static bool
skip_text(const uint8_t *in, size_t in_size, size_t *at)
{
    while (*at < in_size)
        if (in[(*at)++] == 0)
            return true;
    return false;
}

static enum expand_status
skip_header(const uint8_t *in, size_t in_size, size_t *ret_at)
{
    if (in_size < HEADER_SIZE)
        return EXPAND_TRUNCATED;
    unsigned flags = in[3];
    if (in[2] != METHOD_DEFLATE || (flags & FLAGS_RESERVED) != 0)
        return EXPAND_BAD_HEADER;

    size_t at = HEADER_SIZE;
    if (flags & FLAG_EXTRA) {
        if (in_size - at < 2)
            return EXPAND_TRUNCATED;
        size_t extra = in[at] | (size_t)in[at + 1] << 8;
        at += 2;
        if (in_size - at < extra)
            return EXPAND_TRUNCATED;
        at += extra;
    }
    if ((flags & FLAG_NAME) && !skip_text(in, in_size, &at))
        return EXPAND_TRUNCATED;
    if ((flags & FLAG_COMMENT) && !skip_text(in, in_size, &at))
        return EXPAND_TRUNCATED;
    if (flags & FLAG_HEADER_CRC) {
        if (in_size - at < 2)
            return EXPAND_TRUNCATED;
        at += 2;
    }
    *ret_at = at;
    return EXPAND_OK;
}

static enum expand_status
expand_member(const uint8_t *in, size_t in_size, uint8_t *out, size_t out_capacity,
              size_t *ret_used, size_t *ret_size)
{
    size_t at, used, size;
    enum expand_status status = skip_header(in, in_size, &at);
    if (status != EXPAND_OK)
        return status;
    status = inflate_expand(in + at, in_size - at, out, out_capacity, &used, &size);
    if (status != EXPAND_OK)
        return status;
    at += used;
    if (in_size - at < TRAILER_SIZE)
        return EXPAND_TRUNCATED;
    if (get_u32(in + at) != crc32_update(0, out, size))
        return EXPAND_BAD_CRC;
    if (get_u32(in + at + 4) != (uint32_t)size)
        return EXPAND_BAD_SIZE;
    *ret_used = at + TRAILER_SIZE;
    *ret_size = size;
    return EXPAND_OK;
}

enum expand_status
gzip_expand(const uint8_t *in, size_t in_size, uint8_t *out, size_t out_capacity, size_t *ret_size)
{
    size_t at = 0, total = 0;
    if (!gzip_detect(in, in_size))
        return EXPAND_BAD_HEADER;
    while (gzip_detect(in + at, in_size - at)) {
        size_t used, size;
        enum expand_status status =
            expand_member(in + at, in_size - at, out + total, out_capacity - total, &used, &size);
        if (status != EXPAND_OK)
            return status;
        at += used;
        total += size;
    }
    *ret_size = total;
    return EXPAND_OK;
}

const char *
expand_status_text(enum expand_status status)
{
    switch (status) {
    case EXPAND_OK:
        return "no error";
    case EXPAND_FULL:
        return "gzip data larger than the memory for it";
    case EXPAND_TRUNCATED:
        return "gzip data ends too early";
    case EXPAND_BAD_HEADER:
        return "gzip header not understood";
    case EXPAND_BAD_DATA:
        return "gzip data corrupt";
    case EXPAND_BAD_CRC:
        return "gzip CRC mismatch";
    case EXPAND_BAD_SIZE:
        return "gzip size mismatch";
    }
    return "unknown gzip error";
}
