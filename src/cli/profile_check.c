/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "cli/json_value.h"
#include "cli/nouns.h"
#include "cli/profile_report.h"

static gboolean
run(struct session *session, GError **error)
{
    const struct profile *profile =
        session_find_profile(session, session_operand(session, 0), error);
    struct depot_set *depots = profile != NULL ? session_depots(session, error) : NULL;
    if (depots == NULL)
        return FALSE;
    g_autoptr(GPtrArray) problems = profile_problems(profile, depots);
    gboolean valid = !problems_have_errors(problems);
    profile_report_problems(session, problems);
    ui_set(session_ui(session), "profile", json_value_text(profile->name));
    ui_set(session_ui(session), "valid", json_boolean(valid));
    ui_set(session_ui(session), "problems", json_value_problems(problems));
    g_autofree char *number = profile_report_count(problems);
    if (!valid)
        return error_set(error, SLIPWAY_ERROR_RULES, "image profile %s has %s", profile->name,
                         number);
    ui_print(session_ui(session), "Image profile %s keeps all rules%s%s\n", profile->name,
             *number != '\0' ? "; " : "", number);
    return TRUE;
}

const struct verb verb_profile_check = {
    .name = "check",
    .summary = "check an image profile against every rule",
    .description =
        "Check dependencies, conflicts, replaced packages, acceptance levels, files in "
        "two packages and everything else that an export wants, and list all that is "
        "broken with what would mend it. Broken rules give exit status 7. Signatures and "
        "checksums are checked when a profile is exported.",
    .operands = {{"PROFILE", FALSE, FALSE, COMPLETE_PROFILES, NULL}},
    .examples = {{"slipway profile check mine", "before an export"}},
    .run = run,
};
