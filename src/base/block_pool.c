/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/block_pool.h"

struct block_pool {
    gint refs; /* the owner's, and one for every sealed block */
    gsize block_size;
    GMutex lock;
    GPtrArray *idle;
};

struct sealed {
    struct block_pool *pool;
    guint8 *block;
};

struct block_pool *
block_pool_new(gsize block_size)
{
    struct block_pool *pool = g_new0(struct block_pool, 1);
    pool->refs = 1;
    pool->block_size = block_size;
    pool->idle = g_ptr_array_new_with_free_func(g_free);
    g_mutex_init(&pool->lock);
    return pool;
}

void
block_pool_unref(struct block_pool *pool)
{
    if (pool == NULL || !g_atomic_int_dec_and_test(&pool->refs))
        return;
    g_ptr_array_unref(pool->idle);
    g_mutex_clear(&pool->lock);
    g_free(pool);
}

gsize
block_pool_block_size(const struct block_pool *pool)
{
    return pool->block_size;
}

guint8 *
block_pool_take(struct block_pool *pool)
{
    g_mutex_lock(&pool->lock);
    guint n = pool->idle->len;
    guint8 *block = n > 0 ? g_ptr_array_steal_index_fast(pool->idle, n - 1) : NULL;
    g_mutex_unlock(&pool->lock);
    return block != NULL ? block : g_malloc(pool->block_size);
}

void
block_pool_return(struct block_pool *pool, guint8 *block)
{
    g_mutex_lock(&pool->lock);
    g_ptr_array_add(pool->idle, block);
    g_mutex_unlock(&pool->lock);
}

static void
drop_sealed(gpointer data)
{
    struct sealed *sealed = data;
    block_pool_return(sealed->pool, sealed->block);
    block_pool_unref(sealed->pool);
    g_free(sealed);
}

GBytes *
block_pool_seal(struct block_pool *pool, guint8 *block, gsize length)
{
    struct sealed *sealed = g_new(struct sealed, 1);
    *sealed = (struct sealed){pool, block};
    g_atomic_int_inc(&pool->refs);
    return g_bytes_new_with_free_func(block, length, drop_sealed, sealed);
}
