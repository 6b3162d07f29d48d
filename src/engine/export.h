/* SPDX-License-Identifier: GPL-3.0-or-later */
/* export.h: disks of a backup set, served to other computers over iSCSI and NBD and as files (FUSE)
 * while it is open.
 *
 * Each disk is an overlay over the set (or read-only); the set itself cannot change.  The export
 * holds a lease, so that prune leaves alone what it reads even when the set is deleted meanwhile.
 * All disks share one cache, and all protocols see the same disks.
 *
 * One thread; what serves has threads of its own. */
#pragma once

#include "engine/backup.h"
#include "engine/set_cache.h"
#include "target/iscsi_server.h"
#include "target/nbd_server.h"

#define EXPORT_ISCSI_PORT 3260u
#define EXPORT_NBD_PORT 10809u
#define EXPORT_IQN_PREFIX "iqn.2026-11.org.slipway:"

struct export_options {
    const char *set;          /* as store_sets_find() takes it */
    const char *const *disks; /* names, ended by NULL, in the order of their LUNs; NULL: all */
    gboolean read_only;
    /* Of what is written, for all disks together: where to, and how much; see overlay.h.  With
     * several disks the file of each is KEEP.NAME. */
    const char *directory, *keep;
    guint64 limit;
    struct set_cache_options cache;
    guint block_size; /* of LUNs: 512 or 4096; 0: 512 */
    /* NULL: not served so.  `device`, and `name` and `alias` when they are NULL, are filled in; so
     * is `listen`: all addresses, and the first free port from EXPORT_ISCSI_PORT on. */
    const struct iscsi_options *iscsi;
    /* NULL: not served so.  `exports` is filled in: an export for each disk, and the default one
     * when there is only one disk; and with TLS `listen`, when it is NULL: all addresses, and the
     * first free port from EXPORT_NBD_PORT on. */
    const struct nbd_options *nbd;
    const char *since; /* an older set: NBD tells what changed since; NULL */
    const char *mount; /* a folder where the disks appear as files; NULL */
    gboolean allow_other;
    /* The machine of a set that export_commit() will make; NULL.  Not that of the set's machine,
     * whose next backup would take the new set for its own: SLIPWAY_ERROR_USAGE; nor that of any
     * machine of a hypervisor: SLIPWAY_ERROR_EXISTS. */
    const char *commit;
    /* Lines for people who look what happens: who logs in, what cannot be read.  Any thread. */
    void (*log)(const char *line, gpointer data);
    gpointer log_data;
};

struct export;

/* Open and serve.  Fails as store_sets_find(), set_cache_open(), disk_overlay_open(),
 * iscsi_server_start() and nbd_server_start(); SLIPWAY_ERROR_USAGE when nothing is to be served. */
struct export *export_open(struct store *store, const struct export_options *options,
                           GError **error);
/* What was written so far is durable in a file that is kept, also when this process is killed: to
 * be called now and then, as initiators flush when they like.  Otherwise nothing is done. */
gboolean export_flush(struct export *export, GError **error);
/* Stop serving: initiators are asked to go, and what they wrote stays until export_close(); in a
 * file that is kept it is durable then. */
void export_stop(struct export *export);
/* Stop, and throw away what was written, unless it has a file of its own. */
void export_close(struct export *export);
AUTO_PTR_DEFINE(export, export_close)

/* After export_stop(): a new set of the machine that was named, out of what the disks are now. Only
 * what was written is read.  `report` as that of backup_run(). */
gboolean export_commit(struct export *export, struct progress *progress,
                       struct backup_report *report, GError **error);

/* ---- What is told ---------------------------------------------------------------------------- */

struct export_disk {
    const char *name;
    guint lun;
    guint64 size;
    guint64 written, limit; /* bytes in the scratch file; limit 0: any */
};

struct export_view {
    const struct set *set;
    gboolean read_only;
    GArray *disks;                         /* of struct export_disk */
    const char *iscsi_name;                /* NULL: no iSCSI */
    const char *const *iscsi, *const *nbd; /* addresses, ended by NULL; NULL */
    const char *mount;
    gint64 since;        /* seconds since 1970 */
    GPtrArray *sessions; /* of struct iscsi_session * */
    guint nbd_connections;
    guint64 read_bytes, written_bytes; /* by initiators */
    struct set_cache_status cache;
};
/* As it is now; strings are the export's. */
void export_look(struct export *export, struct export_view *ret);
void export_view_clear(struct export_view *view);
/* FALSE when there is nothing to wait for any more: what it was mounted on was unmounted. */
gboolean export_is_served(struct export *export);
