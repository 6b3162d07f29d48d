/* SPDX-License-Identifier: GPL-3.0-or-later */
/* chunk_cache.h: the plain bytes of chunks by their ids, the last used ones, so that several fetch
 * a chunk once.
 *
 * Who claims a chunk that is not there has to fetch it; others that claim it meanwhile wait.  What
 * a fetch failed with is told to those that wait, and forgotten.  Any thread. */
#pragma once

#include "base/auto_ptr.h"
#include "store/chunk.h"

struct chunk_cache;

/* A reference to one: its bytes stay as long as it is held. */
struct cached_chunk {
    struct chunk_id id;
    guint32 length;
    guint8 bytes[];
};

/* `limit` bytes, of those that are kept and those that are fetched; above it is what is fetched by
 * chunk_cache_claim() while everything else is being fetched too, and what was dropped while
 * somebody holds it. */
struct chunk_cache *chunk_cache_new(guint64 limit);
/* No chunk may be held. */
void chunk_cache_free(struct chunk_cache *cache);
AUTO_PTR_DEFINE(chunk_cache, chunk_cache_free)

/* The chunk `id` of `length` bytes.  With *ret_mine the caller fills in its bytes and calls
 * chunk_cache_settle(); before it has done so for all that it has claimed, it must not wait. */
struct cached_chunk *chunk_cache_claim(struct chunk_cache *cache, const struct chunk_id *id,
                                       guint32 length, gboolean *ret_mine);
/* The same for somebody who fetches what nobody has asked for yet: NULL when it is there, or being
 * fetched, or when too much is being fetched already. */
struct cached_chunk *chunk_cache_claim_ahead(struct chunk_cache *cache, const struct chunk_id *id,
                                             guint32 length);
/* These `n` are there now, but for those that have a failure, which is taken over.  The references
 * stay. */
void chunk_cache_settle(struct chunk_cache *cache, struct cached_chunk *const *chunks,
                        GError *const *failures, guint n);
/* Its bytes are there when this returns TRUE; otherwise what the fetch failed with. */
gboolean chunk_cache_wait(struct chunk_cache *cache, struct cached_chunk *chunk, GError **error);
void chunk_cache_release(struct chunk_cache *cache, struct cached_chunk *chunk);

/* It is there, or being fetched. */
gboolean chunk_cache_has(struct chunk_cache *cache, const struct chunk_id *id, guint32 length);

struct chunk_cache_status {
    guint64 hits;   /* claims that found it there */
    guint64 misses; /* that had to fetch it, or to wait */
    guint64 ahead;  /* fetched by chunk_cache_claim_ahead() */
    guint64 bytes;  /* kept, or being fetched */
};
void chunk_cache_status(struct chunk_cache *cache, struct chunk_cache_status *ret);
