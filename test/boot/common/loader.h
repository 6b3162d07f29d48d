/* SPDX-License-Identifier: GPL-3.0-or-later */
/* loader.h: what the BIOS and the UEFI loader have in common: read boot.cfg, load and
 * expand the kernel and its modules, and prepare the Multiboot information. */
#ifndef BOOT_LOADER_H
#define BOOT_LOADER_H

#include "config.h"
#include "multiboot.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loader_platform {
    const char *name;

    /* Read a whole file into memory that only lasts until file_release(); NULL, or words. */
    const char *(*file_read)(const char *path, uint8_t **ret_data, size_t *ret_size);
    void (*file_release)(uint8_t *data, size_t size);

    /* Page-aligned memory below 4 GiB, outside the kernel's range once that is reserved;
     * NULL when there is none.  What is not released goes to the kernel where it is. */
    uint8_t *(*memory_allocate)(size_t size);
    void (*memory_release)(uint8_t *data, size_t size);

    /* Keep the place of the kernel free from now on; NULL, or words. */
    const char *(*kernel_reserve)(const struct multiboot_image *image);
};

struct loader_block {
    uint8_t *data;
    size_t size;
};

/* All that a kernel needs, loaded.  The modules and the information lie where they stay;
 * the kernel still has to be moved to `image.start`. */
struct loader_boot {
    struct multiboot_image image;
    struct loader_block kernel;
    struct loader_block info;
    struct loader_block modules[CONFIG_MODULES_MAX];
    size_t modules_count;
};

/* Say on the serial port which loader this is and what it is going to do. */
void loader_announce(const char *name, const char *action, const char *path);

/* Print `SLIPWAY-TEST-LOADER error: <what>: <words>` and end the emulator. */
void loader_fail(const char *what, const char *words) __attribute__((noreturn));

/* Do all of `config_path`; does not return when anything is wrong. */
void loader_prepare(const struct loader_platform *platform, const char *config_path,
                    struct loader_boot *ret_boot);

#endif
