/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/vsphere/create_device.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

/* Keys of devices that are to be made are negative; IDE controllers are there by themselves. */
#define CONTROLLER_KEY (-100)
#define DISK_KEY (-1000)
#define NIC_KEY (-3000)
#define OTHER_KEY (-4000)
#define IDE_KEY 200
#define SCSI_SELF 7u /* the unit of a SCSI controller itself */
#define UNITS_MAX 64u

struct controller {
    enum machine_bus bus;
    guint number;
    const char *type;
    gint64 key;
    gboolean used[UNITS_MAX];
};

struct create_device {
    const struct create_place *place;
    struct placement *placement;
    GString *xml;
    GPtrArray *controllers; /* of struct controller * */
    GPtrArray *disk_places; /* of char *, as leases name them ... */
    GPtrArray *disk_names;  /* ... and as sets do */
    guint n_disks, n_nics, n_others;
};

static const struct {
    enum machine_bus bus;
    const char *model, *type;
    guint controllers, units;
} kinds[] = {
    {MACHINE_IDE, "ide", "VirtualIDEController", 2, 2},
    {MACHINE_SATA, "ahci", "VirtualAHCIController", 4, 30},
    {MACHINE_NVME, "nvme", "VirtualNVMEController", 4, 15},
    /* The first SCSI one is for models that are none here: guests of any age have a driver. */
    {MACHINE_SCSI, "lsisas1068", "VirtualLsiLogicSASController", 4, 16},
    {MACHINE_SCSI, "pvscsi", "ParaVirtualSCSIController", 4, 64},
    {MACHINE_SCSI, "lsilogic", "VirtualLsiLogicController", 4, 16},
    {MACHINE_SCSI, "buslogic", "VirtualBusLogicController", 4, 16},
};

/* ---- Controllers ------------------------------------------------------------------------------
 */

static guint
find_kind(enum machine_bus bus, const char *model)
{
    guint first = G_N_ELEMENTS(kinds);
    for (guint i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (kinds[i].bus != bus)
            continue;
        if (g_strcmp0(kinds[i].model, model) == 0)
            return i;
        first = MIN(first, i);
    }
    return first;
}

static guint
count_units(const struct controller *controller)
{
    for (guint i = 0; i < G_N_ELEMENTS(kinds); i++)
        if (strcmp(kinds[i].type, controller->type) == 0)
            return kinds[i].units;
    return 0;
}

static gboolean
is_free(const struct controller *controller, guint unit)
{
    return unit < count_units(controller) && !controller->used[unit] &&
           !(controller->bus == MACHINE_SCSI && unit == SCSI_SELF);
}

/* The unit that is wanted or the first that is free; UNITS_MAX when none is. */
static guint
choose_unit(const struct controller *controller, guint wanted)
{
    if (is_free(controller, wanted))
        return wanted;
    for (guint unit = 0; unit < UNITS_MAX; unit++)
        if (is_free(controller, unit))
            return unit;
    return UNITS_MAX;
}

static struct controller *
find_controller(struct create_device *devices, enum machine_bus bus, guint number)
{
    for (guint i = 0; i < devices->controllers->len; i++) {
        struct controller *controller = g_ptr_array_index(devices->controllers, i);
        if (controller->bus == bus && controller->number == number)
            return controller;
    }
    return NULL;
}

/* The members that every device has, up to its own. */
static void
begin_device(GString *xml, const char *type, const char *file_operation, gint64 key)
{
    vim_begin(xml, "deviceChange", NULL);
    vim_put(xml, "operation", "add");
    vim_put(xml, "fileOperation", file_operation);
    vim_begin(xml, "device", type);
    vim_put_int(xml, "key", key);
}

static void
end_device(GString *xml)
{
    vim_end(xml, "device");
    vim_end(xml, "deviceChange");
}

