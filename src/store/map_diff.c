/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Both functions go down a level a call, so at most MAP_LEVELS_MAX + 1 deep whatever nodes say: a
 * node of another level than that of its place is refused. */
#include "base/error.h"
#include "store/map_private.h"

struct side {
    const struct map *map;
    guint levels;
    struct map_leaf leaf;
};

struct diff {
    struct side left, right;
    const struct map_source *source;
    map_diff_func differs;
    gpointer data;
};

/* The children of `id` (NULL: nothing is there).  Above its root a smaller map looks as if nodes
 * with nothing but a first child led there. */
static gboolean
expand(const struct diff *diff, const struct side *side, const struct chunk_id *id, guint level,
       guint64 number, struct map_inner *ret, GError **error)
{
    ret->present = 0;
    if (id == NULL)
        return TRUE;
    if (level > side->levels) {
        map_inner_put(ret, 0, id);
        return TRUE;
    }
    return map_read_inner(diff->source, id, side->map->size, level, number, ret, error);
}

static gboolean
read_leaf(const struct diff *diff, struct side *side, const struct chunk_id *id, guint64 segment,
          GError **error)
{
    side->leaf.n = 0;
    return id == NULL ||
           map_read_leaf(diff->source, id, side->map->size, segment, &side->leaf, error);
}

/* Whether nothing can differ below.  Ids of nodes that stand at different levels say nothing. */
static gboolean
is_equal(const struct diff *diff, const struct chunk_id *left, const struct chunk_id *right,
         guint level)
{
    if (left == NULL || right == NULL)
        return left == right;
    return level <= MIN(diff->left.levels, diff->right.levels) && chunk_id_equal(left, right);
}

static gboolean
diff_node(struct diff *diff, const struct chunk_id *left, const struct chunk_id *right, guint level,
          guint64 number, GError **error)
{
    if (is_equal(diff, left, right, level))
        return TRUE;
    if (level == 0)
        return read_leaf(diff, &diff->left, left, number, error) &&
               read_leaf(diff, &diff->right, right, number, error) &&
               diff->differs(diff->data, number, &diff->left.leaf, &diff->right.leaf, error);
    struct map_inner lefts, rights;
    if (!expand(diff, &diff->left, left, level, number, &lefts, error) ||
        !expand(diff, &diff->right, right, level, number, &rights, error))
        return FALSE;
    for (guint i = 0; i < MAP_FANOUT; i++)
        if (!diff_node(diff, map_inner_has(&lefts, i) ? &lefts.children[i] : NULL,
                       map_inner_has(&rights, i) ? &rights.children[i] : NULL, level - 1,
                       (number << MAP_FANOUT_BITS) + i, error))
            return FALSE;
    return TRUE;
}

gboolean
map_diff(const struct map *left, const struct map *right, const struct map_source *source,
         map_diff_func differs, gpointer data, GError **error)
{
    if (!map_check_size(left->size, error) || !map_check_size(right->size, error))
        return FALSE;
    g_autofree struct diff *diff = g_new0(struct diff, 1);
    diff->left = (struct side){.map = left, .levels = map_levels(left->size)};
    diff->right = (struct side){.map = right, .levels = map_levels(right->size)};
    diff->source = source;
    diff->differs = differs;
    diff->data = data;
    return diff_node(diff, left->empty ? NULL : &left->root, right->empty ? NULL : &right->root,
                     MAX(diff->left.levels, diff->right.levels), 0, error);
}

struct walk {
    guint64 size;
    const struct map_source *source;
    const struct map_visitor *visitor;
    struct map_leaf leaf;
};

/* A node could not be read: takes over `why`. */
static gboolean
pass_over(struct walk *walk, guint level, guint64 number, GError *why, GError **error)
{
    const struct map_visitor *visitor = walk->visitor;
    if (visitor->broken == NULL) {
        g_propagate_error(error, why);
        return FALSE;
    }
    guint64 first = number << (MAP_FANOUT_BITS * level),
            n = (guint64)1 << (MAP_FANOUT_BITS * level);
    guint64 segments = map_segments(walk->size);
    n = first < segments ? MIN(n, segments - first) : 0;
    gboolean ok = visitor->broken(visitor->data, first, n, why, error);
    g_error_free(why);
    return ok;
}

static gboolean
walk_leaf(struct walk *walk, const struct chunk_id *id, guint64 segment, GError **error)
{
    const struct map_visitor *visitor = walk->visitor;
    GError *why = NULL;
    if (visitor->leaf == NULL)
        return TRUE;
    if (!map_read_leaf(walk->source, id, walk->size, segment, &walk->leaf, &why))
        return pass_over(walk, 0, segment, why, error);
    return visitor->leaf(visitor->data, segment, &walk->leaf, error);
}

static gboolean
walk_node(struct walk *walk, const struct chunk_id *id, guint level, guint64 number, GError **error)
{
    const struct map_visitor *visitor = walk->visitor;
    gboolean skip = FALSE;
    if (visitor->node != NULL && !visitor->node(visitor->data, id, level, &skip, error))
        return FALSE;
    if (skip)
        return TRUE;
    if (level == 0)
        return walk_leaf(walk, id, number, error);
    struct map_inner inner;
    GError *why = NULL;
    if (!map_read_inner(walk->source, id, walk->size, level, number, &inner, &why))
        return pass_over(walk, level, number, why, error);
    for (guint i = 0; i < MAP_FANOUT; i++)
        if (map_inner_has(&inner, i) &&
            !walk_node(walk, &inner.children[i], level - 1, (number << MAP_FANOUT_BITS) + i, error))
            return FALSE;
    return TRUE;
}

gboolean
map_walk(const struct map *map, const struct map_source *source, const struct map_visitor *visitor,
         GError **error)
{
    if (!map_check_size(map->size, error))
        return FALSE;
    if (map->empty)
        return TRUE;
    g_autofree struct walk *walk = g_new(struct walk, 1);
    walk->size = map->size;
    walk->source = source;
    walk->visitor = visitor;
    return walk_node(walk, &map->root, map_levels(map->size), 0, error);
}
