/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "machine.h"

#include <stdarg.h>
#include <stdint.h>

#define COM1 0x3f8
#define DEBUG_EXIT 0xf4
#define LINE_STATUS 5
#define STATUS_HOLDING_EMPTY 0x20
#define STATUS_ALL_SENT 0x40
#define POLLS_MAX 1000000 /* then write anyway: a machine without the port must not hang */

static void
port_write(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static uint8_t
port_read(uint16_t port)
{
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static void
wait_for(uint8_t status)
{
    for (unsigned i = 0; i < POLLS_MAX; i++)
        if (port_read(COM1 + LINE_STATUS) & status)
            return;
}

void
machine_open(void)
{
    port_write(COM1 + 1, 0x00); /* no interrupts */
    port_write(COM1 + 3, 0x80); /* divisor latch */
    port_write(COM1 + 0, 1);
    port_write(COM1 + 1, 0);
    port_write(COM1 + 3, 0x03); /* 8N1 */
    port_write(COM1 + 2, 0x07); /* FIFO on and empty */
    port_write(COM1 + 4, 0x03); /* DTR, RTS */
}

static void
print_char(char c)
{
    if (c == '\n')
        print_char('\r');
    wait_for(STATUS_HOLDING_EMPTY);
    port_write(COM1, (uint8_t)c);
}

static void
print_text(const char *text)
{
    while (*text != '\0')
        print_char(*text++);
}

static void
print_decimal(unsigned value)
{
    char digits[11];
    char *at = digits + sizeof digits - 1;
    *at = '\0';
    do
        *--at = (char)('0' + value % 10);
    while ((value /= 10) != 0);
    print_text(at);
}

static void
print_hex(unsigned value)
{
    for (int shift = 28; shift >= 0; shift -= 4)
        print_char("0123456789abcdef"[value >> shift & 15]);
}

void
machine_print(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    for (; *format != '\0'; format++) {
        if (*format != '%') {
            print_char(*format);
            continue;
        }
        switch (*++format) {
        case 's':
            print_text(va_arg(arguments, const char *));
            break;
        case 'u':
            print_decimal(va_arg(arguments, unsigned));
            break;
        case 'x':
            print_hex(va_arg(arguments, unsigned));
            break;
        default:
            va_end(arguments);
            return;
        }
    }
    va_end(arguments);
}

void
machine_exit(enum machine_exit_code code)
{
    wait_for(STATUS_ALL_SENT);
    port_write(DEBUG_EXIT, (uint8_t)code);

    static const struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) no_interrupts = {0, 0};
    __asm__ volatile("lidt %0; int3" : : "m"(no_interrupts));
    for (;;)
        __asm__ volatile("cli; hlt");
}
