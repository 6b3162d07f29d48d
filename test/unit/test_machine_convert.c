/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "hyper/machine_convert.h"

#include <string.h>

#define TIB (G_GUINT64_CONSTANT(1) << 40)

static struct machine *
make(const char *driver, const char *guest, const char *family)
{
    struct machine *machine = machine_new();
    machine->driver = g_strdup(driver);
    machine->name = g_strdup("app01");
    machine->id = g_strdup("50201234-0000-0000-0000-000000000001");
    machine->ref = g_strdup("vm-42");
    machine->folder = g_strdup("/DC0/vm/prod");
    machine->guest = g_strdup(guest);
    machine->family = g_strdup(family);
    machine->cpus = 4;
    machine->memory = 1u << 30;
    machine->annotation = g_strdup("the accounting");
    machine->native_type = g_strdup("native");
    machine->native = g_strdup("");
    return machine;
}

static struct machine_disk *
add_disk(struct machine *machine, enum machine_bus bus, const char *model)
{
    struct machine_disk *disk = machine_add_disk(machine);
    disk->name = g_strdup_printf("scsi0:%u", machine->disks->len - 1);
    disk->key = g_strdup("2000");
    disk->bus = bus;
    disk->model = g_strdup(model);
    disk->unit = machine->disks->len - 1;
    disk->size = 1u << 30;
    disk->datastore = g_strdup("ds1");
    disk->path = g_strdup("[ds1] app01/app01.vmdk");
    disk->format = g_strdup("vmdk");
    disk->thin = TRUE;
    return disk;
}

static struct machine_nic *
add_nic(struct machine *machine, const char *model)
{
    struct machine_nic *nic = machine_add_nic(machine);
    nic->name = g_strdup_printf("ethernet%u", machine->nics->len - 1);
    nic->model = g_strdup(model);
    nic->mac = g_strdup("00:50:56:00:00:01");
    nic->network = g_strdup("VM Network");
    return nic;
}

static const struct machine_disk *
disk_of(const struct machine *machine, guint i)
{
    return g_ptr_array_index(machine->disks, i);
}

static const char *
nic_of(const struct machine *machine)
{
    return ((const struct machine_nic *)g_ptr_array_index(machine->nics, 0))->model;
}

static gboolean
says(const GPtrArray *words, const char *part)
{
    for (guint i = 0; i < words->len; i++)
        if (strstr(g_ptr_array_index(words, i), part) != NULL)
            return TRUE;
    return FALSE;
}

/* A machine of one disk and one adapter, guest by guest, to `target`. */
struct row {
    const char *guest, *family;
    enum machine_bus bus;
    const char *model, *nic;
    /* and what comes of it */
    enum machine_bus new_bus;
    const char *new_model, *new_nic, *new_guest, *sentence;
};

static void
run_rows(const char *driver, const char *target, const struct row *rows, gsize n)
{
    for (gsize i = 0; i < n; i++) {
        const struct row *row = &rows[i];
        g_autoptr(GError) error = NULL;
        g_autoptr(GPtrArray) words = NULL;
        auto_ptr(machine) old = make(driver, row->guest, row->family);
        add_disk(old, row->bus, row->model);
        add_nic(old, row->nic);
        g_test_message("row %zu", i);
        auto_ptr(machine) new = machine_convert(old, target, NULL, NULL, &words, &error);
        g_assert_no_error(error);
        for (guint k = 0; k < words->len; k++)
            g_test_message("%s", (const char *)g_ptr_array_index(words, k));
        g_assert_cmpstr(new->driver, ==, target);
        g_assert_cmpstr(new->guest, ==, row->new_guest);
        g_assert_cmpint(disk_of(new, 0)->bus, ==, row->new_bus);
        g_assert_cmpstr(disk_of(new, 0)->model, ==, row->new_model);
        g_assert_cmpstr(nic_of(new), ==, row->new_nic);
        if (row->sentence != NULL)
            g_assert_true(says(words, row->sentence));
        else
            g_assert_cmpuint(words->len, ==, 0);
    }
}

