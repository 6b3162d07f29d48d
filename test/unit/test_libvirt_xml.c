/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_libvirt_xml.c: libvirt's descriptions: read, changed for a new machine, and written anew. */
#include "base/error.h"
#include "hyper/libvirt/change_id.h"
#include "hyper/libvirt/domain_disk.h"
#include "hyper/libvirt/domain_edit.h"
#include "hyper/libvirt/domain_write.h"
#include "hyper/libvirt/domain_xml.h"
#include "hyper/libvirt/job_xml.h"

#include <string.h>

static const char domain[] =
    "<domain type='kvm' id='7'><name>app &amp; 01</name>"
    "<uuid>82DF077A-d9c2-4999-80c4-9ad738530dde</uuid><genid>82df077a-d9c2-4999-80c4-9ad738530dd0"
    "</genid><title>App</title><description>two\nlines</description>"
    "<metadata><o:libosinfo xmlns:o='http://libosinfo.org/xmlns/libvirt/domain/1.0'>"
    "<o:os id='http://debian.org/debian/12'/></o:libosinfo></metadata>"
    "<memory unit='MiB'>512</memory><vcpu>4</vcpu>"
    "<sysinfo type='smbios'><system><entry name='uuid'>82df077a-d9c2-4999-80c4-9ad738530dde</entry>"
    "<entry name='serial'>S1</entry></system></sysinfo>"
    "<os firmware='efi'><type arch='x86_64' machine='pc-q35-99.0'>hvm</type>"
    "<loader readonly='yes' secure='yes' type='pflash'>/old/CODE.fd</loader>"
    "<nvram template='/old/VARS.fd'>/old/nvram/app_VARS.fd</nvram></os>"
    "<cpu mode='host-passthrough' migratable='on'><topology sockets='2' dies='1' cores='2' "
    "threads='1'/></cpu><seclabel type='static' model='dac'><label>x</label></seclabel>"
    "<devices><emulator>/old/qemu</emulator>"
    "<disk type='file' device='disk'><driver name='qemu' type='qcow2' cache='none'/>"
    "<source file='/old/a.qcow2'/><backingStore type='file'><format type='qcow2'/>"
    "<source file='/old/base.qcow2'/><backingStore/></backingStore>"
    "<target dev='sda' bus='scsi'/><serial>DISK1</serial><boot order='2'/>"
    "<address type='drive' controller='1' bus='0' target='0' unit='3'/></disk>"
    "<disk type='block' device='disk'><source dev='/dev/vg/b'/><target dev='vdb' bus='virtio'/>"
    "</disk>"
    "<disk type='network' device='disk'><driver type='raw'/><source protocol='rbd' name='p/i'/>"
    "<target dev='vdc' bus='virtio'/></disk>"
    "<disk type='file' device='cdrom'><source file='/old/cd.iso'/><target dev='sdb' bus='sata'/>"
    "</disk>"
    "<disk type='volume' device='disk'><source pool='fast' volume='v'/><target dev='vdd' "
    "bus='virtio'/><transient/></disk>"
    "<controller type='scsi' index='1' model='virtio-scsi'/>"
    "<interface type='network'><mac address='52:54:00:AA:bb:01'/><source network='default' "
    "portid='x'/><target dev='vnet3'/><model type='virtio'/><boot order='1'/></interface>"
    "<interface type='bridge'><mac address='02:00:00:aa:bb:02'/><source bridge='br0'/>"
    "<model type='e1000e'/><link state='down'/></interface>"
    "<interface type='hostdev'><mac address='02:00:00:aa:bb:03'/></interface>"
    "<serial type='unix'><source mode='bind' path='/old/serial'/><target port='0'/></serial>"
    "<channel type='unix'><source mode='bind' path='/old/agent'/>"
    "<target type='virtio' name='org.qemu.guest_agent.0' state='connected'/></channel>"
    "<channel type='unix'><source mode='bind' path='/old/other'/>"
    "<target type='virtio' name='com.example'/></channel>"
    "<graphics type='vnc' port='5901' autoport='no'/>"
    "<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>"
    "<filesystem type='mount'><source dir='/old/share'/><target dir='s'/></filesystem>"
    "<hostdev mode='subsystem' type='pci'><source/></hostdev>"
    "</devices></domain>";

static gboolean
is_new(const char *path)
{
    return !g_str_has_prefix(path, "/old/");
}

