/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/bulletin.h"

#include "base/error.h"
#include "base/xml.h"

#include <string.h>

#define ID_MAX 256
#define VIBS_MAX 20000
#define PLATFORMS_MAX 1000
#define ESX_PRODUCT "embeddedEsx"

/* Elements that are plain text, in the order of the document; the components' names come between
 * `contact` and `releaseDate`. */
static const struct {
    const char *element;
    gsize offset;
} texts[] = {
    {"id", G_STRUCT_OFFSET(struct bulletin, id)},
    {"vendor", G_STRUCT_OFFSET(struct bulletin, vendor)},
    {"summary", G_STRUCT_OFFSET(struct bulletin, summary)},
    {"severity", G_STRUCT_OFFSET(struct bulletin, severity)},
    {"category", G_STRUCT_OFFSET(struct bulletin, category)},
    {"urgency", G_STRUCT_OFFSET(struct bulletin, urgency)},
    {"releaseType", G_STRUCT_OFFSET(struct bulletin, release_type)},
    {"description", G_STRUCT_OFFSET(struct bulletin, description)},
    {"kbUrl", G_STRUCT_OFFSET(struct bulletin, kb_url)},
    {"contact", G_STRUCT_OFFSET(struct bulletin, contact)},
    {"releaseDate", G_STRUCT_OFFSET(struct bulletin, release_date)},
};

static char **
text_of(const struct bulletin *bulletin, gsize row)
{
    return &G_STRUCT_MEMBER(char *, bulletin, texts[row].offset);
}

static struct bulletin *
new_empty(void)
{
    struct bulletin *bulletin = g_new0(struct bulletin, 1);
    bulletin->platforms = g_ptr_array_new_with_free_func(g_free);
    bulletin->vib_ids = g_ptr_array_new_with_free_func(g_free);
    return bulletin;
}

struct bulletin *
bulletin_new(const char *id)
{
    struct bulletin *bulletin = new_empty();
    bulletin->id = g_strdup(id);
    return bulletin;
}

void
bulletin_free(struct bulletin *bulletin)
{
    if (bulletin == NULL)
        return;
    for (gsize row = 0; row < G_N_ELEMENTS(texts); row++)
        g_free(*text_of(bulletin, row));
    g_free(bulletin->component_name);
    g_free(bulletin->component_version);
    g_free(bulletin->component_name_ui);
    g_free(bulletin->component_version_ui);
    g_ptr_array_unref(bulletin->platforms);
    g_ptr_array_unref(bulletin->vib_ids);
    g_clear_pointer(&bulletin->xml, g_bytes_unref);
    g_free(bulletin);
}

/* The id is a file name in bulletins/. */
static gboolean
check_id(const struct bulletin *bulletin, const char *label, GError **error)
{
    const char *id = bulletin->id;
    if (id == NULL || *id == '\0')
        return error_set(error, SLIPWAY_ERROR_CORRUPT, "%s: the bulletin has no <id>", label);
    gboolean ok = strlen(id) <= ID_MAX && *id != '.' && strpbrk(id, "/\\") == NULL;
    for (const char *c = id; ok && *c != '\0'; c++)
        ok = !g_ascii_iscntrl(*c);
    if (!ok)
        return error_set(error, SLIPWAY_ERROR_CORRUPT,
                         "%s: the bulletin's <id> `%.80s` cannot be one", label, id);
    return TRUE;
}

static void
parse_component(struct bulletin *bulletin, const xmlNode *root)
{
    const xmlNode *name = xml_child(root, "componentNameSpec");
    const xmlNode *version = xml_child(root, "componentVersionSpec");
    if (name == NULL || version == NULL)
        return;
    bulletin->component_name = xml_attribute(name, "name");
    bulletin->component_name_ui = xml_attribute(name, "uiString");
    bulletin->component_version = xml_attribute(version, "version");
    bulletin->component_version_ui = xml_attribute(version, "uiString");
    if (bulletin->component_name != NULL && bulletin->component_version != NULL)
        return;
    /* Half a component is none. */
    g_clear_pointer(&bulletin->component_name, g_free);
    g_clear_pointer(&bulletin->component_name_ui, g_free);
    g_clear_pointer(&bulletin->component_version, g_free);
    g_clear_pointer(&bulletin->component_version_ui, g_free);
}

static gboolean
parse_platforms(struct bulletin *bulletin, const xmlNode *list, const char *label, GError **error)
{
    for (const xmlNode *node = xml_child(list, "softwarePlatform"); node != NULL;
         node = xml_next(node, "softwarePlatform")) {
        g_autofree char *product = xml_attribute(node, "productLineID");
        g_autofree char *version = xml_attribute(node, "version");
        if (g_strcmp0(product, ESX_PRODUCT) != 0 || version == NULL)
            continue;
        if (bulletin->platforms->len == PLATFORMS_MAX)
            return error_set(error, SLIPWAY_ERROR_LIMIT, "%s: more than %d platforms", label,
                             PLATFORMS_MAX);
        g_ptr_array_add(bulletin->platforms, g_steal_pointer(&version));
    }
    return TRUE;
}

