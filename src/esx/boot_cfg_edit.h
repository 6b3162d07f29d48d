/* SPDX-License-Identifier: GPL-3.0-or-later */
/* boot_cfg_edit.h: changing which modules an existing boot.cfg loads, and nothing else in it. */
#pragma once

#include "esx/boot_cfg.h"

/* Make `cfg` load `modules` (of const char *: 8.3 names in boot order, the first is the kernel).
 * Entries called as one of `gone` (of const char *) disappear; entries that are in neither list
 * (imgdb.tgz, and whatever someone put there) stay where they are, options included; a new module
 * comes right after the one that precedes it in the order. */
void boot_cfg_update_modules(struct boot_cfg *cfg, GPtrArray *modules, GPtrArray *gone);

/* Append words to kernelopt=, each only when it is not there yet. */
void boot_cfg_add_options(struct boot_cfg *cfg, const char *const *options);

/* Make it boot a system without an installer: the words that start the installer leave kernelopt=,
 * and a title that nobody wrote says what is loaded then. */
void boot_cfg_drop_installer(struct boot_cfg *cfg);
