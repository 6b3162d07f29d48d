#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""`files ls` and `files get`: through libguestfs, whose machine runs Debian's kernel."""
import contextlib
import os
import pathlib
import shutil
import struct
import subprocess
import unittest

from guest import packages
from slipway_case import EXISTS, NOT_FOUND, UNSUPPORTED, USAGE
from store_case import MIB, StoreCase, noise

SECTOR = 512
EXT4, FAT, NTFS = (MIB, 24 * MIB, 0x83), (32 * MIB, 40 * MIB, 0x0c), (80 * MIB, 24 * MIB, 0x07)
SIZE = 112 * MIB
STRANGE = 'naïve "name" \\ with\ttab'


def partition_table(partitions):
    """The first sector."""
    table = b''.join(struct.pack('<B3xB3xII', 0, code, start // SECTOR, size // SECTOR)
                     for start, size, code in partitions)
    return bytes(446) + table.ljust(64, b'\0') + b'\x55\xaa'


def supermin(folder):
    """What tells libguestfs which kernel to take: one that is not installed."""
    image, modules = packages.kernel()
    root = packages.cache() / 'supermin'
    with packages.only_one(packages.cache()):
        if not root.exists():
            copy = root.with_suffix('.new')
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(modules, copy / 'lib/modules' / modules.name, symlinks=True)
            subprocess.run(['/sbin/depmod', '-b', str(copy), modules.name], check=True)
            copy.rename(root)
    pathlib.Path('/lib/modules').mkdir(exist_ok=True)
    return {'SUPERMIN_KERNEL': str(image), 'SUPERMIN_KERNEL_VERSION': modules.name,
            'SUPERMIN_MODULES': str(root / 'lib/modules' / modules.name),
            'LIBGUESTFS_CACHEDIR': str(folder), 'TMPDIR': str(folder)}


class NoFilesTest(StoreCase):
    """Where it is not installed."""

    def test_missing(self):
        """A word which package has it."""
        self.init()
        self.backup(self.image('disk.img', 4 * MIB, {0: noise(1, MIB)}))
        tools = self.dir / 'bin'
        tools.mkdir()
        self.fails(UNSUPPORTED, 'files', 'ls', 'm', 'disk0', env={'PATH': str(tools)},
                   words=['libguestfs-tools'])

    def command(self, *arguments, trust=None):
        words = list(map(str, arguments))
        return super().command(*words, *(['--store', self.store] if words[0] == 'files' else []),
                               trust=trust)


@unittest.skipUnless(os.geteuid() == 0, 'the kernel of libguestfs\' machine is placed by root')
class FilesTest(NoFilesTest):
    """A disk with partitions of several kinds."""

    test_missing = None
    timeout = 500  # each run boots an emulated machine

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.cache = packages.cache() / 'guestfs'
        cls.cache.mkdir(exist_ok=True)

    def setUp(self):
        super().setUp()
        self.init()
        self.tree = self.dir / 'tree'
        (self.tree / 'etc/sub').mkdir(parents=True)
        (self.tree / 'etc/hosts').write_bytes(b'127.0.0.1 localhost\n')
        (self.tree / 'etc/sub/large').write_bytes(noise(1, MIB))
        (self.tree / 'etc' / STRANGE).write_bytes(b'strange\n')
        (self.tree / 'etc/link').symlink_to('hosts')
        os.utime(self.tree / 'etc/hosts', (1700000000, 1700000000))

    def environment(self):
        return super().environment() | supermin(self.cache)

    def partition(self, disk, place, fill):
        """Make a file system by itself, and put it in its place."""
        start, size, _ = place
        part = self.dir / 'part.img'
        with open(part, 'wb') as file:
            file.truncate(size)
        fill(part)
        with open(disk, 'r+b') as file:
            file.seek(start)
            file.write(part.read_bytes())
        part.unlink()

    def tool(self, *command):
        """Somebody else's program."""
        subprocess.run(list(map(str, command)), check=True, capture_output=True)

    def make_disk(self, *places):
        """With these partitions."""
        disk = self.image('disk.img', SIZE, {0: partition_table(places)})
        fills = {
            EXT4: lambda part: self.tool('mkfs.ext4', '-q', '-L', 'data', '-d', self.tree, part),
            FAT: lambda part: (self.tool('mkfs.vfat', '-F', '32', part),
                               self.tool('mcopy', '-i', part, self.tree / 'etc/hosts',
                                         '::hosts.txt')),
            NTFS: lambda part: (self.tool('mkntfs', '-q', '-F', '-Q', part),
                                self.tool('ntfscp', '-f', part, self.tree / 'etc/sub/large',
                                          'large.bin')),
        }
        for place in places:
            self.partition(disk, place, fills[place])
        return disk

    @contextlib.contextmanager
    def folder(self):
        """To copy into."""
        place = self.dir / 'out'
        place.mkdir()
        yield place
        shutil.rmtree(place)

    def test_kinds(self):
        """ext4, FAT and NTFS, each by its device."""
        self.backup(self.make_disk(EXT4, FAT, NTFS))
        found = {system['device']: system for system in
                 self.slipway('files', 'ls', 'm', 'disk0').json['file_systems']}
        self.assertEqual({'sda1': 'ext4', 'sda2': 'vfat', 'sda3': 'ntfs'},
                         {device: system['kind'] for device, system in found.items()})
        self.assertEqual(('data', EXT4[1]), (found['sda1']['label'], found['sda1']['size']))
        self.fails(USAGE, 'files', 'ls', 'm', 'disk0', '/', words=['sda1', 'sda2', 'sda3'])
        with self.folder() as out:
            self.slipway('files', 'get', 'm', 'disk0', 'sda1:/etc', 'sda2:/hosts.txt',
                         'sda3:/large.bin', '--into', out)
            self.assertEqual(noise(1, MIB), (out / 'large.bin').read_bytes())
            self.assertEqual(b'127.0.0.1 localhost\n', (out / 'hosts.txt').read_bytes())
            self.assertEqual(noise(1, MIB), (out / 'etc/sub/large').read_bytes())
            self.assertEqual(b'strange\n', (out / 'etc' / STRANGE).read_bytes())
            self.assertEqual('hosts', os.readlink(out / 'etc/link'))
            self.assertEqual(1700000000, (out / 'etc/hosts').stat().st_mtime)

    def test_volume(self):
        """XFS on a logical volume."""
        disk = self.dir / 'lvm.img'
        script = (f'sparse {disk} 400M\nrun\npart-init /dev/sda gpt\n'
                  'part-add /dev/sda p 2048 -2048\npvcreate /dev/sda1\nvgcreate vg0 /dev/sda1\n'
                  'lvcreate data vg0 340\nmkfs xfs /dev/vg0/data\nmount /dev/vg0/data /\n'
                  f'mkdir /etc\nupload {self.tree}/etc/sub/large /etc/large\numount-all\n')
        subprocess.run(['guestfish'], input=script.encode(), check=True, timeout=self.timeout,
                       env=os.environ | self.environment() | {
                           'LIBGUESTFS_BACKEND': 'direct',
                           'LIBGUESTFS_BACKEND_SETTINGS': 'force_tcg'})
        self.backup(disk)
        found = self.slipway('files', 'ls', 'm', 'disk0').json['file_systems']
        self.assertIn(('vg0/data', 'xfs'),
                      [(system['device'], system['kind']) for system in found])
        with self.folder() as out:
            self.slipway('files', 'get', 'm', 'disk0', 'vg0/data:/etc/large', '--into', out)
            self.assertEqual(noise(1, MIB), (out / 'large').read_bytes())

    def test_one(self):
        """One file system: paths without a device; what is not there, and what is there already."""
        self.backup(self.make_disk(EXT4))
        listed = {file['name']: file for file in
                  self.slipway('files', 'ls', 'm', 'disk0', '/etc').json['files']}
        self.assertEqual({'hosts', 'sub', 'link', STRANGE}, set(listed))
        self.assertEqual((20, 1700000000, '-rw'),
                         (listed['hosts']['size'], listed['hosts']['changed'],
                          listed['hosts']['mode'][:3]))
        self.assertEqual('d', listed['sub']['mode'][0])
        self.fails(NOT_FOUND, 'files', 'get', 'm', 'disk0', '/nothing', words=['/nothing'])
        with self.folder() as out:
            (out / 'hosts').write_bytes(b'mine')
            self.fails(EXISTS, 'files', 'get', 'm', 'disk0', '/etc/hosts', '--into', out)
            self.assertEqual(b'mine', (out / 'hosts').read_bytes())


if __name__ == '__main__':
    unittest.main()
