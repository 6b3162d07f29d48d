/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mboot.c: /EFI/BOOT/BOOTX64.EFI of the disc, which stands in for the real loader under
 * UEFI.  Reads the boot.cfg beside it and all files from the ISO 9660 volume. */
#include "disc.h"
#include "handoff.h"
#include "loader.h"
#include "machine.h"

#include <string.h>

#define CONFIG_PATH "/EFI/BOOT/BOOT.CFG"
#define EXIT_TRIES 4

static EFI_BOOT_SERVICES *services;
static struct disc disc;
static struct loader_boot boot;
static UINT8 memory_map[64 << 10];

static const char *
read_file(const char *path, uint8_t **ret_data, size_t *ret_size)
{
    return disc_read(&disc, path, ret_data, ret_size);
}

static uint8_t *
allocate(size_t size)
{
    return disc_pages_allocate(services, size);
}

static void
release(uint8_t *data, size_t size)
{
    disc_pages_free(services, data, size);
}

/* The firmware itself then keeps the kernel's place free of everything we allocate. */
static const char *
reserve_kernel(const struct multiboot_image *image)
{
    EFI_PHYSICAL_ADDRESS address = image->start & ~(EFI_PHYSICAL_ADDRESS)EFI_PAGE_MASK;
    UINTN pages = EFI_SIZE_TO_PAGES(image->start + image->size - address);
    if (EFI_ERROR(services->AllocatePages(AllocateAddress, EfiLoaderData, pages, &address)))
        return "the kernel's place in memory is not free";
    return NULL;
}

static void
open_disc(EFI_HANDLE self)
{
    EFI_GUID loaded_image = EFI_LOADED_IMAGE_PROTOCOL_GUID;
    void *protocol = NULL;
    if (EFI_ERROR(services->HandleProtocol(self, &loaded_image, &protocol)))
        loader_fail("mboot", "no loaded-image protocol");
    EFI_LOADED_IMAGE *image = protocol;
    const char *wrong = disc_open(&disc, services, image->DeviceHandle);
    if (wrong != NULL)
        loader_fail("mboot: the device it was loaded from", wrong);
}

static void
leave_boot_services(EFI_HANDLE self)
{
    for (int i = 0; i < EXIT_TRIES; i++) { /* the map's key is stale if a timer ran between */
        UINTN size = sizeof memory_map, key, descriptor_size;
        UINT32 version;
        EFI_STATUS status = services->GetMemoryMap(
            &size, (EFI_MEMORY_DESCRIPTOR *)(void *)memory_map, &key, &descriptor_size, &version);
        if (!EFI_ERROR(status) && !EFI_ERROR(services->ExitBootServices(self, key)))
            return;
    }
    loader_fail("handing over", "cannot leave boot services");
}

static void __attribute__((noreturn)) start(EFI_HANDLE self)
{
    size_t size = (size_t)(handoff_code_end - handoff_code);
    uint8_t *copy = allocate(size);
    if (copy == NULL)
        loader_fail("handing over", "not enough memory");
    memcpy(copy, handoff_code, size);

    leave_boot_services(self);
    memcpy((void *)(UINTN)boot.image.start, boot.kernel.data, boot.kernel.size);
    handoff_function *run = (handoff_function *)(UINTN)copy;
    run(boot.image.entry, (uint32_t)(UINTN)boot.info.data, copy);
    __builtin_unreachable();
}

EFI_STATUS
efi_main(EFI_HANDLE self, EFI_SYSTEM_TABLE *system)
{
    static const struct loader_platform platform = {
        .name = "uefi",
        .file_read = read_file,
        .file_release = release,
        .memory_allocate = allocate,
        .memory_release = release,
        .kernel_reserve = reserve_kernel,
    };
    services = system->BootServices;
    machine_open();
    open_disc(self);
    loader_prepare(&platform, CONFIG_PATH, &boot);
    start(self);
}
