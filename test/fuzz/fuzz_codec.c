/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Frames of packs.  The input: the codec, the level, the length of the plain bytes and of the
 * prefix (16 bits each, little endian), the prefix, the rest.  The rest as a frame: what comes out
 * has the length, nothing is written beyond.  The rest as plain bytes: they come back. */
#include "fuzz.h"
#include "store/codec.h"

#include <string.h>

#define HEAD 6
#define CANARY 64

static guint
load_16(const uint8_t *at)
{
    return at[0] | (guint)at[1] << 8;
}

static void
check_decode(struct codec *codec, enum codec_kind kind, const uint8_t *data, gsize size,
             const uint8_t *prefix, gsize prefix_length, gsize length)
{
    g_autoptr(GError) error = NULL;
    g_autofree guint8 *out = g_malloc(length + CANARY);
    memset(out + length, CANARY, CANARY);
    gboolean ok = codec_decode(codec, kind, data, size, prefix, prefix_length, out, length, &error);
    fuzz_check(ok, error);
    for (guint i = 0; i < CANARY; i++)
        g_assert_cmpuint(out[length + i], ==, CANARY);
}

static void
check_round_trip(struct codec *codec, enum codec_kind kind, int level, const uint8_t *data,
                 gsize size, const uint8_t *prefix, gsize prefix_length)
{
    g_autoptr(GError) error = NULL;
    g_autofree guint8 *encoded = g_malloc(codec_bound(size) + 1);
    g_autofree guint8 *out = g_malloc(size + 1);
    gsize written = codec_encode(codec, kind, level, data, size, prefix, prefix_length, encoded);
    if (written == 0)
        return;
    g_assert_cmpuint(written, <, size);
    codec_decode(codec, kind, encoded, written, prefix, prefix_length, out, size, &error);
    g_assert_no_error(error);
    g_assert_cmpmem(out, size, data, size);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < HEAD)
        return 0;
    enum codec_kind kind = (enum codec_kind)(data[0] % 8);
    int level = (int8_t)data[1];
    gsize length = load_16(data + 2);
    const uint8_t *prefix = data + HEAD;
    gsize prefix_length = MIN(load_16(data + 4), size - HEAD);
    data = prefix + prefix_length;
    size -= HEAD + prefix_length;

    auto_ptr(codec) codec = codec_new();
    check_decode(codec, kind, data, size, prefix, prefix_length, length);
    check_round_trip(codec, kind, level, data, size, prefix, prefix_length);
    /* With what the first call left in its contexts. */
    check_decode(codec, kind, data, size, prefix, prefix_length, length);
    return 0;
}
