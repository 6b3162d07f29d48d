/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "crc32.h"

#include <string.h>

#define POLYNOMIAL 0xedb88320u

/* Four tables, so that four bytes are taken at a time: half a gigabyte of modules
 * under an emulated processor would otherwise take most of a test's time. */
static uint32_t table[4][256];

static void
build(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t value = i;
        for (int bit = 0; bit < 8; bit++)
            value = value & 1 ? value >> 1 ^ POLYNOMIAL : value >> 1;
        table[0][i] = value;
    }
    for (int slice = 1; slice < 4; slice++)
        for (uint32_t i = 0; i < 256; i++)
            table[slice][i] = table[slice - 1][i] >> 8 ^ table[0][table[slice - 1][i] & 0xff];
}

uint32_t
crc32_update(uint32_t crc, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    if (table[0][1] == 0)
        build();

    crc = ~crc;
    for (; size >= 4; size -= 4, bytes += 4) {
        uint32_t word;
        memcpy(&word, bytes, sizeof word); /* little-endian, as all our machines are */
        crc ^= word;
        crc = table[3][crc & 0xff] ^ table[2][crc >> 8 & 0xff] ^ table[1][crc >> 16 & 0xff] ^
              table[0][crc >> 24];
    }
    for (; size > 0; size--)
        crc = crc >> 8 ^ table[0][(crc ^ *bytes++) & 0xff];
    return ~crc;
}
