/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/boot_firmware.h"

#include "base/error.h"
#include "base/little_endian.h"
#include "hyper/machine.h"

#include <string.h>

#define LBA_MAX 4096u
#define MBR_SIZE 512u
#define MBR_CODE 440u
#define MBR_ENTRIES_AT 446u
#define GPT_ENTRIES_MAX 128u
#define GPT_ENTRY_MIN 128u
#define GPT_ENTRY_MAX 512u

/* ---- Words ----------------------------------------------------------------------------------- */

static const char *const firmware_names[] = {"auto", "bios", "uefi"};
static const char *const bus_names[] = {"auto", "sata",   "ide",       "virtio",
                                        "scsi", "pvscsi", "lsisas1068"};

const char *
boot_firmware_name(enum boot_firmware firmware)
{
    return firmware_names[firmware];
}

const char *
boot_bus_name(enum boot_bus bus)
{
    return bus_names[bus];
}

static gboolean
find_word(const char *const *names, guint n, const char *word, guint *ret)
{
    for (*ret = 0; *ret < n; (*ret)++)
        if (g_str_equal(names[*ret], word))
            return TRUE;
    return FALSE;
}

gboolean
boot_firmware_parse(const char *word, enum boot_firmware *ret)
{
    guint n;
    gboolean ok = find_word(firmware_names, G_N_ELEMENTS(firmware_names), word, &n);
    *ret = ok ? (enum boot_firmware)n : BOOT_FIRMWARE_AUTO;
    return ok;
}

gboolean
boot_bus_parse(const char *word, enum boot_bus *ret)
{
    guint n;
    gboolean ok = find_word(bus_names, G_N_ELEMENTS(bus_names), word, &n);
    *ret = ok ? (enum boot_bus)n : BOOT_BUS_AUTO;
    return ok;
}

/* ---- Configuration --------------------------------------------------------------------------- */

/* Our own description of a machine knows; it may have another product's in it. */
static struct machine *
parse_own(const char *config)
{
    return config != NULL && *config == '{' ? machine_parse(config, strlen(config), NULL) : NULL;
}

/* The disk that is booted from: the first in the order, if there is one. */
static const struct machine_disk *
find_boot_disk(const struct machine *machine)
{
    const struct machine_disk *found = NULL;
    for (guint i = 0; i < machine->disks->len; i++) {
        const struct machine_disk *disk = machine->disks->pdata[i];
        if (found == NULL || (disk->boot_order != 0 &&
                              (found->boot_order == 0 || disk->boot_order < found->boot_order)))
            found = disk;
    }
    return found;
}

static enum boot_bus
bus_of_disk(const struct machine_disk *disk)
{
    switch (disk->bus) {
    case MACHINE_IDE:
        return BOOT_BUS_IDE;
    case MACHINE_SATA:
        return BOOT_BUS_SATA;
    case MACHINE_VIRTIO:
        return BOOT_BUS_VIRTIO;
    case MACHINE_SCSI:
        return g_strcmp0(disk->model, "pvscsi") == 0        ? BOOT_BUS_PVSCSI
               : g_strcmp0(disk->model, "lsisas1068") == 0  ? BOOT_BUS_LSI
               : g_strcmp0(disk->model, "virtio-scsi") == 0 ? BOOT_BUS_SCSI
                                                            : BOOT_BUS_AUTO;
    default:
        return BOOT_BUS_AUTO;
    }
}

/* Any other document is searched, not parsed: whatever product wrote it, these words mean the same.
 * The first row whose pattern is found counts. */
struct row {
    const char *pattern;
    int value;
};

static int
search(const char *config, const struct row *rows, guint n)
{
    for (guint i = 0; config != NULL && i < n; i++)
        if (g_regex_match_simple(rows[i].pattern, config, G_REGEX_CASELESS | G_REGEX_MULTILINE, 0))
            return rows[i].value;
    return 0;
}

enum boot_firmware
boot_firmware_of_config(const char *config)
{
    static const struct row rows[] = {
        {"^\\s*firmware\\s*=\\s*\"efi\"", BOOT_FIRMWARE_UEFI}, /* .vmx */
        {"^\\s*firmware\\s*=\\s*\"bios\"", BOOT_FIRMWARE_BIOS},
        {"\\bfirmware=['\"]efi['\"]", BOOT_FIRMWARE_UEFI}, /* libvirt */
        {"<loader[^>]*type=['\"]pflash['\"]", BOOT_FIRMWARE_UEFI},
        {"<type[^>]*>hvm</type>", BOOT_FIRMWARE_BIOS},
        {"\"firmware\"\\s*:\\s*\"u?efi\"", BOOT_FIRMWARE_UEFI}, /* JSON of an API */
        {"\"firmware\"\\s*:\\s*\"bios\"", BOOT_FIRMWARE_BIOS},
        {"^bios:\\s*ovmf\\b", BOOT_FIRMWARE_UEFI}, /* Proxmox */
        {"^bios:\\s*seabios\\b", BOOT_FIRMWARE_BIOS},
    };
    auto_ptr(machine) machine = parse_own(config);
    if (machine != NULL)
        return machine->firmware == MACHINE_BIOS ? BOOT_FIRMWARE_BIOS : BOOT_FIRMWARE_UEFI;
    return (enum boot_firmware)search(config, rows, G_N_ELEMENTS(rows));
}

