/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mboot.c: MBOOT.C32, a COM32 module for ISOLINUX 6 that stands in for the real loader
 * under BIOS: `mboot.c32 -c boot.cfg [-p PARTITION]`. */
#include "com32.h"
#include "loader.h"
#include "machine.h"

#include <string.h>

static struct multiboot_image reserved; /* nothing as long as its size is 0 */
static struct loader_boot boot;

/* The only symbol that SYSLINUX looks for in the module. */
int main(int argc, char **argv) __attribute__((visibility("default")));

static bool
overlaps_kernel(uintptr_t start, size_t size)
{
    return reserved.size != 0 && start < reserved.start + reserved.size &&
           start + size > reserved.start;
}

/* Round up to a page, leaving room below for the pointer that malloc() gave. */
static uint8_t *
align_block(void *raw)
{
    uintptr_t page = MULTIBOOT_PAGE_SIZE;
    uintptr_t start = ((uintptr_t)raw + sizeof raw + page - 1) & ~(page - 1);
    ((void **)start)[-1] = raw;
    return (uint8_t *)start;
}

/* Modules stay where they are first put, so a block in the kernel's place will not do:
 * it is kept so that malloc() finds another, and freed when it has. */
static uint8_t *
allocate(size_t size)
{
    if (size > SIZE_MAX - 2 * MULTIBOOT_PAGE_SIZE)
        return NULL;
    void *raw = malloc(size + 2 * MULTIBOOT_PAGE_SIZE);
    if (raw == NULL)
        return NULL;
    uint8_t *block = align_block(raw);
    if (!overlaps_kernel((uintptr_t)block, size))
        return block;
    uint8_t *other = allocate(size);
    free(raw);
    return other;
}

static void
release(uint8_t *data, size_t size)
{
    (void)size;
    free(((void **)(void *)data)[-1]);
}

static const char *
read_file(const char *path, uint8_t **ret_data, size_t *ret_size)
{
    void *data;
    if (loadfile(path, &data, ret_size) != 0)
        return "cannot read the file";
    *ret_data = data;
    return NULL;
}

static void
release_file(uint8_t *data, size_t size)
{
    (void)size;
    free(data);
}

static const char *
reserve_kernel(const struct multiboot_image *image)
{
    struct syslinux_memmap *map = syslinux_memory_map();
    if (map == NULL)
        return "no memory map";
    if (syslinux_memmap_type(map, image->start, image->size) != SYSLINUX_MEMORY_FREE)
        return "the kernel's place in memory is not free";
    reserved = *image;
    return NULL;
}

static void
move(struct syslinux_movelist **list, uint32_t to, const struct loader_block *block)
{
    if (block->size != 0 &&
        syslinux_add_movelist(list, to, (uint32_t)(uintptr_t)block->data, block->size) != 0)
        loader_fail("handing over", "not enough memory for the list of moves");
}

static void __attribute__((noreturn)) start(void)
{
    struct syslinux_memmap *map = syslinux_memory_map();
    struct syslinux_movelist *list = NULL;
    if (map == NULL)
        loader_fail("handing over", "no memory map");

    move(&list, boot.image.start, &boot.kernel);
    move(&list, (uint32_t)(uintptr_t)boot.info.data, &boot.info);
    for (size_t i = 0; i < boot.modules_count; i++)
        move(&list, (uint32_t)(uintptr_t)boot.modules[i].data, &boot.modules[i]);

    struct syslinux_pm_regs registers = {
        .eax = MULTIBOOT_LOADER_MAGIC,
        .ebx = (uint32_t)(uintptr_t)boot.info.data,
        .eip = boot.image.entry,
    };
    syslinux_shuffle_boot_pm(list, map, 0, &registers);
    loader_fail("handing over", "SYSLINUX could not move everything to its place");
}

/* The path given by -c; -p and its number are allowed and mean nothing on a disc. */
static const char *
parse_arguments(int argc, char **argv)
{
    const char *path = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-c") == 0 && i + 1 < argc)
            path = argv[++i];
        else if (strcmp(argv[i], "-p") == 0 && i + 1 < argc)
            i++;
        else
            loader_fail(argv[i], "argument not understood");
    }
    return path != NULL ? path : "boot.cfg";
}

int
main(int argc, char **argv)
{
    static const struct loader_platform platform = {
        .name = "bios",
        .file_read = read_file,
        .file_release = release_file,
        .memory_allocate = allocate,
        .memory_release = release,
        .kernel_reserve = reserve_kernel,
    };
    machine_open();
    loader_prepare(&platform, parse_arguments(argc, argv), &boot);
    start();
}
