/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/vsphere/create_native.h"

#include "base/error.h"

#include <string.h>

#define OPTIONS_MAX 4096u
#define KEY_MAX 256u

/* ---- Reading ----------------------------------------------------------------------------------
 */

static gboolean
read_document(struct create_native *native, const char *text, GError **error)
{
    native->document = xml_parse(text, strlen(text), MACHINE_NATIVE_MAX, "virtualMachine",
                                 "the native description", error);
    if (native->document == NULL)
        return FALSE;
    native->config = xml_child(xmlDocGetRootElement(native->document), "config");
    const xmlNode *hardware = native->config != NULL ? xml_child(native->config, "hardware") : NULL;
    if (hardware == NULL)
        return error_set(error, SLIPWAY_ERROR_CORRUPT,
                         "the native description: has no configuration");
    native->devices = devices_read(hardware, error);
    return native->devices != NULL;
}

void
create_native_read(struct create_native *native, const struct machine *machine,
                   struct placement *placement)
{
    *native = (struct create_native){0};
    if (g_strcmp0(machine->driver, "vsphere") != 0 ||
        g_strcmp0(machine->native_type, "vim-xml") != 0 || machine->native == NULL)
        return;
    g_autoptr(GError) error = NULL;
    if (read_document(native, machine->native, &error))
        return;
    placement_say(placement, "only the main features of the machine were restored: %s",
                  error->message);
    create_native_clear(native);
}

void
create_native_clear(struct create_native *native)
{
    g_clear_pointer(&native->devices, g_ptr_array_unref);
    g_clear_pointer(&native->document, xmlFreeDoc);
    native->config = NULL;
}

/* ---- Members ----------------------------------------------------------------------------------
 */

static void
put_members(GString *xml, const xmlNode *parent, const char *const *names)
{
    for (gsize i = 0; parent != NULL && names[i] != NULL; i++) {
        const xmlNode *node = xml_child(parent, names[i]);
        if (node != NULL)
            vim_put_node(xml, names[i], node);
    }
}

/* A structure called `name`, with some of the members of the one that is called `from`. */
static void
put_structure(GString *xml, const xmlNode *config, const char *from, const char *name,
              const char *const *members)
{
    const xmlNode *node = xml_child(config, from);
    if (node == NULL)
        return;
    vim_begin(xml, name, NULL);
    put_members(xml, node, members);
    vim_end(xml, name);
}

char *
create_native_version(const struct create_native *native)
{
    return native->config != NULL ? xml_child_text(native->config, "version") : NULL;
}

static void
put_tools(const xmlNode *config, GString *xml)
{
    static const char *const tools[] = {
        "afterPowerOn",      "afterResume",        "beforeGuestStandby", "beforeGuestShutdown",
        "beforeGuestReboot", "toolsUpgradePolicy", "syncTimeWithHost",   NULL};
    static const char *const flags[] = {
        "disableAcceleration", "enableLogging",   "htSharing",        "snapshotDisabled",
        "diskUuidEnabled",     "virtualMmuUsage", "virtualExecUsage", "snapshotPowerOffBehavior",
        "cbrcCacheEnabled",    "vvtdEnabled",     "vbsEnabled",       NULL};
    static const char *const power[] = {"powerOffType", "suspendType", "resetType", "standbyAction",
                                        NULL};
    put_structure(xml, config, "tools", "tools", tools);
    put_structure(xml, config, "flags", "flags", flags);
    put_structure(xml, config, "defaultPowerOps", "powerOpInfo", power);
}

/* Keys of extraConfig by how they begin: what a host writes there by itself, or what is of one run
 * of the machine, of its devices, or of the place where it was. */
static const char *const left_keys[] = {
    "annotation",
    "bios.",
    "checkpoint.",
    "cleanshutdown",
    "config.",
    "ctkenabled",
    "displayname",
    "ethernet",
    "extendedconfigfile",
    "firmware",
    "floppy",
    "guestinfo.appinfo",
    "guestinfo.detailed",
    "guestinfo.driver",
    "guestinfo.tools",
    "guestinfo.vmtools",
    "guestinfo.vmware",
    "guestos",
    "hgfs.",
    "ide0",
    "ide1",
    "memsize",
    "migrate.",
    "monitor.phys_bits_used",
    "numa.autosize",
    "numvcpus",
    "nvme",
    "nvram",
    "pcibridge",
    "pcislotnumber",
    "replay.",
    "sata",
    "sched.",
    "scsi",
    "softpoweroff",
    "svga.vramsize",
    "toolsinstall",
    "usb",
    "uuid.",
    "vc.uuid",
    "virtualhw.",
    "viv.",
    "vm.genid",
    "vmci0.",
    "vmotion.",
    "vmware.tools.",
    "vmxstats.",
    "workingdir",
};

