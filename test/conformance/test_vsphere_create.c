/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Machines that are made: where they and their disks are placed and how they are configured, looked
 * at by another client. */
#include "wanted.h"

#include "hyper/vsphere/folder.h"
#include "hyper/vsphere/vsphere.h"

#include <string.h>

/* ---- What there is --------------------------------------------------------------------------- */

/* What look.py prints; NULL when this Python does not have pyVmomi. */
static char *
run_look(const char *python, const char *port, const char *name)
{
    g_autofree char *words = NULL;
    char *out = NULL;
    int status = 0;
    const char *const argv[] = {python, g_getenv("VSPHERE_LOOK"), port, name, NULL};
    if (!g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &out, &words,
                      &status, NULL))
        return NULL;
    if (status == 0)
        return out;
    if (strstr(words, "No module named 'pyVmomi'") == NULL)
        g_error("look.py: %s", words);
    g_free(out);
    return NULL;
}

/* As pyVmomi sees it; NULL after g_test_skip(). */
static json_t *
look(struct vsphere_bench *bench, const char *name)
{
    const char *port = strrchr(vsphere_peer_uri(bench->peer), ':') + 1;
    if (g_getenv("VSPHERE_LOOK") == NULL) {
        g_test_skip("VSPHERE_LOOK does not name look.py");
        return NULL;
    }
    /* The first one may be somebody's own, without the system's modules. */
    g_autofree char *out = run_look("python3", port, name);
    if (out == NULL)
        out = run_look("/usr/bin/python3", port, name);
    if (out == NULL) {
        g_test_skip("needs python3-pyvmomi");
        return NULL;
    }
    json_t *seen = json_loads(out, 0, NULL);
    g_assert_nonnull(seen);
    return seen;
}

static const char *
text(const json_t *object, const char *member)
{
    return json_string_value(json_object_get(object, member));
}

static gint64
number(const json_t *object, const char *member)
{
    return json_integer_value(json_object_get(object, member));
}

/* The n-th device whose type begins so. */
static json_t *
find_device(const json_t *seen, const char *type, guint n)
{
    json_t *one;
    gsize i;
    json_array_foreach(json_object_get(seen, "devices"), i, one)
    {
        if (strcmp(text(one, "type"), type) == 0 && n-- == 0)
            return one;
    }
    g_error("no such device: %s", type);
}

static void
refuse(struct vsphere_bench *bench, const struct machine *wanted, enum slipway_error code,
       const char *const *words)
{
    g_autoptr(GError) error = NULL;
    g_assert_null(hypervisor_create(bench->hypervisor, wanted, NULL, &error));
    vsphere_bench_expect_words(error, code, words);
    wanted_expect_none(bench, wanted->name);
}

/* ---- Disks ----------------------------------------------------------------------------------- */

