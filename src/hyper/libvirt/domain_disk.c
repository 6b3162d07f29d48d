/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/libvirt/domain_disk.h"

#include "base/error.h"
#include "hyper/libvirt/domain_xml.h"

#include <string.h>

void
domain_disk_free(struct domain_disk *disk)
{
    g_free(disk->name);
    g_free(disk->format);
    g_free(disk->path);
    g_free(disk->pool);
    g_free(disk->volume);
    g_free(disk->identity);
    g_ptr_array_unref(disk->below);
    g_free(disk);
}

/* All that says which image it is, in a fixed order, hashed as it may be long. */
static char *
identify(const xmlNode *source)
{
    static const char *const words[] = {"file", "dev", "dir", "pool", "volume", "protocol", "name"};
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
    gboolean any = FALSE;
    for (gsize i = 0; i < G_N_ELEMENTS(words); i++) {
        g_autofree char *value = xml_attribute(source, words[i]);
        if (value == NULL)
            continue;
        g_checksum_update(sum, (const guchar *)words[i], -1);
        g_checksum_update(sum, (const guchar *)value, (gssize)strlen(value) + 1);
        any = TRUE;
    }
    return any ? g_strndup(g_checksum_get_string(sum), DOMAIN_DISK_IDENTITY) : NULL;
}

static void
read_below(struct domain_disk *disk, const xmlNode *node)
{
    for (node = xml_child(node, "backingStore"); node != NULL;
         node = xml_child(node, "backingStore")) {
        xmlNode *source = xml_child(node, "source");
        char *identity = source != NULL ? identify(source) : NULL;
        if (identity != NULL)
            g_ptr_array_add(disk->below, identity);
    }
}

/* <driver iothread="1">, or several of them inside it. */
static gboolean
has_thread(const xmlNode *node)
{
    g_autofree char *thread = domain_xml_value(node, "driver", "iothread");
    const xmlNode *driver = xml_child(node, "driver");
    return thread != NULL || (driver != NULL && xml_child(driver, "iothreads") != NULL);
}

/* Of a SCSI disk its controller has it; when it is not said which one it is, any may be it. */
static gboolean
has_controller_thread(const xmlNode *root, const xmlNode *disk)
{
    g_autofree char *bus = domain_xml_value(disk, "target", "bus");
    g_autofree char *wanted = domain_xml_value(disk, "address", "controller");
    if (g_strcmp0(bus, "scsi") != 0)
        return FALSE;
    for (xmlNode *node = domain_xml_device(root, "controller", NULL); node != NULL;
         node = domain_xml_device(root, "controller", node)) {
        g_autofree char *type = xml_attribute(node, "type");
        g_autofree char *index = xml_attribute(node, "index");
        if (g_strcmp0(type, "scsi") == 0 && has_thread(node) &&
            (wanted == NULL || index == NULL || strcmp(wanted, index) == 0))
            return TRUE;
    }
    return FALSE;
}

static struct domain_disk *
read_node(const xmlNode *root, const xmlNode *node)
{
    struct domain_disk *disk = g_new0(struct domain_disk, 1);
    disk->below = g_ptr_array_new_with_free_func(g_free);
    disk->name = domain_xml_value(node, "target", "dev");
    disk->format = domain_xml_value(node, "driver", "type");
    if (disk->format == NULL)
        disk->format = g_strdup("raw");
    xmlNode *source = xml_child(node, "source");
    if (source != NULL) {
        disk->path = xml_attribute(source, "file");
        if (disk->path == NULL)
            disk->path = xml_attribute(source, "dev");
        disk->pool = xml_attribute(source, "pool");
        disk->volume = xml_attribute(source, "volume");
        disk->identity = identify(source);
    }
    disk->thread = has_thread(node) || has_controller_thread(root, node);
    read_below(disk, node);
    return disk;
}

struct domain_disk *
domain_disk_read(const char *xml, const char *name, GError **error)
{
    auto_xml_doc doc = xml_parse(xml, strlen(xml), MACHINE_NATIVE_MAX, "domain",
                                 "the machine's description", error);
    if (doc == NULL)
        return NULL;
    xmlNode *root = xmlDocGetRootElement(doc);
    for (xmlNode *node = domain_xml_device(root, "disk", NULL); node != NULL;
         node = domain_xml_device(root, "disk", node)) {
        g_autofree char *target = domain_xml_value(node, "target", "dev");
        if (g_strcmp0(target, name) == 0)
            return read_node(root, node);
    }
    return error_null(error, SLIPWAY_ERROR_NOT_FOUND, "the machine has no disk %s", name);
}

gboolean
domain_disk_has(const struct domain_disk *disk, const char *identity)
{
    if (g_strcmp0(disk->identity, identity) == 0)
        return TRUE;
    for (guint i = 0; i < disk->below->len; i++)
        if (strcmp(g_ptr_array_index(disk->below, i), identity) == 0)
            return TRUE;
    return FALSE;
}
