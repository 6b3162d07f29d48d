/* SPDX-License-Identifier: GPL-3.0-or-later */
/* selection.h: which machines of an inventory are meant.
 *
 * A selection is a rule, not a list: asked again tomorrow it takes what is in the folder then.
 * Pure; one thread. */
#pragma once

#include "hyper/machine.h"

struct selection {
    /* Behind the hypervisor's URI: NULL, "" or "/" all; a machine's path, name or id
     * ("/DC0/vm/app01", "app01", "/app01"), where * and ? stand for anything within a name; a
     * folder, with all below it, when it ends in / or no machine has that path ("/DC0/vm/prod/").
     */
    const char *path;
    /* Each a list ended by NULL, or NULL; a machine must match one of each list that is there.
     * With * and ?, in the case that is given.  A tag is named with its category or without; a pool
     * or a folder stands for all below it too; a folder without any / is one of that name,
     * wherever it is. */
    const char *const *names, *const *tags, *const *hosts, *const *clusters, *const *pools,
                                                                                 *const *folders;
    const char *const *exclude;         /* names, paths or ids that are not meant after all, or
                                         * folders, ending in / */
    gboolean off, suspended, templates; /* these too */
};

enum selection_verdict {
    SELECTION_TAKEN,
    SELECTION_OTHER, /* not meant */
    SELECTION_EXCLUDED,
    SELECTION_OFF, /* meant, but left out as it is off */
    SELECTION_SUSPENDED,
    SELECTION_TEMPLATE,
};
/* "powered off", for messages; NULL for the first two. */
const char *selection_verdict_words(enum selection_verdict verdict);

/* One path, name or id that names a single machine takes it whatever its power state. */
enum selection_verdict selection_judge(const struct selection *selection,
                                       const struct machine *machine);

/* The machines of `list` (struct machine *) that are taken: borrowed pointers.  *ret_left (may be
 * NULL): sentences about those that were meant and left out.  SLIPWAY_ERROR_NOT_FOUND when nothing
 * was meant, with what comes near; SLIPWAY_ERROR_USAGE when a name without a path means several. */
GPtrArray *selection_take(const struct selection *selection, GPtrArray *list, GPtrArray **ret_left,
                          GError **error);
