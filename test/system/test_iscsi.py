#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The iSCSI target with initiators of others: libiscsi's programs and QEMU."""
import hashlib
import os
import pathlib
import random
import shutil
import socket
import tempfile
import threading
import unittest

import iscsi_case as case
from iscsi_case import NAME, Target, run

SECRET, OWN = 'initiator-sec', 'target-secret'
PASSED_MIN = 190
DISK_SIZE = 256 << 20

# What a write-protected disk must do like any other.
READING_SUITES = {f'SCSI.{name}' for name in (
    'Inquiry', 'Mandatory', 'ModeSense6', 'NoMedia', 'Prefetch10', 'Prefetch16', 'PrinReadKeys',
    'PrinReportCapabilities', 'Read10', 'Read12', 'Read16', 'Read6', 'ReadCapacity10',
    'ReadCapacity16', 'ReadOnly', 'ReportSupportedOpcodes', 'StartStopUnit', 'TestUnitReady',
    'Verify10', 'Verify12', 'Verify16')} | {'iSCSI.iSCSIcmdsn', 'iSCSI.iSCSIdatasn'}


class IscsiCase(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix='slipway-iscsi-')
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)

    def make_file(self, name='disk.raw', size=8 << 20):
        """Random bytes with holes in them."""
        path = self.directory / name
        generator = random.Random(size)
        with open(path, 'wb') as file:
            file.truncate(size)
            for offset in range(0, size - 65536, 1 << 20):
                file.seek(offset)
                file.write(generator.randbytes(300 << 10))
        return path

    def accounts(self, name='accounts', *lines):
        path = self.directory / name
        path.write_text(''.join(f'{line}\n' for line in lines))
        return path

    def succeed(self, *command, **options):
        code, output = run(*command, **options)
        self.assertEqual(code, 0, output)
        return output

    def refuse(self, *command, status=None, **options):
        code, output = run(*command, **options)
        self.assertNotEqual(code, 0, output)
        if status is not None:
            self.assertIn(f'({status})', output)
        return output


class Discovery(IscsiCase):
    def test_targets_and_units(self):
        with Target('memory:1048576', self.make_file(), 'memory:268435456') as target:
            output = self.succeed('iscsi-ls', '-s', target.portal())
            self.assertIn(f'Target:{NAME} Portal:{target.address},1', output)
            self.assertEqual([line.split()[0] for line in output.splitlines()[1:]],
                             ['Lun:0', 'Lun:1', 'Lun:2'])

    def test_advertised_address(self):
        with Target('--advertise', '192.0.2.9:3260', '--advertise', '[2001:db8::9]:3260',
                    'memory:1048576') as target:
            output = self.succeed('iscsi-ls', target.portal())
            self.assertIn('Portal:192.0.2.9:3260,1', output)
            self.assertIn('Portal:[2001:db8::9]:3260,1', output)

    def test_inquiry(self):
        with Target('memory:1048576') as target:
            output = self.succeed('iscsi-inq', target.url())
            self.assertIn('Vendor:SLIPWAY', output)
            self.assertIn('DIRECT_ACCESS', output)
            output = self.succeed('iscsi-inq', '-e', '1', '-c', '131', target.url())
            self.assertIn(NAME, output)

    def test_no_such_target(self):
        with Target('memory:1048576') as target:
            self.refuse('iscsi-inq', target.url(name='iqn.2026-01.org.example:none'), status=515)
            self.assertIn('there is no target', target.read_log())


class Images(IscsiCase):
    """QEMU's own initiator."""

    def test_read(self):
        source = self.make_file()
        with Target('-r', source) as target:
            out = self.directory / 'out.raw'
            self.succeed('qemu-img', 'convert', '-f', 'raw', '-O', 'raw', target.url(), out)
            self.succeed('qemu-img', 'compare', '-f', 'raw', '-F', 'raw', target.url(), source)
        self.assertEqual(out.read_bytes(), source.read_bytes())

    def write(self, *options):
        base, other = self.make_file('base.raw'), self.make_file('other.raw', (8 << 20) - 512)
        with open(other, 'ab') as file:
            file.write(b'x' * 512)
        before = hashlib.sha256(base.read_bytes()).hexdigest()
        with Target(*options, f'overlay:{base}') as target:
            self.succeed('qemu-img', 'convert', '-n', '-f', 'raw', '-O', 'raw', other, target.url())
            self.succeed('qemu-img', 'compare', '-f', 'raw', '-F', 'raw', target.url(), other)
        self.assertEqual(hashlib.sha256(base.read_bytes()).hexdigest(), before)

    def test_write_to_overlay(self):
        self.write()

    def test_write_with_header_digests(self):
        self.write('--header-digest', 'required')

    def test_large_blocks(self):
        self.write('-b', '4096')

    def test_write_protected(self):
        source = self.make_file()
        with Target('-r', source) as target:
            self.refuse('qemu-img', 'convert', '-n', '-f', 'raw', '-O', 'raw', source, target.url())


