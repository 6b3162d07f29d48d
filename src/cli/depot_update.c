/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/cancel.h"
#include "base/error.h"
#include "cli/depot_operands.h"
#include "cli/json_value.h"
#include "cli/nouns.h"
#include "cli/text.h"

struct update {
    struct session *session;
    struct depot_context context;
    struct table *table;
    json_t *list;
    guint failed;
    GError *first; /* of the depots that failed */
};

static char *
channel_texts(const GPtrArray *channels)
{
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < channels->len; i++) {
        const struct depot_channel *channel = channels->pdata[i];
        g_string_append_printf(text, "%s%s/%s", i > 0 ? ", " : "", channel->vendor, channel->name);
    }
    return g_string_free(text, FALSE);
}

static void
report(struct update *update, const struct workspace_depot *entry, const struct depot *depot)
{
    g_autofree char *packages = g_strdup_printf("%u", depot->packages->len);
    g_autofree char *profiles = g_strdup_printf("%u", depot->profiles->len);
    g_autofree char *channels = channel_texts(depot->channels);
    table_add(update->table, entry->name, packages, profiles, entry->title, channels, NULL);
    json_array_append_new(update->list, json_value_depot(entry, depot));
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
update_all(struct update *update, const GPtrArray *depots, GError **error)
{
    for (guint i = 0; i < depots->len && cancel_check(error); i++)
        update_one(update, depots->pdata[i]);
    return !cancel_requested();
}

static gboolean
run(struct session *session, GError **error)
{
    g_autoptr(GPtrArray) depots = g_ptr_array_new();
    if (!depot_operands_find(session, depots, error))
        return FALSE;
    const struct depot_context *context = session_context(session, error);
    if (context == NULL)
        return FALSE;
    auto_ptr(table) table =
        table_new("Name", ">Packages", ">Profiles", "Location", "Channels", NULL);
    struct update update = {session, *context, table, json_array(), 0, NULL};
    update.context.revalidate = TRUE;
    gboolean ok = update_all(&update, depots, error);
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
