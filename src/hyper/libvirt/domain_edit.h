/* SPDX-License-Identifier: GPL-3.0-or-later */
/* domain_edit.h: the description of a machine that was backed up, for a new machine.
 *
 * What belongs to the old one or its host goes: UUID, generation id, devices of the host, labels of
 * its security, paths of sockets, media that are not there.  Each is told.  Pure. */
#pragma once

#include "hyper/machine.h"

/* What a host has. */
struct domain_host {
    gboolean kvm, efi, secure;
    GPtrArray *machines; /* of char *: machine types ("pc-q35-7.2"); NULL: not known */
    gboolean (*exists)(const char *path); /* of files and folders; NULL: all are there */
};

struct domain_volume {
    const char *disk; /* its name */
    const char *path, *format;
    gboolean block; /* a device */
};

/* The new description: `wanted` says name, NICs and which disks are left out.  Appends sentences
 * (char *) to `words`.  SLIPWAY_ERROR_CORRUPT, SLIPWAY_ERROR_LIMIT: `xml` is none;
 * SLIPWAY_ERROR_UNSUPPORTED: this host cannot have it (UEFI). */
char *domain_edit_native(const char *xml, const struct machine *wanted,
                         const struct domain_volume *volumes, guint n,
                         const struct domain_host *host, GPtrArray *words, GError **error);
