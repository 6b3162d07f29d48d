/* SPDX-License-Identifier: GPL-3.0-or-later */
/* isobounce.c: \EFI\BOOT\BOOTX64.EFI of efiboot.img.
 *
 * Firmware starts it from the El Torito image, which it sees as a small FAT volume.  It
 * goes from there to the whole disc and starts /EFI/BOOT/BOOTX64.EFI of the disc's own
 * ISO 9660 volume. */
#include "disc.h"
#include "loader.h"
#include "machine.h"

#include <string.h>

#define NEXT_PATH "/EFI/BOOT/BOOTX64.EFI"
#define NEXT_PATH_DEVICE L"\\EFI\\BOOT\\BOOTX64.EFI"
#define PATH_SIZE_MAX 1024

static struct disc disc;

/* The device path with which the next program is loaded: from it the firmware tells that
 * program which device it comes from. */
static union {
    EFI_DEVICE_PATH header;
    UINT8 bytes[PATH_SIZE_MAX];
} next_path;

static void *
get_protocol(EFI_BOOT_SERVICES *services, EFI_HANDLE handle, EFI_GUID guid, const char *name)
{
    void *protocol = NULL;
    if (EFI_ERROR(services->HandleProtocol(handle, &guid, &protocol)))
        loader_fail("isobounce", name);
    return protocol;
}

static size_t
node_size(const UINT8 *node)
{
    return node[2] | (size_t)node[3] << 8;
}

static bool
is_end(const UINT8 *node)
{
    return node[0] == END_DEVICE_PATH_TYPE;
}

static bool
is_cdrom(const UINT8 *node)
{
    return node[0] == MEDIA_DEVICE_PATH && node[1] == MEDIA_CDROM_DP;
}

static size_t
put_end(UINT8 *to)
{
    static const UINT8 end[] = {END_DEVICE_PATH_TYPE, END_ENTIRE_DEVICE_PATH_SUBTYPE, 4, 0};
    memcpy(to, end, sizeof end);
    return sizeof end;
}

/* Copy the device path up to the node that says "boot entry of a CD": what is before is
 * the disc.  Returns the length without an end node. */
static size_t
copy_disc_path(const UINT8 *path)
{
    size_t length = 0;
    for (const UINT8 *node = path; !is_cdrom(node); node += node_size(node)) {
        if (is_end(node))
            loader_fail("isobounce", "not started from a CD's boot entry");
        if (node_size(node) < 4 || length + node_size(node) > PATH_SIZE_MAX / 2)
            loader_fail("isobounce", "device path corrupt or too long");
        memcpy(next_path.bytes + length, node, node_size(node));
        length += node_size(node);
    }
    put_end(next_path.bytes + length);
    return length;
}

static void
append_file(size_t length)
{
    static const CHAR16 name[] = NEXT_PATH_DEVICE;
    size_t size = 4 + sizeof name;
    UINT8 *node = next_path.bytes + length;
    node[0] = MEDIA_DEVICE_PATH;
    node[1] = MEDIA_FILEPATH_DP;
    node[2] = (UINT8)size;
    node[3] = 0;
    memcpy(node + 4, name, sizeof name);
    put_end(node + size);
}

static EFI_HANDLE
find_disc(EFI_BOOT_SERVICES *services)
{
    EFI_GUID block_io = EFI_BLOCK_IO_PROTOCOL_GUID;
    EFI_DEVICE_PATH *rest = &next_path.header;
    EFI_HANDLE handle = NULL;
    if (EFI_ERROR(services->LocateDevicePath(&block_io, &rest, &handle)) ||
        !is_end((const UINT8 *)rest))
        loader_fail("isobounce", "no block device for the whole disc");
    return handle;
}

static void __attribute__((noreturn)) start_next(EFI_BOOT_SERVICES *services, EFI_HANDLE self)
{
    uint8_t *data;
    size_t size;
    const char *wrong = disc_read(&disc, NEXT_PATH, &data, &size);
    if (wrong != NULL)
        loader_fail(NEXT_PATH, wrong);

    EFI_HANDLE next = NULL;
    loader_announce("uefi-isobounce", "start", NEXT_PATH);
    if (EFI_ERROR(services->LoadImage(FALSE, self, &next_path.header, data, size, &next)))
        loader_fail(NEXT_PATH, "the firmware cannot load it");
    services->StartImage(next, NULL, NULL);
    loader_fail(NEXT_PATH, "came back or cannot be started");
}

EFI_STATUS
efi_main(EFI_HANDLE self, EFI_SYSTEM_TABLE *system)
{
    EFI_BOOT_SERVICES *services = system->BootServices;
    machine_open();
    EFI_LOADED_IMAGE *image = get_protocol(services, self, (EFI_GUID)EFI_LOADED_IMAGE_PROTOCOL_GUID,
                                           "no loaded-image protocol");
    const UINT8 *path =
        get_protocol(services, image->DeviceHandle, (EFI_GUID)EFI_DEVICE_PATH_PROTOCOL_GUID,
                     "the device it was loaded from has no path");
    size_t length = copy_disc_path(path);
    const char *wrong = disc_open(&disc, services, find_disc(services));
    if (wrong != NULL)
        loader_fail("isobounce: the disc", wrong);
    append_file(length);
    start_next(services, self);
}
