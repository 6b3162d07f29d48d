/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "engine/boot_machine.h"
#include "engine/boot_process.h"

#include <jansson.h>
#include <stdlib.h>

#define AHCI_PORTS 6u

/* How disks are attached, by enum boot_bus. */
static const struct {
    const char *machine;
    const char *controller; /* -device; NULL: the machine has it */
    const char *disk;       /* what stands for a disk */
    guint most;
} buses[] = {
    [BOOT_BUS_SATA] = {"q35", NULL, "ide-hd", 4 * AHCI_PORTS},
    [BOOT_BUS_IDE] = {"pc", NULL, "ide-hd", 4},
    [BOOT_BUS_VIRTIO] = {"q35", NULL, "virtio-blk-pci", 20},
    [BOOT_BUS_SCSI] = {"q35", "virtio-scsi-pci,id=scsi", "scsi-hd", 60},
    [BOOT_BUS_PVSCSI] = {"q35", "pvscsi,id=scsi", "scsi-hd", 60},
    [BOOT_BUS_LSI] = {"q35", "mptsas1068,id=scsi", "scsi-hd", 8},
};

static void add(GPtrArray *words, const char *option, const char *format, ...) G_GNUC_PRINTF(3, 4);

static void
add(GPtrArray *words, const char *option, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_ptr_array_add(words, g_strdup(option));
    g_ptr_array_add(words, g_strdup_vprintf(format, arguments));
    va_end(arguments);
}

/* ---- Disks ----------------------------------------------------------------------------------- */

static char *
place_of(enum boot_bus bus, guint n)
{
    switch (bus) {
    case BOOT_BUS_SATA:
        return n < AHCI_PORTS ? g_strdup_printf(",bus=ide.%u", n)
                              : g_strdup_printf(",bus=sata%u.%u", n / AHCI_PORTS, n % AHCI_PORTS);
    case BOOT_BUS_IDE:
        return g_strdup_printf(",bus=ide.%u,unit=%u", n / 2, n % 2);
    case BOOT_BUS_VIRTIO:
        return g_strdup("");
    default:
        return g_strdup_printf(",bus=scsi.0,scsi-id=%u", n);
    }
}

/* As JSON, which takes any name as it is. */
static void
add_backend(GPtrArray *words, const char *export, guint n)
{
    g_autofree char *fd = g_strdup_printf("%u", BOOT_PROCESS_FD + BOOT_FD_N + n);
    g_autofree char *node = g_strdup_printf("disk%u", n);
    json_t *json =
        json_pack("{s:s, s:s, s:s, s:s, s:{s:s, s:s}}", "driver", "nbd", "node-name", node,
                  "export", export, "discard", "unmap", "server", "type", "fd", "str", fd);
    char *text = json_dumps(json, JSON_COMPACT);
    add(words, "-blockdev", "%s", text);
    free(text);
    json_decref(json);
}

static void
add_disk(GPtrArray *words, enum boot_bus bus, const char *export, guint n)
{
    g_autofree char *place = place_of(bus, n);
    add_backend(words, export, n);
    if (bus == BOOT_BUS_SATA && n >= AHCI_PORTS && n % AHCI_PORTS == 0)
        add(words, "-device", "ahci,id=sata%u", n / AHCI_PORTS);
    /* What cannot be read or written the guest has to be told, as a disk does. */
    add(words, "-device", "%s,drive=disk%u,bootindex=%u,werror=report,rerror=report%s",
        buses[bus].disk, n, n + 1, place);
}

static gboolean
add_disks(GPtrArray *words, const struct boot_hardware *hardware, const char *const *exports,
          GError **error)
{
    enum boot_bus bus = hardware->bus;
    guint n = g_strv_length((char **)exports);
    if (n > buses[bus].most)
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "a machine with --bus %s has at most %u disks, and these are %u; name the "
                         "disks it needs",
                         boot_bus_name(bus), buses[bus].most, n);
    if (buses[bus].controller != NULL)
        add(words, "-device", "%s", buses[bus].controller);
    for (guint i = 0; i < n; i++)
        add_disk(words, bus, exports[i], i);
    return TRUE;
}

/* ---- The rest -------------------------------------------------------------------------------- */

/* A value in which a comma stands for itself. */
static char *
quote(const char *text)
{
    GString *quoted = g_string_new(text);
    g_string_replace(quoted, ",", ",,", 0);
    return g_string_free(quoted, FALSE);
}

