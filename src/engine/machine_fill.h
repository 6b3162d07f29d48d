/* SPDX-License-Identifier: GPL-3.0-or-later */
/* machine_fill.h: the disks of a set into the disks of a machine that is being made. */
#pragma once

#include "engine/machine_restore.h"

struct machine_fill {
    struct store *store;
    const struct set *set;
    guint threads;
    gboolean compare; /* the targets have something, of which what is right stays */
    struct progress *progress;
    GPtrArray *pairs; /* by machine_fill_add(); NULL: none yet */
};
void machine_fill_clear(struct machine_fill *fill);

/* Disk `from` of the set is to be disk `to` of the machine.  FALSE: another one is already. */
gboolean machine_fill_add(struct machine_fill *fill, const char *from, const char *to);
/* The machine's disks, ended by NULL; free with g_free(). */
const char **machine_fill_names(const struct machine_fill *fill);

/* Fill them all; written and skipped bytes are added to the report. */
gboolean machine_fill_all(const struct machine_fill *fill, struct placement *placement,
                          struct machine_restore_report *report, GError **error);
