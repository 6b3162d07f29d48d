/* SPDX-License-Identifier: GPL-3.0-or-later */
/* recipe_depots.h: the depots that a recipe names, loaded. */
#pragma once

#include "esx/recipe.h"

struct recipe_depots {
    struct depot_set *set;
    GHashTable *titles; /* const struct depot * -> char *: as the recipe calls it */
    GPtrArray *added;   /* of struct package *, borrowed: of files in `add` */
};

/* Load every depot of the recipe, and with `files` the .vib and .zip files of its `add` list, of
 * which all packages come into `added`.  A token is read from its file, else from SLIPWAY_TOKEN.
 * SLIPWAY_ERROR_USAGE for a file that is neither; otherwise what depot_load() and known_depots.h
 * fail with. */
struct recipe_depots *recipe_depots_load(const struct recipe *recipe, gboolean files,
                                         const struct depot_context *context, GError **error);
void recipe_depots_free(struct recipe_depots *depots);
AUTO_PTR_DEFINE(recipe_depots, recipe_depots_free)

/* What a lock file calls the depot of `package`. */
const char *recipe_depots_title(const struct recipe_depots *depots, const struct package *package);
