/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/nouns.h"

static const struct verb *const verbs[] = {
    &verb_export_start, &verb_export_serve, &verb_export_boot,
    &verb_export_list,  &verb_export_stop,  NULL,
};

const struct noun noun_export = {
    "export",
    "serve backed-up disks over iSCSI, NBD or as files",
    "An export shows disks of a backup set to any computer as block devices, at once and without "
    "restoring anything: files, databases and mailboxes come back from whatever file system the "
    "guest had. The set cannot change.",
    verbs,
    FALSE,
};
