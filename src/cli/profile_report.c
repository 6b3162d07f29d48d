/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/profile_report.h"

#include "cli/json_value.h"
#include "cli/text.h"

static guint
count(const GPtrArray *problems, enum rule_severity severity)
{
    guint n = 0;
    for (guint i = 0; i < problems->len; i++)
        n += ((const struct problem *)problems->pdata[i])->severity == severity;
    return n;
}

char *
profile_report_count(const GPtrArray *problems)
{
    guint errors = count(problems, RULE_ERROR), warnings = count(problems, RULE_WARNING);
    g_autofree char *first = text_count(errors, "error", "errors");
    g_autofree char *second = text_count(warnings, "warning", "warnings");
    if (errors == 0)
        return warnings > 0 ? g_steal_pointer(&second) : g_strdup("");
    if (warnings == 0)
        return g_steal_pointer(&first);
    return g_strdup_printf("%s and %s", first, second);
}

void
profile_report_problems(struct session *session, const GPtrArray *problems)
{
    for (guint i = 0; i < problems->len; i++) {
        const struct problem *problem = problems->pdata[i];
        ui_print(session_ui(session), "%s: %s\n", rule_severity_name(problem->severity),
                 problem->message);
        if (problem->remedy != NULL)
            ui_print(session_ui(session), "    %s\n", problem->remedy);
    }
}

static void
print_change(struct ui *ui, const struct profile_change *change)
{
    if (change->added == NULL)
        ui_print(ui, "Removed %s\n", change->replaced);
    else if (change->replaced == NULL)
        ui_print(ui, "Added %s\n", change->added);
    else
        ui_print(ui, "%s %s to %s\n", change->downgrade ? "Downgraded" : "Changed",
                 change->replaced, change->added);
}

void
profile_report_changes(struct session *session, const struct profile *profile,
                       const GPtrArray *changes, const GPtrArray *problems)
{
    struct ui *ui = session_ui(session);
    for (guint i = 0; i < changes->len; i++)
        print_change(ui, changes->pdata[i]);
    if (problems != NULL && count(problems, RULE_ERROR) + count(problems, RULE_WARNING) > 0) {
        g_autofree char *number = profile_report_count(problems);
        ui_info(ui, "image profile %s now has %s; `slipway profile check '%s'` lists them",
                profile->name, number, profile->name);
    }
    ui_set(ui, "profile", json_value_profile(profile, "workspace"));
    ui_set(ui, "changes", json_value_changes(changes));
    ui_set(ui, "problems", json_value_problems(problems));
}

void
profile_report_export(struct session *session, const char *output, gboolean ok,
                      const struct image_report *report)
{
    struct ui *ui = session_ui(session);
    if (!ok) {
        ui_set(ui, "problems", json_value_problems(report->problems));
        return;
    }
    for (guint i = 0; report->problems != NULL && i < report->problems->len; i++) {
        const struct problem *problem = report->problems->pdata[i];
        if (problem->severity != RULE_NOTE)
            ui_warning(ui, "%s", problem->message);
    }
    g_autofree char *size = text_bytes(report->bytes);
    g_autofree char *vibs = text_count(report->vibs, "VIB", "VIBs");
    ui_print(ui, "Wrote %s (%s, %s)\n", output, vibs, size);
    ui_set(ui, "output", json_value_text(output));
    ui_set_all(ui, json_value_report(report));
}
