/* SPDX-License-Identifier: GPL-3.0-or-later */
/* map_private.h: what the map_*.c files share.
 *
 * A node is known by its level (0: a leaf) and its number among the nodes of that level: the number
 * of its first segment is number << (MAP_FANOUT_BITS * level). */
#pragma once

#include "store/map.h"

#define MAP_FANOUT_BITS 6u

/* The number of the node of `level` that covers `segment`, and its place in its parent. */
static inline guint64
map_number_at(guint64 segment, guint level)
{
    return segment >> (MAP_FANOUT_BITS * level);
}

static inline guint
map_place(guint64 number)
{
    return (guint)(number % MAP_FANOUT);
}

static inline gboolean
map_inner_has(const struct map_inner *inner, guint place)
{
    return (inner->present >> place & 1) != 0;
}

/* Set child `place` to `id`, or remove it (NULL). */
void map_inner_put(struct map_inner *inner, guint place, const struct chunk_id *id);

/* The first child of node `number` at `level` that a disk of `size` cannot have: 0 to
 * MAP_FANOUT. */
guint map_inner_end(guint64 size, guint level, guint64 number);

/* SLIPWAY_ERROR_LIMIT when the disk is larger than MAP_SIZE_MAX. */
gboolean map_check_size(guint64 size, GError **error);
/* The entries of a leaf are as the format wants them and inside segment `segment` of a disk of
 * `size` bytes; SLIPWAY_ERROR_CORRUPT. */
gboolean map_leaf_check(const struct map_leaf *leaf, guint64 segment, guint64 size, GError **error);

/* Fetch and decode a node that is expected at this place of a disk of `size` bytes;
 * SLIPWAY_ERROR_CORRUPT, with the node's id, when it cannot be there. */
gboolean map_read_inner(const struct map_source *source, const struct chunk_id *id, guint64 size,
                        guint level, guint64 number, struct map_inner *ret, GError **error);
gboolean map_read_leaf(const struct map_source *source, const struct chunk_id *id, guint64 size,
                       guint64 segment, struct map_leaf *ret, GError **error);

/* The id of any node; FALSE in *ret_present when there is none. */
gboolean map_cursor_node(struct map_cursor *cursor, guint level, guint64 number,
                         gboolean *ret_present, struct chunk_id *ret, GError **error);
/* The inner node that map_cursor_node() finds there; the cursor's, until the next call. */
const struct map_inner *map_cursor_inner(struct map_cursor *cursor, guint level, guint64 number,
                                         GError **error);
