/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "disc.h"

#define LOW_MEMORY_LAST 0xffffffffu

uint8_t *
disc_pages_allocate(EFI_BOOT_SERVICES *services, size_t size)
{
    EFI_PHYSICAL_ADDRESS address = LOW_MEMORY_LAST;
    UINTN pages = EFI_SIZE_TO_PAGES(size > 0 ? size : 1);
    /* As code, because the hand-over code is run in such pages. */
    if (EFI_ERROR(services->AllocatePages(AllocateMaxAddress, EfiLoaderCode, pages, &address)))
        return NULL;
    return (uint8_t *)(UINTN)address;
}

void
disc_pages_free(EFI_BOOT_SERVICES *services, uint8_t *data, size_t size)
{
    services->FreePages((EFI_PHYSICAL_ADDRESS)(UINTN)data, EFI_SIZE_TO_PAGES(size > 0 ? size : 1));
}

static bool
read_blocks(void *opaque, uint32_t block, uint32_t count, void *data)
{
    EFI_BLOCK_IO_PROTOCOL *device = opaque;
    EFI_STATUS status = device->ReadBlocks(device, device->Media->MediaId, block,
                                           (UINTN)count * ISO9660_BLOCK_SIZE, data);
    return !EFI_ERROR(status);
}

const char *
disc_open(struct disc *disc, EFI_BOOT_SERVICES *services, EFI_HANDLE handle)
{
    EFI_GUID block_io = EFI_BLOCK_IO_PROTOCOL_GUID;
    void *device = NULL;
    disc->services = services;
    if (EFI_ERROR(services->HandleProtocol(handle, &block_io, &device)))
        return "not a block device";
    disc->device = device;
    if (disc->device->Media->BlockSize != ISO9660_BLOCK_SIZE)
        return "not a device with blocks of 2048 bytes";
    return iso9660_open(&disc->volume, read_blocks, device);
}

const char *
disc_read(struct disc *disc, const char *path, uint8_t **ret_data, size_t *ret_size)
{
    struct iso9660_file file;
    const char *wrong = iso9660_find(&disc->volume, path, &file);
    if (wrong != NULL)
        return wrong;
    if (file.directory)
        return "is a directory";
    uint8_t *data = disc_pages_allocate(disc->services, file.size);
    if (data == NULL)
        return "not enough memory to read it";
    wrong = iso9660_read(&disc->volume, &file, data);
    if (wrong != NULL) {
        disc_pages_free(disc->services, data, file.size);
        return wrong;
    }
    *ret_data = data;
    *ret_size = file.size;
    return NULL;
}
