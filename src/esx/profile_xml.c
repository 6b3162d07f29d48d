/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An image profile as an XML document.  Format: doc/format/profile.md. */
#include "base/error.h"
#include "base/xml.h"
#include "esx/module_names.h"
#include "esx/profile.h"

#include <string.h>

struct parser {
    const char *label;
    struct profile *profile;
    GHashTable *ids; /* of char *, borrowed: VIB ids so far */
    GError **error;
};

static gboolean corrupt(const struct parser *parser, const char *format, ...) G_GNUC_PRINTF(2, 3);

static gboolean
corrupt(const struct parser *parser, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    return error_set(parser->error, SLIPWAY_ERROR_CORRUPT, "%s: %s", parser->label, text);
}

/* ---- parse ------------------------------------------------------------------------------ */

static gboolean
has_control(const char *text)
{
    for (; *text != '\0'; text = g_utf8_next_char(text))
        if (g_unichar_iscntrl(g_utf8_get_char(text)))
            return TRUE;
    return FALSE;
}

static gboolean
check_short(const struct parser *parser, const char *what, const char *text)
{
    if (*text == '\0')
        return corrupt(parser, "the profile has an empty %s", what);
    if (has_control(text))
        return corrupt(parser, "the %s has a control character in it", what);
    if (strlen(text) > PROFILE_TEXT_MAX)
        return error_set(parser->error, SLIPWAY_ERROR_LIMIT,
                         "%s: the %s is longer than %d bytes, '%.40s...'", parser->label, what,
                         PROFILE_TEXT_MAX, text);
    return TRUE;
}

static gboolean
check_length(const struct parser *parser, const char *what, const char *text, glong limit)
{
    glong length = g_utf8_strlen(text, -1);
    if (length > limit)
        return error_set(parser->error, SLIPWAY_ERROR_LIMIT,
                         "%s: the %s is %ld characters long, the limit is %ld", parser->label, what,
                         length, limit);
    return TRUE;
}

/* What one child element of the profile means.  Takes `text` over. */
typedef gboolean (*take_func)(const struct parser *parser, const xmlNode *node, char *text);

static void
replace(char **field, char *text)
{
    g_free(*field);
    *field = text;
}

static gboolean
take_name(const struct parser *parser, const xmlNode *node G_GNUC_UNUSED, char *text)
{
    replace(&parser->profile->name, text);
    return check_length(parser, "name", text, PROFILE_NAME_MAX) &&
           check_short(parser, "name", text);
}

static gboolean
take_creator(const struct parser *parser, const xmlNode *node G_GNUC_UNUSED, char *text)
{
    replace(&parser->profile->vendor, text);
    return check_length(parser, "creator", text, PROFILE_VENDOR_MAX) &&
           check_short(parser, "creator", text);
}

/* An empty optional element says as much as none. */
static gboolean
take_optional(const struct parser *parser, const char *what, char **field, char *text)
{
    replace(field, *text != '\0' ? text : NULL);
    if (*field == NULL)
        g_free(text);
    return *field == NULL || check_short(parser, what, *field);
}

static gboolean
take_id(const struct parser *parser, const xmlNode *node G_GNUC_UNUSED, char *text)
{
    return take_optional(parser, "profileID", &parser->profile->profile_id, text);
}

static gboolean
take_created(const struct parser *parser, const xmlNode *node G_GNUC_UNUSED, char *text)
{
    return take_optional(parser, "creationtime", &parser->profile->created, text);
}

static gboolean
take_modified(const struct parser *parser, const xmlNode *node G_GNUC_UNUSED, char *text)
{
    return take_optional(parser, "modifiedtime", &parser->profile->modified, text);
}

static gboolean
take_serial(const struct parser *parser, const xmlNode *node G_GNUC_UNUSED, char *text)
{
    g_autofree char *owned = text;
    gint64 serial = 0;
    if (!g_ascii_string_to_signed(owned, 10, 0, G_MAXINT, &serial, NULL))
        return corrupt(parser, "the serialno '%.40s' is no number", owned);
    parser->profile->serial = (int)serial;
    return TRUE;
}

static gboolean
take_description(const struct parser *parser, const xmlNode *node G_GNUC_UNUSED, char *text)
{
    replace(&parser->profile->description, text);
    return check_length(parser, "description", text, PROFILE_DESCRIPTION_MAX);
}

