#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""`export`: disks of a set over iSCSI, NBD and as files, read and written by other people's
programs."""
import json
import os
import shutil
import signal
import subprocess
import unittest

from nbd_case import Authority
from slipway_case import BUSY, CORRUPT, EXISTS, NOT_FOUND, USAGE
from store_case import BLOCK, KIB, MIB, StoreCase, change, flip, noise, objects

SIZE = 24 * MIB
AREAS = {0: noise(1, 300 * KIB), 5 * MIB: noise(2, 2 * MIB), 20 * MIB: b'some text\n' * 90000}
SECRET = 'only-for-this-test'


class ExportCase(StoreCase):
    """A store with one set of two disks, and a runtime directory of its own."""

    def setUp(self):
        super().setUp()
        self.runtime = self.dir / 'run'
        self.runtime.mkdir(mode=0o700)
        self.scratch = self.dir / 'scratch'
        self.scratch.mkdir()
        self.init()
        self.disk = self.image('disk.img', SIZE, AREAS)
        self.data = self.image('data.img', 8 * MIB, {MIB: noise(3, MIB)})
        self.set = self.backup(f'disk0={self.disk}', f'data={self.data}', name='app')['id']
        self.addCleanup(self.stop_all)

    def environment(self):
        return super().environment() | {'XDG_RUNTIME_DIR': str(self.runtime)}

    def command(self, *arguments, trust=None):
        words = [str(argument) for argument in arguments]
        if words[0] == 'export' and words[1] in ('start', 'serve'):
            words += ['--store', str(self.store), *map(str, self.key)]
        return super().command(*words, trust=trust)

    def stop_all(self):
        """Whatever a test left."""
        self.slipway('export', 'stop', '--all', code=None)

    def start_export(self, *arguments, **more):
        """In the background; what --json says."""
        options = [] if '--fuse' in arguments and self.set not in arguments else \
            ['--scratch', self.scratch]
        if '--read-only' in arguments:
            options = []
        if '--nbd' not in arguments and '--fuse' not in arguments:
            options += ['--listen', '127.0.0.1:0']
        elif '--nbd' in arguments:
            options += ['--nbd-listen', '127.0.0.1:0']
        return self.slipway('export', 'start', *arguments, *options, **more).json

    def exports(self):
        """What runs."""
        return self.slipway('export', 'list').json['exports']

    def stop(self, export):
        """One."""
        return self.slipway('export', 'stop', export['id'])

    def url(self, export, lun=0, user=None, secret=None):
        """Of a LUN, as libiscsi and QEMU take it."""
        chap = export.get('chap')
        if user is None and chap:
            user, secret = chap['user'], chap['secret'] or SECRET
        account = f'{user}%{secret}@' if user else ''
        iscsi = export['iscsi']
        return f'iscsi://{account}{iscsi["addresses"][0]}/{iscsi["name"]}/{lun}'

    def nbd(self, export, name):
        """Of a disk."""
        return f'nbd://{export["nbd"]["addresses"][0]}/{name}'

    def tool(self, *command, code=0):
        """Somebody else's program."""
        done = subprocess.run(list(map(str, command)), capture_output=True, timeout=120,
                              check=False, stdin=subprocess.DEVNULL)
        if code is not None:
            self.assertEqual(code, done.returncode, f'{command}\n{done.stdout}\n{done.stderr}')
        return done

    def assert_same(self, url, path):
        """qemu-img reads the same."""
        self.tool('qemu-img', 'compare', '-f', 'raw', '-F', 'raw', url, path)

    def assert_unchanged(self):
        """The set is what it was."""
        self.assert_restores(self.set, 'disk0', self.disk)
        self.assert_restores(self.set, 'data', self.data)
        self.assert_sound()


