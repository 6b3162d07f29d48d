/* SPDX-License-Identifier: GPL-3.0-or-later */
/* partial_file.h: a file that is fetched piece by piece, perhaps over several runs.
 *
 * The bytes are in `PATH.part` until the file is complete.  `PATH.part.etag` says
 * which version of which source they are from and how many of them are known to
 * be on the disk; a later run takes up no more than those, so neither a killed
 * process nor a lost machine leaves bytes that are not the server's.  It is
 * written every PARTIAL_FILE_CHECKPOINT bytes and when the work is set aside.
 *
 * While an object exists its part file is locked against all other threads and
 * processes.  One object belongs to one thread. */
#pragma once

#include "base/auto_ptr.h"
#include "base/digest.h"

#include <glib.h>

#define PARTIAL_FILE_CHECKPOINT (G_GUINT64_CONSTANT(16) << 20)

/* Which version of a file the bytes are from, as the server names it. */
struct partial_version {
    char *etag;          /* NULL: none */
    char *last_modified; /* NULL: none */
    guint64 total;       /* length of the whole file; 0: unknown */
};

struct partial_file;

/* Take up or begin what will be `path`, at most `limit` bytes of it.  What is there
 * of another `source` (any text that identifies it), of no stated version, or more
 * than `limit`, is dropped.  Waits for whoever else is at it.  Fails with
 * SLIPWAY_ERROR_IO, SLIPWAY_ERROR_NOT_FOUND (no such directory), SLIPWAY_ERROR_BUSY
 * (after ten minutes) or SLIPWAY_ERROR_CANCELLED. */
struct partial_file *partial_file_open(const char *path, const char *source, guint64 limit,
                                       GError **error);

/* How many bytes there are, and of which version; owned by the object. */
guint64 partial_file_length(const struct partial_file *file);
const struct partial_version *partial_file_version(const struct partial_file *file);

/* Feed all there is to `digest`.  Fails with SLIPWAY_ERROR_IO or
 * SLIPWAY_ERROR_CANCELLED. */
gboolean partial_file_hash(struct partial_file *file, struct digest *digest, GError **error);

/* Begin anew, with no bytes, of `version` (copied; NULL: unknown).  Fails with
 * SLIPWAY_ERROR_IO. */
gboolean partial_file_restart(struct partial_file *file, const struct partial_version *version,
                              GError **error);

/* Append.  Fails with SLIPWAY_ERROR_IO, or SLIPWAY_ERROR_LIMIT before anything beyond
 * the limit is written. */
gboolean partial_file_write(struct partial_file *file, const void *data, gsize length,
                            GError **error);

/* Make it durable under its path, replacing what had it.  The object is freed in
 * either case.  Fails with SLIPWAY_ERROR_IO. */
gboolean partial_file_commit(struct partial_file *file, GError **error);

/* Set it aside for a later run, as well as that is possible, and free the object.
 * NULL is fine. */
void partial_file_close(struct partial_file *file);
AUTO_PTR_DEFINE(partial_file, partial_file_close)

/* Remove what there is and free the object. */
void partial_file_discard(struct partial_file *file);
