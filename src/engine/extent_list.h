/* SPDX-License-Identifier: GPL-3.0-or-later */
/* extent_list.h: ranges of a disk, ascending and apart: what changed since a backup.  Values. */
#pragma once

#include "base/auto_ptr.h"

#include <glib.h>

/* Ranges and bytes of a file that are read. */
#define EXTENT_LIST_MAX 4194304u
#define EXTENT_FILE_MAX (256u << 20)

struct extent {
    guint64 offset, length;
};

struct extent_list {
    GArray *extents; /* of struct extent */
};

struct extent_list *extent_list_new(void);
void extent_list_free(struct extent_list *list);
AUTO_PTR_DEFINE(extent_list, extent_list_free)

/* Append in any order; extent_list_settle() sorts, joins what touches, and cuts off what is beyond
 * `size`.  Every other function wants a settled list. */
void extent_list_add(struct extent_list *list, guint64 offset, guint64 length);
void extent_list_settle(struct extent_list *list, guint64 size);

/* The first extent that ends after `offset`, cut to begin there; FALSE when there is none.  `hint`
 * (may be NULL, begins with 0) makes ascending calls fast. */
gboolean extent_list_next(const struct extent_list *list, guint64 offset, guint *hint,
                          struct extent *ret);
guint64 extent_list_total(const struct extent_list *list);

/* A JSON file: a list of {"offset": BYTES, "length": BYTES} or of [OFFSET, LENGTH], or an object
 * with a member `extents` that is such a list.  Settled for a disk of `size` bytes.
 * SLIPWAY_ERROR_NOT_FOUND, SLIPWAY_ERROR_CORRUPT, SLIPWAY_ERROR_LIMIT; an extent that begins beyond
 * the disk is SLIPWAY_ERROR_CORRUPT: the file is of another disk. */
struct extent_list *extent_list_read(const char *path, guint64 size, GError **error);