static void
test_disks(void)
{
    auto_vsphere_bench bench;
    if (!wanted_begin(&bench))
        return;
    auto_ptr(machine) wanted = wanted_new("many disks & a <name>");
    wanted_set(&wanted_add_disk(wanted, MACHINE_SCSI, 0, 0, "pvscsi", 3 * MIB)->datastore,
               "LocalDS_0");
    wanted_set(&wanted_add_disk(wanted, MACHINE_SCSI, 0, 8, "pvscsi", 70 * MIB + 1024)->datastore,
               "fast ds");
    wanted_add_disk(wanted, MACHINE_SCSI, 2, 1, "lsilogic", MIB)->thin = FALSE;
    wanted_add_disk(wanted, MACHINE_SCSI, 3, 0, "lsisas1068", 2 * MIB);
    wanted_add_disk(wanted, MACHINE_SATA, 1, 5, "ahci", 5 * MIB + 512 * 1024);
    wanted_add_disk(wanted, MACHINE_IDE, 1, 0, "ide", 1024);
    wanted_add_disk(wanted, MACHINE_NVME, 0, 3, "nvme", 4 * MIB);
    wanted_set(&wanted_add_disk(wanted, MACHINE_SCSI, 0, 2, "pvscsi", MIB)->skip,
               "an independent disk");
    auto_ptr(placement) placement = wanted_create(&bench, wanted);
    g_assert_cmpuint(placement_n_disks(placement), ==, 7);
    g_assert_true(wanted_says(placement, "scsi0:2"));
    g_autoptr(GPtrArray) contents = g_ptr_array_new_with_free_func((GDestroyNotify)disk_close);
    /* In another order than that of the disks. */
    for (guint i = 0; i < 7; i++) {
        g_autoptr(GError) error = NULL;
        guint index = (i * 3) % 7;
        struct disk *content =
            wanted_content(placement_get_disk(placement, index)->size, (guint8)i);
        g_ptr_array_add(contents, content);
        placement_import(placement, index, content, NULL, &error);
        g_assert_no_error(error);
    }
    struct machine *made = NULL;
    wanted_finish(placement, FALSE, &made);
    auto_ptr(machine) machine = made;
    json_t *seen = vsphere_peer_machine(bench.peer, wanted->name);
    static const char *const places[] = {"scsi0:0", "scsi0:8", "scsi2:1", "scsi3:0",
                                         "sata1:5", "ide1:0",  "nvme0:3"};
    for (guint i = 0; i < 7; i++) {
        guint index = (i * 3) % 7, at = 0;
        json_t *disks = json_object_get(seen, "disks");
        while (g_strcmp0(text(json_array_get(disks, at), "place"), places[index]) != 0)
            g_assert_cmpuint(++at, <, 7);
        wanted_expect_content(&bench, wanted->name, at, g_ptr_array_index(contents, i));
        const struct machine_disk *disk = machine_find_disk(machine, places[index]);
        g_assert_nonnull(disk);
        g_assert_cmpint(disk->thin, ==, index != 2);
        g_assert_cmpstr(disk->datastore, ==, index == 1 ? "fast ds" : "LocalDS_0");
    }
    json_decref(seen);
    wanted_expect_none(&bench, "");
}

/* Places that are taken, out of range, or of a bus that is not here. */
static void
test_places(void)
{
    auto_vsphere_bench bench;
    if (!wanted_begin(&bench))
        return;
    auto_ptr(machine) wanted = wanted_new("odd");
    wanted_add_disk(wanted, MACHINE_SCSI, 0, 7, "pvscsi", MIB); /* the controller's own */
    wanted_set(&wanted_add_disk(wanted, MACHINE_SCSI, 0, 1, "lsilogic", MIB)->name, "other model");
    wanted_set(&wanted_add_disk(wanted, MACHINE_SCSI, 0, 1, "pvscsi", MIB)->name, "twice");
    wanted_set(&wanted_add_disk(wanted, MACHINE_SCSI, 9, 99, "pvscsi", MIB)->name, "far");
    wanted_set(&wanted_add_disk(wanted, MACHINE_VIRTIO, 0, 0, "virtio-blk", MIB)->name, "vda");
    wanted_set(&wanted_add_disk(wanted, MACHINE_IDE, 0, 0, NULL, MIB)->name, "hda");
    auto_ptr(placement) placement = wanted_create(&bench, wanted);
    g_assert_true(wanted_says(placement, "scsi0:7 is at scsi0:0"));
    g_assert_true(wanted_says(placement, "other model is on a controller of another model"));
    g_assert_true(wanted_says(placement, "twice is at"));
    g_assert_true(wanted_says(placement, "far is at"));
    g_assert_true(wanted_says(placement, "vda is on a SCSI controller"));
    g_autoptr(GError) error = NULL;
    g_assert_true(placement_abandon(placement, &error));
    wanted_expect_none(&bench, "odd");
}

/* ---- Network cards, hardware, places --------------------------------------------------------- */

