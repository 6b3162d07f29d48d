/* SPDX-License-Identifier: GPL-3.0-or-later */
/* checker.h: is a store sound, and if not, what exactly is damaged and who needs it.
 *
 * Reads only.  Writers and prune may run meanwhile: what comes and goes is not damage.  Damage is
 * what a set would miss, or an object that is not as it was written; notes are things that cost
 * space or time but no data (an unfinished object, a pack that no index lists, parity that is
 * missing). */
#pragma once

#include "base/progress.h"
#include "store/set.h"
#include "store/store.h"

struct checker_options {
    gboolean read_data; /* read every frame and hold each chunk against its id */
    unsigned sample;    /* tenths of a per cent of the packs whose data is read, chosen at random; 0
                         * none; read_data reads all */
    guint64 seed;       /* of that choice; 0: a random one */
    guint threads;      /* 0: one per processor */
    struct progress *progress;
};

/* A range of a disk of a set that damage concerns. */
struct checker_range {
    struct set_id set;
    char *machine;
    gint64 created; /* of the set */
    char *disk;
    guint64 offset, length; /* bytes */
};

enum checker_kind {
    CHECKER_OBJECT, /* an object is damaged or cannot be read: config, key, set, flags, ... */
    CHECKER_INDEX,  /* an index object: `store repair` makes it again */
    CHECKER_PACK,   /* a pack as a whole: its table cannot be read */
    CHECKER_CHUNK,  /* a chunk of a pack has wrong bytes, or no pack has it */
    CHECKER_PARITY, /* a parity object: the pack itself may be fine */
};

struct checker_damage {
    enum checker_kind kind;
    char *object;      /* name of the object; NULL for a chunk that no pack has */
    char *chunk;       /* 64 hex digits; NULL when it is not about one chunk */
    char *words;       /* what is wrong, and what helps */
    GPtrArray *ranges; /* of struct checker_range *: who needs it, joined where they touch; empty
                        * when no set does */
};

struct checker_report {
    guint sets, packs;
    guint64 chunks;     /* distinct ones that sets need, nodes among them */
    guint64 read_bytes; /* plain bytes that were held against their ids */
    guint packs_read;
    guint io_errors;            /* of the damage: reads that failed; the medium, not its content */
    GPtrArray *damage;          /* of struct checker_damage *, by object */
    GPtrArray *notes;           /* of char * */
    GHashTable *chunks_damaged; /* set of struct chunk_id *: no good copy of these is left */
};
void checker_report_clear(struct checker_report *report);

/* Check it.  TRUE also when there is damage: the report says.  FALSE when it could not be done
 * (SLIPWAY_ERROR_CANCELLED, a repo that cannot be listed).  The report is valid in any case. */
gboolean checker_run(struct store *store, const struct checker_options *options,
                     struct checker_report *report, GError **error);
