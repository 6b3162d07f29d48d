/* SPDX-License-Identifier: GPL-3.0-or-later */
/* map_survey.h: walking maps that may be damaged: a node that cannot be read is told with what it
 * covered, and the walk goes on behind it. */
#pragma once

#include "store/map.h"

struct map_survey {
    /* Before a node is fetched; with *ret_skip neither it nor what is below is looked at.  `offset`
     * and `length` are the bytes of the disk that it covers. */
    gboolean (*node)(gpointer data, const struct chunk_id *id, guint64 offset, guint64 length,
                     gboolean *ret_skip, GError **error);
    gboolean (*leaf)(gpointer data, guint64 segment, const struct map_leaf *leaf, GError **error);
    /* A node that cannot be read, and why: `why` is what the source failed with, or
     * SLIPWAY_ERROR_CORRUPT for one that cannot stand at its place.  FALSE, with an error, when
     * that is no damage but the end of the walk. */
    gboolean (*broken)(gpointer data, const struct chunk_id *id, guint64 offset, guint64 length,
                       const GError *why, GError **error);
    gpointer data;
};

/* Every function but `broken` may be NULL.  Fails with what they fail with. */
gboolean map_survey_run(const struct map *map, const struct map_source *source,
                        const struct map_survey *survey, GError **error);
