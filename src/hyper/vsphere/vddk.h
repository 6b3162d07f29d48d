/* SPDX-License-Identifier: GPL-3.0-or-later */
/* vddk.h: disks through VMware's own library, for those who have it: nbdkit with its vddk plugin,
 * served to this program alone over a private socket.
 *
 * Source: nbdkit-vddk-plugin(1).  Debian's nbdkit is built without the plugin.  The library is
 * looked for where the plugin does, or in the directory that SLIPWAY_VDDK names. */
#pragma once

#include "disk/disk.h"
#include "hyper/vsphere/vsphere.h"

struct vddk;

struct vddk_wish {
    const struct moref *machine, *snapshot; /* snapshot NULL: the running point */
    const char *file;                       /* "[ds1] app01/app01.vmdk" */
    guint64 size;
};

/* Start it.  SLIPWAY_ERROR_UNSUPPORTED: a part is missing, with words that say which;
 * SLIPWAY_ERROR_FAILED: it ended; SLIPWAY_ERROR_NETWORK or as disk_nbd_open() with the program's
 * last words.
 *
 * The library may hang for ever when a host does not answer: what the program brings nothing for is
 * given up after vsphere.stall_s, else as long as a call may take, here and in the disk's reads, as
 * disk_nbd_options.silence_s says. */
struct vddk *vddk_open(struct vsphere *vsphere, const struct vddk_wish *wish, GError **error);
struct disk *vddk_disk(const struct vddk *vddk); /* borrowed */
/* Close the disk and end the program.  NULL is fine. */
void vddk_free(struct vddk *vddk);
AUTO_PTR_DEFINE(vddk, vddk_free)
