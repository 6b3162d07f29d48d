/* SPDX-License-Identifier: GPL-3.0-or-later */
/* depot_verify.h: every VIB of a depot, checked as an export checks it, but none of them used.
 *
 * What was found right is remembered (workspace.h), so that an export checks the SHA-256 of such a
 * file alone.  Signatures are left to the export: whom to trust may change. */
#pragma once

#include "esx/depot.h"
#include "esx/workspace.h"

/* A VIB that an export would refuse. */
struct depot_damage {
    const struct package *package; /* borrowed from the depot */
    GPtrArray *reasons; /* of char *: sentences, without the id of the VIB; the first tells most */
};

struct depot_verification {
    guint packages;     /* that were checked */
    guint remembered;   /* of them those that were found right before: by their SHA-256 alone */
    guint dropped;      /* of the damaged ones: fetched copies that were thrown away */
    GPtrArray *damaged; /* of struct depot_damage *, in the order of the depot's packages */
};
void depot_verification_free(struct depot_verification *verification);
AUTO_PTR_DEFINE(depot_verification, depot_verification_free)

/* Check all packages of `depot`; those on a server are fetched first, and a damaged copy of one is
 * thrown away, so that it will be fetched again.  `verified` (may be NULL)
 * remembers the good ones, also when this stops halfway.  One that is damaged, missing or cannot be
 * read is a finding; NULL only with SLIPWAY_ERROR_CANCELLED, or when fetching fails for a reason
 * that lies not in one file (http.h). */
struct depot_verification *depot_verify(struct depot *depot, const struct depot_context *context,
                                        struct workspace *verified, GError **error);