static void
test_nics(void)
{
    auto_vsphere_bench bench;
    if (!wanted_begin(&bench))
        return;
    auto_ptr(machine) wanted = wanted_new("nics");
    wanted_add_disk(wanted, MACHINE_SCSI, 0, 0, "pvscsi", MIB);
    wanted_add_nic(wanted, "vmxnet3", "00:50:56:01:02:03", MACHINE_PORT_GROUP, "VM Network");
    wanted_add_nic(wanted, "e1000", NULL, MACHINE_DISTRIBUTED_PORT_GROUP, "DC0_DVPG0")->connected =
        FALSE;
    wanted_add_nic(wanted, "e1000e", "00:50:56:8a:02:03", MACHINE_PORT_GROUP, "VM Network");
    wanted_add_nic(wanted, "virtio", "52:54:00:01:02:03", MACHINE_BRIDGE, NULL);
    auto_ptr(placement) placement = wanted_create(&bench, wanted);
    g_assert_true(wanted_says(placement, "e1000 instead of virtio"));
    g_assert_true(wanted_says(placement, "ethernet3 is in network VM Network"));
    auto_ptr(disk) content = wanted_content(MIB, 1);
    g_assert_true(placement_import(placement, 0, content, NULL, NULL));
    wanted_finish(placement, FALSE, NULL);
    json_t *seen = look(&bench, "nics");
    if (seen == NULL)
        return;
    static const struct {
        const char *type, *mac, *address, *network, *backing;
        gboolean connected;
    } expected[] = {
        {"VirtualVmxnet3", "00:50:56:01:02:03", "manual", "VM Network",
         "VirtualEthernetCardNetworkBackingInfo", TRUE},
        {"VirtualE1000", NULL, NULL, "DC0_DVPG0",
         "VirtualEthernetCardDistributedVirtualPortBackingInfo", FALSE},
        {"VirtualE1000e", "00:50:56:8a:02:03", "manual", "VM Network",
         "VirtualEthernetCardNetworkBackingInfo", TRUE},
        {"VirtualE1000", "52:54:00:01:02:03", "manual", "VM Network",
         "VirtualEthernetCardNetworkBackingInfo", TRUE},
    };
    for (guint i = 0; i < G_N_ELEMENTS(expected); i++) {
        const json_t *nic = find_device(seen, expected[i].type, i == 3);
        if (expected[i].mac != NULL) {
            g_assert_cmpstr(text(nic, "mac"), ==, expected[i].mac);
            g_assert_cmpstr(text(nic, "address"), ==, expected[i].address);
        } else {
            g_assert_cmpstr(text(nic, "mac"), !=, NULL);
        }
        g_assert_cmpstr(text(nic, "network"), ==, expected[i].network);
        g_assert_cmpstr(text(nic, "backing"), ==, expected[i].backing);
        g_assert_cmpint(json_is_true(json_object_get(nic, "start_connected")), ==,
                        expected[i].connected);
    }
    json_decref(seen);
}

static void
test_placed(void)
{
    auto_vsphere_bench bench;
    if (!wanted_begin(&bench))
        return;
    vsphere_peer_tell(bench.peer, "pool", "{s:s, s:s}", "name", "gold", "parent", "DC0_C0");
    vsphere_peer_tell(bench.peer, "add", "{s:s, s:s}", "name", "beside", "folder", "prod/web");
    auto_ptr(machine) wanted = wanted_new("placed");
    wanted_add_disk(wanted, MACHINE_SCSI, 0, 0, "pvscsi", MIB);
    wanted_set(&wanted->folder, "/DC0/vm/prod/web");
    wanted_set(&wanted->cluster, "DC0_C0");
    wanted_set(&wanted->host, "DC0_C0_H1");
    wanted_set(&wanted->pool, "Resources/gold");
    wanted_set(&wanted->annotation, "line one\nline <two> & more");
    wanted_set(&wanted->uuid, "42100000-1111-2222-3333-444455556666");
    wanted->firmware = MACHINE_UEFI_SECURE;
    auto_ptr(placement) placement = wanted_create(&bench, wanted);
    auto_ptr(disk) content = wanted_content(MIB, 1);
    g_assert_true(placement_import(placement, 0, content, NULL, NULL));
    wanted_finish(placement, FALSE, NULL);
    json_t *seen = look(&bench, "placed");
    if (seen == NULL)
        return;
    g_assert_cmpstr(text(seen, "path"), ==, "/DC0/vm/prod/web/placed");
    g_assert_cmpstr(text(seen, "pool"), ==, "/DC0/host/DC0_C0/Resources/gold");
    g_assert_cmpstr(text(seen, "host"), ==, "DC0_C0_H1");
    g_assert_cmpstr(text(seen, "annotation"), ==, wanted->annotation);
    g_assert_cmpstr(text(seen, "uuid"), ==, wanted->uuid);
    g_assert_cmpstr(text(seen, "firmware"), ==, "efi");
    g_assert_true(json_is_true(json_object_get(seen, "secure_boot")));
    g_assert_cmpstr(text(seen, "guest"), ==, "debian10_64Guest");
    g_assert_cmpint(number(seen, "cpus"), ==, 4);
    g_assert_cmpint(number(seen, "cores"), ==, 2);
    g_assert_cmpint(number(seen, "memory_mb"), ==, 516);
    json_decref(seen);
}

