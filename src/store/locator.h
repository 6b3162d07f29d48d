/* SPDX-License-Identifier: GPL-3.0-or-later */
/* locator.h: where a chunk is, for certain: the index's candidates held against the packs' own
 * tables, of which the last ones used are kept (LOCATOR_MEMORY).  Any thread. */
#pragma once

#include "store/index.h"
#include "store/store.h"

#define LOCATOR_MEMORY (24u << 20)

struct locator;

/* Opens the index of the store, which must outlive it. */
struct locator *locator_new(struct store *store, GError **error);
void locator_free(struct locator *locator);
AUTO_PTR_DEFINE(locator, locator_free)

struct chunk_index *locator_index(struct locator *locator);

/* Search this pack too, which no index lists.  Before other threads use the locator. */
void locator_add(struct locator *locator, const struct pack_table *table);

/* The table of a pack; a reference. */
struct pack_table *locator_table(struct locator *locator, const struct pack_name *pack,
                                 GError **error);
/* Forget what is kept of a pack. */
void locator_forget(struct locator *locator, const struct pack_name *pack);

struct location {
    struct pack_table *table; /* a reference of the holder: location_clear() */
    guint slot;
};
void location_clear(struct location *location);
/* TRUE when the chunk is kept as a delta; against *ret_base (may be NULL). */
gboolean location_is_delta(const struct location *location, struct chunk_id *ret_base);

/* TRUE when `candidate` really is chunk `id`; otherwise as locator_find(). */
gboolean locator_check(struct locator *locator, const struct chunk_candidate *candidate,
                       const struct chunk_id *id, struct location *ret, GError **ret_trouble);

/* Candidate number `nth` (0, 1, ...) that really is chunk `id`; FALSE when there is none.  Packs
 * that cannot be read are passed over; of the last of these *ret_trouble (may be NULL) tells, also
 * when another one was found. */
gboolean locator_find(struct locator *locator, const struct chunk_id *id, guint nth,
                      struct location *ret, GError **ret_trouble);
