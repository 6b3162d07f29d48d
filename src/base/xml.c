/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/xml.h"

#include "base/error.h"

#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include <string.h>

/* What one parse has to say beside libxml2's own errors. */
struct watch {
    gboolean doctype;
    gboolean deep;
    unsigned depth;
    startElementNsSAX2Func start;
    endElementNsSAX2Func end;
};

static void
init_library(void)
{
    static gsize once;
    if (g_once_init_enter(&once)) {
        xmlInitParser();
        g_once_init_leave(&once, 1);
    }
}

static void
refuse_doctype(void *data, const xmlChar *name G_GNUC_UNUSED, const xmlChar *id G_GNUC_UNUSED,
               const xmlChar *system G_GNUC_UNUSED)
{
    xmlParserCtxt *parser = data;
    ((struct watch *)parser->_private)->doctype = TRUE;
    xmlStopParser(parser);
}

static void
start_element(void *data, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
              int n_namespaces, const xmlChar **namespaces, int n_attributes, int n_defaulted,
              const xmlChar **attributes)
{
    xmlParserCtxt *parser = data;
    struct watch *watch = parser->_private;
    if (++watch->depth > XML_DEPTH_MAX) {
        watch->deep = TRUE;
        xmlStopParser(parser);
        return;
    }
    watch->start(data, name, prefix, uri, n_namespaces, namespaces, n_attributes, n_defaulted,
                 attributes);
}

static void
end_element(void *data, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
    xmlParserCtxt *parser = data;
    struct watch *watch = parser->_private;
    watch->depth--;
    watch->end(data, name, prefix, uri);
}

static gboolean
looks_like_html(const void *data, gsize length)
{
    if (length == 0)
        return FALSE;
    g_autofree char *head = g_ascii_strdown(data, (gssize)MIN(length, 1024));
    for (char *c = head; c < head + MIN(length, 1024); c++)
        if (*c == '\0')
            *c = ' ';
    return strstr(head, "<html") != NULL || strstr(head, "<!doctype html") != NULL;
}

static gboolean
explain_failure(const xmlParserCtxt *parser, const struct watch *watch, const void *data,
                gsize length, const char *label, GError **error)
{
    if (looks_like_html(data, length))
        return error_set(error, SLIPWAY_ERROR_CORRUPT,
                         "%s: this is an HTML page, not the XML document that was expected; a "
                         "login, block or proxy page may have been sent instead",
                         label);
    if (watch->doctype)
        return error_set(error, SLIPWAY_ERROR_CORRUPT,
                         "%s: has a document type declaration, which is refused", label);
    if (watch->deep)
        return error_set(error, SLIPWAY_ERROR_LIMIT, "%s: elements nest deeper than %d", label,
                         XML_DEPTH_MAX);
    if (length == 0)
        return error_set(error, SLIPWAY_ERROR_CORRUPT, "%s: is empty", label);
    const xmlError *last = xmlCtxtGetLastError((void *)parser);
    g_autofree char *words = g_strdup(last && last->message ? last->message : "no XML document");
    words[strcspn(words, "\n")] = '\0'; /* what follows are bytes in hexadecimal */
    return error_set(error, SLIPWAY_ERROR_CORRUPT, "%s: line %d: %s", label,
                     last != NULL ? last->line : 0, g_strstrip(words));
}

static gboolean
check_root(const xmlDoc *doc, const char *root_name, const char *label, GError **error)
{
    const xmlNode *root = xmlDocGetRootElement((xmlDoc *)doc);
    if (root_name == NULL || xml_is(root, root_name))
        return TRUE;
    if (g_ascii_strcasecmp((const char *)root->name, "html") == 0)
        return error_set(error, SLIPWAY_ERROR_CORRUPT,
                         "%s: this is an HTML page, not the XML document that was expected; a "
                         "login, block or proxy page may have been sent instead",
                         label);
    return error_set(error, SLIPWAY_ERROR_CORRUPT, "%s: the root element is <%.60s>, not <%s>",
                     label, (const char *)root->name, root_name);
}

