/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "hyper/libvirt/domain_edit_private.h"
#include "hyper/libvirt/domain_xml.h"

#include <stdarg.h>
#include <string.h>

/* ---- What the parts share -------------------------------------------------------------------- */

void
domain_edit_say(struct domain_edit *edit, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_ptr_array_add(edit->words, g_strdup_vprintf(format, args));
    va_end(args);
}

void
domain_edit_drop(xmlNode *node)
{
    if (node == NULL)
        return;
    xmlUnlinkNode(node);
    xmlFreeNode(node);
}

void
domain_edit_drop_children(xmlNode *node, const char *name)
{
    xmlNode *child = NULL;
    while (node != NULL && (child = xml_child(node, name)) != NULL)
        domain_edit_drop(child);
}

xmlNode *
domain_edit_child(xmlNode *node, const char *name)
{
    xmlNode *child = xml_child(node, name);
    return child != NULL ? child : xmlNewChild(node, NULL, BAD_CAST name, NULL);
}

void
domain_edit_set(xmlNode *node, const char *attribute, const char *value)
{
    if (value != NULL)
        xmlSetProp(node, BAD_CAST attribute, BAD_CAST value);
    else
        xmlUnsetProp(node, BAD_CAST attribute);
}

gboolean
domain_edit_exists(const struct domain_edit *edit, const char *path)
{
    return edit->host->exists == NULL || edit->host->exists(path);
}

/* ---- The machine itself ---------------------------------------------------------------------- */

static void
set_text(xmlNode *node, const char *text)
{
    xmlNodeSetContent(node, NULL);
    xmlNodeAddContent(node, BAD_CAST text);
}

/* libvirt takes no UUID for the guest but the machine's own. */
static void
edit_sysinfo(struct domain_edit *edit)
{
    xmlNode *info = xml_child(edit->root, "sysinfo");
    xmlNode *part = info != NULL ? xml_child(info, "system") : NULL;
    xmlNode *entry = part != NULL ? xml_child(part, "entry") : NULL;
    for (xmlNode *next = NULL; entry != NULL; entry = next) {
        next = xml_next(entry, "entry");
        g_autofree char *name = xml_attribute(entry, "name");
        if (g_strcmp0(name, "uuid") != 0)
            continue;
        domain_edit_drop(entry);
        domain_edit_say(edit, "the UUID that the guest sees is a new one, as the machine's is");
    }
}

static void
edit_identity(struct domain_edit *edit)
{
    set_text(domain_edit_child(edit->root, "name"), edit->wanted->name);
    domain_edit_set(edit->root, "id", NULL);
    domain_edit_drop_children(edit->root, "uuid");
    xmlNode *generation = xml_child(edit->root, "genid");
    if (generation != NULL)
        xmlNodeSetContent(generation, NULL); /* a restored guest has to see another one */
    edit_sysinfo(edit);
}

static void
edit_labels(struct domain_edit *edit)
{
    xmlNode *label = xml_child(edit->root, "seclabel");
    for (xmlNode *next = NULL; label != NULL; label = next) {
        next = xml_next(label, "seclabel");
        g_autofree char *type = xml_attribute(label, "type");
        g_autofree char *model = xml_attribute(label, "model");
        if (type != NULL && strcmp(type, "dynamic") != 0)
            domain_edit_say(edit, "its security label (%s, %s) is the old host's, and left out",
                            model != NULL ? model : "?", type);
        domain_edit_drop(label);
    }
}

/* ---- How it starts --------------------------------------------------------------------------- */

static gboolean
has_machine(const struct domain_host *host, const char *type)
{
    for (guint i = 0; i < host->machines->len; i++)
        if (strcmp(g_ptr_array_index(host->machines, i), type) == 0)
            return TRUE;
    return FALSE;
}

/* The newest of its kind stands in. */
static void
edit_machine_type(struct domain_edit *edit, xmlNode *os)
{
    xmlNode *type = xml_child(os, "type");
    g_autofree char *name = type != NULL ? xml_attribute(type, "machine") : NULL;
    if (name == NULL || edit->host->machines == NULL || has_machine(edit->host, name))
        return;
    const char *other = strstr(name, "q35") != NULL    ? "q35"
                        : g_str_has_prefix(name, "pc") ? "pc"
                                                       : NULL;
    domain_edit_set(type, "machine", other);
    domain_edit_say(edit, "its machine type %s is not known to this host's QEMU; it gets %s", name,
                    other != NULL ? other : "the default");
}

static void
let_choose_firmware(xmlNode *os)
{
    domain_edit_set(os, "firmware", "efi");
    domain_edit_drop_children(os, "loader");
    domain_edit_drop_children(os, "nvram");
}

static void
ask_for_secure_boot(xmlNode *os)
{
    if (xml_child(os, "firmware") != NULL)
        return;
    xmlNode *firmware = xmlNewChild(os, NULL, BAD_CAST "firmware", NULL);
    xmlNode *feature = xmlNewChild(firmware, NULL, BAD_CAST "feature", NULL);
    domain_edit_set(feature, "enabled", "yes");
    domain_edit_set(feature, "name", "secure-boot");
}

