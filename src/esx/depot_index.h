/* SPDX-License-Identifier: GPL-3.0-or-later */
/* depot_index.h: the two index documents of a depot: index.xml (or vmw-depot-index.xml),
 * which lists vendors, and each vendor's index, which lists metadata archives.
 * Format: doc/format/depot.md. */
#pragma once

#include "base/auto_ptr.h"

#include <glib.h>

#define DEPOT_INDEX_MAX (4u << 20)
#define DEPOT_INDEX_ENTRIES_MAX 4096

struct depot_vendor {
    char *name;
    char *code;
    char *index_file;    /* relative, relativePath already in front */
    char *relative_path; /* "" or a path that ends with / */
};

struct depot_metadata {
    char *product; /* "embeddedEsx"; others are to be skipped */
    char *version; /* "7.0.0", "5.*" */
    char *locale;
    char *url;     /* as written */
    char *channel; /* "default" when none is given */
    char *vib_url; /* NULL: VIBs lie relative to the vendor index */
};

void depot_vendor_free(struct depot_vendor *vendor);
AUTO_PTR_DEFINE(depot_vendor, depot_vendor_free)
void depot_metadata_free(struct depot_metadata *metadata);
AUTO_PTR_DEFINE(depot_metadata, depot_metadata_free)

/* Lists of pointers that free their elements.  SLIPWAY_ERROR_CORRUPT, SLIPWAY_ERROR_LIMIT. */
GPtrArray *depot_index_parse(const void *data, gsize length, const char *label, GError **error);
GPtrArray *vendor_index_parse(const void *data, gsize length, const char *label, GError **error);

/* The exact texts that an offline bundle has. */
char *depot_index_format(const char *vendor_name, const char *vendor_code);
/* One entry a version (a list ended by NULL), all pointing at metadata.zip. */
char *vendor_index_format(const char *const *versions);
