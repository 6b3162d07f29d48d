/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "cli/nouns.h"
#include "cli/profile_report.h"
#include "cli/text.h"

#define VENDOR_DEFAULT "custom"

/* An empty profile, or a clone, with what the options say. */
static struct profile *
make_profile(struct session *session, GError **error)
{
    const char *name = session_operand(session, 0);
    const char *clone = session_text(session, OPTION_CLONE);
    const char *vendor = session_text(session, OPTION_VENDOR);
    auto_ptr(profile) profile = NULL;
    if (clone != NULL) {
        const struct profile *original = session_find_profile(session, clone, error);
        if (original == NULL)
            return NULL;
        profile = profile_clone(original, name, vendor != NULL ? vendor : original->vendor);
    } else {
        profile = profile_new(name, vendor != NULL ? vendor : VENDOR_DEFAULT);
        profile->acceptance = ACCEPTANCE_PARTNER;
    }
    if (!session_acceptance(session, OPTION_ACCEPTANCE, &profile->acceptance, error))
        return NULL;
    const char *description = session_text(session, OPTION_DESCRIPTION);
    if (description != NULL) {
        g_free(profile->description);
        profile->description = g_strdup(description);
    }
    return profile_check_names(profile, error) ? g_steal_pointer(&profile) : NULL;
}

static gboolean
check_free(struct session *session, const struct profile *profile, GError **error)
{
    struct workspace *workspace = session_workspace(session, error);
    if (workspace == NULL || !workspace_lock(workspace, error))
        return FALSE;
    const GPtrArray *own = workspace_profiles(workspace);
    for (guint i = 0; i < own->len; i++) {
        const struct profile *other = own->pdata[i];
        if (g_str_equal(other->name, profile->name) &&
            g_str_equal(other->vendor, profile->vendor) && !session_flag(session, OPTION_FORCE))
            return error_set(error, SLIPWAY_ERROR_EXISTS,
                             "there is an image profile %s of %s already; --force replaces it",
                             profile->name, profile->vendor);
    }
    return TRUE;
}

static gboolean
add_packages(struct session *session, struct profile *profile, GPtrArray *changes,
             GPtrArray **ret_problems, GError **error)
{
    g_autoptr(GPtrArray) packages = g_ptr_array_new();
    if (!session_resolve(session, session_operands(session, 1), packages, error))
        return FALSE;
    const struct profile_edit edit = {
        .profile = profile,
        .depots = session_depots(session, NULL),
        .lower_acceptance = session_flag(session, OPTION_LOWER_ACCEPTANCE),
        .force = session_flag(session, OPTION_FORCE),
    };
    return profile_edit_add(&edit, packages, changes, ret_problems, error);
}

static gboolean
run(struct session *session, GError **error)
{
    g_autoptr(GPtrArray) changes =
        g_ptr_array_new_with_free_func((GDestroyNotify)profile_change_free);
    g_autoptr(GPtrArray) problems = NULL;
    auto_ptr(profile) profile = make_profile(session, error);
    if (profile == NULL || !add_packages(session, profile, changes, &problems, error))
        return FALSE;
    profile->read_only = session_flag(session, OPTION_READ_ONLY);
    if (!check_free(session, profile, error) ||
        !workspace_save_profile(session_workspace(session, NULL), profile, error))
        return FALSE;
    g_autofree char *vibs = text_count(profile->vibs->len, "VIB", "VIBs");
    ui_print(session_ui(session), "Created image profile %s (%s)\n", profile->name, vibs);
    profile_report_changes(session, profile, changes, problems);
    return TRUE;
}

const struct verb verb_profile_new = {
    .name = "new",
    .summary = "make an image profile, empty or as a clone",
    .description =
        "Make an image profile in the workspace: a clone of another one with --clone, or an empty "
        "one, and add packages to it as `slipway profile add` does. A clone keeps vendor, "
        "acceptance level and description unless options say otherwise; without --clone the level "
        "is partner and the vendor 'custom'.",
    .operands = {{"NAME", FALSE, FALSE, COMPLETE_NONE, NULL},
                 {"PACKAGE", TRUE, TRUE, COMPLETE_PACKAGES, NULL}},
    .options = {OPTION_CLONE, OPTION_VENDOR, OPTION_ACCEPTANCE, OPTION_DESCRIPTION,
                OPTION_READ_ONLY, OPTION_LOWER_ACCEPTANCE, OPTION_FORCE},
    .examples = {{"slipway profile new mine --clone ESXi-8.0U3-24022510-standard",
                  "a copy that can be changed"},
                 {"slipway profile new mine --clone ESXi-8.0U3-24022510-standard "
                  "--acceptance community net-driver.vib",
                  "a copy with a community driver"}},
    .run = run,
};