static struct controller *
add_controller(struct create_device *devices, guint kind, guint number)
{
    struct controller *controller = g_new0(struct controller, 1);
    controller->bus = kinds[kind].bus;
    controller->number = number;
    controller->type = kinds[kind].type;
    controller->key = controller->bus == MACHINE_IDE
                          ? IDE_KEY + (gint64)number
                          : CONTROLLER_KEY - (gint64)devices->controllers->len;
    g_ptr_array_add(devices->controllers, controller);
    if (controller->bus == MACHINE_IDE)
        return controller;
    begin_device(devices->xml, controller->type, NULL, controller->key);
    vim_put_int(devices->xml, "busNumber", number);
    if (controller->bus == MACHINE_SCSI)
        vim_put(devices->xml, "sharedBus", "noSharing");
    end_device(devices->xml);
    return controller;
}

/* A controller with a free unit: the one that is wanted, another that is there, or a new one; NULL
 * when the bus is full. */
static struct controller *
choose_controller(struct create_device *devices, guint kind, guint wanted)
{
    enum machine_bus bus = kinds[kind].bus;
    guint most = kinds[kind].controllers;
    if (wanted < most) {
        struct controller *controller = find_controller(devices, bus, wanted);
        if (controller == NULL)
            return add_controller(devices, kind, wanted);
        if (choose_unit(controller, 0) < UNITS_MAX)
            return controller;
    }
    for (guint number = 0; number < most; number++) {
        struct controller *controller = find_controller(devices, bus, number);
        if (controller == NULL)
            return add_controller(devices, kind, number);
        if (choose_unit(controller, 0) < UNITS_MAX)
            return controller;
    }
    return NULL;
}

/* ---- Disks ------------------------------------------------------------------------------------
 */

static void
put_disk(struct create_device *devices, const struct machine_disk *disk,
         const struct create_store *store, const struct controller *controller, guint unit)
{
    GString *xml = devices->xml;
    g_autofree char *file = g_strdup_printf("[%s]", store->name);
    begin_device(xml, "VirtualDisk", "create", DISK_KEY - (gint64)devices->n_disks++);
    vim_begin(xml, "backing", "VirtualDiskFlatVer2BackingInfo");
    vim_put(xml, "fileName", file);
    vim_put_moref(xml, "datastore", &store->self);
    vim_put(xml, "diskMode", "persistent");
    vim_put_bool(xml, "thinProvisioned", disk->thin);
    vim_end(xml, "backing");
    vim_put_int(xml, "controllerKey", controller->key);
    vim_put_int(xml, "unitNumber", unit);
    vim_put_int(xml, "capacityInKB", (gint64)(disk->size / 1024 + (disk->size % 1024 != 0)));
    end_device(xml);
}

static guint
disk_kind(struct create_device *devices, const struct machine_disk *disk)
{
    guint kind = find_kind(disk->bus, disk->model);
    if (kind < G_N_ELEMENTS(kinds))
        return kind;
    placement_say(devices->placement,
                  "disk %s is on a SCSI controller (LSI Logic SAS), as there is no %s bus here",
                  disk->name, machine_bus_name(disk->bus));
    return find_kind(MACHINE_SCSI, NULL);
}

static void
say_place(struct create_device *devices, const struct machine_disk *disk,
          const struct controller *controller, guint unit)
{
    const char *bus = machine_bus_name(controller->bus);
    guint kind = find_kind(disk->bus, disk->model);
    if (kind >= G_N_ELEMENTS(kinds))
        return;
    if (controller->number != disk->controller || unit != disk->unit)
        placement_say(devices->placement, "disk %s is at %s%u:%u, as its own place is taken",
                      disk->name, bus, controller->number, unit);
    if (disk->model != NULL && strcmp(kinds[kind].type, controller->type) != 0)
        placement_say(devices->placement, "disk %s is on a controller of another model (%s)",
                      disk->name, controller->type);
    else if (disk->model != NULL && strcmp(kinds[kind].model, disk->model) != 0)
        placement_say(devices->placement, "disk %s is on a controller of model %s instead of %s",
                      disk->name, kinds[kind].model, disk->model);
}

