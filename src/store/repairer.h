/* SPDX-License-Identifier: GPL-3.0-or-later */
/* repairer.h: mending what can be mended in a store.
 *
 * Objects are healed with their parity; the index is made again out of the packs; what is whole in
 * a pack that is beyond healing moves to a new pack; chunks that are lost for good are listed in
 * lost/, so that the next backup of a disk that still has them stores them again.  Nothing is
 * thrown away that could still be of use, no set is removed.  May be stopped at any point and run
 * again.  Writers may run meanwhile. */
#pragma once

#include "store/checker.h"

struct repairer_options {
    gboolean read_data; /* look for damage in every byte, not only in tables; what the parity's
                         * checksums show is found in any case */
    gboolean dry_run;   /* only say what would be done */
    guint threads;
    struct progress *progress;
};

struct repairer_report {
    guint healed; /* objects restored from parity, byte for byte */
    guint64 healed_blocks;
    guint index_objects;  /* index objects that were damaged and are replaced */
    guint packs_listed;   /* packs that no index listed and that are listed now */
    guint packs_salvaged; /* packs that were beyond healing */
    guint64 chunks_saved; /* whole chunks of these that moved */
    guint64 chunks_lost;  /* that sets need and nobody has */
    guint64 chunks_found; /* that were listed as lost and are there again */
    GPtrArray *actions;   /* of char *: what was done, one line each */
    GPtrArray *left;      /* of struct checker_damage *: what stays damaged, with who needs it */
};
void repairer_report_clear(struct repairer_report *report);

/* Run it.  TRUE also when something stays damaged.  SLIPWAY_ERROR_BUSY: a prune or another repair
 * runs; SLIPWAY_ERROR_CANCELLED; what repo.h says.  The report is valid in any case. */
gboolean repairer_run(struct store *store, const struct repairer_options *options,
                      struct repairer_report *report, GError **error);
