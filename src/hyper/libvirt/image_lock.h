/* SPDX-License-Identifier: GPL-3.0-or-later */
/* image_lock.h: QEMU's own lock of an image, so that no QEMU writes it while we read it raw, or
 * uses it at all while we write it.
 *
 * They are locks of single bytes of the file, of the kind that belongs to a descriptor; qemu's
 * programs hold them by themselves.  A file system without such locks goes without. */
#pragma once

#include <glib.h>

/* A descriptor that holds the lock until it is closed; -1: SLIPWAY_ERROR_BUSY, SLIPWAY_ERROR_IO,
 * SLIPWAY_ERROR_NOT_FOUND. */
int image_lock(const char *path, gboolean writing, GError **error);
