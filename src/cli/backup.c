/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/nouns.h"

static const struct verb *const verbs[] = {
    &verb_backup_run,
    &verb_backup_list,
    &verb_backup_show,
    &verb_backup_verify,
    &verb_backup_archive,
    &verb_backup_unarchive,
    &verb_backup_diff,
    &verb_backup_delete,
    &verb_backup_expire,
    &verb_backup_rule,
    NULL,
};

const struct noun noun_backup = {
    "backup",
    "back up virtual machines and disks, and list, verify and delete sets",
    "A backup set is one machine at one point in time: its disks and its configuration. Every set "
    "is "
    "a full one, whatever was read for it, and any set can be deleted.\n\n"
    "A set is named by its id or the beginning of it; by the name of its machine, which means the "
    "newest one; or by MACHINE@2026-11-25 or MACHINE@2026-11-25T21:00, the newest that is not "
    "younger.",
    verbs,
    FALSE,
};
