/* SPDX-License-Identifier: GPL-3.0-or-later */
/* tree_tar.h: a directory tree as a tar archive that depends on nothing but names, modes and
 * contents: ustar, sorted bytewise, owner 0, one time for all. */
#pragma once

#include "esx/gzip_writer.h"

/* Pack what is below `directory`, without a name for itself, into `out` (which is not finished).
 * Directories, regular files and symbolic links (kept as links) are packed.
 * SLIPWAY_ERROR_USAGE names a device, pipe or socket, or a path that is longer than VIB_PATH_MAX
 * or no clean UTF-8 text; SLIPWAY_ERROR_IO and SLIPWAY_ERROR_NOT_FOUND name what cannot be read;
 * SLIPWAY_ERROR_LIMIT beyond VIB_FILES_MAX entries. */
gboolean tree_tar_write(const char *directory, gint64 mtime, struct gzip_writer *out,
                        GError **error);

/* FALSE with SLIPWAY_ERROR_USAGE when a file list cannot hold the relative `path`. */
gboolean tree_path_check(const char *path, GError **error);
