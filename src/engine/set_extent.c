/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/set_extent.h"

/* The end of the chunks that lie together, of which entry `i` is the first. */
static guint
end_of_data(const struct set_leaf *leaf, guint i)
{
    guint end = (guint)leaf->entries[i].block + leaf->entries[i].blocks;
    while (++i < leaf->n && leaf->entries[i].block == end)
        end += leaf->entries[i].blocks;
    return end;
}

/* Where the zeros end that reach to the end of `segment`. */
static gboolean
end_of_zeros(struct map_cursor *cursor, guint64 size, guint64 segment, guint64 *ret, GError **error)
{
    gboolean found;
    if (!map_cursor_next(cursor, segment + 1, &found, ret, error))
        return FALSE;
    *ret = found ? *ret * CHUNK_SEGMENT : size;
    return TRUE;
}

gboolean
set_extent_find(struct set_leaves *leaves, struct map_cursor *cursor, guint64 size, guint64 offset,
                guint64 length, struct disk_extent *ret, GError **error)
{
    guint64 segment = offset / CHUNK_SEGMENT, start = segment * CHUNK_SEGMENT;
    guint64 limit = MIN(offset + length, size), until;
    auto_ptr(set_leaf) leaf = set_leaves_get(leaves, cursor, segment, error);
    if (leaf == NULL)
        return FALSE;
    guint block = (guint)((offset - start) / CHUNK_BLOCK), i = set_leaf_find(leaf, block);
    gboolean data = i < leaf->n && leaf->entries[i].block <= block;
    if (i < leaf->n)
        until =
            start + (guint64)(data ? end_of_data(leaf, i) : leaf->entries[i].block) * CHUNK_BLOCK;
    else if (limit <= start + CHUNK_SEGMENT)
        until = limit;
    else if (!end_of_zeros(cursor, size, segment, &until, error))
        return FALSE;
    *ret = (struct disk_extent){offset, MIN(until, limit) - offset, data ? DISK_DATA : DISK_ZERO};
    return TRUE;
}
