/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "store/map_private.h"

/* The last node of a level that was read.  Nodes do not change, so it is right for its number
 * whatever was read on other levels since. */
struct step {
    gboolean valid;
    guint64 number;
    struct map_inner inner;
};

struct map_cursor {
    struct map map;
    struct map_source source;
    guint levels;
    struct step steps[MAP_LEVELS_MAX]; /* of level 1 and up */
};

struct map_cursor *
map_cursor_new(const struct map *map, const struct map_source *source)
{
    struct map_cursor *cursor = g_new0(struct map_cursor, 1);
    cursor->map = *map;
    cursor->levels = map_levels(map->size);
    if (source != NULL)
        cursor->source = *source;
    return cursor;
}

void
map_cursor_free(struct map_cursor *cursor)
{
    g_free(cursor);
}

static gboolean
is_at(const struct map_cursor *cursor, guint level, guint64 number)
{
    const struct step *step = &cursor->steps[level - 1];
    return step->valid && step->number == number;
}

static gboolean
load(struct map_cursor *cursor, guint level, guint64 number, const struct chunk_id *id,
     GError **error)
{
    struct step *step = &cursor->steps[level - 1];
    step->number = number;
    step->valid =
        map_read_inner(&cursor->source, id, cursor->map.size, level, number, &step->inner, error);
    return step->valid;
}

gboolean
map_cursor_node(struct map_cursor *cursor, guint level, guint64 number, gboolean *ret_present,
                struct chunk_id *ret, GError **error)
{
    *ret_present = FALSE;
    if (!map_check_size(cursor->map.size, error))
        return FALSE;
    guint64 segments = map_segments(cursor->map.size);
    if (cursor->map.empty || level > cursor->levels || segments == 0 ||
        number > map_number_at(segments - 1, level))
        return TRUE;

    /* From the lowest node above that is known, else from the root. */
    guint at = level + 1;
    while (at <= cursor->levels && !is_at(cursor, at, map_number_at(number, at - level)))
        at++;
    struct chunk_id id = cursor->map.root;
    for (; at > level; at--) {
        if (at <= cursor->levels) {
            const struct map_inner *inner = &cursor->steps[at - 1].inner;
            guint place = map_place(map_number_at(number, at - 1 - level));
            if (!map_inner_has(inner, place))
                return TRUE;
            id = inner->children[place];
        }
        if (at - 1 > level &&
            !load(cursor, at - 1, map_number_at(number, at - 1 - level), &id, error))
            return FALSE;
    }
    *ret_present = TRUE;
    *ret = id;
    return TRUE;
}

const struct map_inner *
map_cursor_inner(struct map_cursor *cursor, guint level, guint64 number, GError **error)
{
    if (!is_at(cursor, level, number)) {
        gboolean present;
        struct chunk_id id;
        if (!map_cursor_node(cursor, level, number, &present, &id, error))
            return NULL;
        g_assert(present);
        if (!load(cursor, level, number, &id, error))
            return NULL;
    }
    return &cursor->steps[level - 1].inner;
}

gboolean
map_cursor_leaf_id(struct map_cursor *cursor, guint64 number, gboolean *ret_present,
                   struct chunk_id *ret, GError **error)
{
    return map_cursor_node(cursor, 0, number, ret_present, ret, error);
}

gboolean
map_cursor_leaf(struct map_cursor *cursor, guint64 number, struct map_leaf *ret, GError **error)
{
    gboolean present;
    struct chunk_id id;
    ret->n = 0;
    if (!map_cursor_node(cursor, 0, number, &present, &id, error))
        return FALSE;
    return !present || map_read_leaf(&cursor->source, &id, cursor->map.size, number, ret, error);
}

/* The first segment from `at` on that may have a leaf, as far as the node at `level` over it tells;
 * below it when *ret_inside. */
static gboolean
next_in_node(struct map_cursor *cursor, guint level, guint64 at, gboolean *ret_inside, guint64 *ret,
             GError **error)
{
    guint64 number = map_number_at(at, level);
    const struct map_inner *inner = map_cursor_inner(cursor, level, number, error);
    if (inner == NULL)
        return FALSE;
    guint place = map_place(map_number_at(at, level - 1)), first = place;
    while (place < MAP_FANOUT && !map_inner_has(inner, place))
        place++;
    *ret_inside = place < MAP_FANOUT;
    if (place != first)
        at = ((number << MAP_FANOUT_BITS) + place) << (MAP_FANOUT_BITS * (level - 1));
    *ret = at;
    return TRUE;
}

gboolean
map_cursor_next(struct map_cursor *cursor, guint64 number, gboolean *ret_found, guint64 *ret,
                GError **error)
{
    *ret_found = FALSE;
    if (!map_check_size(cursor->map.size, error))
        return FALSE;
    guint64 segments = cursor->map.empty ? 0 : map_segments(cursor->map.size);
    guint level = cursor->levels;
    while (number < segments && level > 0) {
        gboolean inside;
        if (!next_in_node(cursor, level, number, &inside, &number, error))
            return FALSE;
        level = inside ? level - 1 : cursor->levels;
    }
    *ret_found = number < segments;
    *ret = number;
    return TRUE;
}
