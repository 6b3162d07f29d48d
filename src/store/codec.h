/* SPDX-License-Identifier: GPL-3.0-or-later */
/* codec.h: compression of one group of chunks.  One codec belongs to one thread at a time. */
#pragma once

#include "base/auto_ptr.h"

#include <glib.h>

/* As in a pack's table; the numbers are part of the format. */
enum codec_kind {
    CODEC_NONE = 0,
    CODEC_ZSTD = 1,
    CODEC_LZ4 = 2,
    CODEC_ZSTD_DELTA = 3, /* with the plain bytes of another chunk as prefix */
};

struct codec;

/* Reusable contexts, made when first needed. */
struct codec *codec_new(void);
void codec_free(struct codec *codec);
AUTO_PTR_DEFINE(codec, codec_free)

/* Room that codec_encode() may need for `length` bytes: not more than these. */
gsize codec_bound(gsize length);

/* Compress `length` bytes into `out` (of codec_bound(length) bytes) as `kind` at `level` (zstd: -7
 * to 19; lz4: 0, or 3 to 12 for HC; others are brought into range, and to 1 at least for a delta).
 * `prefix` is for CODEC_ZSTD_DELTA only and does not overlap `data`.  Returns the bytes written,
 * always fewer than `length`; 0 when that cannot be: the caller stores CODEC_NONE. */
gsize codec_encode(struct codec *codec, enum codec_kind kind, int level, const void *data,
                   gsize length, const void *prefix, gsize prefix_length, void *out);

/* Exactly `length` plain bytes into `out`.  SLIPWAY_ERROR_CORRUPT when that is not what comes out;
 * never writes beyond `length`. */
gboolean codec_decode(struct codec *codec, enum codec_kind kind, const void *data,
                      gsize data_length, const void *prefix, gsize prefix_length, void *out,
                      gsize length, GError **error);
