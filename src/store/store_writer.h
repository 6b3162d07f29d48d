/* SPDX-License-Identifier: GPL-3.0-or-later */
/* store_writer.h: adding a set to a store.
 *
 * One run of one writer: it holds a lease, knows which chunks are there, fills packs, and puts the
 * set at the end.  Functions may be called from any thread where they say so. */
#pragma once

#include "store/chunk_reader.h"
#include "store/lease.h"
#include "store/set.h"
#include "store/store_sets.h"

struct store_writer;

/* Takes a lease, cleans up after writers that died, and opens the index. */
struct store_writer *store_writer_begin(struct store *store, GError **error);
struct locator *store_writer_locator(struct store_writer *writer);

/* Is this chunk there, or was it given to store_writer_claim() in this run?  Chunks of packs that
 * prune has doomed, and lost ones, are not there.  Any thread. */
gboolean store_writer_known(struct store_writer *writer, const struct chunk_id *id);
/* May a new delta rely on this chunk?  Only a copy that is no delta, and that stays, is a base: one
 * that is known may have none.  Any thread. */
gboolean store_writer_may_base(struct store_writer *writer, const struct chunk_id *id);
/* TRUE when `store check` found that this chunk is damaged: it must be read from the source again.
 * Any thread. */
gboolean store_writer_lost(struct store_writer *writer, const struct chunk_id *id);
/* TRUE when there are lost chunks at all. */
gboolean store_writer_has_lost(struct store_writer *writer);
/* The caller will add this chunk: TRUE for the first who says so, FALSE when it is known already.
 * Any thread; what it answers depends on the order of the calls. */
gboolean store_writer_claim(struct store_writer *writer, const struct chunk_id *id);

/* Append a group of claimed chunks to the data pack.  One thread at a time. */
gboolean store_writer_add(struct store_writer *writer, const struct pack_group *group,
                          GError **error);
/* Keeps nodes of maps, each once.  One thread at a time, which may be another than that of
 * store_writer_add(). */
struct map_sink store_writer_map_sink(struct store_writer *writer);

struct store_writer_stats {
    guint64 stored; /* bytes that were written: packs, parity, index */
    guint64 packs;
    guint64 chunks; /* new ones, without nodes */
    guint64 deltas;
    guint64 nodes;
};
void store_writer_stats(const struct store_writer *writer, struct store_writer_stats *ret);

/* Everything durable, then the set, whose stats.stored is filled in before.  Frees the writer in
 * either case.  SLIPWAY_ERROR_BUSY when this writer was taken for dead meanwhile and chunks are
 * missing: the set is not there then. */
gboolean store_writer_commit(struct store_writer *writer, struct set *set, GError **error);
/* Give up; what is complete already is listed in the index, so that the next run need not write it
 * again. */
void store_writer_abandon(struct store_writer *writer);
AUTO_PTR_DEFINE(store_writer, store_writer_abandon)