gboolean
create_native_is_carried(const char *key)
{
    if (*key == '\0' || strlen(key) > KEY_MAX)
        return FALSE;
    for (gsize i = 0; i < G_N_ELEMENTS(left_keys); i++)
        if (g_ascii_strncasecmp(key, left_keys[i], strlen(left_keys[i])) == 0)
            return FALSE;
    return TRUE;
}

static void
put_options(const xmlNode *config, GString *xml)
{
    guint n = 0;
    for (const xmlNode *at = xml_child(config, "extraConfig"); at != NULL && n < OPTIONS_MAX;
         at = xml_next(at, "extraConfig")) {
        g_autofree char *key = xml_child_text(at, "key");
        const xmlNode *value = xml_child(at, "value");
        if (key == NULL || value == NULL || !create_native_is_carried(key))
            continue;
        n++;
        vim_begin(xml, "extraConfig", "OptionValue");
        vim_put(xml, "key", key);
        vim_put_node(xml, "value", value);
        vim_end(xml, "extraConfig");
    }
}

static void
put_shares(const xmlNode *config, GString *xml)
{
    static const char *const allocation[] = {"reservation", "expandableReservation", "limit",
                                             "shares", NULL};
    static const char *const latency[] = {"level", NULL};
    static const char *const swap[] = {"swapPlacement", NULL};
    put_structure(xml, config, "cpuAllocation", "cpuAllocation", allocation);
    put_structure(xml, config, "memoryAllocation", "memoryAllocation", allocation);
    put_structure(xml, config, "latencySensitivity", "latencySensitivity", latency);
    put_options(config, xml);
    put_members(xml, config, swap);
}

void
create_native_put(const struct create_native *native, enum create_native_part part, GString *xml)
{
    static const char *const hot[] = {"memoryHotAddEnabled", "cpuHotAddEnabled",
                                      "cpuHotRemoveEnabled", NULL};
    static const char *const last[] = {"memoryReservationLockedToMax", "nestedHVEnabled",
                                       "vPMCEnabled", NULL};
    if (native->config == NULL)
        return;
    switch (part) {
    case CREATE_NATIVE_TOOLS:
        put_tools(native->config, xml);
        break;
    case CREATE_NATIVE_HOT:
        put_members(xml, native->config, hot);
        break;
    case CREATE_NATIVE_SHARES:
        put_shares(native->config, xml);
        break;
    case CREATE_NATIVE_LAST:
        put_members(xml, native->config, last);
        break;
    }
}

void
create_native_put_boot(const struct create_native *native, gboolean behind, GString *xml)
{
    static const char *const first[] = {"bootDelay", "enterBIOSSetup", NULL};
    static const char *const last[] = {"bootRetryEnabled", "bootRetryDelay", NULL};
    static const char *const network[] = {"networkBootProtocol", NULL};
    const xmlNode *options =
        native->config != NULL ? xml_child(native->config, "bootOptions") : NULL;
    put_members(xml, options, behind ? last : first);
    if (behind)
        put_members(xml, options, network);
}

/* ---- Devices ----------------------------------------------------------------------------------
 */

static const xmlNode *
find_node(const struct create_native *native, gint64 key)
{
    const xmlNode *hardware = xml_child(native->config, "hardware");
    for (const xmlNode *at = xml_child(hardware, "device"); at; at = xml_next(at, "device")) {
        g_autofree char *text = xml_child_text(at, "key");
        if (text != NULL && g_ascii_strtoll(text, NULL, 10) == key)
            return at;
    }
    return NULL;
}

