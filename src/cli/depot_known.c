/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/json_value.h"
#include "cli/nouns.h"
#include "cli/session.h"
#include "esx/known_depots.h"

static json_t *
known_json(const struct known_depot *depot)
{
    json_t *object = json_object();
    json_object_set_new(object, "name", json_value_text(depot->name));
    json_object_set_new(object, "vendor", json_value_text(depot->vendor));
    json_object_set_new(object, "description", json_value_text(depot->description));
    json_object_set_new(object, "url", json_value_text(depot->url));
    json_object_set_new(object, "needs_token", json_boolean(depot->needs_token));
    json_object_set_new(object, "token_help", json_value_text(depot->token_help));
    json_object_set_new(object, "note", json_value_text(depot->note));
    return object;
}

static void
print_notes(struct ui *ui, const GPtrArray *depots)
{
    gboolean any = FALSE;
    for (guint i = 0; i < depots->len; i++) {
        const struct known_depot *depot = depots->pdata[i];
        const char *note = depot->note != NULL ? depot->note : depot->token_help;
        if (note == NULL)
            continue;
        ui_print(ui, "%s  %s: %s\n", any ? "" : "\nNotes:\n", depot->name, note);
        any = TRUE;
    }
}

static gboolean
run(struct session *session, GError **error)
{
    g_autoptr(GPtrArray) depots = known_depots_load(error);
    if (depots == NULL)
        return FALSE;
    auto_ptr(table) table = table_new("Name", "Vendor", "Token", "Location", "Description", NULL);
    json_t *list = json_array();
    for (guint i = 0; i < depots->len; i++) {
        const struct known_depot *depot = depots->pdata[i];
        table_add(table, depot->name, depot->vendor, depot->needs_token ? "yes" : "no",
                  depot->url != NULL ? depot->url : "-", depot->description, NULL);
        json_array_append_new(list, known_json(depot));
    }
    ui_table(session_ui(session), table, "no depots are known");
    print_notes(session_ui(session), depots);
    ui_set(session_ui(session), "known_depots", list);
    return TRUE;
}

const struct verb verb_depot_known = {
    .name = "known",
    .summary = "list public depots that can be connected by name",
    .description =
        "List public depots of vendors that `slipway depot add` takes by name. The list comes with "
        "the program; /etc/slipway/known-depots.json and ~/.config/slipway/known-depots.json add "
        "to "
        "it and replace entries of the same name. The notes say what is closed and what could not "
        "be checked.",
    .run = run,
};