static void
test_no_place(void)
{
    auto_vsphere_bench bench;
    if (!wanted_begin(&bench))
        return;
    auto_ptr(machine) wanted = wanted_new("lost");
    wanted_add_disk(wanted, MACHINE_SCSI, 0, 0, "pvscsi", MIB);
    char **texts[] = {&wanted->folder, &wanted->cluster, &wanted->host, &wanted->pool,
                      &wanted->datacenter};
    static const char *const there[] = {NULL, "DC0_C0", "DC0_C0_H0, DC0_C0_H1", "none", "DC0"};
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        wanted_set(texts[i], i == 0 ? "/DC0/vm/nowhere" : "nowhere");
        refuse(&bench, wanted, SLIPWAY_ERROR_NOT_FOUND,
               (const char *const[]){"nowhere", there[i], NULL});
        g_clear_pointer(texts[i], g_free);
    }
    wanted_set(&((struct machine_disk *)g_ptr_array_index(wanted->disks, 0))->datastore, "nowhere");
    refuse(&bench, wanted, SLIPWAY_ERROR_NOT_FOUND,
           (const char *const[]){"nowhere", "disk scsi0:0", "LocalDS_0", "fast ds", NULL});
    wanted_set(&((struct machine_disk *)g_ptr_array_index(wanted->disks, 0))->datastore, NULL);
    wanted_add_nic(wanted, "e1000", NULL, MACHINE_PORT_GROUP, "nowhere");
    refuse(&bench, wanted, SLIPWAY_ERROR_NOT_FOUND,
           (const char *const[]){"nowhere", "ethernet0", "VM Network", "DC0_DVPG0", NULL});
}

static void
test_refused(void)
{
    auto_vsphere_bench bench;
    if (!wanted_begin(&bench))
        return;
    vsphere_peer_tell(bench.peer, "add", "{s:s}", "name", "taken");
    auto_ptr(machine) wanted = wanted_new("taken");
    wanted_add_disk(wanted, MACHINE_SCSI, 0, 0, "pvscsi", MIB);
    g_autoptr(GError) taken = NULL;
    g_assert_null(hypervisor_create(bench.hypervisor, wanted, NULL, &taken));
    g_assert_error(taken, SLIPWAY_ERROR, SLIPWAY_ERROR_EXISTS);
    g_assert_nonnull(strstr(taken->message, "give another name"));
    wanted_set(&wanted->name, "free");
    vsphere_peer_tell(bench.peer, "settings", "{s:b}", "restricted", TRUE);
    refuse(&bench, wanted, SLIPWAY_ERROR_READ_ONLY, (const char *const[]){"free", NULL});
    vsphere_peer_tell(bench.peer, "settings", "{s:b, s:b}", "restricted", FALSE, "lease_fails",
                      TRUE);
    refuse(&bench, wanted, SLIPWAY_ERROR_FAILED,
           (const char *const[]){"free", "InsufficientResources", NULL});
    vsphere_peer_tell(bench.peer, "settings", "{s:b}", "lease_fails", FALSE);
    vsphere_peer_tell(bench.peer, "rule", "{s:s, s:s}", "method", "ImportVApp", "fault",
                      "NoPermission");
    refuse(&bench, wanted, SLIPWAY_ERROR_DENIED, (const char *const[]){"VApp.Import", NULL});
    auto_ptr(machine) nameless = wanted_new("");
    refuse(&bench, nameless, SLIPWAY_ERROR_USAGE, (const char *const[]){"name", NULL});
}

/* ---- What the native description adds -------------------------------------------------------- */

