/* SPDX-License-Identifier: GPL-3.0-or-later */
/* durable_file.h: a file that appears complete under its name, or not at all.
 *
 * Written beside its final name, then fsync, rename, fsync of the directory.
 * Every file that must last is written through here.  Where the file system
 * can (O_TMPFILE), even a killed process leaves nothing behind; elsewhere the
 * unfinished file is `.NAME.XXXXXX.part`.  One object belongs to one thread. */
#pragma once

#include "base/auto_ptr.h"

#include <glib.h>

struct durable_file;

/* Begin writing what will be `path` with permission bits `mode` (before umask).
 * Fails with SLIPWAY_ERROR_IO or SLIPWAY_ERROR_NOT_FOUND (no such directory). */
struct durable_file *durable_file_new(const char *path, unsigned mode, GError **error);

/* The descriptor, open for reading and writing; owned by the object. */
int durable_file_fd(struct durable_file *file);

/* Append `length` bytes.  Fails with SLIPWAY_ERROR_IO. */
gboolean durable_file_write(struct durable_file *file, const void *data, gsize length,
                            GError **error);

/* Make it durable and give it its name, replacing what had it.  The object is
 * freed in either case; after a failure nothing is left under the name but what
 * was there before. */
gboolean durable_file_commit(struct durable_file *file, GError **error);

/* Throw away what was written.  NULL is fine. */
void durable_file_abandon(struct durable_file *file);
AUTO_PTR_DEFINE(durable_file, durable_file_abandon)

/* The whole of it in one call. */
gboolean durable_file_put(const char *path, const void *data, gsize length, unsigned mode,
                          GError **error);

/* Make the name `path` durable by syncing its directory: the last step of whoever renames a file
 * into place by other means.  FALSE with errno set. */
gboolean durable_file_sync_name(const char *path);
