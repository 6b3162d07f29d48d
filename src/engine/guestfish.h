/* SPDX-License-Identifier: GPL-3.0-or-later */
/* guestfish.h: a conversation with libguestfs's shell over a pipe.  It ends with its standard
 * input, and so with us, whatever ends us.  One thread. */
#pragma once

#include "base/auto_ptr.h"

#include <glib.h>

/* Bytes of an answer. */
#define GUESTFISH_ANSWER_MAX (64u << 20)

struct guestfish;

/* Start it read-only on the disk behind an NBD socket, and its machine; that takes seconds, a
 * quarter of a minute without KVM.  SLIPWAY_ERROR_UNSUPPORTED: it is not installed, or cannot start
 * its machine. */
struct guestfish *guestfish_start(const char *nbd_socket, GError **error);
void guestfish_end(struct guestfish *fish);
AUTO_PTR_DEFINE(guestfish, guestfish_end)

/* Do a command, "ls" with its arguments (ended by NULL, of any bytes but NUL), and return what it
 * prints; free with g_free().  SLIPWAY_ERROR_NOT_FOUND: no such file or directory;
 * SLIPWAY_ERROR_IO: another error of the guest's file system; SLIPWAY_ERROR_FAILED: it has ended.
 */
char *guestfish_do(struct guestfish *fish, GError **error, const char *command,
                   ...) G_GNUC_NULL_TERMINATED;