static void
add_display(GPtrArray *words, const struct boot_hardware *hardware)
{
    static const char *const names[] = {"none", "none", "gtk", "sdl"};
    add(words, "-display", "%s", names[hardware->display]);
    add(words, "-device", "VGA");
    if (hardware->display != BOOT_DISPLAY_VNC)
        return;
    g_autofree char *address = quote(hardware->vnc != NULL ? hardware->vnc : BOOT_VNC_DEFAULT);
    add(words, "-vnc", "%s:0,to=200%s", address,
        hardware->vnc_password != NULL ? ",password=on" : "");
}

/* An interface without a boot ROM: nothing is booted from a network that leads nowhere. */
static void
add_network(GPtrArray *words, const struct boot_hardware *hardware)
{
    add(words, "-nic", "none");
    if (hardware->no_network)
        return;
    add(words, "-netdev", "user,id=net,restrict=on");
    add(words, "-device", "e1000,netdev=net,romfile=");
}

static void
add_channels(GPtrArray *words)
{
    add(words, "-chardev", "socket,id=qmp,fd=%d", BOOT_PROCESS_FD + BOOT_FD_QMP);
    add(words, "-mon", "chardev=qmp,mode=control");
    add(words, "-chardev", "socket,id=serial,fd=%d", BOOT_PROCESS_FD + BOOT_FD_SERIAL);
    add(words, "-serial", "chardev:serial");
    add(words, "-device", "virtio-serial-pci");
    add(words, "-chardev", "socket,id=agent,fd=%d", BOOT_PROCESS_FD + BOOT_FD_AGENT);
    add(words, "-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0");
    add(words, "-add-fd", "fd=%d,set=%d", BOOT_PROCESS_FD + BOOT_FD_SCREEN, BOOT_FD_SCREEN);
}

static void
add_firmware(GPtrArray *words, const char *code)
{
    g_autofree char *quoted = quote(code);
    /* QEMU opens it for reading first, and insists that a descriptor is for what it wants. */
    for (int fd = BOOT_FD_VARIABLES; fd <= BOOT_FD_VARIABLES_READ; fd++)
        add(words, "-add-fd", "fd=%d,set=%d", BOOT_PROCESS_FD + fd, BOOT_FD_VARIABLES);
    add(words, "-drive", "if=pflash,unit=0,format=raw,readonly=on,file=%s", quoted);
    add(words, "-drive", "if=pflash,unit=1,format=raw,file=/dev/fdset/%d", BOOT_FD_VARIABLES);
}

char **
boot_arguments(const char *qemu, const struct boot_hardware *hardware,
               enum boot_accelerator accelerator, const char *firmware_code,
               const char *const *exports, GError **error)
{
    g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
    gboolean kvm = accelerator == BOOT_ACCELERATOR_KVM;
    g_ptr_array_add(words, g_strdup(qemu));
    add(words, "-name", "slipway");
    g_ptr_array_add(words, g_strdup("-nodefaults"));
    g_ptr_array_add(words, g_strdup("-no-user-config"));
    add(words, "-machine", "%s,usb=on", buses[hardware->bus].machine);
    add(words, "-accel", "%s", kvm ? "kvm" : "tcg,thread=multi");
    add(words, "-cpu", "%s", kvm ? "host" : "max");
    add(words, "-m", "%u", hardware->memory != 0 ? hardware->memory : BOOT_MEMORY_DEFAULT);
    add(words, "-smp", "%u", hardware->cpus != 0 ? hardware->cpus : BOOT_CPUS_DEFAULT);
    add(words, "-device", "usb-tablet");
    add(words, "-device", "pvpanic");
    if (hardware->hold)
        add(words, "-action", "shutdown=pause,panic=pause");
    /* What draws a window needs more than a guest may have. */
    if (hardware->display == BOOT_DISPLAY_NONE || hardware->display == BOOT_DISPLAY_VNC)
        add(words, "-sandbox",
            "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
    add_display(words, hardware);
    add_network(words, hardware);
    add_channels(words);
    if (firmware_code != NULL)
        add_firmware(words, firmware_code);
    if (!add_disks(words, hardware, exports, error))
        return NULL;
    g_ptr_array_add(words, NULL);
    return (char **)g_ptr_array_free(g_steal_pointer(&words), FALSE);
}
