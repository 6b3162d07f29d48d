/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "hyper/vsphere/vim_private.h"

#include <string.h>

#define XSI "http://www.w3.org/2001/XMLSchema-instance"
#define VIM25 "urn:vim25"
/* Words of a server are read as far as this before they are shortened. */
#define TEXT_MAX 65536

/* ---- References ------------------------------------------------------------------------------ */

void
moref_clear(struct moref *moref)
{
    g_free(moref->type);
    g_free(moref->value);
    *moref = (struct moref){0};
}

void
moref_copy(struct moref *to, const struct moref *from)
{
    *to = (struct moref){g_strdup(from->type), g_strdup(from->value)};
}

char *
moref_format(const struct moref *moref)
{
    return g_strconcat(moref->type, ":", moref->value, NULL);
}

gboolean
moref_parse(const char *text, struct moref *ret)
{
    const char *colon = strchr(text, ':');
    if (colon == NULL || colon == text || colon[1] == '\0' || strlen(text) > 2 * VIM_MOREF_MAX)
        return FALSE;
    *ret = (struct moref){g_strndup(text, (gsize)(colon - text)), g_strdup(colon + 1)};
    return TRUE;
}

gboolean
moref_equal(const struct moref *a, const struct moref *b)
{
    return g_strcmp0(a->type, b->type) == 0 && g_strcmp0(a->value, b->value) == 0;
}

/* ---- Arguments ------------------------------------------------------------------------------- */

void
vim_put(GString *xml, const char *name, const char *text)
{
    xml_element(xml, name, text);
}

void
vim_put_bool(GString *xml, const char *name, gboolean value)
{
    xml_element(xml, name, value ? "true" : "false");
}

void
vim_put_int(GString *xml, const char *name, gint64 value)
{
    g_string_append_printf(xml, "<%s>%" G_GINT64_FORMAT "</%s>", name, value, name);
}

void
vim_put_moref(GString *xml, const char *name, const struct moref *moref)
{
    if (moref == NULL || moref->value == NULL)
        return;
    g_string_append_printf(xml, "<%s type=\"", name);
    xml_escape_attribute(xml, moref->type);
    g_string_append(xml, "\">");
    xml_escape(xml, moref->value);
    g_string_append_printf(xml, "</%s>", name);
}

void
vim_begin(GString *xml, const char *name, const char *type)
{
    g_string_append_printf(xml, "<%s", name);
    if (type != NULL) {
        g_string_append(xml, " xsi:type=\"");
        xml_escape_attribute(xml, type);
        g_string_append_c(xml, '"');
    }
    g_string_append_c(xml, '>');
}

void
vim_end(GString *xml, const char *name)
{
    g_string_append_printf(xml, "</%s>", name);
}

void
vim_put_typed(GString *xml, const char *name, const char *type, const char *text)
{
    vim_begin(xml, name, type);
    xml_escape(xml, text);
    vim_end(xml, name);
}

GString *
vim_envelope(const char *method, const struct moref *self, const char *arguments)
{
    GString *xml = g_string_new(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"
        "<soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\""
        " xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" xmlns:xsi=\"" XSI "\"><soapenv:Body>");
    g_string_append_printf(xml, "<%s xmlns=\"" VIM25 "\">", method);
    vim_put_moref(xml, "_this", self);
    g_string_append(xml, arguments != NULL ? arguments : "");
    g_string_append_printf(xml, "</%s></soapenv:Body></soapenv:Envelope>", method);
    return xml;
}

/* ---- Answers --------------------------------------------------------------------------------- */

char *
vim_type_of(const xmlNode *node)
{
    xmlChar *value = xmlGetNsProp(node, (const xmlChar *)"type", (const xmlChar *)XSI);
    if (value == NULL)
        return NULL;
    const char *colon = strrchr((const char *)value, ':');
    char *type = g_strstrip(g_strdup(colon != NULL ? colon + 1 : (const char *)value));
    xmlFree(value);
    if (*type == '\0' || strlen(type) > VIM_MOREF_MAX)
        g_clear_pointer(&type, g_free);
    return type;
}

gboolean
vim_is_type(const xmlNode *node, const char *type)
{
    g_autofree char *own = vim_type_of(node);
    return own != NULL && vim_type_extends(own, type);
}

gboolean
vim_get_moref(const xmlNode *node, struct moref *ret)
{
    if (node == NULL || node->type != XML_ELEMENT_NODE || xml_child(node, NULL) != NULL)
        return FALSE;
    /* A reference in an anyType has an xsi:type too. */
    g_autofree char *type = xml_attribute(node, "type");
    g_autofree char *value = xml_text(node);
    if (type == NULL || *type == '\0' || *value == '\0' || strlen(type) > VIM_MOREF_MAX ||
        strlen(value) > VIM_MOREF_MAX)
        return FALSE;
    *ret = (struct moref){g_steal_pointer(&type), g_steal_pointer(&value)};
    return TRUE;
}

gboolean
vim_child_moref(const xmlNode *parent, const char *name, struct moref *ret)
{
    return vim_get_moref(xml_child(parent, name), ret);
}