static struct machine *
read_domain(const char *xml)
{
    g_autoptr(GError) error = NULL;
    struct machine *machine = machine_new();
    gboolean ok = domain_xml_read(xml, machine, &error);
    g_assert_no_error(error);
    g_assert_true(ok);
    return machine;
}

static void
test_read(void)
{
    auto_ptr(machine) machine = read_domain(domain);
    g_assert_cmpstr(machine->name, ==, "app & 01");
    g_assert_cmpstr(machine->id, ==, "82df077a-d9c2-4999-80c4-9ad738530dde");
    g_assert_cmpstr(machine->ref, ==, machine->id);
    g_assert_cmpstr(machine->uuid, ==, machine->id);
    g_assert_cmpstr(machine->annotation, ==, "App\ntwo\nlines");
    g_assert_cmpstr(machine->guest, ==, "http://debian.org/debian/12");
    g_assert_cmpstr(machine->family, ==, "linux");
    g_assert_cmpuint(machine->memory, ==, 512u << 20);
    g_assert_cmpuint(machine->cpus, ==, 4);
    g_assert_cmpuint(machine->cores_per_socket, ==, 2);
    g_assert_cmpint(machine->firmware, ==, MACHINE_UEFI_SECURE);
    g_assert_cmpuint(machine->disks->len, ==, 5);
    g_assert_cmpuint(machine->nics->len, ==, 3);
}

static void
test_read_disks(void)
{
    auto_ptr(machine) machine = read_domain(domain);
    const struct machine_disk *disk = machine_find_disk(machine, "sda");
    g_assert_cmpint(disk->bus, ==, MACHINE_SCSI);
    g_assert_cmpuint(disk->controller, ==, 1);
    g_assert_cmpuint(disk->unit, ==, 3);
    g_assert_cmpstr(disk->model, ==, "virtio-scsi");
    g_assert_cmpstr(disk->path, ==, "/old/a.qcow2");
    g_assert_cmpstr(disk->key, ==, "serial:DISK1");
    g_assert_cmpstr(disk->format, ==, "qcow2");
    g_assert_cmpuint(disk->boot_order, ==, 2);
    g_assert_null(disk->skip);
    disk = machine_find_disk(machine, "vdb");
    g_assert_cmpstr(disk->format, ==, "raw");
    g_assert_cmpuint(disk->unit, ==, 1);
    g_assert_cmpstr(machine_find_disk(machine, "vdc")->path, ==, "rbd:p/i");
    g_assert_nonnull(strstr(machine_find_disk(machine, "sdb")->skip, "CD drive"));
    disk = machine_find_disk(machine, "vdd");
    g_assert_cmpstr(disk->path, ==, "fast/v");
    g_assert_cmpstr(disk->datastore, ==, "fast");
    g_assert_nonnull(strstr(disk->skip, "transient"));
}

static void
test_read_nics(void)
{
    auto_ptr(machine) machine = read_domain(domain);
    const struct machine_nic *nic = machine_find_nic(machine, "net0");
    g_assert_cmpint(nic->kind, ==, MACHINE_NETWORK);
    g_assert_cmpstr(nic->network, ==, "default");
    g_assert_cmpstr(nic->mac, ==, "52:54:00:aa:bb:01");
    g_assert_false(nic->mac_fixed);
    g_assert_true(nic->connected);
    nic = machine_find_nic(machine, "net1");
    g_assert_cmpint(nic->kind, ==, MACHINE_BRIDGE);
    g_assert_true(nic->mac_fixed);
    g_assert_false(nic->connected);
    g_assert_cmpint(machine_find_nic(machine, "net2")->kind, ==, MACHINE_OTHER_NETWORK);
}

static void
expect_failure(const char *xml, enum slipway_error code, const char *words)
{
    g_autoptr(GError) error = NULL;
    auto_ptr(machine) machine = machine_new();
    g_assert_false(domain_xml_read(xml, machine, &error));
    g_assert_error(error, SLIPWAY_ERROR, (int)code);
    g_assert_nonnull(strstr(error->message, words));
}

