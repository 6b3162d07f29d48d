/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "store/map_private.h"

#define VERSION 1
#define LEAF_MARK 'L'
#define LEAF_HEAD 4u
#define ENTRY_SIZE (4u + CHUNK_ID_SIZE)
#define INNER_MARK 'N'
#define INNER_HEAD 12u

G_STATIC_ASSERT(LEAF_HEAD + ENTRY_SIZE * CHUNK_SEGMENT_BLOCKS <= MAP_NODE_MAX);
G_STATIC_ASSERT(INNER_HEAD + CHUNK_ID_SIZE * MAP_FANOUT <= MAP_NODE_MAX);
G_STATIC_ASSERT(MAP_FANOUT == 1u << MAP_FANOUT_BITS);
G_STATIC_ASSERT(MAP_SIZE_MAX == (guint64)CHUNK_SEGMENT << (MAP_FANOUT_BITS * MAP_LEVELS_MAX));

guint64
map_segments(guint64 size)
{
    return size / CHUNK_SEGMENT + (size % CHUNK_SEGMENT != 0);
}

guint
map_levels(guint64 size)
{
    guint levels = 0;
    for (guint64 nodes = map_segments(size); nodes > 1; levels++)
        nodes = nodes / MAP_FANOUT + (nodes % MAP_FANOUT != 0);
    return levels;
}

gboolean
map_check_size(guint64 size, GError **error)
{
    if (size > MAP_SIZE_MAX)
        return error_set(error, SLIPWAY_ERROR_LIMIT,
                         "a disk of %" G_GUINT64_FORMAT " bytes is too large for a map", size);
    return TRUE;
}

guint
map_inner_end(guint64 size, guint level, guint64 number)
{
    guint64 first = number << MAP_FANOUT_BITS;
    guint64 last = (map_segments(size) - 1) >> (MAP_FANOUT_BITS * (level - 1));
    if (size == 0 || last < first)
        return 0;
    return (guint)MIN(last - first + 1, MAP_FANOUT);
}

void
map_inner_put(struct map_inner *inner, guint place, const struct chunk_id *id)
{
    guint64 bit = (guint64)1 << place;
    if (id != NULL) {
        inner->present |= bit;
        inner->children[place] = *id;
    } else {
        inner->present &= ~bit;
        memset(&inner->children[place], 0, sizeof inner->children[place]);
    }
}

static void
append_16(GByteArray *out, guint16 value)
{
    value = GUINT16_TO_LE(value);
    g_byte_array_append(out, (const guint8 *)&value, sizeof value);
}

static guint16
load_16(const guint8 *at)
{
    return (guint16)(at[0] | at[1] << 8);
}

void
map_leaf_encode(const struct map_leaf *leaf, GByteArray *out)
{
    g_assert(leaf->n > 0 && leaf->n <= CHUNK_SEGMENT_BLOCKS);
    const guint8 head[] = {LEAF_MARK, VERSION};
    g_byte_array_append(out, head, sizeof head);
    append_16(out, (guint16)leaf->n);
    for (guint i = 0; i < leaf->n; i++) {
        append_16(out, leaf->entries[i].block);
        append_16(out, leaf->entries[i].blocks);
        g_byte_array_append(out, leaf->entries[i].id.bytes, CHUNK_ID_SIZE);
    }
}

gboolean
map_leaf_check(const struct map_leaf *leaf, guint64 segment, guint64 size, GError **error)
{
    guint64 blocks = size / CHUNK_BLOCK + (size % CHUNK_BLOCK != 0);
    guint64 first = segment * CHUNK_SEGMENT_BLOCKS;
    guint limit = (guint)MIN(blocks > first ? blocks - first : 0, CHUNK_SEGMENT_BLOCKS);
    guint free_from = 0;
    for (guint i = 0; i < leaf->n; i++) {
        const struct map_entry *entry = &leaf->entries[i];
        guint end = (guint)entry->block + entry->blocks;
        if (entry->blocks == 0 || entry->blocks > CHUNK_MAX / CHUNK_BLOCK)
            return error_set(error, SLIPWAY_ERROR_CORRUPT, "chunk %u has %u blocks", i,
                             entry->blocks);
        if (entry->block < free_from)
            return error_set(error, SLIPWAY_ERROR_CORRUPT, "chunk %u begins before another ends",
                             i);
        if (end > limit)
            return error_set(error, SLIPWAY_ERROR_CORRUPT, "chunk %u reaches beyond the end of %s",
                             i, limit < CHUNK_SEGMENT_BLOCKS ? "the disk" : "its segment");
        free_from = end;
    }
    return TRUE;
}

static gboolean
check_head(const guint8 *data, gsize length, guint8 mark, gsize head, GError **error)
{
    if (length < head || data[0] != mark)
        return error_set(error, SLIPWAY_ERROR_CORRUPT, "not a%s node of a map",
                         mark == LEAF_MARK ? " leaf" : "n inner");
    if (data[1] > VERSION)
        return error_set(error, SLIPWAY_ERROR_UNSUPPORTED,
                         "version %u is newer than this program: use a newer one", data[1]);
    if (data[1] != VERSION)
        return error_set(error, SLIPWAY_ERROR_CORRUPT, "version %u is none", data[1]);
    return TRUE;
}