static void
add_cdrom(const struct create_native *native, const struct device *drive,
          struct create_device *devices, struct placement *placement)
{
    const struct device *controller = devices_find(native->devices, drive->controller_key);
    gboolean sata = controller != NULL && vim_is_of(controller->type, "VirtualSATAController");
    guint bus = controller != NULL && controller->bus >= 0 ? (guint)controller->bus : 0;
    create_device_add_cdrom(devices, sata, bus);
    if (g_strcmp0(drive->backing, "VirtualCdromIsoBackingInfo") == 0)
        placement_say(placement, "the drive \"%s\" is empty: its ISO image was not carried over",
                      drive->label != NULL ? drive->label : "CD");
}

static void
add_with_members(const struct create_native *native, const struct device *device,
                 struct create_device *devices, const char *const *members)
{
    GString *xml = g_string_new(NULL);
    put_members(xml, find_node(native, device->key), members);
    create_device_add_other(devices, device->type, xml->str);
    g_string_free(xml, TRUE);
}

/* Servers make these by themselves, or they come with disks and network cards. */
static gboolean
comes_anyway(const struct device *device)
{
    static const char *const types[] = {"VirtualPCIController",  "VirtualPS2Controller",
                                        "VirtualSIOController",  "VirtualKeyboard",
                                        "VirtualPointingDevice", "VirtualMachineVMCIDevice"};
    for (gsize i = 0; i < G_N_ELEMENTS(types); i++)
        if (vim_is_of(device->type, types[i]))
            return TRUE;
    return device_is_disk(device) || device_is_nic(device);
}

static void
add_device(const struct create_native *native, const struct device *device,
           struct create_device *devices, struct placement *placement)
{
    static const char *const video[] = {"videoRamSizeInKB",
                                        "numDisplays",
                                        "useAutoDetect",
                                        "enable3DSupport",
                                        "use3dRenderer",
                                        "graphicsMemorySizeInKB",
                                        NULL};
    static const char *const usb[] = {"busNumber", "autoConnectDevices", "ehciEnabled", NULL};
    if (comes_anyway(device))
        return;
    if (vim_is_of(device->type, "VirtualCdrom"))
        add_cdrom(native, device, devices, placement);
    else if (vim_is_of(device->type, "VirtualMachineVideoCard"))
        add_with_members(native, device, devices, video);
    else if (g_strcmp0(device->type, "VirtualUSBController") == 0 ||
             g_strcmp0(device->type, "VirtualUSBXHCIController") == 0)
        add_with_members(native, device, devices, usb);
    else if (!device_is_controller(device))
        placement_say(placement, "the device \"%s\" (%s) was not carried over",
                      device->label != NULL ? device->label : "?", device->type);
}

void
create_native_add_devices(const struct create_native *native, struct create_device *devices,
                          struct placement *placement)
{
    for (guint i = 0; native->devices != NULL && i < native->devices->len; i++)
        add_device(native, g_ptr_array_index(native->devices, i), devices, placement);
}

/* ---- Words ------------------------------------------------------------------------------------
 */

static gboolean
has_values(const xmlNode *config, const char *name)
{
    const xmlNode *node = xml_child(config, name);
    return node != NULL && xml_child(node, NULL) != NULL;
}

void
create_native_say(const struct create_native *native, struct placement *placement)
{
    static const struct {
        const char *member, *words;
    } lost[] = {
        {"vAppConfig", "its vApp properties (OVF environment) were not carried over"},
        {"ftInfo", "it is not protected by fault tolerance"},
        {"cpuAffinity", "it may run on any processor: its affinity was of its old host"},
        {"memoryAffinity", "it may use memory of any node: its affinity was of its old host"},
        {"managedBy", "it belongs to no extension of the server, as it did before"},
        {"keyId", "it was encrypted and is not any more: encrypt it again"},
        {"npivNodeWorldWideName", "its NPIV names were not carried over"},
        {"cpuFeatureMask", "its masks of processor features were not carried over"},
        {"sgxInfo", "its SGX settings were not carried over"},
    };
    for (gsize i = 0; native->config != NULL && i < G_N_ELEMENTS(lost); i++) {
        const xmlNode *node = xml_child(native->config, lost[i].member);
        gboolean simple = g_strcmp0(lost[i].member, "npivNodeWorldWideName") == 0;
        if (node != NULL && (simple || has_values(native->config, lost[i].member)))
            placement_say(placement, "%s", lost[i].words);
    }
}
