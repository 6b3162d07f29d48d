/* SPDX-License-Identifier: GPL-3.0-or-later */
/* depot_source.h: reading the documents of a depot, wherever it is; private to depot*.c.
 *
 * A document has a place: an absolute URL (online), a member name (bundle), or an absolute path
 * (directory).  A relative reference is resolved against the place of the document it is in, and
 * may not lead out of the depot. */
#pragma once

#include "base/zip_reader.h"
#include "esx/depot.h"

struct depot_source {
    enum depot_kind kind;
    char *root;             /* directory: absolute path of it */
    struct zip_reader *zip; /* bundle */
};

struct depot_source *depot_source_new(enum depot_kind kind);
void depot_source_free(struct depot_source *source);

/* Where `reference`, read in the document at `base`, leads.  Free with g_free().
 * SLIPWAY_ERROR_CORRUPT when it leads out of the depot. */
char *depot_source_resolve(const struct depot_source *source, const char *base,
                           const char *reference, GError **error);

/* The bytes of the document at `place`. */
GBytes *depot_source_read(struct depot_source *source, const struct depot_context *context,
                          const char *place, gsize limit, GError **error);

/* Read the first of `places` (ends with NULL) that is there; those that were fetched before are
 * asked for first.  *ret_place tells which it was.  Fails with what the first one failed with. */
GBytes *depot_source_read_first(struct depot_source *source, const struct depot_context *context,
                                const char *const *places, gsize limit, char **ret_place,
                                GError **error);

/* The URL that led to the copy of `url` in the cache, after redirects, when it is another one and
 * may be written down; else NULL. */
char *depot_source_redirected(const struct depot_context *context, const char *url);

/* A zip archive inside the depot, ready for reading: large ones on disk are not read into memory.
 */
struct zip_reader *depot_source_open_zip(struct depot_source *source,
                                         const struct depot_context *context, const char *place,
                                         GError **error);

/* A document from the cache or the server, as a local path. */
char *depot_source_fetch(const struct depot_context *context, const char *url, guint64 limit,
                         GError **error);

/* How `place` may be shown. */
char *depot_source_title(const struct depot_source *source, const char *place);
