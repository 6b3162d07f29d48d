/* SPDX-License-Identifier: GPL-3.0-or-later */
/* restore.h: a disk of a backup set onto a disk.
 *
 * Segments are restored by several threads at once; what is on the target afterwards does not
 * depend on how many.  Every chunk is checked before it is written.  Memory: some 6 MiB a thread.
 *
 * What need not be written is not: with `older` what that map has at the same place, with `compare`
 * what the target turns out to have.  An interrupted run goes on where it was when it is run again
 * with the same `state_path`. */
#pragma once

#include "base/progress.h"
#include "disk/disk.h"
#include "engine/verify.h"
#include "store/locator.h"

#define RESTORE_STATE_SECONDS 10u

struct restore_options {
    guint threads;           /* 0: one per processor, at least 2 */
    const struct map *older; /* what the target is known to have now; NULL: not known */
    gboolean compare;        /* read the target and write only what differs; not with `older` */
    gboolean target_is_zero; /* the target is known to read as zeros */
    gboolean skip_damaged;   /* leave out what cannot be read, and list it */
    const char *state_path;  /* a file of what is done; NULL: an interrupted run begins again */
    guint state_seconds;     /* how often it is written; 0: RESTORE_STATE_SECONDS */
    struct progress *progress;
};

/* All in bytes of the disk: written + zeroed + skipped + what is damaged is its size. */
struct restore_report {
    guint64 read;      /* plain bytes from the store */
    guint64 written;   /* to the target */
    guint64 zeroed;    /* zeros made on the target */
    guint64 skipped;   /* right already, `resumed` among them */
    guint64 resumed;   /* done by an earlier run */
    GPtrArray *damage; /* of struct verify_damage *, in the order of the disk */
};
void restore_report_clear(struct restore_report *report);

/* Make `target`, which must not be smaller than the disk, read as the disk `name` of the set, and
 * durable; what it has beyond the disk's end is left alone.  `locator` NULL: one of its own.
 *
 * SLIPWAY_ERROR_NOT_FOUND: no such disk in the set; SLIPWAY_ERROR_USAGE: the target is too small;
 * SLIPWAY_ERROR_CORRUPT: a part is damaged (names the range) and skip_damaged is not set;
 * SLIPWAY_ERROR_CANCELLED; what disk.h and repo.h say.  The target is then partly written, and the
 * state file, if there is one, says what is done.  Damaged ranges that were skipped are on the
 * target as they were, and are tried again by a resumed run; the state file stays while there are
 * any.
 *
 * A state file is used when it is of the same store, set, disk, target (by its label) and size, and
 * otherwise begun anew, with a warning to `progress`.  When the run that wrote it had a target of
 * zeros, the one that goes on has it too, whatever target_is_zero says.  It is removed at the
 * end. */
gboolean restore_disk(struct store *store, struct locator *locator, const struct set *set,
                      const char *name, struct disk *target, const struct restore_options *options,
                      struct restore_report *report, GError **error);

/* TRUE when restore_disk() with this state file would go on with an earlier run. */
gboolean restore_can_resume(struct store *store, const struct set *set, const char *name,
                            const struct disk *target, const char *state_path);
