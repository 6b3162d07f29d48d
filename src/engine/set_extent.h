/* SPDX-License-Identifier: GPL-3.0-or-later */
/* set_extent.h: the extents of a backed-up disk, out of its map alone. */
#pragma once

#include "disk/disk.h"
#include "engine/set_leaves.h"

/* As disk_extent(), of a disk of `size` bytes. */
gboolean set_extent_find(struct set_leaves *leaves, struct map_cursor *cursor, guint64 size,
                         guint64 offset, guint64 length, struct disk_extent *ret, GError **error);
