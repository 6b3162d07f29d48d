#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exports over iSCSI, used by the initiator of the Linux kernel in a guest."""
import hashlib
import signal
import time
import unittest

from file_tree import file_tree, write_tree
from guest_case import GuestCase, account, both_accounts
from served_case import SECRET, TARGET_SECRET, free_port
from store_case import KIB, MIB, noise

# Exit codes of iscsiadm: the target refuses, the initiator does.
AUTH_FAILED, FATAL_LOGIN = 24, 19
WRONG = 'another-secret-x'
HASHES = 'node.session.auth.chap_algs'
DIGESTS = {'node.conn[0].iscsi.HeaderDigest': 'CRC32C', 'node.conn[0].iscsi.DataDigest': 'CRC32C'}
# LUNs, in the order of the disks.
SYSTEM, FILES, SPARE = range(3)
SPARE_SIZE = 40 * MIB


class IscsiCase(GuestCase):
    """A set of three disks: data, a file system with files, and zeros."""

    def setUp(self):
        super().setUp()
        self.system = self.image('system.img', 20 * MIB,
                                 {0: noise(1, 3 * MIB), 9 * MIB: b'text\n' * 100_000,
                                  20 * MIB - 64 * KIB: noise(2, 64 * KIB)})
        self.tree = file_tree(3)
        self.files = self.image('files.img', 24 * MIB, {})
        self.tool('mkfs.ext4', '-q', '-d', write_tree(self.dir / 'tree', self.tree), self.files)
        self.spare = self.image('spare.img', SPARE_SIZE, {})
        self.set = self.backup(f'system={self.system}', f'files={self.files}',
                               f'spare={self.spare}', name='app')['id']

    def digest(self, path):
        """Of a file of the host."""
        return hashlib.sha256(path.read_bytes()).hexdigest()

    def assert_disk(self, lun, path):
        """All of a LUN is what the file is."""
        self.assertEqual(self.digest(path), self.guest.run(f'digest "$(disk {lun})"').strip())

    def assert_files(self):
        """What is mounted has the files, and nothing else."""
        said = self.guest.run('cd /mnt; find . -type f -exec sha256sum "{}" +')
        got = {line[66:].removeprefix('./'): line[:64] for line in said.splitlines()}
        self.assertEqual({name: hashlib.sha256(data).hexdigest()
                          for name, data in self.tree.items()}, got)

    def assert_unchanged(self):
        """The set is what it was."""
        for disk in ('system', 'files', 'spare'):
            self.assert_restores(self.set, disk, self.dir / f'{disk}.img')


class DiscoveryTest(IscsiCase):
    """How the guest finds a target."""

    def discover(self, export):
        """What SendTargets says."""
        return self.guest.run(f'iscsiadm -m discovery -t sendtargets -p {self.portal(export)}')

    def discover_with_account(self, export):
        """The same by an initiator that authenticates itself for it."""
        database = f'iscsiadm -m discoverydb -t sendtargets -p {self.portal(export)}'
        names = account()
        update = ''.join(
            f"{database} -o update -n '{name.replace('node.session', 'discovery.sendtargets')}' "
            f"-v '{value}'\n" for name, value in names.items())
        return self.guest.run(f'{database} -o new >/dev/null\n{update}{database} --discover')

    def test_connected_address(self):
        """Nothing is advertised: the address that the connection came in on is told."""
        export = self.serve('app', *self.chap())
        self.assertEqual(f'127.0.0.1:{export.port},1 {export.name}', self.discover(export).strip())

    def test_advertised(self):
        """What is advertised is told, and the record that discovery makes can be used."""
        port = free_port()
        export = self.serve('app', *self.chap(), '--advertise', f'10.0.2.2:{port}', port=port)
        told = f'10.0.2.2:{port},1 {export.name}'
        self.assertEqual(told, self.discover(export).strip())
        self.assertEqual(told, self.discover_with_account(export).strip())
        self.guest.run(self.settings(export, account()))
        self.log_in(export)
        self.assert_disk(SYSTEM, self.system)
        self.log_out(export)

    def test_instructions(self):
        """What `export start` prints for Linux works as it stands."""
        port = free_port()
        said = self.slipway('export', 'start', 'app', *self.chap(mutual=True), '--listen',
                            f'127.0.0.1:{port}', '--advertise', f'10.0.2.2:{port}', '--scratch',
                            self.scratch, text=True).stdout
        self.addCleanup(self.slipway, 'export', 'stop', '--all')
        self.addCleanup(self.leave)
        commands = [line.split('  (')[0] for line in self.instructions(said, 'On Linux')]
        self.assertGreater(len(commands), 3, said)
        script = '\n'.join(commands).replace('password_in -v SECRET',
                                             f'password_in -v {TARGET_SECRET}')
        self.guest.run(script.replace(' SECRET', f' {SECRET}'))
        self.assert_disk(SYSTEM, self.system)
        self.guest.run('iscsiadm -m node --logout\nno_disks')


