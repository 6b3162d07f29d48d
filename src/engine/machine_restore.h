/* SPDX-License-Identifier: GPL-3.0-or-later */
/* machine_restore.h: a backup set back as a virtual machine. */
#pragma once

#include "base/progress.h"
#include "hyper/hypervisor.h"
#include "store/store_sets.h"

enum restore_mac {
    RESTORE_MAC_AUTO, /* kept, unless a machine that is there has it: then refused */
    RESTORE_MAC_KEEP, /* kept whatever happens */
    RESTORE_MAC_NEW,
};

/* "FROM=TO": a name of the set, and what takes its place; FROM NULL: for all that have no other. */
struct restore_mapping {
    const char *from, *to;
};

struct machine_restore_options {
    const char *name;   /* of the new machine; NULL: the old one's with `suffix` */
    const char *suffix; /* NULL: "-restored"; "" is the old name */
    const char *folder, *host, *cluster, *pool; /* NULL: where it was, if that is there; else the
                                                   driver's choice */
    const struct restore_mapping *datastores;   /* FROM is a datastore, or a disk's name */
    guint n_datastores;
    const struct restore_mapping *networks; /* FROM is a network, or a NIC's name; TO "KIND:NAME" or
                                             * a name that is looked up */
    guint n_networks;
    enum restore_mac mac;
    gboolean new_uuid;           /* another SMBIOS UUID too */
    const char *const *only;     /* disks, ended by NULL; NULL: all */
    const enum machine_bus *bus; /* of disks on another hypervisor; NULL: chosen */
    const char *nic_model;
    gboolean power_on;
    gboolean disconnect; /* NICs come up disconnected */
    guint threads;
    struct progress *progress;
};

struct machine_restore_report {
    struct machine *machine;  /* as it is now */
    GPtrArray *words;         /* of char *: what is not as it was */
    guint64 written, skipped; /* bytes of disks */
    gint64 milliseconds;
};
void machine_restore_report_clear(struct machine_restore_report *report);

/* As a new machine.  Everything is decided and checked before the first thing is made: that places
 * are there, that no name and no MAC is taken (SLIPWAY_ERROR_EXISTS names the machine that has it,
 * and how to go on), that the datastores have room.  After a failure the new machine is gone again.
 * A set without a description of a machine is SLIPWAY_ERROR_UNSUPPORTED (restore its disks). */
gboolean machine_restore_new(struct store *store, const struct set *set,
                             struct hypervisor *hypervisor,
                             const struct machine_restore_options *options,
                             struct machine_restore_report *report, GError **error);

/* Over the machine `ref` (NULL: the one with the set's identity), which must be off: disks are
 * found by name or key, must be as large as they were, and only what differs is written.  A disk
 * that is at an old one's place now, but is another, is refused unless `only` names it.  A failure
 * leaves them partly written, and says so; running it again goes on. */
gboolean machine_restore_over(struct store *store, const struct set *set,
                              struct hypervisor *hypervisor, const char *ref,
                              const struct machine_restore_options *options,
                              struct machine_restore_report *report, GError **error);