class IscsiTest(ExportCase):
    """Over iSCSI."""

    def test_read(self):
        """Every disk is a LUN; equal to the source for QEMU; found by discovery."""
        export = self.start_export('app')
        self.assertEqual(['disk0', 'data'], [disk['name'] for disk in export['disks']])
        self.assertEqual(16, len(export['chap']['secret']))
        self.assert_same(self.url(export, 0), self.disk)
        self.assert_same(self.url(export, 1), self.data)
        target = self.dir / 'copy.img'
        self.tool('qemu-img', 'convert', '-f', 'raw', '-O', 'raw', self.url(export), target)
        self.assertEqual(self.disk.read_bytes(), target.read_bytes())
        self.assertLess(target.stat().st_blocks * 512, 6 * MIB, 'holes are told')
        listed = self.exports()
        self.assertEqual([export['id']], [entry['id'] for entry in listed])
        self.assertNotIn('chap', listed[0])
        self.stop(export)
        self.assertEqual([], self.exports())
        self.assertEqual([], os.listdir(self.runtime / 'slipway/exports'))

    def test_write(self):
        """What is written can be read, is thrown away, and never in the set."""
        export = self.start_export('app', 'disk0')
        self.tool('qemu-io', '-f', 'raw', '-c', 'write -P 0x77 1M 3M', '-c', 'write -z 5M 64k',
                  '-c', 'flush', '-c', 'read -P 0x77 1M 3M', '-c', 'read -P 0 5M 64k',
                  self.url(export))
        self.wait_for(lambda: self.exports()[0]['disks'][0]['written'] >= 3 * MIB)
        self.stop(export)
        self.assertEqual([], os.listdir(self.scratch))
        again = self.start_export('app', 'disk0')
        self.assert_same(self.url(again), self.disk)
        self.stop(again)
        self.assert_unchanged()

    def test_limit(self):
        """More than may be written is refused; what was written before stays readable."""
        export = self.start_export('app', 'disk0', '--write-limit', '1M')
        self.tool('qemu-io', '-f', 'raw', '-c', 'write -P 0x11 0 512k', self.url(export))
        done = self.tool('qemu-io', '-f', 'raw', '-c', 'write -P 0x22 8M 4M', self.url(export),
                         code=None)
        self.assertIn('failed', (done.stdout + done.stderr).decode())
        self.tool('qemu-io', '-f', 'raw', '-c', 'read -P 0x11 0 512k', self.url(export))

    def test_read_only(self):
        """--read-only: nothing can be written, and the initiator knows before it tries."""
        export = self.start_export('app', '--read-only')
        self.assert_same(self.url(export), self.disk)
        done = self.tool('qemu-io', '-f', 'raw', '-c', 'write 0 4k', self.url(export), code=1)
        self.assertIn('protected', (done.stdout + done.stderr).decode().lower())
        self.fails(USAGE, 'export', 'start', 'app', '--read-only', '--commit', 'x')

    def test_keep(self):
        """--keep-writes: there again the next time, over the same set only."""
        kept = self.dir / 'kept'
        export = self.start_export('app', 'disk0', '--keep-writes', kept)
        self.tool('qemu-io', '-f', 'raw', '-c', 'write -P 0x33 2M 1M', '-c', 'flush',
                  self.url(export))
        self.fails(BUSY, 'export', 'start', 'app', 'disk0', '--keep-writes', kept, '--listen',
                   '127.0.0.1:0')
        self.tool('qemu-io', '-t', 'unsafe', '-f', 'raw', '-c', 'write -P 0x34 3M 1M',
                  self.url(export))  # never flushed, but answered
        self.stop(export)
        again = self.start_export('app', 'disk0', '--keep-writes', kept)
        self.tool('qemu-io', '-f', 'raw', '-c', 'read -P 0x33 2M 1M', '-c', 'read -P 0x34 3M 1M',
                  self.url(again))
        self.stop(again)
        self.fails(USAGE, 'export', 'start', 'app', 'data', '--keep-writes', kept)
        self.assert_unchanged()

    def test_commit(self):
        """--commit: a set of what the disks are at the end; only what was written is read."""
        export = self.start_export('app', '--commit', 'app-repaired')
        self.tool('qemu-io', '-f', 'raw', '-c', 'write -P 0x44 4M 1M', '-c', 'write -z 20M 256k',
                  '-c', 'flush', self.url(export))
        self.stop(export)
        made = [entry for entry in self.sets() if entry['name'] == 'app-repaired']
        self.assertEqual(1, len(made))
        self.assertLess(made[0]['stats']['read'], 2 * MIB)
        change(self.disk, 4 * MIB, b'\x44' * MIB)
        change(self.disk, 20 * MIB, bytes(256 * KIB))
        self.assert_restores(made[0]['id'], 'disk0', self.disk)
        self.assert_restores(made[0]['id'], 'data', self.data)
        self.assert_sound()
        self.fails(USAGE, 'export', 'start', 'app', '--commit', 'app', '--listen', '127.0.0.1:0',
                   words=['app'])

    def test_chap(self):
        """Wrong and missing secrets are refused; one from a file is not told anywhere."""
        self.secrets = [SECRET]
        path = self.dir / 'secret'
        path.write_text(SECRET + '\n')
        export = self.start_export('app', '--chap-user', 'me', '--chap-secret-file', path)
        self.assertEqual(('me', None), (export['chap']['user'], export['chap']['secret']))
        self.assert_same(self.url(export), self.disk)
        for user, secret in (('', ''), ('me', 'wrong-secret-xx'), ('you', SECRET)):
            done = self.tool('iscsi-inq', self.url(export, user=user, secret=secret), code=None)
            self.assertNotEqual(0, done.returncode)
        log = (self.runtime / f'slipway/exports/{export["id"]}.log').read_text()
        self.assertIn('127.0.0.1', log)
        self.assertNotIn(SECRET, log)
        short = self.dir / 'short'
        short.write_text('short\n')
        self.fails(USAGE, 'export', 'start', 'app', '--chap-secret-file', short)

    def test_no_chap(self):
        """Only when it is asked for."""
        export = self.start_export('app', '--no-chap')
        self.assertNotIn('chap', export)
        self.assert_same(self.url(export), self.disk)

    def test_commit_fails(self):
        """A set that cannot be made at the end: `stop` says so, and where the reason is."""
        export = self.start_export('app', '--commit', 'app-repaired')
        self.tool('qemu-io', '-f', 'raw', '-c', 'write -P 0x44 4M 1M', self.url(export))
        packs = (self.store / 'packs').rename(self.dir / 'away')
        (self.store / 'packs').touch()
        failed = self.fails(1, 'export', 'stop', export['id'], words=[export['id'], '.log'])
        log = self.runtime / f'slipway/exports/{export["id"]}.log'
        self.assertIn(str(log), failed.error)
        self.assertIn('packs', log.read_text())
        (self.store / 'packs').unlink()
        packs.rename(self.store / 'packs')
        self.assertEqual(['app'], [entry['name'] for entry in self.sets()])

    def inquire(self, export, initiator):
        """What iscsi-inq ends with, under this name."""
        return self.tool('iscsi-inq', '-i', initiator, self.url(export), code=None).returncode

    def test_who(self):
        """Only initiators and addresses that are named."""
        export = self.start_export('app', '--initiator', 'iqn.2026-11.test:db*')
        self.assertEqual(0, self.inquire(export, 'iqn.2026-11.test:db1'))
        self.assertNotEqual(0, self.inquire(export, 'iqn.2026-11.test:web1'))
        other = self.start_export('app', '--allow', '192.0.2.0/24')
        self.assertNotEqual(0, self.inquire(other, 'iqn.2026-11.test:db1'))
        here = self.start_export('app', '--allow', '192.0.2.0/24', '--allow', '127.0.0.1')
        self.assertEqual(0, self.inquire(here, 'iqn.2026-11.test:db1'))
        self.assertEqual(3, len(self.exports()))
        self.assertIn('Stopped', self.slipway('export', 'stop', '--all', text=True).stdout)

    def test_mutual(self):
        """The target proves itself; who does not ask for that is refused."""
        export = self.start_export('app', '--mutual')
        chap = export['chap']
        self.assertNotEqual(chap['secret'], chap['target_secret'])
        self.assertNotEqual(0, self.tool('iscsi-inq', self.url(export), code=None).returncode)
        account = f'?target_user={chap["target_user"]}&target_password='
        self.tool('iscsi-inq', self.url(export) + account + chap['target_secret'])
        wrong = self.tool('iscsi-inq', self.url(export) + account + 'quite-another-one', code=None)
        self.assertNotEqual(0, wrong.returncode)

    def test_damage(self):
        """A damaged chunk is an error where it is, and nowhere else."""
        pack = max(objects(self.store, 'packs').values(), key=lambda path: path.stat().st_size)
        flip(pack, 400 * KIB)
        export = self.start_export('app', 'disk0')
        done = self.tool('qemu-img', 'convert', '-f', 'raw', '-O', 'raw', self.url(export),
                         self.dir / 'copy.img', code=None)
        self.assertNotEqual(0, done.returncode)
        log = (self.runtime / f'slipway/exports/{export["id"]}.log').read_text()
        self.assertIn('disk0', log)
        self.tool('qemu-io', '-f', 'raw', '-c', 'read 20M 512k', self.url(export))
        self.slipway('store', 'check', '--read-data', code=CORRUPT)

    def test_prune(self):
        """A set that is deleted and pruned meanwhile is read to its end."""
        export = self.start_export('app', 'disk0')
        self.delete(self.set)
        self.prune()
        self.assert_same(self.url(export), self.disk)
        self.stop(export)
        self.prune()
        self.prune()
        self.assertEqual([], list(objects(self.store, 'packs')))


