/* SPDX-License-Identifier: GPL-3.0-or-later */
/* scratch.h: the private directory of a run: the socket of its NBD server, and files for what the
 * guest overwrites meanwhile.
 *
 * Its name is a mark (mark.h).  Only the user that QEMU runs as, and root, can look into it. */
#pragma once

#include "hyper/libvirt/libvirt.h"

#define SCRATCH_DIRECTORY "/var/tmp" /* where the host has none of its own */

struct scratch {
    char *path;
};
/* SLIPWAY_ERROR_IO, SLIPWAY_ERROR_DENIED, SLIPWAY_ERROR_USAGE (its path is too long for a
 * socket). */
struct scratch *scratch_make(struct libvirt *host, GError **error);
/* Does not remove it. */
void scratch_free(struct scratch *scratch);
AUTO_PTR_DEFINE(scratch, scratch_free)

char *scratch_socket(const struct scratch *scratch);
char *scratch_file(const struct scratch *scratch, const char *disk);
/* Whether enough is free for a backup of disks of `bytes` in all: when the guest overwrites more
 * than fits, its own writes fail.  SLIPWAY_ERROR_IO. */
gboolean scratch_check_space(const struct scratch *scratch, guint64 bytes, GError **error);
/* With all that is in it.  Gone already is fine. */
gboolean scratch_remove(const struct scratch *scratch, GError **error);

/* Note that the file systems of machine `uuid` are at rest, or (NULL) that they are not any more,
 * so that whoever finds the directory of a killed run can wake them. */
gboolean scratch_note_rest(const struct scratch *scratch, const char *uuid, GError **error);
char *scratch_rest(const struct scratch *scratch);

/* The mark in the path of a socket or file of one; NULL.  Free with g_free(). */
char *scratch_mark(const char *path);
/* Those of runs of this computer that are gone: of struct scratch *. */
GPtrArray *scratch_left(struct libvirt *host);
