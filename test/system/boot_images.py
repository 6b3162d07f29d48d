# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks that boot in a moment: a boot sector of a few instructions, and nothing else."""
import functools
import pathlib
import subprocess
import tempfile

SECTOR = 512
DISK = 8 << 20

BEGIN = '''
    .code16
    .globl _start
_start:
    xorw %ax, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movw $0x7c00, %sp
'''
END = '''
9:  hlt
    jmp 9b
    .org 510
    .word 0xaa55
'''
# The string that %si points to, to the first serial port.
SEND = '''
1:  lodsb
    testb %al, %al
    jz 2f
    movw $0x3f8, %dx
    outb %al, %dx
    jmp 1b
2:
'''
# A picture of 256 colours.
PICTURE = '''
    movw $0x13, %ax
    int $0x10
    movw $0xa000, %ax
    movw %ax, %es
    xorw %di, %di
    movw $64000, %cx
1:  movw %di, %ax
    stosb
    loop 1b
    movw %cx, %es
'''
BLANK = '''
    movw $0x13, %ax
    int $0x10
'''
# Let it go on in the picture for ever.
RESTLESS = '''
    movw $0xa000, %ax
    movw %ax, %es
1:  movw $64000, %cx
    xorw %di, %di
    incb %bl
2:  movb %bl, %al
    addw %di, %ax
    stosb
    loop 2b
    jmp 1b
'''
# One more in the first byte of the second sector; the first disk is 0x80.
COUNT = '''
    movw $0x8000, %bx
    movw $0x0201, %ax
    movw $0x0002, %cx
    movw $0x0080, %dx
    int $0x13
    incb 0x8000
    movw $0x0301, %ax
    movw $0x0002, %cx
    movw $0x0080, %dx
    int $0x13
'''
# What the first sector of the second disk says.
SECOND = '''
    movw $0x8000, %bx
    movw $0x0201, %ax
    movw $0x0001, %cx
    movw $0x0081, %dx
    int $0x13
    movw $0x8000, %si
''' + SEND
# By ACPI's registers, where QEMU's machines have them.
POWER_OFF = '''
    movw $0x604, %dx
    movw $0x2000, %ax
    outw %ax, %dx
'''
RESET = '''
    movb $0xfe, %al
    outb %al, $0x64
'''


def say(text):
    """A text to the first serial port."""
    return f'''
    jmp 3f
0:  .asciz "{text}"
3:  movw $0b, %si
''' + SEND


@functools.cache
def sector(*parts):
    """512 bytes that do this."""
    source = BEGIN + ''.join(parts) + END
    with tempfile.TemporaryDirectory(prefix='slipway-boot-sector-') as directory:
        work = pathlib.Path(directory)
        subprocess.run(['as', '--32', '-o', work / 'sector.o'], input=source.encode(), check=True)
        subprocess.run(['ld', '-m', 'elf_i386', '--oformat', 'binary', '-Ttext', '0x7c00', '-o',
                        work / 'sector', work / 'sector.o'], check=True)
        data = (work / 'sector').read_bytes()
    assert len(data) == SECTOR
    return data
