/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/nouns.h"

static const struct verb *const verbs[] = {
    &verb_store_init,  &verb_store_info,   &verb_store_check, &verb_store_repair,
    &verb_store_prune, &verb_store_unlock, &verb_store_key,   NULL,
};

const struct noun noun_store = {
    "store",
    "make and look after the store of backups",
    "A store is a directory, on a local disk or a network file system (NFS, CIFS), that holds "
    "backup sets. Equal data is stored once, whatever machine it comes from; several machines may "
    "back up into one store at the same time, and nothing ever needs it to stop.\n\n"
    "Without --store and SLIPWAY_STORE the store is slipway/store in the user's data directory.",
    verbs,
    FALSE,
};
