/* SPDX-License-Identifier: GPL-3.0-or-later */
/* metadata_write.h: metadata.zip of an offline bundle, made in memory.
 * Format: doc/format/depot.md. */
#pragma once

#include "esx/bulletin.h"
#include "esx/descriptor_splice.h"
#include "esx/profile.h"
#include "esx/vib.h"

/* A VIB with the bytes of its descriptor and what is said of its file. */
struct metadata_vib {
    const struct vib *vib; /* borrowed, like all below */
    GBytes *descriptor;
    struct vib_facts facts;
};

struct metadata_write {
    const char *const *versions; /* platform versions, ended by NULL */
    const char *timestamp;       /* of vmware.xml */
    GArray *vibs;                /* of struct metadata_vib, in the order to be written */
    GPtrArray *bulletins;        /* of struct bulletin * */
    GPtrArray *profiles;         /* of struct profile *; written without payload maps */
    GHashTable *extra;           /* char * name -> GBytes *: further members; NULL: none */
};

/* The archive; the same input gives the same bytes.  SLIPWAY_ERROR_CORRUPT as of
 * descriptor_splice(), or when two members would have one name. */
GBytes *metadata_write(const struct metadata_write *metadata, GError **error);

/* vmware.xml, which older update managers read: each bulletin with all there is to say of its
 * VIBs.  VIBs of a bulletin that are not in `vibs` are left out. */
char *metadata_format_legacy(const struct metadata_write *metadata);
