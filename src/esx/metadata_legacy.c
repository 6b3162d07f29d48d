/* SPDX-License-Identifier: GPL-3.0-or-later */
/* vmware.xml.  Format: doc/format/depot.md. */
#include "base/xml.h"
#include "esx/metadata_write.h"

#include <string.h>

#define VIB_DEPTH 3 /* inside metadataResponse, bulletin and vibList */

static void
put_line(GString *out, int depth, const char *text)
{
    g_string_append_printf(out, "%*s%s\n", 2 * depth, "", text);
}

static void
put_text(GString *out, int depth, const char *name, const char *text)
{
    g_string_append_printf(out, "%*s", 2 * depth, "");
    xml_element(out, name, text != NULL ? text : "");
    g_string_append_c(out, '\n');
}

static void
put_boolean(GString *out, int depth, const char *name, gboolean value)
{
    put_text(out, depth, name, value ? "true" : "false");
}

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
put_relation(GString *out, const char *element, const struct relation *relation)
{
    g_string_append_printf(out, "%*s<%s", 2 * (VIB_DEPTH + 3), "", element);
    put_attribute(out, "name", relation->name);
    if (relation->relation != VERSION_ANY && strcmp(element, "constraint") == 0)
        put_attribute(out, "relation", version_relation_text(relation->relation));
    put_attribute(out, "version", relation->version);
    g_string_append(out, "/>\n");
}

static void
put_relations(GString *out, const char *name, const char *element, const GArray *relations)
{
    if (relations->len == 0) {
        g_string_append_printf(out, "%*s<%s/>\n", 2 * (VIB_DEPTH + 2), "", name);
        return;
    }
    g_string_append_printf(out, "%*s<%s>\n", 2 * (VIB_DEPTH + 2), "", name);
    for (guint i = 0; i < relations->len; i++)
        put_relation(out, element, &g_array_index(relations, struct relation, i));
    g_string_append_printf(out, "%*s</%s>\n", 2 * (VIB_DEPTH + 2), "", name);
}

static void
put_relationships(GString *out, const struct vib *vib)
{
    put_line(out, VIB_DEPTH + 1, "<relationships>");
    put_relations(out, "depends", "constraint", vib->depends);
    put_relations(out, "conflicts", "constraint", vib->conflicts);
    put_relations(out, "replaces", "constraint", vib->replaces);
    put_relations(out, "provides", "provide", vib->provides);
    put_relations(out, "compatibleWith", "constraint", vib->compatible_with);
    put_line(out, VIB_DEPTH + 1, "</relationships>");
}

static void
put_platform(GString *out, const char *locale, const char *version, const char *product)
{
    g_string_append_printf(out, "%*s<swPlatform", 2 * (VIB_DEPTH + 2), "");
    put_attribute(out, "locale", locale != NULL ? locale : "");
    put_attribute(out, "version", version != NULL ? version : "");
    put_attribute(out, "productLineID", product);
    g_string_append(out, "/>\n");
}

static void
put_requirements(GString *out, const struct vib *vib)
{
    put_line(out, VIB_DEPTH + 1, "<systemReqs>");
    put_boolean(out, VIB_DEPTH + 2, "maintenanceMode", vib->maintenance_mode);
    for (guint i = 0; i < vib->software_platforms->len; i++) {
        const struct software_platform *platform =
            &g_array_index(vib->software_platforms, struct software_platform, i);
        put_platform(out, platform->locale, platform->version, platform->product);
    }
    if (vib->software_platforms->len == 0)
        put_platform(out, "", "", "embeddedEsx");
    put_line(out, VIB_DEPTH + 1, "</systemReqs>");
}

static void
put_tags(GString *out, const struct vib *vib)
{
    if (vib->tags->len == 0)
        return;
    put_line(out, VIB_DEPTH + 1, "<softwareTags>");
    for (guint i = 0; i < vib->tags->len; i++)
        put_text(out, VIB_DEPTH + 2, "tag", vib->tags->pdata[i]);
    put_line(out, VIB_DEPTH + 1, "</softwareTags>");
}

static void
put_file(GString *out, const struct vib_facts *facts)
{
    g_autofree char *size = g_strdup_printf("%" G_GUINT64_FORMAT, facts->size);
    put_line(out, VIB_DEPTH + 1, "<vibFile>");
    put_text(out, VIB_DEPTH + 2, "sourceUrl", "");
    put_text(out, VIB_DEPTH + 2, "relativePath", facts->relative_path);
    if (facts->size > 0)
        put_text(out, VIB_DEPTH + 2, "packedSize", size);
    if (facts->sha256 != NULL) {
        put_line(out, VIB_DEPTH + 2, "<checksum>");
        put_text(out, VIB_DEPTH + 3, "checksumType", "sha-256");
        put_text(out, VIB_DEPTH + 3, "checksum", facts->sha256);
        put_line(out, VIB_DEPTH + 2, "</checksum>");
    }
    put_line(out, VIB_DEPTH + 1, "</vibFile>");
}

static void
put_vib(GString *out, const struct metadata_vib *entry)
{
    const struct vib *vib = entry->vib;
    put_line(out, VIB_DEPTH, "<vib>");
    put_text(out, VIB_DEPTH + 1, "vibVersion", "1.4.5");
    put_text(out, VIB_DEPTH + 1, "vibID", vib->id);
    put_text(out, VIB_DEPTH + 1, "name", vib->name);
    put_text(out, VIB_DEPTH + 1, "version", vib->version);
    put_text(out, VIB_DEPTH + 1, "vendor", vib->vendor);
    put_text(out, VIB_DEPTH + 1, "vibType", vib_type_name(vib->type));
    put_text(out, VIB_DEPTH + 1, "summary", vib->summary);
    put_requirements(out, vib);
    put_relationships(out, vib);
    put_line(out, VIB_DEPTH + 1, "<postInstall>");
    put_boolean(out, VIB_DEPTH + 2, "rebootRequired", !vib->live_install_allowed);
    put_boolean(out, VIB_DEPTH + 2, "hostdRestart", vib->cimom_restart);
    put_line(out, VIB_DEPTH + 1, "</postInstall>");
    put_tags(out, vib);
    put_file(out, &entry->facts);
    put_line(out, VIB_DEPTH, "</vib>");
}

static void
put_bulletin(GString *out, const struct bulletin *bulletin, GHashTable *vibs)
{
    put_line(out, 1, "<bulletin>");
    bulletin_put_fields(bulletin, out, 2);
    put_line(out, 2, "<vibList>");
    for (guint i = 0; i < bulletin->vib_ids->len; i++) {
        const struct metadata_vib *entry = g_hash_table_lookup(vibs, bulletin->vib_ids->pdata[i]);
        if (entry != NULL)
            put_vib(out, entry);
    }
    put_line(out, 2, "</vibList>");
    put_line(out, 1, "</bulletin>");
}

char *
metadata_format_legacy(const struct metadata_write *metadata)
{
    g_autoptr(GHashTable) vibs = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint i = 0; i < metadata->vibs->len; i++) {
        struct metadata_vib *entry = &g_array_index(metadata->vibs, struct metadata_vib, i);
        g_hash_table_insert(vibs, entry->vib->id, entry);
    }
    GString *out = g_string_new("<metadataResponse>\n  <version>3.0</version>\n");
    put_text(out, 1, "timestamp", metadata->timestamp);
    for (guint i = 0; i < metadata->bulletins->len; i++)
        put_bulletin(out, metadata->bulletins->pdata[i], vibs);
    put_line(out, 0, "</metadataResponse>");
    return g_string_free(out, FALSE);
}
