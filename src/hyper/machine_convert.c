/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/machine_convert.h"

#include "base/error.h"
#include "hyper/guest_os.h"

#include <stdarg.h>
#include <string.h>

#define NAMES_MAX 200u /* bytes of a list of names in a sentence */
#define SCSI_RESERVED 7u
#define VIRTIO_MAX 20u /* disks that each take a place on the PCI bus */

struct bus_rule {
    guint controllers, units; /* at most */
};

/* A kind of hypervisor, in whose terms a machine is put. */
struct target {
    const char *name;
    struct bus_rule buses[MACHINE_BUS_N]; /* 0: it has none */
    const char *const *nics;              /* models; the first is the one for guests that can */
    guint64 disk_max;                     /* bytes */
};

static const char *const vsphere_nics[] = {"vmxnet3", "e1000", "e1000e", "pcnet", NULL};
static const char *const libvirt_nics[] = {"virtio", "e1000",   "e1000e", "rtl8139",
                                           "pcnet",  "vmxnet3", NULL};

static const struct target targets[] = {
    {
        .name = "vsphere",
        .buses =
            {
                [MACHINE_IDE] = {2, 2},
                [MACHINE_SATA] = {4, 30},
                [MACHINE_SCSI] = {4, 16},
                [MACHINE_NVME] = {4, 15},
            },
        .nics = vsphere_nics,
        .disk_max = G_GUINT64_CONSTANT(62) << 40,
    },
    {
        .name = "libvirt",
        .buses =
            {
                [MACHINE_IDE] = {2, 2},
                [MACHINE_SATA] = {16, 6},
                [MACHINE_SCSI] = {16, 16},
                [MACHINE_VIRTIO] = {1, VIRTIO_MAX},
                [MACHINE_USB] = {1, 8},
            },
        .nics = libvirt_nics,
    },
};

struct conversion {
    const struct machine *from;
    struct machine *to;
    const struct target *target;
    const struct guest_os *guest;
    enum guest_os_drivers drivers; /* the guest's */
    GPtrArray *words;
};

