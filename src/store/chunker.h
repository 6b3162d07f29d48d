/* SPDX-License-Identifier: GPL-3.0-or-later */
/* chunker.h: where chunks begin and end.  Pure value functions; any thread.
 *
 * Within a segment: a block that is all zeros belongs to no chunk.  A chunk begins at the first
 * block after such a block, after another chunk, or at the segment's start; it ends before the next
 * zero block, at the segment's end, at CHUNK_MAX, or, once it has CHUNK_MIN, after a block whose
 * XXH3-64 (with the store's seed) has its low CHUNKER_BITS bits zero.  So where a chunk ends
 * depends on nothing but the bytes from its beginning on: whoever knows that a chunk begins at a
 * place can go on from there (chunker_cut()) and finds the same cuts as whoever scans the whole
 * segment. */
#pragma once

#include "store/chunk.h"

#define CHUNKER_BITS 3

struct chunk_span {
    guint32 offset; /* bytes, in the segment */
    guint32 length; /* bytes */
};

/* TRUE when the CHUNK_BLOCK bytes are all zero. */
gboolean chunker_is_zero(const guint8 *block);

/* Length of the chunk that begins at `data`, whose first block is not zero.  `length`, a multiple
 * of CHUNK_BLOCK, reaches to the segment's end. */
guint32 chunker_cut(const guint8 *data, guint32 length, guint64 seed);

/* All chunks of a segment of `length` bytes (a multiple of CHUNK_BLOCK, at most CHUNK_SEGMENT) into
 * `ret`, which has room for CHUNKER_SPANS_MAX; returns how many. */
#define CHUNKER_SPANS_MAX CHUNK_SEGMENT_BLOCKS
guint chunker_split(const guint8 *segment, guint32 length, guint64 seed, struct chunk_span *ret);
