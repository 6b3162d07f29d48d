/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "store/codec.h"

#include <string.h>

#define LARGE (256u << 10)
#define CANARY 0xa5

static const int zstd_levels[] = {-100, -7, -1, 0, 1, 3, 4, 5, 9, 15, 19, 100};
static const int lz4_levels[] = {-1, 0, 1, 3, 9, 12, 100};

static guint8 *
random_bytes(guint32 seed, gsize length)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
    guint8 *data = g_malloc(length);
    for (gsize i = 0; i < length; i++)
        data[i] = (guint8)g_rand_int(rand);
    return data;
}

/* Words of few letters: what compresses. */
static guint8 *
words(guint32 seed, gsize length)
{
    guint8 *data = random_bytes(seed, length);
    for (gsize i = 0; i < length; i++)
        data[i] = data[i] < 40 ? ' ' : (guint8)('a' + data[i] % 5);
    return data;
}

/* Decodes into a buffer of exactly that length with something behind it that must stay. */
static gboolean
decode(struct codec *codec, enum codec_kind kind, const void *data, gsize data_length,
       const void *prefix, gsize prefix_length, guint8 *out, gsize length, GError **error)
{
    memset(out + length, CANARY, 16);
    gboolean ok =
        codec_decode(codec, kind, data, data_length, prefix, prefix_length, out, length, error);
    for (guint i = 0; i < 16; i++)
        g_assert_cmphex(out[length + i], ==, CANARY);
    return ok;
}

