/* SPDX-License-Identifier: GPL-3.0-or-later */
/* known_depots.h: public depots by name, so that `depot add hpe` works.
 *
 * From known-depots.json of the installation, /etc/slipway/known-depots.json and
 * $XDG_CONFIG_HOME/slipway/known-depots.json (~/.config), later ones adding to and replacing
 * earlier ones by name.  $SLIPWAY_DATA_DIR names another directory for the first. */
#pragma once

#include "base/auto_ptr.h"

#include <glib.h>

#define KNOWN_DEPOTS_MAX (1u << 20) /* bytes of one file */

struct known_depot {
    char *name;   /* "hpe" */
    char *vendor; /* "Hewlett Packard Enterprise" */
    char *description;
    char *url; /* may hold {token}; NULL: none is public, see the note */
    gboolean needs_token;
    char *token_help; /* where a customer gets it; NULL */
    char *note;       /* NULL */
};
void known_depot_free(struct known_depot *depot);
AUTO_PTR_DEFINE(known_depot, known_depot_free)

/* of struct known_depot *, in the order of the files; the caller unrefs.  A file that is not there
 * is none; SLIPWAY_ERROR_CORRUPT and SLIPWAY_ERROR_LIMIT name the file. */
GPtrArray *known_depots_load(GError **error);
const struct known_depot *known_depots_find(GPtrArray *depots, const char *name);
/* The URL with the token in its place (and registered as a secret).  SLIPWAY_ERROR_USAGE when a
 * token is needed and NULL, or given and not needed; SLIPWAY_ERROR_UNSUPPORTED when the depot has
 * no public URL. */
char *known_depot_url(const struct known_depot *depot, const char *token, GError **error);
