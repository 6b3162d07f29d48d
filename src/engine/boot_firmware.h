/* SPDX-License-Identifier: GPL-3.0-or-later */
/* boot_firmware.h: what firmware and what kind of disk controller a machine has, as far as its
 * configuration and its disks tell.
 *
 * Everything read here may be made up by the guest: it decides how the guest is started, and
 * nothing else.  Any thread. */
#pragma once

#include "disk/disk.h"
#include "store/set.h"

enum boot_firmware {
    BOOT_FIRMWARE_AUTO, /* also: not known */
    BOOT_FIRMWARE_BIOS,
    BOOT_FIRMWARE_UEFI,
};
enum boot_bus {
    BOOT_BUS_AUTO,
    BOOT_BUS_SATA,
    BOOT_BUS_IDE,
    BOOT_BUS_VIRTIO,
    BOOT_BUS_SCSI, /* virtio-scsi */
    BOOT_BUS_PVSCSI,
    BOOT_BUS_LSI, /* LSI SAS 1068 */
};
#define BOOT_FIRMWARE_WORDS "auto bios uefi"
#define BOOT_BUS_WORDS "auto sata ide virtio scsi pvscsi lsisas1068"

const char *boot_firmware_name(enum boot_firmware firmware);
const char *boot_bus_name(enum boot_bus bus);
/* FALSE when the word is none of those above. */
gboolean boot_firmware_parse(const char *word, enum boot_firmware *ret);
gboolean boot_bus_parse(const char *word, enum boot_bus *ret);

/* What the configuration document of a set (a description of machine.h, a .vmx file, libvirt's XML,
 * JSON, or lines of "key: value") says; BOOT_FIRMWARE_AUTO and BOOT_BUS_AUTO when it says nothing,
 * or is NULL. */
enum boot_firmware boot_firmware_of_config(const char *config);
enum boot_bus boot_bus_of_config(const char *config);
/* The disk that the machine boots from, where a description of machine.h says it: NULL else, and
 * when no order is said.  Free with g_free(). */
char *boot_disk_of_config(const char *config);

/* What the partition table of the boot disk is made for.  UEFI: there is an EFI system partition,
 * and no code that a BIOS would get anywhere with; else BIOS. */
gboolean boot_firmware_of_disk(struct disk *disk, enum boot_firmware *ret, GError **error);
