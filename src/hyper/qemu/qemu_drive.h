/* SPDX-License-Identifier: GPL-3.0-or-later */
/* qemu_drive.h: the disks of a QEMU: from the device that the guest sees, through what throttles
 * it, down to the node of the image, and the bitmaps there. */
#pragma once

#include "hyper/machine.h"
#include "hyper/qemu/qemu_session.h"

#define QEMU_DRIVE_BITMAPS_MAX 4096u

struct qemu_bitmap {
    char *name;
    gboolean recording, busy, inconsistent;
};

struct qemu_drive {
    char *name;   /* in sets */
    char *qdev;   /* of the device, in QEMU's tree of objects */
    char *type;   /* of the device: "virtio-blk-device", "scsi-hd"; may be NULL */
    char *node;   /* of the image: the format's; NULL without a medium */
    char *format; /* of the image: "qcow2" */
    char *path;
    guint64 size, allocated;
    gboolean busy;       /* somebody's job works on it */
    gboolean persistent; /* its image can keep bitmaps */
    char *skip;          /* why it is not backed up; NULL */
    GPtrArray *bitmaps;  /* of struct qemu_bitmap *, of `node` */
};

/* All disks, of struct qemu_drive *.  SLIPWAY_ERROR_CORRUPT, SLIPWAY_ERROR_LIMIT: an answer that
 * cannot be; otherwise as qemu_session_ask(). */
GPtrArray *qemu_drive_list(struct qemu_session *session, GError **error);

/* TRUE when requests of the guest are done by a thread of their own (-object iothread). */
gboolean qemu_drive_has_thread(struct qemu_session *session, const struct qemu_drive *drive);

struct qemu_drive *qemu_drive_find(GPtrArray *drives, const char *name);
struct qemu_bitmap *qemu_drive_find_bitmap(const struct qemu_drive *drive, const char *name);

/* Every bitmap of every node, whether a disk is there or not: calls `visit` with the node's name.
 */
gboolean qemu_drive_visit_bitmaps(struct qemu_session *session,
                                  void (*visit)(const char *node, const struct qemu_bitmap *bitmap,
                                                gpointer data),
                                  gpointer data, GError **error);