enum boot_bus
boot_bus_of_config(const char *config)
{
    static const struct row rows[] = {
        {"^\\s*scsi0\\.virtualDev\\s*=\\s*\"pvscsi\"", BOOT_BUS_PVSCSI},
        {"^\\s*scsi0\\.virtualDev\\s*=\\s*\"lsisas1068\"", BOOT_BUS_LSI},
        {"<target[^>]*bus=['\"]virtio['\"]", BOOT_BUS_VIRTIO},
        {"<target[^>]*bus=['\"]scsi['\"]", BOOT_BUS_SCSI},
        {"<target[^>]*dev=['\"]hd[a-z]+['\"][^>]*bus=['\"]ide['\"]", BOOT_BUS_IDE},
        {"^scsihw:\\s*pvscsi\\b", BOOT_BUS_PVSCSI},
        {"^scsihw:\\s*virtio-scsi", BOOT_BUS_SCSI},
        {"^virtio0:\\s", BOOT_BUS_VIRTIO},
    };
    auto_ptr(machine) machine = parse_own(config);
    if (machine != NULL) {
        const struct machine_disk *disk = find_boot_disk(machine);
        return disk != NULL ? bus_of_disk(disk) : BOOT_BUS_AUTO;
    }
    return (enum boot_bus)search(config, rows, G_N_ELEMENTS(rows));
}

char *
boot_disk_of_config(const char *config)
{
    auto_ptr(machine) machine = parse_own(config);
    const struct machine_disk *disk = machine != NULL ? find_boot_disk(machine) : NULL;
    return disk != NULL && disk->boot_order != 0 ? g_strdup(disk->name) : NULL;
}

/* ---- Disk ------------------------------------------------------------------------------------ */

/* GUIDs as they lie on the disk. */
static const guint8 esp[16] = {0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11,
                               0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b};
static const guint8 bios_boot[16] = {0x48, 0x61, 0x68, 0x21, 0x49, 0x64, 0x6f, 0x6e,
                                     0x74, 0x4e, 0x65, 0x65, 0x64, 0x45, 0x46, 0x49};
#define GPT_LEGACY_BOOT 4u /* attribute bit 2 */

struct findings {
    gboolean code;   /* in the master boot record */
    gboolean esp;    /* an EFI system partition */
    gboolean loader; /* something that this code would load */
};

/* What there is of a range; the rest, beyond the end of the disk, is zeros. */
static gboolean
read_some(struct disk *disk, guint64 offset, guint8 *buffer, gsize length, GError **error)
{
    guint64 size = disk_size(disk), n = offset < size ? MIN(length, size - offset) : 0;
    memset(buffer, 0, length);
    return n == 0 || disk_read(disk, offset, buffer, (gsize)n, error);
}

static gboolean
look_at_mbr(struct disk *disk, struct findings *found, GError **error)
{
    guint8 mbr[MBR_SIZE];
    if (!read_some(disk, 0, mbr, sizeof mbr, error))
        return FALSE;
    if (mbr[510] != 0x55 || mbr[511] != 0xaa)
        return TRUE;
    for (guint i = 0; i < MBR_CODE; i++)
        found->code |= mbr[i] != 0;
    for (guint i = 0; i < 4; i++) {
        const guint8 *entry = mbr + MBR_ENTRIES_AT + 16 * i;
        found->esp |= entry[4] == 0xef;
        found->loader |= (entry[0] & 0x80) != 0 && entry[4] != 0xee;
    }
    return TRUE;
}

/* Blocks have 512 bytes or 4096: the table tells by where it is. */
static gboolean
look_at_gpt(struct disk *disk, guint block, gboolean *ret_found, struct findings *found,
            GError **error)
{
    guint8 header[92], entry[GPT_ENTRY_MIN];
    if (!read_some(disk, block, header, sizeof header, error))
        return FALSE;
    *ret_found = memcmp(header, "EFI PART", 8) == 0;
    guint64 at = little_endian_get64(header + 72);
    guint n = MIN(little_endian_get32(header + 80), GPT_ENTRIES_MAX);
    guint size = little_endian_get32(header + 84);
    if (!*ret_found || size < GPT_ENTRY_MIN || size > GPT_ENTRY_MAX || at > G_MAXINT64 / LBA_MAX)
        return TRUE;
    for (guint i = 0; i < n; i++) {
        if (!read_some(disk, at * block + (guint64)i * size, entry, sizeof entry, error))
            return FALSE;
        found->esp |= memcmp(entry, esp, sizeof esp) == 0;
        found->loader |= memcmp(entry, bios_boot, sizeof bios_boot) == 0 ||
                         (little_endian_get64(entry + 48) & GPT_LEGACY_BOOT) != 0;
    }
    return TRUE;
}

/* Windows leaves its boot code in disks that only UEFI boots, where it finds nothing to load. */
gboolean
boot_firmware_of_disk(struct disk *disk, enum boot_firmware *ret, GError **error)
{
    struct findings found = {0};
    gboolean gpt = FALSE;
    *ret = BOOT_FIRMWARE_BIOS;
    if (!look_at_mbr(disk, &found, error) || !look_at_gpt(disk, 512, &gpt, &found, error) ||
        (!gpt && !look_at_gpt(disk, LBA_MAX, &gpt, &found, error)))
        return FALSE;
    if (found.esp && !(found.code && found.loader))
        *ret = BOOT_FIRMWARE_UEFI;
    return TRUE;
}
