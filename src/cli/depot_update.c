/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/cancel.h"
#include "base/error.h"
#include "cli/json_value.h"
#include "cli/nouns.h"
#include "cli/session.h"
#include "cli/text.h"

struct update {
    struct session *session;
    struct depot_context context;
    struct table *table;
    json_t *list;
    guint failed;
    GError *first; /* of the depots that failed */
};

static void
report(struct update *update, const struct workspace_depot *entry, const struct depot *depot)
{
    g_autofree char *packages = g_strdup_printf("%u", depot->packages->len);
    g_autofree char *profiles = g_strdup_printf("%u", depot->profiles->len);
    table_add(update->table, entry->name, packages, profiles, entry->title, NULL);
    json_t *object = json_object();
    json_object_set_new(object, "name", json_value_text(entry->name));
    json_object_set_new(object, "location", json_value_text(entry->title));
    json_object_set_new(object, "packages", json_integer((json_int_t)depot->packages->len));
    json_object_set_new(object, "profiles", json_integer((json_int_t)depot->profiles->len));
    json_array_append_new(update->list, object);
}

/* One depot that fails does not keep the others from being updated. */
static void
update_one(struct update *update, const struct workspace_depot *entry)
{
    GError *error = NULL;
    auto_ptr(depot) depot = depot_load(entry->location, &update->context, &error);
    if (depot != NULL) {
        report(update, entry, depot);
        return;
    }
    g_prefix_error(&error, "depot %s: ", entry->name);
    update->failed++;
    if (update->first == NULL) {
        update->first = error;
        return;
    }
    ui_warning(session_ui(update->session), "%s", error->message);
    g_error_free(error);
}

static gboolean
update_all(struct update *update, struct workspace *workspace, GError **error)
{
    const GPtrArray *depots = workspace_depots(workspace);
    for (guint i = 0; i < depots->len && cancel_check(error); i++)
        update_one(update, depots->pdata[i]);
    return !cancel_requested();
}

static gboolean
update_named(struct update *update, struct workspace *workspace, GError **error)
{
    const char *const *names = session_operands(update->session, 0);
    for (gsize i = 0; names[i] != NULL; i++) {
        const struct workspace_depot *entry = workspace_find_depot(workspace, names[i]);
        if (entry == NULL)
            return error_set(error, SLIPWAY_ERROR_NOT_FOUND,
                             "no depot called %s is connected; see `slipway depot list`", names[i]);
        if (!cancel_check(error))
            return FALSE;
        update_one(update, entry);
    }
    return TRUE;
}

static gboolean
run(struct session *session, GError **error)
{
    struct workspace *workspace = session_workspace(session, error);
    const struct depot_context *context =
        workspace != NULL ? session_context(session, error) : NULL;
    if (context == NULL)
        return FALSE;
    auto_ptr(table) table = table_new("Name", ">Packages", ">Profiles", "Location", NULL);
    struct update update = {session, *context, table, json_array(), 0, NULL};
    update.context.revalidate = TRUE;
    gboolean ok = session_operand(session, 0) != NULL ? update_named(&update, workspace, error)
                                                      : update_all(&update, workspace, error);
    ui_table(session_ui(session), table, "no depot was updated");
    ui_set(session_ui(session), "depots", update.list);
    if (ok && update.first != NULL) {
        g_propagate_error(error, update.first);
        return FALSE;
    }
    g_clear_error(&update.first);
    return ok;
}

const struct verb verb_depot_update = {
    .name = "update",
    .summary = "ask the servers of depots for news",
    .description = "Load depots again and ask their servers for what changed; without NAME all of "
                   "them. Other commands use what was fetched before.\n\n"
                   "A depot that fails does not keep the others from being updated; the first "
                   "failure decides the exit status.",
    .operands = {{"NAME", TRUE, TRUE, COMPLETE_DEPOTS, NULL}},
    .examples = {{"slipway depot update", "all connected depots"}},
    .run = run,
};
