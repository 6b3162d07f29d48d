/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/segment_private.h"

/* A delta that is at most this part of the plain bytes is taken without a look at the alternative;
 * otherwise it must be smaller than DELTA_GAIN of the chunk compressed alone, which reads faster.
 */
#define DELTA_CERTAIN 4
#define DELTA_GAIN_TENTHS 6

static void
add_group(struct segment *segment, const struct segment_group *group, const guint8 *stored)
{
    struct segment_group added = *group;
    added.offset = segment->out->len;
    g_byte_array_append(segment->out, stored, (guint)group->length);
    g_array_append_val(segment->groups, added);
}

/* Compress `n` new entries, which lie one after the other in the leaf but not always on the disk.
 */
static void
encode_group(struct segment *segment, struct segment_tools *tools, guint first, guint n,
             guint8 *plain)
{
    gsize length = 0;
    const guint8 *data = segment->data + segment->leaf.entries[first].block * CHUNK_BLOCK;
    for (guint i = first; i < first + n; i++) {
        const struct map_entry *entry = &segment->leaf.entries[i];
        const guint8 *chunk = segment->data + entry->block * CHUNK_BLOCK;
        /* Copied only when there is a hole in between. */
        if (n > 1 && (data == plain || chunk != data + length)) {
            if (data != plain)
                memmove(plain, data, length);
            data = plain;
            memcpy(plain + length, chunk, entry->blocks * CHUNK_BLOCK);
        }
        length += entry->blocks * CHUNK_BLOCK;
    }
    struct segment_group group = {.codec = tools->kind, .first = first, .n = n};
    if (tools->kind != CODEC_NONE)
        group.length = codec_encode(tools->codec, tools->kind, tools->level, data, length, NULL, 0,
                                    tools->scratch);
    if (group.length > 0) {
        add_group(segment, &group, tools->scratch);
    } else {
        group.codec = CODEC_NONE;
        group.length = length;
        add_group(segment, &group, data);
    }
}

/* The old chunk that covers most of the new one's place, or NULL. */
static const struct map_entry *
find_predecessor(const struct segment *segment, const struct map_entry *entry)
{
    const struct map_entry *best = NULL;
    guint most = 0, end = entry->block + entry->blocks;
    for (guint i = segment_find_old(segment, entry->block); i < segment->old.n; i++) {
        const struct map_entry *old = &segment->old.entries[i];
        if (old->block >= end)
            break;
        guint overlap = MIN(end, (guint)old->block + old->blocks) - MAX(entry->block, old->block);
        if (overlap > most) {
            most = overlap;
            best = old;
        }
    }
    return best;
}

/* TRUE when the entry was stored as a delta against what was in its place.  A predecessor that
 * cannot be read is no reason to fail: the chunk is stored by itself. */
static gboolean
encode_delta(struct segment *segment, struct segment_tools *tools, guint number)
{
    const struct map_entry *entry = &segment->leaf.entries[number];
    const struct map_entry *old = find_predecessor(segment, entry);
    const guint8 *data = segment->data + entry->block * CHUNK_BLOCK, *base;
    gsize length = (gsize)entry->blocks * CHUNK_BLOCK, base_length;
    struct segment_group group = {.codec = CODEC_ZSTD_DELTA, .first = number, .n = 1};
    if (old == NULL || tools->kind != CODEC_ZSTD || tools->writer == NULL ||
        !chunk_reader_base(tools->reader, &old->id, &group.base, &base, &base_length, NULL) ||
        base_length == 0 || chunk_id_equal(&group.base, &entry->id) ||
        !store_writer_may_base(tools->writer, &group.base))
        return FALSE;
    group.length = codec_encode(tools->codec, CODEC_ZSTD_DELTA, tools->level, data, length, base,
                                base_length, tools->scratch);
    if (group.length == 0)
        return FALSE;
    if (group.length > length / DELTA_CERTAIN) {
        g_autofree guint8 *alone = g_malloc(codec_bound(length));
        gsize other =
            codec_encode(tools->codec, CODEC_ZSTD, tools->level, data, length, NULL, 0, alone);
        if (group.length * 10 >= (other > 0 ? other : length) * DELTA_GAIN_TENTHS)
            return FALSE;
    }
    add_group(segment, &group, tools->scratch);
    return TRUE;
}

gboolean
segment_encode(struct segment *segment, struct segment_tools *tools, GError **error G_GNUC_UNUSED)
{
    g_autofree guint8 *plain = NULL;
    guint first = 0, n = 0;
    guint32 length = 0;
    for (guint i = 0; i < segment->leaf.n; i++) {
        guint32 more = segment->leaf.entries[i].blocks * CHUNK_BLOCK;
        gboolean alone = segment->marks[i] != SEGMENT_NEW || encode_delta(segment, tools, i);
        if (n > 0 && (alone || length + more > SEGMENT_GROUP_MAX)) {
            if (plain == NULL)
                plain = g_malloc(CHUNK_MAX);
            encode_group(segment, tools, first, n, plain);
            n = 0;
        }
        if (alone)
            continue;
        if (n == 0) {
            first = i;
            length = 0;
        }
        n++;
        length += more;
    }
    if (plain == NULL && n > 1)
        plain = g_malloc(CHUNK_MAX);
    if (n > 0)
        encode_group(segment, tools, first, n, plain);
    return TRUE;
}
