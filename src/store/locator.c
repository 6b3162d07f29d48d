/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/locator.h"

#include "base/error.h"
#include "store/recent_chunks.h"

/* Tables in the order of their use, the last one first. */
struct locator {
    struct store *store;
    struct chunk_index *index;
    struct recent_chunks *added; /* chunks of packs that no index lists; NULL: none */
    GMutex lock;                 /* of what follows */
    GHashTable *links;           /* struct pack_name * of the table -> GList * in `order` */
    GQueue order;                /* of struct pack_table * */
    gsize memory;
};

struct locator *
locator_new(struct store *store, GError **error)
{
    struct chunk_index *index = chunk_index_open(store_repo(store), error);
    if (index == NULL)
        return NULL;
    struct locator *locator = g_new0(struct locator, 1);
    locator->store = store;
    locator->index = index;
    g_mutex_init(&locator->lock);
    g_queue_init(&locator->order);
    locator->links = g_hash_table_new(pack_name_hash, pack_name_equal);
    return locator;
}

void
locator_free(struct locator *locator)
{
    if (locator == NULL)
        return;
    g_hash_table_unref(locator->links);
    g_queue_clear_full(&locator->order, (GDestroyNotify)pack_table_unref);
    g_mutex_clear(&locator->lock);
    chunk_index_free(locator->index);
    if (locator->added != NULL)
        recent_chunks_free(locator->added);
    g_free(locator);
}

struct chunk_index *
locator_index(struct locator *locator)
{
    return locator->index;
}

void
locator_add(struct locator *locator, const struct pack_table *table)
{
    if (locator->added == NULL)
        locator->added = recent_chunks_new();
    recent_chunks_add(locator->added, &table->name, table->n_slots, table->slots);
}

static struct pack_table *
find_kept(struct locator *locator, const struct pack_name *pack)
{
    g_mutex_lock(&locator->lock);
    GList *link = g_hash_table_lookup(locator->links, pack);
    struct pack_table *table = NULL;
    if (link != NULL) {
        g_queue_unlink(&locator->order, link);
        g_queue_push_head_link(&locator->order, link);
        table = pack_table_ref(link->data);
    }
    g_mutex_unlock(&locator->lock);
    return table;
}

static void
drop(struct locator *locator, GList *link)
{
    struct pack_table *table = link->data;
    locator->memory -= pack_table_memory(table);
    g_hash_table_remove(locator->links, &table->name);
    g_queue_delete_link(&locator->order, link);
    pack_table_unref(table);
}

static void
keep(struct locator *locator, struct pack_table *table)
{
    g_mutex_lock(&locator->lock);
    if (!g_hash_table_contains(locator->links, &table->name)) {
        g_queue_push_head(&locator->order, pack_table_ref(table));
        g_hash_table_insert(locator->links, &table->name, locator->order.head);
        locator->memory += pack_table_memory(table);
        while (locator->memory > LOCATOR_MEMORY && locator->order.length > 1)
            drop(locator, locator->order.tail);
    }
    g_mutex_unlock(&locator->lock);
}

struct pack_table *
locator_table(struct locator *locator, const struct pack_name *pack, GError **error)
{
    struct pack_table *table = find_kept(locator, pack);
    if (table != NULL)
        return table;
    table = pack_table_load(store_repo(locator->store), pack, store_key_of(locator->store), error);
    if (table != NULL)
        keep(locator, table);
    return table;
}

void
locator_forget(struct locator *locator, const struct pack_name *pack)
{
    g_mutex_lock(&locator->lock);
    GList *link = g_hash_table_lookup(locator->links, pack);
    if (link != NULL)
        drop(locator, link);
    g_mutex_unlock(&locator->lock);
}

void
location_clear(struct location *location)
{
    if (location->table != NULL)
        pack_table_unref(location->table);
    *location = (struct location){0};
}

gboolean
locator_check(struct locator *locator, const struct chunk_candidate *candidate,
              const struct chunk_id *id, struct location *ret, GError **ret_trouble)
{
    *ret = (struct location){0};
    g_autoptr(GError) local = NULL;
    auto_ptr(pack_table) table = locator_table(locator, &candidate->pack, &local);
    if (table == NULL && ret_trouble != NULL) {
        g_clear_error(ret_trouble);
        g_propagate_error(ret_trouble, g_steal_pointer(&local));
    }
    if (table == NULL || candidate->slot >= table->n_slots ||
        !chunk_id_equal(&table->slots[candidate->slot].id, id))
        return FALSE;
    ret->table = g_steal_pointer(&table);
    ret->slot = candidate->slot;
    return TRUE;
}

struct search {
    struct locator *locator;
    const struct chunk_id *id;
    guint left; /* hits to pass over */
    struct location *ret;
    GError **trouble;
};

static gboolean
try_candidate(const struct chunk_candidate *candidate, gpointer data)
{
    struct search *search = data;
    if (!locator_check(search->locator, candidate, search->id, search->ret, search->trouble))
        return FALSE;
    if (search->left == 0)
        return TRUE;
    search->left--;
    location_clear(search->ret);
    return FALSE;
}

gboolean
locator_find(struct locator *locator, const struct chunk_id *id, guint nth, struct location *ret,
             GError **ret_trouble)
{
    struct search search = {locator, id, nth, ret, ret_trouble};
    *ret = (struct location){0};
    guint64 fingerprint = chunk_id_fingerprint(id);
    return chunk_index_search(locator->index, fingerprint, try_candidate, &search) ||
           (locator->added != NULL &&
            recent_chunks_search(locator->added, fingerprint, try_candidate, &search));
}

gboolean
location_is_delta(const struct location *location, struct chunk_id *ret_base)
{
    const struct pack_table *table = location->table;
    const struct pack_frame *frame = &table->frames[pack_table_frame_of(table, location->slot)];
    if (frame->codec != CODEC_ZSTD_DELTA)
        return FALSE;
    if (ret_base != NULL)
        *ret_base = frame->base;
    return TRUE;
}
