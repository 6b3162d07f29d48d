/* SPDX-License-Identifier: GPL-3.0-or-later */
/* com32.h: the few functions of SYSLINUX 6's COM32 interface that the BIOS loader calls.
 *
 * Debian has no development package for it.  The functions come from ldlinux.c32,
 * libcom32.c32 and the core at run time; they are compiled with -mregparm=3, so this
 * loader must be too. */
#ifndef BOOT_COM32_H
#define BOOT_COM32_H

#include <stddef.h>
#include <stdint.h>

#define SYSLINUX_MEMORY_FREE 1

struct syslinux_movelist;
struct syslinux_memmap;

/* The registers with which a 32-bit kernel starts. */
struct syslinux_pm_regs {
    uint32_t eax, ecx, edx, ebx;
    uint32_t esp, ebp, esi, edi;
    uint32_t eip;
};

void *malloc(size_t size);
void free(void *memory);

/* Read a whole file into malloc()ed memory; not 0 on failure. */
int loadfile(const char *path, void **data, size_t *size);

struct syslinux_memmap *syslinux_memory_map(void);
int syslinux_memmap_type(struct syslinux_memmap *map, uint32_t start, uint32_t size);
int syslinux_add_movelist(struct syslinux_movelist **list, uint32_t to, uint32_t from,
                          uint32_t size);

/* Move everything to its place and jump; only returns on failure. */
int syslinux_shuffle_boot_pm(struct syslinux_movelist *list, struct syslinux_memmap *map,
                             uint16_t flags, struct syslinux_pm_regs *registers);

#endif
