/* SPDX-License-Identifier: GPL-3.0-or-later */
/* import.h: a virtual machine made with its disks sent along (ImportVApp and its NFC lease).
 *
 * Source: HttpNfcLease in the API reference; POST of application/x-vnd.vmware-streamVmdk to each
 * device URL.  The lease is kept alive while anything is sent, and aborted when something fails:
 * the server then removes the machine. */
#pragma once

#include "disk/disk.h"
#include "hyper/vsphere/vim.h"

struct import;

/* Make a machine of `config_spec` (the XML of a VirtualMachineConfigSpec's children) and wait until
 * its disks can be sent.  `host` may be NULL. */
struct import *import_begin(struct vim *vim, const struct moref *pool, const struct moref *folder,
                            const struct moref *host, const char *config_spec, GError **error);
/* The machine; borrowed. */
const struct moref *import_machine(const struct import *import);
/* Send a disk; `key`: that its device had in the spec (negative), or its place ("/VIRTUAL_MACHINE/
 * ParaVirtualSCSIController0:0" ends with controller and unit): how a lease names it is the
 * driver's to match.  SLIPWAY_ERROR_CANCELLED. */
gboolean import_disk(struct import *import, gint64 key, struct disk *source,
                     struct progress *progress, GError **error);
gboolean import_complete(struct import *import, GError **error);
/* Aborts it, unless it is complete.  NULL is fine. */
void import_free(struct import *import);
AUTO_PTR_DEFINE(import, import_free)
