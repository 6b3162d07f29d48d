/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Machines that are made with their disks, looked at by another client; and servers that fail
 * meanwhile. */
#include "vsphere_peer.h"

#include "base/cancel.h"
#include "base/error.h"
#include "disk/disk_driver.h"
#include "disk/disk_open.h"
#include "hyper/vsphere/folder.h"
#include "hyper/vsphere/vsphere.h"

#include <string.h>

#define MIB (1u << 20)

struct server {
    struct vsphere_peer *peer;
    struct hypervisor *hypervisor;
};

static void
end(struct server *server)
{
    hypervisor_close(server->hypervisor);
    vsphere_peer_free(server->peer);
}
#define auto_server __attribute__((cleanup(end))) struct server

static gboolean
begin(struct server *server)
{
    static const char *const arguments[] = {"-machines", "1", NULL};
    g_autoptr(GError) error = NULL;
    *server = (struct server){0};
    server->peer = vsphere_peer_new(arguments);
    if (server->peer == NULL)
        return FALSE;
    vsphere_peer_tell(server->peer, "settings", "{s:f, s:f}", "task_time", 0.01, "lease_delay",
                      0.05);
    vsphere_peer_tell(server->peer, "datastore", "{s:s}", "name", "fast ds");
    server->hypervisor = vsphere_peer_open(server->peer, HYPERVISOR_TRANSPORT_HTTPS, NULL, &error);
    g_assert_no_error(error);
    return TRUE;
}

/* ---- What is wanted ----------------------------------------------------------------------------
 */

static void
set(char **text, const char *value)
{
    g_free(*text);
    *text = g_strdup(value);
}

static struct machine *
new_machine(const char *name)
{
    struct machine *machine = machine_new();
    set(&machine->driver, "vsphere");
    set(&machine->name, name);
    set(&machine->guest, "debian10_64Guest");
    machine->cpus = 4;
    machine->cores_per_socket = 2;
    machine->memory = G_GUINT64_CONSTANT(513) * MIB;
    return machine;
}

static struct machine_disk *
add_disk(struct machine *machine, enum machine_bus bus, guint controller, guint unit,
         const char *model, guint64 size)
{
    struct machine_disk *disk = machine_add_disk(machine);
    disk->name = g_strdup_printf("%s%u:%u", machine_bus_name(bus), controller, unit);
    disk->bus = bus;
    disk->controller = controller;
    disk->unit = unit;
    disk->model = g_strdup(model);
    disk->size = size;
    disk->thin = TRUE;
    return disk;
}

static struct machine_nic *
add_nic(struct machine *machine, const char *model, const char *mac, enum machine_network kind,
        const char *network)
{
    struct machine_nic *nic = machine_add_nic(machine);
    nic->name = g_strdup_printf("ethernet%u", machine->nics->len - 1);
    nic->model = g_strdup(model);
    nic->mac = g_strdup(mac);
    nic->kind = kind;
    nic->network = g_strdup(network);
    nic->connected = TRUE;
    return nic;
}

/* Data that is some of everything: noise, holes, the very end. */
static struct disk *
new_content(guint64 size, guint8 seed)
{
    struct disk *disk = disk_memory_new(size, "what is restored");
    guint8 bytes[5000];
    for (guint64 at = 0; at + sizeof bytes < size; at += 300000 + seed * 1000) {
        for (gsize i = 0; i < sizeof bytes; i++)
            bytes[i] = (guint8)(seed + i * (at / 1000 + 7));
        g_assert_true(disk_write(disk, at, bytes, sizeof bytes, NULL));
    }
    g_assert_true(disk_write(disk, size - 1, "\x7f", 1, NULL));
    return disk;
}

