/* SPDX-License-Identifier: GPL-3.0-or-later */
/* wanted.h: what tests that make machines share: what is wanted, what its disks are to
 * hold, and what there is then.  What does not go as it should ends the test. */
#pragma once

#include "vsphere_bench.h"

#include "disk/disk_open.h"

/* A server with a machine, with datastores "LocalDS_0" and "fast ds", and a session over HTTPS.
 * FALSE: it was skipped. */
gboolean wanted_begin(struct vsphere_bench *bench);

/* ---- What is wanted -------------------------------------------------------------------------- */

/* Debian on 4 CPUs, without disks; machine_free(). */
struct machine *wanted_new(const char *name);
/* A thin one; the machine's. */
struct machine_disk *wanted_add_disk(struct machine *machine, enum machine_bus bus,
                                     guint controller, guint unit, const char *model, guint64 size);
struct machine_nic *wanted_add_nic(struct machine *machine, const char *model, const char *mac,
                                   enum machine_network kind, const char *network);
/* A copy of `value` instead of what it was. */
void wanted_set(char **text, const char *value);
/* Data that is some of everything: noise, holes, the very end; disk_close(). */
struct disk *wanted_content(guint64 size, guint8 seed);

/* ---- Made ------------------------------------------------------------------------------------ */

/* placement_free() it. */
struct placement *wanted_create(struct vsphere_bench *bench, const struct machine *wanted);
/* Whether one of its words has that in it. */
gboolean wanted_says(const struct placement *placement, const char *word);
/* `ret` as in placement_finish(). */
void wanted_finish(struct placement *placement, gboolean power_on, struct machine **ret);

/* ---- What there is --------------------------------------------------------------------------- */

gboolean wanted_is_listed(struct vsphere_bench *bench, const char *name);
/* The machine's disk number `index` holds the same. */
void wanted_expect_content(struct vsphere_bench *bench, const char *machine, guint index,
                           struct disk *content);
/* Nothing of a run is left but the session, and no machine has that name. */
void wanted_expect_none(struct vsphere_bench *bench, const char *name);
