/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "cli/json_value.h"
#include "cli/nouns.h"
#include "cli/profile_report.h"

static void
replace(char **text, const char *value)
{
    if (value == NULL)
        return;
    g_free(*text);
    *text = g_strdup(value);
}

/* A level above that of a VIB is refused here, as it would be when the VIB were added. */
static gboolean
check_level(struct session *session, const struct profile *profile, GError **error)
{
    if (!session_flag(session, OPTION_ACCEPTANCE) || session_flag(session, OPTION_FORCE))
        return TRUE;
    struct depot_set *depots = session_depots(session, error);
    if (depots == NULL)
        return FALSE;
    g_autoptr(GPtrArray) problems = profile_problems(profile, depots);
    for (guint i = problems->len; i > 0; i--) {
        const struct problem *problem = problems->pdata[i - 1];
        if (problem->rule != RULE_ACCEPTANCE)
            g_ptr_array_remove_index(problems, i - 1);
    }
    return problems_to_error(problems, profile->name, error);
}

static gboolean
check_name_free(struct workspace *workspace, const struct profile *old,
                const struct profile *profile, GError **error)
{
    if (g_str_equal(old->name, profile->name) && g_str_equal(old->vendor, profile->vendor))
        return TRUE;
    const GPtrArray *own = workspace_profiles(workspace);
    for (guint i = 0; i < own->len; i++) {
        const struct profile *other = own->pdata[i];
        if (g_str_equal(other->name, profile->name) && g_str_equal(other->vendor, profile->vendor))
            return error_set(error, SLIPWAY_ERROR_EXISTS,
                             "there is an image profile %s of %s already; delete it first",
                             profile->name, profile->vendor);
    }
    return TRUE;
}

static gboolean
save(struct workspace *workspace, const struct profile *old, const struct profile *profile,
     GError **error)
{
    if (!workspace_save_profile(workspace, profile, error))
        return FALSE;
    if (g_str_equal(old->name, profile->name) && g_str_equal(old->vendor, profile->vendor))
        return TRUE;
    return workspace_delete_profile(workspace, old, error);
}

/* --package: a list that takes the place of the old one. */
static gboolean
replace_packages(struct session *session, struct profile *profile, GError **error)
{
    const char *const *texts = session_list(session, OPTION_PACKAGES);
    if (texts == NULL || texts[0] == NULL)
        return TRUE;
    g_autoptr(GPtrArray) packages = g_ptr_array_new();
    if (!session_resolve(session, texts, packages, error))
        return FALSE;
    g_ptr_array_set_size(profile->vibs, 0);
    const struct profile_edit edit = {.profile = profile,
                                      .depots = session_depots(session, NULL),
                                      .lower_acceptance =
                                          session_flag(session, OPTION_LOWER_ACCEPTANCE),
                                      .force = session_flag(session, OPTION_FORCE)};
    g_autoptr(GPtrArray) changes =
        g_ptr_array_new_with_free_func((GDestroyNotify)profile_change_free);
    return profile_edit_add(&edit, packages, changes, NULL, error);
}

static gboolean
run(struct session *session, GError **error)
{
    auto_ptr(profile) old = session_edit_profile(session, session_operand(session, 0), error);
    if (old == NULL)
        return FALSE;
    if (old->read_only)
        return error_set(error, SLIPWAY_ERROR_READ_ONLY,
                         "image profile %s is read-only; make a clone with `slipway profile new "
                         "NAME --clone '%s'`",
                         old->name, old->name);
    auto_ptr(profile) profile = profile_copy(old);
    replace(&profile->name, session_text(session, OPTION_NEW_NAME));
    replace(&profile->vendor, session_text(session, OPTION_VENDOR));
    replace(&profile->description, session_text(session, OPTION_DESCRIPTION));
    if (!session_acceptance(session, OPTION_ACCEPTANCE, &profile->acceptance, error) ||
        !profile_check_names(profile, error) || !replace_packages(session, profile, error) ||
        !check_level(session, profile, error))
        return FALSE;
    profile->read_only = session_flag(session, OPTION_READ_ONLY);
    struct workspace *workspace = session_workspace(session, error);
    if (!check_name_free(workspace, old, profile, error) || !save(workspace, old, profile, error))
        return FALSE;
    ui_print(session_ui(session), "Changed image profile %s\n", profile->name);
    ui_set(session_ui(session), "profile", json_value_profile(profile, "workspace"));
    return TRUE;
}

const struct verb verb_profile_set = {
    .name = "set",
    .summary = "change name, vendor, level, description or the list of packages",
    .description =
        "Change an image profile of the workspace: what it says of itself, or with --package its "
        "whole list of packages (`slipway profile add` and `remove` change single ones). An "
        "acceptance level above that of one of its VIBs is refused unless --force is given.",
    .operands = {{"PROFILE", FALSE, FALSE, COMPLETE_OWN_PROFILES, NULL}},
    .options = {OPTION_NEW_NAME, OPTION_VENDOR, OPTION_ACCEPTANCE, OPTION_DESCRIPTION,
                OPTION_PACKAGES, OPTION_LOWER_ACCEPTANCE, OPTION_READ_ONLY, OPTION_FORCE},
    .examples = {{"slipway profile set mine --acceptance community", "lower the level"}},
    .run = run,
};
