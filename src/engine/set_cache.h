/* SPDX-License-Identifier: GPL-3.0-or-later */
/* set_cache.h: disks of backup sets for those who read them as a computer does: again and again,
 * in small pieces, in streams, from several sides.
 *
 * A set_disk reads what it is asked for.  Here decompressed and checked chunks are kept, for all
 * disks of a cache together and by their ids, so that two sets share what is equal; a stream that
 * is read in order is read ahead, by threads that decompress at the same time, and disk_prefetch()
 * does the same for places that are known.  A chunk that several wait for is fetched once.  A read
 * of what nobody fetches does it itself, on its own thread.  Damage is told to those who read it,
 * in the words of a set_disk, and not remembered.
 *
 * Any thread. */
#pragma once

#include "engine/set_disk.h"

/* 64 MiB of chunks.  Besides: some 2 MiB for each thread of the cache and each read that runs at
 * the same time, and SET_LEAVES_MEMORY for the map of each disk. */
#define SET_CACHE_BYTES_DEFAULT (64u << 20)

struct set_cache_options {
    guint64 bytes; /* of decompressed chunks; 0: SET_CACHE_BYTES_DEFAULT; else at least 8 MiB */
    guint threads; /* that read ahead; 0: one per processor, at most 8 */
};

struct set_cache;

/* `store` is borrowed and must outlive the cache.  `locator` NULL: one of its own. */
struct set_cache *set_cache_new(struct store *store, struct locator *locator,
                                const struct set_cache_options *options, GError **error);
/* After the last of its disks was closed. */
void set_cache_free(struct set_cache *cache);
AUTO_PTR_DEFINE(set_cache, set_cache_free)

/* As set_disk_open(). */
struct disk *set_cache_open(struct set_cache *cache, const struct set *set, const char *name,
                            GError **error);

struct set_cache_status {
    guint64 hits, misses; /* chunks that a read found, or had to fetch or wait for */
    guint64 read_ahead;   /* chunks that were fetched before anybody asked */
    guint64 bytes;        /* kept now, or being fetched */
};
void set_cache_status(struct set_cache *cache, struct set_cache_status *ret);