/* ---- What there is -----------------------------------------------------------------------------
 */

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
look(struct server *server, const char *name)
{
    const char *port = strrchr(vsphere_peer_uri(server->peer), ':') + 1;
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
expect_content(struct server *server, const char *machine, guint index, struct disk *content)
{
    gsize size = disk_size(content);
    g_autofree guint8 *wanted = g_malloc(size);
    g_assert_true(disk_read(content, 0, wanted, size, NULL));
    g_autofree char *escaped = g_uri_escape_string(machine, NULL, FALSE);
    g_autofree guint8 *got = vsphere_peer_read(server->peer, escaped, index, 0, size);
    g_assert_cmpmem(got, size, wanted, size);
}

static void
expect_nothing(struct server *server, const char *name)
{
    g_autofree char *left = vsphere_peer_left(server->peer, NULL, FALSE);
    g_assert_cmpstr(left, ==, NULL);
    json_t *state = vsphere_peer_ask(server->peer, "state", NULL), *one;
    gsize i;
    json_array_foreach(json_object_get(state, "machines"), i, one)
        g_assert_cmpstr(text(one, "name"), !=, name);
    json_decref(state);
}

static gboolean
says(const struct placement *placement, const char *word)
{
    const GPtrArray *words = placement_words(placement);
    for (guint i = 0; i < words->len; i++)
        if (strstr(g_ptr_array_index(words, i), word) != NULL)
            return TRUE;
    return FALSE;
}

static struct placement *
create(struct server *server, const struct machine *wanted)
{
    g_autoptr(GError) error = NULL;
    struct placement *placement = hypervisor_create(server->hypervisor, wanted, NULL, &error);
    g_assert_no_error(error);
    return placement;
}

static void
finish(struct placement *placement, gboolean power_on, struct machine **ret)
{
    g_autoptr(GError) error = NULL;
    placement_finish(placement, power_on, ret, &error);
    g_assert_no_error(error);
}

static void
refuse(struct server *server, const struct machine *wanted, int code, const char *const *words)
{
    g_autoptr(GError) error = NULL;
    g_assert_null(hypervisor_create(server->hypervisor, wanted, NULL, &error));
    g_assert_error(error, SLIPWAY_ERROR, code);
    for (gsize i = 0; words[i] != NULL; i++)
        if (strstr(error->message, words[i]) == NULL)
            g_error("\"%s\" is not in \"%s\"", words[i], error->message);
    expect_nothing(server, wanted->name);
}

/* ---- Disks -------------------------------------------------------------------------------------
 */

static void
test_disks(void)
{
    auto_server server;
    if (!begin(&server))
        return;
    auto_ptr(machine) wanted = new_machine("many disks & a <name>");
    set(&add_disk(wanted, MACHINE_SCSI, 0, 0, "pvscsi", 3 * MIB)->datastore, "LocalDS_0");
    set(&add_disk(wanted, MACHINE_SCSI, 0, 8, "pvscsi", 70 * MIB + 1024)->datastore, "fast ds");
    add_disk(wanted, MACHINE_SCSI, 2, 1, "lsilogic", MIB)->thin = FALSE;
    add_disk(wanted, MACHINE_SCSI, 3, 0, "lsisas1068", 2 * MIB);
    add_disk(wanted, MACHINE_SATA, 1, 5, "ahci", 5 * MIB + 512 * 1024);
    add_disk(wanted, MACHINE_IDE, 1, 0, "ide", 1024);
    add_disk(wanted, MACHINE_NVME, 0, 3, "nvme", 4 * MIB);
    set(&add_disk(wanted, MACHINE_SCSI, 0, 2, "pvscsi", MIB)->skip, "an independent disk");
    auto_ptr(placement) placement = create(&server, wanted);
    g_assert_cmpuint(placement_n_disks(placement), ==, 7);
    g_assert_true(says(placement, "scsi0:2"));
    g_autoptr(GPtrArray) contents = g_ptr_array_new_with_free_func((GDestroyNotify)disk_close);
    /* In another order than that of the disks. */
    for (guint i = 0; i < 7; i++) {
        g_autoptr(GError) error = NULL;
        guint index = (i * 3) % 7;
        struct disk *content = new_content(placement_get_disk(placement, index)->size, (guint8)i);
        g_ptr_array_add(contents, content);
        placement_import(placement, index, content, NULL, &error);
        g_assert_no_error(error);
    }
    struct machine *made = NULL;
    finish(placement, FALSE, &made);
    auto_ptr(machine) machine = made;
    json_t *seen = vsphere_peer_machine(server.peer, wanted->name);
    static const char *const places[] = {"scsi0:0", "scsi0:8", "scsi2:1", "scsi3:0",
                                         "sata1:5", "ide1:0",  "nvme0:3"};
    for (guint i = 0; i < 7; i++) {
        guint index = (i * 3) % 7, at = 0;
        json_t *disks = json_object_get(seen, "disks");
        while (g_strcmp0(text(json_array_get(disks, at), "place"), places[index]) != 0)
            g_assert_cmpuint(++at, <, 7);
        expect_content(&server, wanted->name, at, g_ptr_array_index(contents, i));
        const struct machine_disk *disk = machine_find_disk(machine, places[index]);
        g_assert_nonnull(disk);
        g_assert_cmpint(disk->thin, ==, index != 2);
        g_assert_cmpstr(disk->datastore, ==, index == 1 ? "fast ds" : "LocalDS_0");
    }
    json_decref(seen);
    expect_nothing(&server, "");
}

/* Places that are taken, out of range, or of a bus that is not here. */
static void
test_places(void)
{
    auto_server server;
    if (!begin(&server))
        return;
    auto_ptr(machine) wanted = new_machine("odd");
    add_disk(wanted, MACHINE_SCSI, 0, 7, "pvscsi", MIB); /* the controller's own */
    set(&add_disk(wanted, MACHINE_SCSI, 0, 1, "lsilogic", MIB)->name, "other model");
    set(&add_disk(wanted, MACHINE_SCSI, 0, 1, "pvscsi", MIB)->name, "twice");
    set(&add_disk(wanted, MACHINE_SCSI, 9, 99, "pvscsi", MIB)->name, "far");
    set(&add_disk(wanted, MACHINE_VIRTIO, 0, 0, "virtio-blk", MIB)->name, "vda");
    set(&add_disk(wanted, MACHINE_IDE, 0, 0, NULL, MIB)->name, "hda");
    auto_ptr(placement) placement = create(&server, wanted);
    g_assert_true(says(placement, "scsi0:7 is at scsi0:0"));
    g_assert_true(says(placement, "other model is on a controller of another model"));
    g_assert_true(says(placement, "twice is at"));
    g_assert_true(says(placement, "far is at"));
    g_assert_true(says(placement, "vda is on a SCSI controller"));
    g_autoptr(GError) error = NULL;
    g_assert_true(placement_abandon(placement, &error));
    expect_nothing(&server, "odd");
}

/* ---- Network cards, hardware, places -----------------------------------------------------------
 */

static void
test_nics(void)
{
    auto_server server;
    if (!begin(&server))
        return;
    auto_ptr(machine) wanted = new_machine("nics");
    add_disk(wanted, MACHINE_SCSI, 0, 0, "pvscsi", MIB);
    add_nic(wanted, "vmxnet3", "00:50:56:01:02:03", MACHINE_PORT_GROUP, "VM Network");
    add_nic(wanted, "e1000", NULL, MACHINE_DISTRIBUTED_PORT_GROUP, "DC0_DVPG0")->connected = FALSE;
    add_nic(wanted, "e1000e", "00:50:56:8a:02:03", MACHINE_PORT_GROUP, "VM Network");
    add_nic(wanted, "virtio", "52:54:00:01:02:03", MACHINE_BRIDGE, NULL);
    auto_ptr(placement) placement = create(&server, wanted);
    g_assert_true(says(placement, "e1000 instead of virtio"));
    g_assert_true(says(placement, "ethernet3 is in network VM Network"));
    auto_ptr(disk) content = new_content(MIB, 1);
    g_assert_true(placement_import(placement, 0, content, NULL, NULL));
    finish(placement, FALSE, NULL);
    json_t *seen = look(&server, "nics");
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
    auto_server server;
    if (!begin(&server))
        return;
    vsphere_peer_tell(server.peer, "pool", "{s:s, s:s}", "name", "gold", "parent", "DC0_C0");
    vsphere_peer_tell(server.peer, "add", "{s:s, s:s}", "name", "beside", "folder", "prod/web");
    auto_ptr(machine) wanted = new_machine("placed");
    add_disk(wanted, MACHINE_SCSI, 0, 0, "pvscsi", MIB);
    set(&wanted->folder, "/DC0/vm/prod/web");
    set(&wanted->cluster, "DC0_C0");
    set(&wanted->host, "DC0_C0_H1");
    set(&wanted->pool, "Resources/gold");
    set(&wanted->annotation, "line one\nline <two> & more");
    set(&wanted->uuid, "42100000-1111-2222-3333-444455556666");
    wanted->firmware = MACHINE_UEFI_SECURE;
    auto_ptr(placement) placement = create(&server, wanted);
    auto_ptr(disk) content = new_content(MIB, 1);
    g_assert_true(placement_import(placement, 0, content, NULL, NULL));
    finish(placement, FALSE, NULL);
    json_t *seen = look(&server, "placed");
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
    auto_server server;
    if (!begin(&server))
        return;
    auto_ptr(machine) wanted = new_machine("lost");
    add_disk(wanted, MACHINE_SCSI, 0, 0, "pvscsi", MIB);
    char **texts[] = {&wanted->folder, &wanted->cluster, &wanted->host, &wanted->pool,
                      &wanted->datacenter};
    static const char *const there[] = {NULL, "DC0_C0", "DC0_C0_H0, DC0_C0_H1", "none", "DC0"};
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        set(texts[i], i == 0 ? "/DC0/vm/nowhere" : "nowhere");
        refuse(&server, wanted, SLIPWAY_ERROR_NOT_FOUND,
               (const char *const[]){"nowhere", there[i], NULL});
        g_clear_pointer(texts[i], g_free);
    }
    set(&((struct machine_disk *)g_ptr_array_index(wanted->disks, 0))->datastore, "nowhere");
    refuse(&server, wanted, SLIPWAY_ERROR_NOT_FOUND,
           (const char *const[]){"nowhere", "disk scsi0:0", "LocalDS_0", "fast ds", NULL});
    set(&((struct machine_disk *)g_ptr_array_index(wanted->disks, 0))->datastore, NULL);
    add_nic(wanted, "e1000", NULL, MACHINE_PORT_GROUP, "nowhere");
    refuse(&server, wanted, SLIPWAY_ERROR_NOT_FOUND,
           (const char *const[]){"nowhere", "ethernet0", "VM Network", "DC0_DVPG0", NULL});
}

