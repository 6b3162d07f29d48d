#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""An encrypted store: what opens it, what does not, and what whoever has only its files learns."""
import base64
import hashlib
import pathlib
import subprocess
import unittest

from slipway_case import DENIED, NOT_FOUND, UNSUPPORTED, USAGE
from store_case import KIB, MIB, Sealed, StoreCase, change, digests, flip, noise, objects

PASSPHRASE = 'correct horse battery ßtaple'
MACHINE = 'machine-with-a-telling-name'
TEXT = b'The quick brown fox jumps over the lazy dog. ' * 400


def recovery_key(secret):
    """How 32 bytes are printed (doc/format/store.md, "Encryption")."""
    text = base64.b32encode(secret + hashlib.sha256(secret).digest()[:3]).decode()
    return '-'.join(text[n:n + 7] for n in range(0, len(text), 7))


ANOTHER_RECOVERY_KEY = recovery_key(noise(6, 32))


class KeyCase(StoreCase):
    """A store that a passphrase opens."""

    def setUp(self):
        super().setUp()
        self.secrets.append(PASSPHRASE)
        self.file = self.secret('passphrase', PASSPHRASE)
        self.key = '--passphrase-file', self.file
        self.disk = self.image('disk.img', 8 * MIB, {0: TEXT, 3 * MIB: noise(1, 100 * KIB)})

    def secret(self, name, text):
        """A file with a secret and an end of line."""
        path = self.dir / name
        path.write_text(text + '\n', encoding='utf-8')
        return path

    def init_encrypted(self, *options):
        """The recovery key that is printed."""
        return self.init('--encrypt', *options).json['recovery_key']

    def listed(self, *key, code=0, env=None):
        """Open the store in this way."""
        self.key = key
        return self.slipway('backup', 'list', code=code, env=env)

    def slots(self):
        """{id: kind}"""
        return {slot['id']: slot['kind'] for slot in
                self.slipway('store', 'key', 'list').json['keys']}


class OpenTest(KeyCase):
    """The ways in."""

    def test_passphrase(self):
        """From a file, the environment, or standard input."""
        self.init_encrypted()
        self.backup(self.disk)
        self.assertTrue(self.slipway('store', 'info').json['encrypted'])
        self.assert_restores('m', 'disk0', self.disk)
        self.listed(env={'SLIPWAY_PASSPHRASE': PASSPHRASE})
        self.key = '--passphrase-file', '-'
        with open(self.file, 'rb') as stdin:
            done = subprocess.run(self.command('backup', 'list'), stdin=stdin, capture_output=True,
                                  check=True, cwd=self.dir, env=self.environment())
        self.assertIn(b' m ', done.stdout)

    def test_wrong(self):
        """Wrong ones are refused, with the same words."""
        recovery = self.init_encrypted()
        self.secrets.append(recovery)
        self.backup(self.disk)
        key_file = self.dir / 'key'
        key_file.write_bytes(noise(5, 64))
        other = ('B' if recovery[0] == 'A' else 'A') + recovery[1:]
        for option, text, code in (
                ('--passphrase-file', PASSPHRASE[:-1], DENIED), ('--passphrase-file', ' ', DENIED),
                ('--passphrase-file', PASSPHRASE.upper(), DENIED), ('--key-file', None, DENIED),
                ('--key-file', PASSPHRASE, USAGE),  # too short for any
                ('--recovery-file', 'xxxx', USAGE), ('--recovery-file', other, USAGE),  # typing
                ('--recovery-file', ANOTHER_RECOVERY_KEY, DENIED)):
            with self.subTest(option=option, text=text):
                path = key_file if text is None else self.secret('wrong', text)
                run = self.listed(option, path, code=code)
                self.assertNotIn('sets', run.json)
                if len(text or '') > 20:
                    self.assertNotIn(text, run.stdout + run.stderr)
        self.listed('--passphrase-file', self.dir / 'none', code=NOT_FOUND)
        self.listed(code=USAGE)
        self.assertIn('--passphrase-file', self.listed(code=USAGE).error)
        self.listed(code=DENIED, env={'SLIPWAY_PASSPHRASE': 'x'})

    def test_recovery_key(self):
        """It opens the store, however it is typed."""
        recovery = self.init_encrypted()
        self.backup(self.disk)
        self.assertRegex(recovery, r'^[A-Z2-7]{7}(-[A-Z2-7]{7}){7}$')
        for text in (recovery, recovery.replace('-', ''), recovery.lower(),
                     recovery.replace('-', ' ')):
            with self.subTest(text=text):
                path = self.secret('recovery', text)
                self.assertEqual(1, len(self.listed('--recovery-file', path).json['sets']))
        self.assert_restores('m', 'disk0', self.disk)

    def test_key_file(self):
        """The bytes of a file, also in place of a passphrase from the beginning."""
        path = self.dir / 'key'
        path.write_bytes(noise(3, 64))
        self.key = '--key-file', path
        self.init_encrypted()
        self.backup(self.disk)
        self.assert_restores('m', 'disk0', self.disk)
        flip(path, 10)
        self.listed('--key-file', path, code=DENIED)
        empty = self.dir / 'empty'
        empty.write_bytes(b'')
        self.assertIn(self.listed('--key-file', empty, code=None).code, (USAGE, DENIED, 4))

    def test_not_encrypted(self):
        """Keys are for encrypted stores."""
        self.key = ()
        self.init()
        self.assertEqual([], self.slipway('store', 'key', 'list').json['keys'])
        for action in ('add', 'change', 'recovery'):
            self.fails(USAGE, 'store', 'key', action, words=['not encrypted'])
        self.store = self.dir / 'other'
        self.fails(USAGE, 'store', 'init', '--key-file', self.file, words=['--encrypt'])
        self.fails(USAGE, 'store', 'init', '--encrypt', words=['--passphrase-file'])
        self.slipway('store', 'info', code=NOT_FOUND)


