/* SPDX-License-Identifier: GPL-3.0-or-later */
/* restore_private.h: what the files of restore.h share. */
#pragma once

#include "engine/restore.h"
#include "engine/segment.h"

/* What a run is about; nobody changes it once threads are there. */
struct restore_job {
    struct store *store;
    struct locator *locator;
    struct map map;
    const char *name; /* of the disk, for messages */
    char *label;      /* "set ... of ..., disk ..." */
    struct disk *target;
    const struct restore_options *options;
    gboolean target_is_zero;
};

struct restore_counts {
    guint64 read, written, zeroed, skipped, damaged;
};

/* What each thread has for itself. */
struct restore_tools {
    const struct restore_job *job;
    struct segment_tools segment_tools;
    struct segment *segment; /* its buffer; and what is on the target, to compare with */
    struct map_source source;
    struct map_cursor *cursor;
    struct map_cursor *older; /* NULL without an older map */
    struct map_leaf leaf, old;
    struct chunk_wanted *wanted; /* CHUNK_SEGMENT_BLOCKS */
    guint8 blocks[CHUNK_SEGMENT_BLOCKS];
    struct restore_counts counts;
    GPtrArray *damage; /* of struct verify_damage * */
};
void restore_tools_init(struct restore_tools *tools, const struct restore_job *job);
void restore_tools_clear(struct restore_tools *tools);

/* TRUE when the older map says what is on the target in this segment. */
gboolean restore_job_knows(const struct restore_job *job, guint64 segment);

/* Restore one segment.  What is damaged is added to tools->damage, or is the error. */
gboolean restore_segment(struct restore_tools *tools, guint64 number, GError **error);
/* Make zeros of `n` segments that have nothing but zeros. */
gboolean restore_zeros(struct restore_tools *tools, guint64 first, guint64 n, GError **error);

/* Put in front of an error that `length` bytes at `offset` cannot be restored; what the store does
 * not have is damage. */
gboolean restore_job_fail(const struct restore_job *job, guint64 offset, guint64 length,
                          GError *why, GError **error);
