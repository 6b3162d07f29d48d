/* SPDX-License-Identifier: GPL-3.0-or-later */
/* snapshot.h: snapshots of a machine: made with the guest at rest where that can be, found, and
 * removed so that nothing of them is left.
 *
 * Ours are told by their names, which are marks (mark.h). */
#pragma once

#include "base/progress.h"
#include "hyper/vsphere/vsphere.h"

#define SNAPSHOTS_MAX 4096u
#define SNAPSHOTS_DEPTH_MAX 64u /* servers allow 32 */

struct snapshot {
    struct moref self;
    char *name;
    char *created; /* as the server says it; NULL */
};
void snapshot_free(struct snapshot *snapshot);

/* Those in a machine's property `snapshot` (NULL: none), of struct snapshot *.  What is beyond the
 * limits is left out. */
GPtrArray *snapshot_list(const xmlNode *property);
/* The one of that name that `machine` has now: *ret NULL when there is none; snapshot_free(). */
gboolean snapshot_find(struct vsphere *vsphere, const struct moref *machine, const char *name,
                       struct snapshot **ret, GError **error);

struct snapshot_wish {
    const struct moref *machine;
    const char *label; /* of the machine, for messages */
    const char *name;  /* a mark */
    gboolean quiesce;
    guint minutes; /* that the guest may take for it; 0: the server's limit */
    struct progress *progress;
};
/* Make a snapshot without memory.  When the answer is lost, it is looked for by its name.  On
 * failure something of it may be there: snapshot_remove().  SLIPWAY_ERROR_CANCELLED. */
gboolean snapshot_create(struct vsphere *vsphere, const struct snapshot_wish *wish,
                         struct moref *ret, GError **error);

/* Remove a snapshot, not its children, and wait until its disks are merged, for as long as that
 * goes on; tries again what may pass, and goes on although the user has cancelled.  One that is not
 * there (any more) is fine, and so is a machine that is not.  The message of a failure says how to
 * do it by hand. */
gboolean snapshot_remove(struct vsphere *vsphere, const struct moref *machine, const char *label,
                         const char *name, struct progress *progress, GError **error);
/* Merge what a removed snapshot left; *ret_done (may be NULL): that was needed. */
gboolean snapshot_consolidate(struct vsphere *vsphere, const struct moref *machine,
                              const char *label, gboolean *ret_done, GError **error);