static void
test_read_bad(void)
{
    expect_failure("<domain/>", SLIPWAY_ERROR_CORRUPT, "has no name");
    expect_failure("<network/>", SLIPWAY_ERROR_CORRUPT, "network");
    expect_failure("<domain><name>a</name><uuid>x</uuid></domain>", SLIPWAY_ERROR_CORRUPT,
                   "is no UUID");
    expect_failure("<domain><name>a</name><memory unit='TiB'>99999999999</memory></domain>",
                   SLIPWAY_ERROR_CORRUPT, "is no size");
    expect_failure("<domain><name>a</name><memory unit='cups'>-1</memory></domain>",
                   SLIPWAY_ERROR_CORRUPT, "is no size");
    expect_failure("<domain><name>a</name><devices><disk><target dev='a'/></disk><disk><target "
                   "dev='a'/></disk></devices></domain>",
                   SLIPWAY_ERROR_CORRUPT, "without a target of its own");
    g_autoptr(GString) xml = g_string_new("<domain><name>a</name><devices>");
    for (guint i = 0; i <= MACHINE_NICS_MAX; i++)
        g_string_append(xml, "<interface type='user'/>");
    g_string_append(xml, "</devices></domain>");
    expect_failure(xml->str, SLIPWAY_ERROR_LIMIT, "network adapters");
    g_autofree char *name = g_strnfill(MACHINE_TEXT_MAX + 1, 'n');
    g_autofree char *named = g_strdup_printf("<domain><name>%s</name></domain>", name);
    expect_failure(named, SLIPWAY_ERROR_LIMIT, "the name");
}

static void
test_other_questions(void)
{
    gboolean connected = FALSE;
    g_autofree char *format = NULL;
    g_autofree char *path = domain_xml_nvram(domain, &format);
    g_assert_cmpstr(path, ==, "/old/nvram/app_VARS.fd");
    g_assert_cmpstr(format, ==, "raw");
    g_assert_true(domain_xml_agent(domain, &connected));
    g_assert_true(connected);
    g_assert_false(domain_xml_agent("<domain/>", &connected));
    g_assert_false(connected);
}

static void
test_identity(void)
{
    g_autoptr(GError) error = NULL;
    auto_ptr(domain_disk) disk = domain_disk_read(domain, "sda", &error);
    g_assert_no_error(error);
    g_assert_cmpstr(disk->path, ==, "/old/a.qcow2");
    g_assert_cmpuint(strlen(disk->identity), ==, DOMAIN_DISK_IDENTITY);
    g_assert_cmpuint(disk->below->len, ==, 1);
    g_assert_true(domain_disk_has(disk, disk->identity));
    g_assert_true(domain_disk_has(disk, g_ptr_array_index(disk->below, 0)));
    auto_ptr(domain_disk) other = domain_disk_read(domain, "vdd", &error);
    g_assert_cmpstr(other->pool, ==, "fast");
    g_assert_false(domain_disk_has(disk, other->identity));
    g_assert_null(domain_disk_read(domain, "vdz", &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND);
}

/* A thread of its own, several, or the controller's; other controllers' do not count. */
static void
test_threads(void)
{
    static const char threaded[] =
        "<domain><name>n</name><devices>"
        "<disk><driver name='qemu' type='qcow2' iothread='1'/><target dev='vda' bus='virtio'/>"
        "</disk><disk><driver name='qemu'><iothreads><iothread id='1'/></iothreads></driver>"
        "<target dev='vdb' bus='virtio'/></disk>"
        "<disk><driver name='qemu'/><target dev='vdc' bus='virtio'/></disk>"
        "<disk><target dev='sda' bus='scsi'/><address type='drive' controller='0'/></disk>"
        "<disk><target dev='sdb' bus='scsi'/><address type='drive' controller='1'/></disk>"
        "<disk><target dev='sdc' bus='scsi'/></disk>"
        "<disk><target dev='sdd' bus='sata'/><address type='drive' controller='1'/></disk>"
        "<controller type='sata' index='0'/><controller type='scsi' index='0'/>"
        "<controller type='scsi' index='1' model='virtio-scsi'><driver iothread='2'/></controller>"
        "</devices></domain>";
    static const struct {
        const char *disk;
        gboolean thread;
    } rows[] = {{"vda", TRUE}, {"vdb", TRUE}, {"vdc", FALSE}, {"sda", FALSE},
                {"sdb", TRUE}, {"sdc", TRUE}, {"sdd", FALSE}};
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        auto_ptr(domain_disk) disk = domain_disk_read(threaded, rows[i].disk, &error);
        g_assert_no_error(error);
        g_test_message("%s", rows[i].disk);
        g_assert_cmpint(disk->thread, ==, rows[i].thread);
    }
}

/* ---- A new machine --------------------------------------------------------------------------- */

static gboolean
has_words(const GPtrArray *words, const char *part)
{
    for (guint i = 0; i < words->len; i++)
        if (strstr(g_ptr_array_index(words, i), part) != NULL)
            return TRUE;
    return FALSE;
}

