/* SPDX-License-Identifier: GPL-3.0-or-later */
/* hot_add.h: disks of other machines attached to the machine that this program runs in.
 *
 * Source: "Best Practices for HotAdd Transport" (VDDK programming guide): SCSI only; the frozen
 * base as independent_nonpersistent; detached, without destroying a file, before the snapshot is
 * removed. */
#pragma once

#include "disk/disk.h"
#include "hyper/vsphere/vsphere.h"

struct hot_add;

/* Find the machine that this runs in: the one that is named, else by the UUID of its firmware
 * (/sys/class/dmi/id/product_uuid, in both byte orders).  SLIPWAY_ERROR_UNSUPPORTED: this is no
 * virtual machine, or not one of this server, in words that say what to do. */
gboolean hot_add_find_self(struct vsphere *vsphere, struct moref *ret, GError **error);

/* Attach the disk with file `file` and backing `uuid`, wait until the kernel has it, open it.
 * `writable`: as persistent, to restore into.  The device that appears is found by its identity
 * (page 0x83, or the serial number) and its size is checked against `size`.
 * SLIPWAY_ERROR_LIMIT: no free place on a SCSI controller.
 * After a failure *ret_left is NULL, or what could not be detached again: for hot_add_detach(),
 * before the snapshot is removed under it, and hot_add_free(). */
struct hot_add *hot_add_attach(struct vsphere *vsphere, const struct moref *self, const char *file,
                               const char *uuid, guint64 size, gboolean writable,
                               struct hot_add **ret_left, GError **error);
struct disk *hot_add_disk(const struct hot_add *hot_add); /* borrowed */
/* Close the disk and detach it; goes on although the user has cancelled.  May be called again. */
gboolean hot_add_detach(struct hot_add *hot_add, GError **error);
/* Detaches; what fails then is a warning.  NULL is fine. */
void hot_add_free(struct hot_add *hot_add);
AUTO_PTR_DEFINE(hot_add, hot_add_free)

/* Disks of our own machine that a killed run attached: detach them (files of other machines that
 * are independent_nonpersistent, and that this computer's notes, written durably before each
 * attach, tell of).  Appends what was done to `words`. */
gboolean hot_add_clean(struct vsphere *vsphere, GPtrArray *words, GError **error);
