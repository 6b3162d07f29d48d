/* SPDX-License-Identifier: GPL-3.0-or-later */
/* set_shelf.h: documents of sets that were read already, so that whoever lists the sets again reads
 * only what came since.  They never change, so a copy is as good as the object; the configuration,
 * which is most of a machine's document, is not kept.
 *
 * Any thread. */
#pragma once

#include "store/set.h"

struct set_shelf;

struct set_shelf *set_shelf_new(void);
void set_shelf_free(struct set_shelf *shelf);

/* A reference, to be given back with set_free(); NULL: it is not here. */
struct set *set_shelf_get(struct set_shelf *shelf, const struct set_id *id);
/* Takes the configuration out of `set`, which must not be changed any more, and keeps a reference.
 */
void set_shelf_put(struct set_shelf *shelf, struct set *set);
/* Forget all but those in `ids`, a set of char *. */
void set_shelf_keep(struct set_shelf *shelf, GHashTable *ids);
