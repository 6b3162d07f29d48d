/* SPDX-License-Identifier: GPL-3.0-or-later */
/* qemu_scratch.h: where QEMU puts what the guest overwrites while its disks are frozen, and the
 * NBD server by which they are read.
 *
 * QEMU gets descriptors, not names: it may run as somebody else, or see another file system.  The
 * scratch files have no name at all, and are gone with us. */
#pragma once

#include "hyper/qemu/qemu_session.h"

/* A new file in `directory`, of our own; -1: SLIPWAY_ERROR_IO. */
int qemu_scratch_file(const char *directory, GError **error);

/* Make the file `fd` an overlay of `size` bytes over node `below`, with nodes of `mark`.  Returns
 * the overlay's node; g_free() it.  Asks cancel_check(). */
char *qemu_scratch_add(struct qemu_session *session, const char *mark, guint number, int fd,
                       guint64 size, const char *below, GError **error);

/* Start the NBD server of QEMU at `socket`, which is made.  SLIPWAY_ERROR_BUSY: it has one already,
 * somebody else's. */
gboolean qemu_scratch_serve(struct qemu_session *session, const char *mark, const char *socket,
                            GError **error);
