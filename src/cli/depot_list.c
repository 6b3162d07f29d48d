/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/json_value.h"
#include "cli/nouns.h"
#include "cli/session.h"
#include "cli/text.h"

static json_t *
depot_json(const struct workspace_depot *depot)
{
    g_autoptr(GDateTime) added = g_date_time_new_from_unix_utc(depot->added);
    g_autofree char *time = added != NULL ? g_date_time_format_iso8601(added) : NULL;
    json_t *object = json_object();
    json_object_set_new(object, "name", json_value_text(depot->name));
    json_object_set_new(object, "location", json_value_text(depot->title));
    json_object_set_new(object, "known", json_value_text(depot->known));
    json_object_set_new(object, "added", json_value_text(time));
    return object;
}

static gboolean
run(struct session *session, GError **error)
{
    struct workspace *workspace = session_workspace(session, error);
    if (workspace == NULL)
        return FALSE;
    auto_ptr(table) table = table_new("Name", "Location", "Added", NULL);
    json_t *list = json_array();
    const GPtrArray *depots = workspace_depots(workspace);
    for (guint i = 0; i < depots->len; i++) {
        const struct workspace_depot *depot = depots->pdata[i];
        g_autofree char *added = text_date(depot->added);
        table_add(table, depot->name, depot->title, added, NULL);
        json_array_append_new(list, depot_json(depot));
    }
    ui_table(session_ui(session), table,
             "no depot is connected; `slipway depot add LOCATION` connects one");
    ui_set(session_ui(session), "depots", list);
    return TRUE;
}

const struct verb verb_depot_list = {
    .name = "list",
    .summary = "list the connected depots",
    .description = "List the depots that are connected to the workspace. Tokens and passwords in "
                   "their locations are hidden.",
    .run = run,
};