class NbdTest(ExportCase):
    """Over NBD."""

    def test_read_and_write(self):
        """nbdinfo, nbdcopy and QEMU."""
        export = self.start_export('app', '--nbd')
        self.assertNotIn('iscsi', export)
        self.assert_same(self.nbd(export, 'disk0'), self.disk)
        listed = self.tool('nbdinfo', '--list', '--json', self.nbd(export, '')).stdout
        self.assertEqual({'disk0', 'data'},
                         {entry['export-name'] for entry in json.loads(listed)['exports']})
        copy = self.dir / 'copy.img'
        self.tool('nbdcopy', self.nbd(export, 'data'), copy)
        self.assertEqual(self.data.read_bytes(), copy.read_bytes())
        self.tool('qemu-io', '-f', 'raw', '-c', 'write -P 0x55 64k 64k', '-c', 'discard 5M 1M',
                  '-c', 'read -P 0x55 64k 64k', self.nbd(export, 'disk0'))
        self.stop(export)
        self.assert_unchanged()

    def test_tls(self):
        """With certificates: read with them, and not without."""
        authority = Authority(self, 'here')
        tls, client, other = (self.dir / name for name in ('tls', 'client', 'other'))
        authority.issue(tls, 'server', 'localhost')
        authority.issue(client, 'client', 'me')
        Authority(self, 'elsewhere').issue(other, 'client', 'you')
        export = self.start_export('app', '--nbd', '--tls', tls, '--tls-verify')
        url = self.nbd(export, 'disk0')
        copy = self.dir / 'copy.img'
        secure = url.replace('nbd://', 'nbds://') + '?tls-certificates='
        self.tool('nbdcopy', f'{secure}{client}', copy)
        self.assertEqual(self.disk.read_bytes(), copy.read_bytes())
        for wrong in (url, f'{secure}{other}'):
            self.assertNotEqual(0, self.tool('nbdinfo', wrong, code=None).returncode)
        self.fails(NOT_FOUND, 'export', 'start', 'app', '--nbd', '--tls', self.scratch)

    def test_changed(self):
        """What differs from an older set, as a context of block status."""
        change(self.disk, 6 * MIB, noise(9, 2 * BLOCK))
        self.backup(f'disk0={self.disk}', f'data={self.data}', name='app')
        export = self.start_export('app', '--nbd', '--since', self.set)
        told = json.loads(self.tool('nbdinfo', '--json', '--map=slipway:changed',
                                    self.nbd(export, 'disk0')).stdout)
        changed = [(entry['offset'], entry['offset'] + entry['length']) for entry in told
                   if entry['type'] & 1]
        self.assertTrue(any(begin <= 6 * MIB and end >= 6 * MIB + 2 * BLOCK
                            for begin, end in changed), told)
        self.assertLess(sum(end - begin for begin, end in changed), MIB)


