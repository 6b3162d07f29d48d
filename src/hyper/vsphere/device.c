/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/vsphere/device.h"

#include "base/error.h"

#include <string.h>

/* Members of a chain of backings; XML_DEPTH_MAX bounds it too. */
#define CHAIN_MAX 64u

/* ---- Reading --------------------------------------------------------------------------------- */

static gint64
read_integer(const xmlNode *parent, const char *name, gint64 otherwise)
{
    g_autofree char *text = xml_child_text(parent, name);
    gint64 value = 0;
    if (text == NULL || !g_ascii_string_to_signed(text, 10, G_MININT64, G_MAXINT64, &value, NULL))
        return otherwise;
    return value;
}

static char *
read_text(const xmlNode *parent, const char *name)
{
    char *text = xml_child_text(parent, name);
    if (text != NULL && *text == '\0')
        g_clear_pointer(&text, g_free);
    return text;
}

static char *
read_lower(const xmlNode *parent, const char *name)
{
    g_autofree char *text = read_text(parent, name);
    return text != NULL ? g_ascii_strdown(text, -1) : NULL;
}

/* Servers before 5.5 know KiB only. */
static guint64
read_size(const xmlNode *node)
{
    guint64 size = vim_child_number(node, "capacityInBytes", 0);
    guint64 kib = vim_child_number(node, "capacityInKB", 0);
    if (size == 0 && kib <= G_MAXINT64 / 1024)
        size = kib * 1024;
    return size <= G_MAXINT64 ? size : 0;
}

static void
read_chain(struct device *device, const xmlNode *backing)
{
    device->file = read_text(backing, "fileName");
    const xmlNode *parent = xml_child(backing, "parent");
    if (parent != NULL)
        device->parent_file = read_text(parent, "fileName");
    for (guint i = 0; parent != NULL && i < CHAIN_MAX; i++) {
        backing = parent;
        parent = xml_child(backing, "parent");
    }
    device->base_file = read_text(backing, "fileName");
}

static void
read_disk(struct device *device, const xmlNode *node, const xmlNode *backing)
{
    device->size = read_size(node);
    read_chain(device, backing);
    device->uuid = read_lower(backing, "uuid");
    device->change_id = read_text(backing, "changeId");
    device->mode = read_text(backing, "diskMode");
    device->compatibility = read_text(backing, "compatibilityMode");
    device->sharing = read_text(backing, "sharing");
    device->thin = vim_child_boolean(backing, "thinProvisioned", FALSE);
    vim_child_moref(backing, "datastore", &device->datastore);
}

static void
read_nic(struct device *device, const xmlNode *node, const xmlNode *backing)
{
    g_autofree char *mac = read_text(node, "macAddress");
    device->mac = mac != NULL ? machine_mac_normal(mac) : NULL;
    device->address_type = read_text(node, "addressType");
    device->network = read_text(backing, "deviceName");
    if (device->network == NULL)
        device->network = read_text(backing, "opaqueNetworkId");
    const xmlNode *port = xml_child(backing, "port");
    device->switch_uuid = read_text(port, "switchUuid");
    device->port_group_key = read_text(port, "portgroupKey");
}

static struct device *
read_device(const xmlNode *node, GError **error)
{
    gint64 key = read_integer(node, "key", 0);
    if (key == 0 && xml_child(node, "key") == NULL)
        return error_null(error, SLIPWAY_ERROR_CORRUPT, "a virtual device without a key");
    struct device *device = g_new0(struct device, 1);
    const xmlNode *backing = xml_child(node, "backing");
    const xmlNode *connectable = xml_child(node, "connectable");
    device->key = key;
    device->type = vim_type_of(node);
    device->controller_key = read_integer(node, "controllerKey", 0);
    device->unit = read_integer(node, "unitNumber", -1);
    device->bus = read_integer(node, "busNumber", 0);
    device->label = read_text(xml_child(node, "deviceInfo"), "label");
    device->backing = backing != NULL ? vim_type_of(backing) : NULL;
    device->connected = vim_child_boolean(connectable, "connected", FALSE);
    device->start_connected = vim_child_boolean(connectable, "startConnected", FALSE);
    if (device->type == NULL)
        device->type = g_strdup("VirtualDevice");
    if (device_is_disk(device))
        read_disk(device, node, backing);
    else if (device_is_nic(device) || xml_child(node, "macAddress") != NULL)
        read_nic(device, node, backing);
    else if (device_is_controller(device))
        device->sharing = read_text(node, "sharedBus");
    return device;
}

/* A disk is shared, too, when its controller's bus is. */
static void
share_with_bus(const GPtrArray *devices)
{
    for (guint i = 0; i < devices->len; i++) {
        struct device *disk = devices->pdata[i];
        const struct device *controller =
            device_is_disk(disk) ? devices_find(devices, disk->controller_key) : NULL;
        if (controller == NULL || controller->sharing == NULL ||
            strcmp(controller->sharing, "noSharing") == 0)
            continue;
        g_free(disk->sharing);
        disk->sharing = g_strdup(controller->sharing);
    }
}

