/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A disk that boots under BIOS, and says so on the first serial line:
 *
 *   SLIPWAY-TEST-DISK boot 1
 *
 * The text comes from block 2048, far from the boot block, and the number in it is counted up and
 * written back before it is told: so the disk was read and written.  QEMU then ends with status 33,
 * or with 35 after "SLIPWAY-TEST-DISK error". */

.code16
.text
.globl _start

.set BUFFER, 0x8000
.set BLOCK, 2048
.set COUNT, 23 /* offset of the digit in the text */

_start:
    ljmp $0, $1f
1:
    cli
    xor %ax, %ax
    mov %ax, %ds
    mov %ax, %es
    mov %ax, %ss
    mov $0x7c00, %sp
    sti
    cld
    mov %dl, drive

    mov $0x4200, %ax /* read */
    call transfer
    incb BUFFER + COUNT
    mov $0x4300, %ax /* write */
    call transfer
    movw $0, BUFFER /* what is told is what was written */
    mov $0x4200, %ax
    call transfer

    mov $BUFFER, %si
    call print
    mov $0x10, %al
    jmp end

failed:
    mov $words, %si
    call print
    mov $0x11, %al
end:
    outb %al, $0xf4
    hlt
    jmp end

/* AX: what to do with the block. */
transfer:
    mov drive, %dl
    mov $packet, %si
    int $0x13
    jc failed
    ret

/* SI: text that ends with zero. */
print:
    lodsb
    test %al, %al
    jz 2f
    mov %al, %ah
    mov $0x3fd, %dx
1:  inb %dx, %al
    test $0x20, %al
    jz 1b
    mov $0x3f8, %dx
    mov %ah, %al
    outb %al, %dx
    jmp print
2:  ret

packet:
    .byte 16, 0
    .word 1
    .word BUFFER, 0
    .quad BLOCK
drive:
    .byte 0
words:
    .asciz "SLIPWAY-TEST-DISK error\r\n"

    .org 510
    .word 0xaa55
    .org BLOCK * 512
    .asciz "SLIPWAY-TEST-DISK boot 0\r\n"
    .org (BLOCK + 1) * 512
