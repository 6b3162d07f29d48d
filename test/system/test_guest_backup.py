#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest that goes on writing while it is backed up through its QEMU, and knows what must be found."""
import hashlib
import socket
import unittest

from guest import machine
from store_case import KIB, MIB, StoreCase

# The same number into both disks, one after the other, each time on its way to the medium.
COUNT = '''
(number=0
while :; do
    number=$((number + 1))
    for disk in vda vdb; do
        printf '%4096d' $number | dd of=/dev/$disk bs=4k seek=2000 conv=notrunc,fsync 2>/dev/null
    done
    dd if=/dev/urandom of=/dev/vda bs=4k seek=$((number % 1000)) count=1 conv=notrunc 2>/dev/null
done) >/dev/null 2>&1 &
echo $! >/tmp/counter
'''
COUNTER = slice(2000 * 4 * KIB, 2001 * 4 * KIB)


@unittest.skipIf(machine.missing(), machine.missing())
class GuestBackupTest(StoreCase):
    """Disks vd0 (qcow2) and vd1 (raw), /dev/vda and /dev/vdb in the guest."""

    def setUp(self):
        super().setUp()
        self.init()
        self.qmp = self.dir / 'app01.qmp'
        options = ['-name', 'app01', '-qmp', f'unix:{self.qmp},server=on,wait=off']
        for number, kind in enumerate(('qcow2', 'raw')):
            path = self.dir / f'disk.{kind}'
            self.tool('qemu-img', 'create', '-q', '-f', kind, path, 32 * MIB)
            options += ['-blockdev', f'driver={kind},node-name=n{number},file.driver=file,'
                                     f'file.filename={path}',
                        '-device', f'virtio-blk-pci,id=vd{number},drive=n{number}']
        self.guest = machine.Guest(modules=('virtio_blk',), options=options)
        self.addCleanup(self.guest.close)

    def run_backup(self, **more):
        """What --json says of the machine."""
        return self.slipway('backup', 'run', f'qmp://{self.qmp}', **more).json['machines'][0]

    def contents(self, entry):
        """Of both disks, restored."""
        return [self.restore(entry['set']['id'], disk).read_bytes() for disk in ('vd0', 'vd1')]

    def status(self):
        """The machine's, as QEMU says, when the program has gone."""
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.settimeout(60)
            monitor.connect(str(self.qmp))
            lines = monitor.makefile('r', encoding='utf-8')
            lines.readline()
            monitor.sendall(b'{"execute": "qmp_capabilities"}{"execute": "query-status"}')
            while '"status"' not in (line := lines.readline()):
                pass
            lines.close()
            return line.split('"status": "')[1].split('"')[0]

    def test_one_moment_of_both_disks(self):
        """Full and incremental sets while it writes; each is of one moment, and the last, when it
        has come to rest, is what the guest itself reads."""
        self.guest.run(COUNT)
        last = 0
        for run in range(4):
            entry = self.run_backup()
            self.assertEqual(entry['set']['method'], 'extents' if run else 'full')
            first, second = (int(content[COUNTER].strip(b'\0') or b'0')
                             for content in self.contents(entry))
            self.assertIn(first - second, (0, 1))
            self.assertGreater(first, last)
            last = first
        self.guest.run('kill $(cat /tmp/counter); sync\n'
                       'dd if=/dev/urandom of=/dev/vdb bs=64k seek=300 count=20 conv=fsync 2>&1')
        entry = self.run_backup()
        self.assertTrue(all(disk['why_full'] is None for disk in entry['disks']))
        said = self.guest.run('sha256sum /dev/vda /dev/vdb').split()
        for content, digest in zip(self.contents(entry), (said[0], said[2]), strict=True):
            self.assertEqual(hashlib.sha256(content).hexdigest(), digest)

    def test_no_room_for_what_it_overwrites(self):
        """QEMU stops the guest when it cannot save what is overwritten.  It goes on afterwards, and
        has lost nothing."""
        self.guest.run('dd if=/dev/urandom of=/dev/vda bs=1M count=16 conv=fsync 2>&1')
        before = self.guest.run('sha256sum /dev/vda').split()[0]
        with self.small_place('2m') as place:
            child = self.start('backup', 'run', f'qmp://{self.qmp}', '--bandwidth-limit', '4M',
                               env={'TMPDIR': str(place)})
            self.wait_for(lambda: any(place.glob('slipway-*/nbd')))
            self.guest.begin('sleep 1; dd if=/dev/zero of=/dev/vda bs=1M seek=10 count=6 conv=fsync '
                             '2>&1; sha256sum /dev/vda')
            out, err = child.communicate(timeout=120)
            self.assertEqual(child.returncode, 0, err)
            self.assertIn(b'it was made to go on', err)
            self.assertEqual(list(place.iterdir()), [])
        self.assertEqual(self.status(), 'running')
        after = self.guest.finish().split()[-2]
        set_id = self.sets()[-1]['id']
        self.assertEqual(before,
                         hashlib.sha256(self.restore(set_id, 'vd0').read_bytes()).hexdigest())
        again = self.run_backup()
        self.assertEqual(hashlib.sha256(self.contents(again)[0]).hexdigest(), after)


if __name__ == '__main__':
    unittest.main()
