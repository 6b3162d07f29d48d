#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checking whole depots: when a local one is connected, and by `depot verify` at any time.

An export refuses what is damaged whether or not the depot was verified; what was verified is not
believed when its file is another one."""
import hashlib
import json
import signal
import threading
import unittest

from fixture import broken, bundle
from online_case import OnlineCase, acme_vib, tree_files, vib_path
from slipway_case import CORRUPT, NETWORK, NOT_FOUND, SlipwayCase, generation

RELEASE = '7.0U3'
NAME = 'ntg3'

# Kinds of damage inside a VIB of which its depot knows nothing, and what is said of them.
DAMAGES = {
    'flipped-bit': ['sha-256 checksum'],
    'wrong-sha256-gunzip': ['not what its depot', 'other checksums'],
    'not-gzip': ['not what its depot', 'bytes'],
    'no-checksums': ['no checksum'],
    'trailing-garbage': ['member header'],
    'missing-payload': ['missing'],
}

# Checksums that are wrong in the VIB and in its depot alike: only computing them shows it.
LIES = {'sha-256': ('sha-256', 'gunzip'), 'sha-1': ('sha-1', 'gunzip')}


def sha256(data):
    """As verified.json has it."""
    return hashlib.sha256(data).hexdigest()


class VerifyCase(SlipwayCase):
    """A depot whose VIB `NAME` is in some way damaged."""

    made = property(lambda _: generation(RELEASE))
    profile = property(lambda self: self.made.standard.name)
    vib = property(lambda self: self.made.vib(NAME))

    def bundle(self, instead=None, name='depot.zip', **options):
        """The release as a bundle, with another VIB instead."""
        vibs = tuple(instead or vib if vib is self.vib else vib for vib in self.made.vibs)
        return self.made.bundle(vibs=vibs).write_zip(self.dir / name, **options)

    def lying(self, kind='sha-1'):
        """The VIB with a wrong checksum over its decompressed payload."""
        payload, *rest = self.vib.sorted_payloads
        claimed = tuple((digest, process, '0' * len(value)
                         if (digest, process) == LIES[kind] else value)
                        for digest, process, value in payload.checksums())
        return self.vib.but(payloads=(payload.but(claimed_checksums=claimed), *rest))

    def damaged(self, kind='sha-1'):
        """A bundle with damage that nothing shows but a check in full."""
        return self.bundle(self.lying(kind), f'{kind}.zip')

    def verified(self):
        """What the workspace remembers."""
        path = self.workspace / 'verified.json'
        return set(json.loads(path.read_text())['verified']) if path.exists() else set()

    def hashes(self):
        """Of all VIB files of the release."""
        return {sha256(vib.to_bytes()) for vib in self.made.vibs}

    def assert_damaged(self, found, *words):
        """That VIB, and only that, is listed with such words."""
        damaged, = found['damaged']
        self.assertEqual(damaged['id'], self.vib.id)
        for word in words:
            self.assertIn(word, damaged['problems'][0])
        self.assertEqual(found['good'], found['packages'] - 1)

    def verify(self, *arguments, code=0, **options):
        """`depot verify`: what is said of the depots."""
        return self.slipway('depot', 'verify', *arguments, code=code, **options).json['depots']


class Adding(VerifyCase):
    def add(self, location, *options):
        """Connect one depot; the result and what is said of its VIBs."""
        result = self.slipway('depot', 'add', location, *options)
        return result, result.json['depots'][0]['verified']

    def test_good_ones_are_remembered(self):
        count = len(self.made.vibs)
        result, found = self.add(self.bundle())
        self.assertEqual(found, {'packages': count, 'good': count, 'remembered': 0, 'damaged': []})
        self.assertEqual(result.warnings, [])
        self.assertEqual(self.verified(), self.hashes())
        _, found = self.add(self.bundle(name='deflated.zip', deflate_vibs=True))
        self.assertEqual((found['good'], found['remembered']), (count, count))

    def test_directory_and_vib(self):
        entries = self.made.bundle().entries()
        _, found = self.add(bundle.write_dir(entries, self.dir / 'unpacked'))
        self.assertEqual((found['packages'], found['damaged']), (len(self.made.vibs), []))
        self.workspace = self.dir / 'another'
        path = self.vib.write(self.dir)
        _, found = self.add(path)
        self.assertEqual((found['packages'], found['remembered']), (1, 0))
        self.assertEqual(self.verified(), {sha256(self.vib.to_bytes())})
        self.slipway('depot', 'remove', path)
        self.assertEqual(self.add(path)[1]['remembered'], 1)

    def test_says_so(self):
        result = self.slipway('depot', 'add', self.bundle(), text=True)
        self.assertIn('every checksum of the VIBs of depot1 is right', result.stderr)
        self.assertIn('Connected depot1', result.stdout)

    def assert_damage_is_named(self, path, *words):
        """It is connected with a warning; only what does without the VIB can be exported."""
        self.workspace = path.with_suffix('.workspace')
        result, found = self.add(path)
        self.assert_damaged(found, *words)
        first, last = result.warnings
        self.assertTrue(first.startswith(f'{self.vib.id}: '), first)
        self.assertFalse(first.startswith(f'{self.vib.id}: {self.vib.id}: '), first)
        self.assertIn(f'get {path} again', last)
        self.assertIn('slipway depot verify depot1', last)
        self.assertEqual(self.verified(), self.hashes() - {sha256(self.vib.to_bytes())})
        for output in ('out.iso', 'out.zip'):
            self.fails(CORRUPT, 'profile', 'export', self.profile, '-o', output,
                       words=[NAME, *words])
            self.assertFalse((self.dir / output).exists())
        self.clone(self.profile)
        self.slipway('profile', 'remove', 'mine', NAME, '--force')
        self.export('mine', f'{path.stem}.iso', '--force')

    def test_damage_is_named(self):
        for kind, words in DAMAGES.items():
            with self.subTest(kind=kind):
                bad = self.vib.but(raw=broken.VIBS[kind](self.vib))
                self.assert_damage_is_named(self.bundle(bad, f'{kind}.zip'), *words)

    def test_wrong_checksum_is_named(self):
        for kind in LIES:
            with self.subTest(kind=kind):
                self.assert_damage_is_named(self.damaged(kind), f'{kind} gunzip checksum')

    def test_file_that_is_not_what_the_depot_says(self):
        entries = dict(self.made.bundle().entries())
        path, = [name for name in entries if name.endswith(f'{self.vib.id}.vib')]
        data = entries[path]
        for kind, bytes_, word in (('flipped', data[:-1] + bytes([data[-1] ^ 1]), 'SHA-256'),
                                   ('short', data[:-9], 'bytes'), ('gone', None, 'not in the')):
            with self.subTest(kind=kind):
                self.workspace = self.dir / f'workspace-{kind}'
                changed = {name: bytes_ if name == path else entry
                           for name, entry in entries.items() if name != path or bytes_}
                _, found = self.add(bundle.write_zip(changed.items(), self.dir / f'{kind}.zip'))
                self.assert_damaged(found, word)

    def test_single_vib(self):
        path = self.dir / 'bad.vib'
        path.write_bytes(self.lying().to_bytes())
        result, found = self.add(path)
        self.assert_damaged(found, 'sha-1 gunzip checksum')
        self.assertEqual(len(result.warnings), 2)
        self.assertEqual(self.verified(), set())

    def test_long_lists_are_cut(self):
        entries = [(name, data) for name, data in self.made.bundle().entries()
                   if not name.endswith('.vib')]
        result, found = self.add(bundle.write_zip(entries, self.dir / 'hollow.zip'))
        count = len(self.made.vibs)
        self.assertEqual(len(found['damaged']), count)
        self.assertEqual(len(result.warnings), 21)
        self.assertIn(f'{count - 20} more', result.warnings[-1])
        self.assertEqual(self.verified(), set())

    def test_no_verify(self):
        result, found = self.add(self.damaged(), '--no-verify')
        self.assertIsNone(found)
        self.assertEqual(result.warnings, [])
        self.assertEqual(self.verified(), set())
        for output in ('out.iso', 'out.zip'):
            self.fails(CORRUPT, 'profile', 'export', self.profile, '-o', output,
                       words=[NAME, 'sha-1 gunzip checksum'])
        self.assertEqual(self.verified(), set())

    def test_export_gives_the_same_either_way(self):
        self.slipway('depot', 'add', self.bundle(), '--no-verify')
        first = self.export(self.profile, 'first.iso')
        self.assertEqual(self.verified(), self.hashes())
        self.workspace = self.dir / 'verified'
        self.add(self.bundle())
        second = self.export(self.profile, 'second.iso')
        self.assertEqual(first.read_bytes(), second.read_bytes())

    def test_exchanged_after_it_was_verified(self):
        """What was remembered is a file, not a name."""
        path = self.bundle()
        self.add(path)
        data = bytearray(path.read_bytes())
        data[data.index(self.vib.to_bytes()) + len(self.vib.to_bytes()) - 1] ^= 1
        path.write_bytes(data)
        for output in ('out.iso', 'out.zip'):
            self.fails(CORRUPT, 'profile', 'export', self.profile, '-o', output,
                       words=[self.vib.id, 'SHA-256'])
            self.assertFalse((self.dir / output).exists())


class Verifying(VerifyCase):
    def test_none(self):
        self.assertEqual(self.verify(), [])
        self.assertIn('no depot', self.slipway('depot', 'verify', text=True).stdout)
        self.fails(NOT_FOUND, 'depot', 'verify', 'nowhere', words=['nowhere', 'depot list'])

    def test_good(self):
        self.slipway('depot', 'add', self.bundle(), '--no-verify', '--name', 'base')
        found, = self.verify('base')
        count = len(self.made.vibs)
        self.assertEqual(found, {'name': 'base', 'location': str(self.dir / 'depot.zip'),
                                 'packages': count, 'good': count, 'remembered': 0, 'damaged': []})
        self.assertEqual(self.verified(), self.hashes())
        found, = self.verify()
        self.assertEqual(found['remembered'], count)
        self.assertEqual(self.slipway('depot', 'verify', text=True).stdout,
                         f'base: {count} VIBs, all good\n')

    def test_damaged(self):
        self.slipway('depot', 'add', self.damaged(), '--no-verify', '--name', 'bad')
        self.slipway('depot', 'add', self.bundle(), '--no-verify', '--name', 'good')
        bad, good = self.verify(code=CORRUPT)
        self.assert_damaged(bad, 'sha-1 gunzip checksum')
        self.assertEqual((good['name'], good['damaged']), ('good', []))
        count = len(self.made.vibs)
        self.fails(CORRUPT, 'depot', 'verify', 'bad',
                   words=[f'1 of {count} VIBs', 'depot bad', self.vib.id, 'sha-1 gunzip'])
        self.verify('good')
        said = self.slipway('depot', 'verify', text=True, code=CORRUPT).stdout
        self.assertIn(f'bad: 1 of {count} VIBs damaged or missing\n  {self.vib.id}: ', said)

    def test_mended(self):
        path = self.damaged()
        self.slipway('depot', 'add', path)
        path.write_bytes(self.bundle().read_bytes())
        found, = self.verify()
        self.assertEqual(found['remembered'], found['packages'] - 1)
        self.export(self.profile)

    def test_damaged_since(self):
        """What was remembered before is read and held against its SHA-256 all the same."""
        path = self.bundle()
        self.slipway('depot', 'add', path)
        data = bytearray(path.read_bytes())
        data[data.index(self.vib.to_bytes()) + len(self.vib.to_bytes()) - 1] ^= 1
        path.write_bytes(data)
        found, = self.verify(code=CORRUPT)
        self.assert_damaged(found, 'SHA-256')

    def test_one_that_cannot_be_loaded(self):
        gone = self.bundle(name='gone.zip')
        self.slipway('depot', 'add', gone, '--no-verify')
        self.slipway('depot', 'add', self.damaged(), '--no-verify')
        gone.unlink()
        result = self.slipway('depot', 'verify', code=CORRUPT)
        self.assertEqual([depot['name'] for depot in result.json['depots']], ['depot2'])
        self.assertIn('gone.zip', ' '.join(result.warnings))
        self.fails(NOT_FOUND, 'depot', 'verify', 'depot1', words=['depot1', 'gone.zip'])


class Online(OnlineCase):
    def setUp(self):
        super().setUp()
        self.serving = self.site()
        self.vibs = [name for name in tree_files() if name.endswith('.vib')]
        self.bad = acme_vib('acme-tools')

    def verify(self, *options, code=0):
        """The one depot; what is said of it."""
        found, = self.slipway('depot', 'verify', *options, code=code).json['depots']
        return found

    def fetched(self):
        """Which VIBs the server was asked for."""
        return [path for path in self.serving.paths() if path.endswith('.vib')]

    def test_fetches_all(self):
        added, = self.add_depot(self.serving.url('/')).json['depots']
        self.assertIsNone(added['verified'])
        self.assertEqual(self.fetched(), [])
        found = self.verify()
        self.assertEqual((found['good'], found['damaged']), (len(self.vibs), []))
        self.assertEqual(sorted(self.fetched()), sorted(f'/{name}' for name in self.vibs))
        self.serving.close()
        self.assertEqual(self.verify('--offline')['remembered'], len(self.vibs))
        self.private_profile()
        self.export_small('--offline')

    def test_bad_on_the_server(self):
        good = tree_files()[vib_path(self.bad)]
        other = bytearray(good)
        other[-1] ^= 1
        self.add_depot(self.serving.url('/'))
        for data, word in ((bytes(other), 'SHA-256'), (good + b'x', f'not the {len(good)}'),
                           (None, '404')):
            with self.subTest(word=word):
                self.serving.put({vib_path(self.bad): data or b''})
                if data is None:
                    del self.serving.routes['/' + vib_path(self.bad)]
                found = self.verify(code=CORRUPT)
                damaged, = found['damaged']
                self.assertEqual(damaged['id'], self.bad.id)
                self.assertIn(word, damaged['problems'][0])
                self.assertEqual(found['good'], len(self.vibs) - 1)
        self.serving.put(tree_files())
        self.assertEqual(self.verify()['damaged'], [])
        self.assertEqual(len([path for path in self.fetched()
                              if path != '/' + vib_path(self.bad)]), len(self.vibs) - 1)

    def test_damaged_copy_is_fetched_again(self):
        self.add_depot(self.serving.url('/'))
        self.verify()
        name = sha256(self.bad.to_bytes())
        copy, = [path for path in self.workspace.rglob('*.vib') if name in path.name]
        data = bytearray(copy.read_bytes())
        data[-1] ^= 1
        copy.write_bytes(data)
        result = self.fails(CORRUPT, 'depot', 'verify', words=[self.bad.id, 'SHA-256'])
        self.assertIn('thrown away', result.stderr)
        self.assertFalse(copy.exists())
        self.assertEqual(self.verify()['damaged'], [])
        self.assertEqual(copy.read_bytes(), self.bad.to_bytes())

    def test_stopped(self):
        """What was fetched stays; the rest is fetched next time."""
        stalling = threading.Event()

        def stall(_request, reply):
            reply.head(200, Content_Length=len(self.bad.to_bytes()))
            stalling.set()
            self.serving.stall()
        self.add_depot(self.serving.url('/'))
        self.serving.routes['/' + vib_path(self.bad)] = stall
        process = self.start('depot', 'verify')
        self.assertTrue(stalling.wait(20))
        self.wait_until(lambda: len(list(self.workspace.rglob('*.vib'))) == len(self.vibs) - 1,
                        'the others are fetched')
        self.interrupt(process, signal.SIGTERM)
        self.serving.put(tree_files())
        asked = len(self.fetched())
        self.assertEqual(self.verify()['good'], len(self.vibs))
        self.assertEqual(self.fetched()[asked:], ['/' + vib_path(self.bad)])

    def test_no_server(self):
        self.add_depot(self.serving.url('/'))
        self.fails(NETWORK, 'depot', 'verify', '--offline', words=['depot1', 'without --offline'])
        self.serving.close()
        self.fails(NETWORK, 'depot', 'verify', '--retries', '0', words=['depot1'])


if __name__ == '__main__':
    unittest.main()
