/* SPDX-License-Identifier: GPL-3.0-or-later */
/* boot_set.h: a backup set that runs: a virtual machine on disks that are served out of the set,
 * and on which it can write, while the set stays as it is.
 *
 * One thread, which must last as long as the process (boot_process.h). */
#pragma once

#include "engine/boot_machine.h"
#include "engine/export.h"

struct boot_set_options {
    struct export_options export;  /* but for what says how it is served, which is ours */
    struct boot_hardware hardware; /* AUTO: what the set tells */
};

struct boot_set;

/* The disks of a set, ended by NULL, the one that the machine boots from first; NULL: they are in
 * that order, or none is known.  Free with g_strfreev(). */
char **boot_set_order(const struct set *set);

/* Fails as export_open() and boot_machine_start(). */
struct boot_set *boot_set_start(struct store *store, const struct boot_set_options *options,
                                GError **error);
struct export *boot_set_export(struct boot_set *boot);
struct boot_machine *boot_set_machine(struct boot_set *boot);
/* With what was AUTO found out. */
const struct boot_hardware *boot_set_hardware(const struct boot_set *boot);

/* boot_machine_stop(), then export_stop(): what was written stays for export_commit(). */
void boot_set_stop(struct boot_set *boot, guint milliseconds);
/* Stop at once, and throw away what was written unless it has a file.  NULL is fine. */
void boot_set_close(struct boot_set *boot);
AUTO_PTR_DEFINE(boot_set, boot_set_close)