gboolean
map_leaf_decode(const guint8 *data, gsize length, struct map_leaf *ret, GError **error)
{
    if (!check_head(data, length, LEAF_MARK, LEAF_HEAD, error))
        return FALSE;
    guint n = load_16(data + 2);
    if (n == 0 || n > CHUNK_SEGMENT_BLOCKS)
        return error_set(error, SLIPWAY_ERROR_CORRUPT, "a leaf of %u chunks", n);
    if (length != LEAF_HEAD + n * ENTRY_SIZE)
        return error_set(error, SLIPWAY_ERROR_CORRUPT,
                         "a leaf of %u chunks has %" G_GSIZE_FORMAT " bytes", n, length);
    const guint8 *at = data + LEAF_HEAD;
    ret->n = n;
    for (guint i = 0; i < n; i++, at += ENTRY_SIZE) {
        ret->entries[i].block = load_16(at);
        ret->entries[i].blocks = load_16(at + 2);
        memcpy(ret->entries[i].id.bytes, at + 4, CHUNK_ID_SIZE);
    }
    return map_leaf_check(ret, 0, CHUNK_SEGMENT, error);
}

void
map_inner_encode(const struct map_inner *inner, GByteArray *out)
{
    g_assert(inner->present != 0 && inner->level > 0 && inner->level <= MAP_LEVELS_MAX);
    const guint8 head[] = {INNER_MARK, VERSION, (guint8)inner->level, 0};
    guint64 present = GUINT64_TO_LE(inner->present);
    g_byte_array_append(out, head, sizeof head);
    g_byte_array_append(out, (const guint8 *)&present, sizeof present);
    for (guint i = 0; i < MAP_FANOUT; i++)
        if (map_inner_has(inner, i))
            g_byte_array_append(out, inner->children[i].bytes, CHUNK_ID_SIZE);
}

gboolean
map_inner_decode(const guint8 *data, gsize length, struct map_inner *ret, GError **error)
{
    if (!check_head(data, length, INNER_MARK, INNER_HEAD, error))
        return FALSE;
    ret->level = data[2];
    memcpy(&ret->present, data + 4, sizeof ret->present);
    ret->present = GUINT64_FROM_LE(ret->present);
    guint n = (guint)__builtin_popcountll(ret->present);
    if (ret->level == 0 || ret->level > MAP_LEVELS_MAX || data[3] != 0)
        return error_set(error, SLIPWAY_ERROR_CORRUPT, "a node of level %u", ret->level);
    if (n == 0 || length != INNER_HEAD + n * CHUNK_ID_SIZE)
        return error_set(error, SLIPWAY_ERROR_CORRUPT,
                         "a node of %u children has %" G_GSIZE_FORMAT " bytes", n, length);
    const guint8 *at = data + INNER_HEAD;
    memset(ret->children, 0, sizeof ret->children);
    for (guint i = 0; i < MAP_FANOUT; i++) {
        if (!map_inner_has(ret, i))
            continue;
        memcpy(ret->children[i].bytes, at, CHUNK_ID_SIZE);
        at += CHUNK_ID_SIZE;
    }
    return TRUE;
}

static gboolean
prefix_id(GError **error, const struct chunk_id *id)
{
    char text[CHUNK_ID_TEXT];
    g_prefix_error(error, "map node %s: ", chunk_id_format(id, text));
    return FALSE;
}

gboolean
map_read_inner(const struct map_source *source, const struct chunk_id *id, guint64 size,
               guint level, guint64 number, struct map_inner *ret, GError **error)
{
    g_autoptr(GBytes) bytes = source->fetch(source->data, id, error);
    if (bytes == NULL)
        return FALSE;
    gsize length;
    const guint8 *data = g_bytes_get_data(bytes, &length);
    if (!map_inner_decode(data, length, ret, error))
        return prefix_id(error, id);
    if (ret->level != level) {
        error_set(error, SLIPWAY_ERROR_CORRUPT, "level %u where %u must be", ret->level, level);
        return prefix_id(error, id);
    }
    guint end = map_inner_end(size, level, number);
    if (end < MAP_FANOUT && ret->present >> end != 0) {
        error_set(error, SLIPWAY_ERROR_CORRUPT, "a child lies beyond the end of the disk");
        return prefix_id(error, id);
    }
    return TRUE;
}

gboolean
map_read_leaf(const struct map_source *source, const struct chunk_id *id, guint64 size,
              guint64 segment, struct map_leaf *ret, GError **error)
{
    g_autoptr(GBytes) bytes = source->fetch(source->data, id, error);
    if (bytes == NULL)
        return FALSE;
    gsize length;
    const guint8 *data = g_bytes_get_data(bytes, &length);
    if (!map_leaf_decode(data, length, ret, error) || !map_leaf_check(ret, segment, size, error))
        return prefix_id(error, id);
    return TRUE;
}
