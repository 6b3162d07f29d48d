/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A guest of 512 bytes: a boot sector that ends QEMU with an exit status of its own.  When the
 * firmware got as far as to run it, the processor does what guests need. */
#include "base/error.h"
#include "engine/boot_machine.h"
#include "engine/boot_process.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define DEVICE "/dev/kvm"
#define SECTOR 512u
#define FLOPPY (1440u << 10)
#define PORT 0xf4
#define WRITTEN 0x2a
#define STATUS (2 * WRITTEN + 1) /* what isa-debug-exit makes of it */
#define WAIT_MS 10000

static int
make_floppy(void)
{
    static const guint8 code[] = {0xb0, WRITTEN, /* mov al, WRITTEN */
                                  0xe6, PORT,    /* out PORT, al */
                                  0xf4,          /* hlt */
                                  0xeb, 0xfd};   /* jmp back to hlt */
    guint8 sector[SECTOR] = {0};
    memcpy(sector, code, sizeof code);
    sector[SECTOR - 2] = 0x55;
    sector[SECTOR - 1] = 0xaa;
    int fd = memfd_create("slipway-probe", MFD_CLOEXEC), again = -1;
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);
    /* QEMU insists that a descriptor is for what it wants of it, which is reading. */
    if (fd >= 0 && write(fd, sector, sizeof sector) == sizeof sector && ftruncate(fd, FLOPPY) == 0)
        again = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0)
        close(fd);
    return again;
}

static char *
describe(struct boot_process *process)
{
    g_autofree char *words = boot_process_words(process);
    g_autofree char *end = NULL;
    if (words != NULL) {
        /* What follows its first words is for those who write QEMU. */
        words[strcspn(words, ";")] = '\0';
        return g_strdup_printf("a test guest does not run: %.200s", words);
    }
    if (!boot_process_wait(process, 0))
        return g_strdup("a test guest does not get anywhere");
    end = boot_process_end_words(process);
    return g_strdup_printf("QEMU with a test guest ended with %s", end);
}

gboolean
boot_kvm_works(const char *qemu, char **ret_why)
{
    *ret_why = NULL;
    if (access(DEVICE, R_OK | W_OK) != 0) { /* QEMU says the same, but not as clearly */
        *ret_why = g_strdup_printf(DEVICE ": %s", g_strerror(errno));
        return FALSE;
    }
    int floppy = make_floppy();
    g_autofree char *fdset = g_strdup_printf("fd=%d,set=1", BOOT_PROCESS_FD);
    const char *argv[] = {qemu,
                          "-nodefaults",
                          "-no-user-config",
                          "-machine",
                          "pc",
                          "-accel",
                          "kvm",
                          "-cpu",
                          "host",
                          "-m",
                          "64",
                          "-display",
                          "none",
                          "-no-reboot",
                          "-add-fd",
                          fdset,
                          "-drive",
                          "if=floppy,format=raw,readonly=on,file=/dev/fdset/1",
                          "-device",
                          "isa-debug-exit,iobase=0xf4,iosize=0x04",
                          NULL};
    auto_ptr(boot_process) process =
        floppy >= 0 ? boot_process_start(argv, &floppy, 1, TRUE, NULL) : NULL;
    gboolean works = process != NULL && boot_process_wait(process, WAIT_MS) &&
                     boot_process_status(process) == STATUS;
    if (!works)
        *ret_why = process != NULL ? describe(process) : g_strdup("QEMU cannot be started");
    if (floppy >= 0)
        close(floppy);
    return works;
}
