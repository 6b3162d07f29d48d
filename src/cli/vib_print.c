/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/vib_print.h"

#include "cli/text.h"

static void
print_relations(struct ui *ui, const char *label, const GArray *relations)
{
    for (guint i = 0; i < relations->len; i++) {
        g_autofree char *text = relation_text(&g_array_index(relations, struct relation, i));
        ui_field(ui, i == 0 ? label : "", text);
    }
}

static void
print_texts(struct ui *ui, const char *label, const GPtrArray *texts)
{
    for (guint i = 0; i < texts->len; i++)
        ui_field(ui, i == 0 ? label : "", texts->pdata[i]);
}

static void
print_platforms(struct ui *ui, const struct vib *vib)
{
    for (guint i = 0; i < vib->software_platforms->len; i++) {
        const struct software_platform *platform =
            &g_array_index(vib->software_platforms, struct software_platform, i);
        g_autofree char *text = g_strdup_printf("%s %s", platform->product, platform->version);
        ui_field(ui, i == 0 ? "Platforms" : "", text);
    }
}

static void
print_switches(struct ui *ui, const struct vib *vib)
{
    const struct {
        const char *label;
        gboolean value;
    } switches[] = {
        {"Maintenance mode", vib->maintenance_mode},
        {"Live install", vib->live_install_allowed},
        {"Live removal", vib->live_remove_allowed},
        {"Stateless ready", vib->stateless_ready},
        {"Overlay", vib->overlay},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(switches); i++)
        ui_field(ui, switches[i].label, switches[i].value ? "yes" : "no");
}

static void
print_payloads(struct ui *ui, const struct vib *vib)
{
    for (guint i = 0; i < vib->payloads->len; i++) {
        const struct payload *payload = vib->payloads->pdata[i];
        g_autofree char *size = text_bytes(payload->size);
        g_autofree char *text = g_strdup_printf("%s (%s, %s)", payload->name, payload->type, size);
        ui_field(ui, i == 0 ? "Payloads" : "", text);
    }
}

void
vib_print(struct ui *ui, const struct vib *vib)
{
    g_autofree char *size = vib->packed_size > 0 ? text_bytes(vib->packed_size) : NULL;
    g_autofree char *files = g_strdup_printf("%u", vib->files->len);
    ui_field(ui, "Name", vib->name);
    ui_field(ui, "Version", vib->version);
    ui_field(ui, "Vendor", vib->vendor);
    ui_field(ui, "Id", vib->id);
    ui_field(ui, "Type", vib_type_name(vib->type));
    ui_field(ui, "Acceptance", acceptance_title(vib->acceptance));
    ui_field(ui, "Released", vib->release_date);
    ui_field(ui, "Size", size);
    ui_field(ui, "Summary", vib->summary);
    ui_field(ui, "Description", vib->description);
    print_relations(ui, "Depends", vib->depends);
    print_relations(ui, "Conflicts", vib->conflicts);
    print_relations(ui, "Replaces", vib->replaces);
    print_relations(ui, "Provides", vib->provides);
    print_relations(ui, "Compatible with", vib->compatible_with);
    print_platforms(ui, vib);
    print_texts(ui, "Tags", vib->tags);
    print_switches(ui, vib);
    print_payloads(ui, vib);
    ui_field(ui, "Files", files);
}