static void
test_to_libvirt(void)
{
    static const struct row rows[] = {
        {"ubuntu64Guest", "linux", MACHINE_SCSI, "pvscsi", "vmxnet3", MACHINE_VIRTIO, "virtio-blk",
         "virtio", "http://ubuntu.com/ubuntu",
         "disk scsi0:0 is on virtio (virtio-blk) instead of scsi (pvscsi)"},
        {"rhel8_64Guest", "linux", MACHINE_SCSI, "pvscsi", "vmxnet3", MACHINE_VIRTIO, "virtio-blk",
         "virtio", "http://redhat.com/rhel/8", "dracut -f --regenerate-all"},
        {"rhel8_64Guest", "linux", MACHINE_SCSI, "pvscsi", "vmxnet3", MACHINE_VIRTIO, "virtio-blk",
         "virtio", "http://redhat.com/rhel/8", "with --bus scsi, which keeps its controller"},
        {"otherLinux64Guest", "linux", MACHINE_SCSI, "pvscsi", "e1000", MACHINE_VIRTIO,
         "virtio-blk", "virtio", "http://libosinfo.org/linux/2022", "dracut"},
        {"other24xLinuxGuest", "linux", MACHINE_SCSI, "buslogic", "pcnet", MACHINE_IDE, "ide",
         "pcnet", NULL, "is on ide (ide) instead of scsi (buslogic)"},
        {"windows9_64Guest", "windows", MACHINE_SCSI, "lsisas1068", "vmxnet3", MACHINE_SATA, "ahci",
         "e1000e", "http://microsoft.com/win/10", "INACCESSIBLE_BOOT_DEVICE"},
        {"windows7Guest", "windows", MACHINE_SATA, "ahci", "e1000", MACHINE_SATA, "ahci", "e1000",
         "http://microsoft.com/win/7", NULL},
        {"winXPProGuest", "windows", MACHINE_IDE, "ide", "pcnet", MACHINE_IDE, "ide", "pcnet",
         "http://microsoft.com/win/xp", NULL},
        {"winXPProGuest", "windows", MACHINE_SCSI, "buslogic", "vmxnet3", MACHINE_IDE, "ide",
         "rtl8139", "http://microsoft.com/win/xp", "is rtl8139 instead of vmxnet3"},
        {"otherGuest64", "other", MACHINE_SCSI, "lsilogic", "e1000", MACHINE_SATA, "ahci", "e1000",
         NULL, "is on sata (ahci) instead of scsi (lsilogic)"},
        {"beos64Guest", NULL, MACHINE_NVME, "nvme", "vmxnet3", MACHINE_SATA, "ahci", "e1000", NULL,
         "\"beos64Guest\" is not known here"},
        {NULL, NULL, MACHINE_IDE, "ide", "e1000", MACHINE_IDE, "ide", "e1000", NULL, NULL},
    };
    run_rows("vsphere", "libvirt", rows, G_N_ELEMENTS(rows));
}

static void
test_to_vsphere(void)
{
    static const struct row rows[] = {
        {"http://debian.org/debian/11", "linux", MACHINE_VIRTIO, "virtio-blk", "virtio",
         MACHINE_SCSI, "pvscsi", "vmxnet3", "debian11_64Guest",
         "network adapter ethernet0 is vmxnet3 instead of virtio"},
        {"http://redhat.com/rhel/9.1", "linux", MACHINE_SCSI, "virtio-scsi", "virtio", MACHINE_SCSI,
         "pvscsi", "vmxnet3", "rhel9_64Guest", "dracut"},
        {"http://microsoft.com/win/2k19", "windows", MACHINE_VIRTIO, "virtio-blk", "virtio",
         MACHINE_SCSI, "lsisas1068", "e1000e", "windows2019srv_64Guest",
         "INACCESSIBLE_BOOT_DEVICE"},
        {"http://microsoft.com/win/7", "windows", MACHINE_SATA, "ahci", "e1000", MACHINE_SATA,
         "ahci", "e1000", "windows7_64Guest", NULL},
        {"http://microsoft.com/win/2k3", "windows", MACHINE_SCSI, "lsilogic", "rtl8139",
         MACHINE_SCSI, "lsilogic", "e1000", "winNetEnterprise64Guest", "is e1000 instead"},
        {"http://microsoft.com/win/xp", "windows", MACHINE_IDE, "ide", "rtl8139", MACHINE_IDE,
         "ide", "pcnet", "winXPPro64Guest", "is pcnet instead"},
        {NULL, "linux", MACHINE_VIRTIO, "virtio-blk", "virtio", MACHINE_SCSI, "pvscsi", "vmxnet3",
         "otherLinux64Guest", "set to \"otherLinux64Guest\"; correct it"},
        {NULL, "linux", MACHINE_SCSI, "lsilogic", "e1000", MACHINE_SATA, "ahci", "e1000",
         "otherLinux64Guest", "is on sata (ahci)"},
        {NULL, NULL, MACHINE_USB, "usb", NULL, MACHINE_SATA, "ahci", "e1000", "otherGuest64",
         "instead of unknown"},
    };
    run_rows("libvirt", "vsphere", rows, G_N_ELEMENTS(rows));
    run_rows("qemu", "vsphere", rows, G_N_ELEMENTS(rows));
}