xmlDoc *
xml_parse(const void *data, gsize length, gsize limit, const char *root_name, const char *label,
          GError **error)
{
    init_library();
    if (length > limit || length > G_MAXINT)
        return error_null(error, SLIPWAY_ERROR_LIMIT,
                          "%s: %" G_GSIZE_FORMAT " bytes of XML, the limit is %" G_GSIZE_FORMAT,
                          label, length, limit);

    xmlParserCtxt *parser = xmlNewParserCtxt();
    if (parser == NULL)
        g_error("out of memory");
    struct watch watch = {.start = parser->sax->startElementNs, .end = parser->sax->endElementNs};
    parser->_private = &watch;
    parser->sax->internalSubset = refuse_doctype;
    parser->sax->startElementNs = start_element;
    parser->sax->endElementNs = end_element;
    auto_xml_doc doc = xmlCtxtReadMemory(parser, data, (int)length, NULL, NULL,
                                         XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING |
                                             XML_PARSE_COMPACT | XML_PARSE_NOCDATA);
    gboolean ok = doc != NULL && !watch.doctype && !watch.deep && xmlDocGetRootElement(doc) != NULL;
    if (!ok)
        explain_failure(parser, &watch, data, length, label, error);
    xmlFreeParserCtxt(parser);
    /* Texts are UTF-8 from here on; with no encoding xml_dump() would write references. */
    if (ok && doc->encoding == NULL)
        doc->encoding = xmlStrdup((const xmlChar *)"UTF-8");
    if (!ok || !check_root(doc, root_name, label, error))
        return NULL;
    return g_steal_pointer(&doc);
}

gboolean
xml_is(const xmlNode *node, const char *name)
{
    return node != NULL && node->type == XML_ELEMENT_NODE &&
           (name == NULL || strcmp((const char *)node->name, name) == 0);
}

static xmlNode *
first_of(xmlNode *node, const char *name)
{
    while (node != NULL && !xml_is(node, name))
        node = node->next;
    return node;
}

xmlNode *
xml_child(const xmlNode *parent, const char *name)
{
    return parent != NULL ? first_of(parent->children, name) : NULL;
}

xmlNode *
xml_next(const xmlNode *node, const char *name)
{
    return node != NULL ? first_of(node->next, name) : NULL;
}

char *
xml_text(const xmlNode *node)
{
    if (node == NULL)
        return g_strdup("");
    /* The common case, one text node, without a detour over libxml2's buffers. */
    const xmlNode *child = node->children;
    if (child == NULL)
        return g_strdup("");
    if (child->type == XML_TEXT_NODE && child->next == NULL)
        return g_strstrip(g_strdup((const char *)child->content));
    xmlChar *content = xmlNodeGetContent(node);
    char *text = g_strstrip(g_strdup(content != NULL ? (const char *)content : ""));
    xmlFree(content);
    return text;
}

char *
xml_child_text(const xmlNode *parent, const char *name)
{
    const xmlNode *child = xml_child(parent, name);
    return child != NULL ? xml_text(child) : NULL;
}

char *
xml_attribute(const xmlNode *node, const char *name)
{
    xmlChar *value = xmlGetNoNsProp(node, (const xmlChar *)name);
    char *text = value != NULL ? g_strdup((const char *)value) : NULL;
    xmlFree(value);
    return text;
}

gboolean
xml_boolean(const char *text, gboolean otherwise)
{
    if (text == NULL)
        return otherwise;
    if (g_ascii_strcasecmp(text, "true") == 0 || strcmp(text, "1") == 0)
        return TRUE;
    if (g_ascii_strcasecmp(text, "false") == 0 || strcmp(text, "0") == 0)
        return FALSE;
    return otherwise;
}

char *
xml_dump(const xmlNode *node)
{
    xmlBuffer *buffer = xmlBufferCreate();
    xmlNodeDump(buffer, node->doc, (xmlNode *)node, 0, 0);
    char *text = g_strdup((const char *)xmlBufferContent(buffer));
    xmlBufferFree(buffer);
    return text;
}

/* Append `text` with the characters of `special` as references. */
static void
escape(GString *out, const char *text, const char *special)
{
    static const struct {
        char character;
        const char *reference;
    } references[] = {
        {'&', "&amp;"},  {'<', "&lt;"},   {'>', "&gt;"},  {'"', "&quot;"},
        {'\r', "&#13;"}, {'\n', "&#10;"}, {'\t', "&#9;"},
    };
    for (;;) {
        gsize plain = strcspn(text, special);
        g_string_append_len(out, text, (gssize)plain);
        text += plain;
        if (*text == '\0')
            return;
        for (gsize i = 0; i < G_N_ELEMENTS(references); i++)
            if (references[i].character == *text)
                g_string_append(out, references[i].reference);
        text++;
    }
}

void
xml_escape(GString *out, const char *text)
{
    escape(out, text, "&<>\"\r");
}

void
xml_escape_attribute(GString *out, const char *text)
{
    escape(out, text, "&<>\"\r\n\t");
}

void
xml_element(GString *out, const char *name, const char *text)
{
    if (text == NULL)
        return;
    g_string_append_printf(out, "<%s>", name);
    xml_escape(out, text);
    g_string_append_printf(out, "</%s>", name);
}
