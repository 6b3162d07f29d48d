/* SPDX-License-Identifier: GPL-3.0-or-later */
/* set_disk.h: a disk of a backup set, to be read like any other disk.
 *
 * What is read is checked: every chunk against its id, every node of the map against its.  Extents
 * come from the map alone.  Damage is SLIPWAY_ERROR_CORRUPT (also when a chunk is not there any
 * more), with the set, the disk and the offset in front.
 *
 * Any thread, as disk.h says: each call borrows a reader from a pool that grows to as many as are
 * used at once.  Memory: some 2 MiB for each of these, and SET_LEAVES_MEMORY for the map. */
#pragma once

#include "disk/disk.h"
#include "store/locator.h"
#include "store/set.h"

/* `locator` is borrowed; NULL: the disk has one of its own.  The store and the locator must outlive
 * the disk, the set need not.  SLIPWAY_ERROR_NOT_FOUND: the set has no disk of this name (the
 * message lists those that it has). */
struct disk *set_disk_open(struct store *store, struct locator *locator, const struct set *set,
                           const char *name, GError **error);