class LoginTest(IscsiCase):
    """Who may log in, and how both sides prove it."""

    def check_session(self, export, settings, **expected):
        """Log in with the settings: the target tells of the session what is expected."""
        self.guest.run(self.settings(export, settings))
        self.log_in(export)
        session = self.session_of(export)
        self.assertEqual(expected, {name: session[name] for name in expected})
        self.assertEqual('iqn.2026-11.org.slipway:test-guest', session['initiator'])
        self.assertEqual(hashlib.sha256(self.files.read_bytes()[:MIB]).hexdigest(), self.guest.run(
            f'dd if=$(disk {FILES}) bs=64k count=16 2>/dev/null | sha256sum')[:64])
        self.log_out(export)
        self.wait_until(export, lambda seen: not seen['iscsi']['sessions'])

    def test_one_way(self):
        """Each hash alone, and the strongest of several."""
        export = self.serve('app', *self.chap())
        self.make_node(export)
        for offered, chosen in (('MD5', 'MD5'), ('SHA256', 'SHA256'),
                                ('SHA3-256,SHA256,SHA1,MD5', 'SHA3-256')):
            with self.subTest(offered=offered):
                self.check_session(export, {HASHES: offered}, hash=chosen, mutual=False,
                                   user='reader')

    def test_mutual(self):
        """The target proves itself, by an old and a new hash."""
        export = self.serve('app', *self.chap(mutual=True))
        self.make_node(export, both_accounts())
        for chosen in ('MD5', 'SHA256'):
            with self.subTest(hash=chosen):
                self.check_session(export, {HASHES: chosen}, hash=chosen, mutual=True,
                                   user='reader')

    def test_wrong_secrets(self):
        """Of the initiator, of the target, none at all, and no proof where one is wanted."""
        export = self.serve('app', *self.chap(mutual=True))
        self.make_node(export, both_accounts())
        for settings, code in (
                ({'node.session.auth.password': WRONG}, AUTH_FAILED),
                ({'node.session.auth.username': 'nobody'}, AUTH_FAILED),
                ({'node.session.auth.password_in': WRONG}, FATAL_LOGIN)):
            with self.subTest(settings):
                self.guest.run(self.settings(export, both_accounts() | settings))
                self.log_in(export, code=code)
        self.assertIn('wrong secret of user reader', export.log())
        self.assertIn('no such user', export.log())
        self.assertNotIn(WRONG, export.log())
        self.guest.run('no_disks')
        self.assertEqual([], self.look(export)['iscsi']['sessions'])

    def test_no_secret(self):
        """Who has no account at all, and who does not ask for the target's proof."""
        export = self.serve('app', *self.chap(mutual=True))
        self.make_node(export, {})
        self.assertIn('authorization failure', self.log_in(export, code=AUTH_FAILED))
        self.guest.run(self.settings(export, account()))
        self.assertIn('authorization failure', self.log_in(export, code=AUTH_FAILED))
        self.guest.run('no_disks')

    def test_no_chap(self):
        """Nobody has to prove anything."""
        export = self.serve('app', '--no-chap')
        self.make_node(export, {})
        self.check_session(export, {}, hash=None, mutual=False, user=None)


