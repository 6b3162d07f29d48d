/* SPDX-License-Identifier: GPL-3.0-or-later */
/* disc.h: the CD or DVD as UEFI's block device, read as ISO 9660. */
#ifndef BOOT_DISC_H
#define BOOT_DISC_H

#include "iso9660.h"

#include <efi.h>

struct disc {
    EFI_BOOT_SERVICES *services;
    EFI_BLOCK_IO_PROTOCOL *device;
    struct iso9660 volume;
};

/* Open the volume on the whole-disc device `handle`.  Returns NULL, or words. */
const char *disc_open(struct disc *disc, EFI_BOOT_SERVICES *services, EFI_HANDLE handle);

/* Read a whole file into pages below 4 GiB, which disc_pages_free() gives back.
 * Returns NULL, or words. */
const char *disc_read(struct disc *disc, const char *path, uint8_t **ret_data, size_t *ret_size);

/* Pages below 4 GiB for at least `size` bytes; NULL when there are none. */
uint8_t *disc_pages_allocate(EFI_BOOT_SERVICES *services, size_t size);

/* Give the pages of the first `size` bytes at `data` back. */
void disc_pages_free(EFI_BOOT_SERVICES *services, uint8_t *data, size_t size);

#endif
