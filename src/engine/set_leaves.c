/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/set_leaves.h"

/* In the order of their use, the last one first. */
struct set_leaves {
    GMutex lock;       /* of all */
    GHashTable *links; /* &leaf->segment -> GList * in `order` */
    GQueue order;      /* of struct set_leaf * */
    gsize memory;
};

struct set_leaves *
set_leaves_new(void)
{
    struct set_leaves *leaves = g_new0(struct set_leaves, 1);
    g_mutex_init(&leaves->lock);
    g_queue_init(&leaves->order);
    leaves->links = g_hash_table_new(g_int64_hash, g_int64_equal);
    return leaves;
}

void
set_leaves_free(struct set_leaves *leaves)
{
    if (leaves == NULL)
        return;
    g_hash_table_unref(leaves->links);
    g_queue_clear_full(&leaves->order, (GDestroyNotify)set_leaf_unref);
    g_mutex_clear(&leaves->lock);
    g_free(leaves);
}

void
set_leaf_unref(struct set_leaf *leaf)
{
    if (leaf != NULL && g_atomic_ref_count_dec(&leaf->references))
        g_free(leaf);
}

static gsize
memory_of(const struct set_leaf *leaf)
{
    return sizeof *leaf + leaf->n * sizeof leaf->entries[0];
}

static struct set_leaf *
new_ref(struct set_leaf *leaf)
{
    g_atomic_ref_count_inc(&leaf->references);
    return leaf;
}

static struct set_leaf *
find_kept(struct set_leaves *leaves, guint64 segment)
{
    g_mutex_lock(&leaves->lock);
    GList *link = g_hash_table_lookup(leaves->links, &segment);
    struct set_leaf *leaf = NULL;
    if (link != NULL) {
        g_queue_unlink(&leaves->order, link);
        g_queue_push_head_link(&leaves->order, link);
        leaf = new_ref(link->data);
    }
    g_mutex_unlock(&leaves->lock);
    return leaf;
}

static void
drop_last(struct set_leaves *leaves)
{
    struct set_leaf *leaf = g_queue_pop_tail(&leaves->order);
    leaves->memory -= memory_of(leaf);
    g_hash_table_remove(leaves->links, &leaf->segment);
    set_leaf_unref(leaf);
}

/* Two threads may have read the same one: the first is kept. */
static void
keep(struct set_leaves *leaves, struct set_leaf *leaf)
{
    g_mutex_lock(&leaves->lock);
    if (!g_hash_table_contains(leaves->links, &leaf->segment)) {
        g_queue_push_head(&leaves->order, new_ref(leaf));
        g_hash_table_insert(leaves->links, &leaf->segment, leaves->order.head);
        leaves->memory += memory_of(leaf);
        while (leaves->memory > SET_LEAVES_MEMORY)
            drop_last(leaves);
    }
    g_mutex_unlock(&leaves->lock);
}

struct set_leaf *
set_leaves_get(struct set_leaves *leaves, struct map_cursor *cursor, guint64 segment,
               GError **error)
{
    struct set_leaf *leaf = find_kept(leaves, segment);
    if (leaf != NULL)
        return leaf;
    struct map_leaf found;
    if (!map_cursor_leaf(cursor, segment, &found, error))
        return NULL;
    leaf = g_malloc(sizeof *leaf + found.n * sizeof found.entries[0]);
    g_atomic_ref_count_init(&leaf->references);
    leaf->segment = segment;
    leaf->n = found.n;
    memcpy(leaf->entries, found.entries, found.n * sizeof found.entries[0]);
    keep(leaves, leaf);
    return leaf;
}

guint
set_leaf_find(const struct set_leaf *leaf, guint block)
{
    guint low = 0, high = leaf->n;
    while (low < high) {
        guint middle = low + (high - low) / 2;
        if ((guint)leaf->entries[middle].block + leaf->entries[middle].blocks > block)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}
