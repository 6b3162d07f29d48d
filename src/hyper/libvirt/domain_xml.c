/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "hyper/libvirt/domain_xml_private.h"

#include <string.h>

xmlNode *
domain_xml_device(const xmlNode *root, const char *name, const xmlNode *last)
{
    if (last != NULL)
        return xml_next(last, name);
    xmlNode *devices = xml_child(root, "devices");
    return devices != NULL ? xml_child(devices, name) : NULL;
}

char *
domain_xml_value(const xmlNode *node, const char *child, const char *attribute)
{
    xmlNode *found = xml_child(node, child);
    return found != NULL ? xml_attribute(found, attribute) : NULL;
}

static gboolean
is_value(const xmlNode *node, const char *child, const char *attribute, const char *value)
{
    g_autofree char *text = domain_xml_value(node, child, attribute);
    return g_strcmp0(text, value) == 0;
}

guint
domain_xml_number(const xmlNode *node, const char *attribute, guint most)
{
    g_autofree char *text = xml_attribute(node, attribute);
    guint64 value = 0;
    if (text == NULL || !g_ascii_string_to_unsigned(text, 10, 0, most, &value, NULL))
        return 0;
    return (guint)value;
}

char *
domain_xml_shorten(char *text, gsize most)
{
    if (text == NULL || strlen(text) <= most)
        return text;
    char *end = g_utf8_find_prev_char(text, text + most + 1);
    *(end != NULL ? end : text) = '\0';
    return text;
}

gboolean
domain_xml_check_length(const char *text, const char *what, GError **error)
{
    if (text == NULL || strlen(text) <= MACHINE_TEXT_MAX)
        return TRUE;
    return error_set(error, SLIPWAY_ERROR_LIMIT, "%s: %s has more than %u bytes", DOMAIN_XML_LABEL,
                     what, MACHINE_TEXT_MAX);
}

/* ---- The machine itself ---------------------------------------------------------------------- */

static guint64
unit_bytes(const char *unit)
{
    static const struct {
        const char *name;
        guint64 bytes;
    } units[] = {
        {"b", 1},
        {"bytes", 1},
        {"KB", 1000},
        {"k", 1 << 10},
        {"KiB", 1 << 10},
        {"MB", 1000000},
        {"M", 1 << 20},
        {"MiB", 1 << 20},
        {"GB", 1000000000},
        {"G", 1 << 30},
        {"GiB", 1 << 30},
        {"TB", G_GUINT64_CONSTANT(1000000000000)},
        {"T", G_GUINT64_CONSTANT(1) << 40},
        {"TiB", G_GUINT64_CONSTANT(1) << 40},
    };
    if (unit == NULL)
        return 1 << 10;
    for (gsize i = 0; i < G_N_ELEMENTS(units); i++)
        if (strcmp(unit, units[i].name) == 0)
            return units[i].bytes;
    return 0;
}

static gboolean
read_memory(const xmlNode *root, struct machine *machine, GError **error)
{
    xmlNode *node = xml_child(root, "memory");
    g_autofree char *text = node != NULL ? xml_text(node) : NULL;
    g_autofree char *unit = node != NULL ? xml_attribute(node, "unit") : NULL;
    guint64 amount = 0, bytes = 0;
    if (text == NULL)
        return TRUE;
    if (!g_ascii_string_to_unsigned(text, 10, 0, G_MAXINT64, &amount, NULL) ||
        !g_uint64_checked_mul(&bytes, amount, unit_bytes(unit)) || bytes > G_MAXINT64)
        return error_set(error, SLIPWAY_ERROR_CORRUPT, "%s: memory \"%s\" is no size",
                         DOMAIN_XML_LABEL, text);
    machine->memory = bytes;
    return TRUE;
}

static void
read_processors(const xmlNode *root, struct machine *machine)
{
    g_autofree char *text = xml_child_text(root, "vcpu");
    guint64 count = 0;
    if (text != NULL && g_ascii_string_to_unsigned(text, 10, 1, 65535, &count, NULL))
        machine->cpus = (guint)count;
    xmlNode *cpu = xml_child(root, "cpu");
    xmlNode *topology = cpu != NULL ? xml_child(cpu, "topology") : NULL;
    if (topology != NULL)
        machine->cores_per_socket = domain_xml_number(topology, "cores", 65535) *
                                    MAX(1, domain_xml_number(topology, "dies", 64));
}

/* libvirt can be told the firmware by its kind, or by its file. */
static void
read_firmware(const xmlNode *root, struct machine *machine)
{
    xmlNode *os = xml_child(root, "os");
    if (os == NULL)
        return;
    g_autofree char *kind = xml_attribute(os, "firmware");
    gboolean uefi = g_strcmp0(kind, "efi") == 0 || is_value(os, "loader", "type", "pflash");
    gboolean secure = is_value(os, "loader", "secure", "yes");
    xmlNode *firmware = xml_child(os, "firmware");
    xmlNode *feature = firmware != NULL ? xml_child(firmware, "feature") : NULL;
    for (; feature != NULL; feature = xml_next(feature, "feature")) {
        g_autofree char *name = xml_attribute(feature, "name");
        g_autofree char *enabled = xml_attribute(feature, "enabled");
        if (g_strcmp0(name, "secure-boot") == 0 && g_strcmp0(enabled, "yes") == 0)
            secure = TRUE;
    }
    machine->firmware = !uefi ? MACHINE_BIOS : secure ? MACHINE_UEFI_SECURE : MACHINE_UEFI;
}

