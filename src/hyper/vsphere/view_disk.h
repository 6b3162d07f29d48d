/* SPDX-License-Identifier: GPL-3.0-or-later */
/* view_disk.h: a disk that belongs to somebody else, with a name and a list of what is allocated.
 *
 * Who closes frozen disks is not who attached them to this machine. */
#pragma once

#include "disk/disk.h"
#include "disk/extent_list.h"

/* `below` is borrowed and must outlive it; all but `allocated` (NULL: not known; a copy is kept)
 * is told to be zeros, without asking. */
struct disk *view_disk_new(struct disk *below, const struct extent_list *allocated,
                           const char *label);
