/* SPDX-License-Identifier: GPL-3.0-or-later */
/* depot_set.h: everything that the connected depots offer, by id, by name, by wish.
 *
 * Borrows nothing: it owns the depots put into it.  Read-only once filled, any thread. */
#pragma once

#include "esx/depot.h"

struct depot_set;

struct depot_set *depot_set_new(void);
void depot_set_free(struct depot_set *set);
AUTO_PTR_DEFINE(depot_set, depot_set_free)

/* Takes over `depot`. */
void depot_set_add(struct depot_set *set, struct depot *depot);
/* The depot stays the caller's and must outlive the set. */
void depot_set_add_borrowed(struct depot_set *set, struct depot *depot);
GPtrArray *depot_set_depots(struct depot_set *set); /* of struct depot *; borrowed */

/* The package with this VIB id, from the first depot that has it (a local one before one on a
 * server); NULL when none has. */
struct package *depot_set_find(struct depot_set *set, const char *vib_id);

/* One package an id, of all depots. */
GPtrArray *depot_set_packages(struct depot_set *set); /* of struct package *; caller unrefs */

/* All versions of the VIB called `name`, newest first. */
GPtrArray *depot_set_by_name(struct depot_set *set, const char *name); /* caller unrefs */

/* Packages that satisfy `wish`, by name, each newest first, `product` as in vib_for_product(). */
GPtrArray *depot_set_providers(struct depot_set *set, const struct relation *wish,
                               const char *product); /* caller unrefs */

/* What a user writes to name one package: a VIB id, `name` (highest version), `name=version`,
 * `name version` (a version without a release takes the newest one with it), or a component id
 * (then several).  Appends to `ret` (of struct package *).
 * SLIPWAY_ERROR_NOT_FOUND says what comes near. */
gboolean depot_set_resolve(struct depot_set *set, const char *text, GPtrArray *ret, GError **error);

/* `text` names a profile as `NAME` or `VENDOR/NAME` (or its profile id).  With several of one
 * name SLIPWAY_ERROR_USAGE lists the vendors. */
const struct profile *depot_set_find_profile(struct depot_set *set, const char *text,
                                             GError **error);
