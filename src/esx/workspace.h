/* SPDX-License-Identifier: GPL-3.0-or-later */
/* workspace.h: what stays between two commands: the connected depots and the user's own profiles.
 *
 * A directory: depots.json (mode 0600: locations may hold tokens), profiles/ID.xml, verified.json
 * (VIB files whose every checksum was once found right, by their SHA-256), lock, and cache/
 * unless it is elsewhere.  Format: doc/format/workspace.md.  Every change is one durable rename;
 * a writer holds the lock while it changes things, readers need none.  One object, one thread. */
#pragma once

#include "esx/depot_set.h"

#define WORKSPACE_VERIFIED_MAX 50000

struct workspace;

/* Open, and create when it is not there: `directory`, or with NULL $SLIPWAY_WORKSPACE, or
 * $XDG_STATE_HOME/slipway, or ~/.local/state/slipway.  The cache is `directory`/cache when a
 * directory was named (here or by the variable), else $XDG_CACHE_HOME/slipway (~/.cache/slipway).
 * SLIPWAY_ERROR_IO, SLIPWAY_ERROR_CORRUPT, SLIPWAY_ERROR_UNSUPPORTED (written by a newer one). */
struct workspace *workspace_open(const char *directory, GError **error);
void workspace_close(struct workspace *workspace);
AUTO_PTR_DEFINE(workspace, workspace_close)

const char *workspace_directory(const struct workspace *workspace);
const char *workspace_cache_directory(const struct workspace *workspace);

/* Hold the lock until workspace_close(); waits up to 10 s, then SLIPWAY_ERROR_BUSY.  Reads the
 * state again: what was borrowed before is gone.  Needed only around several changes that belong
 * together, or a look and a change: every function below that changes something holds the lock
 * for itself while it does, unless it is held already. */
gboolean workspace_lock(struct workspace *workspace, GError **error);

/* A connected depot. */
struct workspace_depot {
    char *name;     /* short, unique, given or made ("depot1"); what `depot remove` takes */
    char *location; /* secret! */
    char *title;    /* url_redact()ed */
    char *known;    /* name in the list of known depots, or NULL */
    char *token;    /* what is secret in the location and need not look so, or NULL */
    char *user;     /* name that it was connected with (--user), or NULL */
    gint64 added;   /* seconds since 1970 */
};
GPtrArray *
workspace_depots(struct workspace *workspace); /* of struct workspace_depot *; borrowed */
/* What is known of a depot that is to be connected. */
struct workspace_addition {
    const char *name;     /* 1..64 characters of [A-Za-z0-9._-]; NULL: one is made */
    const char *location; /* a local one is made absolute */
    const char *known;    /* the rest as in struct workspace_depot */
    const char *token;
    const char *user;
};
/* SLIPWAY_ERROR_USAGE for a bad name, SLIPWAY_ERROR_EXISTS when location or name is connected
 * already. */
gboolean workspace_add_depot(struct workspace *workspace, const struct workspace_addition *addition,
                             GError **error);
/* By name, location or title.  SLIPWAY_ERROR_NOT_FOUND. */
gboolean workspace_remove_depot(struct workspace *workspace, const char *which, GError **error);

/* The one with this name, location or title; NULL when there is none. */
const struct workspace_depot *workspace_find_depot(struct workspace *workspace, const char *which);

/* Load all connected depots.  One that cannot be loaded is an error, which says `depot update` or
 * `depot remove`. */
struct depot_set *workspace_load(struct workspace *workspace, const struct depot_context *context,
                                 GError **error);

/* The user's own profiles. */
/* When a profile of the workspace was saved last, in seconds since 1970; 0 when that is not known.
 * The profile itself carries no such time: it would be in the image, which must be reproducible. */
gint64 workspace_profile_saved(struct workspace *workspace, const struct profile *profile);
GPtrArray *workspace_profiles(struct workspace *workspace); /* of struct profile *; borrowed */
/* `text` is `NAME`, `VENDOR/NAME` or a profile id.  NULL without an error: there is none.  With
 * several of one name SLIPWAY_ERROR_USAGE lists the vendors.  Borrowed; stays until the profile is
 * saved or deleted, or workspace_lock(). */
struct profile *workspace_find_profile(struct workspace *workspace, const char *text,
                                       GError **error);
/* Save a new or changed profile (unique by name and vendor).  Takes a copy.  SLIPWAY_ERROR_USAGE
 * for names beyond their limits. */
gboolean workspace_save_profile(struct workspace *workspace, const struct profile *profile,
                                GError **error);
/* SLIPWAY_ERROR_NOT_FOUND. */
gboolean workspace_delete_profile(struct workspace *workspace, const struct profile *profile,
                                  GError **error);

/* VIB files whose every checksum was found right before; the key is the file's SHA-256.  At most
 * WORKSPACE_VERIFIED_MAX are remembered, the oldest are forgotten. */
gboolean workspace_is_verified(struct workspace *workspace, const char *sha256);
gboolean workspace_add_verified(struct workspace *workspace, GPtrArray *sha256s, GError **error);
