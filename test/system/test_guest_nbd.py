#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exports over NBD, used by the client of the Linux kernel in a guest."""
import hashlib
import unittest

from guest_case import GuestCase
from store_case import KIB, MIB, noise


class NbdTest(GuestCase):
    """A set of two disks: data, and zeros."""

    def setUp(self):
        super().setUp()
        self.addCleanup(self.disconnect)
        self.system = self.image('system.img', 20 * MIB,
                                 {0: noise(1, 3 * MIB), 20 * MIB - 64 * KIB: noise(2, 64 * KIB)})
        self.spare = self.image('spare.img', 96 * MIB, {})
        self.set = self.backup(f'system={self.system}', f'spare={self.spare}', name='app')['id']

    def connect(self, export, disk, *options):
        """As /dev/nbd0."""
        words = ' '.join(options)
        self.guest.run(f'nbd-client 10.0.2.2 {export.port} /dev/nbd0 -N {disk} {words} 2>&1')

    def disconnect(self):
        """Also when a test failed."""
        if self.guest.good:
            self.guest.run('umount /mnt 2>/dev/null || true\n'
                           'nbd-client -d /dev/nbd0 >/dev/null 2>&1 || true')

    def test_disks(self):
        """Read whole; a file system made, written and trimmed; and all of it is thrown away."""
        export = self.serve('app', '--nbd')
        self.connect(export, 'system')
        self.assertEqual(hashlib.sha256(self.system.read_bytes()).hexdigest(),
                         self.guest.run('digest /dev/nbd0').strip())
        self.disconnect()
        self.connect(export, 'spare', '-C', '2')
        self.guest.run('mkfs.ext4 -q -F /dev/nbd0\nmount -t ext4 /dev/nbd0 /mnt\n'
                       'dd if=/dev/urandom of=/mnt/gone bs=1M count=20 2>/dev/null\n'
                       'dd if=/dev/urandom of=/mnt/stays bs=1M count=4 2>/dev/null\nsync')
        before = self.wait_until(export, lambda seen: seen['disks'][1]['written'] >= 24 * MIB)
        digest = self.guest.run('digest /mnt/stays')
        self.guest.run('rm /mnt/gone\nsync\nfstrim /mnt\numount /mnt')
        self.wait_until(export, lambda seen: seen['disks'][1]['written']
                        <= before['disks'][1]['written'] - 19 * MIB)
        self.disconnect()
        self.connect(export, 'spare')
        self.guest.run('e2fsck -fn /dev/nbd0 2>&1\nmount -t ext4 -o ro /dev/nbd0 /mnt')
        self.assertEqual(digest, self.guest.run('digest /mnt/stays'))
        self.disconnect()
        self.assertEqual(0, export.stop())
        self.assert_restores(self.set, 'system', self.system)
        self.assert_restores(self.set, 'spare', self.spare)

    def test_read_only(self):
        """The kernel knows that it is."""
        export = self.serve('app', '--nbd', '--read-only')
        self.connect(export, 'system')
        self.guest.run('test "$(cat /sys/block/nbd0/ro)" = 1\n'
                       'must_fail dd if=/dev/zero of=/dev/nbd0 bs=4k count=1 conv=fsync 2>&1')
        self.assertEqual(hashlib.sha256(self.system.read_bytes()).hexdigest(),
                         self.guest.run('digest /dev/nbd0').strip())

    def test_no_such_disk(self):
        """A name that is none is refused."""
        export = self.serve('app', '--nbd')
        self.guest.run(f'must_fail nbd-client 10.0.2.2 {export.port} /dev/nbd0 -N nodisk 2>&1')


if __name__ == '__main__':
    unittest.main()
