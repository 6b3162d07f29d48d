/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/vsphere/vm_config.h"

#include "base/error.h"
#include "hyper/vsphere/device.h"

#include <string.h>

#define FIRST_NIC_KEY 4000
#define MIB (1u << 20)
#define BOOT_ORDER_MAX 64u

const char *const vm_config_list_paths[] = {
    "name",
    "parent",
    "parentVApp",
    "resourcePool",
    "runtime.powerState",
    "runtime.host",
    "runtime.connectionState",
    "config.instanceUuid",
    "config.uuid",
    "config.template",
    "config.guestId",
    "config.annotation",
    "config.firmware",
    "config.changeTrackingEnabled",
    "config.bootOptions",
    "config.hardware",
    NULL,
};

const char *const vm_config_paths[] = {
    "name",         "parent",
    "parentVApp",   "resourcePool",
    "runtime.host", "runtime.powerState",
    "config",       "runtime.connectionState",
    "layoutEx",     "customValue",
    "guest",        "availableField",
    NULL,
};

/* ---- Finding values, whether they were asked for by themselves or with what holds them --------
 */

static const xmlNode *
find(const struct vim_object *object, const char *path)
{
    g_autofree char *head = g_strdup(path);
    const xmlNode *node = vim_property(object, head);
    char *dot;
    while (node == NULL && (dot = strrchr(head, '.')) != NULL) {
        *dot = '\0';
        node = vim_property(object, head);
    }
    g_auto(GStrv) names = g_strsplit(path + strlen(head), ".", -1);
    for (gsize i = 1; node != NULL && names[0] != NULL && names[i] != NULL; i++)
        node = xml_child(node, names[i]);
    return node;
}

/* Made fit for a set; NULL when there is none, or nothing in it. */
static char *
text_of(const xmlNode *node, gsize max)
{
    g_autofree char *text = node != NULL ? xml_text(node) : NULL;
    if (text == NULL || *text == '\0')
        return NULL;
    gsize length = strlen(text);
    if (length > max)
        length = (gsize)(g_utf8_find_prev_char(text, text + max + 1) - text);
    return g_strndup(text, MIN(length, max));
}

static char *
find_text(const struct vim_object *object, const char *path)
{
    return text_of(find(object, path), MACHINE_TEXT_MAX);
}

static char *
find_lower(const struct vim_object *object, const char *path)
{
    g_autofree char *text = find_text(object, path);
    return text != NULL ? g_ascii_strdown(text, -1) : NULL;
}

static gboolean
find_flag(const struct vim_object *object, const char *path)
{
    g_autofree char *text = find_text(object, path);
    return xml_boolean(text, FALSE);
}

static guint
find_count(const xmlNode *parent, const char *name)
{
    return (guint)MIN(vim_child_number(parent, name, 0), (guint64)G_MAXINT32);
}

/* ---- Disks ----------------------------------------------------------------------------------- */

static char *
datastore_of(const char *path)
{
    const char *end = path != NULL && path[0] == '[' ? strchr(path, ']') : NULL;
    return end != NULL ? g_strndup(path + 1, (gsize)(end - path - 1)) : NULL;
}

static void
add_disk(struct machine *machine, const GPtrArray *devices, const struct device *device)
{
    struct machine_disk *disk = machine_add_disk(machine);
    const struct device *controller = devices_find(devices, device->controller_key);
    const char *model = NULL;
    g_autofree char *place = device_place(devices, device);
    device_bus(devices, device, &disk->bus, &model);
    /* Two at one place cannot be; but a name that is not unique would mix their bytes up. */
    disk->name = machine_find_disk(machine, place) == NULL
                     ? g_steal_pointer(&place)
                     : g_strdup_printf("%s.%" G_GINT64_FORMAT, place, device->key);
    disk->key = device->uuid != NULL ? g_strdup(device->uuid)
                                     : g_strdup_printf("%" G_GINT64_FORMAT, device->key);
    disk->controller = controller != NULL ? (guint)CLAMP(controller->bus, 0, G_MAXINT16) : 0;
    disk->unit = (guint)CLAMP(device->unit, 0, G_MAXINT16);
    disk->model = g_strdup(model);
    disk->size = device->size;
    disk->path = g_strdup(device->file);
    disk->datastore = datastore_of(device->file);
    disk->format = g_strdup("vmdk");
    disk->thin = device->thin;
    disk->skip = g_strdup(device_skip(device));
    if (disk->skip == NULL && disk->size == 0)
        disk->skip = g_strdup("the server does not tell its size");
}