class SlotTest(KeyCase):
    """Adding, changing and removing keys."""

    def setUp(self):
        super().setUp()
        self.recovery = self.init_encrypted()
        self.backup(self.disk)
        self.new = self.secret('new', 'another passphrase')
        self.secrets.append('another passphrase')

    def test_change(self):
        """A new passphrase; not one byte of data is touched."""
        before = digests(self.store)
        self.slipway('store', 'key', 'change', '--new-passphrase-file', self.new)
        after = digests(self.store)
        for state in (before, after):
            for name in [name for name in state if name.startswith('keys/')]:
                del state[name]
        self.assertEqual(before, after)
        self.listed('--passphrase-file', self.file, code=DENIED)
        self.listed('--passphrase-file', self.new)
        self.listed('--recovery-file', self.secret('r', self.recovery))
        self.listed('--passphrase-file', self.new)
        self.assertEqual(['passphrase', 'recovery'], sorted(self.slots().values()))
        self.assert_restores('m', 'disk0', self.disk)

    def test_add_and_remove(self):
        """Several at a time; the last one stays."""
        key_file = self.dir / 'key'
        key_file.write_bytes(noise(4, 200))
        added = self.slipway('store', 'key', 'add', '--new-key-file', key_file, '--label',
                             'for cron').json['id']
        other = self.slipway('store', 'key', 'add', '--new-passphrase-file', self.new).json['id']
        slots = self.slipway('store', 'key', 'list').json['keys']
        self.assertEqual(4, len(slots))
        self.assertEqual('for cron', next(s['label'] for s in slots if s['id'] == added))
        for key in (('--key-file', key_file), ('--passphrase-file', self.new),
                    ('--passphrase-file', self.file)):
            self.listed(*key)
        self.fails(USAGE, 'store', 'key', 'remove', added, words=['--yes'])
        self.slipway('store', 'key', 'remove', added, '--yes')
        self.listed('--key-file', key_file, code=DENIED)
        self.key = '--passphrase-file', self.file
        self.fails(NOT_FOUND, 'store', 'key', 'remove', added, '--yes', words=[added])
        self.fails(USAGE, 'store', 'key', 'remove', words=['key list'])
        self.fails(USAGE, 'store', 'key', 'lose', words=['lose', 'recovery'])
        last = next(key for key, kind in self.slots().items()
                    if kind == 'passphrase' and key != other)
        for slot in self.slots():
            if slot != last:
                self.slipway('store', 'key', 'remove', slot, '--yes')
        self.slipway('store', 'key', 'remove', last, '--yes', code=None)
        self.assertEqual([last], list(self.slots()))

    def test_command_line(self):
        """No secret is in the command line of a process while it runs."""
        child = self.start('backup', 'run', '--name', 'x', self.disk, '--bandwidth-limit', '100k',
                           '--full', env={'SLIPWAY_NEW_PASSPHRASE': 'y'})
        self.wait_for(lambda: list(self.store.glob('leases/*')) or child.poll() is not None)
        line = pathlib.Path(f'/proc/{child.pid}/cmdline').read_bytes()
        self.assertIn(b'--passphrase-file', line)
        self.assertNotIn(PASSPHRASE.encode(), line)
        child.terminate()
        child.communicate(timeout=60)

    def test_another_recovery_key(self):
        """Each is printed once."""
        text = self.slipway('store', 'key', 'recovery').json['recovery_key']
        self.assertNotEqual(self.recovery, text)
        for key in (text, self.recovery):
            self.listed('--recovery-file', self.secret('r', key))

    def test_damaged_slot(self):
        """It is named; the others open the store."""
        for name, path in objects(self.store, 'keys').items():
            if Sealed.read(path).members['kind'] == 'recovery':
                flip(path, 70)
                self.assertIn(pathlib.Path(name).name,
                              self.slipway('store', 'key', 'list').stderr)
        self.listed('--passphrase-file', self.file)

    def test_slot_of_another_store(self):
        """A slot with a passphrase of one's own, put into the store, opens nothing."""
        name, path = next((name, path) for name, path in objects(self.store, 'keys').items()
                          if Sealed.read(path).members['kind'] == 'passphrase')
        mine, self.store = self.store, self.dir / 'other'
        self.init_encrypted()
        other = next(path for path in objects(self.store, 'keys').values()
                     if Sealed.read(path).members['kind'] == 'passphrase')
        self.store = mine
        sealed = Sealed.read(other)
        sealed.members['id'] = Sealed.read(path).members['id']
        sealed.write(self.store / name)
        run = self.slipway('backup', 'list', code=None)
        self.assertIn(run.code, (DENIED, 4), run.stderr)

    def test_expensive_slot(self):
        """One that would take all memory to try is refused."""
        for path in objects(self.store, 'keys').values():
            sealed = Sealed.read(path)
            if sealed.members['kind'] == 'passphrase':
                sealed.members['kdf']['n'] = 1 << 30
                sealed.write(path)
        run = self.slipway('backup', 'list', code=None)
        self.assertNotEqual(0, run.code)


