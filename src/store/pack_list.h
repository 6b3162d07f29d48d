/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pack_list.h: the lists in a store that say what to leave alone: doomed packs and lost chunks
 * (doc/format/store.md, "Writers, prune and leases").  Values; one thread. */
#pragma once

#include "store/pack.h"
#include "store/set.h"
#include "store/store.h"

struct doomed {
    char id[STORE_ID_TEXT];
    gint64 created;
    GPtrArray *leases; /* of char *: writers that were active when the list could be seen by all;
                        * NULL: nobody looked yet */
    GHashTable *packs; /* set of struct pack_name * */
    GHashTable *sets;  /* set of char *: sets that were marked */
};

struct doomed *doomed_new(void); /* with a random id, without leases */
void doomed_free(struct doomed *doomed);
AUTO_PTR_DEFINE(doomed, doomed_free)
void doomed_add_pack(struct doomed *doomed, const struct pack_name *pack);
/* Put it, or one in place of it. */
gboolean doomed_put(struct store *store, const struct doomed *doomed, GError **error);
gboolean doomed_remove(struct store *store, const struct doomed *doomed, GError **error);
/* All of them, of struct doomed *. */
GPtrArray *doomed_list(struct store *store, GError **error);

/* A set of struct chunk_id *: everything that any `lost` object names. */
GHashTable *lost_list(struct store *store, GError **error);
/* Put what names `chunks` (a set of struct chunk_id *), in as many objects as it takes. */
gboolean lost_put(struct store *store, GHashTable *chunks, GError **error);
/* Remove all of them and put those for `chunks`. */
gboolean lost_replace(struct store *store, GHashTable *chunks, GError **error);
