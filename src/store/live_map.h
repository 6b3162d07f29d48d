/* SPDX-License-Identifier: GPL-3.0-or-later */
/* live_map.h: what is needed of each pack: a bit for each chunk.
 *
 * A chunk may have several copies; of these always the same one is needed, so that the others are
 * dead: best one that is not on a list of doomed packs, not a delta, was moved most often (what a
 * prune that did not come to its end has written), and whose pack's name comes first.  A delta
 * counts only where its base has a copy that is none.
 *
 * Memory: 4 MiB, 200 bytes a pack and four bits a chunk.  One thread. */
#pragma once

#include "store/locator.h"
#include "store/map.h"

struct live_pack {
    struct pack_name name;
    guint64 size;
    gboolean present;    /* in the list of packs, or its table was read */
    gboolean indexed;    /* an index object lists it */
    gboolean doomed;     /* it is on a list */
    gboolean unreadable; /* its table, or a frame that is needed */
    /* What follows is 0 until a chunk of it was found or live_map_load() called. */
    enum pack_kind kind;
    guint8 level, generation;
    guint n_slots;
    guint64 frame_bytes; /* of all frames */
    guint8 *live;        /* bits */
    guint8 *expanded;    /* bits: nodes whose children are marked */
    guint8 *visited;     /* bits: for whoever walks a second time */
    guint8 *moved;       /* bits: for whoever moves chunks */
    guint n_live;
    guint64 live_bytes; /* stored bytes; of a frame that is shared its share */
};

struct live_map;

/* Borrows the locator. */
struct live_map *live_map_new(struct locator *locator);
void live_map_free(struct live_map *map);
AUTO_PTR_DEFINE(live_map, live_map_free)

/* These chunks (a set of struct chunk_id *, borrowed; NULL: none) were given up: what a doomed pack
 * has of them is damaged, and not needed.  (It would save the pack, and might then be chosen before
 * a good copy that was stored since.) */
void live_map_give_up(struct live_map *map, GHashTable *lost);

/* The entry of a pack, made when there is none. */
struct live_pack *live_map_pack(struct live_map *map, const struct pack_name *name);
/* The same, or NULL. */
struct live_pack *live_map_find(struct live_map *map, const struct pack_name *name);
/* Entries, of struct live_pack *, borrowed, by name. */
GPtrArray *live_map_packs(struct live_map *map);
void live_map_remove(struct live_map *map, const struct pack_name *name);

/* Nothing of it is needed any more: its bits are cleared. */
void live_map_forget(struct live_map *map, struct live_pack *pack);

/* Read its table, if that was not done.  FALSE with SLIPWAY_ERROR_CORRUPT or SLIPWAY_ERROR_IO and
 * `unreadable` set, or with another error. */
gboolean live_map_load(struct live_map *map, struct live_pack *pack, GError **error);

enum live_found {
    LIVE_FOUND,
    LIVE_BROKEN, /* no copy can be used, as bases are missing; all of them are marked */
    LIVE_MISSING
};
/* Mark the copy of a chunk that is needed, and its base.  *ret (may be NULL) is that copy,
 * *ret_slot its slot; *ret_trouble (may be NULL) tells of packs that could not be read. */
enum live_found live_map_mark(struct live_map *map, const struct chunk_id *id,
                              struct live_pack **ret, guint *ret_slot, GError **ret_trouble);
/* The copy that live_map_mark() would choose; `whole`: no delta.  A location to be cleared. */
enum live_found live_map_choose(struct live_map *map, const struct chunk_id *id, gboolean whole,
                                struct location *ret, GError **ret_trouble);

static inline gboolean
live_bit(const guint8 *bits, guint slot)
{
    return (bits[slot / 8] >> (slot % 8) & 1) != 0;
}

static inline void
live_bit_set(guint8 *bits, guint slot)
{
    bits[slot / 8] |= (guint8)(1u << (slot % 8));
}
