/* SPDX-License-Identifier: GPL-3.0-or-later */
/* iso9660.h: find and read files of a plain ISO 9660 volume.
 *
 * Names are compared without regard to case and to the version (`;1`).  Joliet and
 * Rock Ridge are not looked at, as the loader that we stand in for does not either. */
#ifndef BOOT_ISO9660_H
#define BOOT_ISO9660_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ISO9660_BLOCK_SIZE 2048

/* Read `count` blocks of 2048 bytes from block `block`; false when that fails. */
typedef bool (*iso9660_read_blocks)(void *opaque, uint32_t block, uint32_t count, void *data);

struct iso9660_file {
    uint32_t block;
    uint32_t size;
    bool directory;
};

struct iso9660 {
    uint8_t block[ISO9660_BLOCK_SIZE] __attribute__((aligned(4096))); /* firmware may insist */
    iso9660_read_blocks read_blocks;
    void *opaque;
    struct iso9660_file root;
};

/* Open the volume behind `read_blocks`.  Returns NULL, or words. */
const char *iso9660_open(struct iso9660 *volume, iso9660_read_blocks read_blocks, void *opaque);

/* Find the file or directory of an absolute path such as /efi/boot/boot.cfg.
 * Returns NULL, or words. */
const char *iso9660_find(struct iso9660 *volume, const char *path, struct iso9660_file *ret_file);

/* Read a whole file; `data` must have room for its size rounded up to whole blocks.
 * Returns NULL, or words. */
const char *iso9660_read(struct iso9660 *volume, const struct iso9660_file *file, void *data);

#endif