static gboolean
take_read_only(const struct parser *parser, const xmlNode *node G_GNUC_UNUSED, char *text)
{
    g_autofree char *owned = text;
    gboolean read_only = xml_boolean(owned, FALSE);
    if (read_only != xml_boolean(owned, TRUE))
        return corrupt(parser, "readonly is '%.40s', neither true nor false", owned);
    parser->profile->read_only = read_only;
    return TRUE;
}

static gboolean
take_acceptance(const struct parser *parser, const xmlNode *node G_GNUC_UNUSED, char *text)
{
    g_autofree char *owned = text;
    if (*owned != '\0' && !acceptance_parse(owned, &parser->profile->acceptance))
        return corrupt(parser, "the acceptancelevel '%.40s' is none", owned);
    return TRUE;
}

static gboolean
take_local(const struct parser *parser, const xmlNode *node, struct profile_vib *vib)
{
    g_autofree char *payload = xml_attribute(node, "payload-name");
    g_autofree char *local = xml_text(node);
    g_autofree char *lower = g_ascii_strdown(local, -1);
    if (payload == NULL)
        return corrupt(parser, "VIB %s: a payload has no payload-name", vib->id);
    if (!check_short(parser, "payload-name", payload))
        return FALSE;
    if (!module_name_valid(lower))
        return corrupt(parser, "VIB %s: payload %s is called '%.40s', which is no 8.3 name",
                       vib->id, payload, local);
    struct profile_local_name name = {g_steal_pointer(&payload), g_steal_pointer(&local)};
    g_array_append_val(vib->locals, name);
    return TRUE;
}

static gboolean
take_vib_child(const struct parser *parser, const xmlNode *node, struct profile_vib *vib)
{
    if (xml_is(node, "boot")) {
        g_autofree char *text = xml_text(node);
        vib->boot = xml_boolean(text, TRUE);
    } else if (xml_is(node, "installdate")) {
        replace(&vib->installdate, xml_text(node));
    } else if (xml_is(node, "payloads")) {
        for (xmlNode *payload = xml_child(node, "payload"); payload != NULL;
             payload = xml_next(payload, "payload"))
            if (!take_local(parser, payload, vib))
                return FALSE;
    } else if (!xml_is(node, "vib-id")) {
        g_autofree char *xml = xml_dump(node);
        replace(&vib->extra, g_strconcat(vib->extra != NULL ? vib->extra : "", xml, NULL));
    }
    return TRUE;
}

static gboolean
take_vib(const struct parser *parser, const xmlNode *node)
{
    g_autofree char *id = xml_child_text(node, "vib-id");
    if (id == NULL)
        return corrupt(parser, "a vib of the list has no vib-id");
    if (!check_short(parser, "vib-id", id))
        return FALSE;
    if (g_hash_table_contains(parser->ids, id))
        return corrupt(parser, "VIB %s is in the list twice", id);
    /* Not profile_add_vib(), whose search makes a long list slow. */
    struct profile_vib *vib = profile_append_vib(parser->profile, id);
    g_hash_table_add(parser->ids, vib->id);
    for (xmlNode *child = xml_child(node, NULL); child != NULL; child = xml_next(child, NULL))
        if (!take_vib_child(parser, child, vib))
            return FALSE;
    return TRUE;
}

static gboolean
take_list(const struct parser *parser, const xmlNode *node, char *text)
{
    g_free(text);
    for (xmlNode *vib = xml_child(node, "vib"); vib != NULL; vib = xml_next(vib, "vib")) {
        if (parser->profile->vibs->len >= PROFILE_VIBS_MAX)
            return error_set(parser->error, SLIPWAY_ERROR_LIMIT,
                             "%s: the profile has more than %d VIBs", parser->label,
                             PROFILE_VIBS_MAX);
        if (!take_vib(parser, vib))
            return FALSE;
    }
    return TRUE;
}

/* In the order of the document, of which we insist on nothing. */
static const struct element {
    const char *name;
    take_func take;
    gboolean required;
} elements[] = {
    {"name", take_name, TRUE},
    {"creator", take_creator, TRUE},
    {"profileID", take_id, FALSE},
    {"creationtime", take_created, FALSE},
    {"modifiedtime", take_modified, FALSE},
    {"serialno", take_serial, FALSE},
    {"description", take_description, FALSE},
    {"readonly", take_read_only, FALSE},
    {"viblist", take_list, TRUE},
    {"acceptancelevel", take_acceptance, FALSE},
};

