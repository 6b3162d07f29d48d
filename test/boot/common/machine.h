/* SPDX-License-Identifier: GPL-3.0-or-later */
/* machine.h: the first serial port and the way out of the emulator. */
#ifndef BOOT_MACHINE_H
#define BOOT_MACHINE_H

/* What is written to QEMU's isa-debug-exit device; QEMU then exits with 2 * value + 1. */
enum machine_exit_code {
    MACHINE_EXIT_DONE = 0x10,
    MACHINE_EXIT_FAILED = 0x11,
};

/* Set COM1 to 115200 8N1, polled. */
void machine_open(void);

/* Write formatted text to COM1.  Knows %s, %u (unsigned int, decimal) and %x (unsigned
 * int, always 8 hexadecimal digits), and nothing else.  A newline becomes CR LF. */
void machine_print(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* End the emulator at once: by the debug exit device at port 0xf4 if there is one, else
 * by a triple fault, which ends a QEMU started with -no-reboot. */
void machine_exit(enum machine_exit_code code) __attribute__((noreturn));

#endif
