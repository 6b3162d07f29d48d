/* SPDX-License-Identifier: GPL-3.0-or-later */
/* profile_edit.h: changing a profile's list of packages by the rules: adding replaces another
 * version of the same name, read-only profiles refuse, acceptance levels hold. */
#pragma once

#include "esx/depot_set.h"
#include "esx/rules.h"

struct profile_edit {
    struct profile *profile; /* changed in place, and only when the whole edit succeeds */
    struct depot_set *depots;
    gboolean lower_acceptance; /* lower the profile's level instead of refusing a VIB */
    gboolean force;            /* keep the change although rules break */
};

/* An edit that changes the list raises the serial number, forgets the time of the last change
 * and drops `extra`, which speaks of components that the list no longer is made of. */

struct profile_change {
    char *added;    /* VIB id; NULL: only removed */
    char *replaced; /* VIB id that it took the place of, or that was removed; NULL */
    gboolean downgrade;
};
void profile_change_free(struct profile_change *change);

/* Add packages (of struct package *).  Of several versions of one name the highest is taken.
 * `ret_changes` gets struct profile_change * in order, and `ret_problems` every problem that the
 * profile now has (may be NULL).  SLIPWAY_ERROR_READ_ONLY says to clone; SLIPWAY_ERROR_RULES names
 * a VIB below the profile's acceptance level and the two ways out.  Other broken rules are left
 * to `profile check` and export, as ImageBuilder does, but come back in `ret_problems`. */
gboolean profile_edit_add(const struct profile_edit *edit, GPtrArray *packages,
                          GPtrArray *ret_changes, GPtrArray **ret_problems, GError **error);
/* Remove by name or VIB id.  SLIPWAY_ERROR_NOT_FOUND. */
gboolean profile_edit_remove(const struct profile_edit *edit, const char *const *names,
                             GPtrArray *ret_changes, GPtrArray **ret_problems, GError **error);

/* The VIBs of a profile, from the depots; ids that no depot has are appended to `ret_missing`
 * (of char *).  of struct package *; the caller unrefs. */
GPtrArray *profile_packages(const struct profile *profile, struct depot_set *depots,
                            GPtrArray *ret_missing);
/* Every rule, remedies included. */
GPtrArray *profile_problems(const struct profile *profile, struct depot_set *depots);

/* Compare-EsxImageProfile: ids of VIBs, each list sorted; upgrades and downgrades are VIBs of the
 * compared profile.  `equal`: same VIBs and same acceptance level. */
struct profile_comparison {
    gboolean equal, packages_equal;
    enum acceptance ref_acceptance, comp_acceptance;
    GPtrArray *only_in_ref, *only_in_comp, *upgrade_from_ref,
        *downgrade_from_ref; /* of char * ids */
};
void profile_comparison_clear(struct profile_comparison *comparison);
void profile_compare(const struct profile *reference, const struct profile *compared,
                     struct depot_set *depots, struct profile_comparison *ret);