class Chap(IscsiCase):
    def target(self, *arguments):
        accounts = self.accounts('accounts', f'alice {SECRET}', 'bob another-secret')
        return Target('-a', accounts, *arguments, 'memory:1048576')

    def mutual(self, secret=OWN, user='target'):
        return {'LIBISCSI_CHAP_TARGET_USERNAME': user, 'LIBISCSI_CHAP_TARGET_PASSWORD': secret}

    def test_one_way(self):
        with self.target() as target:
            user = f'alice%{SECRET}'
            self.succeed('iscsi-inq', target.url(user=user))
            self.succeed('iscsi-ls', '-s', target.portal(user))
            self.succeed('qemu-img', 'info', '-f', 'raw', target.url(user='bob%another-secret'))
            self.assertIn('as alice (CHAP, MD5)', target.read_log())

    def test_refused(self):
        """Whatever is wrong, the initiator is told the same; the log is told more, and no secret."""
        for user, words in (('alice%wrong-secret-1', 'wrong secret of user alice'),
                            ('carol%' + SECRET, 'no such user'),
                            (None, 'does not authenticate')):
            with self.subTest(user=user), self.target() as target:
                self.refuse('iscsi-inq', target.url(user=user), status=513)
                self.refuse('iscsi-ls', '-s', target.portal(user))
                self.assertIn(words, target.read_log())
                self.assertIn('127.0.0.1:', target.log)
                for secret in (SECRET, 'wrong-secret-1', 'another-secret'):
                    self.assertNotIn(secret, target.log)

    def test_discovery(self):
        """The name is told without an account, the disks are not."""
        with self.target() as target:
            self.assertIn(NAME, self.succeed('iscsi-ls', target.portal()))
            self.refuse('iscsi-ls', target.portal('alice%wrong-secret-1'))

    def test_qemu_refused(self):
        with self.target() as target:
            self.refuse('qemu-img', 'info', target.url(user='alice%wrong-secret-1'))

    def test_mutual(self):
        own = self.accounts('own', f'target {OWN}')
        with self.target('-o', own) as target:
            url = target.url(user=f'alice%{SECRET}')
            self.succeed('iscsi-inq', url, environment=self.mutual())
            self.assertIn('mutual', target.read_log())
            self.succeed('iscsi-inq', url)
            output = self.refuse('iscsi-inq', url, environment=self.mutual('not-the-secret'))
            self.assertIn('Invalid CHAP_R', output)
            output = self.refuse('iscsi-inq', url, environment=self.mutual(user='other'))
            self.assertIn('Wrong CHAP targetname', output)

    def test_mutual_required(self):
        own = self.accounts('own', f'target {OWN}')
        with self.target('-o', own, '-m') as target:
            url = target.url(user=f'alice%{SECRET}')
            self.refuse('iscsi-inq', url, status=513)
            self.succeed('iscsi-inq', url, environment=self.mutual())

    def test_mutual_impossible(self):
        with self.target() as target:
            self.refuse('iscsi-inq', target.url(user=f'alice%{SECRET}'), status=513,
                        environment=self.mutual())

    def test_waits_after_failures(self):
        """After three wrong secrets the right one has to wait, too."""
        with self.target() as target:
            for _ in range(3):
                self.refuse('iscsi-inq', target.url(user='alice%wrong-secret-1'), status=513)
            self.refuse('iscsi-inq', target.url(user=f'alice%{SECRET}'), status=769)
            self.assertIn('has to wait', target.read_log())

    def test_bad_accounts(self):
        for lines, own in ((['alice short'], None), ([f'alice {SECRET}'], f'target {SECRET}'),
                           ([f'alice {SECRET}', f'alice {OWN}'], None)):
            with self.subTest(lines=lines, own=own):
                options = ['-a', self.accounts('accounts', *lines)]
                if own:
                    options += ['-o', self.accounts('own', own)]
                with self.assertRaises(RuntimeError) as caught, Target(*options, 'memory:1048576'):
                    pass
                self.assertNotIn(SECRET, str(caught.exception))


