/* SPDX-License-Identifier: GPL-3.0-or-later */
/* changes.h: changed block tracking: what a snapshot's disk has that differs from a change id.
 *
 * Source: QueryChangedDiskAreas in the API reference, and what backup programs learned of it: the
 * answer covers a part of the disk only and has to be asked for again from its end on; asking at
 * the disk's end is a fault; ids are UUID/NUMBER, and of another UUID nothing is known. */
#pragma once

#include "disk/extent_list.h"
#include "hyper/vsphere/vim.h"

#define CHANGES_PAGES_MAX 1000000u

struct changes_disk {
    const struct moref *machine, *snapshot;
    gint64 device_key;
    guint64 size;
};

/* All areas since `change_id` ("*": all that are allocated), settled.  FALSE with an error for a
 * lost server; otherwise TRUE, with *ret NULL and *ret_words saying why there is no list: a fault,
 * an area beyond the disk, an answer that does not go on. */
gboolean changes_query(struct vim *vim, const struct changes_disk *disk, const char *change_id,
                       struct extent_list **ret, char **ret_words, GError **error);

/* NULL when changes since `older` can be told by a disk whose id is `newer` now; else why not: one
 * of them is missing, is of another run of the tracking, or the newer one is the older.  Free with
 * g_free(). */
char *changes_compare_ids(const char *older, const char *newer);
