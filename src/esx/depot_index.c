/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/depot_index.h"

#include "base/error.h"
#include "base/xml.h"

#include <string.h>

#define ESX_PRODUCT "embeddedEsx"

void
depot_vendor_free(struct depot_vendor *vendor)
{
    if (vendor == NULL)
        return;
    g_free(vendor->name);
    g_free(vendor->code);
    g_free(vendor->index_file);
    g_free(vendor->relative_path);
    g_free(vendor);
}

void
depot_metadata_free(struct depot_metadata *metadata)
{
    if (metadata == NULL)
        return;
    g_free(metadata->product);
    g_free(metadata->version);
    g_free(metadata->locale);
    g_free(metadata->url);
    g_free(metadata->channel);
    g_free(metadata->vib_url);
    g_free(metadata);
}

static char *
text_or(const xmlNode *parent, const char *name, const char *otherwise)
{
    char *text = xml_child_text(parent, name);
    return text != NULL ? text : g_strdup(otherwise);
}

static gboolean
is_blank(const char *text)
{
    return text == NULL || *text == '\0';
}

/* Make `list` of the children `element` of the root; `parse` gives NULL with an error set. */
static gboolean
parse_entries(const xmlNode *root, const char *element, GPtrArray *list,
              gpointer (*parse)(const xmlNode *node, const char *label, GError **error),
              const char *label, GError **error)
{
    for (const xmlNode *node = xml_child(root, element); node; node = xml_next(node, element)) {
        if (list->len == DEPOT_INDEX_ENTRIES_MAX)
            return error_set(error, SLIPWAY_ERROR_LIMIT, "%s: more than %d <%s> entries", label,
                             DEPOT_INDEX_ENTRIES_MAX, element);
        gpointer entry = parse(node, label, error);
        if (entry == NULL)
            return FALSE;
        g_ptr_array_add(list, entry);
    }
    return TRUE;
}

static gpointer
parse_vendor(const xmlNode *node, const char *label, GError **error)
{
    g_autofree char *index_file = xml_child_text(node, "indexfile");
    if (is_blank(index_file))
        return error_null(error, SLIPWAY_ERROR_CORRUPT,
                          "%s: line %ld: a <vendor> without <indexfile>", label,
                          xmlGetLineNo(node));
    struct depot_vendor *vendor = g_new0(struct depot_vendor, 1);
    vendor->name = text_or(node, "name", "");
    vendor->code = text_or(node, "code", "");
    g_autofree char *path = text_or(node, "relativePath", "");
    gboolean needs_slash = *path != '\0' && !g_str_has_suffix(path, "/");
    vendor->relative_path = g_strconcat(path, needs_slash ? "/" : "", NULL);
    vendor->index_file = g_strconcat(vendor->relative_path, index_file, NULL);
    return vendor;
}

static gpointer
parse_metadata(const xmlNode *node, const char *label, GError **error)
{
    auto_ptr(depot_metadata) metadata = g_new0(struct depot_metadata, 1);
    metadata->product = text_or(node, "productId", "");
    metadata->version = text_or(node, "version", "");
    metadata->locale = text_or(node, "locale", "");
    metadata->url = text_or(node, "url", "");
    metadata->channel = text_or(node, "channelName", "default");
    metadata->vib_url = xml_child_text(node, "vibUrl");
    if (is_blank(metadata->channel)) {
        g_free(metadata->channel);
        metadata->channel = g_strdup("default");
    }
    if (is_blank(metadata->vib_url))
        g_clear_pointer(&metadata->vib_url, g_free);
    /* What other products need is theirs to know. */
    if (*metadata->url == '\0' && strcmp(metadata->product, ESX_PRODUCT) == 0)
        return error_null(error, SLIPWAY_ERROR_CORRUPT, "%s: line %ld: a <metadata> without <url>",
                          label, xmlGetLineNo(node));
    return g_steal_pointer(&metadata);
}

GPtrArray *
depot_index_parse(const void *data, gsize length, const char *label, GError **error)
{
    auto_xml_doc doc = xml_parse(data, length, DEPOT_INDEX_MAX, "vendorList", label, error);
    if (doc == NULL)
        return NULL;
    g_autoptr(GPtrArray) vendors =
        g_ptr_array_new_with_free_func((GDestroyNotify)depot_vendor_free);
    if (!parse_entries(xmlDocGetRootElement(doc), "vendor", vendors, parse_vendor, label, error))
        return NULL;
    return g_steal_pointer(&vendors);
}

GPtrArray *
vendor_index_parse(const void *data, gsize length, const char *label, GError **error)
{
    auto_xml_doc doc = xml_parse(data, length, DEPOT_INDEX_MAX, "metaList", label, error);
    if (doc == NULL)
        return NULL;
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func((GDestroyNotify)depot_metadata_free);
    if (!parse_entries(xmlDocGetRootElement(doc), "metadata", list, parse_metadata, label, error))
        return NULL;
    return g_steal_pointer(&list);
}

static void
put_line(GString *out, int depth, const char *name, const char *text)
{
    g_string_append_printf(out, "%*s", 2 * depth, "");
    xml_element(out, name, text);
    g_string_append_c(out, '\n');
}

char *
depot_index_format(const char *vendor_name, const char *vendor_code)
{
    GString *out = g_string_new("<vendorList>\n  <vendor>\n");
    put_line(out, 2, "name", vendor_name);
    put_line(out, 2, "code", vendor_code);
    put_line(out, 2, "indexfile", "vendor-index.xml");
    put_line(out, 2, "patchUrl", "");
    put_line(out, 2, "relativePath", "");
    g_string_append(out, "    <content>\n");
    put_line(out, 3, "name", "VMware ESX");
    put_line(out, 3, "type", "http://www.vmware.com/depotmanagement/esx");
    g_string_append(out, "    </content>\n  </vendor>\n</vendorList>\n");
    return g_string_free(out, FALSE);
}

char *
vendor_index_format(const char *const *versions)
{
    GString *out = g_string_new("<metaList>\n");
    for (; *versions != NULL; versions++) {
        g_string_append(out, "  <metadata>\n");
        put_line(out, 2, "productId", ESX_PRODUCT);
        put_line(out, 2, "version", *versions);
        put_line(out, 2, "locale", "");
        put_line(out, 2, "url", "metadata.zip");
        put_line(out, 2, "channelName", "default");
        g_string_append(out, "  </metadata>\n");
    }
    g_string_append(out, "</metaList>\n");
    return g_string_free(out, FALSE);
}
