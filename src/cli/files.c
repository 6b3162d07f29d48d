/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/nouns.h"

static const struct verb *const verbs[] = {&verb_files_ls, &verb_files_get, NULL};

const struct noun noun_files = {
    "files",
    "look into backed-up disks and copy files out of them",
    "Files of a disk of a backup set, through libguestfs: ext4, XFS, btrfs, NTFS, FAT, LVM and "
    "others. It starts a small machine for that, which takes some seconds (more without KVM) and "
    "never writes to the disk. What it cannot read can be attached to a computer that can, with "
    "`slipway export start`.",
    verbs,
    FALSE,
};