static const char native[] =
    "<virtualMachine xmlns=\"urn:vim25\" xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" "
    "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">"
    "<config xsi:type=\"VirtualMachineConfigInfo\"><version>vmx-13</version>"
    "<flags><enableLogging>true</enableLogging><monitorType>release</monitorType>"
    "<diskUuidEnabled>true</diskUuidEnabled></flags>"
    "<hardware><numCPU>9</numCPU>"
    "<device xsi:type=\"VirtualIDEController\"><key>201</key><busNumber>1</busNumber></device>"
    "<device xsi:type=\"VirtualCdrom\"><key>3000</key><deviceInfo><label>CD/DVD drive 1</label>"
    "<summary>x</summary></deviceInfo><backing xsi:type=\"VirtualCdromIsoBackingInfo\">"
    "<fileName>[iso] x.iso</fileName></backing><controllerKey>201</controllerKey>"
    "<unitNumber>0</unitNumber></device>"
    "<device xsi:type=\"VirtualSerialPort\"><key>9000</key><deviceInfo><label>Serial port 1"
    "</label><summary>x</summary></deviceInfo></device>"
    "<device xsi:type=\"VirtualUSBXHCIController\"><key>14000</key><busNumber>0</busNumber>"
    "</device></hardware>"
    "<cpuAllocation><reservation>100</reservation><expandableReservation>true"
    "</expandableReservation><limit>-1</limit><shares><shares>1000</shares><level>normal</level>"
    "</shares></cpuAllocation>"
    "<extraConfig xsi:type=\"OptionValue\"><key>guestinfo.userdata</key>"
    "<value xsi:type=\"xsd:string\">a&amp;b</value></extraConfig>"
    "<extraConfig xsi:type=\"OptionValue\"><key>scsi0.pciSlotNumber</key>"
    "<value xsi:type=\"xsd:string\">160</value></extraConfig>"
    "<extraConfig xsi:type=\"OptionValue\"><key>vmotion.checkpointFBSize</key>"
    "<value xsi:type=\"xsd:string\">4194304</value></extraConfig>"
    "<extraConfig xsi:type=\"OptionValue\"><key>isolation.tools.copy.disable</key>"
    "<value xsi:type=\"xsd:string\">FALSE</value></extraConfig>"
    "<memoryHotAddEnabled>true</memoryHotAddEnabled><cpuHotAddEnabled>true</cpuHotAddEnabled>"
    "<bootOptions><bootDelay>3000</bootDelay></bootOptions>"
    "<ftInfo><role>1</role></ftInfo><nestedHVEnabled>true</nestedHVEnabled>"
    "</config></virtualMachine>";

static void
test_native(void)
{
    auto_vsphere_bench bench;
    if (!wanted_begin(&bench))
        return;
    auto_ptr(machine) wanted = wanted_new("native");
    wanted_add_disk(wanted, MACHINE_SCSI, 0, 0, "pvscsi", MIB)->boot_order = 2;
    wanted_add_disk(wanted, MACHINE_SCSI, 0, 1, "pvscsi", MIB);
    wanted_add_nic(wanted, "vmxnet3", NULL, MACHINE_PORT_GROUP, "VM Network")->boot_order = 1;
    wanted_set(&wanted->native_type, "vim-xml");
    wanted_set(&wanted->native, native);
    wanted_set(&wanted->firmware_type, "nvram");
    wanted->firmware_data = g_bytes_new_static("NVRAM bytes \x00\xff of the old one", 30);
    auto_ptr(placement) placement = wanted_create(&bench, wanted);
    g_assert_true(wanted_says(placement, "Serial port 1"));
    g_assert_true(wanted_says(placement, "ISO image"));
    g_assert_true(wanted_says(placement, "fault tolerance"));
    auto_ptr(disk) content = wanted_content(MIB, 1);
    g_assert_true(placement_import(placement, 0, content, NULL, NULL));
    g_assert_true(placement_import(placement, 1, content, NULL, NULL));
    wanted_finish(placement, FALSE, NULL);
    const GPtrArray *words = placement_words(placement);
    g_assert_cmpuint(words->len, ==, 3);
    struct folder_place place;
    g_assert_true(folder_place_parse("[LocalDS_0] native/native.nvram", "DC0", &place, NULL));
    g_autoptr(GBytes) nvram =
        folder_get(((struct vsphere *)bench.hypervisor)->vim, &place, 100000, NULL);
    folder_place_clear(&place);
    g_assert_nonnull(nvram);
    g_assert_true(g_bytes_equal(nvram, wanted->firmware_data));
    json_t *seen = look(&bench, "native");
    if (seen == NULL)
        return;
    const json_t *extra = json_object_get(seen, "extra");
    g_assert_cmpstr(text(extra, "guestinfo.userdata"), ==, "a&b");
    g_assert_cmpstr(text(extra, "isolation.tools.copy.disable"), ==, "FALSE");
    g_assert_cmpstr(text(extra, "nvram"), ==, "native.nvram");
    g_assert_cmpstr(text(extra, "scsi0.pciSlotNumber"), ==, NULL);
    g_assert_cmpstr(text(extra, "vmotion.checkpointFBSize"), ==, NULL);
    g_assert_cmpstr(text(seen, "version"), ==, "vmx-13");
    g_assert_cmpint(number(seen, "cpus"), ==, 4);
    g_assert_true(json_is_true(json_object_get(seen, "cpu_hot_add")));
    g_assert_true(json_is_true(json_object_get(seen, "memory_hot_add")));
    g_assert_true(json_is_true(json_object_get(seen, "disk_uuid")));
    g_assert_cmpint(number(seen, "boot_delay"), ==, 3000);
    const json_t *drive = find_device(seen, "VirtualCdrom", 0);
    g_assert_cmpstr(text(drive, "backing"), ==, "VirtualCdromRemotePassthroughBackingInfo");
    g_assert_cmpstr(text(drive, "controller"), ==, "VirtualIDEController");
    g_assert_cmpint(number(drive, "bus"), ==, 1);
    find_device(seen, "VirtualUSBXHCIController", 0);
    const json_t *order = json_object_get(seen, "boot_order");
    g_assert_cmpuint(json_array_size(order), ==, 2);
    g_assert_cmpint(json_integer_value(json_array_get(order, 0)), ==,
                    number(find_device(seen, "VirtualVmxnet3", 0), "key"));
    g_assert_cmpint(json_integer_value(json_array_get(order, 1)), ==,
                    number(find_device(seen, "VirtualDisk", 0), "key"));
    json_decref(seen);
}