static void say(struct conversion *conversion, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void
say(struct conversion *conversion, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_ptr_array_add(conversion->words, g_strdup_vprintf(format, args));
    va_end(args);
}

static void
set(char **member, const char *value)
{
    if (*member == value)
        return;
    g_free(*member);
    *member = g_strdup(value);
}

static gboolean
is_vsphere(const struct conversion *conversion)
{
    return g_strcmp0(conversion->target->name, "vsphere") == 0;
}

static gboolean
has_virtio(const struct conversion *conversion)
{
    return conversion->drivers >= GUEST_OS_VIRTIO;
}

/* A Linux that nobody has named, but that works with what only newer ones know, is a newer one. */
static enum guest_os_drivers
judge_drivers(const struct machine *machine, const struct guest_os *guest)
{
    gboolean named = guest_os_is_known(machine->guest) &&
                     !g_str_has_prefix(guest->vsphere, "other") &&
                     !g_str_has_prefix(guest->vsphere, "generic");
    if (g_strcmp0(guest->family, "linux") != 0 || named)
        return guest->drivers;
    gboolean newer = FALSE;
    for (guint i = 0; i < machine->disks->len; i++) {
        const struct machine_disk *disk = g_ptr_array_index(machine->disks, i);
        newer = newer || disk->bus == MACHINE_VIRTIO || g_strcmp0(disk->model, "pvscsi") == 0 ||
                g_strcmp0(disk->model, "virtio-scsi") == 0;
    }
    for (guint i = 0; i < machine->nics->len; i++) {
        const struct machine_nic *nic = g_ptr_array_index(machine->nics, i);
        newer =
            newer || g_strcmp0(nic->model, "virtio") == 0 || g_strcmp0(nic->model, "vmxnet3") == 0;
    }
    return newer ? MAX(guest->drivers, GUEST_OS_VIRTIO_LATER) : guest->drivers;
}

/* ---- Disks ----------------------------------------------------------------------------------- */

/* Where the guest finds its disks without being told. */
static enum machine_bus
choose_bus(const struct conversion *conversion, const struct machine_disk *disk, guint n)
{
    enum guest_os_drivers drivers = conversion->drivers;
    gboolean windows = g_strcmp0(conversion->guest->family, "windows") == 0;
    if (has_virtio(conversion))
        return is_vsphere(conversion) || n > VIRTIO_MAX ? MACHINE_SCSI : MACHINE_VIRTIO;
    /* What it has started from, it will start from. */
    if (disk->bus == MACHINE_IDE && n <= 4)
        return MACHINE_IDE;
    if (is_vsphere(conversion) && drivers == GUEST_OS_IDE_GB)
        return MACHINE_SCSI;
    if (is_vsphere(conversion) && windows && drivers >= GUEST_OS_SATA && disk->bus != MACHINE_SATA)
        return MACHINE_SCSI;
    return drivers < GUEST_OS_SATA && n <= 4 ? MACHINE_IDE : MACHINE_SATA;
}

/* Both sides have it. */
static gboolean
is_shared_chip(const struct machine_disk *disk)
{
    return disk->bus == MACHINE_SCSI &&
           (g_strcmp0(disk->model, "pvscsi") == 0 || g_strcmp0(disk->model, "lsisas1068") == 0);
}

static const char *
choose_model(const struct conversion *conversion, const struct machine_disk *disk,
             enum machine_bus bus)
{
    static const char *const models[MACHINE_BUS_N] = {
        [MACHINE_IDE] = "ide",   [MACHINE_SATA] = "ahci",         [MACHINE_SCSI] = NULL,
        [MACHINE_NVME] = "nvme", [MACHINE_VIRTIO] = "virtio-blk", [MACHINE_USB] = "usb",
    };
    if (bus != MACHINE_SCSI)
        return models[bus];
    if (is_shared_chip(disk) && (is_vsphere(conversion) || !has_virtio(conversion) ||
                                 conversion->drivers == GUEST_OS_VIRTIO_LATER))
        return g_strcmp0(disk->model, "pvscsi") == 0 ? "pvscsi" : "lsisas1068";
    if (is_vsphere(conversion))
        return has_virtio(conversion)                 ? "pvscsi"
               : conversion->drivers >= GUEST_OS_SATA ? "lsisas1068"
                                                      : "lsilogic";
    return has_virtio(conversion) ? "virtio-scsi" : "lsilogic";
}

/* The n-th place of a bus; FALSE when there are not so many. */
static gboolean
take_place(const struct target *target, enum machine_bus bus, guint n, struct machine_disk *disk)
{
    guint units = target->buses[bus].units;
    gboolean reserved = bus == MACHINE_SCSI;
    guint usable = reserved ? units - 1 : units;
    disk->controller = n / usable;
    disk->unit = n % usable;
    if (reserved && disk->unit >= SCSI_RESERVED)
        disk->unit++;
    return disk->controller < target->buses[bus].controllers;
}

static gboolean
check_size(const struct conversion *conversion, const struct machine_disk *disk, GError **error)
{
    guint64 max = conversion->target->disk_max;
    if (disk->skip != NULL || max == 0 || disk->size <= max)
        return TRUE;
    return error_set(error, SLIPWAY_ERROR_UNSUPPORTED,
                     "disk %s of %s has %" G_GUINT64_FORMAT " TiB; on %s a disk has at most "
                     "%" G_GUINT64_FORMAT,
                     disk->name, conversion->from->name, disk->size >> 40, conversion->target->name,
                     max >> 40);
}

static guint
count_disks(const struct machine *machine)
{
    guint n = 0;
    for (guint i = 0; i < machine->disks->len; i++)
        n += ((const struct machine_disk *)g_ptr_array_index(machine->disks, i))->skip == NULL;
    return n;
}

static void
tell_move(struct conversion *conversion, const struct machine_disk *old,
          const struct machine_disk *disk)
{
    if (old->bus == disk->bus && g_strcmp0(old->model, disk->model) == 0)
        return;
    say(conversion, "disk %s is on %s (%s) instead of %s (%s)", disk->name,
        machine_bus_name(disk->bus), disk->model, machine_bus_name(old->bus),
        old->model != NULL ? old->model : "unknown");
}

/* What the move of its disks means to the guest, once. */
static void
tell_guest(struct conversion *conversion, gboolean moved, gboolean keep)
{
    gboolean windows = g_strcmp0(conversion->guest->family, "windows") == 0;
    gboolean linux_guest = g_strcmp0(conversion->guest->family, "linux") == 0;
    if (moved && conversion->drivers == GUEST_OS_VIRTIO_LATER)
        say(conversion,
            "if it does not find its disks: start the rescue entry of its boot menu once, and run "
            "`dracut -f --regenerate-all` (or mkinitrd) there%s",
            keep ? ", or restore it with --bus scsi, which keeps its controller" : "");
    if (moved && windows && conversion->drivers >= GUEST_OS_SATA)
        say(conversion, "if Windows stops with INACCESSIBLE_BOOT_DEVICE: start it once in safe "
                        "mode, which makes it look for the drivers of its new controller");
    if (moved && linux_guest)
        say(conversion, "disks may have other names in the guest (/dev/vda for /dev/sda): an "
                        "/etc/fstab that does not use UUIDs or labels needs to be changed");
}

static gboolean
place_disk(struct conversion *conversion, guint i, enum machine_bus bus, guint *next,
           GError **error)
{
    struct machine_disk *disk = g_ptr_array_index(conversion->to->disks, i);
    const struct machine_disk *old = g_ptr_array_index(conversion->from->disks, i);
    /* IDE has four places; what is more than that goes where there is room. */
    if (bus == MACHINE_IDE && !take_place(conversion->target, bus, next[bus], disk))
        bus = MACHINE_SATA;
    if (!take_place(conversion->target, bus, next[bus]++, disk))
        return error_set(error, SLIPWAY_ERROR_UNSUPPORTED,
                         "%s has more disks than %s has places for on %s; choose another bus, or "
                         "fewer disks",
                         conversion->from->name, conversion->target->name, machine_bus_name(bus));
    set(&disk->model, choose_model(conversion, old, bus));
    disk->bus = bus;
    tell_move(conversion, old, disk);
    return TRUE;
}

static gboolean
convert_disks(struct conversion *conversion, const enum machine_bus *wanted, GError **error)
{
    guint next[MACHINE_BUS_N] = {0}, n = count_disks(conversion->from);
    gboolean moved = FALSE, keep = wanted == NULL && !is_vsphere(conversion);
    if (wanted != NULL && conversion->target->buses[*wanted].controllers == 0)
        return error_set(error, SLIPWAY_ERROR_UNSUPPORTED, "disks cannot be on %s on %s",
                         machine_bus_name(*wanted), conversion->target->name);
    for (guint i = 0; i < conversion->to->disks->len; i++) {
        struct machine_disk *disk = g_ptr_array_index(conversion->to->disks, i);
        const struct machine_disk *old = g_ptr_array_index(conversion->from->disks, i);
        g_clear_pointer(&disk->path, g_free);
        g_clear_pointer(&disk->key, g_free);
        g_clear_pointer(&disk->format, g_free);
        if (disk->skip != NULL)
            continue;
        enum machine_bus bus = wanted != NULL ? *wanted : choose_bus(conversion, old, n);
        if (!check_size(conversion, disk, error) || !place_disk(conversion, i, bus, next, error))
            return FALSE;
        keep = keep && is_shared_chip(old);
        moved = moved || disk->bus != old->bus || g_strcmp0(disk->model, old->model) != 0;
    }
    tell_guest(conversion, moved, keep);
    return TRUE;
}

/* ---- Network adapters ------------------------------------------------------------------------ */

static gboolean
has_nic(const struct target *target, const char *model)
{
    return model != NULL && g_strv_contains(target->nics, model);
}

static const char *
choose_nic(const struct conversion *conversion, const char *old)
{
    gboolean paravirtual = g_strcmp0(old, "vmxnet3") == 0 || g_strcmp0(old, "vmxnet2") == 0 ||
                           g_strcmp0(old, "virtio") == 0;
    /* A real chip that both have is one the guest works with. */
    if (!paravirtual && !has_virtio(conversion) && has_nic(conversion->target, old))
        return old;
    if (has_virtio(conversion))
        return conversion->target->nics[0];
    switch (conversion->drivers) {
    case GUEST_OS_IDE:
        return is_vsphere(conversion) ? "pcnet" : "rtl8139";
    case GUEST_OS_SATA_E:
        return "e1000e";
    default:
        return "e1000";
    }
}

static gboolean
convert_nics(struct conversion *conversion, const char *wanted, GError **error)
{
    if (wanted != NULL && !has_nic(conversion->target, wanted)) {
        g_autofree char *list = g_strjoinv(", ", (char **)conversion->target->nics);
        return error_set(error, SLIPWAY_ERROR_UNSUPPORTED,
                         "%s has no network adapter %s; it has %s", conversion->target->name,
                         wanted, list);
    }
    for (guint i = 0; i < conversion->to->nics->len; i++) {
        struct machine_nic *nic = g_ptr_array_index(conversion->to->nics, i);
        const struct machine_nic *old = g_ptr_array_index(conversion->from->nics, i);
        set(&nic->model, wanted != NULL ? wanted : choose_nic(conversion, old->model));
        if (g_strcmp0(nic->model, old->model) != 0)
            say(conversion,
                "network adapter %s is %s instead of %s: the guest may give it another name, and "
                "take it for a new one",
                nic->name, nic->model, old->model != NULL ? old->model : "unknown");
        if (is_vsphere(conversion) && nic->mac != NULL && !g_str_has_prefix(nic->mac, "00:50:56:"))
            say(conversion,
                "the address %s of %s is not one of VMware's; should it be refused, take a new one "
                "(--new-mac)",
                nic->mac, nic->name);
    }
    return TRUE;
}

/* ---- The rest -------------------------------------------------------------------------------- */

static void
convert_guest(struct conversion *conversion)
{
    const char *old = conversion->from->guest;
    const char *new =
        is_vsphere(conversion) ? conversion->guest->vsphere : conversion->guest->libosinfo;
    if (old != NULL && !guest_os_is_known(old))
        say(conversion,
            "the operating system \"%s\" is not known here: what every system can use "
            "was chosen; --bus and --nic-model choose something else",
            old);
    set(&conversion->to->guest, new);
    if (conversion->to->family == NULL)
        conversion->to->family = g_strdup(conversion->guest->family);
    if (is_vsphere(conversion) && !guest_os_is_known(old))
        say(conversion, "the guest operating system is set to \"%s\"; correct it if needed", new);
}

static void
convert_firmware(struct conversion *conversion)
{
    struct machine *machine = conversion->to;
    if (machine->firmware != MACHINE_BIOS && machine->firmware_data != NULL)
        say(conversion, "the firmware's own settings and boot entries are lost: it starts what is "
                        "at EFI/BOOT on a disk, and others can be chosen in its menu");
    if (machine->firmware == MACHINE_UEFI_SECURE)
        say(conversion,
            "keys that were added for Secure Boot are lost: it has the usual ones only");
    g_clear_pointer(&machine->firmware_type, g_free);
    g_clear_pointer(&machine->firmware_data, g_bytes_unref);
}

/* What the native description has of devices that neutral terms do not know. */
static void
tell_lost(struct conversion *conversion)
{
    static const struct {
        const char *driver, *mark, *words;
    } devices[] = {
        {"vsphere", "VirtualTPM",
         "its TPM, and with it what the guest has sealed (BitLocker: have "
         "the recovery key at hand)"},
        {"vsphere", "VirtualPCIPassthrough", "PCI devices of the host"},
        {"vsphere", "VirtualSriovEthernetCard", "SR-IOV network adapters"},
        {"vsphere", "VirtualUSB\"", "USB devices"},
        {"vsphere", "VirtualSerialPort", "serial ports"},
        {"vsphere", "VirtualParallelPort", "parallel ports"},
        {"vsphere", "VirtualCdrom", "CD drives"},
        {"vsphere", "VirtualFloppy", "floppy drives"},
        {"vsphere", "VirtualNVDIMM", "NVDIMMs"},
        {"vsphere", "<rootSnapshot",
         "snapshots (the disks are as they were when they were backed "
         "up)"},
        {"vsphere", "<vAppConfig", "vApp properties"},
        {"libvirt", "<tpm ",
         "its TPM, and with it what the guest has sealed (BitLocker: have the "
         "recovery key at hand)"},
        {"libvirt", "<hostdev ", "devices of the host"},
        {"libvirt", "<redirdev ", "redirected USB devices"},
        {"libvirt", "<filesystem ", "directories of the host that were shared with it"},
        {"libvirt", "<shmem ", "memory that was shared with others"},
        {"libvirt", "device='cdrom'", "CD drives"},
        {"libvirt", "device=\"cdrom\"", "CD drives"},
        {"libvirt", "<qemu:commandline", "options that were given to QEMU itself"},
        {"libvirt", "<cputune", "limits and pinning of processors"},
    };
    const char *native = conversion->from->native;
    for (gsize i = 0; native != NULL && i < G_N_ELEMENTS(devices); i++)
        if (g_strcmp0(devices[i].driver, conversion->from->driver) == 0 &&
            strstr(native, devices[i].mark) != NULL)
            say(conversion, "not carried over: %s", devices[i].words);
}

static void
convert_tags(struct conversion *conversion)
{
    GPtrArray *tags = conversion->to->tags;
    if (tags->len == 0)
        return;
    g_autoptr(GString) list = g_string_new(NULL);
    for (guint i = 0; i < tags->len && list->len < NAMES_MAX; i++)
        g_string_append_printf(list, "%s%s", i > 0 ? ", " : "",
                               (const char *)g_ptr_array_index(tags, i));
    if (list->len >= NAMES_MAX)
        g_string_append(list, " ...");
    say(conversion, "not carried over: its tags (%s)", list->str);
    g_ptr_array_set_size(tags, 0);
}

static gboolean
convert(struct conversion *conversion, const enum machine_bus *bus, const char *nic_model,
        GError **error)
{
    struct machine *machine = conversion->to;
    set(&machine->driver, conversion->target->name);
    g_clear_pointer(&machine->ref, g_free);
    g_clear_pointer(&machine->native, g_free);
    g_clear_pointer(&machine->native_type, g_free);
    convert_guest(conversion);
    if (!convert_disks(conversion, bus, error) || !convert_nics(conversion, nic_model, error))
        return FALSE;
    convert_firmware(conversion);
    convert_tags(conversion);
    tell_lost(conversion);
    return TRUE;
}

struct machine *
machine_convert(const struct machine *machine, const char *target, const enum machine_bus *bus,
                const char *nic_model, GPtrArray **ret_words, GError **error)
{
    g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
    auto_ptr(machine) to = machine_copy(machine);
    struct conversion conversion = {
        .from = machine,
        .to = to,
        .guest = guest_os_find(machine->guest, machine->family),
        .words = words,
    };
    conversion.drivers = judge_drivers(machine, conversion.guest);
    for (gsize i = 0; i < G_N_ELEMENTS(targets); i++)
        if (g_strcmp0(targets[i].name, target) == 0)
            conversion.target = &targets[i];
    if (g_strcmp0(machine->driver, target) != 0) {
        if (conversion.target == NULL)
            return error_null(error, SLIPWAY_ERROR_UNSUPPORTED,
                              "machine %s cannot be made into one of %s", machine->name, target);
        if (!convert(&conversion, bus, nic_model, error))
            return NULL;
    }
    if (ret_words != NULL)
        *ret_words = g_steal_pointer(&words);
    return g_steal_pointer(&to);
}