static gboolean
take_child(const struct parser *parser, const xmlNode *node, gboolean seen[])
{
    for (gsize i = 0; i < G_N_ELEMENTS(elements); i++) {
        if (!xml_is(node, elements[i].name))
            continue;
        if (seen[i])
            return corrupt(parser, "the profile has <%s> twice", elements[i].name);
        seen[i] = TRUE;
        gboolean plain = elements[i].take != take_list;
        return elements[i].take(parser, node, plain ? xml_text(node) : NULL);
    }
    g_ptr_array_add(parser->profile->extra, xml_dump(node));
    return TRUE;
}

static gboolean
take_children(const struct parser *parser, const xmlNode *root)
{
    gboolean seen[G_N_ELEMENTS(elements)] = {FALSE};
    for (xmlNode *child = xml_child(root, NULL); child != NULL; child = xml_next(child, NULL))
        if (!take_child(parser, child, seen))
            return FALSE;
    for (gsize i = 0; i < G_N_ELEMENTS(elements); i++)
        if (elements[i].required && !seen[i])
            return corrupt(parser, "the profile has no <%s>", elements[i].name);
    return TRUE;
}

struct profile *
profile_parse(const void *data, gsize length, const char *label, GError **error)
{
    auto_xml_doc doc = xml_parse(data, length, PROFILE_XML_MAX, "imageprofile", label, error);
    if (doc == NULL)
        return NULL;
    auto_ptr(profile) profile = profile_new("", "");
    profile->read_only = TRUE;
    g_autoptr(GHashTable) ids = g_hash_table_new(g_str_hash, g_str_equal);
    struct parser parser = {.label = label, .profile = profile, .ids = ids, .error = error};
    if (!take_children(&parser, xmlDocGetRootElement(doc)))
        return NULL;
    return g_steal_pointer(&profile);
}

/* ---- format ----------------------------------------------------------------------------- */

static void
append_locals(GString *out, const struct profile_vib *vib)
{
    g_string_append(out, "<payloads>");
    for (guint i = 0; i < vib->locals->len; i++) {
        const struct profile_local_name *name =
            &g_array_index(vib->locals, struct profile_local_name, i);
        g_string_append(out, "<payload payload-name=\"");
        xml_escape_attribute(out, name->payload);
        g_string_append(out, "\">");
        xml_escape(out, name->local);
        g_string_append(out, "</payload>");
    }
    g_string_append(out, "</payloads>");
}

static void
append_vib(GString *out, const struct profile_vib *vib, gboolean with_locals)
{
    g_string_append(out, "<vib>");
    xml_element(out, "vib-id", vib->id);
    if (!vib->boot)
        xml_element(out, "boot", "false");
    if (with_locals)
        append_locals(out, vib);
    xml_element(out, "installdate", vib->installdate);
    if (vib->extra != NULL)
        g_string_append(out, vib->extra);
    g_string_append(out, "</vib>");
}

GBytes *
profile_format(const struct profile *profile, gboolean with_locals)
{
    g_autofree char *serial = g_strdup_printf("%d", profile->serial);
    GString *out = g_string_new("<imageprofile>");
    xml_element(out, "name", profile->name);
    xml_element(out, "creator", profile->vendor);
    xml_element(out, "profileID", profile->profile_id);
    xml_element(out, "creationtime", profile->created);
    xml_element(out, "modifiedtime", profile->modified);
    xml_element(out, "serialno", serial);
    xml_element(out, "description", profile->description);
    xml_element(out, "readonly", profile->read_only ? "true" : "false");
    g_string_append(out, "<viblist>");
    for (guint i = 0; i < profile->vibs->len; i++)
        append_vib(out, profile->vibs->pdata[i], with_locals);
    g_string_append(out, "</viblist>");
    if (profile->acceptance != ACCEPTANCE_NONE)
        xml_element(out, "acceptancelevel", acceptance_name(profile->acceptance));
    for (guint i = 0; i < profile->extra->len; i++)
        g_string_append(out, profile->extra->pdata[i]);
    g_string_append(out, "</imageprofile>");
    return g_string_free_to_bytes(out);
}
