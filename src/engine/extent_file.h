/* SPDX-License-Identifier: GPL-3.0-or-later */
/* extent_file.h: a list of extents out of a file that another program wrote. */
#pragma once

#include "disk/extent_list.h"

/* Bytes of a file that are read; of its ranges EXTENT_LIST_MAX. */
#define EXTENT_FILE_MAX (256u << 20)

/* A JSON file: a list of {"offset": BYTES, "length": BYTES} or of [OFFSET, LENGTH], or an object
 * with a member `extents` that is such a list.  Settled for a disk of `size` bytes.
 * SLIPWAY_ERROR_NOT_FOUND, SLIPWAY_ERROR_CORRUPT, SLIPWAY_ERROR_LIMIT; an extent that begins beyond
 * the disk is SLIPWAY_ERROR_CORRUPT: the file is of another disk. */
struct extent_list *extent_file_read(const char *path, guint64 size, GError **error);
