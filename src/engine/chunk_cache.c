/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/chunk_cache.h"

/* Of the limit what may be fetched ahead at once: the rest stays for what was asked for. */
#define AHEAD_SHARE 2u

enum state { FETCHED, THERE, FAILED };

struct entry {
    gatomicrefcount references; /* one of them the table's */
    GList link;                 /* in the order of use, when it is there */
    enum state state;           /* of the cache's lock, as all of these */
    guint waiting;
    GCond settled;
    GError *failure;
    struct cached_chunk chunk; /* last: its bytes follow */
};

struct chunk_cache {
    guint64 limit;
    GMutex lock;       /* of all that follows */
    GHashTable *table; /* of struct cached_chunk *, as the key too */
    GQueue order;      /* of struct entry * that are there, the last used one first */
    guint64 fetched;   /* bytes that are being fetched */
    struct chunk_cache_status status;
};

static struct entry *
entry_of(const struct cached_chunk *chunk)
{
    return (struct entry *)((guint8 *)chunk - G_STRUCT_OFFSET(struct entry, chunk));
}

/* A map that is damaged may want another length of a chunk: that is another one, which cannot be
 * fetched. */
static gboolean
is_same(gconstpointer left, gconstpointer right)
{
    const struct cached_chunk *a = left, *b = right;
    return a->length == b->length && chunk_id_equal(&a->id, &b->id);
}

static guint
hash(gconstpointer chunk)
{
    return chunk_id_hash(&((const struct cached_chunk *)chunk)->id);
}

static void
unref(struct entry *entry)
{
    if (!g_atomic_ref_count_dec(&entry->references))
        return;
    g_cond_clear(&entry->settled);
    g_clear_error(&entry->failure);
    g_free(entry);
}

static void
unref_chunk(gpointer chunk)
{
    unref(entry_of(chunk));
}

struct chunk_cache *
chunk_cache_new(guint64 limit)
{
    struct chunk_cache *cache = g_new0(struct chunk_cache, 1);
    cache->limit = limit;
    g_mutex_init(&cache->lock);
    g_queue_init(&cache->order);
    cache->table = g_hash_table_new_full(hash, is_same, NULL, unref_chunk);
    return cache;
}

void
chunk_cache_free(struct chunk_cache *cache)
{
    if (cache == NULL)
        return;
    g_hash_table_unref(cache->table);
    g_mutex_clear(&cache->lock);
    g_free(cache);
}

/* ---- With the lock held ---------------------------------------------------------------------- */

static struct entry *
find(struct chunk_cache *cache, const struct chunk_id *id, guint32 length)
{
    struct cached_chunk key = {*id, length};
    const struct cached_chunk *chunk = g_hash_table_lookup(cache->table, &key);
    return chunk != NULL ? entry_of(chunk) : NULL;
}

/* Out of the table: it lives on with those that hold it. */
static void
drop(struct chunk_cache *cache, struct entry *entry)
{
    if (entry->state == THERE)
        g_queue_unlink(&cache->order, &entry->link);
    cache->status.bytes -= entry->chunk.length;
    g_hash_table_remove(cache->table, &entry->chunk);
}

static void
make_room(struct chunk_cache *cache, guint32 length)
{
    while (cache->status.bytes + length > cache->limit && cache->order.tail != NULL)
        drop(cache, cache->order.tail->data);
}

/* To be fetched by the caller. */
static struct entry *
add(struct chunk_cache *cache, const struct chunk_id *id, guint32 length)
{
    make_room(cache, length);
    struct entry *entry = g_malloc(sizeof *entry + length);
    memset(entry, 0, sizeof *entry);
    g_atomic_ref_count_init(&entry->references);
    g_cond_init(&entry->settled);
    entry->link.data = entry;
    entry->chunk.id = *id;
    entry->chunk.length = length;
    g_hash_table_add(cache->table, &entry->chunk);
    cache->status.bytes += length;
    cache->fetched += length;
    g_atomic_ref_count_inc(&entry->references);
    return entry;
}

/* ---- Claims ---------------------------------------------------------------------------------- */

struct cached_chunk *
chunk_cache_claim(struct chunk_cache *cache, const struct chunk_id *id, guint32 length,
                  gboolean *ret_mine)
{
    g_mutex_lock(&cache->lock);
    struct entry *entry = find(cache, id, length);
    *ret_mine = entry == NULL;
    if (entry != NULL && entry->state == THERE) {
        cache->status.hits++;
        g_queue_unlink(&cache->order, &entry->link);
        g_queue_push_head_link(&cache->order, &entry->link);
    } else {
        cache->status.misses++;
    }
    if (entry != NULL)
        g_atomic_ref_count_inc(&entry->references);
    else
        entry = add(cache, id, length);
    g_mutex_unlock(&cache->lock);
    return &entry->chunk;
}

struct cached_chunk *
chunk_cache_claim_ahead(struct chunk_cache *cache, const struct chunk_id *id, guint32 length)
{
    struct entry *entry = NULL;
    g_mutex_lock(&cache->lock);
    if (cache->fetched + length <= cache->limit / AHEAD_SHARE && find(cache, id, length) == NULL) {
        entry = add(cache, id, length);
        cache->status.ahead++;
    }
    g_mutex_unlock(&cache->lock);
    return entry != NULL ? &entry->chunk : NULL;
}

/* With the lock held. */
static void
settle(struct chunk_cache *cache, struct entry *entry, GError *failure)
{
    cache->fetched -= entry->chunk.length;
    entry->failure = failure;
    if (failure != NULL) {
        entry->state = FAILED;
        drop(cache, entry);
    } else {
        entry->state = THERE;
        g_queue_push_head_link(&cache->order, &entry->link);
    }
    if (entry->waiting > 0)
        g_cond_broadcast(&entry->settled);
}

/* All at once: who waits for one mostly wants the next as well. */
void
chunk_cache_settle(struct chunk_cache *cache, struct cached_chunk *const *chunks,
                   GError *const *failures, guint n)
{
    g_mutex_lock(&cache->lock);
    for (guint i = 0; i < n; i++)
        settle(cache, entry_of(chunks[i]), failures[i]);
    g_mutex_unlock(&cache->lock);
}

gboolean
chunk_cache_wait(struct chunk_cache *cache, struct cached_chunk *chunk, GError **error)
{
    struct entry *entry = entry_of(chunk);
    g_mutex_lock(&cache->lock);
    while (entry->state == FETCHED) {
        entry->waiting++;
        g_cond_wait(&entry->settled, &cache->lock);
        entry->waiting--;
    }
    gboolean there = entry->state == THERE;
    g_mutex_unlock(&cache->lock);
    /* It does not change any more. */
    if (!there && error != NULL)
        *error = g_error_copy(entry->failure);
    return there;
}

void
chunk_cache_release(struct chunk_cache *cache G_GNUC_UNUSED, struct cached_chunk *chunk)
{
    if (chunk != NULL)
        unref(entry_of(chunk));
}

gboolean
chunk_cache_has(struct chunk_cache *cache, const struct chunk_id *id, guint32 length)
{
    g_mutex_lock(&cache->lock);
    gboolean has = find(cache, id, length) != NULL;
    g_mutex_unlock(&cache->lock);
    return has;
}

void
chunk_cache_status(struct chunk_cache *cache, struct chunk_cache_status *ret)
{
    g_mutex_lock(&cache->lock);
    *ret = cache->status;
    g_mutex_unlock(&cache->lock);
}