/* ---- Networks -------------------------------------------------------------------------------- */

static const char *
nic_model(const struct device *device)
{
    static const struct {
        const char *type, *model;
    } models[] = {
        {"VirtualVmxnet3", "vmxnet3"},
        {"VirtualVmxnet2", "vmxnet2"},
        {"VirtualVmxnet", "vmxnet"},
        {"VirtualE1000e", "e1000e"},
        {"VirtualE1000", "e1000"},
        {"VirtualPCNet32", "pcnet"},
        {"VirtualSriovEthernetCard", "sriov"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(models); i++)
        if (vim_is_of(device->type, models[i].type))
            return models[i].model;
    return NULL;
}

static void
set_network(struct machine_nic *nic, const struct device *device, struct inventory_tree *tree)
{
    if (device->port_group_key != NULL) {
        nic->kind = MACHINE_DISTRIBUTED_PORT_GROUP;
        nic->network = g_strdup(inventory_tree_port_group(tree, device->port_group_key));
    } else if (vim_is_of(device->backing, "VirtualEthernetCardNetworkBackingInfo")) {
        nic->kind = MACHINE_PORT_GROUP;
        nic->network = g_strdup(device->network);
    } else {
        nic->kind = MACHINE_OTHER_NETWORK;
        nic->network = g_strdup(device->network);
    }
}

static void
add_nic(struct machine *machine, const struct device *device, struct inventory_tree *tree)
{
    struct machine_nic *nic = machine_add_nic(machine);
    gint64 number = device->key - FIRST_NIC_KEY;
    g_autofree char *name = g_strdup_printf("ethernet%" G_GINT64_FORMAT, number);
    nic->name = number >= 0 && number < 1000 && machine_find_nic(machine, name) == NULL
                    ? g_steal_pointer(&name)
                    : g_strdup_printf("nic%" G_GINT64_FORMAT, device->key);
    nic->model = g_strdup(nic_model(device));
    nic->mac = g_strdup(device->mac);
    nic->mac_fixed =
        g_ascii_strcasecmp(device->address_type ? device->address_type : "", "manual") == 0;
    nic->connected = device->connected || device->start_connected;
    set_network(nic, device, tree);
}

/* ---- All devices ----------------------------------------------------------------------------- */

static gint
compare_disks(gconstpointer a, gconstpointer b)
{
    const struct machine_disk *left = *(struct machine_disk *const *)a;
    const struct machine_disk *right = *(struct machine_disk *const *)b;
    if (left->bus != right->bus)
        return left->bus < right->bus ? -1 : 1;
    if (left->controller != right->controller)
        return left->controller < right->controller ? -1 : 1;
    if (left->unit != right->unit)
        return left->unit < right->unit ? -1 : 1;
    return strcmp(left->name, right->name);
}

static void
set_boot_order(struct machine *machine, const GPtrArray *devices, const xmlNode *options)
{
    guint place = 1;
    for (const xmlNode *node = xml_child(options, "bootOrder");
         node != NULL && place <= BOOT_ORDER_MAX; node = xml_next(node, "bootOrder"), place++) {
        guint64 key = vim_child_number(node, "deviceKey", G_MAXUINT64);
        const struct device *device = key <= G_MAXINT64 ? devices_find(devices, (gint64)key) : NULL;
        if (device == NULL)
            continue;
        g_autofree char *name =
            device_is_disk(device)
                ? device_place(devices, device)
                : g_strdup_printf("ethernet%" G_GINT64_FORMAT, device->key - FIRST_NIC_KEY);
        struct machine_disk *disk = machine_find_disk(machine, name);
        struct machine_nic *nic = machine_find_nic(machine, name);
        if (disk != NULL && device_is_disk(device))
            disk->boot_order = place;
        else if (nic != NULL && device_is_nic(device))
            nic->boot_order = place;
    }
}

static gboolean
read_devices(struct machine *machine, const struct vim_object *object, struct inventory_tree *tree,
             GError **error)
{
    /* As in the property and as in a whole configuration: the latter's children are `device`. */
    g_autoptr(GPtrArray) devices = devices_read(find(object, "config.hardware"), error);
    if (devices == NULL)
        return FALSE;
    for (guint i = 0; i < devices->len; i++) {
        const struct device *device = devices->pdata[i];
        if (device_is_disk(device) && machine->disks->len < MACHINE_DISKS_MAX)
            add_disk(machine, devices, device);
        else if (device_is_nic(device) && machine->nics->len < MACHINE_NICS_MAX)
            add_nic(machine, device, tree);
        else if (device_is_disk(device) || device_is_nic(device))
            return error_set(error, SLIPWAY_ERROR_LIMIT, "has more than %u disks or %u NICs",
                             MACHINE_DISKS_MAX, MACHINE_NICS_MAX);
    }
    set_boot_order(machine, devices, find(object, "config.bootOptions"));
    g_ptr_array_sort(machine->disks, compare_disks);
    return TRUE;
}

/* ---- Where it is ----------------------------------------------------------------------------- */

/* A machine in a vApp has no folder of its own: it is in that of the vApp, below it. */
static char *
folder_of(const struct vim_object *object, struct inventory_tree *tree)
{
    static const char *const paths[] = {"parentFolder", NULL};
    struct moref parent = {0}, vapp = {0};
    char *folder = NULL;
    if (vim_property_moref(object, "parent", &parent)) {
        folder = inventory_tree_path(tree, &parent);
    } else if (vim_property_moref(object, "parentVApp", &vapp)) {
        const struct inventory_node *node = inventory_tree_get(tree, &vapp);
        struct vim *vim = inventory_tree_vim(tree);
        auto_ptr(vim_object) above = vim != NULL ? vim_get(vim, &vapp, paths, NULL) : NULL;
        if (above != NULL && vim_property_moref(above, "parentFolder", &parent)) {
            g_autofree char *path = inventory_tree_path(tree, &parent);
            folder = path != NULL && node != NULL ? g_strconcat(path, "/", node->name, NULL) : NULL;
        }
    }
    moref_clear(&parent);
    moref_clear(&vapp);
    return folder;
}

static const char *
name_of(const struct inventory_node *node)
{
    return node != NULL ? node->name : NULL;
}

static void
read_place(struct machine *machine, const struct vim_object *object, struct inventory_tree *tree)
{
    struct moref host = {0}, pool = {0};
    machine->folder = folder_of(object, tree);
    machine->datacenter =
        g_strdup(name_of(inventory_tree_above(tree, &object->self, "Datacenter")));
    if (vim_property_moref(object, "runtime.host", &host)) {
        machine->host = g_strdup(name_of(inventory_tree_get(tree, &host)));
        machine->cluster =
            g_strdup(name_of(inventory_tree_above(tree, &host, "ClusterComputeResource")));
        if (machine->datacenter == NULL)
            machine->datacenter =
                g_strdup(name_of(inventory_tree_above(tree, &host, "Datacenter")));
    }
    if (vim_property_moref(object, "resourcePool", &pool))
        machine->pool = inventory_tree_path_below(tree, &pool, "ComputeResource");
    moref_clear(&host);
    moref_clear(&pool);
}

/* ---- What it is ------------------------------------------------------------------------------ */

const char *
vm_config_family(const char *guest_id)
{
    static const struct {
        const char *part, *family;
    } families[] = {
        {"darwin", "other"}, /* before "win" */
        {"win", "windows"},      {"freebsd", "bsd"},       {"netbsd", "bsd"},
        {"openbsd", "bsd"},      {"linux", "linux"},       {"ubuntu", "linux"},
        {"debian", "linux"},     {"centos", "linux"},      {"rhel", "linux"},
        {"redhat", "linux"},     {"sles", "linux"},        {"suse", "linux"},
        {"sjds", "linux"},       {"nld9", "linux"},        {"oes", "linux"},
        {"fedora", "linux"},     {"coreos", "linux"},      {"asianux", "linux"},
        {"mandr", "linux"},      {"photon", "linux"},      {"crxpod", "linux"},
        {"dos", "other"},        {"netware", "other"},     {"solaris", "other"},
        {"os2", "other"},        {"ecomstation", "other"}, {"unixware", "other"},
        {"openserver", "other"}, {"vmkernel", "other"},
    };
    if (guest_id == NULL)
        return NULL;
    g_autofree char *lower = g_ascii_strdown(guest_id, -1);
    for (gsize i = 0; i < G_N_ELEMENTS(families); i++)
        if (strstr(lower, families[i].part) != NULL)
            return families[i].family;
    return NULL;
}

static void
read_hardware(struct machine *machine, const struct vim_object *object)
{
    const xmlNode *hardware = find(object, "config.hardware");
    guint64 mib = vim_child_number(hardware, "memoryMB", 0);
    g_autofree char *firmware = find_text(object, "config.firmware");
    machine->cpus = find_count(hardware, "numCPU");
    machine->cores_per_socket = find_count(hardware, "numCoresPerSocket");
    machine->memory = mib <= G_MAXINT64 / MIB ? mib * MIB : 0;
    if (g_strcmp0(firmware, "efi") == 0)
        machine->firmware = find_flag(object, "config.bootOptions.efiSecureBootEnabled")
                                ? MACHINE_UEFI_SECURE
                                : MACHINE_UEFI;
}

static void
read_texts(struct machine *machine, const struct vim_object *object)
{
    g_autofree char *power = find_text(object, "runtime.powerState");
    machine->driver = g_strdup("vsphere");
    machine->ref = moref_format(&object->self);
    machine->name = find_text(object, "name");
    machine->id = find_lower(object, "config.instanceUuid");
    machine->uuid = find_lower(object, "config.uuid");
    if (machine->id == NULL)
        machine->id = g_strdup(machine->uuid);
    machine->template = find_flag(object, "config.template");
    machine->tracked = find_flag(object, "config.changeTrackingEnabled");
    machine->guest = find_text(object, "config.guestId");
    machine->family = g_strdup(vm_config_family(machine->guest));
    machine->annotation = text_of(find(object, "config.annotation"), MACHINE_ANNOTATION_MAX);
    if (g_strcmp0(power, "poweredOn") == 0)
        machine->power = MACHINE_ON;
    else if (g_strcmp0(power, "suspended") == 0)
        machine->power = MACHINE_SUSPENDED;
}

struct machine *
vm_config_read(const struct vim_object *object, struct inventory_tree *tree, GError **error)
{
    auto_ptr(machine) machine = machine_new();
    read_texts(machine, object);
    const char *name = machine->name != NULL ? machine->name : machine->ref;
    if (machine->name == NULL || machine->id == NULL) {
        g_autofree char *state = find_text(object, "runtime.connectionState");
        return error_null(error, SLIPWAY_ERROR_FAILED,
                          "%s: the server does not tell its configuration (its state is: %s)", name,
                          state != NULL ? state : "not told either");
    }
    read_hardware(machine, object);
    read_place(machine, object, tree);
    if (!read_devices(machine, object, tree, error)) {
        g_prefix_error(error, "%s: ", name);
        return NULL;
    }
    return g_steal_pointer(&machine);
}

/* ---- The native description ------------------------------------------------------------------ */

char *
vm_config_native(const struct vim_object *object)
{
    static const char *const parts[] = {"config", "layoutEx", "customValue", "availableField",
                                        "guest"};
    GString *xml = g_string_new("<virtualMachine xmlns=\"urn:vim25\""
                                " xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\""
                                " xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">");
    for (gsize i = 0; i < G_N_ELEMENTS(parts); i++) {
        const xmlNode *node = vim_property(object, parts[i]);
        gsize before = xml->len;
        if (node == NULL)
            continue;
        vim_put_node(xml, parts[i], node);
        /* The configuration must be there; the rest is good to have. */
        if (i > 0 && xml->len > MACHINE_NATIVE_MAX - 64)
            g_string_truncate(xml, before);
    }
    g_string_append(xml, "</virtualMachine>");
    return g_string_free(xml, FALSE);
}

/* Known by its place among the machine's files, or by the configuration's own words. */
char *
vm_config_nvram(const struct vim_object *object)
{
    const xmlNode *layout = vim_property(object, "layoutEx");
    for (const xmlNode *file = xml_child(layout, "file"); file != NULL;
         file = xml_next(file, "file")) {
        g_autofree char *type = xml_child_text(file, "type");
        g_autofree char *name = xml_child_text(file, "name");
        if (g_strcmp0(type, "nvram") == 0 && name != NULL && *name == '[')
            return g_steal_pointer(&name);
    }
    g_autofree char *vmx = find_text(object, "config.files.vmPathName");
    const char *slash = vmx != NULL ? strrchr(vmx, '/') : NULL;
    const xmlNode *config = vim_property(object, "config");
    for (const xmlNode *extra = xml_child(config, "extraConfig"); extra != NULL && slash != NULL;
         extra = xml_next(extra, "extraConfig")) {
        g_autofree char *key = xml_child_text(extra, "key");
        g_autofree char *value = xml_child_text(extra, "value");
        if (g_strcmp0(key, "nvram") == 0 && value != NULL && *value != '\0' &&
            strchr(value, '/') == NULL)
            return g_strdup_printf("%.*s/%s", (int)(slash - vmx), vmx, value);
    }
    return NULL;
}