@unittest.skipUnless(os.access('/dev/fuse', os.W_OK), 'there is no /dev/fuse that can be written')
class FilesTest(ExportCase):
    """As files."""

    def test_set(self):
        """The disks of one set, in a folder."""
        folder = self.dir / 'mnt'
        folder.mkdir()
        export = self.start_export('app', '--fuse', folder)
        self.assertEqual({'disk0.raw', 'data.raw'}, set(os.listdir(folder)))
        self.assertEqual(self.disk.read_bytes(), (folder / 'disk0.raw').read_bytes())
        self.stop(export)
        self.assertEqual([], os.listdir(folder))

    def test_store(self):
        """All sets of the store: machine, time, disk."""
        change(self.disk, 6 * MIB, noise(9, BLOCK))
        self.backup(self.disk, name='other/one')
        folder = self.dir / 'mnt'
        folder.mkdir()
        export = self.start_export('--fuse', folder)
        self.assertEqual({'app', 'other%2Fone'}, set(os.listdir(folder)))
        (time,) = os.listdir(folder / 'app')
        self.assertRegex(time, r'^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$')
        self.assertEqual(self.data.read_bytes(), (folder / 'app' / time / 'data.raw').read_bytes())
        copy = self.dir / 'copy.img'
        (other,) = (folder / 'other%2Fone').iterdir()
        self.tool('cp', '--sparse=always', other / 'disk0.raw', copy)
        self.assertEqual(self.disk.read_bytes(), copy.read_bytes())
        with self.assertRaises(OSError):
            (folder / 'app' / time / 'data.raw').open('r+b')
        self.stop(export)

    def test_not_empty(self):
        """A folder with something in it is left alone."""
        self.fails(EXISTS, 'export', 'start', '--fuse', self.store)
        self.fails(NOT_FOUND, 'export', 'start', '--fuse', self.dir / 'nowhere')


