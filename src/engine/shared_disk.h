/* SPDX-License-Identifier: GPL-3.0-or-later */
/* shared_disk.h: a disk to be read that somebody else owns: closing it leaves the other open.  For
 * interfaces that want a disk of their own.  Any thread. */
#pragma once

#include "disk/disk.h"

/* `below` must outlive it. */
struct disk *shared_disk_new(struct disk *below);