class SecrecyTest(KeyCase):
    """What is in the files of the store, and in those of a process."""

    def setUp(self):
        super().setUp()
        path = self.dir / 'key'
        path.write_bytes(noise(7, 64))
        self.key = '--key-file', path
        self.init_encrypted('--parity', '2%', '--keep', 'last=9')
        config = self.dir / 'machine.vmx'
        config.write_text('guest = "a telling guest"', encoding='utf-8')
        self.backup(f'telling-disk={self.disk}', '--config', config, '--tag', 'telling tag',
                    '--verify', 'all', name=MACHINE)
        change(self.disk, 5 * MIB, TEXT[:9000])
        self.backup(f'telling-disk={self.disk}', name=MACHINE)
        self.slipway('backup', 'rule', MACHINE, '--keep', 'last=2')
        self.slipway('backup', 'archive', MACHINE)

    def test_nothing_to_read(self):
        """No name, no text, and nothing that tells that two stores have the same data."""
        words = [MACHINE.encode(), b'telling', b'quick brown', noise(7, 64)[:8], b'disk.img',
                 bytes(str(self.dir), 'ascii'), noise(1, 100 * KIB)[5000:5016], b'"retention":{"l',
                 b'archived', b'last=']
        everything = objects(self.store)
        self.assertTrue({'config', 'keys', 'packs', 'parity', 'index', 'sets', 'flags', 'rules'} <=
                        {name.split('/')[0] for name in everything})
        for name, path in everything.items():
            data = path.read_bytes()
            for word in words:
                if name == 'config' and word.startswith(b'"retention'):
                    continue
                self.assertNotIn(word, data, name)
                self.assertNotIn(word, name.encode())

    def test_two_stores(self):
        """The same disk in another store has other names, lengths and bytes."""
        first, self.store = self.store, self.dir / 'other'
        self.init_encrypted()
        self.backup(f'telling-disk={self.disk}', name=MACHINE)
        self.assertEqual(set(), set(digests(first, 'packs').values()) &
                         set(digests(self.store, 'packs').values()))
        self.assertEqual(set(), set(objects(first, 'packs')) & set(objects(self.store, 'packs')))

    def test_unsealed_objects(self):
        """A set that is not encrypted is refused in this store: it is somebody else's."""
        mine, key = self.store, self.key
        self.store, self.key = self.dir / 'plain', ()
        self.init()
        made = self.backup(self.disk, name='foreign')['id']
        plain, self.store, self.key = self.store, mine, key
        (mine / 'sets' / made).write_bytes((plain / 'sets' / made).read_bytes())
        listed = self.slipway('backup', 'list')
        self.assertNotIn(made, [entry['id'] for entry in listed.json['sets']])
        self.assertIn(made, listed.stderr)

    def test_swapped_objects(self):
        """A set under the name of another, or flags under that of another set, is noticed."""
        one, two = sorted(objects(self.store, 'sets').values())
        data = one.read_bytes()
        one.write_bytes(two.read_bytes())
        self.assertIn(one.name, self.slipway('backup', 'list').stderr)
        one.write_bytes(data)

    def test_formats(self):
        """A store of a later or older format, or of another kind, is refused by all commands."""
        config = Sealed.read(self.store / 'config')
        good = dict(config.members)
        for version, members, words in ((2, good, 'version 2'),
                                        (1, good | {'version': 3}, 'use a newer slipway'),
                                        (1, good | {'version': 1}, 'before its first release')):
            Sealed(b'CONF', members, version).write(self.store / 'config')
            for command in (('backup', 'list'), ('backup', 'run', self.disk), ('store', 'info'),
                            ('store', 'prune'), ('store', 'key', 'list')):
                self.fails(UNSUPPORTED, *command, words=[self.store, words])
        Sealed(b'CONF', good | {'format': 'something-else'}).write(self.store / 'config')
        self.assertNotEqual(0, self.slipway('backup', 'list', code=None).code)
        Sealed(b'CONF', good | {'encrypted': False}).write(self.store / 'config')
        run = self.slipway('backup', 'list', code=None)
        self.assertTrue(run.code != 0 or run.json['sets'] == [], run.stdout)
        Sealed(b'CONF', good | {'unknown': [1, 2]}).write(self.store / 'config')
        self.assertEqual(2, len(self.sets()))


if __name__ == '__main__':
    unittest.main()
