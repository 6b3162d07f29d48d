/* SPDX-License-Identifier: GPL-3.0-or-later */
/* All other devices of the new machine: what belongs to the old host goes. */
#include "hyper/libvirt/domain_edit_private.h"
#include "hyper/libvirt/domain_xml.h"

#include <string.h>

typedef void (*edit_function)(struct domain_edit *edit, xmlNode *node);

static void
drop_host_device(struct domain_edit *edit, xmlNode *node)
{
    g_autofree char *type = xml_attribute(node, "type");
    domain_edit_say(edit, "a device of the old host (%s) that was passed through is not in it",
                    type != NULL ? type : "?");
    domain_edit_drop(node);
}

/* A line that leads to a socket or file of the host would lead there for both machines. */
static void
edit_line(struct domain_edit *edit, xmlNode *node)
{
    g_autofree char *type = xml_attribute(node, "type");
    domain_edit_drop_children(node, "alias");
    domain_edit_drop_children(node, "log");
    xmlNode *source = xml_child(node, "source");
    if (g_strcmp0(type, "pty") == 0) {
        domain_edit_drop(source); /* it was that of a running machine */
        return;
    }
    if (source == NULL || g_strcmp0(type, "null") == 0 || g_strcmp0(type, "spicevmc") == 0)
        return;
    domain_edit_set(node, "type", "pty");
    domain_edit_drop_children(node, "source");
    domain_edit_drop_children(node, "protocol");
    domain_edit_say(edit,
                    "a %s line led to something of the old host (%s); it leads to a terminal "
                    "('virsh console') instead",
                    (const char *)node->name, type != NULL ? type : "?");
}

/* libvirt finds the place of a guest agent's socket by itself. */
static void
edit_channel(struct domain_edit *edit, xmlNode *node)
{
    g_autofree char *type = xml_attribute(node, "type");
    g_autofree char *name = domain_xml_value(node, "target", "name");
    domain_edit_drop_children(node, "alias");
    if (g_strcmp0(type, "unix") != 0 || xml_child(node, "source") == NULL)
        return;
    if (g_strcmp0(name, "org.qemu.guest_agent.0") == 0) {
        domain_edit_drop_children(node, "source");
        return;
    }
    domain_edit_say(edit, "channel %s led to a socket of the old host, and is not in it",
                    name != NULL ? name : "?");
    domain_edit_drop(node);
}

static void
edit_folder(struct domain_edit *edit, xmlNode *node)
{
    g_autofree char *path = domain_xml_value(node, "source", "dir");
    if (path != NULL && domain_edit_exists(edit, path))
        return;
    domain_edit_say(edit, "the folder %s of the old host that it saw is not there, nor in it",
                    path != NULL ? path : "?");
    domain_edit_drop(node);
}

/* Two machines cannot listen at one port. */
static void
edit_graphics(struct domain_edit *edit, xmlNode *node)
{
    g_autofree char *automatic = xml_attribute(node, "autoport");
    g_autofree char *port = xml_attribute(node, "port");
    g_autofree char *socket = xml_attribute(node, "socket");
    domain_edit_set(node, "port", NULL);
    domain_edit_set(node, "tlsPort", NULL);
    if (socket != NULL) {
        domain_edit_set(node, "socket", NULL);
        domain_edit_drop_children(node, "listen");
        domain_edit_say(edit, "its screen was at socket %s, and is at a port now", socket);
    }
    if (port == NULL || strcmp(port, "-1") == 0 || xml_boolean(automatic, FALSE) ||
        g_strcmp0(automatic, "yes") == 0)
        return;
    domain_edit_set(node, "autoport", "yes");
    domain_edit_say(edit, "its screen was at port %s, and is at another one that libvirt chooses",
                    port);
}

static void
edit_tpm(struct domain_edit *edit, xmlNode *node)
{
    g_autofree char *type = domain_xml_value(node, "backend", "type");
    if (g_strcmp0(type, "emulator") == 0) {
        domain_edit_say(edit,
                        "its TPM is new and empty: what the guest has sealed with the old one "
                        "(BitLocker) needs the recovery key");
        return;
    }
    domain_edit_say(edit, "the TPM of the old host that it used is not in it");
    domain_edit_drop(node);
}

static void
edit_vsock(struct domain_edit *edit, xmlNode *node)
{
    (void)edit;
    domain_edit_drop_children(node, "alias");
    domain_edit_drop_children(node, "cid");
    domain_edit_set(domain_edit_child(node, "cid"), "auto", "yes");
}

static void
edit_memory(struct domain_edit *edit, xmlNode *node)
{
    g_autofree char *model = xml_attribute(node, "model");
    xmlNode *source = xml_child(node, "source");
    g_autofree char *path = source != NULL ? xml_child_text(source, "path") : NULL;
    if (path == NULL)
        return;
    domain_edit_say(edit, "a memory device (%s) that keeps its content in %s is not in it",
                    model != NULL ? model : "?", path);
    domain_edit_drop(node);
}

static void
edit_emulator(struct domain_edit *edit, xmlNode *node)
{
    g_autofree char *path = xml_text(node);
    if (domain_edit_exists(edit, path))
        return;
    domain_edit_say(edit, "its QEMU was %s, which is not there; it gets this host's", path);
    domain_edit_drop(node);
}

static const struct {
    const char *name;
    edit_function edit;
} devices[] = {
    {"emulator", edit_emulator}, {"hostdev", drop_host_device}, {"serial", edit_line},
    {"parallel", edit_line},     {"console", edit_line},        {"channel", edit_channel},
    {"filesystem", edit_folder}, {"graphics", edit_graphics},   {"tpm", edit_tpm},
    {"vsock", edit_vsock},       {"memory", edit_memory},       {"shmem", drop_host_device},
};

void
domain_edit_devices(struct domain_edit *edit)
{
    for (gsize i = 0; i < G_N_ELEMENTS(devices); i++) {
        xmlNode *node = domain_xml_device(edit->root, devices[i].name, NULL);
        for (xmlNode *next = NULL; node != NULL; node = next) {
            next = domain_xml_device(edit->root, devices[i].name, node);
            devices[i].edit(edit, node);
        }
    }
}
