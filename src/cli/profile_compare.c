/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/json_value.h"
#include "cli/nouns.h"
#include "cli/session.h"

static void
print_ids(struct ui *ui, const char *title, const char *member, const GPtrArray *ids)
{
    if (ids->len > 0)
        ui_print(ui, "\n%s:\n", title);
    for (guint i = 0; i < ids->len; i++)
        ui_print(ui, "  %s\n", (const char *)ids->pdata[i]);
    ui_set(ui, member, json_value_texts(ids));
}

static void
print_comparison(struct ui *ui, const struct profile *reference, const struct profile *compared,
                 const struct profile_comparison *comparison)
{
    g_autofree char *only_first = g_strdup_printf("Only in %s", reference->name);
    g_autofree char *only_second = g_strdup_printf("Only in %s", compared->name);
    g_autofree char *higher = g_strdup_printf("Higher in %s", compared->name);
    g_autofree char *lower = g_strdup_printf("Lower in %s", compared->name);
    ui_print(ui, "%s (%s) and %s (%s) %s\n", reference->name,
             acceptance_title(comparison->ref_acceptance), compared->name,
             acceptance_title(comparison->comp_acceptance),
             comparison->equal            ? "are equal"
             : comparison->packages_equal ? "have the same packages"
                                          : "differ");
    ui_set(ui, "equal", json_boolean(comparison->equal));
    ui_set(ui, "packages_equal", json_boolean(comparison->packages_equal));
    ui_set(ui, "ref_acceptance", json_value_text(acceptance_title(comparison->ref_acceptance)));
    ui_set(ui, "comp_acceptance", json_value_text(acceptance_title(comparison->comp_acceptance)));
    print_ids(ui, only_first, "only_in_ref", comparison->only_in_ref);
    print_ids(ui, only_second, "only_in_comp", comparison->only_in_comp);
    print_ids(ui, higher, "upgrade_from_ref", comparison->upgrade_from_ref);
    print_ids(ui, lower, "downgrade_from_ref", comparison->downgrade_from_ref);
}

static gboolean
run(struct session *session, GError **error)
{
    const struct profile *reference =
        session_find_profile(session, session_operand(session, 0), error);
    const struct profile *compared =
        reference != NULL ? session_find_profile(session, session_operand(session, 1), error)
                          : NULL;
    struct depot_set *depots = compared != NULL ? session_depots(session, error) : NULL;
    if (depots == NULL)
        return FALSE;
    struct profile_comparison comparison;
    profile_compare(reference, compared, depots, &comparison);
    print_comparison(session_ui(session), reference, compared, &comparison);
    profile_comparison_clear(&comparison);
    return TRUE;
}

const struct verb verb_profile_compare = {
    .name = "compare",
    .summary = "compare two image profiles",
    .description = "Say which packages only one of two image profiles has, and which are higher or "
                   "lower in COMPARED than in REFERENCE. The exit status is 0 also when they "
                   "differ.",
    .operands = {{"REFERENCE", FALSE, FALSE, COMPLETE_PROFILES, NULL},
                 {"COMPARED", FALSE, FALSE, COMPLETE_PROFILES, NULL}},
    .examples = {{"slipway profile compare ESXi-8.0U3-24022510-standard mine",
                  "what was changed in a clone"}},
    .run = run,
};
