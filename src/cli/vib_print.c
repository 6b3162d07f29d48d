/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/vib_print.h"

#include "cli/text.h"

void
vib_print_field(struct ui *ui, const char *label, const char *text)
{
    if (text == NULL || *text == '\0')
        return;
    g_autofree char *head = g_strconcat(label, *label != '\0' ? ":" : "", NULL);
    ui_print(ui, "%-18s %s\n", head, text);
}

static void
print_relations(struct ui *ui, const char *label, const GArray *relations)
{
    for (guint i = 0; i < relations->len; i++) {
        g_autofree char *text = relation_text(&g_array_index(relations, struct relation, i));
        vib_print_field(ui, i == 0 ? label : "", text);
    }
}

static void
print_texts(struct ui *ui, const char *label, const GPtrArray *texts)
{
    for (guint i = 0; i < texts->len; i++)
        vib_print_field(ui, i == 0 ? label : "", texts->pdata[i]);
}

static void
print_platforms(struct ui *ui, const struct vib *vib)
{
    for (guint i = 0; i < vib->software_platforms->len; i++) {
        const struct software_platform *platform =
            &g_array_index(vib->software_platforms, struct software_platform, i);
        g_autofree char *text = g_strdup_printf("%s %s", platform->product, platform->version);
        vib_print_field(ui, i == 0 ? "Platforms" : "", text);
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
        vib_print_field(ui, switches[i].label, switches[i].value ? "yes" : "no");
}

static void
print_payloads(struct ui *ui, const struct vib *vib)
{
    for (guint i = 0; i < vib->payloads->len; i++) {
        const struct payload *payload = vib->payloads->pdata[i];
        g_autofree char *size = text_bytes(payload->size);
        g_autofree char *text = g_strdup_printf("%s (%s, %s)", payload->name, payload->type, size);
        vib_print_field(ui, i == 0 ? "Payloads" : "", text);
    }
}

void
vib_print(struct ui *ui, const struct vib *vib)
{
    g_autofree char *size = vib->packed_size > 0 ? text_bytes(vib->packed_size) : NULL;
    g_autofree char *files = g_strdup_printf("%u", vib->files->len);
    vib_print_field(ui, "Name", vib->name);
    vib_print_field(ui, "Version", vib->version);
    vib_print_field(ui, "Vendor", vib->vendor);
    vib_print_field(ui, "Id", vib->id);
    vib_print_field(ui, "Type", vib_type_name(vib->type));
    vib_print_field(ui, "Acceptance", acceptance_title(vib->acceptance));
    vib_print_field(ui, "Released", vib->release_date);
    vib_print_field(ui, "Size", size);
    vib_print_field(ui, "Summary", vib->summary);
    vib_print_field(ui, "Description", vib->description);
    print_relations(ui, "Depends", vib->depends);
    print_relations(ui, "Conflicts", vib->conflicts);
    print_relations(ui, "Replaces", vib->replaces);
    print_relations(ui, "Provides", vib->provides);
    print_relations(ui, "Compatible with", vib->compatible_with);
    print_platforms(ui, vib);
    print_texts(ui, "Tags", vib->tags);
    print_switches(ui, vib);
    print_payloads(ui, vib);
    vib_print_field(ui, "Files", files);
}