/* In the property they are called VirtualDevice, in a whole configuration device. */
GPtrArray *
devices_read(const xmlNode *parent, GError **error)
{
    g_autoptr(GPtrArray) devices = g_ptr_array_new_with_free_func((GDestroyNotify)device_free);
    for (const xmlNode *node = xml_child(parent, NULL); node != NULL; node = xml_next(node, NULL)) {
        if (!xml_is(node, "VirtualDevice") && !xml_is(node, "device"))
            continue;
        if (devices->len >= DEVICES_MAX)
            return error_null(error, SLIPWAY_ERROR_LIMIT, "more than %u virtual devices",
                              DEVICES_MAX);
        struct device *device = read_device(node, error);
        if (device == NULL)
            return NULL;
        g_ptr_array_add(devices, device);
    }
    share_with_bus(devices);
    return g_steal_pointer(&devices);
}

void
device_free(struct device *device)
{
    if (device == NULL)
        return;
    char *const texts[] = {
        device->type,         device->label,         device->backing,     device->file,
        device->parent_file,  device->base_file,     device->uuid,        device->change_id,
        device->mode,         device->compatibility, device->sharing,     device->mac,
        device->address_type, device->network,       device->switch_uuid, device->port_group_key};
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
        g_free(texts[i]);
    moref_clear(&device->datastore);
    g_free(device);
}

const struct device *
devices_find(const GPtrArray *devices, gint64 key)
{
    for (guint i = 0; i < devices->len; i++) {
        const struct device *device = devices->pdata[i];
        if (device->key == key)
            return device;
    }
    return NULL;
}

/* ---- Judging --------------------------------------------------------------------------------- */

gboolean
device_is_disk(const struct device *device)
{
    return vim_is_of(device->type, "VirtualDisk");
}

/* Newer servers may have kinds that are not known here: an address makes it one. */
gboolean
device_is_nic(const struct device *device)
{
    return device->mac != NULL || vim_is_of(device->type, "VirtualEthernetCard");
}

gboolean
device_is_controller(const struct device *device)
{
    return vim_is_of(device->type, "VirtualController");
}

/* Of controllers: what extends what is in vim_type.c; the first row that fits. */
static const struct {
    const char *type;
    enum machine_bus bus;
    const char *model;
} controllers[] = {
    {"ParaVirtualSCSIController", MACHINE_SCSI, "pvscsi"},
    {"VirtualLsiLogicSASController", MACHINE_SCSI, "lsisas1068"},
    {"VirtualLsiLogicController", MACHINE_SCSI, "lsilogic"},
    {"VirtualBusLogicController", MACHINE_SCSI, "buslogic"},
    {"VirtualSCSIController", MACHINE_SCSI, NULL},
    {"VirtualSATAController", MACHINE_SATA, "ahci"},
    {"VirtualNVMEController", MACHINE_NVME, "nvme"},
    {"VirtualIDEController", MACHINE_IDE, "ide"},
};

static gsize
find_controller(const GPtrArray *devices, const struct device *disk)
{
    const struct device *controller = devices_find(devices, disk->controller_key);
    gsize i = 0;
    while (i < G_N_ELEMENTS(controllers) &&
           (controller == NULL || !vim_is_of(controller->type, controllers[i].type)))
        i++;
    return i;
}

char *
device_place(const GPtrArray *devices, const struct device *disk)
{
    gsize row = find_controller(devices, disk);
    const struct device *controller = devices_find(devices, disk->controller_key);
    if (row == G_N_ELEMENTS(controllers) || disk->unit < 0)
        return g_strdup_printf("disk%" G_GINT64_FORMAT, disk->key);
    return g_strdup_printf("%s%" G_GINT64_FORMAT ":%" G_GINT64_FORMAT,
                           machine_bus_name(controllers[row].bus), controller->bus, disk->unit);
}

void
device_bus(const GPtrArray *devices, const struct device *disk, enum machine_bus *ret_bus,
           const char **ret_model)
{
    gsize row = find_controller(devices, disk);
    gboolean known = row < G_N_ELEMENTS(controllers);
    *ret_bus = known ? controllers[row].bus : MACHINE_SCSI;
    *ret_model = known ? controllers[row].model : NULL;
}

static gboolean
is_shared(const struct device *disk)
{
    return disk->sharing != NULL && strcmp(disk->sharing, "sharingNone") != 0 &&
           strcmp(disk->sharing, "noSharing") != 0;
}

const char *
device_skip(const struct device *disk)
{
    if (disk->mode != NULL && g_str_has_prefix(disk->mode, "independent"))
        return "an independent disk is in no snapshot";
    if (g_strcmp0(disk->mode, "nonpersistent") == 0)
        return "what is written to a nonpersistent disk is thrown away";
    if (vim_is_of(disk->backing, "VirtualDiskRawDiskMappingVer1BackingInfo") &&
        g_strcmp0(disk->compatibility, "virtualMode") != 0)
        return "a physical raw device mapping is in no snapshot";
    if (vim_is_of(disk->backing, "VirtualDiskRawDiskVer2BackingInfo"))
        return "a raw disk of the host is in no snapshot";
    if (vim_is_of(disk->backing, "VirtualDiskLocalPMemBackingInfo"))
        return "a disk in persistent memory is in no snapshot";
    if (is_shared(disk))
        return "a disk that several machines share is in no snapshot";
    return NULL;
}
