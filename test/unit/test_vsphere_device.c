/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The virtual devices of a machine. */
#include "base/error.h"
#include "hyper/vsphere/device.h"
#include "hyper/vsphere/vm_config.h"

#include <string.h>

/* ---- Devices --------------------------------------------------------------------------------- */

static xmlDoc *
parse(const char *inside)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = g_strconcat(
        "<v xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">", inside, "</v>", NULL);
    xmlDoc *doc = xml_parse(text, strlen(text), 1 << 20, NULL, "devices", &error);
    g_assert_no_error(error);
    return doc;
}

static GPtrArray *
read_devices(const char *inside)
{
    g_autoptr(GError) error = NULL;
    auto_xml_doc doc = parse(inside);
    GPtrArray *devices = devices_read(xmlDocGetRootElement(doc), &error);
    g_assert_no_error(error);
    return devices;
}

#define DISK(key, controller, unit, backing, more)                                                 \
    "<VirtualDevice xsi:type=\"VirtualDisk\"><key>" key "</key><backing xsi:type=\"" backing "\">" \
    "<fileName>[ds1] a/a.vmdk</fileName>" more "</backing><controllerKey>" controller              \
    "</controllerKey><unitNumber>" unit "</unitNumber><capacityInBytes>1048576</capacityInBytes>"  \
    "</VirtualDevice>"
#define FLAT "VirtualDiskFlatVer2BackingInfo"
#define CONTROLLER(type, key, bus)                                                                 \
    "<VirtualDevice xsi:type=\"" type "\"><key>" key "</key><busNumber>" bus                       \
    "</busNumber></VirtualDevice>"

static void
test_disk(void)
{
    g_autoptr(GPtrArray) devices = read_devices(
        "<VirtualDevice xsi:type=\"VirtualDisk\"><key>2000</key><deviceInfo><label>Hard disk 1"
        "</label></deviceInfo><backing xsi:type=\"" FLAT "\">"
        "<fileName>[ds 1] a/a-000002.vmdk</fileName><datastore type=\"Datastore\">datastore-9"
        "</datastore><diskMode>persistent</diskMode><thinProvisioned>true</thinProvisioned>"
        "<uuid>6000C29A-ab</uuid><changeId>52 de/4</changeId>"
        "<parent xsi:type=\"" FLAT "\"><fileName>[ds 1] a/a-000001.vmdk</fileName>"
        "<parent xsi:type=\"" FLAT "\"><fileName>[ds 1] a/a.vmdk</fileName></parent></parent>"
        "</backing><controllerKey>1000</controllerKey><unitNumber>3</unitNumber>"
        "<capacityInKB>2048</capacityInKB></VirtualDevice>" CONTROLLER("ParaVirtualSCSIController",
                                                                       "1000", "1"));
    const struct device *disk = devices_find(devices, 2000);
    g_assert_true(device_is_disk(disk));
    g_assert_cmpstr(disk->label, ==, "Hard disk 1");
    g_assert_cmpstr(disk->file, ==, "[ds 1] a/a-000002.vmdk");
    g_assert_cmpstr(disk->parent_file, ==, "[ds 1] a/a-000001.vmdk");
    g_assert_cmpstr(disk->base_file, ==, "[ds 1] a/a.vmdk");
    g_assert_cmpstr(disk->uuid, ==, "6000c29a-ab");
    g_assert_cmpstr(disk->change_id, ==, "52 de/4");
    g_assert_cmpstr(disk->datastore.value, ==, "datastore-9");
    g_assert_cmpuint(disk->size, ==, 2 << 20); /* servers before 5.5 say KiB only */
    g_assert_true(disk->thin);
    g_assert_null(device_skip(disk));
    g_autofree char *place = device_place(devices, disk);
    g_assert_cmpstr(place, ==, "scsi1:3");
    g_assert_true(device_is_controller(devices_find(devices, 1000)));
    g_assert_null(devices_find(devices, 4));
}

static void
test_places_and_models(void)
{
    static const struct {
        const char *type, *place, *model;
        enum machine_bus bus;
    } rows[] = {
        {"ParaVirtualSCSIController", "scsi2:1", "pvscsi", MACHINE_SCSI},
        {"VirtualLsiLogicController", "scsi2:1", "lsilogic", MACHINE_SCSI},
        {"VirtualLsiLogicSASController", "scsi2:1", "lsisas1068", MACHINE_SCSI},
        {"VirtualBusLogicController", "scsi2:1", "buslogic", MACHINE_SCSI},
        {"VirtualAHCIController", "sata2:1", "ahci", MACHINE_SATA},
        {"VirtualNVMEController", "nvme2:1", "nvme", MACHINE_NVME},
        {"VirtualIDEController", "ide2:1", "ide", MACHINE_IDE},
        {"ControllerOfTheFuture", "disk2000", NULL, MACHINE_SCSI},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *xml = g_strdup_printf(
            DISK("2000", "7", "1", FLAT, "") CONTROLLER("%s", "7", "2"), rows[i].type);
        g_autoptr(GPtrArray) devices = read_devices(xml);
        enum machine_bus bus = MACHINE_BUS_N;
        const char *model = "";
        g_autofree char *place = device_place(devices, devices->pdata[0]);
        device_bus(devices, devices->pdata[0], &bus, &model);
        g_assert_cmpstr(place, ==, rows[i].place);
        g_assert_cmpstr(model, ==, rows[i].model);
        g_assert_cmpint(bus, ==, rows[i].bus);
    }
}

