/* SPDX-License-Identifier: GPL-3.0-or-later */
/* store_sets.h: the sets of a store.  Any thread. */
#pragma once

#include "store/set.h"
#include "store/store.h"

struct set_entry {
    struct set *set;
    struct set_flags flags;
};
void set_entry_free(struct set_entry *entry);

/* All sets, of struct set_entry *, oldest first (by time, then id), without their `config`, which
 * store_sets_read() gives.  One whose object is damaged is an error, unless ret_damaged (list of
 * char *: "object: why") takes it.  What was read is kept while the store is open, and so that it
 * is damaged since is not noticed here. */
GPtrArray *store_sets_list(struct store *store, GPtrArray **ret_damaged, GError **error);
/* The ids alone, without reading them: a set of char *. */
GHashTable *store_sets_ids(struct store *store, GError **error);
struct set_entry *store_sets_read(struct store *store, const struct set_id *id, GError **error);

/* The set that the user means: an id or the beginning of one (4 digits at least), `NAME` for the
 * newest of a machine, `NAME@latest`, `NAME@2026-11-25` or `NAME@2026-11-25T21:00` for the newest
 * that is not younger.  NAME is any that the machine has or had, as store_sets_owner() says.
 * SLIPWAY_ERROR_NOT_FOUND lists what comes near; SLIPWAY_ERROR_USAGE when several are meant. */
struct set_entry *store_sets_find(struct store *store, const char *text, GError **error);

/* Which machine has this name, in a list of sets: the one of the newest set that has it (its sets
 * may have others: it was renamed).  That set, or NULL; borrowed. */
const struct set_entry *store_sets_owner(GPtrArray *list, const char *name);
/* The newest set in a list of the machine with this identity or (NULL) of the one without, that has
 * this name; NULL when there is none; borrowed. */
const struct set_entry *store_sets_newest(GPtrArray *list, const char *name, const char *identity);

gboolean store_sets_put_flags(struct store *store, const struct set_id *id,
                              const struct set_flags *flags, GError **error);
/* Remove a set with its flags and its screen.  Its space comes back with prune. */
gboolean store_sets_remove(struct store *store, const struct set_id *id, GError **error);
