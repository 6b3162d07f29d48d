/* SPDX-License-Identifier: GPL-3.0-or-later */
/* set_cache_private.h: what set_cache.c has for its disks, which are in set_cache_disk.c. */
#pragma once

#include "engine/chunk_cache.h"
#include "engine/fetch_queue.h"
#include "engine/set_cache.h"
#include "store/chunk_reader.h"

struct set_cache {
    struct locator *own_locator; /* NULL when it is borrowed */
    struct store *store;
    struct locator *locator;
    struct chunk_cache *chunks;
    struct fetch_queue *queue;
    guint64 limit;      /* bytes of chunks */
    GMutex lock;        /* of the list */
    GPtrArray *readers; /* of struct chunk_reader * that nobody has */
};

/* The one that was given back last has the warmest frames. */
struct chunk_reader *set_cache_take_reader(struct set_cache *cache);
void set_cache_give_reader(struct set_cache *cache, struct chunk_reader *reader);

/* What the queue does for a disk. */
void set_cache_disk_fetch(gpointer disk, guint64 offset, guint64 length);

struct disk *set_cache_disk_new(struct set_cache *cache, const struct map *map, const char *label);
