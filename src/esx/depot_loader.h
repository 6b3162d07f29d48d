/* SPDX-License-Identifier: GPL-3.0-or-later */
/* depot_loader.h: what depot_load.c (which archives there are) and depot_metadata.c (what is in
 * them) share. */
#pragma once

#include "esx/depot_private.h"

struct depot_loader {
    struct depot *depot;
    const struct depot_context *context;
    GHashTable *by_id; /* borrowed VIB id -> struct package * */
    char *redirected;  /* where the index was found instead; NULL: where it was asked for */
    gsize extra_size;
    guint bad_vibs;
    GError *first_bad;
};

/* One metadata archive, for one or more channels. */
struct depot_archive {
    char *place;         /* of metadata.zip */
    char *vib_base;      /* place that VIB paths are relative to */
    GPtrArray *channels; /* of struct depot_channel *, borrowed */
    /* What became of fetching it; both NULL: not tried yet. */
    char *fetched; /* path of the copy */
    GError *failure;
};

/* A package of `vib`, which it takes over, without a place yet. */
struct package *depot_loader_add(struct depot_loader *loader, struct vib *vib);

/* Read a metadata archive into the depot. */
gboolean depot_loader_read(struct depot_loader *loader, const struct depot_archive *archive,
                           GError **error);
