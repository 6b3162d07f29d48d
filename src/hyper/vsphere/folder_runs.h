/* SPDX-License-Identifier: GPL-3.0-or-later */
/* folder_runs.h: how much to read ahead of whoever reads a disk from front to back.
 *
 * Several threads read one disk at once, a little out of order; or somebody reads only what
 * changed, here and there, and then every byte that is read ahead in vain costs.  So only reads
 * that continue each other count, and what is read ahead is an eighth of that at most.  Pure; no
 * lock. */
#pragma once

#include "disk/extent_list.h"

#define FOLDER_RUNS 16u

struct folder_run {
    guint64 start, end; /* of the disk */
    guint64 bytes;      /* read in it */
    guint64 ahead;      /* up to where it was told to read ahead */
    guint64 used;       /* when, for the oldest to go; 0: a free place */
};

struct folder_runs {
    const struct extent_list *allocated; /* what is not may be skipped; NULL: all is */
    struct folder_run runs[FOLDER_RUNS];
    guint64 clock;
};

/* A read.  TRUE with what is to be read next, at most `most` bytes in whole multiples of `step`
 * and nothing that was told before. */
gboolean folder_runs_note(struct folder_runs *runs, guint64 offset, guint64 length, guint64 step,
                          guint64 most, struct extent *ret);
