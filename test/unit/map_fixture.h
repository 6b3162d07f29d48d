/* SPDX-License-Identifier: GPL-3.0-or-later */
/* map_fixture.h: nodes of maps in memory, disks as plain lists of leaves, and the root of a disk by
 * other means than map_builder's. */
#pragma once

#include "base/error.h"
#include "store/map.h"

/* Where nodes are kept, and how often somebody asked. */
struct node_store {
    struct chunk_hasher *hasher;
    GHashTable *nodes; /* struct chunk_id * to GBytes * */
    struct map_source source;
    struct map_sink sink;
    guint fetches;
    guint keeps;
};

static inline GBytes *
node_store_fetch(gpointer data, const struct chunk_id *id, GError **error)
{
    struct node_store *store = data;
    GBytes *bytes = g_hash_table_lookup(store->nodes, id);
    store->fetches++;
    if (bytes == NULL)
        return error_null(error, SLIPWAY_ERROR_NOT_FOUND, "no such node");
    return g_bytes_ref(bytes);
}

static inline gboolean
node_store_keep(gpointer data, const guint8 *bytes, gsize length, struct chunk_id *ret_id,
                GError **error G_GNUC_UNUSED)
{
    struct node_store *store = data;
    g_assert_cmpuint(length, <=, MAP_NODE_MAX);
    chunk_hasher_run(store->hasher, bytes, length, ret_id);
    g_hash_table_replace(store->nodes, g_memdup2(ret_id, sizeof *ret_id),
                         g_bytes_new(bytes, length));
    store->keeps++;
    return TRUE;
}

static inline struct node_store *
node_store_new(void)
{
    struct node_store *store = g_new0(struct node_store, 1);
    store->hasher = chunk_hasher_new(NULL);
    store->nodes = g_hash_table_new_full(chunk_id_hash, chunk_id_equal_func, g_free,
                                         (GDestroyNotify)g_bytes_unref);
    store->source = (struct map_source){node_store_fetch, store};
    store->sink = (struct map_sink){node_store_keep, store};
    return store;
}

static inline void
node_store_free(struct node_store *store)
{
    g_hash_table_unref(store->nodes);
    chunk_hasher_free(store->hasher);
    g_free(store);
}

AUTO_PTR_DEFINE(node_store, node_store_free)

static inline void
node_store_reset_counts(struct node_store *store)
{
    store->fetches = store->keeps = 0;
}

static inline struct chunk_id
node_store_put(struct node_store *store, GByteArray *bytes)
{
    struct chunk_id id;
    node_store_keep(store, bytes->data, bytes->len, &id, NULL);
    return id;
}

static inline gboolean
leaf_equal(const struct map_leaf *left, const struct map_leaf *right)
{
    if (left->n != right->n)
        return FALSE;
    for (guint i = 0; i < left->n; i++)
        if (left->entries[i].block != right->entries[i].block ||
            left->entries[i].blocks != right->entries[i].blocks ||
            !chunk_id_equal(&left->entries[i].id, &right->entries[i].id))
            return FALSE;
    return TRUE;
}

/* ---- A disk: its leaves in order ---------------------------------------------------------------
 */

struct disk_leaf {
    guint64 segment;
    struct map_leaf leaf;
};

struct disk_model {
    guint64 size;
    GPtrArray *leaves; /* of struct disk_leaf *, ascending */
};

static inline struct disk_model *
disk_model_new(guint64 size)
{
    struct disk_model *disk = g_new(struct disk_model, 1);
    disk->size = size;
    disk->leaves = g_ptr_array_new_with_free_func(g_free);
    return disk;
}

static inline void
disk_model_free(struct disk_model *disk)
{
    g_ptr_array_unref(disk->leaves);
    g_free(disk);
}

AUTO_PTR_DEFINE(disk_model, disk_model_free)