class LifeTest(ExportCase):
    """Beginning and end."""

    def test_wrong(self):
        """What is not there is said at once, with the exit code."""
        self.fails(NOT_FOUND, 'export', 'start', 'nobody', words=['nobody'])
        self.fails(NOT_FOUND, 'export', 'start', 'app', 'nodisk', words=['nodisk', 'disk0'])
        self.fails(USAGE, 'export', 'start')
        self.fails(USAGE, 'export', 'start', 'app', 'data', 'data', words=['data', 'twice'])
        self.fails(USAGE, 'export', 'start', 'app', '--listen', 'nonsense')
        self.fails(NOT_FOUND, 'export', 'stop', 'abcdef')
        self.fails(USAGE, 'export', 'stop')
        self.assertEqual([], self.exports())
        self.assertEqual([], [name for name in os.listdir(self.runtime / 'slipway/exports')
                              if not name.endswith('.log')])

    def test_port_in_use(self):
        """A second one on the same port."""
        export = self.start_export('app')
        self.fails(BUSY, 'export', 'start', 'app', '--listen', export['iscsi']['addresses'][0])

    def test_ports(self):
        """Without --listen iSCSI takes the next port from the standard's on, and NBD a socket that
        only its owner can use."""
        ports = []
        for _ in range(2):
            export = self.slipway('export', 'start', 'app', '--nbd', '--iscsi', '--scratch',
                                  self.scratch).json
            ports.append(int(export['iscsi']['addresses'][0].rsplit(':', 1)[1]))
            (address,) = export['nbd']['addresses']
            path = address.removeprefix('unix:')
            self.assertEqual(0o600, os.stat(path).st_mode & 0o777)
            self.assert_same(f'nbd+unix:///disk0?socket={path}', self.disk)
        self.assertGreaterEqual(ports[0], 3260)
        self.assertGreater(ports[1], ports[0])

    def test_killed(self):
        """What a killed process leaves is not listed, and in nobody's way."""
        export = self.start_export('app')
        os.kill(self.exports()[0]['pid'], signal.SIGKILL)
        self.wait_for(lambda: self.exports() == [])
        self.assertEqual([], os.listdir(self.scratch))
        again = self.start_export('app')
        self.assertNotEqual(export['id'], again['id'])
        self.assert_same(self.url(again), self.disk)

    def test_foreground(self):
        """`serve` says where it is, and ends by a signal with exit code 0."""
        child = self.start('export', 'serve', 'app', '--listen', '127.0.0.1:0', '--scratch',
                           self.scratch)
        text = b''
        while not text.rstrip().endswith(b'\n}'):
            text += child.stdout.read1()
        export = json.loads(text)
        self.assert_same(self.url(export), self.disk)
        child.send_signal(signal.SIGTERM)
        _, said = child.communicate(timeout=60)
        self.assertEqual(0, child.returncode, said)
        self.assertIn(b'127.0.0.1', said)

    def test_encrypted(self):
        """A store with a key; nothing of it in the record or the log."""
        self.store = self.dir / 'secret-store'
        key = self.dir / 'key'
        key.write_bytes(noise(7, 64))
        self.key = ('--key-file', key)
        self.init('--encrypt')
        self.backup(self.disk, name='app')
        export = self.start_export('app')
        self.assert_same(self.url(export), self.disk)
        self.stop(export)

    def test_help(self):
        """Instructions for the systems that will attach it."""
        said = self.slipway('export', 'start', 'app', '--listen', '127.0.0.1:0', '--scratch',
                            self.scratch, text=True).stdout
        for word in ('iscsiadm', 'Connect-IscsiTarget', 'esxcli', 'secret', 'iqn.'):
            self.assertIn(word, said)


if __name__ == '__main__':
    for program in ('qemu-img', 'qemu-io', 'iscsi-inq', 'nbdinfo', 'nbdcopy'):
        assert shutil.which(program), f'{program} is missing'
    unittest.main()
