/* SPDX-License-Identifier: GPL-3.0-or-later */
/* map.h: what a disk consists of: a tree over its segments (doc/format/store.md, "Map").
 *
 * A leaf lists the chunks of one segment; an inner node has MAP_FANOUT children.  What is all zeros
 * is not there.  Nodes are chunks themselves, named by their bytes, so equal subtrees are stored
 * once, the root's id vouches for the whole disk, and two maps are compared by skipping what is
 * equal.  Same disk, same root.
 *
 * Nodes are fetched and stored through functions that the caller gives (struct map_source, struct
 * map_sink): this file knows no pack.  Where nodes are read, a function fails with what the source
 * fails with, with SLIPWAY_ERROR_CORRUPT and the node's id when a node cannot stand at its place
 * (wrong level, beyond the disk's end), and with SLIPWAY_ERROR_LIMIT for a disk beyond
 * MAP_SIZE_MAX. */
#pragma once

#include "base/auto_ptr.h"
#include "store/chunk.h"

#define MAP_FANOUT 64u
#define MAP_LEVELS_MAX 6u
#define MAP_SIZE_MAX ((guint64)1 << 58) /* of a disk, in bytes: CHUNK_SEGMENT * 64^6 */
#define MAP_NODE_MAX (64u << 10)        /* bytes of an encoded node */

struct map_entry {
    guint16 block;  /* first block, in the segment */
    guint16 blocks; /* 1 .. CHUNK_MAX / CHUNK_BLOCK */
    struct chunk_id id;
};

struct map_leaf {
    guint n;
    struct map_entry entries[CHUNK_SEGMENT_BLOCKS]; /* ascending, not overlapping */
};

/* A tree and the size of its disk. */
struct map {
    guint64 size;   /* bytes of the disk */
    gboolean empty; /* all zeros: no root */
    struct chunk_id root;
};

/* How many levels of inner nodes a disk of `size` has: 0 for one segment, more than MAP_LEVELS_MAX
 * beyond MAP_SIZE_MAX. */
guint map_levels(guint64 size);
guint64 map_segments(guint64 size);

/* The bytes of a leaf (of at least one chunk) appended to `out`; of an inner node (of at least one
 * child).  An absent child's id is all zeros.  Decoding takes nothing that encoding would not have
 * written: SLIPWAY_ERROR_CORRUPT, SLIPWAY_ERROR_UNSUPPORTED for a newer version.  *ret is undefined
 * then. */
void map_leaf_encode(const struct map_leaf *leaf, GByteArray *out);
gboolean map_leaf_decode(const guint8 *data, gsize length, struct map_leaf *ret, GError **error);
struct map_inner {
    guint level;     /* 1: its children are leaves */
    guint64 present; /* bit i: child i is there */
    struct chunk_id children[MAP_FANOUT];
};
void map_inner_encode(const struct map_inner *inner, GByteArray *out);
gboolean map_inner_decode(const guint8 *data, gsize length, struct map_inner *ret, GError **error);

/* Fetch the plain bytes of node `id`, which are checked to be those; free with g_bytes_unref(). */
struct map_source {
    GBytes *(*fetch)(gpointer data, const struct chunk_id *id, GError **error);
    gpointer data;
};
/* Name and keep the bytes of a node, in *ret_id. */
struct map_sink {
    gboolean (*keep)(gpointer data, const guint8 *bytes, gsize length, struct chunk_id *ret_id,
                     GError **error);
    gpointer data;
};

/* Read leaves here and there: a cursor remembers the path to the last one.  One thread each. */
struct map_cursor;
/* Copies *map and *source; a map without a root needs no source. */
struct map_cursor *map_cursor_new(const struct map *map, const struct map_source *source);
/* The leaf of segment `number`; n is 0 where all is zero, and beyond the end of the disk. */
gboolean map_cursor_leaf(struct map_cursor *cursor, guint64 number, struct map_leaf *ret,
                         GError **error);
/* The same without decoding: its id; FALSE in *ret_present where all is zero. */
gboolean map_cursor_leaf_id(struct map_cursor *cursor, guint64 number, gboolean *ret_present,
                            struct chunk_id *ret, GError **error);
/* The first segment from `number` on that is not all zeros; FALSE in *ret_found when there is none.
 * What is not there is passed over at once, however large it is. */
gboolean map_cursor_next(struct map_cursor *cursor, guint64 number, gboolean *ret_found,
                         guint64 *ret, GError **error);
void map_cursor_free(struct map_cursor *cursor);
AUTO_PTR_DEFINE(map_cursor, map_cursor_free)

/* Make the map of a disk out of that of an older one and new leaves, which come in ascending order
 * of segments; what is not set stays as in `old` (NULL: zeros; `old` may have another size:
 * segments beyond the new size are dropped).  Writes a node when it is complete: memory is one
 * path.
 *
 * A node that comes out as it was in `old` is not kept again: when no leaf differs, nothing is kept
 * at all.  After a failure only map_builder_free() may follow. */
struct map_builder;
/* Copies what it is given; with `old` NULL or without a root no source is needed. */
struct map_builder *map_builder_new(const struct map *old, guint64 size,
                                    const struct map_source *source, const struct map_sink *sink);
/* `leaf` with n 0: all zeros.  SLIPWAY_ERROR_FAILED when the segment does not come after the last
 * one that was set or is not on the disk, SLIPWAY_ERROR_CORRUPT for a leaf that is none. */
gboolean map_builder_set(struct map_builder *builder, guint64 segment, const struct map_leaf *leaf,
                         GError **error);
/* The new map.  No other call may follow but free.  SLIPWAY_ERROR_FAILED when the disk became
 * smaller and a chunk of its last segment, which was not set, reaches beyond its end. */
gboolean map_builder_finish(struct map_builder *builder, struct map *ret, GError **error);
void map_builder_free(struct map_builder *builder);
AUTO_PTR_DEFINE(map_builder, map_builder_free)

/* Call `differs` for every segment whose leaf is not the same in both maps, ascending; equal
 * subtrees are not fetched.  Sizes may differ. */
typedef gboolean (*map_diff_func)(gpointer data, guint64 segment, const struct map_leaf *left,
                                  const struct map_leaf *right, GError **error);
gboolean map_diff(const struct map *left, const struct map *right, const struct map_source *source,
                  map_diff_func differs, gpointer data, GError **error);

/* Call `node` for every node from the root down to the leaves (level 0), in order, before it is
 * fetched; when it sets *ret_skip, neither it nor what is below is fetched or visited.  `leaf` gets
 * every leaf that was not skipped, with the number of its segment.  `broken` gets every node that
 * cannot be fetched or stand at its place, why, and which segments of the disk are below it: TRUE
 * to go on behind it.  Any may be NULL; without `broken` such a node is where the walk fails. */
struct map_visitor {
    gboolean (*node)(gpointer data, const struct chunk_id *id, guint level, gboolean *ret_skip,
                     GError **error);
    gboolean (*leaf)(gpointer data, guint64 segment, const struct map_leaf *leaf, GError **error);
    gpointer data;
    gboolean (*broken)(gpointer data, guint64 segment, guint64 n_segments, const GError *why,
                       GError **error);
};
gboolean map_walk(const struct map *map, const struct map_source *source,
                  const struct map_visitor *visitor, GError **error);