/* Where `segment` is or would be. */
static inline guint
disk_model_find(const struct disk_model *disk, guint64 segment)
{
    guint low = 0, high = disk->leaves->len;
    while (low < high) {
        guint middle = (low + high) / 2;
        if (((struct disk_leaf *)disk->leaves->pdata[middle])->segment < segment)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* NULL where all is zero. */
static inline const struct map_leaf *
disk_model_get(const struct disk_model *disk, guint64 segment)
{
    guint at = disk_model_find(disk, segment);
    struct disk_leaf *found = at < disk->leaves->len ? disk->leaves->pdata[at] : NULL;
    return found != NULL && found->segment == segment ? &found->leaf : NULL;
}

static inline void
disk_model_set(struct disk_model *disk, guint64 segment, const struct map_leaf *leaf)
{
    guint at = disk_model_find(disk, segment);
    if (disk_model_get(disk, segment) != NULL)
        g_ptr_array_remove_index(disk->leaves, at);
    if (leaf->n == 0)
        return;
    struct disk_leaf *new_leaf = g_new(struct disk_leaf, 1);
    new_leaf->segment = segment;
    new_leaf->leaf = *leaf;
    g_ptr_array_insert(disk->leaves, (gint)at, new_leaf);
}

/* How many blocks of the segment are on the disk. */
static inline guint
disk_model_blocks(const struct disk_model *disk, guint64 segment)
{
    guint64 blocks = disk->size / CHUNK_BLOCK + (disk->size % CHUNK_BLOCK != 0);
    return (guint)MIN(blocks - segment * CHUNK_SEGMENT_BLOCKS, CHUNK_SEGMENT_BLOCKS);
}

/* Any leaf that fits there, of a few chunks; at times of none. */
static inline void
disk_model_random_leaf(const struct disk_model *disk, GRand *rand, guint64 segment,
                       struct map_leaf *ret)
{
    gint32 blocks = (gint32)disk_model_blocks(disk, segment);
    ret->n = 0;
    for (gint32 at = g_rand_int_range(rand, 0, MIN(blocks, 300)); at < blocks;) {
        struct map_entry *entry = &ret->entries[ret->n++];
        entry->block = (guint16)at;
        entry->blocks = (guint16)g_rand_int_range(
            rand, 1, MIN(blocks - at, (gint32)(CHUNK_MAX / CHUNK_BLOCK)) + 1);
        for (guint i = 0; i < CHUNK_ID_SIZE; i++)
            entry->id.bytes[i] = (guint8)g_rand_int(rand);
        at += entry->blocks + g_rand_int_range(rand, 0, 2) * g_rand_int_range(rand, 0, 900);
    }
    if (g_rand_int_range(rand, 0, 8) == 0)
        ret->n = 0;
}

/* The root, level by level from all nodes below: the serial reference. */
static inline struct map
disk_model_map(const struct disk_model *disk, struct node_store *store)
{
    struct node {
        guint64 number;
        struct chunk_id id;
    };
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autoptr(GArray) nodes = g_array_new(FALSE, FALSE, sizeof(struct node));
    for (guint i = 0; i < disk->leaves->len; i++) {
        const struct disk_leaf *leaf = disk->leaves->pdata[i];
        g_byte_array_set_size(bytes, 0);
        map_leaf_encode(&leaf->leaf, bytes);
        struct node node = {leaf->segment, node_store_put(store, bytes)};
        g_array_append_val(nodes, node);
    }
    guint64 total = map_segments(disk->size);
    for (guint level = 1; total > 1; level++, total = (total + 63) / 64) {
        g_autoptr(GArray) above = g_array_new(FALSE, FALSE, sizeof(struct node));
        for (guint i = 0; i < nodes->len;) {
            struct map_inner inner = {.level = level};
            guint64 number = g_array_index(nodes, struct node, i).number / 64;
            for (; i < nodes->len; i++) {
                const struct node *child = &g_array_index(nodes, struct node, i);
                if (child->number / 64 != number)
                    break;
                inner.present |= (guint64)1 << (child->number % 64);
                inner.children[child->number % 64] = child->id;
            }
            g_byte_array_set_size(bytes, 0);
            map_inner_encode(&inner, bytes);
            struct node node = {number, node_store_put(store, bytes)};
            g_array_append_val(above, node);
        }
        g_array_unref(nodes);
        nodes = g_steal_pointer(&above);
    }
    struct map map = {.size = disk->size, .empty = nodes->len == 0};
    if (nodes->len > 0)
        map.root = g_array_index(nodes, struct node, 0).id;
    return map;
}
