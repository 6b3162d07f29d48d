/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pipeline.h: one disk into a store, its segments by several threads at once.
 *
 * Every thread does whatever is furthest down the line: store, compress, name, read.  What depends
 * on the order (which of two equal chunks is the new one, the order in the pack, the map) is done
 * in the order of the disk, so any number of threads writes the same bytes; one thread is the
 * reference.
 *
 * Memory: at most threads + PIPELINE_WAITING segments are on their way, each with 4 MiB read and
 * what became of it. */
#pragma once

#include "base/progress.h"
#include "engine/segment.h"

#define PIPELINE_THREADS_MAX 64u
#define PIPELINE_WAITING 4u

struct pipeline_input {
    struct disk *disk;
    const struct extent_list *changed; /* NULL: read everything */
    const struct map *old;             /* NULL: nothing to compare with */
    enum codec_kind codec;             /* of new data */
    int level;
    guint threads;     /* 0: one more than there are processors */
    guint64 bandwidth; /* bytes a second that are read at most; 0: any */
};

/* Store the disk and give its map; *stats is of this disk alone. */
gboolean pipeline_run(const struct pipeline_input *input, struct store *store,
                      struct store_writer *writer, struct progress *progress, struct map *ret_map,
                      struct segment_stats *stats, GError **error);