/* <vibID> entries, as in bulletins/, or <vib> with a <vibID> inside, as in vmware.xml. */
static gboolean
parse_vibs(struct bulletin *bulletin, const xmlNode *list, const char *label, GError **error)
{
    for (const xmlNode *node = xml_child(list, NULL); node != NULL; node = xml_next(node, NULL)) {
        g_autofree char *id = xml_is(node, "vibID") ? xml_text(node)
                              : xml_is(node, "vib") ? xml_child_text(node, "vibID")
                                                    : NULL;
        if (id == NULL || *id == '\0')
            continue;
        if (bulletin->vib_ids->len == VIBS_MAX)
            return error_set(error, SLIPWAY_ERROR_LIMIT, "%s: more than %d VIBs", label, VIBS_MAX);
        g_ptr_array_add(bulletin->vib_ids, g_steal_pointer(&id));
    }
    return TRUE;
}

struct bulletin *
bulletin_parse(const void *data, gsize length, const char *label, GError **error)
{
    auto_xml_doc doc = xml_parse(data, length, BULLETIN_XML_MAX, "bulletin", label, error);
    if (doc == NULL)
        return NULL;
    const xmlNode *root = xmlDocGetRootElement(doc);
    auto_ptr(bulletin) bulletin = new_empty();
    for (gsize row = 0; row < G_N_ELEMENTS(texts); row++)
        *text_of(bulletin, row) = xml_child_text(root, texts[row].element);
    parse_component(bulletin, root);
    if (!check_id(bulletin, label, error) ||
        !parse_platforms(bulletin, xml_child(root, "platforms"), label, error) ||
        !parse_vibs(bulletin, xml_child(root, "vibList"), label, error))
        return NULL;
    bulletin->xml = g_bytes_new(data, length);
    return g_steal_pointer(&bulletin);
}

static void
put_attribute(GString *out, const char *name, const char *value)
{
    g_string_append_printf(out, " %s=\"", name);
    xml_escape_attribute(out, value != NULL ? value : "");
    g_string_append_c(out, '"');
}

static void
begin_line(GString *out, int depth)
{
    if (depth >= 0)
        g_string_append_printf(out, "%*s", 2 * depth, "");
}

static void
end_line(GString *out, int depth)
{
    if (depth >= 0)
        g_string_append_c(out, '\n');
}

/* <element uiString="..." key="..."/> */
static void
put_spec(GString *out, int depth, const char *element, const char *words, const char *key,
         const char *value)
{
    begin_line(out, depth);
    g_string_append_printf(out, "<%s", element);
    put_attribute(out, "uiString", words);
    put_attribute(out, key, value);
    g_string_append(out, "/>");
    end_line(out, depth);
}

static void
put_component(GString *out, int depth, const struct bulletin *bulletin)
{
    if (bulletin->component_name == NULL)
        return;
    put_spec(out, depth, "componentNameSpec", bulletin->component_name_ui, "name",
             bulletin->component_name);
    put_spec(out, depth, "componentVersionSpec", bulletin->component_version_ui, "version",
             bulletin->component_version);
}

static void
put_platforms(GString *out, int depth, const struct bulletin *bulletin)
{
    int inside = depth >= 0 ? depth + 1 : -1;
    begin_line(out, depth);
    g_string_append(out, "<platforms>");
    end_line(out, depth);
    for (guint i = 0; i < bulletin->platforms->len; i++) {
        begin_line(out, inside);
        g_string_append(out, "<softwarePlatform");
        put_attribute(out, "locale", "");
        put_attribute(out, "version", bulletin->platforms->pdata[i]);
        put_attribute(out, "productLineID", ESX_PRODUCT);
        g_string_append(out, "/>");
        end_line(out, inside);
    }
    begin_line(out, depth);
    g_string_append(out, "</platforms>");
    end_line(out, depth);
}

void
bulletin_put_fields(const struct bulletin *bulletin, GString *out, int depth)
{
    for (gsize row = 0; row < G_N_ELEMENTS(texts); row++) {
        const char *text = *text_of(bulletin, row);
        if (strcmp(texts[row].element, "releaseDate") == 0)
            put_component(out, depth, bulletin);
        begin_line(out, depth);
        xml_element(out, texts[row].element, text != NULL ? text : "");
        end_line(out, depth);
    }
    put_platforms(out, depth, bulletin);
}

GBytes *
bulletin_format(const struct bulletin *bulletin)
{
    if (bulletin->xml != NULL)
        return g_bytes_ref(bulletin->xml);

    GString *out = g_string_new("<bulletin>");
    bulletin_put_fields(bulletin, out, -1);
    g_string_append(out, "<vibList>");
    for (guint i = 0; i < bulletin->vib_ids->len; i++)
        xml_element(out, "vibID", bulletin->vib_ids->pdata[i]);
    g_string_append(out, "</vibList></bulletin>");
    return g_string_free_to_bytes(out);
}
