/* SPDX-License-Identifier: GPL-3.0-or-later */
/* repairer_private.h: one run of `store repair`, which the repairer_*.c files share. */
#pragma once

#include "store/chunk_reader.h"
#include "store/lease.h"
#include "store/pack_list.h"
#include "store/repairer.h"

struct repair {
    struct store *store;
    const struct repairer_options *options;
    struct repairer_report *report;
    struct lease *lease; /* NULL: a dry run, nothing is changed */
    guint writers;       /* that were active when last looked at */
    GHashTable *mended;  /* set of char *: objects that are as they should be now, or would be */
};

/* ---- repairer.c */

/* A line of what is done. */
void repairer_act(struct repair *repair, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* This object is mended (its damage counts no more in a dry run). */
void repairer_mend(struct repair *repair, const char *object);
/* Look who is active: repair->writers.  SLIPWAY_ERROR_BUSY when a prune or another repair is. */
gboolean repairer_look(struct repair *repair, GError **error);
/* TRUE for an error that says that what was read is damaged or not there. */
gboolean repairer_is_damage(const GError *why);

/* ---- repairer_heal.c */

/* Heal small objects and packs with their parity, and make parity that is missing or damaged. */
gboolean repairer_heal(struct repair *repair, GError **error);

/* TRUE in *ret when the table has the pack's name and all frames their checksums: then every byte
 * is right.  `bytes` NULL: as it is in the repo. */
gboolean repairer_is_whole(struct repair *repair, const struct pack_name *name, GBytes *bytes,
                           gboolean *ret, GError **error);

/* ---- repairer_index.c */

/* Make index objects that are damaged again, and list packs that none lists. */
gboolean repairer_index(struct repair *repair, GError **error);
/* Take these packs (a set of struct pack_name *) out of the index. */
gboolean repairer_unlist(struct repair *repair, GHashTable *packs, GError **error);

/* ---- repairer_salvage.c */

/* Write what is whole of the packs that `found` names as damaged into new ones, and remove them as
 * soon as no writer can need them. */
gboolean repairer_salvage(struct repair *repair, const struct checker_report *found,
                          GError **error);

/* ---- repairer_table.c */

/* The table of a pack; of one that is damaged what can still be made of it: then nothing that it
 * says may be relied on, but frames and chunks are where it says.  SLIPWAY_ERROR_CORRUPT when that
 * is nothing. */
struct pack_table *repairer_table(struct repair *repair, const struct pack_name *name,
                                  GError **error);

/* ---- repairer_lists.c */

/* Remove lists of doomed packs that cannot be read: the next prune makes them again. */
gboolean repairer_doomed(struct repair *repair, GError **error);
/* Lost is what `found` knows to be damaged beyond repair, and nothing else.  Takes damage of such
 * lists, which is mended by that, out of it. */
gboolean repairer_lost(struct repair *repair, struct checker_report *found, GError **error);
