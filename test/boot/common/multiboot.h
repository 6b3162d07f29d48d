/* SPDX-License-Identifier: GPL-3.0-or-later */
/* multiboot.h: the Multiboot 1 contract between loader and kernel. */
#ifndef BOOT_MULTIBOOT_H
#define BOOT_MULTIBOOT_H

#include <stddef.h>
#include <stdint.h>

#define MULTIBOOT_HEADER_MAGIC 0x1badb002u
#define MULTIBOOT_LOADER_MAGIC 0x2badb002u /* in EAX when the kernel starts */
#define MULTIBOOT_HEADER_ALIGN_MODULES 0x1u
#define MULTIBOOT_INFO_CMDLINE 0x4u
#define MULTIBOOT_INFO_MODULES 0x8u
#define MULTIBOOT_PAGE_SIZE 4096u

/* What EBX points to when the kernel starts; fields behind these are not used here, but
 * the room for them is there and zero. */
struct multiboot_info {
    uint32_t flags;
    uint32_t mem_lower;
    uint32_t mem_upper;
    uint32_t boot_device;
    uint32_t cmdline;
    uint32_t modules_count;
    uint32_t modules;
    uint32_t unused[23];
};

struct multiboot_module {
    uint32_t start;
    uint32_t end; /* first byte behind the module */
    uint32_t string;
    uint32_t reserved;
};

/* Where an ELF kernel wants to lie in memory. */
struct multiboot_image {
    uint32_t start;
    uint32_t size;
    uint32_t entry;
};

/* Check that `file` is a 32-bit ELF program with a Multiboot header that asks for no
 * more than page-aligned modules, and say where it goes.  Returns NULL, or words. */
const char *multiboot_image_parse(const uint8_t *file, size_t file_size,
                                  struct multiboot_image *ret_image);

/* Write the kernel as it must look at `image->start` to `to`, which has room for
 * `image->size` bytes.  Only for a file that multiboot_image_parse() has passed. */
void multiboot_image_write(const uint8_t *file, const struct multiboot_image *image, uint8_t *to);

#endif
