/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Disks and network adapters of the new machine. */
#include "hyper/libvirt/domain_edit_private.h"
#include "hyper/libvirt/domain_xml.h"

#include <string.h>

/* ---- Disks ----------------------------------------------------------------------------------- */

static const struct domain_volume *
find_volume(const struct domain_edit *edit, const char *disk)
{
    for (guint i = 0; i < edit->n; i++)
        if (strcmp(edit->volumes[i].disk, disk) == 0)
            return &edit->volumes[i];
    return NULL;
}

/* A drive stays, and what was in it too when it is there. */
static void
edit_drive(struct domain_edit *edit, xmlNode *node, const char *name)
{
    xmlNode *source = xml_child(node, "source");
    if (source == NULL)
        return;
    g_autofree char *file = xml_attribute(source, "file");
    g_autofree char *device = xml_attribute(source, "dev");
    const char *path = file != NULL ? file : device;
    domain_edit_drop_children(node, "backingStore");
    if (path != NULL && domain_edit_exists(edit, path))
        return;
    domain_edit_say(edit, "drive %s is empty: %s is not there", name,
                    path != NULL ? path : "what was in it");
    domain_edit_drop(source);
    domain_edit_set(node, "type", "file");
}

/* What was said of the old image is not true of the new one. */
static void
point_to(struct domain_edit *edit, xmlNode *node, const struct domain_volume *volume)
{
    static const char *const old[] = {"source", "backingStore", "mirror",       "encryption",
                                      "auth",   "transient",    "backenddomain"};
    xmlNode *source = xml_child(node, "source");
    gboolean encrypted = xml_child(node, "encryption") != NULL ||
                         (source != NULL && xml_child(source, "encryption") != NULL);
    if (encrypted)
        domain_edit_say(edit, "disk %s was encrypted by QEMU, and the new one is not",
                        volume->disk);
    for (gsize i = 0; i < G_N_ELEMENTS(old); i++)
        domain_edit_drop_children(node, old[i]);
    domain_edit_set(node, "type", volume->block ? "block" : "file");
    xmlNode *driver = domain_edit_child(node, "driver");
    domain_edit_set(driver, "name", "qemu");
    domain_edit_set(driver, "type", volume->format);
    domain_edit_set(xmlNewChild(node, NULL, BAD_CAST "source", NULL),
                    volume->block ? "dev" : "file", volume->path);
}

static void
edit_disk(struct domain_edit *edit, xmlNode *node)
{
    g_autofree char *name = domain_xml_value(node, "target", "dev");
    g_autofree char *device = xml_attribute(node, "device");
    domain_edit_drop_children(node, "alias");
    if (name == NULL) {
        domain_edit_drop(node);
        return;
    }
    if (g_strcmp0(device, "cdrom") == 0 || g_strcmp0(device, "floppy") == 0) {
        edit_drive(edit, node, name);
        return;
    }
    const struct domain_volume *volume = find_volume(edit, name);
    if (volume != NULL) {
        point_to(edit, node, volume);
        return;
    }
    const struct machine_disk *wanted = machine_find_disk(edit->wanted, name);
    const char *why = wanted != NULL ? wanted->skip : NULL;
    domain_edit_say(edit, "disk %s is not in it%s%s", name, why != NULL ? ": " : "",
                    why != NULL ? why : "");
    domain_edit_drop(node);
}

/* Looked up before the one at hand, which may be dropped. */
static xmlNode *
next_device(struct domain_edit *edit, const char *name, xmlNode *device)
{
    return domain_xml_device(edit->root, name, device);
}

void
domain_edit_disks(struct domain_edit *edit)
{
    xmlNode *node = next_device(edit, "disk", NULL);
    for (xmlNode *next = NULL; node != NULL; node = next) {
        next = next_device(edit, "disk", node);
        edit_disk(edit, node);
    }
}

/* ---- Network adapters ------------------------------------------------------------------------ */

static void
connect(xmlNode *node, const struct machine_nic *nic)
{
    static const struct {
        enum machine_network kind;
        const char *type, *attribute;
    } kinds[] = {
        {MACHINE_NETWORK, "network", "network"},
        {MACHINE_BRIDGE, "bridge", "bridge"},
        {MACHINE_USER_NETWORK, "user", NULL},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (nic->kind != kinds[i].kind)
            continue;
        domain_edit_set(node, "type", kinds[i].type);
        domain_edit_drop_children(node, "source");
        if (kinds[i].attribute != NULL && nic->network != NULL)
            domain_edit_set(xmlNewChild(node, NULL, BAD_CAST "source", NULL), kinds[i].attribute,
                            nic->network);
        domain_edit_drop_children(node, "virtualport");
    }
}

/* Whether the adapter goes where it was, as far as its description says it. */
static gboolean
is_where_it_was(const xmlNode *node, const struct machine_nic *nic)
{
    g_autofree char *type = xml_attribute(node, "type");
    g_autofree char *network = domain_xml_value(node, "source", "network");
    g_autofree char *bridge = domain_xml_value(node, "source", "bridge");
    switch (nic->kind) {
    case MACHINE_NETWORK:
        return g_strcmp0(type, "network") == 0 && g_strcmp0(network, nic->network) == 0;
    case MACHINE_BRIDGE:
        return g_strcmp0(type, "bridge") == 0 && g_strcmp0(bridge, nic->network) == 0;
    case MACHINE_USER_NETWORK:
        return g_strcmp0(type, "user") == 0;
    default:
        return TRUE;
    }
}

static void
edit_nic(struct domain_edit *edit, xmlNode *node, const struct machine_nic *nic)
{
    g_autofree char *type = xml_attribute(node, "type");
    domain_edit_drop_children(node, "alias");
    domain_edit_drop_children(node, "target"); /* its name on the old host */
    if (!is_where_it_was(node, nic))
        connect(node, nic);
    xmlNode *source = xml_child(node, "source");
    if (source != NULL)
        domain_edit_set(source, "portid", NULL);
    if (nic->kind == MACHINE_OTHER_NETWORK && g_strcmp0(type, "hostdev") == 0) {
        domain_edit_say(edit, "network adapter %s was a device of the old host, and is not in it",
                        nic->name);
        domain_edit_drop(node);
        return;
    }
    domain_edit_drop_children(node, "mac");
    if (nic->mac != NULL)
        domain_edit_set(domain_edit_child(node, "mac"), "address", nic->mac);
    if (!nic->connected)
        domain_edit_set(domain_edit_child(node, "link"), "state", "down");
    else
        domain_edit_drop_children(node, "link");
}

/* They are named by their order. */
void
domain_edit_nics(struct domain_edit *edit)
{
    xmlNode *node = next_device(edit, "interface", NULL);
    guint index = 0;
    for (xmlNode *next = NULL; node != NULL; node = next, index++) {
        next = next_device(edit, "interface", node);
        g_autofree char *name = g_strdup_printf("net%u", index);
        const struct machine_nic *nic = machine_find_nic(edit->wanted, name);
        if (nic != NULL)
            edit_nic(edit, node, nic);
        else
            domain_edit_drop(node);
    }
}
