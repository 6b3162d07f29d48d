/* SPDX-License-Identifier: GPL-3.0-or-later */
/* backup.h: disks into a backup set.
 *
 * Every set is a full one.  Where the machine has an older set, its maps tell what is there
 * already: with a list of changed extents only these are read, without one everything is read and
 * only what differs is stored. */
#pragma once

#include "base/progress.h"
#include "disk/disk.h"
#include "disk/extent_list.h"
#include "engine/verify.h"
#include "store/store_sets.h"

enum backup_verify { BACKUP_VERIFY_NONE, BACKUP_VERIFY_NEW, BACKUP_VERIFY_ALL };

struct backup_options;

struct backup_source {
    struct disk *disk;
    const char *name;                  /* of the disk in the set; unique there */
    const char *change_id;             /* to be kept with the disk; NULL */
    const struct extent_list *changed; /* since the set that the run follows; NULL: not known */
};

/* Sources that are there for a while only, such as those of a snapshot.  Each may be NULL. */
struct backup_hooks {
    /* Called once, when the store is ready to be written and before anything is read, with the set
     * that the run follows (NULL: none): sets `sources`, which stay as they are until
     * sources_read(), and what else of `options` (its own copy) is known only then. */
    gboolean (*open)(gpointer data, struct backup_options *options, const struct set_entry *parent,
                     GError **error);
    /* Called once, when the last byte of all sources was read and before the set is stored; no
     * source and no extents are touched after.  FALSE: what was read is not to be kept, and the run
     * fails with `error`.  Not called when the run fails before. */
    gboolean (*sources_read)(gpointer data, GError **error);
    /* Called once, as soon as the set is stored, before it is verified. */
    void (*stored)(gpointer data);
    gpointer data;
};

struct backup_options {
    const char *name;     /* of the machine */
    const char *identity; /* of a machine of a hypervisor: its sets are found by it, whatever they
                             are called; NULL: by the name */
    gboolean other_name;  /* when another machine has the name: take "NAME (2)" and so on */
    const char *driver, *hypervisor, *consistency; /* to be kept; NULL */
    struct backup_hooks hooks;
    const struct backup_source *sources;
    guint n_sources;
    const char *config_type, *config; /* a document to keep with the set; NULL */
    const char *const *tags;          /* ended by NULL; NULL: none */
    enum codec_kind codec;            /* of new data, with `level`: store_config() has those of
                                         the store */
    int level;
    gboolean archive;  /* retention never touches it */
    gboolean full;     /* take nothing from an older set but equal chunks */
    const char *since; /* the set that the changed extents are relative to (32 hex
                          digits); NULL: the newest one of the machine */
    enum backup_verify verify;
    guint threads;
    guint64 bandwidth; /* bytes a second; 0: any */
    struct progress *progress;
};

struct backup_report {
    struct set *set;
    struct set_flags flags; /* as they are after the run */
    struct store_config config;
    gboolean verified;
    struct verify_report verify;
    gint64 milliseconds;
    guint64 memory; /* bytes: the process's peak */
};
void backup_report_clear(struct backup_report *report);

/* See, before anything is done, whether backup_run() would take this name for a machine without an
 * identity: fails as that does. */
gboolean backup_check_name(struct store *store, const char *name, GError **error);

/* Run it.  A name that is another machine's is SLIPWAY_ERROR_EXISTS.  A disk whose set is missing,
 * or has it not under this name, is read in full, with a warning to `progress` when extents were
 * given.  After a failure there is no set, the older ones are as they were, and what was stored
 * already is found by the next run.
 * SLIPWAY_ERROR_CORRUPT: the set is there, but what was verified is damaged: the report says. */
gboolean backup_run(struct store *store, const struct backup_options *options,
                    struct backup_report *report, GError **error);