static void
test_same(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) words = NULL;
    auto_ptr(machine) old = make("libvirt", "http://debian.org/debian/11", "linux");
    add_disk(old, MACHINE_USB, "usb");
    auto_ptr(machine) new = machine_convert(old, "libvirt", NULL, NULL, &words, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(words->len, ==, 0);
    g_assert_nonnull(new->native);
    g_assert_cmpstr(new->ref, ==, "vm-42");
    g_assert_cmpint(disk_of(new, 0)->bus, ==, MACHINE_USB);
    g_assert_cmpstr(disk_of(new, 0)->path, ==, disk_of(old, 0)->path);
}

/* What was the other's alone goes; what people know it by stays. */
static void
test_members(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) words = NULL;
    auto_ptr(machine) old = make("vsphere", "ubuntu64Guest", "linux");
    add_disk(old, MACHINE_SCSI, "pvscsi");
    add_nic(old, "vmxnet3");
    auto_ptr(machine) new = machine_convert(old, "libvirt", NULL, NULL, &words, &error);
    g_assert_no_error(error);
    g_assert_null(new->native);
    g_assert_null(new->native_type);
    g_assert_null(new->ref);
    const struct machine_disk *disk = disk_of(new, 0);
    g_assert_cmpstr(disk->name, ==, "scsi0:0");
    g_assert_null(disk->path);
    g_assert_null(disk->format);
    g_assert_null(disk->key);
    g_assert_true(disk->thin);
    g_assert_cmpstr(disk->datastore, ==, "ds1"); /* to be mapped */
    const struct machine_nic *nic = g_ptr_array_index(new->nics, 0);
    g_assert_cmpstr(nic->network, ==, "VM Network");
    g_assert_cmpstr(nic->mac, ==, "00:50:56:00:00:01");
    g_assert_cmpstr(new->annotation, ==, "the accounting");
    g_assert_cmpuint(new->cpus, ==, 4);
}

