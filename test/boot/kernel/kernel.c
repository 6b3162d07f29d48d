/* SPDX-License-Identifier: GPL-3.0-or-later */
/* kernel.c: a kernel that does nothing but tell what it was given.
 *
 * It prints its command line and, of each module, name, size and CRC32 as it lies in
 * memory, to the first serial port; then it ends the emulator. */
#include "crc32.h"
#include "machine.h"
#include "multiboot.h"

#define NAME "SLIPWAY-TEST-KERNEL"

void kernel_main(uint32_t magic, const struct multiboot_info *info);

static const void *
at_address(uint32_t address)
{
    return (const void *)(uintptr_t)address;
}

static void __attribute__((noreturn)) fail(const char *words, unsigned value)
{
    machine_print(NAME " error: %s %x\n", words, value);
    machine_exit(MACHINE_EXIT_FAILED);
}

static void
report_module(unsigned number, const struct multiboot_module *module)
{
    const char *name = at_address(module->string);
    if (module->end < module->start)
        fail("module ends before it starts at", module->start);
    if (module->start % MULTIBOOT_PAGE_SIZE != 0)
        fail("module not on a page boundary at", module->start);
    unsigned size = module->end - module->start;
    machine_print("MODULE %u %s size=%u crc32=%x\n", number, name, size,
                  crc32_update(0, at_address(module->start), size));
}

void
kernel_main(uint32_t magic, const struct multiboot_info *info)
{
    machine_open();
    machine_print("\n");
    if (magic != MULTIBOOT_LOADER_MAGIC)
        fail("not started by a Multiboot loader, magic", magic);
    machine_print(NAME " cmdline: %s\n", info->flags & MULTIBOOT_INFO_CMDLINE
                                             ? (const char *)at_address(info->cmdline)
                                             : "");

    unsigned count = info->flags & MULTIBOOT_INFO_MODULES ? info->modules_count : 0;
    const struct multiboot_module *modules = at_address(info->modules);
    for (unsigned i = 0; i < count; i++)
        report_module(i, &modules[i]);
    machine_print(NAME " done modules=%u\n", count);
    machine_exit(MACHINE_EXIT_DONE);
}