static void
test_refused(void)
{
    auto_server server;
    if (!begin(&server))
        return;
    vsphere_peer_tell(server.peer, "add", "{s:s}", "name", "taken");
    auto_ptr(machine) wanted = new_machine("taken");
    add_disk(wanted, MACHINE_SCSI, 0, 0, "pvscsi", MIB);
    g_autoptr(GError) taken = NULL;
    g_assert_null(hypervisor_create(server.hypervisor, wanted, NULL, &taken));
    g_assert_error(taken, SLIPWAY_ERROR, SLIPWAY_ERROR_EXISTS);
    g_assert_nonnull(strstr(taken->message, "give another name"));
    set(&wanted->name, "free");
    vsphere_peer_tell(server.peer, "settings", "{s:b}", "restricted", TRUE);
    refuse(&server, wanted, SLIPWAY_ERROR_READ_ONLY, (const char *const[]){"free", NULL});
    vsphere_peer_tell(server.peer, "settings", "{s:b, s:b}", "restricted", FALSE, "lease_fails",
                      TRUE);
    refuse(&server, wanted, SLIPWAY_ERROR_FAILED,
           (const char *const[]){"free", "InsufficientResources", NULL});
    vsphere_peer_tell(server.peer, "settings", "{s:b}", "lease_fails", FALSE);
    vsphere_peer_tell(server.peer, "rule", "{s:s, s:s}", "method", "ImportVApp", "fault",
                      "NoPermission");
    refuse(&server, wanted, SLIPWAY_ERROR_DENIED, (const char *const[]){"VApp.Import", NULL});
    auto_ptr(machine) nameless = new_machine("");
    refuse(&server, nameless, SLIPWAY_ERROR_USAGE, (const char *const[]){"name", NULL});
}

