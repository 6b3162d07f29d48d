/* SPDX-License-Identifier: GPL-3.0-or-later */
/* import.h: a virtual machine made with its disks sent along (ImportVApp and its NFC lease).
 *
 * Source: HttpNfcLease in the API reference; POST of application/x-vnd.vmware-streamVmdk to each
 * device URL.  The lease is kept alive by a thread, also while nothing can be sent, and aborted
 * when something fails: the server then removes the machine. */
#pragma once

#include "disk/disk.h"
#include "hyper/vsphere/vim.h"

#define IMPORT_DISKS_MAX 256u

struct import;

/* Make a machine of `config_spec` (the XML of a VirtualMachineConfigSpec's children), whose disks
 * have `capacity` bytes together, and wait until they can be sent.  `folder` and `host` may be
 * NULL.  As vim_call(); SLIPWAY_ERROR_CANCELLED. */
struct import *import_begin(struct vim *vim, const struct moref *pool, const struct moref *folder,
                            const struct moref *host, const char *config_spec, guint64 capacity,
                            GError **error);
/* The machine; borrowed. */
const struct moref *import_machine(const struct import *import);

/* Which disk of the spec. */
struct import_disk {
    const char *place; /* "ParaVirtualSCSIController0:1": type and bus of the controller, unit */
    guint index, n;    /* the index-th of n, for a lease that does not name places */
};
/* Send a disk from `source`.  SLIPWAY_ERROR_CANCELLED; as disk_read(); SLIPWAY_ERROR_NETWORK;
 * SLIPWAY_ERROR_FAILED: what the lease says has failed. */
gboolean import_send(struct import *import, const struct import_disk *disk, struct disk *source,
                     struct progress *progress, GError **error);
gboolean import_complete(struct import *import, GError **error);
/* Unless it is complete: abort it, and see to it that the machine is gone.  Goes on although the
 * user has cancelled; may be called again. */
gboolean import_abort(struct import *import, GError **error);
/* Aborts it without a word.  NULL is fine. */
void import_free(struct import *import);
AUTO_PTR_DEFINE(import, import_free)
