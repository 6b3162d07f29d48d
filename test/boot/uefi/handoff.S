/* SPDX-License-Identifier: GPL-3.0-or-later */
/* handoff.S: leave long mode and start a Multiboot kernel.
 * On entry: edi = the kernel's entry, esi = its information, rdx = where this code is. */

        .set    EFER, 0xc0000080
        .set    EFER_LONG_MODE, 0x100
        .set    CR0_PAGING, 0x80000000
        .set    CODE_SELECTOR, 8
        .set    DATA_SELECTOR, 16

        .section .rodata
        .globl  handoff_code, handoff_code_end
        .hidden handoff_code, handoff_code_end
        .balign 16
handoff_code:
        .code64
        cli
        cld
        leaq    (gdt - handoff_code)(%rdx), %rax
        movq    %rax, (gdt_base - handoff_code)(%rdx)
        lgdt    (gdt_limit - handoff_code)(%rdx)
        pushq   $CODE_SELECTOR
        leaq    (protected - handoff_code)(%rdx), %rax
        pushq   %rax
        lretq

        .code32
protected:
        movl    $DATA_SELECTOR, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %fs
        movl    %eax, %gs
        movl    %eax, %ss
        movl    %cr0, %eax
        andl    $~CR0_PAGING, %eax
        movl    %eax, %cr0
        movl    $EFER, %ecx
        rdmsr
        andl    $~EFER_LONG_MODE, %eax
        wrmsr
        xorl    %eax, %eax
        movl    %eax, %cr4
        movl    $0x2badb002, %eax
        movl    %esi, %ebx
        jmp     *%edi

        .balign 8
gdt:    .quad   0
        .quad   0x00cf9a000000ffff              /* code, 4 GiB */
        .quad   0x00cf92000000ffff              /* data, 4 GiB */
gdt_limit:
        .word   . - gdt - 1
gdt_base:
        .quad   0
handoff_code_end:

        .section .note.GNU-stack, "", @progbits