class DiskTest(IscsiCase):
    """What the kernel does with the disks."""

    def written(self, export, lun=SPARE):
        """Bytes in the scratch file of a disk."""
        return self.look(export)['disks'][lun]['written']

    def test_read(self):
        """Every disk is a LUN of its size and identity, with the bytes that were backed up."""
        export = self.serve('app', *self.chap())
        self.make_node(export)
        self.log_in(export)
        identities = set()
        for lun, path in enumerate((self.system, self.files, self.spare)):
            size, identity = self.guest.run(
                f'name=$(disk {lun}); cat /sys/block/${{name##*/}}/size\n'
                'cat /sys/block/${name##*/}/device/wwid').split('\n', 1)
            self.assertEqual(path.stat().st_size, int(size) * 512)
            self.assertRegex(identity, r'^(naa\.|t10\.SLIPWAY ).*[0-9a-f]{16,}\s*$')
            identities.add(identity)
            self.assert_disk(lun, path)
        self.assertEqual(3, len(identities))
        self.log_out(export)
        self.log_in(export)
        self.assertIn(self.guest.run('name=$(disk 0); cat /sys/block/${name##*/}/device/wwid'),
                      identities)
        self.log_out(export)

    def test_digests(self):
        """CRC32C of headers and data, in both directions."""
        export = self.serve('app', *self.chap())
        self.make_node(export, account() | DIGESTS)
        self.log_in(export)
        self.guest.run('test "$(cat /sys/class/iscsi_connection/*/header_digest)" = 1\n'
                       'test "$(cat /sys/class/iscsi_connection/*/data_digest)" = 1')
        session = self.session_of(export)
        self.assertEqual((True, True), (session['header_digest'], session['data_digest']))
        self.assert_disk(SYSTEM, self.system)
        self.guest.run(f'dd if=$(disk {SYSTEM}) of=$(disk {SPARE}) bs=1M count=4 conv=fsync 2>&1\n'
                       'forget\n'
                       f'dd if=$(disk {SYSTEM}) bs=1M count=4 of=/tmp/system 2>/dev/null\n'
                       f'dd if=$(disk {SPARE}) bs=1M count=4 2>/dev/null | cmp - /tmp/system')
        self.assertNotIn('digest', self.guest.run('dmesg').lower())
        self.log_out(export)
        self.assertNotIn('digest error', export.log().lower())
        self.assert_unchanged()

    def test_file_system(self):
        """Made, mounted, written, trimmed, unmounted, and there again after another login."""
        export = self.serve('app', *self.chap())
        self.make_node(export)
        self.log_in(export)
        self.guest.run(f'mkfs.ext4 -q -F $(disk {SPARE})\n'
                       f'mount -t ext4 $(disk {SPARE}) /mnt\n'
                       'dd if=/dev/urandom of=/mnt/gone bs=1M count=20 2>/dev/null\n'
                       'dd if=/dev/urandom of=/mnt/stays bs=1M count=4 2>/dev/null\nsync')
        before = self.wait_until(
            export, lambda seen: seen['disks'][SPARE]['written'] >= 24 * MIB)['disks'][SPARE]
        digest = self.guest.run('digest /mnt/stays')
        said = self.guest.run('rm /mnt/gone\nsync\nfstrim -v /mnt')
        self.assertRegex(said, r'\d+ bytes.* trimmed')
        self.wait_until(export, lambda seen: seen['disks'][SPARE]['written']
                        <= before['written'] - 19 * MIB)
        self.guest.run('umount /mnt')
        self.log_out(export)
        self.log_in(export)
        self.guest.run(f'e2fsck -fn $(disk {SPARE}) 2>&1\nmount -t ext4 -o ro $(disk {SPARE}) /mnt')
        self.assertEqual(digest, self.guest.run('digest /mnt/stays'))
        self.assertEqual('lost+found\nstays\n', self.guest.run('ls -1 /mnt'))
        self.guest.run('umount /mnt')
        self.log_out(export)
        self.assertEqual(0, export.stop())
        self.assert_unchanged()

    def test_files(self):
        """The file system of a backed-up disk: read, and repaired without harm to the set."""
        export = self.serve('app', *self.chap())
        self.make_node(export)
        self.log_in(export)
        self.guest.run(f'mount -t ext4 $(disk {FILES}) /mnt')
        self.assert_files()
        self.guest.run('echo more >/mnt/more\nrm /mnt/large.bin\numount /mnt\n'
                       f'e2fsck -fn $(disk {FILES}) 2>&1')
        self.log_out(export)
        self.assertEqual(0, export.stop())
        self.assert_unchanged()

    def test_two_sessions(self):
        """Two ways to one disk, as multipathing has them: what comes in by one is seen by both."""
        export = self.serve('app', 'spare', *self.chap())
        self.make_node(export, account() | {'node.session.nr_sessions': '2'})
        self.log_in(export)
        self.wait_until(export, lambda seen: len(seen['iscsi']['sessions']) == 2)
        self.guest.run('disk 0\n'
                       'until test -b /dev/sdb; do sleep 0.1; done\n'
                       'cmp /sys/block/sda/device/wwid /sys/block/sdb/device/wwid\n'
                       'dd if=/dev/urandom of=/tmp/data bs=64k count=4 2>/dev/null\n'
                       'for disk in a b a; do\n'
                       'dd if=/tmp/data of=/dev/sd$disk bs=64k conv=fsync 2>/dev/null\n'
                       'forget\n'
                       'for other in a b; do\n'
                       'dd if=/dev/sd$other bs=64k count=4 2>/dev/null | cmp - /tmp/data\n'
                       'done\n'
                       'dd if=/dev/urandom of=/tmp/data bs=64k count=4 2>/dev/null\n'
                       'done')
        self.log_out(export)

    def test_large_blocks(self):
        """Blocks of 4096 bytes."""
        export = self.serve('app', 'files', 'spare', *self.chap(), '--block-size', '4096')
        self.make_node(export)
        self.log_in(export)
        self.guest.run('name=$(disk 0)\n'
                       'test "$(cat /sys/block/${name##*/}/queue/logical_block_size)" = 4096')
        self.assert_disk(0, self.files)
        self.guest.run('mkfs.ext4 -q -F $(disk 1)\nmount -t ext4 $(disk 1) /mnt\n'
                       'dd if=/dev/urandom of=/tmp/data bs=1M count=2 2>/dev/null\n'
                       'cp /tmp/data /mnt/data\nforget\ncmp /tmp/data /mnt/data\n'
                       'umount /mnt\ne2fsck -fn $(disk 1) 2>&1')
        self.log_out(export)

    def test_limit(self):
        """More than may be written: no space, as the kernel has it; what was there stays."""
        export = self.serve('app', 'spare', *self.chap(), '--write-limit', '2M')
        self.make_node(export)
        self.log_in(export)
        said = self.guest.run(
            'dd if=/dev/urandom of=/tmp/data bs=64k count=8 2>/dev/null\n'
            'dd if=/tmp/data of=$(disk 0) bs=64k oflag=direct 2>/dev/null\n'
            'must_fail dd if=/dev/zero of=$(disk 0) bs=64k seek=16 count=64 oflag=direct 2>&1\n'
            'forget\ndd if=$(disk 0) bs=64k count=8 2>/dev/null | cmp - /tmp/data')
        self.assertIn('No space left on device', said)
        self.log_out(export)

    def test_read_only(self):
        """The kernel knows that it is; what is there can be read, and nothing written."""
        export = self.serve('app', *self.chap(), '--read-only')
        self.make_node(export)
        self.log_in(export)
        self.guest.run(f'name=$(disk {FILES}); test "$(cat /sys/block/${{name##*/}}/ro)" = 1')
        # What is asked for is more than there is.
        self.guest.run(f'mount -t ext4 -o rw $(disk {FILES}) /mnt 2>&1\n'
                       "grep ' /mnt ext4 ro' /proc/mounts")
        self.assert_files()
        self.guest.run('must_fail touch /mnt/new 2>&1\numount /mnt\n'
                       f'must_fail dd if=/dev/zero of=$(disk {SPARE}) bs=4k count=1 '
                       'conv=fsync,notrunc 2>&1')
        self.assert_disk(FILES, self.files)
        self.log_out(export)


