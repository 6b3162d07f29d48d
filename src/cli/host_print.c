/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/host_print.h"

#include "cli/json_value.h"

static const struct {
    enum hypervisor_capability bit;
    const char *name;
} capabilities[] = {
    {HYPERVISOR_CAN_TRACK, "tracks-changes"}, {HYPERVISOR_CAN_QUIESCE, "quiesces"},
    {HYPERVISOR_CAN_CREATE, "creates"},       {HYPERVISOR_CAN_IN_PLACE, "overwrites"},
    {HYPERVISOR_CAN_FOLDERS, "folders"},      {HYPERVISOR_CAN_TAGS, "tags"},
    {HYPERVISOR_CAN_OFFLINE, "offline"},
};

void
host_print_about(struct ui *ui, const struct hypervisor_about *about)
{
    ui_field(ui, "Product", about->product);
    ui_field(ui, "Version", about->version);
    ui_field(ui, "Interface", about->api);
    ui_field(ui, "Id", about->id);
    ui_field(ui, "Access", about->read_only ? "reads only" : NULL);
    if (about->words != NULL)
        ui_warning(ui, "%s", about->words);
}

json_t *
host_print_about_json(const struct hypervisor_about *about, const struct hypervisor *hypervisor)
{
    json_t *json = json_object(), *can = json_array();
    unsigned bits = hypervisor_capabilities(hypervisor);
    for (gsize i = 0; i < G_N_ELEMENTS(capabilities); i++) {
        if (bits & capabilities[i].bit)
            json_array_append_new(can, json_string(capabilities[i].name));
    }
    json_object_set_new(json, "driver", json_value_text(hypervisor_driver(hypervisor)));
    json_object_set_new(json, "product", json_value_text(about->product));
    json_object_set_new(json, "version", json_value_text(about->version));
    json_object_set_new(json, "api", json_value_text(about->api));
    json_object_set_new(json, "id", json_value_text(about->id));
    json_object_set_new(json, "read_only", json_boolean(about->read_only));
    json_object_set_new(json, "words", json_value_text(about->words));
    json_object_set_new(json, "capabilities", can);
    return json;
}
