/* SPDX-License-Identifier: GPL-3.0-or-later */
/* set_leaves.h: leaves of one map, of which the last ones used stay decoded, so that whoever reads
 * here and there has to fetch no node.  Any thread. */
#pragma once

#include "store/map.h"

/* What they may take: enough for some 12 GiB of data. */
#define SET_LEAVES_MEMORY (16u << 20)

struct set_leaves;

/* A leaf does not change and lives as long as somebody holds a reference. */
struct set_leaf {
    gatomicrefcount references;
    guint64 segment;
    guint n;
    struct map_entry entries[]; /* as in struct map_leaf */
};

struct set_leaves *set_leaves_new(void);
void set_leaves_free(struct set_leaves *leaves);

/* A reference to the leaf of `segment` (n is 0 where all is zero): a kept one, or read through
 * `cursor`. */
struct set_leaf *set_leaves_get(struct set_leaves *leaves, struct map_cursor *cursor,
                                guint64 segment, GError **error);
void set_leaf_unref(struct set_leaf *leaf);
AUTO_PTR_DEFINE(set_leaf, set_leaf_unref)

/* Number of the first entry that ends behind `block`; n when there is none. */
guint set_leaf_find(const struct set_leaf *leaf, guint block);