/* One that cannot be read is no reason not to have the machine. */
static void
test_bad_native(void)
{
    static const char *const bad[] = {"", "<virtualMachine/>", "no xml",
                                      "<virtualMachine><config/>"};
    auto_vsphere_bench bench;
    if (!wanted_begin(&bench))
        return;
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        auto_ptr(machine) wanted = wanted_new("bad native");
        wanted_add_disk(wanted, MACHINE_SCSI, 0, 0, "pvscsi", MIB);
        wanted_set(&wanted->native_type, "vim-xml");
        wanted_set(&wanted->native, bad[i]);
        auto_ptr(placement) placement = wanted_create(&bench, wanted);
        g_assert_true(wanted_says(placement, "only the main features"));
    }
    wanted_expect_none(&bench, "bad native");
}

/* From another hypervisor: what the neutral terms have. */
static void
test_foreign(void)
{
    auto_vsphere_bench bench;
    if (!wanted_begin(&bench))
        return;
    auto_ptr(machine) wanted = wanted_new("foreign");
    wanted_set(&wanted->driver, "libvirt");
    wanted_set(&wanted->guest, "http://debian.org/debian/12");
    wanted_set(&wanted->family, "linux");
    wanted_set(&wanted->native_type, "libvirt-xml");
    wanted_set(&wanted->native, "<domain/>");
    wanted_set(&wanted->firmware_type, "vars-raw");
    wanted->firmware_data = g_bytes_new_static("x", 1);
    wanted->memory = 0;
    wanted->cpus = 0;
    /* Not in whole KiB, as disks of this bench are. */
    wanted_add_disk(wanted, MACHINE_SATA, 0, 0, "ahci", MIB + 512);
    auto_ptr(placement) placement = wanted_create(&bench, wanted);
    g_assert_true(wanted_says(placement, "otherLinux64Guest"));
    g_assert_true(wanted_says(placement, "boot entries are made anew"));
    auto_ptr(disk) content = wanted_content(MIB + 512, 1);
    g_assert_true(placement_import(placement, 0, content, NULL, NULL));
    wanted_finish(placement, FALSE, NULL);
    wanted_expect_content(&bench, "foreign", 0, content);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vsphere/create/disks", test_disks);
    g_test_add_func("/vsphere/create/places", test_places);
    g_test_add_func("/vsphere/create/nics", test_nics);
    g_test_add_func("/vsphere/create/placed", test_placed);
    g_test_add_func("/vsphere/create/no-place", test_no_place);
    g_test_add_func("/vsphere/create/refused", test_refused);
    g_test_add_func("/vsphere/create/native", test_native);
    g_test_add_func("/vsphere/create/bad-native", test_bad_native);
    g_test_add_func("/vsphere/create/foreign", test_foreign);
    return g_test_run();
}
