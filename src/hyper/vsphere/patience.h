/* SPDX-License-Identifier: GPL-3.0-or-later */
/* patience.h: trying again what a server may do the next time.
 *
 * For what has to be done whatever happens: nothing here looks at cancel.h. */
#pragma once

#include "hyper/vsphere/vsphere.h"

#define PATIENCE_TRIES 9u

struct patience {
    struct vsphere *vsphere;
    guint tries; /* so far */
};

/* TRUE for a failure that may be another one or none next time: a lost connection, a machine that
 * is busy or in another state; not for a missing permission or licence. */
gboolean patience_may_help(const GError *error);
/* Wait, longer each time; FALSE when that was done often enough, or `error` will not pass. */
gboolean patience_wait(struct patience *patience, const GError *error);
/* Wait until no task of `object` (a machine) runs or waits any more.  What cannot be found out is
 * not waited for. */
void patience_settle(struct vsphere *vsphere, const struct moref *object);
/* The first pause. */
guint patience_pause_ms(const struct vsphere *vsphere);
/* Seconds that a task may go without any progress: snapshots of large disks on slow storage. */
guint patience_stall(const struct vsphere *vsphere);
