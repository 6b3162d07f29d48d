/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/chunker.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define CUT_MASK ((1u << CHUNKER_BITS) - 1)

static guint64
load(const guint8 *at)
{
    guint64 word;
    memcpy(&word, at, sizeof word);
    return word;
}

/* Most blocks that are not zero show it in one of these words; the rest compares the block with
 * itself a word further, which the C library does with the widest registers there are. */
gboolean
chunker_is_zero(const guint8 *block)
{
    const gsize word = sizeof(guint64);
    if ((load(block) | load(block + CHUNK_BLOCK / 2) | load(block + CHUNK_BLOCK - word)) != 0)
        return FALSE;
    return memcmp(block, block + word, CHUNK_BLOCK - word) == 0;
}

static gboolean
ends_chunk(const guint8 *block, guint64 seed)
{
    return (XXH3_64bits_withSeed(block, CHUNK_BLOCK, seed) & CUT_MASK) == 0;
}

guint32
chunker_cut(const guint8 *data, guint32 length, guint64 seed)
{
    guint32 end = MIN(length, CHUNK_MAX);
    guint32 cut = CHUNK_BLOCK;
    /* Below CHUNK_MIN no hash is needed. */
    while (cut < end && cut < CHUNK_MIN && !chunker_is_zero(data + cut))
        cut += CHUNK_BLOCK;
    if (cut < CHUNK_MIN)
        return cut;
    while (cut < end && !ends_chunk(data + cut - CHUNK_BLOCK, seed) && !chunker_is_zero(data + cut))
        cut += CHUNK_BLOCK;
    return cut;
}

guint
chunker_split(const guint8 *segment, guint32 length, guint64 seed, struct chunk_span *ret)
{
    guint n = 0;
    guint32 at = 0;
    while (at < length) {
        if (chunker_is_zero(segment + at)) {
            at += CHUNK_BLOCK;
            continue;
        }
        ret[n] = (struct chunk_span){at, chunker_cut(segment + at, length - at, seed)};
        at += ret[n++].length;
    }
    return n;
}
