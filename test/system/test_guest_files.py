#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Single files of a backed-up disk: an export as files, a loop device on a partition of it, and a
file system mounted from there.

It needs root, /dev/fuse, loop devices and the file systems."""
import contextlib
import os
import pathlib
import shutil
import struct
import subprocess
import unittest

from file_tree import file_tree, write_tree
from served_case import ServedCase
from store_case import MIB

SECTOR = 512
BEHIND = b'behind a hole'


class Partition:
    """A place on the disk, with a file system of a kind."""

    def __init__(self, kind, start, size, code):
        self.kind, self.start, self.size, self.code = kind, start, size, code

    def entry(self):
        """Of the partition table."""
        return struct.pack('<B3xB3xII', 0, self.code, self.start // SECTOR, self.size // SECTOR)


def partition_table(partitions):
    """The first sector."""
    table = b''.join(partition.entry() for partition in partitions)
    return bytes(446) + table.ljust(64, b'\0') + b'\x55\xaa'


EXT4 = Partition('ext4', MIB, 24 * MIB, 0x83)
XFS = Partition('xfs', 32 * MIB, 304 * MIB, 0x83)  # mkfs.xfs makes no smaller ones
NTFS = Partition('ntfs', 340 * MIB, 24 * MIB, 0x07)
DISK_SIZE = 368 * MIB
MAKE = {
    'ext4': ('mkfs.ext4', '-q'),
    'xfs': ('mkfs.xfs', '-q'),
    'ntfs': ('mkntfs', '-q', '-F', '-Q'),
}
PACKAGES = {'ext4': 'e2fsprogs', 'xfs': 'xfsprogs', 'ntfs': 'ntfs-3g'}


@unittest.skipUnless(os.geteuid() == 0, 'mounting needs root')
@unittest.skipUnless(os.access('/dev/fuse', os.W_OK), 'there is no /dev/fuse that can be written')
class FilesTest(ServedCase):
    """A disk with three partitions, with a tree of files in each."""

    def setUp(self):
        super().setUp()
        self.mounted = self.dir / 'mounted'
        self.mounted.mkdir()
        self.disk = self.image('disk.img', DISK_SIZE, {0: partition_table((EXT4, XFS, NTFS))})

    # `how`: self.make, which skips the test where this cannot be done at all, or self.tool, which
    # fails it.

    @contextlib.contextmanager
    def loop(self, how, partition, disk, *options):
        """The partition as a block device."""
        said = how('losetup', '--find', '--show', '--offset', partition.start, '--sizelimit',
                   partition.size, *options, disk)
        device = said.decode().strip() if isinstance(said, bytes) else said
        try:
            yield device
        finally:
            subprocess.run(['losetup', '--detach', device], check=True)

    @contextlib.contextmanager
    def mount(self, how, kind, device, option):
        """Its file system, in self.mounted."""
        program = ('ntfs-3g',) if kind == 'ntfs' else ('mount', '-t', kind)
        how(*program, '-o', option, device, self.mounted)
        try:
            yield
        finally:
            subprocess.run(['umount', self.mounted], check=True)

    def fill(self, partition):
        """Make the file system, and put files into it: {name: bytes}."""
        if shutil.which(MAKE[partition.kind][0]) is None:
            self.skipTest(f'the package {PACKAGES[partition.kind]} is not installed')
        tree = file_tree(1)
        with self.loop(self.make, partition, self.disk) as device:
            self.make(*MAKE[partition.kind], device)
            with self.mount(self.make, partition.kind, device, 'rw'):
                write_tree(self.mounted, tree)
                (self.mounted / 'link').symlink_to('folder/random.bin')
                with open(self.mounted / 'sparse', 'wb') as file:
                    file.truncate(3 * MIB)
                    file.seek(2 * MIB)
                    file.write(BEHIND)
        sparse = (bytes(2 * MIB) + BEHIND).ljust(3 * MIB, b'\0')
        return tree | {'sparse': sparse, 'link': tree['folder/random.bin']}

    def found(self):
        """The files that are mounted."""
        files = {}
        for folder, folders, names in os.walk(self.mounted):
            if 'lost+found' in folders:
                folders.remove('lost+found')
            for name in names:
                path = pathlib.Path(folder, name)
                files[str(path.relative_to(self.mounted))] = path.read_bytes()
        return files

    def check(self, partition):
        """Back up, show as a file, mount, compare."""
        tree = self.fill(partition)
        self.backup(self.disk, name='app')
        folder = self.dir / 'exported'
        folder.mkdir()
        export = self.serve('app', '--fuse', folder)
        exported = folder / 'disk0.raw'
        self.assertEqual(DISK_SIZE, exported.stat().st_size)
        with self.loop(self.tool, partition, exported, '--read-only') as device, \
                self.mount(self.tool, partition.kind, device, 'ro'):
            self.assertEqual(tree, self.found())
            self.assertEqual('folder/random.bin', os.readlink(self.mounted / 'link'))
            with self.assertRaises(OSError):
                (self.mounted / 'new').write_bytes(b'')
        self.assertEqual(0, export.stop())
        self.assertEqual([], os.listdir(folder))

    def test_ext4(self):
        """The kernel's."""
        self.check(EXT4)

    def test_xfs(self):
        """The kernel's."""
        self.check(XFS)

    def test_ntfs(self):
        """ntfs-3g's."""
        self.check(NTFS)


if __name__ == '__main__':
    unittest.main()
