/* SPDX-License-Identifier: GPL-3.0-or-later */
/* xml.h: reading small XML documents from strangers with libxml2.
 *
 * No network, no DTD at all (a document with one is refused: it is how entity
 * bombs come), nesting at most XML_DEPTH_MAX, size as the caller says.  Parsing is
 * thread-safe as long as each document stays in one thread. */
#pragma once

#include "base/auto_ptr.h"

#include <glib.h>
#include <libxml/tree.h>

#define XML_DEPTH_MAX 64

typedef xmlNode *xml_node_t;

/* Parse.  `label` names the document in errors: SLIPWAY_ERROR_CORRUPT with line and
 * the parser's words, SLIPWAY_ERROR_LIMIT beyond `limit` bytes.  When the root is not
 * `root_name` (NULL: any) that is SLIPWAY_ERROR_CORRUPT, which says what it was, and
 * names HTML when it is HTML.  Free with xmlFreeDoc(). */
xmlDoc *xml_parse(const void *data, gsize length, gsize limit, const char *root_name,
                  const char *label, GError **error);

static inline void
xml_doc_freep(xmlDoc **doc)
{
    if (*doc != NULL)
        xmlFreeDoc(*doc);
}
#define auto_xml_doc __attribute__((cleanup(xml_doc_freep))) xmlDoc *

/* First child element called `name` (NULL: any), or NULL. */
xmlNode *xml_child(const xmlNode *parent, const char *name);
/* Next sibling element called `name` (NULL: any), or NULL. */
xmlNode *xml_next(const xmlNode *node, const char *name);
gboolean xml_is(const xmlNode *node, const char *name);

/* Text inside `node`, blanks at both ends trimmed; "" when there is none or node is
 * NULL.  Free with g_free(). */
char *xml_text(const xmlNode *node);
/* Text of the first child `name`; NULL when there is no such child. */
char *xml_child_text(const xmlNode *parent, const char *name);
/* Value of an attribute; NULL when it is not there. */
char *xml_attribute(const xmlNode *node, const char *name);
/* "true", "1" -> TRUE; "false", "0" -> FALSE; anything else, or NULL: `otherwise`. */
gboolean xml_boolean(const char *text, gboolean otherwise);
/* `node` with everything in it, as text. */
char *xml_dump(const xmlNode *node);

/* Append `text` escaped for element content; a parser gives back exactly the same. */
void xml_escape(GString *out, const char *text);
/* The same for a value in double quotes, where line breaks and tabs would become blanks. */
void xml_escape_attribute(GString *out, const char *text);
/* Append <name>text</name>, escaped; text NULL: nothing. */
void xml_element(GString *out, const char *name, const char *text);
