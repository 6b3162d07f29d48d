/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Leaves come in order, so at any time one node of each level is open: those over the last leaf.
 * An open node begins as what the old map has at its place, loses what lies beyond the new end, and
 * gets new children from below as these are closed.  One that is closed as it was is not kept
 * again.
 *
 * The old map may have other levels.  Where it has fewer, the new nodes above its root have that
 * root as their first descendant; where it has more, only what is below its leftmost node of the
 * new height is of use. */
#include "base/error.h"
#include "store/map_private.h"

struct open_node {
    gboolean open;
    guint64 number;
    struct map_inner inner;
    gboolean was; /* the old map has such a node: */
    struct chunk_id old_id;
    struct map_inner old;
};

struct map_builder {
    guint64 size;
    guint levels;
    gboolean shrunk; /* the old map reaches further */
    struct map old;
    guint old_levels;
    struct map_cursor *cursor; /* in the old map */
    struct map_source source;
    struct map_sink sink;
    GByteArray *bytes; /* the node that is being encoded */
    gboolean started;
    guint64 next; /* segments before this one are decided */
    gboolean root_present;
    struct chunk_id root;
    struct open_node
        nodes[MAP_LEVELS_MAX]; /* of level 1 and up; those above an open one are open */
};

struct map_builder *
map_builder_new(const struct map *old, guint64 size, const struct map_source *source,
                const struct map_sink *sink)
{
    struct map_builder *builder = g_new0(struct map_builder, 1);
    builder->size = size;
    builder->levels = map_levels(size);
    builder->old = old != NULL ? *old : (struct map){.empty = TRUE};
    builder->old_levels = map_levels(builder->old.size);
    builder->shrunk = !builder->old.empty && builder->old.size > size;
    if (source != NULL)
        builder->source = *source;
    builder->sink = *sink;
    builder->cursor = map_cursor_new(&builder->old, source);
    builder->bytes = g_byte_array_new();
    return builder;
}

void
map_builder_free(struct map_builder *builder)
{
    if (builder == NULL)
        return;
    map_cursor_free(builder->cursor);
    g_byte_array_unref(builder->bytes);
    g_free(builder);
}

static struct open_node *
node_at(struct map_builder *builder, guint level)
{
    return &builder->nodes[level - 1];
}

/* What is known now of the node at this place, whose parent is open. */
static const struct chunk_id *
get(struct map_builder *builder, guint level, guint64 number)
{
    if (level == builder->levels)
        return builder->root_present ? &builder->root : NULL;
    const struct map_inner *parent = &node_at(builder, level + 1)->inner;
    guint place = map_place(number);
    return map_inner_has(parent, place) ? &parent->children[place] : NULL;
}

/* `id` may be NULL: all zeros. */
static void
put(struct map_builder *builder, guint level, guint64 number, const struct chunk_id *id)
{
    if (level < builder->levels) {
        map_inner_put(&node_at(builder, level + 1)->inner, map_place(number), id);
        return;
    }
    builder->root_present = id != NULL;
    if (id != NULL)
        builder->root = *id;
}

/* Only when the old map has this node. */
static gboolean
load_old(struct map_builder *builder, struct open_node *node, guint level, GError **error)
{
    const struct map_inner *old = map_cursor_inner(builder->cursor, level, node->number, error);
    if (old == NULL)
        return FALSE;
    node->old = *old;
    node->inner = *old;
    for (guint i = map_inner_end(builder->size, level, node->number); i < MAP_FANOUT; i++)
        map_inner_put(&node->inner, i, NULL);
    return TRUE;
}

static gboolean
open_node(struct map_builder *builder, guint level, guint64 number, GError **error)
{
    struct open_node *node = node_at(builder, level);
    memset(node, 0, sizeof *node);
    node->number = number;
    node->inner.level = level;
    if (!map_cursor_node(builder->cursor, level, number, &node->was, &node->old_id, error) ||
        (node->was && !load_old(builder, node, level, error)))
        return FALSE;
    if (!builder->old.empty && level == builder->old_levels + 1 && number == 0)
        map_inner_put(&node->inner, 0, &builder->old.root);
    node->open = TRUE;
    return TRUE;
}

/* Open all nodes over `segment` from the root down to `level`. */
static gboolean
open_path(struct map_builder *builder, guint64 segment, guint level, GError **error)
{
    for (guint at = builder->levels; at >= level && at > 0; at--)
        if (!node_at(builder, at)->open &&
            !open_node(builder, at, map_number_at(segment, at), error))
            return FALSE;
    return TRUE;
}

/* Absent children are zeros in both. */
static gboolean
is_as_it_was(const struct open_node *node)
{
    return node->was && node->inner.present == node->old.present &&
           memcmp(node->inner.children, node->old.children, sizeof node->old.children) == 0;
}

static gboolean
keep(struct map_builder *builder, struct chunk_id *ret, GError **error)
{
    return builder->sink.keep(builder->sink.data, builder->bytes->data, builder->bytes->len, ret,
                              error);
}

