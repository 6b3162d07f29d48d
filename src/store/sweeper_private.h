/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sweeper_private.h: one run of prune, which the sweeper_*.c files share. */
#pragma once

#include "store/chunk_reader.h"
#include "store/lease.h"
#include "store/live_map.h"
#include "store/pack_list.h"
#include "store/regroup.h"
#include "store/store_sets.h"
#include "store/sweeper.h"

struct sweep {
    struct store *store;
    const struct sweeper_options *options;
    struct sweeper_report *report;
    gint64 grace;        /* seconds */
    struct lease *lease; /* NULL: a dry run */
    GHashTable *writers; /* set of char *: leases of active writers when last looked at */
    GPtrArray *doomed;   /* of struct doomed *: the lists that there were at the beginning */
    GHashTable *lost;    /* set of struct chunk_id * */
    GHashTable *marked;  /* set of char *: ids of sets */
    struct locator *locator;
    struct chunk_reader *reader;
    struct live_map *map;
    GHashTable *gone; /* set of struct pack_name *: in the index, but not there */
};

void sweeper_note(struct sweep *sweep, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* ---- sweeper_mark.c */

/* Mark what the set needs.  SLIPWAY_ERROR_CORRUPT when a node cannot be read and is not lost. */
gboolean sweeper_mark_set(struct sweep *sweep, const struct set *set, GError **error);
/* Those of these sets (a set of char *: ids) that are not marked yet. */
gboolean sweeper_mark_sets(struct sweep *sweep, GHashTable *ids, GError **error);

/* ---- sweeper_doom.c */

/* Let `grace` pass. */
gboolean sweeper_wait(struct sweep *sweep, const char *what, GError **error);
/* Look who is active: sweep->writers.  SLIPWAY_ERROR_BUSY when another prune is. */
gboolean sweeper_look(struct sweep *sweep, GError **error);
/* Note in lists that have no leases yet who is active; waits first. */
gboolean sweeper_settle(struct sweep *sweep, GPtrArray *lists, GError **error);
/* Of struct doomed *, borrowed: those of whose writers none is active any more. */
GPtrArray *sweeper_ready(struct sweep *sweep, GPtrArray *lists);
/* Put lists of these packs (of struct live_pack *), which become `doomed`: of struct doomed *. */
GPtrArray *sweeper_doom(struct sweep *sweep, GPtrArray *packs, GError **error);
/* Remove the packs of these lists (of struct doomed *) but those that are needed, and the lists.
 * All sets must be marked. */
gboolean sweeper_remove(struct sweep *sweep, GPtrArray *lists, GError **error);

/* ---- sweeper_move.c */

/* Write what is needed of these packs (of struct live_pack *) into new ones, which are in the index
 * then.  *ret_done gets those of which everything was; others cannot be read in full: they stay. */
gboolean sweeper_move(struct sweep *sweep, GPtrArray *packs, GPtrArray **ret_done, GError **error);

/* TRUE, with a note, when `why`, with which reading this pack failed, is damage: it stays then;
 * otherwise `why` becomes the error.  Takes `why`. */
gboolean sweeper_forgive(struct sweep *sweep, struct live_pack *pack, GError *why, GError **error);

/* Reads frames. */
struct frame_source {
    struct sweep *sweep;
    gboolean reading; /* what failed was reading, not writing */
    struct codec *codec;
    struct chunk_hasher *hasher;
    guint8 *stored; /* PACK_GROUP_MAX bytes and a tag */
    guint8 *plain;  /* PACK_GROUP_MAX bytes */
};
/* Copy frame `number` as it is. */
gboolean sweeper_copy_frame(struct frame_source *source, const struct pack_table *table,
                            guint number, struct pack_stream *stream, GError **error);
/* Give its chunks that are needed and not moved yet to `regroup`. */
gboolean sweeper_split_frame(struct frame_source *source, struct live_pack *pack,
                             const struct pack_table *table, guint number, struct regroup *regroup,
                             GError **error);

/* ---- sweeper_optimize.c */

/* The same for packs that are to be optimised, in the order of the maps. */
gboolean sweeper_optimize(struct frame_source *source, GPtrArray *packs, struct index_writer *index,
                          guint8 generation, GError **error);

/* ---- sweeper_leftovers.c */

/* Remove flags without a set and parity without its object. */
gboolean sweeper_leftovers(struct sweep *sweep, GError **error);
