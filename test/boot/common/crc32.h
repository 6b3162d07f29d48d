/* SPDX-License-Identifier: GPL-3.0-or-later */
/* crc32.h: the CRC of gzip and zlib (polynomial 0xEDB88320). */
#ifndef BOOT_CRC32_H
#define BOOT_CRC32_H

#include <stddef.h>
#include <stdint.h>

/* The CRC of `size` bytes that follow data whose CRC is `crc`; start with 0.
 * Builds its tables when first called, so not for several threads at once. */
uint32_t crc32_update(uint32_t crc, const void *data, size_t size);

#endif
