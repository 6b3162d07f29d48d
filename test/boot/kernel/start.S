/* SPDX-License-Identifier: GPL-3.0-or-later */
/* start.S: the Multiboot header and the first instructions of the kernel.
 * On entry: 32-bit protected mode, paging off, EAX = magic, EBX = information. */

        .set    MAGIC, 0x1badb002
        .set    FLAGS, 0x00000001               /* modules on page boundaries */

        .section .multiboot, "a"
        .balign 4
        .long   MAGIC
        .long   FLAGS
        .long   -(MAGIC + FLAGS)

        .section .text
        .globl  _start
_start:
        cli
        cld
        movl    $stack_top, %esp
        xorl    %ebp, %ebp
        subl    $8, %esp                        /* keep the stack on 16 bytes at the call */
        pushl   %ebx
        pushl   %eax
        call    kernel_main
1:      hlt
        jmp     1b

        .section .bss
        .balign 16
stack:
        .skip   16384
stack_top:

        .section .note.GNU-stack, "", @progbits