class Access(IscsiCase):
    def test_initiator_names(self):
        with Target('-i', 'iqn.2007-10.com.github:*-inq', 'memory:1048576') as target:
            self.succeed('iscsi-inq', target.url())
            self.refuse('qemu-img', 'info', target.url())
            self.assertIn('it may not log in', target.read_log())

    def test_addresses(self):
        with Target('--allow', '192.0.2.0/24', 'memory:1048576') as target:
            self.refuse('iscsi-inq', target.url())
            self.assertIn('its address may not connect', target.read_log())
        with Target('--allow', '192.0.2.0/24', '--allow', '127.0.0.0/8',
                    'memory:1048576') as target:
            self.succeed('iscsi-inq', target.url())

    def test_strangers_disturb_nobody(self):
        """A disk is read while others connect, say nothing or nonsense, and take all places.  Who has
        logged in is never disturbed; before that, coming from the address of those others, one may
        lose its place to them and has to try again."""
        source = self.make_file(size=64 << 20)
        with Target('-c', '8', '-r', source) as target:
            host, port = target.address.rsplit(':', 1)
            stop = threading.Event()

            def scan():
                while not stop.is_set():
                    peers = []
                    for garbage in (b'', b'GET / HTTP/1.0\r\n\r\n', b'\xff' * 4096, bytes(48)) * 5:
                        peer = socket.create_connection((host, int(port)))
                        peer.settimeout(10)
                        peers.append(peer)
                        try:
                            peer.sendall(garbage)
                        except OSError:
                            pass
                    for peer in peers:
                        peer.close()

            scanner = threading.Thread(target=scan)
            scanner.start()
            try:
                for _ in range(3):
                    out = self.directory / 'out.raw'
                    for _ in range(20):
                        code, said = run('qemu-img', 'convert', '-f', 'raw', '-O', 'raw',
                                         target.url(), out)
                        if 'Could not open' not in said:
                            break
                    self.assertEqual(code, 0, said)
                    self.assertEqual(out.read_bytes(), source.read_bytes())
            finally:
                stop.set()
                scanner.join()


class Conformance(IscsiCase):
    """libiscsi's conformance tests.  Those that are skipped are compared with doc/iscsi.md."""

    def check(self, results, least, skips=True):
        self.maxDiff = None
        self.assertEqual(results.failed, {}, results)
        self.assertGreaterEqual(len(results.passed), least, results)
        if skips:
            self.assertEqual(set(results.skipped), set(case.allowed_skips()), results)

    def test_disk(self):
        with Target(f'memory:{DISK_SIZE}') as target:
            self.check(case.conformance(target.url()), PASSED_MIN)

    def test_overlay_with_chap_and_digests(self):
        base = self.directory / 'base.raw'
        with open(base, 'wb') as file:
            file.truncate(DISK_SIZE)
        accounts = self.accounts('accounts', f'alice {SECRET}')
        with Target('-a', accounts, '--header-digest', 'required', f'overlay:{base}') as target:
            self.check(case.conformance(target.url(user=f'alice%{SECRET}')), PASSED_MIN)

    def test_write_protected(self):
        with Target('-r', f'memory:{DISK_SIZE}') as target:
            results = case.conformance(target.url(), READING_SUITES)
            self.check(results, 70, skips=False)
            self.assertIn('SCSI.ReadOnly.ReadOnlySBC', results.passed)


if __name__ == '__main__':
    os.environ.setdefault('LC_ALL', 'C')
    missing = [name for name in ('iscsi-ls', 'iscsi-inq', 'iscsi-test-cu', 'qemu-img')
               if not shutil.which(name)]
    if missing:
        raise SystemExit(f'missing: {", ".join(missing)}; see tools/install-packages')
    unittest.main()
