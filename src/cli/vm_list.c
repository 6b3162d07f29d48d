/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/json_value.h"
#include "cli/machine_print.h"
#include "cli/nouns.h"
#include "cli/selection_options.h"
#include "cli/text.h"

static void
add_row(struct table *table, const struct machine *machine)
{
    guint64 size = 0;
    for (guint i = 0; i < machine->disks->len; i++)
        size += ((const struct machine_disk *)machine->disks->pdata[i])->size;
    g_autofree char *path = machine_print_path(machine), *disks = text_bytes(size);
    g_autofree char *memory = text_bytes(machine->memory);
    g_autofree char *cpus = g_strdup_printf("%u", machine->cpus);
    table_add(table, path, machine_print_state(machine), cpus, memory, disks,
              machine->tracked ? "yes" : "no", machine->host != NULL ? machine->host : "-", NULL);
}

static gboolean
print_list(struct session *session, const char *path, GPtrArray *machines, GError **error)
{
    struct selection selection;
    /* A list shows what is there, whatever its state. */
    if (!selection_options_read(session, path, &selection, error))
        return FALSE;
    selection.off = selection.suspended = selection.templates = TRUE;
    auto_ptr(table) table =
        table_new("Machine", "State", ">CPUs", ">Memory", ">Disks", "Tracked", "Host", NULL);
    json_t *json = json_array();
    g_autoptr(GPtrArray) taken =
        machines->len > 0 ? selection_take(&selection, machines, NULL, error) : g_ptr_array_new();
    for (guint i = 0; taken != NULL && i < taken->len; i++) {
        add_row(table, taken->pdata[i]);
        json_array_append_new(json, machine_print_json(taken->pdata[i]));
    }
    ui_set(session_ui(session), "machines", json);
    if (taken != NULL)
        ui_table(session_ui(session), table, "no virtual machine");
    return taken != NULL;
}

static gboolean
run(struct session *session, GError **error)
{
    g_autofree char *path = NULL;
    auto_ptr(hypervisor) hypervisor =
        session_hypervisor(session, session_operand(session, 0), &path, error);
    g_autoptr(GPtrArray) machines = hypervisor != NULL ? hypervisor_list(hypervisor, error) : NULL;
    return machines != NULL && print_list(session, path, machines, error);
}

const struct verb verb_vm_list = {
    .name = "list",
    .summary = "list the virtual machines of a hypervisor",
    .description =
        "List the virtual machines of HOST: the name of a remembered one, or a URI. A path behind "
        "it names a machine or a folder, in which * and ? stand for anything within a name.",
    .operands = {{"HOST", FALSE, FALSE, COMPLETE_HOSTS, NULL}},
    .options = {HYPERVISOR_OPTIONS, SELECTION_OPTIONS},
    .examples = {{"slipway vm list vc1", "all of them"},
                 {"slipway vm list vc1:/DC0/vm/prod/ --vm-tag nightly", "some of a folder"}},
    .run = run,
};
