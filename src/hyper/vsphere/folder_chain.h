/* SPDX-License-Identifier: GPL-3.0-or-later */
/* folder_chain.h: a disk of a machine with snapshots over HTTPS: a flat file, and over it one file
 * for each snapshot with what was written since.
 *
 * Source: VMware's "Virtual Disk Format 5.0", "ESX Server Sparse Extents" (vmfsSparse, "COWD"). The
 * newer kind of VMFS 6 (SEsparse) is not published and refused. */
#pragma once

#include "hyper/vsphere/folder.h"

#define FOLDER_CHAIN_MAX 64u /* files; servers allow 32 snapshots */

/* `options->place` names the descriptor on top of the chain ("app01-000001.vmdk").  Read-only.
 * SLIPWAY_ERROR_UNSUPPORTED: a kind of file that cannot be read, or one elsewhere; otherwise as
 * folder_disk_open(). */
struct disk *folder_chain_open(struct vim *vim, const struct folder_disk_options *options,
                               GError **error);
