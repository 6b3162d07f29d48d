/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/vib_descriptor_write.h"

#include "base/xml.h"

static void
put_attribute(GString *out, const char *name, const char *value)
{
    if (value == NULL)
        return;
    g_string_append_printf(out, " %s=\"", name);
    xml_escape_attribute(out, value);
    g_string_append_c(out, '"');
}

static void
put_boolean(GString *out, const char *name, gboolean value)
{
    xml_element(out, name, value ? "true" : "false");
}

/* <name>…</name> or, with nothing in it, <name/>. */
static void
put_list(GString *out, const char *name, const GString *content)
{
    if (content->len == 0)
        g_string_append_printf(out, "<%s/>", name);
    else
        g_string_append_printf(out, "<%s>%s</%s>", name, content->str, name);
}

static void
put_relations(GString *out, const char *name, const char *element, GArray *relations)
{
    g_autoptr(GString) list = g_string_new(NULL);
    for (guint i = 0; i < relations->len; i++) {
        const struct relation *relation = &g_array_index(relations, struct relation, i);
        gboolean provide = g_str_equal(element, "provide");
        g_string_append_printf(list, "<%s", element);
        put_attribute(list, "name", relation->name);
        if (!provide && relation->relation != VERSION_ANY)
            put_attribute(list, "relation", version_relation_text(relation->relation));
        put_attribute(list, "version", relation->version);
        g_string_append(list, "/>");
    }
    put_list(out, name, list);
}

static void
put_strings(GString *out, const char *name, const char *element, GPtrArray *texts)
{
    g_autoptr(GString) list = g_string_new(NULL);
    for (guint i = 0; i < texts->len; i++)
        xml_element(list, element, texts->pdata[i]);
    put_list(out, name, list);
}

static void
put_requirements(GString *out, const struct vib *vib)
{
    g_string_append(out, "<system-requires>");
    put_boolean(out, "maintenance-mode", vib->maintenance_mode);
    for (guint i = 0; i < vib->hardware_platforms->len; i++) {
        const struct hardware_platform *platform =
            &g_array_index(vib->hardware_platforms, struct hardware_platform, i);
        g_string_append(out, "<hwplatform");
        put_attribute(out, "model", platform->model);
        put_attribute(out, "vendor", platform->vendor);
        g_string_append(out, "/>");
    }
    for (guint i = 0; i < vib->software_platforms->len; i++) {
        const struct software_platform *platform =
            &g_array_index(vib->software_platforms, struct software_platform, i);
        g_string_append(out, "<softwarePlatform");
        put_attribute(out, "version", platform->version);
        put_attribute(out, "locale", platform->locale);
        put_attribute(out, "productLineID", platform->product);
        g_string_append(out, "/>");
    }
    g_string_append(out, "</system-requires>");
}

static void
put_payload(GString *out, const struct payload *payload)
{
    g_string_append(out, "<payload");
    put_attribute(out, "name", payload->name);
    put_attribute(out, "type", payload->type);
    if (payload->boot_order >= 0)
        g_string_append_printf(out, " boot-order=\"%d\"", payload->boot_order);
    put_attribute(out, "vfat-name", payload->vfat_name);
    g_string_append_printf(out, " size=\"%" G_GUINT64_FORMAT "\">", payload->size);
    for (guint i = 0; i < payload->checksums->len; i++) {
        const struct checksum *checksum = &g_array_index(payload->checksums, struct checksum, i);
        g_string_append(out, "<checksum");
        put_attribute(out, "checksum-type", digest_kind_name(checksum->kind));
        put_attribute(out, "verify-process", checksum->verify_process);
        g_string_append_printf(out, ">%s</checksum>", checksum->hex);
    }
    g_string_append(out, "</payload>");
}

static void
put_payloads(GString *out, GPtrArray *payloads)
{
    g_autoptr(GString) list = g_string_new(NULL);
    for (guint i = 0; i < payloads->len; i++)
        put_payload(list, payloads->pdata[i]);
    put_list(out, "payloads", list);
}

static void
put_relationships(GString *out, const struct vib *vib)
{
    g_string_append(out, "<relationships>");
    put_relations(out, "depends", "constraint", vib->depends);
    put_relations(out, "conflicts", "constraint", vib->conflicts);
    put_relations(out, "replaces", "constraint", vib->replaces);
    put_relations(out, "provides", "provide", vib->provides);
    put_relations(out, "compatibleWith", "constraint", vib->compatible_with);
    g_string_append(out, "</relationships>");
}

GBytes *
vib_descriptor_write(const struct vib *vib)
{
    GString *out = g_string_new("<vib version=\"5.0\">");
    xml_element(out, "type", vib_type_name(vib->type));
    xml_element(out, "name", vib->name);
    xml_element(out, "version", vib->version);
    xml_element(out, "vendor", vib->vendor);
    xml_element(out, "summary", vib->summary);
    xml_element(out, "description", vib->description);
    xml_element(out, "release-date", vib->release_date);
    g_string_append(out, "<urls/>");
    put_relationships(out, vib);
    put_strings(out, "software-tags", "tag", vib->tags);
    put_requirements(out, vib);
    put_strings(out, "file-list", "file", vib->files);
    xml_element(out, "acceptance-level", acceptance_name(vib->acceptance));
    put_boolean(out, "live-install-allowed", vib->live_install_allowed);
    put_boolean(out, "live-remove-allowed", vib->live_remove_allowed);
    put_boolean(out, "cimom-restart", vib->cimom_restart);
    put_boolean(out, "stateless-ready", vib->stateless_ready);
    put_boolean(out, "overlay", vib->overlay);
    put_payloads(out, vib->payloads);
    g_string_append(out, "</vib>");
    return g_string_free_to_bytes(out);
}
