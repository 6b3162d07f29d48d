/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/index.h"

#include "store/index_generation.h"

struct chunk_index {
    struct repo *repo;
    GMutex refreshing; /* held while the repo is read, so that no older view follows a newer one */
    GMutex lock;       /* over `generation`, for the moment of taking or changing it */
    struct index_generation *generation;
};

struct chunk_index *
chunk_index_open(struct repo *repo, GError **error)
{
    auto_ptr(index_generation) generation = index_generation_load(repo, NULL, error);
    if (generation == NULL)
        return NULL;
    struct chunk_index *index = g_new0(struct chunk_index, 1);
    index->repo = repo;
    index->generation = g_steal_pointer(&generation);
    g_mutex_init(&index->refreshing);
    g_mutex_init(&index->lock);
    return index;
}

void
chunk_index_free(struct chunk_index *index)
{
    if (index == NULL)
        return;
    index_generation_unref(index->generation);
    g_mutex_clear(&index->refreshing);
    g_mutex_clear(&index->lock);
    g_free(index);
}

struct index_generation *
index_generation_current(struct chunk_index *index)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&index->lock);
    return index_generation_ref(index->generation);
}

struct repo *
index_generation_repo(struct chunk_index *index)
{
    return index->repo;
}

gboolean
chunk_index_refresh(struct chunk_index *index, GError **error)
{
    g_autoptr(GMutexLocker) refreshing = g_mutex_locker_new(&index->refreshing);
    auto_ptr(index_generation) old = index_generation_current(index);
    struct index_generation *generation = index_generation_load(index->repo, old, error);
    if (generation == NULL)
        return FALSE;
    g_mutex_lock(&index->lock);
    struct index_generation *last = index->generation;
    index->generation = generation;
    g_mutex_unlock(&index->lock);
    index_generation_unref(last);
    return TRUE;
}

static gboolean
search_table(const struct index_table *table, guint64 fingerprint, chunk_index_func function,
             gpointer data)
{
    for (guint64 at = index_table_find(table, fingerprint, NULL); at < table->header.n_entries;
         at++) {
        struct index_entry entry = index_table_entry(table, at);
        if (entry.fingerprint != fingerprint)
            return FALSE;
        /* Nobody has checked the object's digest. */
        if (entry.pack >= table->header.n_packs || entry.slot >= PACK_CHUNKS_MAX)
            continue;
        struct chunk_candidate candidate = {.slot = entry.slot};
        memcpy(candidate.pack.bytes, table->packs + (gsize)entry.pack * INDEX_NAME_ROW,
               sizeof candidate.pack.bytes);
        if (function(&candidate, data))
            return TRUE;
    }
    return FALSE;
}

gboolean
chunk_index_search(struct chunk_index *index, guint64 fingerprint, chunk_index_func function,
                   gpointer data)
{
    auto_ptr(index_generation) generation = index_generation_current(index);
    for (guint i = 0; i < generation->tables->len; i++)
        if (search_table(generation->tables->pdata[i], fingerprint, function, data))
            return TRUE;
    return FALSE;
}

void
chunk_index_packs(struct chunk_index *index,
                  void (*function)(const struct pack_name *pack, gpointer data), gpointer data)
{
    auto_ptr(index_generation) generation = index_generation_current(index);
    g_autoptr(GHashTable) packs = index_generation_packs(generation);
    GHashTableIter iter;
    gpointer pack;
    g_hash_table_iter_init(&iter, packs);
    while (g_hash_table_iter_next(&iter, &pack, NULL))
        function(pack, data);
}

void
chunk_index_stats(struct chunk_index *index, struct chunk_index_stats *ret)
{
    auto_ptr(index_generation) generation = index_generation_current(index);
    g_autoptr(GHashTable) packs = index_generation_packs(generation);
    *ret = (struct chunk_index_stats){
        .objects = generation->tables->len,
        .damaged = generation->damaged,
        .packs = g_hash_table_size(packs),
    };
    for (guint i = 0; i < generation->tables->len; i++) {
        const struct index_table *table = generation->tables->pdata[i];
        ret->entries += table->header.n_entries;
        ret->bytes += g_bytes_get_size(table->bytes);
    }
}
