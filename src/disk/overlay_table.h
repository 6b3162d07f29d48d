/* SPDX-License-Identifier: GPL-3.0-or-later */
/* overlay_table.h: the states of an overlay's blocks in its named scratch file, so that it can be
 * opened again (doc/format/overlay.md). */
#pragma once

#include "disk/overlay_file.h"
#include "disk/overlay_states.h"

#define OVERLAY_IDENTITY_MAX 4000u

/* Of a disk of `size` bytes: where the data begins. */
guint64 overlay_table_data_offset(guint64 size);

struct overlay_table;

/* Read the table of a file into `states`, which are new; a file that is empty, or was never
 * completed, gets one, which is durable with the file's name.  `file` is borrowed.
 * SLIPWAY_ERROR_USAGE: it is of another disk, or `identity` (may be NULL) is too long;
 * SLIPWAY_ERROR_CORRUPT; SLIPWAY_ERROR_UNSUPPORTED: a newer version. */
struct overlay_table *overlay_table_open(struct overlay_file *file, guint64 size,
                                         const char *identity, struct overlay_states *states,
                                         GError **error);
void overlay_table_free(struct overlay_table *table);
AUTO_PTR_DEFINE(overlay_table, overlay_table_free)

/* See to it that the states of these blocks can be kept later; SLIPWAY_ERROR_LIMIT.  Any thread. */
gboolean overlay_table_reserve(struct overlay_table *table, guint64 block, guint64 n,
                               GError **error);

/* Make durable the file's data and what has changed in `states`.  After a failure no other call may
 * follow.  One thread at a time. */
gboolean overlay_table_keep(struct overlay_table *table, struct overlay_states *states,
                            GError **error);