/* ---- What the native description adds ----------------------------------------------------------
 */

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
    auto_server server;
    if (!begin(&server))
        return;
    auto_ptr(machine) wanted = new_machine("native");
    add_disk(wanted, MACHINE_SCSI, 0, 0, "pvscsi", MIB)->boot_order = 2;
    add_disk(wanted, MACHINE_SCSI, 0, 1, "pvscsi", MIB);
    add_nic(wanted, "vmxnet3", NULL, MACHINE_PORT_GROUP, "VM Network")->boot_order = 1;
    set(&wanted->native_type, "vim-xml");
    set(&wanted->native, native);
    set(&wanted->firmware_type, "nvram");
    wanted->firmware_data = g_bytes_new_static("NVRAM bytes \x00\xff of the old one", 30);
    auto_ptr(placement) placement = create(&server, wanted);
    g_assert_true(says(placement, "Serial port 1"));
    g_assert_true(says(placement, "ISO image"));
    g_assert_true(says(placement, "fault tolerance"));
    auto_ptr(disk) content = new_content(MIB, 1);
    g_assert_true(placement_import(placement, 0, content, NULL, NULL));
    g_assert_true(placement_import(placement, 1, content, NULL, NULL));
    finish(placement, FALSE, NULL);
    const GPtrArray *words = placement_words(placement);
    g_assert_cmpuint(words->len, ==, 3);
    struct folder_place place;
    g_assert_true(folder_place_parse("[LocalDS_0] native/native.nvram", "DC0", &place, NULL));
    g_autoptr(GBytes) nvram =
        folder_get(((struct vsphere *)server.hypervisor)->vim, &place, 100000, NULL);
    folder_place_clear(&place);
    g_assert_nonnull(nvram);
    g_assert_true(g_bytes_equal(nvram, wanted->firmware_data));
    json_t *seen = look(&server, "native");
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
    auto_server server;
    if (!begin(&server))
        return;
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        auto_ptr(machine) wanted = new_machine("bad native");
        add_disk(wanted, MACHINE_SCSI, 0, 0, "pvscsi", MIB);
        set(&wanted->native_type, "vim-xml");
        set(&wanted->native, bad[i]);
        auto_ptr(placement) placement = create(&server, wanted);
        g_assert_true(says(placement, "only the main features"));
    }
    expect_nothing(&server, "bad native");
}

