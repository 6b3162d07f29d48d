/* SPDX-License-Identifier: GPL-3.0-or-later */
/* qemu_nbd.h: a `qemu-nbd` of our own that serves one image.
 *
 * It inherits a listening socket (systemd's socket activation) to which our connections have been
 * made before it starts.  So nothing has to be waited for; the socket has no name in the file
 * system any more when the server runs; and as it ends when its last client is gone, it ends with
 * us, however we end, after it has completed the image.
 *
 * One thread at a time, except qemu_nbd_words(). */
#pragma once

#include "base/auto_ptr.h"
#include "disk/disk_open.h"

#include <glib.h>

struct qemu_nbd;

/* Serve the image `path`, with `n` connected sockets for the caller in `ret_sockets`.  Whether the
 * image could be opened shows when the first is used: qemu_nbd_end() has the reason.
 * SLIPWAY_ERROR_UNSUPPORTED without qemu-nbd; SLIPWAY_ERROR_IO. */
struct qemu_nbd *qemu_nbd_start(const char *path, enum disk_format format, gboolean writable,
                                int *ret_sockets, guint n, GError **error);

/* What it has said on stderr since it was asked last, in one line; NULL when nothing.  Any
 * thread. */
char *qemu_nbd_words(struct qemu_nbd *server);

/* Wait until it has completed the image and ended, which it does when all sockets are closed.
 * Returns its last words, as qemu_nbd_words().  Frees `server`; NULL is fine. */
char *qemu_nbd_end(struct qemu_nbd *server);
