#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""`export start --attach`: the program itself runs in a machine whose kernel has an initiator."""
import json
import os
import stat
import unittest

from guest import machine
from slipway_case import DENIED, EXISTS, PROGRAM, UNSUPPORTED, USAGE
from served_case import ServedCase
from store_case import MIB, noise

FAKE = '''#!/bin/sh
echo "$@" >>{log}
exit 1
'''


class NoInitiatorTest(ServedCase):
    """Where it cannot work."""

    def setUp(self):
        super().setUp()
        self.backup(self.image('disk.img', 4 * MIB, {0: noise(1, MIB)}))
        self.tools = self.dir / 'bin'
        self.tools.mkdir()

    def attach(self, code, *options, **more):
        """Begin an export that cannot be attached; nothing may be left of it."""
        self.fails(code, 'export', 'start', 'm', '--listen', '127.0.0.1:0', '--attach', '--scratch',
                   self.scratch, *options, **more)
        self.assertEqual([], self.slipway('export', 'list').json['exports'])

    def test_missing(self):
        """open-iscsi is not installed."""
        self.attach(UNSUPPORTED, env={'PATH': str(self.tools)}, words=['open-iscsi'])
        self.fails(USAGE, 'export', 'start', 'm', '--nbd', '--attach')

    @unittest.skipUnless(os.geteuid() == 0, 'iscsiadm is for root')
    def test_failing(self):
        """iscsiadm fails; it was told no secret."""
        log, fake = self.dir / 'log', self.tools / 'iscsiadm'
        fake.write_text(FAKE.format(log=log))
        fake.chmod(stat.S_IRWXU)
        path = f'{self.tools}:{os.environ["PATH"]}'
        self.attach(1, *self.chap(mutual=True), env={'PATH': path}, words=['iscsiadm'])
        said = log.read_text()
        self.assertIn('-o new', said)
        for secret in self.secrets:
            self.assertNotIn(secret, said)


@unittest.skipIf(machine.missing(), machine.missing())
class AttachTest(unittest.TestCase):
    """In the guest."""

    @classmethod
    def setUpClass(cls):
        cls.guest = machine.Guest(memory=1024, programs=[PROGRAM])
        cls.addClassCleanup(cls.guest.close)
        cls.guest.run('mount -t tmpfs tmp /mnt\nmkdir /mnt/scratch\n'
                      'dd if=/dev/urandom of=/mnt/disk bs=1M count=6 2>/dev/null\n'
                      'truncate -s 16M /mnt/disk\n'
                      'export HOME=/mnt\n'
                      'slipway store init --store /mnt/store\n'
                      'slipway backup run /mnt/disk other=/mnt/disk --name m --store /mnt/store '
                      '--no-progress')

    def slipway(self, words, code=0):
        """What it prints in the guest."""
        return self.guest.run(f'export HOME=/mnt XDG_RUNTIME_DIR=/run\nslipway {words}', code=code)

    def start(self, *options):
        """What --json says of an export that is attached there."""
        said = self.slipway(f'export start m --store /mnt/store --listen 127.0.0.1:0 --attach '
                            f'--scratch /mnt/scratch --json {" ".join(options)} 2>/dev/null')
        return json.loads(said)

    def test_attach(self):
        """The disks are there at once, and gone at the end; nothing of it stays."""
        export = self.start('--mutual')
        devices = [entry['device'] for entry in export['attached']]
        self.assertEqual(2, len(devices))
        for device in devices:
            self.guest.run(f'cmp /mnt/disk {device}')
        self.guest.run('record=$(find /etc/iscsi/nodes -type f)\n'
                       'test "$(stat -c %a $record)" = 600\n'
                       'grep -q "authmethod = CHAP" $record\n'
                       f'iscsiadm -m session | grep -q {export["iscsi"]["name"]}')
        self.slipway(f'export start m --store /mnt/store --listen 127.0.0.1:0 --attach --iscsi-name '
                     f'{export["iscsi"]["name"]} 2>/dev/null', code=EXISTS)
        self.slipway('export stop --all')
        self.guest.run('no_disks\ntest -z "$(ls /etc/iscsi/nodes)"\ntest -z "$(ls /mnt/scratch)"')

    def test_mounted(self):
        """An export whose disk is mounted serves on until it is not."""
        export = self.start('--no-chap')
        device = export['attached'][0]['device']
        self.guest.run(f'mkdir -p /run/there\nmkfs.ext4 -q {device}\nmount {device} /run/there\n'
                       'echo something >/run/there/file')
        self.guest.run('export HOME=/mnt XDG_RUNTIME_DIR=/run\n'
                       'slipway export stop --all >/run/stopped 2>&1 &\nsleep 3\n'
                       'test ! -s /run/stopped\nforget\ngrep -q something /run/there/file\n'
                       'grep -q "still in use" /run/slipway/exports/*.log\n'
                       'umount /run/there\nno_disks\nsleep 1\ngrep -q Stopped /run/stopped')

    def test_denied(self):
        """Only root can."""
        self.slipway('version')
        self.guest.run('export HOME=/mnt XDG_RUNTIME_DIR=/tmp\n'
                       'echo "nobody:x:99:99:nobody:/:/bin/sh" >>/etc/passwd\n'
                       'chmod -R a+rwX /mnt/store /mnt/scratch /tmp\n'
                       'su nobody -c "slipway export start m --store /mnt/store --listen '
                       '127.0.0.1:0 --attach --scratch /mnt/scratch" 2>/dev/null', code=DENIED)


if __name__ == '__main__':
    unittest.main()