static const struct domain_volume volumes[] = {
    {"sda", "/new/a.qcow2", "qcow2", FALSE},
    {"vdb", "/dev/vg/new", "raw", TRUE},
};

static void
fill_host(struct domain_host *host)
{
    host->machines = g_ptr_array_new();
    g_ptr_array_add(host->machines, (gpointer) "pc-q35-7.2");
    host->efi = host->secure = TRUE;
    host->exists = is_new;
}

static char *
edit(struct machine *wanted, GPtrArray *words)
{
    struct domain_host host = {0};
    g_autoptr(GError) error = NULL;
    fill_host(&host);
    char *xml =
        domain_edit_native(domain, wanted, volumes, G_N_ELEMENTS(volumes), &host, words, &error);
    g_ptr_array_unref(host.machines);
    g_assert_no_error(error);
    return xml;
}

static void
test_edit(void)
{
    auto_ptr(machine) wanted = read_domain(domain);
    g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
    g_free(wanted->name);
    wanted->name = g_strdup("<new>");
    struct machine_nic *nic = machine_find_nic(wanted, "net0");
    g_clear_pointer(&nic->mac, g_free);
    nic->kind = MACHINE_BRIDGE;
    g_free(nic->network);
    nic->network = g_strdup("br9");
    g_autofree char *xml = edit(wanted, words);
    /* Nothing of the old host or machine is in it. */
    g_assert_null(strstr(xml, "/old/"));
    g_assert_null(strstr(xml, "82df077a"));
    g_assert_null(strstr(xml, "82DF077A"));
    g_assert_null(strstr(xml, "seclabel"));
    g_assert_null(strstr(xml, "vnet3"));
    g_assert_null(strstr(xml, "portid"));
    g_assert_null(strstr(xml, "hostdev"));
    g_assert_null(strstr(xml, "5901"));
    g_assert_null(strstr(xml, "com.example"));
    auto_ptr(machine) made = read_domain(xml);
    g_assert_cmpstr(made->name, ==, "<new>");
    g_assert_cmpint(made->firmware, ==, MACHINE_UEFI_SECURE);
    g_assert_cmpstr(machine_find_disk(made, "sda")->path, ==, "/new/a.qcow2");
    g_assert_cmpstr(machine_find_disk(made, "vdb")->path, ==, "/dev/vg/new");
    g_assert_null(machine_find_disk(made, "vdc"));
    g_assert_null(machine_find_disk(made, "vdd"));
    g_assert_cmpstr(machine_find_disk(made, "sdb")->skip, !=, NULL);
    g_assert_cmpuint(made->nics->len, ==, 2);
    g_assert_null(machine_find_nic(made, "net0")->mac);
    g_assert_cmpstr(machine_find_nic(made, "net0")->network, ==, "br9");
    g_assert_cmpstr(machine_find_nic(made, "net1")->mac, ==, "02:00:00:aa:bb:02");
    g_assert_false(machine_find_nic(made, "net1")->connected);
    static const char *const told[] = {"UUID that the guest sees",
                                       "security label",
                                       "pc-q35-99.0",
                                       "no KVM",
                                       "not the host's",
                                       "vdc",
                                       "vdd",
                                       "drive sdb is empty",
                                       "/old/qemu",
                                       "5901",
                                       "TPM is new",
                                       "/old/share",
                                       "com.example",
                                       "net2",
                                       "passed through",
                                       "a serial line"};
    for (gsize i = 0; i < G_N_ELEMENTS(told); i++)
        if (!has_words(words, told[i]))
            g_error("nothing was said of %s", told[i]);
}

static void
test_edit_no_firmware(void)
{
    auto_ptr(machine) wanted = read_domain(domain);
    g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) error = NULL;
    struct domain_host host = {.kvm = TRUE};
    g_assert_null(domain_edit_native(domain, wanted, volumes, 2, &host, words, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_UNSUPPORTED);
    g_assert_nonnull(strstr(error->message, "ovmf"));
}

