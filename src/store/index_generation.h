/* SPDX-License-Identifier: GPL-3.0-or-later */
/* index_generation.h: the index objects that a repo had at one time.  Immutable; any thread. */
#pragma once

#include "store/index.h"
#include "store/index_table.h"

struct index_generation {
    gatomicrefcount references;
    GPtrArray *tables;    /* of struct index_table *, by name: those that count */
    GHashTable *replaced; /* set of digests, listed but replaced by another one */
    GHashTable *known;    /* digest (of the table) to its struct index_table *, of both */
    guint damaged;
};

/* Look at what is there; objects that `old` (may be NULL) knows are not opened again. */
struct index_generation *index_generation_load(struct repo *repo, struct index_generation *old,
                                               GError **error);
struct index_generation *index_generation_ref(struct index_generation *generation);
void index_generation_unref(struct index_generation *generation);
AUTO_PTR_DEFINE(index_generation, index_generation_unref)

/* Of struct pack_name *: all that are listed, borrowed from the tables. */
GHashTable *index_generation_packs(const struct index_generation *generation);

/* The one that searches use at the moment; a reference.  Any thread. */
struct index_generation *index_generation_current(struct chunk_index *index);
struct repo *index_generation_repo(struct chunk_index *index);
