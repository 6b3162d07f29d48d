/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A machine's disks and network adapters. */
#include "base/error.h"
#include "hyper/libvirt/domain_xml_private.h"

#include <string.h>

/* ---- Disks ----------------------------------------------------------------------------------- */

static gboolean
parse_bus(const char *word, enum machine_bus *ret)
{
    if (g_strcmp0(word, "fdc") == 0 || g_strcmp0(word, "sd") == 0 || g_strcmp0(word, "xen") == 0) {
        *ret = MACHINE_IDE;
        return TRUE;
    }
    return word != NULL && machine_bus_parse(word, ret);
}

static char *
scsi_model(const xmlNode *root, guint index)
{
    for (xmlNode *node = domain_xml_device(root, "controller", NULL); node != NULL;
         node = domain_xml_device(root, "controller", node)) {
        g_autofree char *type = xml_attribute(node, "type");
        if (g_strcmp0(type, "scsi") != 0 || domain_xml_number(node, "index", G_MAXUINT16) != index)
            continue;
        g_autofree char *model = xml_attribute(node, "model");
        if (model == NULL)
            break;
        if (g_strcmp0(model, "vmpvscsi") == 0)
            return g_strdup("pvscsi");
        if (g_str_has_prefix(model, "virtio"))
            return g_strdup("virtio-scsi");
        return domain_xml_shorten(g_steal_pointer(&model), MACHINE_TEXT_MAX);
    }
    return g_strdup("lsilogic");
}

static char *
disk_model(const xmlNode *root, const struct machine_disk *disk)
{
    switch (disk->bus) {
    case MACHINE_SCSI:
        return scsi_model(root, disk->controller);
    case MACHINE_VIRTIO:
        return g_strdup("virtio-blk");
    case MACHINE_SATA:
        return g_strdup("ahci");
    case MACHINE_IDE:
        return g_strdup("ide");
    case MACHINE_NVME:
        return g_strdup("nvme");
    default:
        return NULL;
    }
}

/* A drive's unit; of virtio disks the letters of the name count: "vdb" is 1. */
static void
read_place(const xmlNode *node, struct machine_disk *disk)
{
    xmlNode *address = xml_child(node, "address");
    if (disk->bus != MACHINE_VIRTIO && address != NULL) {
        disk->controller = domain_xml_number(address, "controller", G_MAXUINT16);
        disk->unit = domain_xml_number(address, "unit", G_MAXUINT16);
        if (disk->bus == MACHINE_IDE)
            disk->unit += 2 * domain_xml_number(address, "bus", 1);
        return;
    }
    gsize length = strlen(disk->name);
    char last = disk->name[length - 1];
    if (length == 3 && last >= 'a' && last <= 'z')
        disk->unit = (guint)(last - 'a');
}

static char *
source_path(const xmlNode *source)
{
    if (source == NULL)
        return NULL;
    char *path = xml_attribute(source, "file");
    if (path == NULL)
        path = xml_attribute(source, "dev");
    if (path != NULL)
        return path;
    g_autofree char *pool = xml_attribute(source, "pool");
    g_autofree char *volume = xml_attribute(source, "volume");
    if (pool != NULL && volume != NULL)
        return g_strconcat(pool, "/", volume, NULL);
    g_autofree char *protocol = xml_attribute(source, "protocol");
    g_autofree char *name = xml_attribute(source, "name");
    if (protocol != NULL)
        return g_strconcat(protocol, ":", name, NULL);
    return xml_attribute(source, "dir");
}

/* Why a backup leaves it out.  Whatever QEMU itself reads can be frozen, of a network too. */
static const char *
why_not(const xmlNode *node, const char *device, const char *type)
{
    if (g_strcmp0(device, "cdrom") == 0)
        return "what is in a CD drive is not backed up";
    if (g_strcmp0(device, "floppy") == 0)
        return "what is in a floppy drive is not backed up";
    if (g_strcmp0(device, "lun") == 0)
        return "a SCSI device that is passed through cannot be frozen";
    if (g_strcmp0(type, "vhostuser") == 0 || g_strcmp0(type, "nvme") == 0 ||
        g_strcmp0(type, "vhostvdpa") == 0)
        return "QEMU does not see what is written to a disk of this kind, so it cannot be frozen";
    if (g_strcmp0(type, "dir") == 0)
        return "a folder that is shown as a disk is not backed up";
    if (xml_child(node, "source") == NULL)
        return "it has no medium";
    if (xml_child(node, "transient") != NULL)
        return "it is transient: what is written is thrown away when the machine stops";
    return NULL;
}