/* A firmware that was chosen by its file stays when the file is there. */
static gboolean
edit_firmware(struct domain_edit *edit, xmlNode *os, GError **error)
{
    xmlNode *loader = xml_child(os, "loader"), *nvram = xml_child(os, "nvram");
    g_autofree char *kind = xml_attribute(os, "firmware");
    g_autofree char *path = loader != NULL ? xml_text(loader) : NULL;
    gboolean uefi = edit->wanted->firmware != MACHINE_BIOS;
    gboolean file = kind == NULL && path != NULL && path[0] == '/';
    if (file && domain_edit_exists(edit, path)) {
        g_autofree char *template = nvram != NULL ? xml_attribute(nvram, "template") : NULL;
        domain_edit_drop_children(os, "nvram");
        if (template != NULL && domain_edit_exists(edit, template))
            domain_edit_set(xmlNewChild(os, NULL, BAD_CAST "nvram", NULL), "template", template);
        return TRUE;
    }
    if (!uefi) {
        if (file)
            domain_edit_say(edit, "its firmware %s is not there; it gets QEMU's own BIOS", path);
        domain_edit_drop_children(os, "loader");
        domain_edit_drop_children(os, "nvram"); /* another machine's, at best */
        return TRUE;
    }
    if (!edit->host->efi)
        return error_set(error, SLIPWAY_ERROR_UNSUPPORTED,
                         "it starts by UEFI, and this host has no such firmware: install the "
                         "package ovmf");
    if (file)
        domain_edit_say(edit, "its firmware %s is not there; it gets this host's", path);
    let_choose_firmware(os);
    if (edit->wanted->firmware == MACHINE_UEFI_SECURE && edit->host->secure)
        ask_for_secure_boot(os);
    else if (edit->wanted->firmware == MACHINE_UEFI_SECURE)
        domain_edit_say(edit, "this host has no firmware for secure boot; it gets one without");
    return TRUE;
}

/* A kernel of the host's, which starts before any firmware. */
static void
edit_kernel(struct domain_edit *edit, xmlNode *os)
{
    static const char *const files[] = {"kernel", "initrd", "dtb", "shim"};
    gboolean there = TRUE;
    for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = xml_child_text(os, files[i]);
        if (path == NULL || path[0] == '\0' || domain_edit_exists(edit, path))
            continue;
        there = FALSE;
        domain_edit_say(edit,
                        "it starts the host's file %s, which is not there; it starts from its "
                        "disks instead",
                        path);
    }
    for (gsize i = 0; !there && i < G_N_ELEMENTS(files); i++)
        domain_edit_drop_children(os, files[i]);
    if (!there)
        domain_edit_drop_children(os, "cmdline");
}

static gboolean
edit_os(struct domain_edit *edit, GError **error)
{
    xmlNode *os = xml_child(edit->root, "os");
    if (os == NULL)
        return TRUE;
    edit_machine_type(edit, os);
    edit_kernel(edit, os);
    return edit_firmware(edit, os, error);
}

/* ---- What it runs on ------------------------------------------------------------------------- */

static void
edit_processor(struct domain_edit *edit)
{
    g_autofree char *type = xml_attribute(edit->root, "type");
    if (g_strcmp0(type, "kvm") != 0 || edit->host->kvm)
        return;
    domain_edit_set(edit->root, "type", "qemu");
    domain_edit_say(edit, "this host has no KVM: the machine is emulated, which is slow");
    xmlNode *cpu = xml_child(edit->root, "cpu");
    g_autofree char *mode = cpu != NULL ? xml_attribute(cpu, "mode") : NULL;
    if (mode == NULL || !g_str_has_prefix(mode, "host-"))
        return;
    domain_edit_set(cpu, "mode", "maximum");
    domain_edit_set(cpu, "migratable", NULL);
    domain_edit_drop_children(cpu, "model");
    domain_edit_drop_children(cpu, "feature");
    domain_edit_say(edit, "its processor is not the host's (%s) but the most QEMU can emulate",
                    mode);
}

/* Arguments for QEMU itself, which may name anything. */
static void
edit_arguments(struct domain_edit *edit)
{
    if (xml_child(edit->root, "commandline") != NULL)
        domain_edit_say(edit, "it has arguments for QEMU of its own (qemu:commandline), which were "
                              "kept as they are: look whether they name files of the old host");
}

char *
domain_edit_native(const char *xml, const struct machine *wanted,
                   const struct domain_volume *volumes, guint n, const struct domain_host *host,
                   GPtrArray *words, GError **error)
{
    auto_xml_doc doc = xml_parse(xml, strlen(xml), MACHINE_NATIVE_MAX, "domain",
                                 "the description that was kept with the set", error);
    if (doc == NULL)
        return NULL;
    struct domain_edit edit = {xmlDocGetRootElement(doc), wanted, volumes, n, host, words};
    edit_identity(&edit);
    edit_labels(&edit);
    if (!edit_os(&edit, error))
        return NULL;
    edit_processor(&edit);
    domain_edit_disks(&edit);
    domain_edit_nics(&edit);
    domain_edit_devices(&edit);
    edit_arguments(&edit);
    return xml_dump(edit.root);
}
