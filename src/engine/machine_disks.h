/* SPDX-License-Identifier: GPL-3.0-or-later */
/* machine_disks.h: which disks of a machine are backed up, and from which change id on. */
#pragma once

#include "hyper/hypervisor.h"
#include "store/store_sets.h"

/* The disks (struct machine_disk *, borrowed) that a backup takes: all that it can, or `only`
 * those, but `without` those; both are names, ended by NULL, or NULL.  `skipped` gets a sentence
 * for each that is left out.  SLIPWAY_ERROR_NOT_FOUND: no disk of a name that was given;
 * SLIPWAY_ERROR_UNSUPPORTED: none is left, or one that was named cannot be backed up. */
GPtrArray *machine_disks_choose(const struct machine *machine, const char *const *only,
                                const char *const *without, GPtrArray *skipped, GError **error);

/* What the set before says of the disks. */
struct machine_past;

/* `parent` (NULL: there is none, or with `full` it is not to be used) must outlive it.  What
 * `store` does not give of it, or no longer, leads to disks that are read in full. */
struct machine_past *machine_past_new(struct store *store, const struct set_entry *parent,
                                      gboolean full);
void machine_past_free(struct machine_past *past);
AUTO_PTR_DEFINE(machine_past, machine_past_free)

/* How to freeze a disk: with a change id only when the set before has this very disk, whole, and
 * with one.  *ret_why: else why not; NULL also when there is no set before. */
struct freeze_disk machine_past_look(const struct machine_past *past,
                                     const struct machine_disk *disk, const char **ret_why);
