/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/json_value.h"
#include "cli/nouns.h"
#include "cli/session.h"

static gboolean
remove_all(struct session *session, struct workspace *workspace, json_t *list, GError **error)
{
    const char *const *names = session_operands(session, 0);
    for (gsize i = 0; names[i] != NULL; i++) {
        const struct workspace_depot *depot = workspace_find_depot(workspace, names[i]);
        g_autofree char *name = g_strdup(depot != NULL ? depot->name : names[i]);
        if (!workspace_remove_depot(workspace, names[i], error))
            return FALSE;
        ui_print(session_ui(session), "Disconnected %s\n", name);
        json_array_append_new(list, json_value_text(name));
    }
    return TRUE;
}

static gboolean
run(struct session *session, GError **error)
{
    struct workspace *workspace = session_workspace(session, error);
    if (workspace == NULL || !workspace_lock(workspace, error))
        return FALSE;
    json_t *list = json_array();
    gboolean ok = remove_all(session, workspace, list, error);
    ui_set(session_ui(session), "removed", list);
    return ok;
}

const struct verb verb_depot_remove = {
    .name = "remove",
    .summary = "disconnect depots",
    .description = "Disconnect depots, by name or location. Files and directories of the user are "
                   "not touched; image profiles that use packages of the depot stay, and cannot be "
                   "exported until another depot has them.",
    .operands = {{"NAME", FALSE, TRUE, COMPLETE_DEPOTS, NULL}},
    .examples = {{"slipway depot remove depot1", "disconnect one depot"}},
    .run = run,
};