static guint64
number_of(const xmlNode *node, guint64 otherwise)
{
    g_autofree char *text = node != NULL ? xml_text(node) : NULL;
    guint64 value = 0;
    if (text == NULL || !g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT64, &value, NULL))
        return otherwise;
    return value;
}

guint64
vim_child_number(const xmlNode *parent, const char *name, guint64 otherwise)
{
    return number_of(xml_child(parent, name), otherwise);
}

gboolean
vim_child_boolean(const xmlNode *parent, const char *name, gboolean otherwise)
{
    g_autofree char *text = xml_child_text(parent, name);
    return xml_boolean(text, otherwise);
}

const xmlNode *
vim_property(const struct vim_object *object, const char *path)
{
    return g_hash_table_lookup(object->properties, path);
}

char *
vim_property_text(const struct vim_object *object, const char *path)
{
    const xmlNode *node = vim_property(object, path);
    return node != NULL ? xml_text(node) : NULL;
}

guint64
vim_property_number(const struct vim_object *object, const char *path, guint64 otherwise)
{
    return number_of(vim_property(object, path), otherwise);
}

gboolean
vim_property_moref(const struct vim_object *object, const char *path, struct moref *ret)
{
    return vim_get_moref(vim_property(object, path), ret);
}

const xmlNode *
vim_returned(const xmlDoc *answer)
{
    return xml_child(xmlDocGetRootElement((xmlDoc *)answer), "returnval");
}

xmlDoc *
vim_copy_node(const xmlNode *node)
{
    xmlDoc *doc = xmlNewDoc((const xmlChar *)"1.0");
    doc->encoding = xmlStrdup((const xmlChar *)"UTF-8");
    /* This declares on the copy what its names need of the ancestors' namespaces. */
    xmlDocSetRootElement(doc, xmlDocCopyNode((xmlNode *)node, doc, 1));
    return doc;
}

void
vim_put_node(GString *xml, const char *name, const xmlNode *node)
{
    g_autofree char *type = vim_type_of(node);
    g_autofree char *of_reference = xml_attribute(node, "type");
    xmlChar *nil = xmlGetNsProp(node, (const xmlChar *)"nil", (const xmlChar *)XSI);
    gboolean simple = type != NULL && g_ascii_islower(*type);
    g_string_append_printf(xml, "<%s", name);
    if (of_reference != NULL) {
        g_string_append(xml, " type=\"");
        xml_escape_attribute(xml, of_reference);
        g_string_append_c(xml, '"');
    }
    if (type != NULL) {
        /* Types of XML Schema ("string", "int") begin small, the API's do not. */
        g_string_append(xml, simple ? " xsi:type=\"xsd:" : " xsi:type=\"");
        xml_escape_attribute(xml, type);
        g_string_append_c(xml, '"');
    }
    g_string_append(xml, nil != NULL ? " xsi:nil=\"true\">" : ">");
    xmlFree(nil);
    if (xml_child(node, NULL) == NULL) {
        xmlChar *text = xmlNodeGetContent(node);
        xml_escape(xml, text != NULL ? (const char *)text : "");
        xmlFree(text);
    }
    for (const xmlNode *child = xml_child(node, NULL); child != NULL; child = xml_next(child, NULL))
        vim_put_node(xml, (const char *)child->name, child);
    g_string_append_printf(xml, "</%s>", name);
}

static void
read_fault(const xmlNode *soap_fault, struct vim_fault *ret)
{
    char *words = xml_child_text(soap_fault, "faultstring");
    const xmlNode *detail = xml_child(xml_child(soap_fault, "detail"), NULL);
    vim_fault_read(detail, words, ret);
    g_free(words);
}

xmlDoc *
vim_answer_parse(const void *data, gsize length, const char *label, struct vim_fault *ret_fault,
                 GError **error)
{
    auto_xml_doc envelope = xml_parse(data, length, VIM_REPLY_MAX, "Envelope", label, error);
    if (envelope == NULL)
        return NULL;
    const xmlNode *body = xml_child(xmlDocGetRootElement(envelope), "Body");
    const xmlNode *content = xml_child(body, NULL);
    if (content == NULL)
        return error_null(error, SLIPWAY_ERROR_CORRUPT, "%s: the answer has no body", label);
    if (xml_is(content, "Fault")) {
        read_fault(content, ret_fault);
        return NULL;
    }
    return vim_copy_node(content);
}

char *
vim_short_words(char *text)
{
    if (text == NULL)
        return NULL;
    char *words = g_utf8_make_valid(text, (gssize)strnlen(text, TEXT_MAX));
    g_free(text);
    for (char *c = words; *c != '\0'; c++)
        if (g_ascii_iscntrl(*c))
            *c = ' ';
    g_strstrip(words);
    if (strlen(words) > VIM_WORDS_MAX) {
        char *end = g_utf8_find_prev_char(words, words + VIM_WORDS_MAX - 3);
        strcpy(end, "...");
    }
    return words;
}