class RestartTest(IscsiCase):
    """A target that goes while its disk is mounted, and comes again."""

    def setUp(self):
        super().setUp()
        self.options = ('app', 'spare', *self.chap(), '--keep-writes', self.dir / 'kept')
        self.export = self.serve(*self.options)
        self.make_node(self.export)
        self.log_in(self.export)
        self.guest.run('dmesg -c >/dev/null\nmkfs.ext4 -q -F $(disk 0)\n'
                       'mount -t ext4 $(disk 0) /mnt\n'
                       'dd if=/dev/urandom of=/tmp/data bs=1M count=4 2>/dev/null\n'
                       'cp /tmp/data /mnt/before\nsync')

    def serve_again(self):
        """The same, at the same place."""
        again = self.serve(*self.options, port=self.export.port)
        self.assertEqual(self.export.name, again.name)
        return again

    def check_files(self, again, *names):
        """All have the data, the file system is sound, and the kernel saw no error."""
        self.guest.run('cp /tmp/data /mnt/after\nforget\n'
                       f'for name in before {" ".join(names)} after; do\n'
                       'cmp /tmp/data /mnt/$name\ndone\numount /mnt\ne2fsck -fn $(disk 0) 2>&1')
        said = self.guest.run('dmesg -c')
        for words in ('I/O error', 'EXT4-fs error', 'remounting', 'offline'):
            self.assertNotIn(words, said)
        self.assertIn('Power-on or device reset occurred', said)
        self.assertIn('has logged in as reader', again.log())
        self.log_out(again)
        self.assertEqual(0, again.stop())
        self.assert_unchanged()

    def test_stopped(self):
        """It asks initiators to go, and ends, while files are written."""
        self.guest.begin('for n in 1 2 3 4; do\n'
                         'dd if=/tmp/data of=/mnt/meanwhile$n bs=256k conv=fsync 2>/dev/null\ndone')
        self.wait_for(lambda: self.look(self.export)['disks'][0]['written'] > 6 * MIB)
        self.assertEqual(0, self.export.stop())
        again = self.serve_again()
        self.guest.finish()
        self.check_files(again, *(f'meanwhile{n}' for n in range(1, 5)))

    def test_not_synced(self):
        """What it said it has is there after it ended, also when the guest never had it synced."""
        self.guest.run('umount /mnt\n'
                       'dd if=/tmp/data of=$(disk 0) bs=256k oflag=direct 2>/dev/null')
        self.assertEqual(0, self.export.stop())
        again = self.serve_again()
        self.guest.run('forget\ndd if=$(disk 0) bs=1M count=4 2>/dev/null | cmp - /tmp/data')
        self.log_out(again)

    def test_killed(self):
        """It is gone from one moment to the next: what was synced is there."""
        self.assertEqual(-signal.SIGKILL, self.export.stop(signal.SIGKILL))
        self.guest.begin('cp /tmp/data /mnt/meanwhile\nsync')
        time.sleep(2)
        again = self.serve_again()
        self.guest.finish()
        self.check_files(again, 'meanwhile')


if __name__ == '__main__':
    unittest.main()
