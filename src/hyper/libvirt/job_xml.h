/* SPDX-License-Identifier: GPL-3.0-or-later */
/* job_xml.h: what libvirt is told about a backup job and a checkpoint, in its words.  Pure. */
#pragma once

#include <glib.h>

/* What the bitmap of changes is called on the NBD server. */
#define JOB_BITMAP "slipway-changes"

struct job_disk {
    const char *name;
    const char *incremental; /* a checkpoint: what changed since is marked; NULL: nothing is */
    const char *scratch;     /* a file for what the guest overwrites meanwhile */
    gboolean tracked;        /* the new checkpoint includes it */
};

/* Only these disks take part. */
char *job_xml_backup(const struct job_disk *disks, guint n, const char *socket);
/* NULL when no disk is tracked. */
char *job_xml_checkpoint(const struct job_disk *disks, guint n, const char *name);
/* The socket of a job as libvirt describes it; NULL when it has none. */
char *job_xml_socket(const char *xml);
/* Whether a checkpoint, as libvirt describes it, includes a disk. */
gboolean job_xml_has_disk(const char *checkpoint, const char *disk);
