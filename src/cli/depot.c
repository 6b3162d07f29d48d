/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/nouns.h"

static const struct verb *const verbs[] = {&verb_depot_add,
                                           &verb_depot_list,
                                           &verb_depot_remove,
                                           &verb_depot_update,
                                           &verb_depot_verify,
                                           &verb_depot_known,
                                           NULL};

const struct noun noun_depot = {
    "depot",
    "connect software depots and offline bundles",
    "A depot offers packages (VIBs) and image profiles. It is an online depot, an offline bundle "
    ".zip, a directory with an unpacked bundle, or a single .vib file. The depots connected to the "
    "workspace are where every other command looks.",
    verbs,
    FALSE,
};
