/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/json_value.h"
#include "cli/nouns.h"
#include "cli/session.h"
#include "cli/text.h"
#include "cli/vib_print.h"

static void
print_head(struct ui *ui, const struct profile *profile)
{
    g_autofree char *vibs = g_strdup_printf("%u", profile->vibs->len);
    ui_field(ui, "Name", profile->name);
    ui_field(ui, "Vendor", profile->vendor);
    ui_field(ui, "Id", profile->profile_id);
    ui_field(ui, "Created", profile->created);
    ui_field(ui, "Modified", profile->modified);
    ui_field(ui, "Acceptance", acceptance_title(profile->acceptance));
    ui_field(ui, "Read-only", profile->read_only ? "yes" : "no");
    ui_field(ui, "Description", profile->description);
    ui_field(ui, "VIBs", vibs);
}

static void
print_vibs(struct ui *ui, const GPtrArray *packages, json_t *object)
{
    auto_ptr(table) table =
        table_new("Name", "Version", "Vendor", "Release Date", "Acceptance", NULL);
    json_t *list = json_array();
    for (guint i = 0; i < packages->len; i++) {
        const struct package *package = packages->pdata[i];
        g_autofree char *date = text_date(package->vib->released);
        table_add(table, package->vib->name, package->vib->version, package->vib->vendor, date,
                  acceptance_name(package->vib->acceptance), NULL);
        json_array_append_new(list, json_value_package(package));
    }
    ui_print(ui, "\n");
    ui_table(ui, table, "no VIB of it is in a connected depot");
    json_object_set_new(object, "vibs", list);
}

static gboolean
run(struct session *session, GError **error)
{
    struct ui *ui = session_ui(session);
    const struct profile *profile =
        session_find_profile(session, session_operand(session, 0), error);
    struct depot_set *depots = profile != NULL ? session_depots(session, error) : NULL;
    if (depots == NULL)
        return FALSE;
    g_autoptr(GPtrArray) missing = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) packages = profile_packages(profile, depots, missing);
    json_t *object = json_value_profile(profile, NULL);
    json_object_del(object, "source");
    json_object_set_new(object, "description", json_value_text(profile->description));
    print_head(ui, profile);
    print_vibs(ui, packages, object);
    for (guint i = 0; i < missing->len; i++)
        ui_print(ui, "%s%s\n", i == 0 ? "\nIn no connected depot:\n" : "",
                 (const char *)missing->pdata[i]);
    json_object_set_new(object, "missing", json_value_texts(missing));
    ui_set(ui, "profile", object);
    return TRUE;
}

const struct verb verb_profile_show = {
    .name = "show",
    .summary = "show an image profile and its VIBs",
    .description = "Show an image profile of the workspace or of a depot, and its VIBs; those that "
                   "no connected depot has are listed at the end.",
    .operands = {{"PROFILE", FALSE, FALSE, COMPLETE_PROFILES, NULL}},
    .examples = {{"slipway profile show ESXi-8.0U3-24022510-standard", "a profile of a depot"}},
    .run = run,
};