static gboolean
close_node(struct map_builder *builder, guint level, GError **error)
{
    struct open_node *node = node_at(builder, level);
    struct chunk_id id = node->old_id;
    gboolean present = node->inner.present != 0;
    if (present && !is_as_it_was(node)) {
        g_byte_array_set_size(builder->bytes, 0);
        map_inner_encode(&node->inner, builder->bytes);
        if (!keep(builder, &id, error))
            return FALSE;
    }
    node->open = FALSE;
    put(builder, level, node->number, present ? &id : NULL);
    return TRUE;
}

/* Close the open nodes that do not cover `segment`. */
static gboolean
close_before(struct map_builder *builder, guint64 segment, GError **error)
{
    for (guint level = 1; level <= builder->levels; level++) {
        const struct open_node *node = node_at(builder, level);
        if (node->open && node->number != map_number_at(segment, level) &&
            !close_node(builder, level, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean
start(struct map_builder *builder, GError **error)
{
    if (builder->started)
        return TRUE;
    if (!map_check_size(builder->size, error) || !map_check_size(builder->old.size, error))
        return FALSE;
    builder->started = TRUE;
    if (builder->size == 0 || builder->old.empty)
        return TRUE;
    if (builder->levels > builder->old_levels)
        return open_path(builder, 0, builder->old_levels + 1, error);
    return map_cursor_node(builder->cursor, builder->levels, 0, &builder->root_present,
                           &builder->root, error);
}

/* The node in builder->bytes has the bytes of the old leaf.  Its id is not enough to know: naming
 * nodes is for the sink. */
static gboolean
equals_old(struct map_builder *builder, const struct chunk_id *id, gboolean *ret, GError **error)
{
    g_autoptr(GBytes) old = builder->source.fetch(builder->source.data, id, error);
    if (old == NULL)
        return FALSE;
    *ret = g_bytes_get_size(old) == builder->bytes->len &&
           memcmp(g_bytes_get_data(old, NULL), builder->bytes->data, builder->bytes->len) == 0;
    return TRUE;
}

static gboolean
check_set(struct map_builder *builder, guint64 segment, const struct map_leaf *leaf, GError **error)
{
    if (segment >= map_segments(builder->size))
        return error_set(error, SLIPWAY_ERROR_FAILED,
                         "segment %" G_GUINT64_FORMAT " lies beyond the end of the disk", segment);
    if (segment < builder->next)
        return error_set(error, SLIPWAY_ERROR_FAILED,
                         "segment %" G_GUINT64_FORMAT " comes after a later one", segment);
    if (!map_leaf_check(leaf, segment, builder->size, error)) {
        g_prefix_error(error, "segment %" G_GUINT64_FORMAT ": ", segment);
        return FALSE;
    }
    return TRUE;
}

gboolean
map_builder_set(struct map_builder *builder, guint64 segment, const struct map_leaf *leaf,
                GError **error)
{
    if (!start(builder, error) || !check_set(builder, segment, leaf, error) ||
        !close_before(builder, segment, error) || !open_path(builder, segment, 1, error))
        return FALSE;
    builder->next = segment + 1;
    if (leaf->n == 0) {
        put(builder, 0, segment, NULL);
        return TRUE;
    }
    g_byte_array_set_size(builder->bytes, 0);
    map_leaf_encode(leaf, builder->bytes);
    const struct chunk_id *old = get(builder, 0, segment);
    gboolean same = FALSE;
    if (old != NULL && !equals_old(builder, old, &same, error))
        return FALSE;
    struct chunk_id id;
    if (!same) {
        if (!keep(builder, &id, error))
            return FALSE;
        put(builder, 0, segment, &id);
    }
    return TRUE;
}

/* The new last segment of a disk that became smaller: the nodes above it lose what they had beyond
 * it.  Its own chunks are for the caller to cut again, which is checked. */
static gboolean
cut_off(struct map_builder *builder, GError **error)
{
    guint64 last = map_segments(builder->size) - 1;
    if (!close_before(builder, last, error) || !open_path(builder, last, 1, error))
        return FALSE;
    if (builder->next > last || get(builder, 0, last) == NULL)
        return TRUE;
    g_autofree struct map_leaf *leaf = g_new(struct map_leaf, 1);
    if (!map_cursor_leaf(builder->cursor, last, leaf, error))
        return FALSE;
    if (!map_leaf_check(leaf, last, builder->size, NULL))
        return error_set(error, SLIPWAY_ERROR_FAILED,
                         "the disk became smaller: its last segment must be read again");
    return TRUE;
}

gboolean
map_builder_finish(struct map_builder *builder, struct map *ret, GError **error)
{
    if (!start(builder, error))
        return FALSE;
    if (builder->shrunk && builder->size > 0 && !cut_off(builder, error))
        return FALSE;
    for (guint level = 1; level <= builder->levels; level++)
        if (node_at(builder, level)->open && !close_node(builder, level, error))
            return FALSE;
    *ret = (struct map){.size = builder->size, .empty = !builder->root_present};
    if (builder->root_present)
        ret->root = builder->root;
    return TRUE;
}
