/* SPDX-License-Identifier: GPL-3.0-or-later */
/* block_pool.h: buffers of one size that are used again and again.
 *
 * Large allocations go to the kernel and back each time, and every page is cleared on the way:
 * for a stream of hundreds of megabytes that costs more than reading it.  A block goes back to
 * its pool when the last reference to its bytes is dropped, from whatever thread. */
#pragma once

#include "base/auto_ptr.h"

#include <glib.h>

struct block_pool;

struct block_pool *block_pool_new(gsize block_size);
/* Blocks that are still referred to live on until they are dropped. */
void block_pool_unref(struct block_pool *pool);
AUTO_PTR_DEFINE(block_pool, block_pool_unref)

gsize block_pool_block_size(const struct block_pool *pool);

/* A block to fill.  Hand it on with block_pool_seal() or back with block_pool_return(). */
guint8 *block_pool_take(struct block_pool *pool);
void block_pool_return(struct block_pool *pool, guint8 *block);
/* The first `length` bytes of a taken block as immutable bytes, which return it when dropped. */
GBytes *block_pool_seal(struct block_pool *pool, guint8 *block, gsize length);