static void
test_insist(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) words = NULL;
    enum machine_bus bus = MACHINE_SCSI;
    auto_ptr(machine) old = make("vsphere", "rhel8_64Guest", "linux");
    for (guint i = 0; i < 20; i++)
        add_disk(old, MACHINE_SCSI, "pvscsi");
    add_nic(old, "vmxnet3");
    auto_ptr(machine) new = machine_convert(old, "libvirt", &bus, "e1000", &words, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(nic_of(new), ==, "e1000");
    /* The controller that the guest was installed on: nothing to tell. */
    g_assert_cmpstr(disk_of(new, 0)->model, ==, "pvscsi");
    g_assert_false(says(words, "dracut"));
    guint seen = 0;
    for (guint i = 0; i < 20; i++) {
        const struct machine_disk *disk = disk_of(new, i);
        g_assert_cmpuint(disk->unit, !=, 7);
        g_assert_cmpuint(disk->unit, <, 16);
        seen += disk->controller == 1;
    }
    g_assert_cmpuint(seen, ==, 5);
    bus = MACHINE_NVME;
    g_clear_pointer(&words, g_ptr_array_unref);
    g_assert_null(machine_convert(old, "libvirt", &bus, NULL, &words, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_UNSUPPORTED);
    g_assert_cmpstr(error->message, ==, "disks cannot be on nvme on libvirt");
    g_clear_error(&error);
    g_assert_null(machine_convert(old, "libvirt", NULL, "ne2000", &words, &error));
    g_assert_cmpstr(error->message, ==,
                    "libvirt has no network adapter ne2000; it has virtio, e1000, e1000e, rtl8139, "
                    "pcnet, vmxnet3");
    g_clear_error(&error);
    g_assert_null(machine_convert(old, "qemu", NULL, NULL, &words, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_UNSUPPORTED);
}

/* No two disks at one place, whatever their number. */
static void
test_places(void)
{
    static const char *const guests[] = {"ubuntu64Guest", "windows9_64Guest", "winXPProGuest"};
    for (gsize k = 0; k < G_N_ELEMENTS(guests); k++)
        for (guint n = 1; n <= 60; n++) {
            g_autoptr(GError) error = NULL;
            g_autoptr(GPtrArray) words = NULL;
            g_autoptr(GHashTable) taken =
                g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
            auto_ptr(machine) old = make("vsphere", guests[k], NULL);
            for (guint i = 0; i < n; i++)
                add_disk(old, MACHINE_SCSI, "lsilogic");
            auto_ptr(machine) new = machine_convert(old, "libvirt", NULL, NULL, &words, &error);
            g_assert_no_error(error);
            for (guint i = 0; i < n; i++) {
                const struct machine_disk *disk = disk_of(new, i);
                g_assert_true(g_hash_table_add(
                    taken, g_strdup_printf("%d %u %u", disk->bus, disk->controller, disk->unit)));
            }
        }
}

static void
test_too_much(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) words = NULL;
    auto_ptr(machine) many = make("libvirt", "http://ubuntu.com/ubuntu/22.04", "linux");
    for (guint i = 0; i < 61; i++)
        add_disk(many, MACHINE_SCSI, "virtio-scsi");
    g_assert_null(machine_convert(many, "vsphere", NULL, NULL, &words, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_UNSUPPORTED);
    g_assert_nonnull(strstr(error->message, "app01 has more disks than vsphere has places for"));
    g_clear_error(&error);
    /* Those that are left out do not count. */
    struct machine_disk *skipped = g_ptr_array_index(many->disks, 3);
    skipped->skip = g_strdup("an independent disk is in no snapshot");
    auto_ptr(machine) fits = machine_convert(many, "vsphere", NULL, NULL, &words, &error);
    g_assert_no_error(error);
    g_assert_nonnull(fits);
    auto_ptr(machine) large = make("libvirt", NULL, NULL);
    add_disk(large, MACHINE_SATA, "ahci")->size = 63 * TIB;
    g_clear_pointer(&words, g_ptr_array_unref);
    g_assert_null(machine_convert(large, "vsphere", NULL, NULL, &words, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_UNSUPPORTED);
    g_assert_nonnull(strstr(error->message, "has 63 TiB; on vsphere a disk has at most 62"));
}

static void
test_lost(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) words = NULL, back = NULL;
    auto_ptr(machine) old = make("vsphere", "windows11_64Guest", "windows");
    add_disk(old, MACHINE_NVME, "nvme");
    old->firmware = MACHINE_UEFI_SECURE;
    old->firmware_type = g_strdup("nvram");
    old->firmware_data = g_bytes_new_static("x", 1);
    g_ptr_array_add(old->tags, g_strdup("tier/gold"));
    g_ptr_array_add(old->tags, g_strdup("backup/daily"));
    g_free(old->native);
    old->native = g_strdup("<config><device xsi:type=\"VirtualTPM\"/>"
                           "<device xsi:type=\"VirtualPCIPassthrough\"/></config>");
    auto_ptr(machine) new = machine_convert(old, "libvirt", NULL, NULL, &words, &error);
    g_assert_no_error(error);
    g_assert_cmpint(new->firmware, ==, MACHINE_UEFI_SECURE);
    g_assert_null(new->firmware_data);
    g_assert_null(new->firmware_type);
    g_assert_cmpuint(new->tags->len, ==, 0);
    g_assert_true(says(words, "boot entries are lost"));
    g_assert_true(says(words, "Secure Boot are lost"));
    g_assert_true(says(words, "not carried over: its TPM"));
    g_assert_true(says(words, "not carried over: PCI devices of the host"));
    g_assert_true(says(words, "not carried over: its tags (tier/gold, backup/daily)"));
    g_assert_false(says(words, "SR-IOV"));
    auto_ptr(machine) domain = make("libvirt", NULL, NULL);
    struct machine_nic *nic = add_nic(domain, "e1000");
    g_free(nic->mac);
    nic->mac = g_strdup("52:54:00:12:34:56");
    g_free(domain->native);
    domain->native = g_strdup("<domain><devices><hostdev mode='subsystem'/></devices></domain>");
    auto_ptr(machine) there = machine_convert(domain, "vsphere", NULL, NULL, &back, &error);
    g_assert_no_error(error);
    g_assert_nonnull(there);
    g_assert_true(says(back, "not carried over: devices of the host"));
    g_assert_true(says(back, "52:54:00:12:34:56 of ethernet0 is not one of VMware's"));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/machine-convert/to-libvirt", test_to_libvirt);
    g_test_add_func("/machine-convert/to-vsphere", test_to_vsphere);
    g_test_add_func("/machine-convert/same", test_same);
    g_test_add_func("/machine-convert/members", test_members);
    g_test_add_func("/machine-convert/insist", test_insist);
    g_test_add_func("/machine-convert/places", test_places);
    g_test_add_func("/machine-convert/too-much", test_too_much);
    g_test_add_func("/machine-convert/lost", test_lost);
    return g_test_run();
}
