/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/json_value.h"
#include "cli/nouns.h"
#include "cli/session.h"
#include "cli/vib_print.h"

/* Titles of all depots that have this VIB. */
static GPtrArray *
find_owners(struct depot_set *set, const char *vib_id)
{
    GPtrArray *titles = g_ptr_array_new();
    const GPtrArray *depots = depot_set_depots(set);
    for (guint i = 0; i < depots->len; i++) {
        const struct depot *depot = depots->pdata[i];
        for (guint j = 0; j < depot->packages->len; j++) {
            const struct package *package = depot->packages->pdata[j];
            if (g_str_equal(package->vib->id, vib_id))
                g_ptr_array_add(titles, depot->title);
        }
    }
    return titles;
}

static GPtrArray *
other_versions(struct depot_set *set, const struct vib *vib)
{
    GPtrArray *versions = g_ptr_array_new();
    g_autoptr(GPtrArray) packages = depot_set_by_name(set, vib->name);
    for (guint i = 0; i < packages->len; i++) {
        const struct package *package = packages->pdata[i];
        if (!g_str_equal(package->vib->id, vib->id))
            g_ptr_array_add(versions, package->vib->version);
    }
    return versions;
}

static void
print_texts(struct ui *ui, const char *label, const GPtrArray *texts)
{
    for (guint i = 0; i < texts->len; i++)
        ui_field(ui, i == 0 ? label : "", texts->pdata[i]);
}

static void
print_package(struct ui *ui, struct depot_set *set, const struct package *package, json_t *list)
{
    g_autoptr(GPtrArray) owners = find_owners(set, package->vib->id);
    g_autoptr(GPtrArray) others = other_versions(set, package->vib);
    vib_print(ui, package->vib);
    print_texts(ui, "Depots", owners);
    print_texts(ui, "Other versions", others);
    json_t *object = json_value_vib(package->vib);
    json_object_set_new(object, "depots", json_value_texts(owners));
    json_object_set_new(object, "other_versions", json_value_texts(others));
    json_array_append_new(list, object);
}

static gboolean
run(struct session *session, GError **error)
{
    g_autoptr(GPtrArray) packages = g_ptr_array_new();
    if (!session_resolve(session, session_operands(session, 0), packages, error))
        return FALSE;
    struct depot_set *set = session_depots(session, error);
    json_t *list = json_array();
    for (guint i = 0; i < packages->len; i++) {
        ui_print(session_ui(session), "%s", i > 0 ? "\n" : "");
        print_package(session_ui(session), set, packages->pdata[i], list);
    }
    ui_set(session_ui(session), "packages", list);
    return TRUE;
}

const struct verb verb_package_show = {
    .name = "show",
    .summary = "show everything about packages",
    .description = "Show everything about packages, and which depots have them. PACKAGE is a name "
                   "(its highest version), name=version, or a VIB id.",
    .operands = {{"PACKAGE", FALSE, TRUE, COMPLETE_PACKAGES, NULL}},
    .examples = {{"slipway package show esx-base", "the highest version of esx-base"},
                 {"slipway package show nmlx5-core=4.23.0.36-15vmw.803.0.0.24022510",
                  "one version"}},
    .run = run,
};