static const char *
family_of(const char *os, gboolean hyperv)
{
    static const char *const linuxes[] = {"debian", "ubuntu", "fedora", "redhat", "centos",
                                          "alma",   "rocky",  "suse",   "arch",   "alpine",
                                          "gentoo", "oracle", "linux",  "mageia", "nixos"};
    if (os == NULL)
        return hyperv ? "windows" : NULL;
    if (strstr(os, "microsoft.com") != NULL)
        return "windows";
    if (strstr(os, "bsd") != NULL)
        return "bsd";
    for (gsize i = 0; i < G_N_ELEMENTS(linuxes); i++)
        if (strstr(os, linuxes[i]) != NULL)
            return "linux";
    return "other";
}

/* What management programs have noted in libosinfo's words. */
static void
read_guest(const xmlNode *root, struct machine *machine)
{
    xmlNode *metadata = xml_child(root, "metadata");
    xmlNode *info = metadata != NULL ? xml_child(metadata, "libosinfo") : NULL;
    xmlNode *features = xml_child(root, "features");
    if (info != NULL)
        machine->guest = domain_xml_shorten(domain_xml_value(info, "os", "id"), MACHINE_TEXT_MAX);
    gboolean hyperv = features != NULL && xml_child(features, "hyperv") != NULL;
    machine->family = g_strdup(family_of(machine->guest, hyperv));
}

/* The title comes first, as people see it first. */
static void
read_annotation(const xmlNode *root, struct machine *machine)
{
    g_autofree char *title = xml_child_text(root, "title");
    g_autofree char *description = xml_child_text(root, "description");
    gboolean both = title != NULL && description != NULL;
    if (title != NULL || description != NULL)
        machine->annotation = g_strconcat(title != NULL ? title : "", both ? "\n" : "",
                                          description != NULL ? description : "", NULL);
    machine->annotation = domain_xml_shorten(machine->annotation, MACHINE_ANNOTATION_MAX);
}

/* What the guest sees is the machine's own, unless somebody set another one. */
static void
read_smbios(const xmlNode *root, struct machine *machine)
{
    xmlNode *info = xml_child(root, "sysinfo");
    xmlNode *part = info != NULL ? xml_child(info, "system") : NULL;
    xmlNode *entry = part != NULL ? xml_child(part, "entry") : NULL;
    for (; entry != NULL; entry = xml_next(entry, "entry")) {
        g_autofree char *name = xml_attribute(entry, "name");
        g_autofree char *uuid = xml_text(entry);
        if (g_strcmp0(name, "uuid") == 0 && g_uuid_string_is_valid(uuid))
            machine->uuid = g_ascii_strdown(uuid, -1);
    }
    if (machine->uuid == NULL)
        machine->uuid = g_strdup(machine->id);
}

static gboolean
read_identity(const xmlNode *root, struct machine *machine, GError **error)
{
    machine->name = xml_child_text(root, "name");
    if (machine->name == NULL || machine->name[0] == '\0')
        return error_set(error, SLIPWAY_ERROR_CORRUPT, "%s has no name", DOMAIN_XML_LABEL);
    g_autofree char *uuid = xml_child_text(root, "uuid");
    if (uuid != NULL && !g_uuid_string_is_valid(uuid))
        return error_set(error, SLIPWAY_ERROR_CORRUPT, "%s: \"%.64s\" is no UUID", DOMAIN_XML_LABEL,
                         uuid);
    if (uuid != NULL)
        machine->id = g_ascii_strdown(uuid, -1);
    machine->ref = g_strdup(machine->id);
    return domain_xml_check_length(machine->name, "the name", error);
}

gboolean
domain_xml_read(const char *xml, struct machine *machine, GError **error)
{
    auto_xml_doc doc =
        xml_parse(xml, strlen(xml), MACHINE_NATIVE_MAX, "domain", DOMAIN_XML_LABEL, error);
    if (doc == NULL)
        return FALSE;
    xmlNode *root = xmlDocGetRootElement(doc);
    machine->driver = g_strdup("libvirt");
    if (!read_identity(root, machine, error) || !read_memory(root, machine, error))
        return FALSE;
    read_processors(root, machine);
    read_firmware(root, machine);
    read_guest(root, machine);
    read_annotation(root, machine);
    read_smbios(root, machine);
    return domain_xml_read_devices(root, machine, error);
}

/* ---- Other questions ------------------------------------------------------------------------- */

char *
domain_xml_nvram(const char *xml, char **ret_format)
{
    auto_xml_doc doc =
        xml_parse(xml, strlen(xml), MACHINE_NATIVE_MAX, "domain", DOMAIN_XML_LABEL, NULL);
    xmlNode *os = doc != NULL ? xml_child(xmlDocGetRootElement(doc), "os") : NULL;
    xmlNode *nvram = os != NULL ? xml_child(os, "nvram") : NULL;
    if (nvram == NULL)
        return NULL;
    g_autofree char *path = xml_text(nvram);
    if (path[0] == '\0') {
        g_free(path);
        path = domain_xml_value(nvram, "source", "file");
    }
    g_autofree char *format = xml_attribute(nvram, "format");
    *ret_format = g_strdup(format != NULL ? format : "raw");
    return g_steal_pointer(&path);
}

gboolean
domain_xml_agent(const char *xml, gboolean *ret_connected)
{
    *ret_connected = FALSE;
    auto_xml_doc doc =
        xml_parse(xml, strlen(xml), MACHINE_NATIVE_MAX, "domain", DOMAIN_XML_LABEL, NULL);
    if (doc == NULL)
        return FALSE;
    xmlNode *root = xmlDocGetRootElement(doc);
    for (xmlNode *node = domain_xml_device(root, "channel", NULL); node != NULL;
         node = domain_xml_device(root, "channel", node)) {
        if (!is_value(node, "target", "name", "org.qemu.guest_agent.0"))
            continue;
        *ret_connected = is_value(node, "target", "state", "connected");
        return TRUE;
    }
    return FALSE;
}
