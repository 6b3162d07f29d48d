/* SPDX-License-Identifier: GPL-3.0-or-later */
/* domain_disk.h: what a machine's description says of one disk, for reading it.  Pure. */
#pragma once

#include "base/auto_ptr.h"

#include <glib.h>

#define DOMAIN_DISK_IDENTITY 16u /* hex digits */

struct domain_disk {
    char *name;          /* "vda" */
    char *format;        /* "qcow2"; "raw" when none is said */
    char *path;          /* of a file or device of the host; NULL: it is none */
    char *pool, *volume; /* or both of these */
    /* Of its image: another image has another one.  NULL: it has no source. */
    char *identity;
    gboolean thread;  /* its requests, or its controller's, are done by an iothread */
    GPtrArray *below; /* of char *: those of the images below it, in a running machine */
};
void domain_disk_free(struct domain_disk *disk);
AUTO_PTR_DEFINE(domain_disk, domain_disk_free)

/* Disk `name` of a description.  SLIPWAY_ERROR_NOT_FOUND, SLIPWAY_ERROR_CORRUPT. */
struct domain_disk *domain_disk_read(const char *xml, const char *name, GError **error);
/* Whether the disk stands on the image of that identity. */
gboolean domain_disk_has(const struct domain_disk *disk, const char *identity);