gboolean
create_device_add_disk(struct create_device *devices, const struct machine_disk *disk,
                       const struct create_store *home, GError **error)
{
    const struct create_store *store = home;
    if (disk->datastore != NULL) {
        store = create_place_store(devices->place, disk->datastore, error);
        if (store == NULL) {
            g_prefix_error(error, "disk %s: ", disk->name);
            return FALSE;
        }
    }
    struct controller *controller =
        choose_controller(devices, disk_kind(devices, disk), disk->controller);
    if (controller == NULL)
        return error_set(error, SLIPWAY_ERROR_LIMIT,
                         "disk %s: the %s controllers have no place for one more disk", disk->name,
                         machine_bus_name(disk->bus));
    guint unit = choose_unit(controller, disk->unit);
    controller->used[unit] = TRUE;
    say_place(devices, disk, controller, unit);
    put_disk(devices, disk, store, controller, unit);
    g_ptr_array_add(devices->disk_places,
                    g_strdup_printf("%s%u:%u", controller->type, controller->number, unit));
    g_ptr_array_add(
        devices->disk_names,
        g_strdup_printf("%s%u:%u", machine_bus_name(controller->bus), controller->number, unit));
    return TRUE;
}

/* ---- Network cards ----------------------------------------------------------------------------
 */

static const struct {
    const char *model, *type;
} cards[] = {
    {"vmxnet3", "VirtualVmxnet3"}, {"e1000e", "VirtualE1000e"},    {"e1000", "VirtualE1000"},
    {"vmxnet2", "VirtualVmxnet2"}, {"pcnet", "VirtualPCNet32"},    {"pcnet32", "VirtualPCNet32"},
    {"vmxnet", "VirtualVmxnet"},   {"flexible", "VirtualPCNet32"},
};

static const char *
choose_card(struct create_device *devices, const struct machine_nic *nic)
{
    for (guint i = 0; i < G_N_ELEMENTS(cards); i++)
        if (g_strcmp0(cards[i].model, nic->model) == 0)
            return cards[i].type;
    const char *instead = g_strcmp0(nic->model, "sriov") == 0 ? "vmxnet3" : "e1000";
    placement_say(devices->placement, "network card %s is of model %s instead of %s", nic->name,
                  instead, nic->model != NULL ? nic->model : "an unknown one");
    return strcmp(instead, "vmxnet3") == 0 ? "VirtualVmxnet3" : "VirtualE1000";
}

/* A server refuses as "manual" what is in the ranges that it gives addresses from itself. */
static const char *
address_type(const char *mac)
{
    if (g_str_has_prefix(mac, "00:0c:29:"))
        return "generated";
    if (g_str_has_prefix(mac, "00:50:56:") && strtoul(mac + 9, NULL, 16) >= 0x40)
        return "assigned";
    return "manual";
}

static void
put_backing(GString *xml, const struct create_network *network)
{
    switch (network->kind) {
    case MACHINE_DISTRIBUTED_PORT_GROUP:
        vim_begin(xml, "backing", "VirtualEthernetCardDistributedVirtualPortBackingInfo");
        vim_begin(xml, "port", NULL);
        vim_put(xml, "switchUuid", network->switch_uuid);
        vim_put(xml, "portgroupKey", network->key);
        vim_end(xml, "port");
        break;
    case MACHINE_OTHER_NETWORK:
        vim_begin(xml, "backing", "VirtualEthernetCardOpaqueNetworkBackingInfo");
        vim_put(xml, "opaqueNetworkId", network->key);
        vim_put(xml, "opaqueNetworkType", network->switch_uuid);
        break;
    default:
        vim_begin(xml, "backing", "VirtualEthernetCardNetworkBackingInfo");
        vim_put(xml, "deviceName", network->name);
        vim_put_moref(xml, "network", &network->self);
    }
    vim_end(xml, "backing");
}

