/* SPDX-License-Identifier: GPL-3.0-or-later */
/* image_upgrade.h: UPGRADE/ of an installation ISO: the profile and the metadata of its VIBs, which
 * an upgrade of a running host reads.  Format: doc/format/iso.md. */
#pragma once

#include "esx/imgdb.h"
#include "esx/metadata_write.h"

/* A VIB for the upgrade metadata. */
struct upgrade_vib {
    const struct vib *vib; /* borrowed */
    GBytes *descriptor;    /* borrowed */
    guint64 size;          /* of the .vib file; 0 unknown */
    const char *sha256;    /* of the .vib file; NULL unknown */
};

/* The bytes of METADATA.ZIP.  `version` is that of ESXi; `bulletins` (of struct bulletin *) go
 * along, and `extra` (member name -> GBytes *; may be NULL).  A VIB whose size or SHA-256 is not
 * known is written without them. */
GBytes *image_upgrade_metadata(const struct profile *profile, GArray *vibs, GPtrArray *bulletins,
                               GHashTable *extra, const char *version, GError **error);

/* What an existing METADATA.ZIP says beside its profile. */
struct upgrade_metadata {
    GHashTable *vibs;     /* char * VIB id -> struct vib *, with size and SHA-256 of the file */
    GPtrArray *bulletins; /* of struct bulletin * */
    GHashTable *extra;    /* char * member name -> GBytes *: what is not understood */
};

/* SLIPWAY_ERROR_CORRUPT, SLIPWAY_ERROR_LIMIT; `label` names the archive. */
struct upgrade_metadata *upgrade_metadata_parse(GBytes *zip, const char *label, GError **error);
void upgrade_metadata_free(struct upgrade_metadata *metadata);
AUTO_PTR_DEFINE(upgrade_metadata, upgrade_metadata_free)
