/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/machine_print.h"

#include "cli/json_value.h"
#include "cli/text.h"

char *
machine_print_path(const struct machine *machine)
{
    return machine->folder != NULL ? g_strdup_printf("%s/%s", machine->folder, machine->name)
                                   : g_strdup(machine->name);
}

const char *
machine_print_state(const struct machine *machine)
{
    return machine->template ? "template" : machine_power_name(machine->power);
}

static const char *
or_dash(const char *text)
{
    return text != NULL && *text != '\0' ? text : "-";
}

static void
print_hardware(struct ui *ui, const struct machine *machine)
{
    g_autofree char *cpus = g_strdup_printf("%u", machine->cpus);
    g_autofree char *memory = text_bytes(machine->memory);
    ui_field(ui, "CPUs", machine->cpus > 0 ? cpus : NULL);
    ui_field(ui, "Memory", machine->memory > 0 ? memory : NULL);
    ui_field(ui, "Firmware", machine_firmware_name(machine->firmware));
    ui_field(ui, "Guest", machine->guest);
    ui_field(ui, "Hardware UUID", machine->uuid);
}

static void
print_disks(struct ui *ui, const struct machine *machine)
{
    auto_ptr(table) table = table_new("Disk", ">Size", "Controller", "File", "Backup", NULL);
    for (guint i = 0; i < machine->disks->len; i++) {
        const struct machine_disk *disk = machine->disks->pdata[i];
        g_autofree char *size = text_bytes(disk->size);
        table_add(table, disk->name, size, or_dash(disk->model), or_dash(disk->path),
                  disk->skip != NULL ? disk->skip : "yes", NULL);
    }
    ui_print(ui, "\n");
    ui_table(ui, table, "no disk");
}

static void
print_nics(struct ui *ui, const struct machine *machine)
{
    auto_ptr(table) table = table_new("NIC", "Model", "MAC", "Network", NULL);
    for (guint i = 0; i < machine->nics->len; i++) {
        const struct machine_nic *nic = machine->nics->pdata[i];
        g_autofree char *network =
            nic->network != NULL
                ? g_strdup_printf("%s:%s", machine_network_name(nic->kind), nic->network)
                : g_strdup(machine_network_name(nic->kind));
        table_add(table, nic->name, or_dash(nic->model), or_dash(nic->mac), network, NULL);
    }
    ui_print(ui, "\n");
    ui_table(ui, table, "no NIC");
}

void
machine_print(struct ui *ui, const struct machine *machine)
{
    ui_field(ui, "Name", machine->name);
    ui_field(ui, "Id", machine->id);
    ui_field(ui, "Reference", machine->ref);
    ui_field(ui, "Folder", machine->folder);
    ui_field(ui, "Host", machine->host);
    ui_field(ui, "Cluster", machine->cluster);
    ui_field(ui, "Pool", machine->pool);
    ui_field(ui, "State", machine_print_state(machine));
    ui_field(ui, "Changes tracked", machine->tracked ? "yes" : "no");
    print_hardware(ui, machine);
    for (guint i = 0; i < machine->tags->len; i++)
        ui_field(ui, i == 0 ? "Tags" : "", machine->tags->pdata[i]);
    ui_field(ui, "Notes", machine->annotation);
    print_disks(ui, machine);
    print_nics(ui, machine);
}

void
machine_print_brief(struct ui *ui, const struct machine *machine)
{
    ui_print(ui, "\n");
    ui_field(ui, "Folder", machine->folder);
    ui_field(ui, "State", machine_print_state(machine));
    print_hardware(ui, machine);
    ui_field(ui, "Notes", machine->annotation);
    print_nics(ui, machine);
}

json_t *
machine_print_json(const struct machine *machine)
{
    json_t *json = machine_to_json(machine);
    json_object_del(json, "native");
    json_object_del(json, "firmware_data");
    json_object_set_new(json, "ref", json_value_text(machine->ref));
    return json;
}
