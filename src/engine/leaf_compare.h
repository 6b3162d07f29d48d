/* SPDX-License-Identifier: GPL-3.0-or-later */
/* leaf_compare.h: which blocks of a segment differ between two leaves.  Pure. */
#pragma once

#include "store/map.h"

enum leaf_block {
    LEAF_SAME, /* as before: zero in both, or in a chunk that both have at the same place */
    LEAF_ZERO, /* zero, and was not, or may not have been */
    LEAF_DATA, /* in another chunk; all blocks of a chunk are of one kind */
};

/* For each block what it is in `leaf`, compared with `old`; NULL: anything may have been there. */
void leaf_compare(const struct map_leaf *old, const struct map_leaf *leaf,
                  guint8 ret[CHUNK_SEGMENT_BLOCKS]);

/* The end of the run of blocks of one kind that begins at `block`, at most `end`. */
guint leaf_compare_run(const guint8 blocks[CHUNK_SEGMENT_BLOCKS], guint block, guint end);
