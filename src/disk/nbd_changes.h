/* SPDX-License-Identifier: GPL-3.0-or-later */
/* nbd_changes.h: what a metadata context of an NBD server marks, such as QEMU's dirty bitmaps. */
#pragma once

#include "disk/extent_list.h"

/* The ranges of the export at `uri` for which `context` ("qemu:dirty-bitmap:bm-vda") has any bit
 * set; settled.  Over a connection of its own.  SLIPWAY_ERROR_NOT_FOUND: the server has no such
 * context; SLIPWAY_ERROR_LIMIT: more than EXTENT_LIST_MAX ranges; SLIPWAY_ERROR_CORRUPT: an answer
 * that does not go on; otherwise as disk_nbd_open(). */
struct extent_list *nbd_changes_query(const char *uri, const char *context, GError **error);
