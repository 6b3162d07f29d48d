/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "cli/json_value.h"
#include "cli/nouns.h"
#include "cli/session.h"
#include "cli/text.h"

static gboolean
delete_one(struct session *session, const char *text, json_t *list, GError **error)
{
    auto_ptr(profile) profile = session_edit_profile(session, text, error);
    if (profile == NULL)
        return FALSE;
    if (profile->read_only && !session_flag(session, OPTION_FORCE))
        return error_set(error, SLIPWAY_ERROR_READ_ONLY,
                         "image profile %s is read-only; --force deletes it", profile->name);
    g_autofree char *vibs = text_count(profile->vibs->len, "VIB", "VIBs");
    g_autofree char *question = g_strdup_printf("Delete image profile %s of %s (%s)?",
                                                profile->name, profile->vendor, vibs);
    if (!session_flag(session, OPTION_FORCE) && !ui_confirm(session_ui(session), question, error))
        return FALSE;
    if (!workspace_delete_profile(session_workspace(session, NULL), profile, error))
        return FALSE;
    ui_print(session_ui(session), "Deleted image profile %s\n", profile->name);
    json_array_append_new(list, json_value_text(profile->name));
    return TRUE;
}

static gboolean
run(struct session *session, GError **error)
{
    json_t *list = json_array();
    const char *const *names = session_operands(session, 0);
    gboolean ok = TRUE;
    for (gsize i = 0; ok && names[i] != NULL; i++)
        ok = delete_one(session, names[i], list, error);
    ui_set(session_ui(session), "deleted", list);
    return ok;
}

const struct verb verb_profile_delete = {
    .name = "delete",
    .summary = "delete image profiles of the workspace",
    .description = "Delete image profiles of the workspace. Asks first on a terminal; elsewhere "
                   "--yes is needed. A read-only one needs --force.",
    .operands = {{"PROFILE", FALSE, TRUE, COMPLETE_OWN_PROFILES, NULL}},
    .options = {OPTION_FORCE},
    .examples = {{"slipway profile delete mine --yes", "without a question"}},
    .run = run,
};
