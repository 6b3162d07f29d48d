/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/set_cache_private.h"

#define BYTES_MIN (8u << 20)
#define THREADS_DEFAULT 8u
#define THREADS_MAX 64u

struct chunk_reader *
set_cache_take_reader(struct set_cache *cache)
{
    g_mutex_lock(&cache->lock);
    guint n = cache->readers->len;
    struct chunk_reader *reader = n > 0 ? g_ptr_array_steal_index(cache->readers, n - 1) : NULL;
    g_mutex_unlock(&cache->lock);
    return reader != NULL ? reader : chunk_reader_new(cache->store, cache->locator);
}

void
set_cache_give_reader(struct set_cache *cache, struct chunk_reader *reader)
{
    g_mutex_lock(&cache->lock);
    g_ptr_array_add(cache->readers, reader);
    g_mutex_unlock(&cache->lock);
}

static void
free_reader(gpointer reader)
{
    chunk_reader_free(reader);
}

static guint
count_threads(guint wanted)
{
    return wanted != 0 ? MIN(wanted, THREADS_MAX) : MIN(g_get_num_processors(), THREADS_DEFAULT);
}

struct set_cache *
set_cache_new(struct store *store, struct locator *locator, const struct set_cache_options *options,
              GError **error)
{
    struct locator *own = NULL;
    if (locator == NULL && (locator = own = locator_new(store, error)) == NULL)
        return NULL;
    struct set_cache *cache = g_new0(struct set_cache, 1);
    cache->store = store;
    cache->locator = locator;
    cache->own_locator = own;
    cache->limit = options->bytes != 0 ? MAX(options->bytes, BYTES_MIN) : SET_CACHE_BYTES_DEFAULT;
    cache->chunks = chunk_cache_new(cache->limit);
    g_mutex_init(&cache->lock);
    cache->readers = g_ptr_array_new_with_free_func(free_reader);
    cache->queue = fetch_queue_new(count_threads(options->threads), set_cache_disk_fetch);
    return cache;
}

void
set_cache_free(struct set_cache *cache)
{
    if (cache == NULL)
        return;
    fetch_queue_free(cache->queue);
    g_ptr_array_unref(cache->readers);
    chunk_cache_free(cache->chunks);
    locator_free(cache->own_locator);
    g_mutex_clear(&cache->lock);
    g_free(cache);
}

struct disk *
set_cache_open(struct set_cache *cache, const struct set *set, const char *name, GError **error)
{
    const struct set_disk *found = set_need_disk(set, name, error);
    if (found == NULL)
        return NULL;
    char id[SET_ID_TEXT];
    g_autofree char *label =
        g_strdup_printf("set %s of %s, disk %s", set_id_format(&set->id, id), set->name, name);
    return set_cache_disk_new(cache, &found->map, label);
}

void
set_cache_status(struct set_cache *cache, struct set_cache_status *ret)
{
    struct chunk_cache_status status;
    chunk_cache_status(cache->chunks, &status);
    *ret = (struct set_cache_status){.hits = status.hits,
                                     .misses = status.misses,
                                     .read_ahead = status.ahead,
                                     .bytes = status.bytes};
}
