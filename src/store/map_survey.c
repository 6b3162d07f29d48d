/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/map_survey.h"

#include "store/map_private.h"

struct walk {
    const struct map *map;
    const struct map_source *source;
    const struct map_survey *survey;
    struct map_leaf leaf;
};

struct place {
    guint level;
    guint64 number;
    guint64 offset, length; /* of the disk */
};

static struct place
place_at(const struct walk *walk, guint level, guint64 number)
{
    guint64 span = (guint64)CHUNK_SEGMENT << (MAP_FANOUT_BITS * level);
    struct place place = {.level = level, .number = number, .offset = number * span};
    place.length = MIN(span, walk->map->size - MIN(place.offset, walk->map->size));
    return place;
}

static gboolean
tell_broken(struct walk *walk, const struct chunk_id *id, const struct place *place, GError *why,
            GError **error)
{
    g_autoptr(GError) owned = why;
    return walk->survey->broken(walk->survey->data, id, place->offset, place->length, owned, error);
}

/* At most MAP_LEVELS_MAX + 1 deep: a node of another level than that of its place is refused. */
static gboolean
walk_node(struct walk *walk, const struct chunk_id *id, guint level, guint64 number, GError **error)
{
    const struct map_survey *survey = walk->survey;
    struct place place = place_at(walk, level, number);
    gboolean skip = FALSE;
    GError *why = NULL;
    if (survey->node != NULL &&
        !survey->node(survey->data, id, place.offset, place.length, &skip, error))
        return FALSE;
    if (skip)
        return TRUE;
    if (level == 0) {
        if (!map_read_leaf(walk->source, id, walk->map->size, number, &walk->leaf, &why))
            return tell_broken(walk, id, &place, why, error);
        return survey->leaf == NULL || survey->leaf(survey->data, number, &walk->leaf, error);
    }
    struct map_inner inner;
    if (!map_read_inner(walk->source, id, walk->map->size, level, number, &inner, &why))
        return tell_broken(walk, id, &place, why, error);
    for (guint i = 0; i < MAP_FANOUT; i++) {
        if (map_inner_has(&inner, i) &&
            !walk_node(walk, &inner.children[i], level - 1, (number << MAP_FANOUT_BITS) + i, error))
            return FALSE;
    }
    return TRUE;
}

gboolean
map_survey_run(const struct map *map, const struct map_source *source,
               const struct map_survey *survey, GError **error)
{
    if (!map_check_size(map->size, error))
        return FALSE;
    if (map->empty)
        return TRUE;
    g_autofree struct walk *walk = g_new(struct walk, 1);
    *walk = (struct walk){.map = map, .source = source, .survey = survey};
    return walk_node(walk, &map->root, map_levels(map->size), 0, error);
}
