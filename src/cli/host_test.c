/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/host_print.h"
#include "cli/json_value.h"
#include "cli/nouns.h"
#include "cli/session.h"
#include "cli/text.h"
#include "hyper/hypervisor.h"

static json_t *
place_json(const struct place *place)
{
    json_t *json = json_object();
    json_object_set_new(json, "kind", json_string(place_kind_name(place->kind)));
    if (place->kind == PLACE_NETWORK)
        json_object_set_new(json, "network", json_string(machine_network_name(place->network)));
    json_object_set_new(json, "name", json_value_text(place->name));
    json_object_set_new(json, "path", json_value_text(place->path));
    if (place->kind == PLACE_DATASTORE) {
        json_object_set_new(json, "capacity", json_integer((json_int_t)place->capacity));
        json_object_set_new(json, "free", json_integer((json_int_t)place->free));
    }
    json_object_set_new(json, "words", json_value_text(place->words));
    return json;
}

static void
add_place(struct table *table, const struct place *place)
{
    g_autofree char *free = place->kind == PLACE_DATASTORE ? text_bytes(place->free) : NULL;
    table_add(table,
              place->kind == PLACE_NETWORK ? machine_network_name(place->network)
                                           : place_kind_name(place->kind),
              place->path != NULL ? place->path : place->name, free != NULL ? free : "-",
              place->words != NULL ? place->words : "-", NULL);
}

static gboolean
show_places(struct session *session, struct hypervisor *hypervisor, GError **error)
{
    struct ui *ui = session_ui(session);
    g_autoptr(GPtrArray) places = hypervisor_places(hypervisor, error);
    if (places == NULL)
        return FALSE;
    auto_ptr(table) table = table_new("Kind", "Place", ">Free", "Remark", NULL);
    json_t *json = json_array();
    for (guint i = 0; i < places->len; i++) {
        add_place(table, places->pdata[i]);
        json_array_append_new(json, place_json(places->pdata[i]));
    }
    ui_print(ui, "\n");
    ui_table(ui, table, "nothing where a machine could be put");
    ui_set(ui, "places", json);
    return TRUE;
}

/* What killed runs left is worth knowing of, and goes. */
static gboolean
clean(struct session *session, struct hypervisor *hypervisor, GError **error)
{
    struct ui *ui = session_ui(session);
    g_autoptr(GPtrArray) words = NULL;
    gboolean ok = hypervisor_clean(hypervisor, NULL, &words, error);
    for (guint i = 0; words != NULL && i < words->len; i++)
        ui_info(ui, "%s", (const char *)words->pdata[i]);
    ui_set(ui, "cleaned", json_value_texts(words));
    return ok;
}

static gboolean
run(struct session *session, GError **error)
{
    struct ui *ui = session_ui(session);
    struct hypervisor_about about = {0};
    auto_ptr(hypervisor) hypervisor =
        session_hypervisor(session, session_operand(session, 0), NULL, error);
    if (hypervisor == NULL || !hypervisor_about(hypervisor, &about, error))
        return FALSE;
    host_print_about(ui, &about);
    ui_set(ui, "about", host_print_about_json(&about, hypervisor));
    hypervisor_about_clear(&about);
    g_autoptr(GPtrArray) machines = hypervisor_list(hypervisor, error);
    if (machines == NULL)
        return FALSE;
    g_autofree char *count = text_count(machines->len, "virtual machine", "virtual machines");
    ui_field(ui, "Inventory", count);
    ui_set(ui, "machines", json_integer(machines->len));
    return clean(session, hypervisor, error) && show_places(session, hypervisor, error);
}

const struct verb verb_host_test = {
    .name = "test",
    .summary = "connect to a hypervisor and say what it can do",
    .description = "Connect, and say what is there: the product, whether the account and the "
                   "licence allow backups, how many machines are seen, and where restored ones can "
                   "be put. Snapshots and attached disks that a killed run on this computer left "
                   "are removed.",
    .operands = {{"HOST", FALSE, FALSE, COMPLETE_HOSTS, NULL}},
    .options = {OPTION_THUMBPRINT, OPTION_TRANSPORT, OPTION_OWN_VM},
    .examples = {{"slipway host test vc1", "one that is remembered"},
                 {"slipway host test qemu:///system", "any other"}},
    .run = run,
};
