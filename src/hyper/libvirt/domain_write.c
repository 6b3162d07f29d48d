/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/libvirt/domain_write.h"

#include "base/error.h"
#include "base/xml.h"

#include <string.h>

/* q35 has no IDE, and a PC of 1996 has four places for it. */
#define IDE_MAX 4u

struct writer {
    GString *xml;
    const struct machine *wanted;
    const struct domain_host *host;
    GPtrArray *words;
    gboolean q35;
    guint used[3];  /* letters given away: vd, sd, hd */
    guint scsi;     /* controllers that were written */
    gboolean boots; /* a device was told to start from */
};

static void say(struct writer *writer, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void
say(struct writer *writer, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_ptr_array_add(writer->words, g_strdup_vprintf(format, args));
    va_end(args);
}

static void
attribute(GString *xml, const char *name, const char *value)
{
    g_string_append_printf(xml, " %s=\"", name);
    xml_escape_attribute(xml, value);
    g_string_append_c(xml, '"');
}

/* ---- The machine itself ---------------------------------------------------------------------- */

static gboolean
write_os(struct writer *writer, GError **error)
{
    const struct machine *wanted = writer->wanted;
    gboolean uefi = wanted->firmware != MACHINE_BIOS;
    gboolean secure = wanted->firmware == MACHINE_UEFI_SECURE && writer->host->secure;
    if (uefi && !writer->host->efi)
        return error_set(error, SLIPWAY_ERROR_UNSUPPORTED,
                         "it starts by UEFI, and this host has no such firmware: install the "
                         "package ovmf");
    if (wanted->firmware == MACHINE_UEFI_SECURE && !secure)
        say(writer, "this host has no firmware for secure boot; it gets one without");
    g_string_append_printf(writer->xml, "<os%s><type arch=\"x86_64\" machine=\"%s\">hvm</type>",
                           uefi ? " firmware=\"efi\"" : "", writer->q35 ? "q35" : "pc");
    if (uefi)
        g_string_append_printf(
            writer->xml, "<firmware><feature enabled=\"%s\" name=\"secure-boot\"/></firmware>",
            secure ? "yes" : "no");
    g_string_append(writer->xml, "</os><features><acpi/><apic/>");
    g_string_append(writer->xml, secure ? "<smm state=\"on\"/></features>" : "</features>");
    return TRUE;
}

static void
write_processors(struct writer *writer)
{
    const struct machine *wanted = writer->wanted;
    guint cpus = MAX(1, wanted->cpus), cores = wanted->cores_per_socket;
    g_string_append_printf(writer->xml, "<memory unit=\"KiB\">%" G_GUINT64_FORMAT "</memory>",
                           MAX(wanted->memory, 1u << 20) / 1024);
    g_string_append_printf(writer->xml, "<vcpu>%u</vcpu>", cpus);
    g_string_append_printf(writer->xml, "<cpu mode=\"%s\">",
                           writer->host->kvm ? "host-model" : "maximum");
    if (cores > 0 && cpus % cores == 0)
        g_string_append_printf(writer->xml, "<topology sockets=\"%u\" cores=\"%u\" threads=\"1\"/>",
                               cpus / cores, cores);
    g_string_append(writer->xml, "</cpu>");
    gboolean windows = g_strcmp0(wanted->family, "windows") == 0;
    g_string_append_printf(writer->xml, "<clock offset=\"%s\"/>", windows ? "localtime" : "utc");
}

/* ---- Devices --------------------------------------------------------------------------------- */

/* "vda" to "vdz", then "vdaa". */
static char *
target_name(struct writer *writer, enum machine_bus bus)
{
    guint row = bus == MACHINE_VIRTIO ? 0 : bus == MACHINE_IDE ? 2 : 1;
    static const char *const prefixes[] = {"vd", "sd", "hd"};
    guint number = writer->used[row]++;
    if (number < 26)
        return g_strdup_printf("%s%c", prefixes[row], 'a' + (int)number);
    number -= 26;
    return g_strdup_printf("%s%c%c", prefixes[row], 'a' + (int)(number / 26 % 26),
                           'a' + (int)(number % 26));
}

/* A bus that libvirt has. */
static enum machine_bus
real_bus(struct writer *writer, const struct machine_disk *disk)
{
    if (disk->bus == MACHINE_NVME || (disk->bus == MACHINE_IDE && writer->q35)) {
        say(writer, "disk %s is at SATA instead of %s, which libvirt does not offer here",
            disk->name, machine_bus_name(disk->bus));
        return MACHINE_SATA;
    }
    return disk->bus;
}

static void
write_boot(struct writer *writer, guint order)
{
    if (order > 0)
        g_string_append_printf(writer->xml, "<boot order=\"%u\"/>", order);
}

/* Nobody said from what to start: it is the first disk. */
static guint
boot_order_of(const struct writer *writer, const struct machine_disk *disk, gboolean first)
{
    return writer->boots ? disk->boot_order : first ? 1 : 0;
}

static void
write_disk(struct writer *writer, const struct domain_volume *volume, gboolean first)
{
    const struct machine_disk *disk = machine_find_disk(writer->wanted, volume->disk);
    enum machine_bus bus = real_bus(writer, disk);
    g_autofree char *target = target_name(writer, bus);
    GString *xml = writer->xml;
    g_string_append_printf(xml, "<disk type=\"%s\" device=\"disk\"><driver name=\"qemu\"",
                           volume->block ? "block" : "file");
    attribute(xml, "type", volume->format);
    g_string_append(xml, "/><source");
    attribute(xml, volume->block ? "dev" : "file", volume->path);
    g_string_append(xml, "/><target");
    attribute(xml, "dev", target);
    attribute(xml, "bus", machine_bus_name(bus));
    g_string_append(xml, "/>");
    if (bus == MACHINE_SCSI)
        g_string_append_printf(xml,
                               "<address type=\"drive\" controller=\"%u\" bus=\"0\" target=\"0\" "
                               "unit=\"%u\"/>",
                               disk->controller, disk->unit);
    write_boot(writer, boot_order_of(writer, disk, first));
    g_string_append(xml, "</disk>");
    if (strcmp(target, disk->name) != 0)
        say(writer, "disk %s is called %s here", disk->name, target);
}

static const char *
scsi_model(const char *model)
{
    if (g_strcmp0(model, "pvscsi") == 0)
        return "vmpvscsi";
    if (g_strcmp0(model, "lsilogic") == 0 || g_strcmp0(model, "lsisas1068") == 0)
        return model;
    return "virtio-scsi";
}

/* One for each number that a disk has. */
static void
write_controllers(struct writer *writer, const struct domain_volume *volumes, guint n)
{
    for (guint i = 0; i < n; i++) {
        const struct machine_disk *disk = machine_find_disk(writer->wanted, volumes[i].disk);
        if (disk->bus != MACHINE_SCSI || disk->controller > 31 ||
            (writer->scsi & 1u << disk->controller) != 0)
            continue;
        writer->scsi |= 1u << disk->controller;
        g_string_append_printf(writer->xml, "<controller type=\"scsi\" index=\"%u\" model=\"%s\"/>",
                               disk->controller, scsi_model(disk->model));
    }
}

static void
write_nic(struct writer *writer, const struct machine_nic *nic)
{
    static const char *const models[] = {"virtio",  "e1000", "e1000e", "rtl8139",
                                         "vmxnet3", "pcnet", NULL};
    GString *xml = writer->xml;
    const char *model =
        nic->model != NULL && g_strv_contains(models, nic->model) ? nic->model : "e1000";
    if (nic->kind == MACHINE_NETWORK || nic->kind == MACHINE_BRIDGE) {
        const char *kind = nic->kind == MACHINE_NETWORK ? "network" : "bridge";
        g_string_append_printf(xml, "<interface type=\"%s\"><source", kind);
        attribute(xml, kind, nic->network != NULL ? nic->network : "default");
        g_string_append(xml, "/>");
    } else {
        g_string_append(xml, "<interface type=\"user\">");
    }
    if (nic->mac != NULL) {
        g_string_append(xml, "<mac");
        attribute(xml, "address", nic->mac);
        g_string_append(xml, "/>");
    }
    g_string_append_printf(xml, "<model type=\"%s\"/>", model);
    if (!nic->connected)
        g_string_append(xml, "<link state=\"down\"/>");
    if (writer->boots)
        write_boot(writer, nic->boot_order);
    g_string_append(xml, "</interface>");
}

static void
write_devices(struct writer *writer, const struct domain_volume *volumes, guint n)
{
    GString *xml = writer->xml;
    g_string_append(xml, "<devices>");
    write_controllers(writer, volumes, n);
    for (guint i = 0; i < n; i++)
        write_disk(writer, &volumes[i], i == 0);
    for (guint i = 0; i < writer->wanted->nics->len; i++)
        write_nic(writer, g_ptr_array_index(writer->wanted->nics, i));
    g_string_append(xml, "<serial type=\"pty\"/><channel type=\"unix\"><target type=\"virtio\" "
                         "name=\"org.qemu.guest_agent.0\"/></channel>"
                         "<input type=\"tablet\" bus=\"usb\"/>"
                         "<graphics type=\"vnc\" autoport=\"yes\" listen=\"127.0.0.1\"/>"
                         "<video><model type=\"vga\"/></video></devices>");
}

/* ---- All of it ------------------------------------------------------------------------------- */

static gboolean
looks_old(const struct machine *wanted)
{
    guint ide = 0;
    for (guint i = 0; i < wanted->disks->len; i++) {
        const struct machine_disk *disk = g_ptr_array_index(wanted->disks, i);
        ide += disk->skip == NULL && disk->bus == MACHINE_IDE;
    }
    return ide > 0 && ide <= IDE_MAX && wanted->firmware != MACHINE_UEFI_SECURE;
}

static gboolean
says_boot(const struct machine *wanted, const struct domain_volume *volumes, guint n)
{
    for (guint i = 0; i < n; i++)
        if (machine_find_disk(wanted, volumes[i].disk)->boot_order > 0)
            return TRUE;
    return FALSE;
}

char *
domain_write_neutral(const struct machine *wanted, const struct domain_volume *volumes, guint n,
                     const struct domain_host *host, GPtrArray *words, GError **error)
{
    struct writer writer = {.wanted = wanted, .host = host, .words = words};
    g_autoptr(GString) xml = g_string_new(NULL);
    writer.xml = xml;
    writer.q35 = !looks_old(wanted);
    writer.boots = says_boot(wanted, volumes, n);
    g_string_append_printf(xml, "<domain type=\"%s\">", host->kvm ? "kvm" : "qemu");
    xml_element(xml, "name", wanted->name);
    xml_element(xml, "description", wanted->annotation);
    write_processors(&writer);
    if (!write_os(&writer, error))
        return NULL;
    write_devices(&writer, volumes, n);
    g_string_append(xml, "</domain>");
    return g_string_free(g_steal_pointer(&xml), FALSE);
}
