/* SPDX-License-Identifier: GPL-3.0-or-later */
/* extent_list.h: ranges of a disk, ascending and apart: what changed since a backup,
 * what is allocated.  Values. */
#pragma once

#include "base/auto_ptr.h"

#include <glib.h>

/* Ranges of a list that comes from outside. */
#define EXTENT_LIST_MAX 4194304u

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
