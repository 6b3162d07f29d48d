/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "cli/filter.h"
#include "cli/nouns.h"
#include "cli/profile_report.h"

/* Everything in the depots and channels of the options. */
static gboolean
add_places(struct session *session, GPtrArray *packages, GError **error)
{
    if (!session_flag(session, OPTION_ADD_DEPOT) && !session_flag(session, OPTION_ADD_CHANNEL))
        return TRUE;
    struct package_query query = {.newest = TRUE};
    g_auto(GStrv) titles = NULL;
    if (!filter_places(session, OPTION_ADD_DEPOT, OPTION_ADD_CHANNEL, &query, &titles, error))
        return FALSE;
    struct depot_set *depots = session_depots(session, error);
    if (depots == NULL)
        return FALSE;
    g_autoptr(GPtrArray) found = package_query_run(&query, depots);
    if (found->len == 0)
        return error_set(error, SLIPWAY_ERROR_NOT_FOUND,
                         "no package is in such a depot and channel; see `slipway depot list` and "
                         "`slipway package list --json`");
    g_ptr_array_extend(packages, found, NULL, NULL);
    return TRUE;
}

static gboolean
collect(struct session *session, GPtrArray *packages, GError **error)
{
    const char *const *texts = session_operands(session, 1);
    if (texts[0] == NULL && !session_flag(session, OPTION_ADD_DEPOT) &&
        !session_flag(session, OPTION_ADD_CHANNEL))
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "nothing to add: give a PACKAGE, --depot or --channel");
    return session_resolve(session, texts, packages, error) && add_places(session, packages, error);
}

static gboolean
run(struct session *session, GError **error)
{
    g_autoptr(GPtrArray) packages = g_ptr_array_new(), problems = NULL;
    g_autoptr(GPtrArray) changes =
        g_ptr_array_new_with_free_func((GDestroyNotify)profile_change_free);
    /* Depots first: nobody else should wait for the workspace while a server answers. */
    if (session_depots(session, error) == NULL)
        return FALSE;
    auto_ptr(profile) profile = session_edit_profile(session, session_operand(session, 0), error);
    if (profile == NULL || !collect(session, packages, error))
        return FALSE;
    const struct profile_edit edit = {
        .profile = profile,
        .depots = session_depots(session, NULL),
        .lower_acceptance = session_flag(session, OPTION_LOWER_ACCEPTANCE),
        .force = session_flag(session, OPTION_FORCE),
    };
    if (!profile_edit_add(&edit, packages, changes, &problems, error) ||
        !workspace_save_profile(session_workspace(session, NULL), profile, error))
        return FALSE;
    if (changes->len == 0)
        ui_info(session_ui(session), "image profile %s has all of it already", profile->name);
    profile_report_changes(session, profile, changes, problems);
    return TRUE;
}

const struct verb verb_profile_add = {
    .name = "add",
    .summary = "add packages, or replace other versions of them",
    .description =
        "Add packages to an image profile of the workspace. PACKAGE is a name (its highest "
        "version), name=version, a VIB id, the id of a component, or a .vib file or offline bundle "
        ".zip, which is connected to the workspace and added with all that is in it. Another "
        "version of the same package is replaced, be it lower or higher.\n\n"
        "A VIB below the acceptance level of the profile is refused; --lower-acceptance lowers the "
        "level of the profile instead. Other rules may be broken in between: `slipway profile "
        "check` lists what is, and an export refuses it.",
    .operands = {{"PROFILE", FALSE, FALSE, COMPLETE_OWN_PROFILES, NULL},
                 {"PACKAGE", TRUE, TRUE, COMPLETE_PACKAGES, NULL}},
    .options = {OPTION_ADD_DEPOT, OPTION_ADD_CHANNEL, OPTION_LOWER_ACCEPTANCE, OPTION_FORCE},
    .examples = {{"slipway profile add mine nmlx5-core", "the highest version of a driver"},
                 {"slipway profile add mine driver.zip --lower-acceptance",
                  "everything of an offline bundle, whatever its acceptance level"},
                 {"slipway profile add mine --depot hpe --channel 'HPE/default'",
                  "everything of a channel of a depot"}},
    .run = run,
};