static gboolean
read_disk(const xmlNode *root, const xmlNode *node, struct machine *machine, GError **error)
{
    g_autofree char *name = domain_xml_value(node, "target", "dev");
    g_autofree char *bus = domain_xml_value(node, "target", "bus");
    g_autofree char *type = xml_attribute(node, "type");
    g_autofree char *device = xml_attribute(node, "device");
    if (name == NULL || name[0] == '\0' || machine_find_disk(machine, name) != NULL)
        return error_set(error, SLIPWAY_ERROR_CORRUPT, "%s: a disk without a target of its own",
                         DOMAIN_XML_LABEL);
    if (machine->disks->len >= MACHINE_DISKS_MAX)
        return error_set(error, SLIPWAY_ERROR_LIMIT, "%s has more than %u disks", DOMAIN_XML_LABEL,
                         MACHINE_DISKS_MAX);
    struct machine_disk *disk = machine_add_disk(machine);
    xmlNode *source = xml_child(node, "source");
    xmlNode *boot = xml_child(node, "boot");
    disk->name = g_steal_pointer(&name);
    disk->path = source_path(source);
    g_autofree char *serial = xml_child_text(node, "serial");
    disk->key = serial != NULL && serial[0] != '\0' ? g_strconcat("serial:", serial, NULL)
                                                    : g_strdup(disk->path);
    if (!parse_bus(bus, &disk->bus))
        disk->bus = MACHINE_VIRTIO;
    read_place(node, disk);
    disk->model = disk_model(root, disk);
    disk->datastore = source != NULL ? xml_attribute(source, "pool") : NULL;
    disk->format = domain_xml_value(node, "driver", "type");
    if (disk->format == NULL)
        disk->format = g_strdup("raw");
    disk->thin = strcmp(disk->format, "raw") != 0;
    disk->boot_order = boot != NULL ? domain_xml_number(boot, "order", G_MAXUINT16) : 0;
    disk->skip = g_strdup(why_not(node, device, type));
    return domain_xml_check_length(disk->name, "a disk's name", error) &&
           domain_xml_check_length(disk->path, "a disk's path", error) &&
           domain_xml_check_length(disk->key, "a disk's serial number", error) &&
           domain_xml_check_length(disk->format, "a disk's format", error);
}

/* ---- Network adapters ------------------------------------------------------------------------ */

static void
read_network(const xmlNode *node, struct machine_nic *nic)
{
    static const struct {
        const char *type, *attribute;
        enum machine_network kind;
    } kinds[] = {
        {"network", "network", MACHINE_NETWORK},
        {"bridge", "bridge", MACHINE_BRIDGE},
        {"user", NULL, MACHINE_USER_NETWORK},
        {"direct", "dev", MACHINE_OTHER_NETWORK},
    };
    g_autofree char *type = xml_attribute(node, "type");
    nic->kind = MACHINE_OTHER_NETWORK;
    for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (g_strcmp0(type, kinds[i].type) != 0)
            continue;
        nic->kind = kinds[i].kind;
        if (kinds[i].attribute != NULL)
            nic->network = domain_xml_value(node, "source", kinds[i].attribute);
    }
}

static gboolean
read_nic(const xmlNode *node, struct machine *machine, GError **error)
{
    if (machine->nics->len >= MACHINE_NICS_MAX)
        return error_set(error, SLIPWAY_ERROR_LIMIT, "%s has more than %u network adapters",
                         DOMAIN_XML_LABEL, MACHINE_NICS_MAX);
    struct machine_nic *nic = machine_add_nic(machine);
    nic->name = g_strdup_printf("net%u", machine->nics->len - 1);
    g_autofree char *mac = domain_xml_value(node, "mac", "address");
    g_autofree char *state = domain_xml_value(node, "link", "state");
    xmlNode *boot = xml_child(node, "boot");
    nic->mac = mac != NULL ? machine_mac_normal(mac) : NULL;
    /* Those that libvirt chooses begin so. */
    nic->mac_fixed = nic->mac != NULL && !g_str_has_prefix(nic->mac, "52:54:00:");
    nic->model = domain_xml_value(node, "model", "type");
    nic->connected = g_strcmp0(state, "down") != 0;
    nic->boot_order = boot != NULL ? domain_xml_number(boot, "order", G_MAXUINT16) : 0;
    read_network(node, nic);
    return domain_xml_check_length(nic->model, "a network adapter's model", error) &&
           domain_xml_check_length(nic->network, "a network's name", error);
}

gboolean
domain_xml_read_devices(const xmlNode *root, struct machine *machine, GError **error)
{
    for (xmlNode *node = domain_xml_device(root, "disk", NULL); node != NULL;
         node = domain_xml_device(root, "disk", node))
        if (!read_disk(root, node, machine, error))
            return FALSE;
    for (xmlNode *node = domain_xml_device(root, "interface", NULL); node != NULL;
         node = domain_xml_device(root, "interface", node))
        if (!read_nic(node, machine, error))
            return FALSE;
    return TRUE;
}
