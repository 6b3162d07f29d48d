/* SPDX-License-Identifier: GPL-3.0-or-later */
/* index_merge.h: many sorted runs of entries as one, each entry once.  One thread. */
#pragma once

#include "store/index_table.h"

/* Entries as in an object. */
struct index_run {
    const guint8 *rows;
    guint64 n;
    /* New numbers of its packs, in the same order; INDEX_RUN_DROP: leave those entries out. */
    const guint32 *packs;
    guint32 n_packs;
};
#define INDEX_RUN_DROP G_MAXUINT32

struct index_merge;

/* Borrows the runs. */
struct index_merge *index_merge_new(const struct index_run *runs, guint n);
/* The next one; FALSE at the end. */
gboolean index_merge_next(struct index_merge *merge, struct index_entry *ret);
void index_merge_free(struct index_merge *merge);
AUTO_PTR_DEFINE(index_merge, index_merge_free)
