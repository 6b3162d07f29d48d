/* SPDX-License-Identifier: GPL-3.0-or-later */
/* verify.h: reading sets back, so that what is trusted was tried.
 *
 * Any number of threads reads chunks in the order of the packs; each distinct chunk is read once,
 * whatever number of places refer to it.  What was asked is whether the set can be restored: a
 * damaged copy does not count while another one is whole.
 *
 * Memory: a bit for each chunk of the packs that the set uses and some 150 bytes a pack (1 MiB for
 * 200 GiB), 4 MiB a thread, and what is damaged. */
#pragma once

#include "base/progress.h"
#include "store/store_sets.h"

struct verify_damage {
    char *disk;
    guint64 offset, length; /* bytes of the disk that cannot be restored */
    char *words;            /* why: chunk, pack; of the first chunk, where several lie together */
};
void verify_damage_free(struct verify_damage *damage);

struct verify_report {
    guint64 chunks, bytes; /* distinct ones that were read, plain */
    GPtrArray *damage;     /* of struct verify_damage *, in the order of the disks */
};
void verify_report_clear(struct verify_report *report);

struct verify_options {
    const struct set *since; /* only what differs from this set; NULL: everything */
    guint threads;           /* 0: one per processor */
    struct progress *progress;
};

/* TRUE for an error that says that stored bytes are damaged, gone or unreadable (_CORRUPT,
 * _NOT_FOUND, _IO), and not that reading itself does not work. */
gboolean verify_is_damage(const GError *error);

/* Read the set back.  TRUE also when something is damaged: the report says.  FALSE when it could
 * not be done (SLIPWAY_ERROR_CANCELLED, SLIPWAY_ERROR_NETWORK, a repo of which nothing at all can
 * be read). */
gboolean verify_set(struct store *store, const struct set *set,
                    const struct verify_options *options, struct verify_report *report,
                    GError **error);

/* The same for a set of the store, and note the result in its flags (time, good or not, words);
 * what else they say is kept.  With `since` only damage is noted: that a part is good says nothing
 * of the rest. */
gboolean verify_and_note(struct store *store, const struct set_entry *entry,
                         const struct verify_options *options, struct verify_report *report,
                         GError **error);
