#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines that boot from a disk of an export: through QEMU's own initiator and client, and through
the firmware's (iPXE)."""
import os
import pathlib
import shutil
import subprocess
import unittest

from guest import boot_disk, machine
from served_case import SECRET, TARGET_SECRET, ServedCase
from store_case import MIB

SECONDS = 90
FIRMWARE = pathlib.Path('/usr/lib/ipxe/qemu/efi-virtio.rom')  # that of BIOS is in it too
ISCSI_MODULE = '/usr/lib/x86_64-linux-gnu/qemu/block-iscsi.so'


@unittest.skipIf(machine.missing(), machine.missing())
class BootCase(ServedCase):
    """A set of one disk that boots, and counts how often it did."""

    def setUp(self):
        super().setUp()
        self.disk = self.dir / 'disk.img'
        boot_disk.make(self.disk, 8 * MIB)
        self.set = self.backup(self.disk, name='app')['id']

    def boot(self, *options):
        """What is said on the serial line of a machine, which must end as the disk ends it."""
        command = [machine.QEMU, '-machine', 'pc,graphics=off', '-accel', 'tcg', '-m', '128',
                   '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot',
                   '-serial', 'stdio', '-device', 'isa-debug-exit,iobase=0xf4,iosize=0x04',
                   *map(str, options)]
        try:
            done = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False,
                                  stdin=subprocess.DEVNULL, cwd=self.dir)
        except subprocess.TimeoutExpired as error:
            self.fail(f'it does not boot within {SECONDS} s: {error.stdout}')
        text = done.stdout.decode(errors='replace')
        self.assertEqual(boot_disk.EXIT_DONE, done.returncode, f'{text}\n{done.stderr}')
        return text

    def check_boots(self, *options):
        """Twice: the second one sees what the first one wrote."""
        for number in (1, 2):
            self.assertIn(f'SLIPWAY-TEST-DISK boot {number}', self.boot(*options))

    def assert_unchanged(self):
        """The set still has the disk that never booted."""
        self.assert_restores(self.set, 'disk0', self.disk)


class DriveTest(BootCase):
    """The disk is a drive of the machine."""

    def drive(self, block, *more):
        """Options for a disk at a block device."""
        return ('-blockdev', f'{block},node-name=disk', '-device', 'virtio-blk-pci,drive=disk',
                *more)

    def test_disk_itself(self):
        """The image alone: what the others are held against."""
        copy = shutil.copy(self.disk, self.dir / 'copy.img')
        self.check_boots(*self.drive(f'driver=file,filename={copy}'))

    @unittest.skipUnless(os.path.exists(ISCSI_MODULE),
                         'QEMU has no iSCSI: install the package qemu-block-extra')
    def test_iscsi(self):
        """With CHAP, as a disk of libiscsi."""
        export = self.serve('app', *self.chap())
        options = ('driver=iscsi,transport=tcp,lun=0,user=reader,password-secret=chap,'
                   f'portal=127.0.0.1:{export.port},target={export.name}')
        self.check_boots('-object', f'secret,id=chap,file={self.bare_secret()}',
                         *self.drive(options))
        self.assertEqual(0, export.stop())
        self.assert_unchanged()

    def bare_secret(self):
        """Without the end of the line, which would be a part of it."""
        path = self.dir / 'bare-secret'
        path.write_text(SECRET)
        return path

    def test_nbd(self):
        """The same over NBD."""
        export = self.serve('app', '--nbd')
        self.check_boots(*self.drive('driver=nbd,server.type=inet,server.host=127.0.0.1,'
                                     f'server.port={export.port},export=disk0'))
        self.assertEqual(0, export.stop())
        self.assert_unchanged()


@unittest.skipUnless(FIRMWARE.exists(), f'there is no {FIRMWARE}: install the package ipxe-qemu')
class FirmwareTest(BootCase):
    """The machine has no disk; its network card has an initiator."""

    def boot_script(self, *lines):
        """Options for a machine whose card runs them."""
        folder = self.dir / 'tftp'
        folder.mkdir(exist_ok=True)
        (folder / 'boot.ipxe').write_text('\n'.join(('#!ipxe', *lines, '')))
        return ('-netdev', f'user,id=net,tftp={folder},bootfile=boot.ipxe',
                '-device', 'virtio-net-pci,netdev=net,bootindex=1')

    def check(self, export, *lines):
        """It boots from the first disk."""
        url = f'iscsi:{machine.HOST}::{export.port}:0:{export.name}'
        self.check_boots(*self.boot_script(*lines, f'sanboot {url} || poweroff'))
        self.assertEqual(0, export.stop())
        self.assert_unchanged()

    def test_chap(self):
        """One-way."""
        self.check(self.serve('app', *self.chap()), 'set username reader',
                   f'set password {SECRET}')

    def test_mutual(self):
        """And mutual."""
        self.check(self.serve('app', *self.chap(mutual=True)), 'set username reader',
                   f'set password {SECRET}', 'set reverse-username keeper',
                   f'set reverse-password {TARGET_SECRET}')

    def test_no_chap(self):
        """Without a secret."""
        self.check(self.serve('app', '--no-chap'))


if __name__ == '__main__':
    unittest.main()