/* From another hypervisor: what the neutral terms have. */
static void
test_foreign(void)
{
    auto_server server;
    if (!begin(&server))
        return;
    auto_ptr(machine) wanted = new_machine("foreign");
    set(&wanted->driver, "libvirt");
    set(&wanted->guest, "http://debian.org/debian/12");
    set(&wanted->family, "linux");
    set(&wanted->native_type, "libvirt-xml");
    set(&wanted->native, "<domain/>");
    set(&wanted->firmware_type, "vars-raw");
    wanted->firmware_data = g_bytes_new_static("x", 1);
    wanted->memory = 0;
    wanted->cpus = 0;
    /* Not in whole KiB, as disks of this server are. */
    add_disk(wanted, MACHINE_SATA, 0, 0, "ahci", MIB + 512);
    auto_ptr(placement) placement = create(&server, wanted);
    g_assert_true(says(placement, "otherLinux64Guest"));
    g_assert_true(says(placement, "boot entries are made anew"));
    auto_ptr(disk) content = new_content(MIB + 512, 1);
    g_assert_true(placement_import(placement, 0, content, NULL, NULL));
    finish(placement, FALSE, NULL);
    expect_content(&server, "foreign", 0, content);
}

/* ---- The end -----------------------------------------------------------------------------------
 */

static void
test_no_disks(void)
{
    auto_server server;
    g_autoptr(GError) error = NULL;
    if (!begin(&server))
        return;
    auto_ptr(machine) wanted = new_machine("no disks");
    add_nic(wanted, "vmxnet3", NULL, MACHINE_PORT_GROUP, "VM Network");
    struct placement *placement = create(&server, wanted);
    g_assert_cmpuint(placement_n_disks(placement), ==, 0);
    g_assert_true(placement_abandon(placement, &error));
    placement_free(placement);
    expect_nothing(&server, "no disks");
    placement = create(&server, wanted);
    struct machine *made = NULL;
    finish(placement, TRUE, &made);
    placement_free(placement);
    g_assert_cmpint(made->power, ==, MACHINE_ON);
    machine_free(made);
}

static void
test_started(void)
{
    auto_server server;
    if (!begin(&server))
        return;
    auto_ptr(machine) wanted = new_machine("started");
    add_disk(wanted, MACHINE_SCSI, 0, 0, "pvscsi", MIB);
    auto_ptr(disk) content = new_content(MIB, 1);
    auto_ptr(placement) placement = create(&server, wanted);
    g_assert_true(placement_import(placement, 0, content, NULL, NULL));
    struct machine *made = NULL;
    finish(placement, TRUE, &made);
    g_assert_cmpint(made->power, ==, MACHINE_ON);
    machine_free(made);
    /* What was restored stays when it does not start. */
    set(&wanted->name, "not started");
    auto_ptr(placement) other = create(&server, wanted);
    g_assert_true(placement_import(other, 0, content, NULL, NULL));
    vsphere_peer_tell(server.peer, "rule", "{s:s, s:s}", "method", "PowerOnVM_Task", "fault",
                      "InsufficientResourcesFault");
    finish(other, TRUE, &made);
    g_assert_true(says(other, "does not start"));
    g_assert_cmpint(made->power, ==, MACHINE_OFF);
    machine_free(made);
    expect_content(&server, "not started", 0, content);
}

/* ---- Transfers that fail -----------------------------------------------------------------------
 */

struct slow {
    struct disk base;
    guint milliseconds;
};

static gboolean
read_slowly(struct disk *self, guint64 offset, void *buffer, gsize length,
            GError **error G_GNUC_UNUSED)
{
    g_usleep(((struct slow *)self)->milliseconds * 1000ul);
    memset(buffer, (int)(offset / MIB) + 1, length);
    return TRUE;
}

static void
close_slow(struct disk *self)
{
    g_free(self);
}

static struct disk *
new_slow(guint64 size, guint milliseconds)
{
    static const struct disk_class class = {
        .name = "slow", .read = read_slowly, .close = close_slow};
    struct slow *slow = g_new0(struct slow, 1);
    disk_init(&slow->base, &class, size, 0, "slow");
    slow->milliseconds = milliseconds;
    return &slow->base;
}

static guint
count(struct server *server, const char *method)
{
    json_t *state = vsphere_peer_ask(server->peer, "state", NULL);
    guint n = (guint)number(json_object_get(state, "counts"), method);
    json_decref(state);
    return n;
}

