/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/nouns.h"

static const struct verb *const verbs[] = {&verb_restore_disk, &verb_restore_vm, NULL};

const struct noun noun_restore = {
    .name = "restore",
    .summary = "restore a virtual machine or a disk of a backup set",
    .description =
        "Bring back what is in a backup set: as a virtual machine on a hypervisor (vm), or one "
        "disk "
        "to a file, a device or an NBD server (disk). `slipway restore SET DISK TARGET` is the "
        "latter too.\n\n"
        "To look into a backed-up disk without restoring it, see `slipway export`; for single "
        "files, see `slipway files`.",
    .verbs = verbs,
    .otherwise = &verb_restore_disk,
};