static void
test_skipped_disks(void)
{
    static const struct {
        const char *backing, *members, *words;
    } rows[] = {
        {FLAT, "<diskMode>persistent</diskMode>", NULL},
        {FLAT, "<diskMode>append</diskMode><sharing>sharingNone</sharing>", NULL},
        {FLAT, "<diskMode>independent_persistent</diskMode>", "an independent disk"},
        {FLAT, "<diskMode>independent_nonpersistent</diskMode>", "an independent disk"},
        {FLAT, "<diskMode>nonpersistent</diskMode>", "nonpersistent"},
        {FLAT, "<sharing>sharingMultiWriter</sharing>", "share"},
        {"VirtualDiskSeSparseBackingInfo", "", NULL},
        {"VirtualDiskRawDiskMappingVer1BackingInfo",
         "<compatibilityMode>virtualMode</compatibilityMode>", NULL},
        {"VirtualDiskRawDiskMappingVer1BackingInfo",
         "<compatibilityMode>physicalMode</compatibilityMode>", "physical raw device mapping"},
        {"VirtualDiskPartitionedRawDiskVer2BackingInfo", "", "raw disk"},
        {"VirtualDiskLocalPMemBackingInfo", "", "persistent memory"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *xml =
            g_strdup_printf(DISK("2000", "7", "1", "%s", "%s"), rows[i].backing, rows[i].members);
        g_autoptr(GPtrArray) devices = read_devices(xml);
        const char *words = device_skip(devices->pdata[0]);
        if (rows[i].words == NULL)
            g_assert_null(words);
        else
            g_assert_nonnull(strstr(words, rows[i].words));
    }
}

static void
test_shared_bus(void)
{
    g_autoptr(GPtrArray) devices = read_devices(DISK("2000", "1000", "0", FLAT, "") DISK(
        "2001", "1001", "0", FLAT,
        "") "<VirtualDevice xsi:type=\"VirtualLsiLogicController\"><key>1000</key>"
            "<busNumber>0</busNumber><sharedBus>physicalSharing</sharedBus></VirtualDevice>"
            "<VirtualDevice xsi:type=\"VirtualLsiLogicController\"><key>1001</key>"
            "<busNumber>1</busNumber><sharedBus>noSharing</sharedBus></VirtualDevice>");
    g_assert_nonnull(device_skip(devices->pdata[0]));
    g_assert_null(device_skip(devices->pdata[1]));
}

static void
test_odd_devices(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GError) error_of_none = NULL;
    auto_xml_doc keyless = parse("<VirtualDevice xsi:type=\"VirtualDisk\"/>");
    g_assert_null(devices_read(xmlDocGetRootElement(keyless), &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
    g_clear_error(&error);
    g_autoptr(GString) many = g_string_new(NULL);
    for (guint i = 0; i <= DEVICES_MAX; i++)
        g_string_append_printf(many, "<VirtualDevice><key>%u</key></VirtualDevice>", i);
    auto_xml_doc crowd = parse(many->str);
    g_assert_null(devices_read(xmlDocGetRootElement(crowd), &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_LIMIT);
    g_autoptr(GPtrArray) devices = read_devices(
        "<other/><VirtualDevice xsi:type=\"VirtualDisk\"><key>-1</key>"
        "<capacityInKB>18446744073709551615</capacityInKB></VirtualDevice>"
        "<VirtualDevice><key>5</key><macAddress>00:50:56:AB:CD:EF</macAddress></VirtualDevice>");
    g_assert_cmpuint(devices->len, ==, 2);
    const struct device *disk = devices->pdata[0], *nic = devices->pdata[1];
    g_assert_cmpuint(disk->size, ==, 0);
    g_assert_cmpint(disk->unit, ==, -1);
    g_assert_true(device_is_nic(nic)); /* whatever a newer server calls it */
    g_assert_cmpstr(nic->mac, ==, "00:50:56:ab:cd:ef");
    g_autoptr(GPtrArray) none = devices_read(NULL, &error_of_none);
    g_assert_no_error(error_of_none);
    g_assert_cmpuint(none->len, ==, 0);
}

static void
test_families(void)
{
    static const struct {
        const char *id, *family;
    } rows[] = {{"ubuntu64Guest", "linux"},
                {"debian11_64Guest", "linux"},
                {"rhel9_64Guest", "linux"},
                {"other5xLinux64Guest", "linux"},
                {"vmwarePhoton64Guest", "linux"},
                {"sles15_64Guest", "linux"},
                {"windows2019srv_64Guest", "windows"},
                {"winNetEnterpriseGuest", "windows"},
                {"win98Guest", "windows"},
                {"darwin21_64Guest", "other"},
                {"freebsd13_64Guest", "bsd"},
                {"solaris11_64Guest", "other"},
                {"otherGuest64", NULL},
                {NULL, NULL}};
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        g_assert_cmpstr(vm_config_family(rows[i].id), ==, rows[i].family);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vsphere/device/disk", test_disk);
    g_test_add_func("/vsphere/device/places_and_models", test_places_and_models);
    g_test_add_func("/vsphere/device/skipped_disks", test_skipped_disks);
    g_test_add_func("/vsphere/device/shared_bus", test_shared_bus);
    g_test_add_func("/vsphere/device/odd_devices", test_odd_devices);
    g_test_add_func("/vsphere/device/families", test_families);
    return g_test_run();
}
