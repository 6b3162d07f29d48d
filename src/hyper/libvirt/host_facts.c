/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/libvirt/host_facts.h"

#include "base/error.h"
#include "base/xml.h"
#include "hyper/libvirt/failure.h"

#include <stdlib.h>
#include <string.h>

#define FACTS_MAX (8u << 20) /* bytes of a description: CPU models fill much of it */
#define ARCHITECTURE "x86_64"

static xmlNode *
find_guest(xmlDoc *doc)
{
    xmlNode *guest = xml_child(xmlDocGetRootElement(doc), "guest");
    for (; guest != NULL; guest = xml_next(guest, "guest")) {
        g_autofree char *os = xml_child_text(guest, "os_type");
        xmlNode *arch = xml_child(guest, "arch");
        g_autofree char *name = arch != NULL ? xml_attribute(arch, "name") : NULL;
        if (g_strcmp0(os, "hvm") == 0 && g_strcmp0(name, ARCHITECTURE) == 0)
            return arch;
    }
    return NULL;
}

static void
read_guest(xmlNode *arch, struct domain_host *ret)
{
    for (xmlNode *node = xml_child(arch, "machine"); node != NULL; node = xml_next(node, "machine"))
        g_ptr_array_add(ret->machines, xml_text(node));
    for (xmlNode *node = xml_child(arch, "domain"); node != NULL; node = xml_next(node, "domain")) {
        g_autofree char *type = xml_attribute(node, "type");
        ret->kvm = ret->kvm || g_strcmp0(type, "kvm") == 0;
        for (xmlNode *machine = xml_child(node, "machine"); machine != NULL;
             machine = xml_next(machine, "machine"))
            g_ptr_array_add(ret->machines, xml_text(machine));
    }
}

/* Whether <enum name="..."> below `node` has that value. */
static gboolean
has_value(const xmlNode *node, const char *name, const char *value)
{
    xmlNode *choice = node != NULL ? xml_child(node, "enum") : NULL;
    for (; choice != NULL; choice = xml_next(choice, "enum")) {
        g_autofree char *found = xml_attribute(choice, "name");
        xmlNode *entry = g_strcmp0(found, name) == 0 ? xml_child(choice, "value") : NULL;
        for (; entry != NULL; entry = xml_next(entry, "value")) {
            g_autofree char *text = xml_text(entry);
            if (strcmp(text, value) == 0)
                return TRUE;
        }
    }
    return FALSE;
}

/* Of the newer of the two machines, which has them all. */
static void
read_firmware(virConnectPtr connection, struct domain_host *ret)
{
    auto_text text = virConnectGetDomainCapabilities(connection, NULL, ARCHITECTURE, "q35",
                                                     ret->kvm ? "kvm" : "qemu", 0);
    auto_xml_doc doc = text != NULL ? xml_parse(text, strlen(text), FACTS_MAX, NULL,
                                                "libvirt's capabilities", NULL)
                                    : NULL;
    xmlNode *os = doc != NULL ? xml_child(xmlDocGetRootElement(doc), "os") : NULL;
    if (os == NULL)
        return;
    ret->efi = has_value(os, "firmware", "efi");
    ret->secure = ret->efi && has_value(xml_child(os, "loader"), "secure", "yes");
}

static gboolean
exists(const char *path)
{
    return g_file_test(path, G_FILE_TEST_EXISTS);
}

gboolean
host_facts_read(struct libvirt *host, struct domain_host *ret, GError **error)
{
    *ret = (struct domain_host){.exists = host->local ? exists : NULL};
    auto_connection connection = daemon_connect(host->daemon, error);
    if (connection == NULL)
        return FALSE;
    auto_text text = virConnectGetCapabilities(connection);
    if (text == NULL)
        return failure_set(error, "what %s can run", host->base.label);
    auto_xml_doc doc =
        xml_parse(text, strlen(text), FACTS_MAX, "capabilities", "libvirt's capabilities", error);
    if (doc == NULL)
        return FALSE;
    xmlNode *guest = find_guest(doc);
    if (guest == NULL)
        return error_set(error, SLIPWAY_ERROR_UNSUPPORTED,
                         "%s has no QEMU for %s; install the package qemu-system-x86",
                         host->base.label, ARCHITECTURE);
    ret->machines = g_ptr_array_new_with_free_func(g_free);
    read_guest(guest, ret);
    read_firmware(connection, ret);
    return TRUE;
}

void
host_facts_clear(struct domain_host *facts)
{
    g_clear_pointer(&facts->machines, g_ptr_array_unref);
}

GPtrArray *
host_facts_networks(struct libvirt *host, GError **error)
{
    auto_connection connection = daemon_connect(host->daemon, error);
    if (connection == NULL)
        return NULL;
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    virNetworkPtr *networks = NULL;
    int n = virConnectListAllNetworks(connection, &networks, 0);
    for (int i = 0; i < n; i++) {
        g_ptr_array_add(names, g_strdup(virNetworkGetName(networks[i])));
        virNetworkFree(networks[i]);
    }
    free(networks);
    return names;
}

gboolean
host_facts_has_bridge(const struct libvirt *host, const char *name)
{
    if (!host->local)
        return TRUE;
    if (strchr(name, '/') != NULL || name[0] == '.' || name[0] == '\0')
        return FALSE;
    g_autofree char *path = g_build_filename("/sys/class/net", name, "bridge", NULL);
    /* Open vSwitch's look like any other interface. */
    g_autofree char *device = g_build_filename("/sys/class/net", name, NULL);
    return g_file_test(path, G_FILE_TEST_IS_DIR) || g_file_test(device, G_FILE_TEST_EXISTS);
}
