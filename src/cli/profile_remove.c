/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/nouns.h"
#include "cli/profile_report.h"

static gboolean
run(struct session *session, GError **error)
{
    g_autoptr(GPtrArray) problems = NULL;
    g_autoptr(GPtrArray) changes =
        g_ptr_array_new_with_free_func((GDestroyNotify)profile_change_free);
    struct depot_set *depots = session_depots(session, error);
    auto_ptr(profile) profile =
        depots != NULL ? session_edit_profile(session, session_operand(session, 0), error) : NULL;
    const struct profile_edit edit = {
        .profile = profile,
        .depots = depots,
        .force = session_flag(session, OPTION_FORCE),
    };
    if (profile == NULL ||
        !profile_edit_remove(&edit, session_operands(session, 1), changes, &problems, error) ||
        !workspace_save_profile(session_workspace(session, NULL), profile, error))
        return FALSE;
    profile_report_changes(session, profile, changes, problems);
    return TRUE;
}

const struct verb verb_profile_remove = {
    .name = "remove",
    .summary = "remove packages from an image profile",
    .description = "Remove packages from an image profile of the workspace, by name or VIB id. "
                   "What needed them shows in `slipway profile check`.",
    .operands = {{"PROFILE", FALSE, FALSE, COMPLETE_OWN_PROFILES, NULL},
                 {"PACKAGE", FALSE, TRUE, COMPLETE_NONE, NULL}},
    .options = {OPTION_FORCE},
    .examples = {{"slipway profile remove mine tools-light", "an image without VMware Tools"}},
    .run = run,
};
