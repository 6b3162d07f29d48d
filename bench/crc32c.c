/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How fast the CRC32C of iSCSI's digests is, by itself, on one processor. */
#include "measure.h"

#include <isa-l.h>
#include <stdio.h>

#define LENGTH (256u << 10)
#define TIMES 20000

static const GOptionEntry entries[] = {{NULL}};

int
main(int argc, char **argv)
{
    measure_options(argc, argv, entries, "Measure CRC32C.");
    guint8 *data = g_malloc(LENGTH);
    for (guint i = 0; i < LENGTH; i++)
        data[i] = (guint8)(i * 31);
    guint64 begin = measure_now();
    guint32 crc = 0;
    for (guint i = 0; i < TIMES; i++) {
        data[i % LENGTH]++;
        crc ^= crc32_iscsi(data, (int)LENGTH, 0xffffffff);
    }
    double seconds = (double)(measure_now() - begin) / 1e9;
    printf("CRC32C of %u KiB at a time: %.1f GB/s (%08x)\n", LENGTH >> 10,
           (double)LENGTH * TIMES / seconds / 1e9, crc);
    g_free(data);
    return 0;
}
