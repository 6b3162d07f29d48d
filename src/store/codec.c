/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/codec.h"

#include "base/error.h"

#include <limits.h>
#include <lz4.h>
#include <lz4hc.h>
#include <string.h>
#include <zstd.h>

#define ZSTD_LEVEL_LEAST -7
#define ZSTD_LEVEL_MOST 19
#define ZSTD_WINDOW_LOG_MIN 10
#define ZSTD_WINDOW_LOG_MAX 27 /* what any decoder accepts */
#define LZ4_LEVEL_MOST 12
#define PROBE_ABOVE 4 /* from the next zstd level on, data that will not shrink takes long */
#define PROBE_LEVEL 1
#define SAMPLE 4096        /* bytes */
#define SAMPLE_CHI_MAX 450 /* of random bytes: 255, give or take 23 */

/* The four bytes that a frame begins with; frames of old formats begin with others. */
static const guint8 zstd_magic[] = {0x28, 0xb5, 0x2f, 0xfd};

struct codec {
    ZSTD_CCtx *zstd;
    int zstd_level; /* as set in the context */
    int zstd_window_log;
    ZSTD_DCtx *unzstd;
    void *lz4;
    void *lz4_hc;
};

struct codec *
codec_new(void)
{
    return g_new0(struct codec, 1);
}

void
codec_free(struct codec *codec)
{
    if (codec == NULL)
        return;
    ZSTD_freeCCtx(codec->zstd);
    ZSTD_freeDCtx(codec->unzstd);
    g_free(codec->lz4);
    g_free(codec->lz4_hc);
    g_free(codec);
}

/* What does not get smaller is not kept, so no bound of a codec matters. */
gsize
codec_bound(gsize length)
{
    return length;
}

static void
set(ZSTD_CCtx *context, ZSTD_cParameter parameter, int value)
{
    if (ZSTD_isError(ZSTD_CCtx_setParameter(context, parameter, value)))
        g_error("zstd does not know parameter %d with value %d", parameter, value);
}

/* A frame says nothing that a pack's table says. */
static void
open_zstd(struct codec *codec)
{
    codec->zstd = ZSTD_createCCtx();
    if (codec->zstd == NULL)
        g_error("no memory for zstd");
    set(codec->zstd, ZSTD_c_contentSizeFlag, 0);
    set(codec->zstd, ZSTD_c_checksumFlag, 0);
    set(codec->zstd, ZSTD_c_dictIDFlag, 0);
    codec->zstd_level = ZSTD_CLEVEL_DEFAULT;
}

/* A window that reaches from the end of the data back to the prefix's beginning. */
static int
window_log(gsize length)
{
    return CLAMP((int)g_bit_storage(length - 1), ZSTD_WINDOW_LOG_MIN, ZSTD_WINDOW_LOG_MAX);
}

/* Whether all bytes are about equally frequent: compressed, encrypted or, seldom, not yet. */
static gboolean
looks_random(const guint8 *data, gsize length)
{
    guint counts[256] = {0};
    gsize step = MAX(length / SAMPLE, 1), n = 0;
    for (gsize i = 0; i < length; i += step, n++)
        counts[data[i]]++;
    double chi = -(double)n;
    for (guint i = 0; i < G_N_ELEMENTS(counts); i++)
        chi += (double)counts[i] * counts[i] * G_N_ELEMENTS(counts) / (double)n;
    return chi < SAMPLE_CHI_MAX;
}

static gsize
run_zstd(struct codec *codec, int level, const void *data, gsize length, const void *prefix,
         gsize prefix_length, void *out)
{
    if (codec->zstd == NULL)
        open_zstd(codec);
    /* A frame that did not fit leaves the context in the middle of it. */
    ZSTD_CCtx_reset(codec->zstd, ZSTD_reset_session_only);
    if (level != codec->zstd_level)
        set(codec->zstd, ZSTD_c_compressionLevel, level);
    codec->zstd_level = level;
    /* 0: as the level and the length suggest. */
    int log = prefix_length > 0 ? window_log(prefix_length + length) : 0;
    if (log != codec->zstd_window_log)
        set(codec->zstd, ZSTD_c_windowLog, log);
    codec->zstd_window_log = log;
    if (prefix_length > 0 && ZSTD_isError(ZSTD_CCtx_refPrefix(codec->zstd, prefix, prefix_length)))
        return 0;
    gsize written = ZSTD_compress2(codec->zstd, out, length - 1, data, length);
    return ZSTD_isError(written) ? 0 : written;
}

/* High levels search random bytes at 20 to 500 MB/s.  A low one gives up at once, and where it
 * finds nothing at all they find next to nothing. */
static gsize
encode_zstd(struct codec *codec, int level, const void *data, gsize length, const void *prefix,
            gsize prefix_length, void *out)
{
    level = CLAMP(level, ZSTD_LEVEL_LEAST, ZSTD_LEVEL_MOST);
    if (level > PROBE_ABOVE && looks_random(data, length) &&
        run_zstd(codec, PROBE_LEVEL, data, length, prefix, prefix_length, out) == 0)
        return 0;
    return run_zstd(codec, level, data, length, prefix, prefix_length, out);
}

