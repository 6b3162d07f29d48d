#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Boot an ISO made with the boot fixture in QEMU and tell what its kernel was given.

    from boot_iso import boot_iso, expected_module
    result = boot_iso('out.iso', firmware='uefi')
    assert result.ok, result.report()
    assert result.modules[0] == expected_module('/k.b00', data)

As a command: boot_iso.py ISO [--firmware bios|uefi] [--memory MIB] [--timeout SECONDS]
"""
import argparse
import dataclasses
import gzip
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zlib

QEMU = 'qemu-system-x86_64'
OVMF_DIRECTORY = '/usr/share/OVMF'
OVMF_PAIRS = (('OVMF_CODE.fd', 'OVMF_VARS.fd'), ('OVMF_CODE_4M.fd', 'OVMF_VARS_4M.fd'))

# What the kernel and the loaders write to the isa-debug-exit device becomes 2 * n + 1.
EXIT_DONE = 2 * 0x10 + 1
EXIT_FAILED = 2 * 0x11 + 1

KERNEL = 'SLIPWAY-TEST-KERNEL'
LOADER = 'SLIPWAY-TEST-LOADER'


class BootSetupError(Exception):
    """The test machine lacks something that is needed to boot at all."""


@dataclasses.dataclass(frozen=True)
class Module:
    """One module as the kernel found it in memory, that is, expanded."""
    name: str   # the entry of boot.cfg: the path, and its options if any
    size: int
    crc32: int


@dataclasses.dataclass
class BootResult:
    firmware: str
    cmdline: str = None     # kernel path and kernelopt; None: the kernel never started
    modules: list = dataclasses.field(default_factory=list)
    loader: list = dataclasses.field(default_factory=list)  # such as 'uefi config=/EFI/...'
    errors: list = dataclasses.field(default_factory=list)  # what loaders or kernel complained of
    done: bool = False      # the kernel came to its end and had as many modules as it said
    timed_out: bool = False
    exit_status: int = None
    seconds: float = 0.0
    serial: str = ''
    qemu_messages: str = ''

    @property
    def ok(self):
        return self.done and not self.errors and self.exit_status == EXIT_DONE

    def report(self):
        """Words for a failed test, with all that came over the serial line."""
        state = 'done' if self.done else 'timed out' if self.timed_out else 'ended early'
        return (f'{self.firmware}: {state} after {self.seconds:.1f} s, QEMU exit status '
                f'{self.exit_status}, errors {self.errors}\n'
                f'--- serial ---\n{self.serial}\n--- qemu ---\n{self.qemu_messages}')


def expand_as_loader(data):
    """What the loaders make of a file: all its gzip members expanded, anything that follows
    them left out; a file that is no gzip file as it is."""
    if data[:2] != b'\x1f\x8b':
        return data
    expanded = b''
    while data[:2] == b'\x1f\x8b':
        member = zlib.decompressobj(wbits=31)
        expanded += member.decompress(data) + member.flush()
        if not member.eof:
            raise gzip.BadGzipFile('gzip member ends too early')
        data = member.unused_data
    return expanded


def expected_module(name, data):
    """The Module that must come out of the file contents `data` listed as `name`."""
    expanded = expand_as_loader(data)
    return Module(name, len(expanded), zlib.crc32(expanded))


def parse_serial(text, result):
    """Fill `result` from what came over the serial line."""
    result.serial = text
    for line in text.replace('\r', '\n').split('\n'):
        if match := re.search(KERNEL + r' cmdline: (.*)$', line):
            result.cmdline = match[1]
        elif match := re.search(r'^MODULE (\d+) (.*) size=(\d+) crc32=([0-9a-f]{8})$', line):
            if int(match[1]) != len(result.modules):
                result.errors.append(f'module number out of order: {line}')
            result.modules.append(Module(match[2], int(match[3]), int(match[4], 16)))
        elif match := re.search(KERNEL + r' done modules=(\d+)$', line):
            result.done = int(match[1]) == len(result.modules)
        elif match := re.search(f'({KERNEL}|{LOADER}) error: (.*)$', line):
            result.errors.append(match[2])
        elif match := re.search(LOADER + r' (.*)$', line):
            result.loader.append(match[1])


def find_ovmf():
    for code, variables in OVMF_PAIRS:
        paths = [os.path.join(OVMF_DIRECTORY, name) for name in (code, variables)]
        if all(map(os.path.exists, paths)):
            return paths
    raise BootSetupError(f'no OVMF firmware in {OVMF_DIRECTORY}: install the package ovmf')


def quote(path):
    """A file name as the value of a QEMU option."""
    return os.path.abspath(path).replace(',', ',,')


def qemu_command(iso_path, firmware, memory, directory):
    command = [
        QEMU, '-machine', 'pc', '-accel', 'tcg', '-m', str(memory), '-display', 'none',
        '-monitor', 'none', '-no-reboot', '-nic', 'none', '-boot', 'd',
        '-serial', 'file:' + os.path.join(directory, 'serial'),
        '-device', 'isa-debug-exit,iobase=0xf4,iosize=0x04',
        '-drive', 'if=ide,index=2,media=cdrom,readonly=on,format=raw,file=' + quote(iso_path),
    ]
    if firmware == 'uefi':
        code, variables = find_ovmf()
        own = shutil.copy(variables, os.path.join(directory, 'vars.fd'))
        command += [
            '-drive', 'if=pflash,unit=0,format=raw,readonly=on,file=' + quote(code),
            '-drive', 'if=pflash,unit=1,format=raw,file=' + quote(own),
        ]
    elif firmware != 'bios':
        raise ValueError(f'firmware is {firmware!r}, not bios or uefi')
    return command


def read_serial(directory):
    try:
        with open(os.path.join(directory, 'serial'), 'rb') as file:
            return file.read().decode('utf-8', 'replace')
    except FileNotFoundError:
        return ''


def boot_iso(iso_path, firmware='bios', memory=1024, timeout=120):
    """Boot the ISO and return a BootResult; see its `ok`, `errors` and `report()`.

    `memory` is in MiB, `timeout` in seconds.  Raises only when nothing can be booted here
    at all (BootSetupError) or the ISO cannot be read."""
    with open(iso_path, 'rb'):
        pass
    if shutil.which(QEMU) is None:
        raise BootSetupError(f'{QEMU} not found: install the package qemu-system-x86')

    result = BootResult(firmware)
    with tempfile.TemporaryDirectory(prefix='slipway-boot-') as directory:
        command = qemu_command(iso_path, firmware, memory, directory)
        started = time.monotonic()
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT) as qemu:
            try:
                messages, _ = qemu.communicate(timeout=timeout)
            except subprocess.TimeoutExpired:
                result.timed_out = True
                qemu.kill()
                messages, _ = qemu.communicate()
            except BaseException:
                qemu.kill()
                raise
        result.seconds = time.monotonic() - started
        result.exit_status = qemu.returncode
        result.qemu_messages = messages.decode('utf-8', 'replace')
        parse_serial(read_serial(directory), result)
    return result


def main():
    parser = argparse.ArgumentParser(description='Boot an ISO made with the boot fixture.')
    parser.add_argument('iso')
    parser.add_argument('--firmware', choices=('bios', 'uefi'), default='bios')
    parser.add_argument('--memory', type=int, default=1024, help='MiB')
    parser.add_argument('--timeout', type=float, default=120, help='seconds')
    arguments = parser.parse_args()
    try:
        result = boot_iso(arguments.iso, arguments.firmware, arguments.memory, arguments.timeout)
    except (BootSetupError, OSError) as error:
        sys.exit(f'boot_iso.py: {error}')
    if not result.ok:
        sys.exit(result.report())
    print(f'cmdline: {result.cmdline}')
    for number, module in enumerate(result.modules):
        print(f'{number} {module.name} size={module.size} crc32={module.crc32:08x}')
    print(f'{result.firmware}: {len(result.modules)} modules in {result.seconds:.1f} s')


if __name__ == '__main__':
    main()