/* The lease would end long before the source has given its first byte. */
static void
test_slow_source(void)
{
    auto_server server;
    g_autoptr(GError) error = NULL;
    if (!begin(&server))
        return;
    vsphere_peer_tell(server.peer, "settings", "{s:f}", "lease_timeout", 1.0);
    auto_ptr(machine) wanted = new_machine("slow");
    add_disk(wanted, MACHINE_SCSI, 0, 0, "pvscsi", MIB);
    auto_ptr(placement) placement = create(&server, wanted);
    auto_ptr(disk) source = new_slow(MIB, 2500);
    vsphere_peer_tell(server.peer, "rule", "{s:s, s:s}", "method", "HttpNfcLeaseProgress", "drop",
                      "before");
    placement_import(placement, 0, source, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(count(&server, "HttpNfcLeaseProgress"), >, 2);
    finish(placement, FALSE, NULL);
    expect_content(&server, "slow", 0, source);
}

/* Each passes, or is gone around. */
static void
test_passing(void)
{
    static const char *const rules[] = {
        "{\"method\": \"POST /nfc\", \"drop\": \"before\"}",
        "{\"method\": \"POST /nfc\", \"status\": 503, \"count\": 2}",
        "{\"method\": \"POST /nfc\", \"short\": 100000}",
        "{\"method\": \"POST /nfc\", \"status\": 411}",
    };
    auto_server server;
    if (!begin(&server))
        return;
    for (gsize i = 0; i < G_N_ELEMENTS(rules); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *name = g_strdup_printf("passing %u", (guint)i);
        auto_ptr(machine) wanted = new_machine(name);
        add_disk(wanted, MACHINE_SCSI, 0, 0, "pvscsi", 40 * MIB);
        auto_ptr(placement) placement = create(&server, wanted);
        auto_ptr(disk) content = new_content(40 * MIB, (guint8)i);
        vsphere_peer_tell(server.peer, "rule", "o", json_loads(rules[i], 0, NULL));
        vsphere_peer_tell(server.peer, "counts", NULL);
        placement_import(placement, 0, content, NULL, &error);
        g_assert_no_error(error);
        g_assert_cmpuint(count(&server, "POST /nfc"), ==, i == 1 ? 3 : 2);
        finish(placement, FALSE, NULL);
        expect_content(&server, name, 0, content);
        vsphere_peer_tell(server.peer, "clear", NULL);
    }
}

static void
expect_import_failure(struct server *server, const char *rule, struct disk *source, int code,
                      const char *word)
{
    g_autoptr(GError) error = NULL, abandoned = NULL;
    auto_ptr(machine) wanted = new_machine("failing");
    add_disk(wanted, MACHINE_SCSI, 0, 0, "pvscsi", disk_size(source));
    auto_ptr(placement) placement = create(server, wanted);
    if (rule != NULL)
        vsphere_peer_tell(server->peer, "rule", "o", json_loads(rule, 0, NULL));
    g_assert_false(placement_import(placement, 0, source, NULL, &error));
    g_assert_error(error, SLIPWAY_ERROR, code);
    if (strstr(error->message, word) == NULL || strstr(error->message, "scsi0:0") == NULL)
        g_error("\"%s\" is not in \"%s\"", word, error->message);
    placement_abandon(placement, &abandoned);
    g_assert_no_error(abandoned);
    vsphere_peer_tell(server->peer, "clear", NULL);
    expect_nothing(server, "failing");
}

static void
test_failing(void)
{
    auto_server server;
    if (!begin(&server))
        return;
    auto_ptr(disk) content = new_content(40 * MIB, 3);
    expect_import_failure(&server, "{\"method\": \"POST /nfc\", \"status\": 500, \"count\": -1}",
                          content, SLIPWAY_ERROR_NETWORK, "500");
    expect_import_failure(&server, "{\"method\": \"POST /nfc\", \"status\": 403, \"count\": -1}",
                          content, SLIPWAY_ERROR_DENIED, "403");
    expect_import_failure(&server,
                          "{\"method\": \"POST /nfc\", \"drop\": \"before\", \"count\": -1}",
                          content, SLIPWAY_ERROR_NETWORK, "sending");
    const struct disk_fault fault = {.offset = 10 * MIB, .length = 20 * MIB, .reads = 1};
    struct disk *below = new_content(40 * MIB, 3);
    auto_ptr(disk) broken = disk_fault_new(below, &fault, 1);
    expect_import_failure(&server, NULL, broken, SLIPWAY_ERROR_IO, "what is restored");
    vsphere_peer_tell(server.peer, "settings", "{s:f}", "lease_timeout", 1.0);
    auto_ptr(disk) slow = new_slow(8 * MIB, 1500);
    expect_import_failure(&server,
                          "{\"method\": \"HttpNfcLeaseProgress\", \"fault\": \"Timedout\"}", slow,
                          SLIPWAY_ERROR_FAILED, "given up the import");
}

/* A disk of another size than was said is not sent. */
static void
test_other_size(void)
{
    auto_server server;
    g_autoptr(GError) error = NULL;
    if (!begin(&server))
        return;
    auto_ptr(machine) wanted = new_machine("size");
    add_disk(wanted, MACHINE_SCSI, 0, 0, "pvscsi", MIB);
    auto_ptr(placement) placement = create(&server, wanted);
    auto_ptr(disk) content = new_content(2 * MIB, 3);
    g_assert_false(placement_import(placement, 0, content, NULL, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_USAGE);
}

static gpointer
cancel_soon(gpointer data G_GNUC_UNUSED)
{
    g_usleep(300 * 1000);
    cancel_request();
    return NULL;
}

static void
test_cancelled(void)
{
    auto_server server;
    g_autoptr(GError) error = NULL, abandoned = NULL;
    if (!begin(&server))
        return;
    auto_ptr(machine) wanted = new_machine("cancelled");
    add_disk(wanted, MACHINE_SCSI, 0, 0, "pvscsi", 400 * MIB);
    auto_ptr(placement) placement = create(&server, wanted);
    auto_ptr(disk) source = new_slow(400 * MIB, 100);
    GThread *thread = g_thread_new("user", cancel_soon, NULL);
    g_assert_false(placement_import(placement, 0, source, NULL, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CANCELLED);
    g_thread_join(thread);
    placement_abandon(placement, &abandoned);
    g_assert_no_error(abandoned);
    cancel_heard();
    expect_nothing(&server, "cancelled");
    /* Also while the server gets ready. */
    vsphere_peer_tell(server.peer, "settings", "{s:f}", "lease_delay", 600.0);
    thread = g_thread_new("user", cancel_soon, NULL);
    g_clear_error(&error);
    g_assert_null(hypervisor_create(server.hypervisor, wanted, NULL, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CANCELLED);
    g_thread_join(thread);
    cancel_heard();
    expect_nothing(&server, "cancelled");
}

static gboolean
is_listed(struct server *server, const char *name)
{
    json_t *state = vsphere_peer_ask(server->peer, "state", NULL), *one;
    gboolean found = FALSE;
    gsize i;
    json_array_foreach(json_object_get(state, "machines"), i, one) found |=
        g_strcmp0(text(one, "name"), name) == 0;
    json_decref(state);
    return found;
}

/* The server did what it was told, but its answer was lost. */
static void
test_lost_answers(void)
{
    auto_server server;
    g_autoptr(GError) error = NULL;
    if (!begin(&server))
        return;
    auto_ptr(machine) wanted = new_machine("lost");
    add_disk(wanted, MACHINE_SCSI, 0, 0, "pvscsi", MIB);
    vsphere_peer_tell(server.peer, "settings", "{s:f}", "lease_timeout", 1.0);
    vsphere_peer_tell(server.peer, "rule", "{s:s, s:s}", "method", "ImportVApp", "drop", "after");
    g_assert_null(hypervisor_create(server.hypervisor, wanted, NULL, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NETWORK);
    g_assert_nonnull(strstr(error->message, "by itself"));
    for (guint i = 0; i < 3000 && is_listed(&server, "lost"); i++)
        g_usleep(10 * 1000);
    expect_nothing(&server, "lost");
    vsphere_peer_tell(server.peer, "settings", "{s:f}", "lease_timeout", 300.0);
    auto_ptr(placement) placement = create(&server, wanted);
    auto_ptr(disk) content = new_content(MIB, 3);
    g_assert_true(placement_import(placement, 0, content, NULL, NULL));
    vsphere_peer_tell(server.peer, "rule", "{s:s, s:s}", "method", "HttpNfcLeaseComplete", "drop",
                      "after");
    finish(placement, FALSE, NULL);
    expect_content(&server, "lost", 0, content);
    /* Not heard at all: it is still to be done, or given up. */
    set(&wanted->name, "unheard");
    auto_ptr(placement) other = create(&server, wanted);
    g_assert_true(placement_import(other, 0, content, NULL, NULL));
    vsphere_peer_tell(server.peer, "rule", "{s:s, s:s, s:i}", "method", "HttpNfcLeaseComplete",
                      "drop", "before", "count", -1);
    g_clear_error(&error);
    g_assert_false(placement_finish(other, FALSE, NULL, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NETWORK);
    g_clear_error(&error);
    placement_abandon(other, &error);
    g_assert_no_error(error);
    expect_nothing(&server, "unheard");
}

/* An abort that the server does not hear the first time. */
static void
test_abort_again(void)
{
    auto_server server;
    g_autoptr(GError) error = NULL;
    if (!begin(&server))
        return;
    auto_ptr(machine) wanted = new_machine("again");
    add_disk(wanted, MACHINE_SCSI, 0, 0, "pvscsi", MIB);
    auto_ptr(placement) placement = create(&server, wanted);
    vsphere_peer_tell(server.peer, "rule", "{s:s, s:i, s:i}", "method", "*", "status", 503, "count",
                      -1);
    g_assert_false(placement_abandon(placement, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NETWORK);
    g_assert_nonnull(strstr(error->message, "by hand"));
    vsphere_peer_tell(server.peer, "clear", NULL);
    g_clear_error(&error);
    placement_abandon(placement, &error);
    g_assert_no_error(error);
    expect_nothing(&server, "again");
}

/* ---- TLS ---------------------------------------------------------------------------------------
 */

static char *
run(const char *const *argv)
{
    g_autoptr(GError) error = NULL;
    char *out = NULL;
    int status = 0;
    g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_STDERR_TO_DEV_NULL, NULL,
                 NULL, &out, NULL, &status, &error);
    g_assert_no_error(error);
    g_assert_cmpint(status, ==, 0);
    return g_strstrip(out);
}

/* A certificate that nobody signed, known by its thumbprint: disks go over TLS too. */
static void
test_tls(void)
{
    auto_scratch scratch = scratch_new();
    g_autofree char *cert = scratch_path(&scratch, "cert.pem");
    g_autofree char *key = scratch_path(&scratch, "key.pem");
    g_free(run((const char *const[]){"openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes",
                                     "-days", "30", "-subj", "/CN=127.0.0.1", "-addext",
                                     "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert,
                                     NULL}));
    g_autofree char *print = run((const char *const[]){"openssl", "x509", "-in", cert, "-noout",
                                                       "-fingerprint", "-sha256", NULL});
    const char *const arguments[] = {"-machines", "0", "-cert", cert, "-key", key, NULL};
    static const struct http_options network = {.retries = 1, .backoff_ms = 1, .proxy = ""};
    const struct hypervisor_options options = {.user = "root",
                                               .password = "only-for-tests",
                                               .network = &network,
                                               .transport = HYPERVISOR_TRANSPORT_HTTPS,
                                               .thumbprint = strchr(print, '=') + 1};
    g_autoptr(GError) error = NULL;
    auto_server server = {.peer = vsphere_peer_new(arguments)};
    if (server.peer == NULL)
        return;
    g_unsetenv("SLIPWAY_VSPHERE_PLAIN");
    server.hypervisor = hypervisor_vsphere.open(vsphere_peer_uri(server.peer), &options, &error);
    g_assert_no_error(error);
    auto_ptr(machine) wanted = new_machine("tls");
    add_disk(wanted, MACHINE_SCSI, 0, 0, "pvscsi", 5 * MIB);
    auto_ptr(placement) placement = create(&server, wanted);
    auto_ptr(disk) content = new_content(5 * MIB, 3);
    placement_import(placement, 0, content, NULL, &error);
    g_assert_no_error(error);
    finish(placement, FALSE, NULL);
    expect_content(&server, "tls", 0, content);
    const struct folder_disk_options flat = {
        .place = {(char *)"DC0", (char *)"LocalDS_0", (char *)"tls/tls-flat.vmdk"},
        .size = 5 * MIB,
        .label = "tls scsi0:0"};
    auto_ptr(disk) back =
        folder_disk_open(((struct vsphere *)server.hypervisor)->vim, &flat, &error);
    g_assert_no_error(error);
    g_autofree guint8 *got = g_malloc(5 * MIB), *sent = g_malloc(5 * MIB);
    g_assert_true(disk_read(back, 0, got, 5 * MIB, &error));
    g_assert_true(disk_read(content, 0, sent, 5 * MIB, &error));
    g_assert_cmpmem(got, 5 * MIB, sent, 5 * MIB);
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
    g_test_add_func("/vsphere/create/no-disks", test_no_disks);
    g_test_add_func("/vsphere/create/started", test_started);
    g_test_add_func("/vsphere/create/slow-source", test_slow_source);
    g_test_add_func("/vsphere/create/passing", test_passing);
    g_test_add_func("/vsphere/create/failing", test_failing);
    g_test_add_func("/vsphere/create/other-size", test_other_size);
    g_test_add_func("/vsphere/create/cancelled", test_cancelled);
    g_test_add_func("/vsphere/create/abort-again", test_abort_again);
    g_test_add_func("/vsphere/create/lost-answers", test_lost_answers);
    g_test_add_func("/vsphere/create/tls", test_tls);
    return g_test_run();
}
