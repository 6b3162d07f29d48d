/* SPDX-License-Identifier: GPL-3.0-or-later */
/* vib_copy.h: a .vib file on its way into a zip archive: copied byte for byte and checked while it
 * passes, read once and never held as a whole. */
#pragma once

#include "base/zip_writer.h"
#include "esx/export_prepare.h"
#include "esx/payload_check.h"

/* Copy the file of `file` as the stored member `path`, and give its size and SHA-256 (hex, free
 * with g_free()).
 *
 * SLIPWAY_ERROR_CORRUPT when the file is not the one that was prepared, its SHA-256 or size is not
 * what it must be, or a payload is not what the descriptor says; otherwise what package_open()
 * and zip_writer.h fail with. */
gboolean vib_copy_write(const struct export_vib *file, enum payload_check_depth depth,
                        struct zip_writer *zip, const char *path, struct progress *progress,
                        guint64 *ret_size, char **ret_sha256, GError **error);