static void
test_write(void)
{
    auto_ptr(machine) wanted = read_domain(domain);
    g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) error = NULL;
    struct domain_host host = {0};
    fill_host(&host);
    g_autofree char *xml = domain_write_neutral(wanted, volumes, 2, &host, words, &error);
    g_ptr_array_unref(host.machines);
    g_assert_no_error(error);
    auto_ptr(machine) made = read_domain(xml);
    g_assert_cmpstr(made->name, ==, wanted->name);
    g_assert_cmpstr(made->annotation, ==, wanted->annotation);
    g_assert_cmpuint(made->memory, ==, wanted->memory);
    g_assert_cmpuint(made->cpus, ==, 4);
    g_assert_cmpuint(made->cores_per_socket, ==, 2);
    g_assert_cmpint(made->firmware, ==, MACHINE_UEFI_SECURE);
    g_assert_cmpuint(made->disks->len, ==, 2);
    g_assert_cmpint(machine_find_disk(made, "sda")->bus, ==, MACHINE_SCSI);
    g_assert_cmpstr(machine_find_disk(made, "sda")->model, ==, "virtio-scsi");
    g_assert_cmpint(machine_find_disk(made, "vda")->bus, ==, MACHINE_VIRTIO);
    g_assert_true(has_words(words, "disk vdb is called vda here"));
    g_assert_cmpuint(made->nics->len, ==, 3);
    g_assert_cmpstr(machine_find_nic(made, "net1")->network, ==, "br0");
}

/* ---- Jobs ------------------------------------------------------------------------------------ */

static void
test_job(void)
{
    const struct job_disk disks[] = {
        {"vda", "slipway-a-1", "/x/a&b", TRUE},
        {"vdb", NULL, "/x/c", FALSE},
    };
    g_autofree char *job = job_xml_backup(disks, 2, "/x/\"s\"");
    g_autofree char *socket = job_xml_socket(job);
    g_assert_cmpstr(socket, ==, "/x/\"s\"");
    g_assert_nonnull(strstr(job, "incremental=\"slipway-a-1\""));
    g_assert_nonnull(strstr(job, "backupmode=\"full\""));
    g_autofree char *checkpoint = job_xml_checkpoint(disks, 2, "slipway-a-2");
    g_assert_true(job_xml_has_disk(checkpoint, "vda"));
    g_assert_false(job_xml_has_disk(checkpoint, "vdb"));
    g_assert_false(job_xml_has_disk("<nonsense", "vda"));
    g_assert_null(job_xml_checkpoint(disks + 1, 1, "slipway-a-3"));
    g_assert_null(job_xml_socket("<domainbackup/>"));
}

static void
test_change_id(void)
{
    g_autofree char *name = change_id_checkpoint("abc1");
    g_assert_true(change_id_is_of(name, "abc1"));
    g_assert_false(change_id_is_of(name, "abc"));
    g_assert_false(change_id_is_of("slipway-abc1-", "abc1"));
    g_assert_false(change_id_is_of("slipway-abc1-12x", "abc1"));
    g_assert_false(change_id_is_of("other-abc1-12", "abc1"));
    g_autofree char *id = change_id_format(name, "0123456789abcdef");
    g_autofree char *checkpoint = NULL, *identity = NULL;
    g_assert_true(change_id_parse(id, "abc1", &checkpoint, &identity));
    g_assert_cmpstr(checkpoint, ==, name);
    g_assert_cmpstr(identity, ==, "0123456789abcdef");
    static const char *const bad[] = {
        "",
        "@",
        "52 4c c4 69 20 4c 3f 11-5c c8 ab e5 c7 74 aa 24/7",
        "slipway-abc1-12",
        "slipway-abc1-12@0123",
        "slipway-abc1-12@0123456789abcdeg",
        "slipway-two-12@0123456789abcdef",
        "slipway-abc1-@0123456789abcdef",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        char *left = NULL, *right = NULL;
        g_assert_false(change_id_parse(bad[i], "abc1", &left, &right));
        g_assert_null(left);
        g_assert_null(right);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/libvirt-xml/read", test_read);
    g_test_add_func("/libvirt-xml/read-disks", test_read_disks);
    g_test_add_func("/libvirt-xml/read-nics", test_read_nics);
    g_test_add_func("/libvirt-xml/read-bad", test_read_bad);
    g_test_add_func("/libvirt-xml/other-questions", test_other_questions);
    g_test_add_func("/libvirt-xml/identity", test_identity);
    g_test_add_func("/libvirt-xml/threads", test_threads);
    g_test_add_func("/libvirt-xml/edit", test_edit);
    g_test_add_func("/libvirt-xml/edit-no-firmware", test_edit_no_firmware);
    g_test_add_func("/libvirt-xml/write", test_write);
    g_test_add_func("/libvirt-xml/job", test_job);
    g_test_add_func("/libvirt-xml/change-id", test_change_id);
    return g_test_run();
}