static void
assert_corrupt(struct codec *codec, enum codec_kind kind, const void *data, gsize data_length,
               const void *prefix, gsize prefix_length, gsize length)
{
    g_autofree guint8 *copy = g_memdup2(data, data_length);
    g_autofree guint8 *out = g_malloc(length + 16);
    g_autoptr(GError) error = NULL;
    g_assert_false(
        decode(codec, kind, copy, data_length, prefix, prefix_length, out, length, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
}

/* Returns the bytes it took: 0 when they did not get fewer. */
static gsize
round_trip(struct codec *codec, enum codec_kind kind, int level, const guint8 *data, gsize length,
           const guint8 *prefix, gsize prefix_length)
{
    g_autofree guint8 *encoded = g_malloc(codec_bound(length) + 16);
    g_autofree guint8 *out = g_malloc(length + 17);
    memset(encoded + codec_bound(length), CANARY, 16);
    gsize written = codec_encode(codec, kind, level, data, length, prefix, prefix_length, encoded);
    for (guint i = 0; i < 16; i++)
        g_assert_cmphex(encoded[codec_bound(length) + i], ==, CANARY);
    if (written == 0)
        return 0;
    g_assert_cmpuint(written, <, length);
    g_autoptr(GError) error = NULL;
    g_assert_true(
        decode(codec, kind, encoded, written, prefix, prefix_length, out, length, &error));
    g_assert_no_error(error);
    g_assert_cmpmem(out, length, data, length);
    assert_corrupt(codec, kind, encoded, written, prefix, prefix_length, length - 1);
    assert_corrupt(codec, kind, encoded, written, prefix, prefix_length, length + 1);
    return written;
}

static void
try_all(struct codec *codec, const guint8 *data, gsize length, gboolean shrinks)
{
    for (gsize i = 0; i < G_N_ELEMENTS(zstd_levels); i++)
        g_assert_cmpint(round_trip(codec, CODEC_ZSTD, zstd_levels[i], data, length, NULL, 0) > 0,
                        ==, shrinks);
    for (gsize i = 0; i < G_N_ELEMENTS(lz4_levels); i++)
        g_assert_cmpint(round_trip(codec, CODEC_LZ4, lz4_levels[i], data, length, NULL, 0) > 0, ==,
                        shrinks);
}

/* One codec for all of it: nothing of one call is left for the next. */
static void
test_round_trip(void)
{
    auto_ptr(codec) codec = codec_new();
    g_autofree guint8 *text = words(1, LARGE);
    g_autofree guint8 *noise = random_bytes(2, LARGE);
    g_autofree guint8 *zeros = g_malloc0(4 * LARGE);
    try_all(codec, zeros, 4 * LARGE, TRUE);
    try_all(codec, text, LARGE, TRUE);
    try_all(codec, noise, LARGE, FALSE);
    try_all(codec, text, 4096, TRUE);
    try_all(codec, noise, 4096, FALSE);
    for (gsize length = 1; length < 12; length++)
        try_all(codec, noise, length, FALSE);
    g_assert_cmpuint(codec_encode(codec, CODEC_ZSTD, 3, text, 0, NULL, 0, noise), ==, 0);
    g_assert_cmpuint(codec_encode(codec, CODEC_LZ4, 0, text, 0, NULL, 0, noise), ==, 0);
    g_assert_cmpuint(codec_encode(codec, CODEC_NONE, 0, text, LARGE, NULL, 0, noise), ==, 0);
}

/* Bytes that are random but come twice: the quick look must not give them up. */
static void
test_repeated_noise(void)
{
    auto_ptr(codec) codec = codec_new();
    g_autofree guint8 *noise = random_bytes(3, LARGE);
    memcpy(noise + LARGE / 8, noise, LARGE / 8);
    for (gsize i = 0; i < G_N_ELEMENTS(zstd_levels); i++)
        g_assert_cmpuint(round_trip(codec, CODEC_ZSTD, zstd_levels[i], noise, LARGE / 4, NULL, 0),
                         <, LARGE / 7);
    for (gsize i = 0; i < G_N_ELEMENTS(lz4_levels); i++)
        g_assert_cmpuint(round_trip(codec, CODEC_LZ4, lz4_levels[i], noise, LARGE / 4, NULL, 0), >,
                         0);
}

/* The longest chunk against a base of the same length whose first bytes are what is wanted: the
 * window reaches back over both. */
static void
test_delta(void)
{
    auto_ptr(codec) codec = codec_new();
    g_autofree guint8 *base = random_bytes(4, LARGE);
    g_autofree guint8 *data = g_memdup2(base, LARGE);
    for (guint i = 0; i < 10; i++)
        data[i * 25000 + 7] ^= 0x55;
    for (gsize i = 0; i < G_N_ELEMENTS(zstd_levels); i++) {
        int level = zstd_levels[i];
        g_assert_cmpuint(round_trip(codec, CODEC_ZSTD_DELTA, level, data, LARGE, base, LARGE), <,
                         200);
        g_assert_cmpuint(round_trip(codec, CODEC_ZSTD_DELTA, level, data, LARGE, base, LARGE), >,
                         0);
        g_assert_cmpuint(round_trip(codec, CODEC_ZSTD_DELTA, level, data, 4096, base, LARGE), <,
                         200);
        g_assert_cmpuint(round_trip(codec, CODEC_ZSTD_DELTA, level, base, LARGE, data, 4096), <,
                         LARGE - 4000);
        /* The prefix of one call is not that of the next. */
        g_assert_cmpuint(round_trip(codec, CODEC_ZSTD, level, data, LARGE, NULL, 0), ==, 0);
    }
}

static void
test_wrong_base(void)
{
    auto_ptr(codec) codec = codec_new();
    g_autofree guint8 *base = random_bytes(5, 65536);
    g_autofree guint8 *data = g_memdup2(base, 65536);
    g_autofree guint8 *encoded = g_malloc(65536);
    data[100] ^= 1;
    gsize written = codec_encode(codec, CODEC_ZSTD_DELTA, 3, data, 65536, base, 65536, encoded);
    g_assert_cmpuint(written, >, 0);
    assert_corrupt(codec, CODEC_ZSTD_DELTA, encoded, written, base, 4096, 65536);
    assert_corrupt(codec, CODEC_ZSTD_DELTA, encoded, written, NULL, 0, 65536);
    assert_corrupt(codec, CODEC_ZSTD, encoded, written, NULL, 0, 65536);
    assert_corrupt(codec, CODEC_LZ4, encoded, written, NULL, 0, 65536);
    /* After all this it still works. */
    round_trip(codec, CODEC_ZSTD_DELTA, 3, data, 65536, base, 65536);
}

static void
test_truncated(void)
{
    auto_ptr(codec) codec = codec_new();
    g_autofree guint8 *data = words(6, 5000);
    guint8 encoded[5000];
    gsize written = codec_encode(codec, CODEC_ZSTD, 3, data, 5000, NULL, 0, encoded);
    for (gsize cut = 0; cut < written; cut++)
        assert_corrupt(codec, CODEC_ZSTD, encoded, cut, NULL, 0, 5000);
    written = codec_encode(codec, CODEC_ZSTD_DELTA, 3, data, 2000, data + 2000, 3000, encoded);
    for (gsize cut = 0; cut < written; cut++)
        assert_corrupt(codec, CODEC_ZSTD_DELTA, encoded, cut, data + 2000, 3000, 2000);
    written = codec_encode(codec, CODEC_LZ4, 0, data, 5000, NULL, 0, encoded);
    for (gsize cut = 0; cut < written; cut++)
        assert_corrupt(codec, CODEC_LZ4, encoded, cut, NULL, 0, 5000);
}

/* A frame and something that the library would pass over or go on with. */
static void
test_more_than_a_frame(void)
{
    auto_ptr(codec) codec = codec_new();
    g_autofree guint8 *data = words(7, 4000);
    guint8 encoded[8000];
    gsize written = codec_encode(codec, CODEC_ZSTD, 3, data, 4000, NULL, 0, encoded);
    memcpy(encoded + written, encoded, written);
    assert_corrupt(codec, CODEC_ZSTD, encoded, 2 * written, NULL, 0, 8000);
    static const guint8 skippable[] = {0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0};
    memcpy(encoded + written, skippable, sizeof skippable);
    assert_corrupt(codec, CODEC_ZSTD, encoded, written + sizeof skippable, NULL, 0, 4000);
    assert_corrupt(codec, CODEC_ZSTD, skippable, sizeof skippable, NULL, 0, 0);
    encoded[written] = 0;
    assert_corrupt(codec, CODEC_ZSTD, encoded, written + 1, NULL, 0, 4000);
}

/* Damage is found or gives other bytes, and never writes where it must not. */
static void
test_garbage(void)
{
    auto_ptr(codec) codec = codec_new();
    g_autoptr(GRand) rand = g_rand_new_with_seed(8);
    g_autofree guint8 *data = words(9, 3000);
    static const enum codec_kind kinds[] = {CODEC_ZSTD, CODEC_LZ4, CODEC_ZSTD_DELTA};
    for (guint i = 0; i < 6000; i++) {
        enum codec_kind kind = kinds[i % G_N_ELEMENTS(kinds)];
        guint8 encoded[3000], out[3016];
        gsize written = codec_encode(codec, kind, 1, data, 2000, data + 2000, 1000, encoded);
        for (gint32 n = g_rand_int_range(rand, 1, 4); n > 0; n--)
            encoded[g_rand_int_range(rand, 0, (gint32)written)] ^=
                (guint8)g_rand_int_range(rand, 1, 256);
        g_autofree guint8 *exact = g_memdup2(encoded, written);
        g_autoptr(GError) error = NULL;
        if (!decode(codec, kind, exact, written, data + 2000, 1000, out, 2000, &error))
            g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
    }
}

static void
test_none(void)
{
    auto_ptr(codec) codec = codec_new();
    guint8 out[32];
    g_autoptr(GError) error = NULL;
    g_assert_true(decode(codec, CODEC_NONE, "bytes", 5, NULL, 0, out, 5, &error));
    g_assert_cmpmem(out, 5, "bytes", 5);
    g_assert_true(decode(codec, CODEC_NONE, "", 0, NULL, 0, out, 0, &error));
    assert_corrupt(codec, CODEC_NONE, "bytes", 5, NULL, 0, 6);
    assert_corrupt(codec, CODEC_NONE, "bytes", 5, NULL, 0, 4);
    assert_corrupt(codec, (enum codec_kind)4, "bytes", 5, NULL, 0, 5);
    assert_corrupt(codec, (enum codec_kind)255, "bytes", 5, NULL, 0, 5);
    g_assert_false(codec_decode(codec, CODEC_NONE, "bytes", 5, NULL, 0, out, 6, &error));
    g_assert_cmpstr(error->message, ==, "5 bytes are stored, not 6");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/codec/round-trip", test_round_trip);
    g_test_add_func("/codec/repeated-noise", test_repeated_noise);
    g_test_add_func("/codec/delta", test_delta);
    g_test_add_func("/codec/wrong-base", test_wrong_base);
    g_test_add_func("/codec/truncated", test_truncated);
    g_test_add_func("/codec/more-than-a-frame", test_more_than_a_frame);
    g_test_add_func("/codec/garbage", test_garbage);
    g_test_add_func("/codec/none", test_none);
    return g_test_run();
}
