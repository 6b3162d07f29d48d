/* SPDX-License-Identifier: GPL-3.0-or-later */
/* depot.h: a software depot, loaded: its packages, profiles and bulletins.
 *
 * A depot is an online depot (index over HTTP), an offline bundle (zip, local or
 * fetched), a directory with an unpacked bundle, or a single .vib file.  Loading
 * reads metadata only; a VIB's own bytes are read when package_open() is called.
 * After it was loaded a depot does not change and may be read from any thread. */
#pragma once

#include "base/auto_ptr.h"
#include "base/http.h"
#include "base/http_cache.h"
#include "base/stream.h"
#include "esx/bulletin.h"
#include "esx/profile.h"
#include "esx/vib.h"

#define DEPOT_METADATA_MAX (512u << 20) /* one metadata.zip, and what it unpacks to */
#define DEPOT_BUNDLE_MAX ((guint64)64 << 30)

enum depot_kind { DEPOT_ONLINE, DEPOT_BUNDLE, DEPOT_DIRECTORY, DEPOT_VIB };

struct depot_channel {
    char *vendor; /* name of the vendor in the index; "" for a bare VIB */
    char *name;
    GPtrArray *versions; /* of char *: platform versions of embeddedEsx */
};

struct depot;

/* A VIB as one depot offers it. */
struct package {
    struct vib *vib;
    struct depot *depot; /* borrowed */
    GPtrArray *channels; /* of struct depot_channel *, borrowed */
    char *location;      /* member name, path, or URL (secret!) of the .vib */
    char *local_path; /* of one on a server: where its copy lies once it was fetched; else NULL */
};

struct depot {
    enum depot_kind kind;
    char *location;       /* as given: URL (may hold secrets) or absolute path */
    char *title;          /* what may be shown: url_redact() of it */
    GPtrArray *channels;  /* of struct depot_channel * */
    GPtrArray *packages;  /* of struct package *; by VIB id, no id twice */
    GPtrArray *profiles;  /* of struct profile * */
    GPtrArray *bulletins; /* of struct bulletin * */
    GHashTable *extra;    /* char * member name -> GBytes *: notifications.xml, baseimages/...,
                           * addons/..., solutions/..., manifests/... kept as they are */
    struct depot_source *source; /* private */
};

/* How to reach things. */
struct depot_context {
    struct http_client *client; /* may be NULL: local depots only */
    struct http_cache *cache;   /* may be NULL: local depots only */
    const char *download_dir;   /* for fetched bundles and VIBs; NULL: local depots only */
    gboolean revalidate;        /* ask the server for news; FALSE: what is cached is good */
    gboolean offline;
    struct progress *progress;
};

const char *depot_kind_name(enum depot_kind kind); /* "online", "bundle", "directory", "vib" */

/* Load the depot at `location`: an http(s) URL that ends in .xml (an index), in .zip (a bundle),
 * in .vib, or anything else (a root; index.xml, then vmw-depot-index.xml are tried); or a local
 * path of a .zip, a .vib, an index .xml or a directory.  Fails with any code
 * of http.h, SLIPWAY_ERROR_NOT_FOUND, SLIPWAY_ERROR_CORRUPT, SLIPWAY_ERROR_LIMIT,
 * SLIPWAY_ERROR_UNSUPPORTED.  A single VIB of the metadata that cannot be parsed is left out
 * with a warning; when none can be parsed that is the error. */
struct depot *depot_load(const char *location, const struct depot_context *context, GError **error);
void depot_free(struct depot *depot);
AUTO_PTR_DEFINE(depot, depot_free)

/* Fetch the .vib files of those of `packages` (of struct package *) that lie on a server and are
 * not here yet, in parallel, each checked against size and checksum of its metadata. */
gboolean packages_fetch(GPtrArray *packages, const struct depot_context *context, GError **error);

/* The same, but one that its server has not, or has damaged, does not keep the others from being
 * fetched: it goes with its error into `failed`, struct package * (borrowed) -> GError * (owned,
 * the table has to free it). */
gboolean packages_fetch_each(GPtrArray *packages, const struct depot_context *context,
                             GHashTable *failed, GError **error);

/* The bytes of the .vib file.  A package on a server must have been fetched
 * (SLIPWAY_ERROR_NETWORK otherwise). */
struct stream *package_open(const struct package *package, GError **error);

/* The SHA-256 that the whole file must have, lower-case hex, or NULL when the metadata has none. */
const char *package_sha256(const struct package *package);
