/* SPDX-License-Identifier: GPL-3.0-or-later */
/* export_vib.h: a VIB of a depot as its own file describes it, held against what the depot says of
 * it.
 *
 * Only the head of the file is read; its payloads are checked where they pass by (vib_check.h). */
#pragma once

#include "esx/depot.h"

struct export_vib {
    struct package *package; /* borrowed from the depot; its vib is the depot's copy */
    struct vib *vib;         /* parsed from the descriptor inside the .vib file */
    GBytes *descriptor;      /* exact bytes of descriptor.xml */
    GBytes *signature;       /* exact bytes of sig.pkcs7; empty when unsigned */
    guint64 size;            /* of the .vib file ... */
    char *sha256;            /* ... and its SHA-256: as the depot says, or of a file that lies
                              * there without any metadata, as it is */
};

/* SLIPWAY_ERROR_CORRUPT for a .vib file that is not what its depot says (id, acceptance level,
 * payloads); otherwise what package_open() and vib_file_open() fail with. */
struct export_vib *export_vib_open(struct package *package, GError **error);
void export_vib_free(struct export_vib *file);
AUTO_PTR_DEFINE(export_vib, export_vib_free)
