/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/leaf_compare.h"

static gboolean
is_same(const struct map_entry *left, const struct map_entry *right)
{
    return left->block == right->block && left->blocks == right->blocks &&
           chunk_id_equal(&left->id, &right->id);
}

void
leaf_compare(const struct map_leaf *old, const struct map_leaf *leaf,
             guint8 ret[CHUNK_SEGMENT_BLOCKS])
{
    memset(ret, old == NULL ? LEAF_ZERO : LEAF_SAME, CHUNK_SEGMENT_BLOCKS);
    for (guint i = 0; old != NULL && i < old->n; i++)
        memset(ret + old->entries[i].block, LEAF_ZERO, old->entries[i].blocks);
    for (guint i = 0, k = 0; i < leaf->n; i++) {
        const struct map_entry *entry = &leaf->entries[i];
        while (old != NULL && k < old->n && old->entries[k].block < entry->block)
            k++;
        gboolean same = old != NULL && k < old->n && is_same(&old->entries[k], entry);
        memset(ret + entry->block, same ? LEAF_SAME : LEAF_DATA, entry->blocks);
    }
}

guint
leaf_compare_run(const guint8 blocks[CHUNK_SEGMENT_BLOCKS], guint block, guint end)
{
    guint next = block;
    while (next < end && blocks[next] == blocks[block])
        next++;
    return next;
}
