/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sweeper.h: prune: removing what no backup set needs (doc/format/store.md, "Writers, prune and
 * leases").
 *
 * Writers may run meanwhile, and nobody waits for them: packs that a writer might still need are
 * put on a list (doomed/) and removed by a later run.  It may be stopped at any point; the next run
 * goes on from there.
 *
 * What cannot be judged stays: a pack whose table or frames cannot be read, packs of writers that
 * are not in the index yet.  When a set, or a node of its map, cannot be read and `lost` does not
 * know of it, nothing is removed at all, as nobody knows what lies below. */
#pragma once

#include "base/progress.h"
#include "store/store.h"

struct sweeper_options {
    gboolean optimize; /* compress everything that was not optimised yet: larger groups, in the
                        * order of the disks, newest sets first */
    int level;         /* of zstd for that, 1 to 19; 0: SWEEPER_LEVEL_DEFAULT */
    int threshold;     /* per cent of a pack that may be dead before it is written anew; -1:
                        * SWEEPER_THRESHOLD_DEFAULT, with `optimize` 0 */
    gboolean dry_run;  /* only say what would be done: takes no lease, changes nothing */
    guint threads;     /* for compressing; 0: one per processor */
    const char *cache_directory; /* as lease_list() */
    int grace_seconds; /* how long a change may take to be seen by others; -1: 0 where the repo
                        * lists at once, else REPO_LIST_GRACE */
    struct progress *progress;
};
#define SWEEPER_LEVEL_DEFAULT 9
#define SWEEPER_THRESHOLD_DEFAULT 20
/* Plain bytes of an optimised group.  Four disk images became 0.916 of their size with 256 KiB,
 * 0.898 with 512 KiB, 0.878 with 1 MiB; a level above 9 gives 0.002. Whoever reads one chunk
 * decompresses its group, in half a millisecond. */
#define SWEEPER_GROUP_OPTIMIZED (512u << 10)
#define SWEEPER_OPTIONS_DEFAULT                                                                    \
    {                                                                                              \
        .threshold = -1, .grace_seconds = -1                                                       \
    }

struct sweeper_report {
    guint sets;                           /* that were followed */
    guint64 nodes, chunks;                /* that are needed */
    guint64 packs, bytes;                 /* that were there */
    guint64 live_bytes;                   /* of these, what is needed */
    guint64 dead_packs, dead_bytes;       /* that nothing needs: removed or put on a list */
    guint64 moved_packs, moved_bytes;     /* whose rest was written anew: removed or on a list */
    guint64 written_packs, written_bytes; /* that came out of these */
    guint64 removed_packs, removed_bytes; /* in this run, also from older lists */
    guint64 waiting_packs, waiting_bytes; /* on lists, for a later run */
    guint64 saved_packs;                  /* on a list, but a set that came later needs them */
    guint writers;                        /* that were active: what waits does so for them */
    guint64 missing_chunks;               /* data that sets need and no pack has */
    GPtrArray *notes; /* of char *: what is damaged or was left alone, and why; or NULL */
};
void sweeper_report_clear(struct sweeper_report *report);

/* Run it.  With `grace_seconds` above 0 it waits that long up to twice when there is something to
 * remove.  SLIPWAY_ERROR_BUSY: another prune or repair is running; SLIPWAY_ERROR_CORRUPT: something
 * without which nobody can tell what is needed is damaged (the message names it), nothing was
 * removed; SLIPWAY_ERROR_CANCELLED.  The report is valid in any case: clear it. */
gboolean sweeper_run(struct store *store, const struct sweeper_options *options,
                     struct sweeper_report *report, GError **error);
