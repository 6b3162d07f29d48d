/* SPDX-License-Identifier: GPL-3.0-or-later */
/* recipe_profile.h: the image profile that a recipe with `base: {profile: ...}` describes. */
#pragma once

#include "esx/recipe_depots.h"
#include "esx/recipe_lock.h"

/* Clone the base, remove and add; VIBs are in the order of their ids, so that the same VIBs give
 * the same profile however they came to be chosen.  With `locked` the VIBs and the acceptance
 * level are those of the lock file, whatever newer ones the depots have.
 *
 * What depot_set_find_profile(), depot_set_resolve() and profile_edit.h fail with;
 * SLIPWAY_ERROR_USAGE for names beyond their limits. */
struct profile *recipe_profile_make(const struct recipe *recipe, const struct recipe_depots *depots,
                                    const struct recipe_lock *locked, GError **error);
