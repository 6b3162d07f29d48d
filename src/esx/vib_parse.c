/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading a VIB descriptor.  Format: doc/format/vib.md. */
#include "esx/vib.h"

#include "base/error.h"
#include "base/xml.h"
#include "esx/module_names.h"

#include <string.h>

#define FIELD_MAX 512 /* name, version, vendor, ... */
#define FILE_PATH_MAX 1024
#define CHECKSUMS_MAX 16

struct parser {
    const char *label;
    struct vib *vib;
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

static gboolean
over_limit(const struct parser *parser, const char *what, unsigned limit)
{
    return error_set(parser->error, SLIPWAY_ERROR_LIMIT, "%s: more than %u %s", parser->label,
                     limit, what);
}

/* Text that becomes part of ids and file names: no slash, no control character. */
static gboolean
identifier_valid(const char *text)
{
    if (*text == '\0' || *text == '.' || strlen(text) > FIELD_MAX)
        return FALSE;
    for (const guchar *c = (const guchar *)text; *c != '\0'; c++)
        if (*c <= ' ' || *c == '/' || *c == '\\' || *c == 127)
            return FALSE;
    return TRUE;
}

static gboolean
take_identifier(const struct parser *parser, const xmlNode *root, const char *name, char **ret)
{
    *ret = xml_child_text(root, name);
    if (*ret == NULL)
        return corrupt(parser, "the VIB descriptor has no <%s>", name);
    /* Vendors with a blank exist in hand-made VIBs; it may not break the id. */
    if (strcmp(name, "vendor") == 0)
        g_strdelimit(*ret, " \t", '_');
    if (!identifier_valid(*ret))
        return corrupt(parser, "the VIB descriptor's <%s> `%.80s` cannot be one", name, *ret);
    return TRUE;
}

static gboolean
take_type(const struct parser *parser, const xmlNode *root)
{
    g_autofree char *text = xml_child_text(root, "type");
    if (text == NULL)
        return corrupt(parser, "the VIB descriptor has no <type>");
    for (enum vib_type type = VIB_BOOTBANK; type <= VIB_META; type++) {
        if (strcmp(text, vib_type_name(type)) == 0) {
            parser->vib->type = type;
            return TRUE;
        }
    }
    return corrupt(parser, "the VIB type `%.40s` is none of bootbank, locker, meta", text);
}

static void
take_release_date(struct vib *vib, const xmlNode *root)
{
    vib->release_date = xml_child_text(root, "release-date");
    if (vib->release_date == NULL)
        vib->release_date = g_strdup("");
    g_autoptr(GTimeZone) utc = g_time_zone_new_utc();
    g_autoptr(GDateTime) time = g_date_time_new_from_iso8601(vib->release_date, utc);
    vib->released = time != NULL ? g_date_time_to_unix(time) : 0;
}

static gboolean
take_relation(const struct parser *parser, const xmlNode *node, GArray *list)
{
    struct relation relation = {.name = xml_attribute(node, "name"),
                                .version = xml_attribute(node, "version")};
    g_autofree char *sign = xml_attribute(node, "relation");
    gboolean ok = TRUE;
    if (relation.name == NULL || *relation.name == '\0' || strlen(relation.name) > FIELD_MAX)
        ok = corrupt(parser, "a relation has no name");
    else if (sign != NULL && *sign != '\0' && !version_relation_parse(sign, &relation.relation))
        ok = corrupt(parser, "the relation `%.20s` to %s is none of << <= = >= >>", sign,
                     relation.name);
    else if (relation.relation != VERSION_ANY && relation.version == NULL)
        ok = corrupt(parser, "the relation `%s` to %s has no version", sign, relation.name);
    else if (relation.version != NULL && *relation.version != '\0' &&
             !version_valid(relation.version))
        ok = corrupt(parser, "`%.80s`, the version related to %s, cannot be a version",
                     relation.version, relation.name);
    if (relation.version != NULL && *relation.version == '\0')
        g_clear_pointer(&relation.version, g_free);
    if (!ok) {
        g_free(relation.name);
        g_free(relation.version);
        return FALSE;
    }
    g_array_append_val(list, relation);
    return TRUE;
}

static gboolean
take_relations(const struct parser *parser, const xmlNode *root)
{
    struct vib *vib = parser->vib;
    const struct {
        const char *list;
        const char *item;
        GArray *to;
    } lists[] = {{"depends", "constraint", vib->depends},
                 {"conflicts", "constraint", vib->conflicts},
                 {"replaces", "constraint", vib->replaces},
                 {"provides", "provide", vib->provides},
                 {"compatibleWith", "constraint", vib->compatible_with}};
    const xmlNode *relationships = xml_child(root, "relationships");
    for (gsize i = 0; i < G_N_ELEMENTS(lists); i++) {
        const xmlNode *list = xml_child(relationships, lists[i].list);
        for (xmlNode *node = xml_child(list, lists[i].item); node != NULL;
             node = xml_next(node, lists[i].item)) {
            if (lists[i].to->len >= VIB_RELATIONS_MAX)
                return over_limit(parser, "relations", VIB_RELATIONS_MAX);
            if (!take_relation(parser, node, lists[i].to))
                return FALSE;
        }
    }
    return TRUE;
}

static void
take_tags(struct vib *vib, const xmlNode *root)
{
    const xmlNode *tags = xml_child(root, "software-tags");
    for (xmlNode *node = xml_child(tags, "tag"); node != NULL && vib->tags->len < VIB_RELATIONS_MAX;
         node = xml_next(node, "tag"))
        g_ptr_array_add(vib->tags, xml_text(node));
}

static char *
attribute_or_empty(const xmlNode *node, const char *name)
{
    char *value = xml_attribute(node, name);
    return value != NULL ? value : g_strdup("");
}

static void
take_system_requires(struct vib *vib, const xmlNode *root)
{
    const xmlNode *requires = xml_child(root, "system-requires");
    const xmlNode *mode = xml_child(requires, "maintenance-mode");
    g_autofree char *text = xml_text(mode);
    g_autofree char *on_install = mode != NULL ? xml_attribute(mode, "on-install") : NULL;
    vib->maintenance_mode = xml_boolean(text, FALSE) || xml_boolean(on_install, FALSE);

    for (xmlNode *node = xml_child(requires, "softwarePlatform"); node != NULL;
         node = xml_next(node, "softwarePlatform")) {
        struct software_platform platform = {.version = attribute_or_empty(node, "version"),
                                             .locale = attribute_or_empty(node, "locale"),
                                             .product = attribute_or_empty(node, "productLineID")};
        g_array_append_val(vib->software_platforms, platform);
    }
    for (xmlNode *node = xml_child(requires, "hwplatform"); node != NULL;
         node = xml_next(node, "hwplatform")) {
        struct hardware_platform platform = {.vendor = attribute_or_empty(node, "vendor"),
                                             .model = xml_attribute(node, "model")};
        g_array_append_val(vib->hardware_platforms, platform);
    }
}

/* A path is only ever compared and shown, but it also says what a payload will unpack to. */
static gboolean
file_path_valid(const char *path)
{
    if (*path == '\0' || *path == '/' || strlen(path) > FILE_PATH_MAX)
        return FALSE;
    g_auto(GStrv) parts = g_strsplit(path, "/", -1);
    return !g_strv_contains((const char *const *)parts, "..");
}

static gboolean
take_files(const struct parser *parser, const xmlNode *root)
{
    GPtrArray *files = parser->vib->files;
    const xmlNode *list = xml_child(root, "file-list");
    for (xmlNode *node = xml_child(list, "file"); node != NULL; node = xml_next(node, "file")) {
        if (files->len >= VIB_FILES_MAX)
            return over_limit(parser, "files", VIB_FILES_MAX);
        g_autofree char *path = xml_text(node);
        if (!file_path_valid(path))
            return corrupt(parser, "its file list has `%.200s`, which is no relative path", path);
        g_ptr_array_add(files, g_steal_pointer(&path));
    }
    return TRUE;
}

static gboolean
take_acceptance(const struct parser *parser, const xmlNode *root)
{
    g_autofree char *text = xml_child_text(root, "acceptance-level");
    if (text == NULL)
        return corrupt(parser, "the VIB descriptor has no <acceptance-level>");
    if (!acceptance_parse(text, &parser->vib->acceptance))
        return corrupt(parser,
                       "the acceptance level `%.40s` is none of certified, accepted, "
                       "partner, community",
                       text);
    return TRUE;
}

static gboolean
take_boolean(const xmlNode *root, const char *name)
{
    g_autofree char *text = xml_child_text(root, name);
    return xml_boolean(text, FALSE);
}

static gboolean
take_size(const char *text, guint64 *ret_size)
{
    return text != NULL && g_ascii_string_to_unsigned(text, 10, 0, G_MAXINT64, ret_size, NULL);
}

static gboolean
hex_valid(const char *hex)
{
    for (const char *c = hex; *c != '\0'; c++)
        if (!g_ascii_isxdigit(*c))
            return FALSE;
    gsize length = strlen(hex);
    return length >= 32 && length <= 128;
}

/* <checksum checksum-type="sha-256" verify-process="gunzip">hex</checksum>; kinds of digest that we
 * do not know are passed over: the ones that we know decide. */
static gboolean
take_checksums(const struct parser *parser, const xmlNode *parent, const char *what, GArray *list)
{
    for (xmlNode *node = xml_child(parent, "checksum"); node != NULL;
         node = xml_next(node, "checksum")) {
        if (list->len >= CHECKSUMS_MAX)
            return over_limit(parser, "checksums of one payload", CHECKSUMS_MAX);
        g_autofree char *type = xml_attribute(node, "checksum-type");
        struct checksum checksum = {0};
        if (type == NULL)
            return corrupt(parser, "a checksum of %s has no type", what);
        if (!digest_kind_parse(type, &checksum.kind))
            continue;
        g_autofree char *text = xml_text(node);
        if (!hex_valid(text))
            return corrupt(parser, "the %s checksum of %s is no hexadecimal digest", type, what);
        checksum.hex = g_ascii_strdown(text, -1);
        checksum.verify_process = xml_attribute(node, "verify-process");
        if (checksum.verify_process != NULL && *checksum.verify_process == '\0')
            g_clear_pointer(&checksum.verify_process, g_free);
        g_array_append_val(list, checksum);
    }
    return TRUE;
}

/* It becomes the name of a file on media and of a module in boot.cfg. */
static gboolean
vfat_name_valid(const struct payload *payload)
{
    g_autofree char *lower =
        payload->vfat_name != NULL ? g_ascii_strdown(payload->vfat_name, -1) : NULL;
    return lower == NULL || module_name_valid(lower);
}

static gboolean
take_payload(const struct parser *parser, const xmlNode *node)
{
    struct payload *payload = payload_new();
    g_ptr_array_add(parser->vib->payloads, payload); /* owned from here on */
    payload->name = attribute_or_empty(node, "name");
    payload->type = attribute_or_empty(node, "type");
    payload->vfat_name = xml_attribute(node, "vfat-name");
    if (!identifier_valid(payload->name) || !identifier_valid(payload->type))
        return corrupt(parser, "a payload is called `%.80s` of type `%.40s`, which cannot be",
                       payload->name, payload->type);
    if (!vfat_name_valid(payload))
        return corrupt(parser, "the vfat-name of payload %s, `%.40s`, is no 8.3 name",
                       payload->name, payload->vfat_name);
    if (vib_payload(parser->vib, payload->name) != payload)
        return corrupt(parser, "two payloads are called %s", payload->name);
    g_autofree char *size = xml_attribute(node, "size");
    if (!take_size(size, &payload->size))
        return corrupt(parser, "the size of payload %s is `%.40s`, which is no number",
                       payload->name, size != NULL ? size : "");
    g_autofree char *order = xml_attribute(node, "boot-order");
    guint64 number = 0;
    if (order != NULL && !g_ascii_string_to_unsigned(order, 10, 0, G_MAXINT32, &number, NULL))
        return corrupt(parser, "the boot order of payload %s is `%.40s`, which is no number",
                       payload->name, order);
    payload->boot_order = order != NULL ? (int)number : -1;
    return take_checksums(parser, node, payload->name, payload->checksums);
}

static gboolean
take_payloads(const struct parser *parser, const xmlNode *root)
{
    const xmlNode *list = xml_child(root, "payloads");
    for (xmlNode *node = xml_child(list, "payload"); node != NULL;
         node = xml_next(node, "payload")) {
        if (parser->vib->payloads->len >= VIB_PAYLOADS_MAX)
            return over_limit(parser, "payloads", VIB_PAYLOADS_MAX);
        if (!take_payload(parser, node))
            return FALSE;
    }
    return TRUE;
}

/* What only a depot's copy has. */
static gboolean
take_location(const struct parser *parser, const xmlNode *root)
{
    struct vib *vib = parser->vib;
    vib->relative_path = xml_child_text(root, "relative-path");
    g_autofree char *size = xml_child_text(root, "packed-size");
    if (size != NULL && !take_size(size, &vib->packed_size))
        return corrupt(parser, "the packed size `%.40s` is no number", size);
    return take_checksums(parser, root, "the VIB file", vib->file_checksums);
}

static gboolean
take_all(const struct parser *parser, const xmlNode *root)
{
    struct vib *vib = parser->vib;
    if (!take_type(parser, root) || !take_identifier(parser, root, "name", &vib->name) ||
        !take_identifier(parser, root, "version", &vib->version) ||
        !take_identifier(parser, root, "vendor", &vib->vendor))
        return FALSE;
    if (!version_valid(vib->version))
        return corrupt(parser, "`%.80s` cannot be a VIB version", vib->version);
    vib->id = g_strdup_printf("%s_%s_%s_%s", vib->vendor, vib_type_name(vib->type), vib->name,
                              vib->version);
    vib->summary = xml_child_text(root, "summary");
    vib->description = xml_child_text(root, "description");
    take_release_date(vib, root);
    take_tags(vib, root);
    take_system_requires(vib, root);
    vib->live_install_allowed = take_boolean(root, "live-install-allowed");
    vib->live_remove_allowed = take_boolean(root, "live-remove-allowed");
    vib->cimom_restart = take_boolean(root, "cimom-restart");
    vib->stateless_ready = take_boolean(root, "stateless-ready");
    vib->overlay = take_boolean(root, "overlay");
    return take_relations(parser, root) && take_files(parser, root) &&
           take_acceptance(parser, root) && take_payloads(parser, root) &&
           take_location(parser, root);
}

struct vib *
vib_parse(const void *data, gsize length, const char *label, GError **error)
{
    auto_xml_doc doc = xml_parse(data, length, VIB_DESCRIPTOR_MAX, "vib", label, error);
    if (doc == NULL)
        return NULL;
    auto_ptr(vib) vib = vib_new();
    struct parser parser = {.label = label, .vib = vib, .error = error};
    if (!take_all(&parser, xmlDocGetRootElement(doc)))
        return NULL;
    if (vib->summary == NULL)
        vib->summary = g_strdup("");
    if (vib->description == NULL)
        vib->description = g_strdup("");
    return g_steal_pointer(&vib);
}