static int
run_lz4_fast(struct codec *codec, const void *data, int length, void *out)
{
    if (codec->lz4 == NULL)
        codec->lz4 = g_malloc((gsize)LZ4_sizeofState());
    return LZ4_compress_fast_extState(codec->lz4, data, out, length, length - 1, 1);
}

/* Both functions return 0 when the room does not suffice. */
static int
encode_lz4(struct codec *codec, int level, const void *data, int length, void *out)
{
    if (level <= 0)
        return run_lz4_fast(codec, data, length, out);
    if (looks_random(data, (gsize)length) && run_lz4_fast(codec, data, length, out) == 0)
        return 0;
    if (codec->lz4_hc == NULL)
        codec->lz4_hc = g_malloc((gsize)LZ4_sizeofStateHC());
    return LZ4_compress_HC_extStateHC(codec->lz4_hc, data, out, length, length - 1,
                                      MIN(level, LZ4_LEVEL_MOST));
}

gsize
codec_encode(struct codec *codec, enum codec_kind kind, int level, const void *data, gsize length,
             const void *prefix, gsize prefix_length, void *out)
{
    if (length < 2 || length > LZ4_MAX_INPUT_SIZE)
        return 0;
    switch (kind) {
    case CODEC_NONE:
        return 0;
    case CODEC_ZSTD:
        return encode_zstd(codec, level, data, length, NULL, 0, out);
    case CODEC_LZ4:
        return (gsize)encode_lz4(codec, level, data, (int)length, out);
    case CODEC_ZSTD_DELTA:
        /* The fastest levels look at so few places that they miss the base. */
        return encode_zstd(codec, MAX(level, 1), data, length, prefix, prefix_length, out);
    }
    return 0;
}

/* One frame of the present format and nothing after it: the library alone would go on to a next
 * one, skip what it may skip, and take what old versions wrote. */
static gboolean
is_one_frame(const void *data, gsize length)
{
    return length >= sizeof zstd_magic && memcmp(data, zstd_magic, sizeof zstd_magic) == 0 &&
           ZSTD_findFrameCompressedSize(data, length) == length;
}

static gboolean
decode_zstd(struct codec *codec, const void *data, gsize data_length, const void *prefix,
            gsize prefix_length, void *out, gsize length, GError **error)
{
    if (codec->unzstd == NULL)
        codec->unzstd = ZSTD_createDCtx();
    if (codec->unzstd == NULL)
        g_error("no memory for zstd");
    if (!is_one_frame(data, data_length))
        return error_set(error, SLIPWAY_ERROR_CORRUPT, "not one whole zstd frame");
    if (prefix_length > 0) {
        gsize result = ZSTD_DCtx_refPrefix(codec->unzstd, prefix, prefix_length);
        if (ZSTD_isError(result))
            return error_set(error, SLIPWAY_ERROR_FAILED, "zstd: %s", ZSTD_getErrorName(result));
    }
    /* In one call the output is the window: its size in the frame takes no memory. */
    gsize written = ZSTD_decompressDCtx(codec->unzstd, out, length, data, data_length);
    if (ZSTD_isError(written))
        return error_set(error, SLIPWAY_ERROR_CORRUPT, "zstd: %s", ZSTD_getErrorName(written));
    if (written != length)
        return error_set(error, SLIPWAY_ERROR_CORRUPT,
                         "zstd: %" G_GSIZE_FORMAT " bytes came out, not %" G_GSIZE_FORMAT, written,
                         length);
    return TRUE;
}

static gboolean
decode_lz4(const void *data, gsize data_length, void *out, gsize length, GError **error)
{
    if (data_length > INT_MAX || length > INT_MAX)
        return error_set(error, SLIPWAY_ERROR_CORRUPT, "lz4: longer than a block can be");
    int written = LZ4_decompress_safe(data, out, (int)data_length, (int)length);
    if (written < 0)
        return error_set(error, SLIPWAY_ERROR_CORRUPT, "lz4: malformed block");
    if ((gsize)written != length)
        return error_set(error, SLIPWAY_ERROR_CORRUPT,
                         "lz4: %d bytes came out, not %" G_GSIZE_FORMAT, written, length);
    return TRUE;
}

static gboolean
decode_none(const void *data, gsize data_length, void *out, gsize length, GError **error)
{
    if (data_length != length)
        return error_set(error, SLIPWAY_ERROR_CORRUPT,
                         "%" G_GSIZE_FORMAT " bytes are stored, not %" G_GSIZE_FORMAT, data_length,
                         length);
    if (length > 0)
        memcpy(out, data, length);
    return TRUE;
}

gboolean
codec_decode(struct codec *codec, enum codec_kind kind, const void *data, gsize data_length,
             const void *prefix, gsize prefix_length, void *out, gsize length, GError **error)
{
    switch (kind) {
    case CODEC_NONE:
        return decode_none(data, data_length, out, length, error);
    case CODEC_ZSTD:
        return decode_zstd(codec, data, data_length, NULL, 0, out, length, error);
    case CODEC_LZ4:
        return decode_lz4(data, data_length, out, length, error);
    case CODEC_ZSTD_DELTA:
        return decode_zstd(codec, data, data_length, prefix, prefix_length, out, length, error);
    }
    return error_set(error, SLIPWAY_ERROR_CORRUPT, "codec %d is none", (int)kind);
}
