/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "engine/segment_private.h"
#include "store/chunker.h"

guint
segment_find_old(const struct segment *segment, guint block)
{
    guint low = 0, high = segment->old.n;
    while (low < high) {
        guint middle = low + (high - low) / 2;
        const struct map_entry *entry = &segment->old.entries[middle];
        if ((guint)entry->block + entry->blocks > block)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static void
add_entry(struct segment *segment, guint block, guint blocks, enum segment_mark mark,
          const struct chunk_id *id)
{
    struct map_entry *entry = &segment->leaf.entries[segment->leaf.n];
    entry->block = (guint16)block;
    entry->blocks = (guint16)blocks;
    entry->id = *id;
    segment->marks[segment->leaf.n++] = (guint8)mark;
}

/* Name the chunk whose bytes are in `data`. */
static void
add_data(struct segment *segment, struct segment_tools *tools, guint block, guint blocks)
{
    struct chunk_id id;
    chunk_hasher_run(tools->hasher, segment->data + block * CHUNK_BLOCK, blocks * CHUNK_BLOCK, &id);
    add_entry(segment, block, blocks, SEGMENT_DATA, &id);
}

static void
plan_all(struct segment *segment, struct segment_tools *tools)
{
    struct chunk_span spans[CHUNKER_SPANS_MAX];
    guint n = chunker_split(segment->data, segment->length, tools->seed, spans);
    for (guint i = 0; i < n; i++)
        add_data(segment, tools, spans[i].offset / CHUNK_BLOCK, spans[i].length / CHUNK_BLOCK);
}

static gboolean
is_clean(const struct segment *segment, guint block, guint n)
{
    return memchr(segment->dirty + block, 1, n) == NULL;
}

/* Fetch an old chunk for the blocks of it that were not read. */
static gboolean
load_old(struct segment *segment, struct segment_tools *tools, const struct map_entry *entry,
         GError **error)
{
    gsize length = (gsize)entry->blocks * CHUNK_BLOCK;
    if (!chunk_reader_get(tools->reader, &entry->id, tools->scratch, length, error))
        return error_set(error, SLIPWAY_ERROR_CORRUPT, "cannot read the previous backup");
    for (guint i = 0; i < entry->blocks; i++) {
        guint block = entry->block + i;
        if (!segment->loaded[block])
            memcpy(segment->data + block * CHUNK_BLOCK, tools->scratch + i * CHUNK_BLOCK,
                   CHUNK_BLOCK);
        segment->loaded[block] = 1;
    }
    return TRUE;
}

/* Make sure that the block at `block` is loaded; one that is neither read nor in an old chunk is
 * zero.  Loads the whole old chunk, as the next blocks will be wanted too. */
static gboolean
load_block(struct segment *segment, struct segment_tools *tools, guint block, GError **error)
{
    if (segment->loaded[block])
        return TRUE;
    guint at = segment_find_old(segment, block);
    const struct map_entry *entry = &segment->old.entries[at];
    if (at < segment->old.n && entry->block <= block)
        return load_old(segment, tools, entry, error);
    memset(segment->data + block * CHUNK_BLOCK, 0, CHUNK_BLOCK);
    segment->loaded[block] = 1;
    return TRUE;
}

/* Where the chunk that begins at `block` ends, loading no more than that takes. */
static gboolean
find_cut(struct segment *segment, struct segment_tools *tools, guint block, guint *ret_blocks,
         GError **error)
{
    guint end = segment->length / CHUNK_BLOCK, ready = block;
    for (;;) {
        while (ready < end && segment->loaded[ready])
            ready++;
        guint32 available = (ready - block) * CHUNK_BLOCK;
        guint32 cut = available == 0 ? 0
                                     : chunker_cut(segment->data + block * CHUNK_BLOCK, available,
                                                   tools->seed);
        if (cut < available || ready == end || cut == CHUNK_MAX) {
            *ret_blocks = cut / CHUNK_BLOCK;
            return TRUE;
        }
        if (!load_block(segment, tools, ready, error))
            return FALSE;
    }
}

/* Is the old chunk that begins at `block` certain to be the new one too?  Its bytes are, and where
 * it ends depends on them and on whether a zero block follows, which must not have changed. */
static const struct map_entry *
find_same(const struct segment *segment, guint block)
{
    guint at = segment_find_old(segment, block), end = segment->length / CHUNK_BLOCK;
    const struct map_entry *entry = &segment->old.entries[at];
    if (at == segment->old.n || entry->block != block)
        return NULL;
    guint after = block + entry->blocks;
    if (after > end || !is_clean(segment, block, entry->blocks) ||
        (after < end && segment->dirty[after]))
        return NULL;
    return entry;
}

/* Go on from one beginning of a chunk to the next: where an old chunk begins at a place where a new
 * one does, and nothing of it changed, it is taken over unread. */
static gboolean
plan_changed(struct segment *segment, struct segment_tools *tools, GError **error)
{
    guint end = segment->length / CHUNK_BLOCK;
    for (guint block = 0; block < end;) {
        const struct map_entry *same = find_same(segment, block);
        if (same != NULL) {
            add_entry(segment, block, same->blocks, SEGMENT_KEPT, &same->id);
            block += same->blocks;
            continue;
        }
        guint blocks;
        if (!load_block(segment, tools, block, error))
            return FALSE;
        if (chunker_is_zero(segment->data + block * CHUNK_BLOCK)) {
            block++;
            continue;
        }
        if (!find_cut(segment, tools, block, &blocks, error))
            return FALSE;
        add_data(segment, tools, block, blocks);
        block += blocks;
    }
    return TRUE;
}

gboolean
segment_plan(struct segment *segment, struct segment_tools *tools, GError **error)
{
    segment->leaf.n = 0;
    if (segment->zero)
        return TRUE;
    if (memchr(segment->loaded, 0, segment->length / CHUNK_BLOCK) != NULL)
        return plan_changed(segment, tools, error);
    plan_all(segment, tools);
    return TRUE;
}
