/* SPDX-License-Identifier: GPL-3.0-or-later */
/* diff.h: where two backed-up disks differ, out of their maps alone: no data is read. */
#pragma once

#include "disk/extent_list.h"
#include "store/chunk_reader.h"
#include "store/set.h"

/* The ranges of `right` that are not as in `left`, settled for its size: what a list of changed
 * extents for a backup after `left` must have.  What lies beyond the end of the smaller disk counts
 * where it is not zero.  Granularity is a chunk of `right` (4 KiB to 128 KiB; several behind a
 * place where chunks begin elsewhere now), and a block of 4 KiB where it became zero; so there may
 * be equal bytes in it.  Fails as map_diff() does. */
struct extent_list *diff_maps(const struct map *left, const struct map *right,
                              struct chunk_reader *reader, GError **error);

/* The same for disk `name` of two sets, either of which may not have it: it is all zeros then.
 * `locator` NULL: one of its own.  SLIPWAY_ERROR_NOT_FOUND: `right` does not have it. */
struct extent_list *diff_disks(struct store *store, struct locator *locator, const struct set *left,
                               const struct set *right, const char *name, GError **error);
