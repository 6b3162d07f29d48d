/* SPDX-License-Identifier: GPL-3.0-or-later */
/* machine_backup.h: a machine of a hypervisor into a backup set.
 *
 * Leftovers of killed runs are removed; the machine is described and frozen; its disks are read, by
 * what changed since its last set where that is known; the snapshot goes as soon as the last byte
 * was read, whatever came of it; then the set is stored, verified, and its change ids settled.
 * Nothing but reading happens while the machine is frozen.
 *
 * The last set is found by the machine's identity, so that it may be renamed, and change ids are
 * trusted only when they are that set's. */
#pragma once

#include "engine/backup.h"
#include "hyper/hypervisor.h"

struct machine_backup_options {
    const char *ref;  /* of the machine, or its id */
    const char *name; /* of the sets; NULL: the machine's (with " (2)" and so on when
                         sets of that name are another machine's) */
    gboolean copied;  /* another machine there has the same id, as a copy of its files has: so that
                         their sets are not mixed, this one is told apart by its ref */
    enum freeze_quiesce quiesce;
    guint quiesce_minutes;
    const char *const *only;    /* disks, ended by NULL; NULL: all that can be */
    const char *const *without; /* disks */
    /* Of the backup: as in struct backup_options. */
    const char *const *tags;
    enum codec_kind codec;
    int level;
    gboolean archive, full;
    enum backup_verify verify;
    guint threads;
    guint64 bandwidth;
    struct progress *progress;
};

struct machine_backup_disk {
    char *name;
    guint64 size, changed; /* bytes of the list of changes; the size when it is not known */
    char *why_full;        /* NULL: only changes were read, or it is the first set */
};

struct machine_backup_report {
    struct backup_report backup; /* backup.set NULL: there is none */
    struct machine *machine;
    enum frozen_consistency consistency;
    char *consistency_words; /* why it is not better; NULL */
    gint64 frozen_ms;        /* how long the snapshot lived, its removal included */
    gint64 read_ms;          /* of that, reading */
    GPtrArray *disks;        /* of struct machine_backup_disk * */
    GPtrArray *skipped;      /* of char *: "scsi0:2: an independent disk is in no snapshot" */
    GPtrArray *cleaned;      /* of char *: what killed runs had left */
    char *left;              /* what could not be removed, and how to; NULL: nothing is left */
};
void machine_backup_report_clear(struct machine_backup_report *report);

/* A machine without any disk that can be backed up is SLIPWAY_ERROR_UNSUPPORTED.  When the set was
 * stored but something is left on the host: TRUE, and report->left says so (the caller's exit code
 * should too). */
gboolean machine_backup_run(struct store *store, struct hypervisor *hypervisor,
                            const struct machine_backup_options *options,
                            struct machine_backup_report *report, GError **error);
