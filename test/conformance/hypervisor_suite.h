/* SPDX-License-Identifier: GPL-3.0-or-later */
/* hypervisor_suite.h: what every driver of struct hypervisor must do (src/hyper/hypervisor.h), as
 * tests of one kind of hypervisor under /hypervisor/NAME/.
 *
 * What a driver cannot (hypervisor_capabilities(), a function here that is NULL) is skipped. */
#pragma once

#include "../unit/scratch_directory.h"
#include "hyper/hypervisor.h"

struct hypervisor_suite {
    const char *name;
    /* The machine that begin() makes run.  Its disks in `disks` (names as machine_disk.name, ended
     * by NULL, one at least) have 4 MiB or more each, a multiple of 64 KiB, and read as zeros; the
     * suite reads them completely and often. */
    const char *machine;
    const char *const *disks;
    guint64 granularity; /* of changes, at most 64 KiB; 0: they are not tracked */
    /* begin() gives the same machine each time, with what was written: the suite writes zeros over
     * that in the end. */
    gboolean shared;

    /* Make a hypervisor with that machine, running.  Whatever it needs may be put into the scratch
     * directory.  NULL when that cannot be tried here, after g_test_skip(). */
    gpointer (*begin)(const struct hypervisor_suite *suite, const struct scratch *scratch);
    /* Undo it. */
    void (*end)(gpointer peer);
    /* A session; the suite closes it before end(), and has one at a time. */
    struct hypervisor *(*open)(gpointer peer, GError **error);
    /* Fill a range (multiples of 64 KiB) as the machine's guest would, also while it is frozen; it
     * is on the disk when this returns.  After stop() it is not called. */
    void (*write)(gpointer peer, const char *disk, guint64 offset, guint64 length, guint8 pattern);
    /* NULL when nothing of a run is on the host: no snapshot, attached disk, job, half-made
     * machine; else what there is (free it with g_free()).  What a kept change id needs does not
     * count, nor what leave() put there. */
    char *(*left)(gpointer peer);

    /* Each may be NULL: */

    /* Tracking is disturbed, so that older change ids must not be trusted. */
    void (*forget_changes)(gpointer peer);
    /* The next quiescing fails (`works` FALSE), or works. */
    void (*set_quiesce)(gpointer peer, gboolean works);
    /* Turn the machine off. */
    void (*stop)(gpointer peer);
    /* Put on the machine what a run with that mark leaves behind when it is killed while the
     * machine is frozen; `mark` may also be a name that is no mark.  One at a time. */
    void (*leave)(gpointer peer, const char *mark);
    gboolean (*has)(gpointer peer, const char *mark);
    /* Remove it. */
    void (*drop)(gpointer peer, const char *mark);
    /* Open a disk of a machine (by name) that is off, not by the driver. */
    struct disk *(*look)(gpointer peer, const char *machine, const char *disk);
    /* Remove a machine that the suite made, with its disks. */
    void (*remove)(gpointer peer, const char *machine);

    gconstpointer data; /* theirs */
};

/* Add the tests; `suite` is constant and outlives g_test_run(). */
void hypervisor_suite_add(const struct hypervisor_suite *suite);