static void
put_nic(struct create_device *devices, const struct machine_nic *nic, const char *type,
        const struct create_network *network)
{
    GString *xml = devices->xml;
    begin_device(xml, type, NULL, NIC_KEY - (gint64)devices->n_nics++);
    put_backing(xml, network);
    vim_begin(xml, "connectable", NULL);
    vim_put_bool(xml, "startConnected", nic->connected);
    vim_put_bool(xml, "allowGuestControl", TRUE);
    vim_put_bool(xml, "connected", FALSE);
    vim_end(xml, "connectable");
    vim_put(xml, "addressType", nic->mac != NULL ? address_type(nic->mac) : "generated");
    vim_put(xml, "macAddress", nic->mac);
    vim_put_bool(xml, "wakeOnLanEnabled", TRUE);
    end_device(xml);
}

gboolean
create_device_add_nic(struct create_device *devices, const struct machine_nic *nic, GError **error)
{
    g_autoptr(GError) cause = NULL;
    const struct create_network *network =
        create_place_network(devices->place, nic->kind, nic->network, &cause);
    if (cause != NULL) {
        g_propagate_prefixed_error(error, g_steal_pointer(&cause), "network card %s: ", nic->name);
        return FALSE;
    }
    if (network == NULL) {
        placement_say(devices->placement,
                      "network card %s was left out, as no network can be reached from %s",
                      nic->name, devices->place->compute);
        return TRUE;
    }
    if (nic->network == NULL)
        placement_say(devices->placement, "network card %s is in network %s", nic->name,
                      network->name);
    put_nic(devices, nic, choose_card(devices, nic), network);
    return TRUE;
}

/* ---- Others -----------------------------------------------------------------------------------
 */

void
create_device_add_cdrom(struct create_device *devices, gboolean sata, guint bus)
{
    guint kind = find_kind(sata ? MACHINE_SATA : MACHINE_IDE, NULL);
    struct controller *controller = choose_controller(devices, kind, bus);
    if (controller == NULL)
        return;
    guint unit = choose_unit(controller, 0);
    controller->used[unit] = TRUE;
    GString *xml = devices->xml;
    begin_device(xml, "VirtualCdrom", NULL, OTHER_KEY - (gint64)devices->n_others++);
    vim_begin(xml, "backing", "VirtualCdromRemotePassthroughBackingInfo");
    vim_put(xml, "deviceName", "");
    vim_put_bool(xml, "exclusive", FALSE);
    vim_end(xml, "backing");
    vim_begin(xml, "connectable", NULL);
    vim_put_bool(xml, "startConnected", FALSE);
    vim_put_bool(xml, "allowGuestControl", TRUE);
    vim_put_bool(xml, "connected", FALSE);
    vim_end(xml, "connectable");
    vim_put_int(xml, "controllerKey", controller->key);
    vim_put_int(xml, "unitNumber", unit);
    end_device(xml);
}

void
create_device_add_other(struct create_device *devices, const char *type, const char *members)
{
    begin_device(devices->xml, type, NULL, OTHER_KEY - (gint64)devices->n_others++);
    g_string_append(devices->xml, members);
    end_device(devices->xml);
}

/* ---- Life -------------------------------------------------------------------------------------
 */

struct create_device *
create_device_new(const struct create_place *place, struct placement *placement)
{
    struct create_device *devices = g_new0(struct create_device, 1);
    devices->place = place;
    devices->placement = placement;
    devices->xml = g_string_new(NULL);
    devices->controllers = g_ptr_array_new_with_free_func(g_free);
    devices->disk_places = g_ptr_array_new_with_free_func(g_free);
    devices->disk_names = g_ptr_array_new_with_free_func(g_free);
    return devices;
}

void
create_device_free(struct create_device *devices)
{
    if (devices == NULL)
        return;
    g_string_free(devices->xml, TRUE);
    g_ptr_array_unref(devices->controllers);
    g_ptr_array_unref(devices->disk_places);
    g_ptr_array_unref(devices->disk_names);
    g_free(devices);
}

const char *
create_device_xml(struct create_device *devices)
{
    return devices->xml->str;
}

const char *
create_device_disk_place(const struct create_device *devices, guint index)
{
    return g_ptr_array_index(devices->disk_places, index);
}

const char *
create_device_disk_name(const struct create_device *devices, guint index)
{
    return g_ptr_array_index(devices->disk_names, index);
}
