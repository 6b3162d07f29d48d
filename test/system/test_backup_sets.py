#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""`backup list`, `show`, `verify`, `archive`, `unarchive`, `delete` and `diff`."""
import itertools
import json
import os
import time
import unittest

from slipway_case import CORRUPT, NOT_FOUND, READ_ONLY, USAGE
from store_case import (BLOCK, KIB, MIB, SEGMENT, Sealed, StoreCase, change, flip, noise, objects)


class SetsCase(StoreCase):
    """A store with three states of a disk, and copies of them."""

    def setUp(self):
        super().setUp()
        self.init()
        self.disk = self.image('disk.img', 12 * MIB, {0: noise(1, 200 * KIB),
                                                      7 * MIB: noise(2, 200 * KIB)})
        self.made, self.contents = [], []
        for state in range(3):
            change(self.disk, state * MIB, noise(state + 10, 50 * KIB))
            self.made.append(self.backup(self.disk)['id'])
            self.contents.append(self.disk.read_bytes())

    def backdate(self, set_id, text):
        """Let a set be of another time: `2026-01-31T12:00`, UTC."""
        sealed = Sealed.read(self.store / 'sets' / set_id)
        sealed.members['created'] = int(time.mktime(time.strptime(text, '%Y-%m-%dT%H:%M'))
                                        - time.timezone)
        sealed.write(self.store / 'sets' / set_id)


class ListTest(SetsCase):
    """Finding sets."""

    def test_list(self):
        """Oldest first, and only those that are wanted."""
        self.backup(self.disk, name='web-1')
        self.backup(self.disk, name='web-2')
        self.assertEqual(self.made, self.set_ids('--name', 'm'))
        self.assertEqual(2, len(self.sets('-n', 'web-*')))
        self.assertEqual(4, len(self.sets('-n', 'web-?', '-n', 'm')[1:]))
        self.assertEqual([], self.sets('-n', 'none'))
        text = self.slipway('backup', 'list', text=True).stdout
        for word in (*(made[:12] for made in self.made), 'web-1', '12.6 MB'):
            self.assertIn(word, text)
        keys = {'id', 'name', 'created', 'host', 'method', 'parent', 'disks', 'tags', 'stats',
                'archived', 'verified', 'booted', 'name_now', 'identity', 'driver', 'hypervisor',
                'consistency'}
        self.assertEqual(keys, set(self.sets()[0]))

    def test_empty(self):
        """A store without sets says what makes one."""
        self.store = self.dir / 'other'
        self.init()
        self.assertIn('backup run', self.slipway('backup', 'list', text=True).stderr)

    def test_names_of_sets(self):
        """An id, its beginning, a machine, a machine at a time."""
        for set_id, day in zip(self.made, ('2026-01-30', '2026-01-31', '2026-02-01')):
            self.backdate(set_id, f'{day}T12:00')
        first, second, third = self.made
        for text, expected in (
                (first, first), (second[:10], second), ('m', third), ('m@latest', third),
                ('m@2026-01-31', second), ('m@2026-01-31T12:00', second), ('m@2099-01-01', third),
                ('m@2026-01-31T11:59', first), ('m@2026-01-31T12:00:00', second)):
            with self.subTest(text=text):
                shown = self.slipway('backup', 'show', text).json['set']
                self.assertEqual(expected, shown['id'])
        for text in ('none', 'm@2026-01-29', 'ffffffffffffffffffffffffffffffff'):
            self.fails(NOT_FOUND, 'backup', 'show', text, words=[text])
        self.fails(USAGE, 'backup', 'show', 'm@yesterday', words=['yesterday', '2026-11-25'])
        self.assertIn('m', self.fails(NOT_FOUND, 'backup', 'show', 'n').error)

    def test_ambiguous(self):
        """More digits are wanted when two begin alike."""
        sealed = Sealed.read(self.store / 'sets' / self.made[0])
        sealed.members['id'] = self.made[0][:8] + 24 * '0'
        sealed.write(self.store / 'sets' / sealed.members['id'])
        self.fails(USAGE, 'backup', 'show', self.made[0][:8], words=['more digits'])
        self.slipway('backup', 'show', self.made[0][:16])

    def test_damaged_set(self):
        """It is named; the others are listed."""
        flip(self.store / 'sets' / self.made[1], 60)
        listed = self.slipway('backup', 'list')
        self.assertEqual([self.made[0], self.made[2]], [s['id'] for s in listed.json['sets']])
        self.assertIn(self.made[1], listed.stderr)
        self.fails(CORRUPT, 'backup', 'show', self.made[1], words=[self.made[1]])
        self.fails(NOT_FOUND, 'backup', 'show', 'x', words=['damaged', 'store check'])

    def test_renamed_set(self):
        """A set under the id of another one is refused."""
        other = '0123456789abcdef' * 2
        (self.store / 'sets' / self.made[0]).rename(self.store / 'sets' / other)
        self.fails(CORRUPT, 'backup', 'show', other, words=[other])

    def test_newer_format(self):
        """A set of a later version is refused, not guessed at."""
        path = self.store / 'sets' / self.made[0]
        sealed = Sealed.read(path)
        sealed.version = 2
        sealed.write(path)
        self.slipway('backup', 'show', self.made[0], code=13)


class ChangeTest(SetsCase):
    """Deleting and archiving."""

    def test_any_order(self):
        """Whichever two of three are deleted, in any order: the third is whole, also after the
        space was given back."""
        for order in itertools.permutations(range(3), 2):
            with self.subTest(order=order):
                self.store = self.dir / f'store-{order[0]}{order[1]}'
                self.init()
                made = []
                for content in self.contents:
                    self.disk.write_bytes(content)
                    made.append(self.backup(self.disk)['id'])
                for number in order:
                    self.delete(made[number])
                    self.prune()
                left = ({0, 1, 2} - set(order)).pop()
                self.assertEqual([made[left]], self.set_ids())
                self.assert_restores(made[left], 'disk0', self.contents[left])

    def test_delete(self):
        """Never without a word; what is not needed any more goes with a prune."""
        self.fails(USAGE, 'backup', 'delete', 'm', words=['--yes'])
        said = self.slipway('backup', 'delete', *self.made[:2], '--dry-run')
        self.assertEqual(self.made[:2], said.json['deleted'])
        self.assertEqual(self.made, self.set_ids())
        self.slipway('backup', 'verify', self.made[0])
        self.delete(*self.made)
        self.assertEqual([], self.sets())
        self.assertEqual({}, objects(self.store, 'flags'))
        self.prune()
        for folder in ('packs', 'tmp', 'leases', 'doomed'):
            self.assertEqual({}, objects(self.store, folder), folder)
        self.fails(NOT_FOUND, 'backup', 'delete', self.made[0], '--yes', words=[self.made[0]])

    def test_archive(self):
        """An archived set is not deleted before it is taken out."""
        said = self.slipway('backup', 'archive', *self.made[:2]).json
        self.assertEqual(self.made[:2], said['sets'])
        self.assertEqual([True, True, False], [entry['archived'] for entry in self.sets()])
        self.fails(READ_ONLY, 'backup', 'delete', self.made[0], '--yes', words=['unarchive'])
        self.slipway('backup', 'unarchive', self.made[0])
        self.delete(self.made[0])
        made = self.backup(self.disk, '--archive')
        self.assertTrue(self.sets()[-1]['archived'])
        self.slipway('backup', 'verify', made['id'])
        self.assertTrue(self.sets()[-1]['archived'])
        self.assertIn('archived, verified', self.slipway('backup', 'list', text=True).stdout)
        self.fails(NOT_FOUND, 'backup', 'archive', 'none')


class VerifyTest(SetsCase):
    """Reading sets back."""

    def test_good(self):
        """It is noted with the set."""
        said = self.slipway('backup', 'verify', self.made[0], 'm').json['results']
        self.assertEqual([self.made[0], self.made[2]], [result['id'] for result in said])
        self.assertTrue(all(result['good'] and result['bytes'] >= 400 * KIB for result in said))
        self.assertEqual([True, None, True], [
            entry['verified'] and entry['verified']['good'] for entry in self.sets()])

    def test_damage(self):
        """One byte in a pack: the ranges of exactly the sets that have it."""
        changed = 2 * MIB, 2 * MIB + 50 * KIB  # only the third set has this
        pack = max((path for name, path in objects(self.store, 'packs').items()
                    if noise(12, 50 * KIB)[1000:1016] in path.read_bytes()),
                   key=lambda path: path.stat().st_size)
        flip(pack, pack.read_bytes().index(noise(12, 50 * KIB)[1000:1016]))
        self.slipway('backup', 'verify', *self.made[:2])
        failed = self.fails(CORRUPT, 'backup', 'verify', self.made[2], words=['store repair'])
        damage, = failed.json['results'][0]['damage']
        self.assertEqual('disk0', damage['disk'])
        self.assertGreaterEqual(damage['offset'], changed[0])
        self.assertLessEqual(damage['offset'] + damage['length'], changed[1] + BLOCK)
        self.assertEqual([True, True, False], [entry['verified']['good'] for entry in self.sets()])
        self.assertIn('DAMAGED', self.slipway('backup', 'list', text=True).stdout)
        shown = self.slipway('backup', 'show', self.made[2]).json['set']
        self.assertIn(str(damage['offset']), shown['verified']['words'])

    def test_missing_pack(self):
        """A pack that is gone."""
        largest = max(objects(self.store, 'packs').values(), key=lambda p: p.stat().st_size)
        largest.unlink()
        self.fails(CORRUPT, 'backup', 'verify', self.made[0])


class DiffTest(SetsCase):
    """What differs."""

    def diff(self, old, new, *options):
        """The ranges of disk0, and what was changed there."""
        return self.slipway('backup', 'diff', old, new, *options).json

    def compare(self, left, right):
        """The blocks that differ."""
        size = max(len(left), len(right))
        left, right = left.ljust(size, b'\0'), right.ljust(size, b'\0')
        return {at for at in range(0, size, BLOCK) if left[at:at + BLOCK] != right[at:at + BLOCK]}

    def test_ranges(self):
        """Every block that differs is in one, and not much else; both ways."""
        for old, new in ((0, 1), (0, 2), (2, 0), (1, 1)):
            said = self.diff(self.made[old], self.made[new], '--disk', 'disk0')
            named = set()
            for extent in said['extents']:
                named |= set(range(extent['offset'] // BLOCK * BLOCK,
                                   extent['offset'] + extent['length'], BLOCK))
            differ = self.compare(self.contents[old], self.contents[new])
            self.assertLessEqual(differ, named)
            self.assertLess(len(named), 3 * len(differ) + 1)
            self.assertEqual(said['extents'], said['disks'][0]['extents'])
            self.assertEqual(sum(e['length'] for e in said['extents']), said['disks'][0]['bytes'])

    def test_sizes(self):
        """Of a disk that grew."""
        os.truncate(self.disk, 20 * MIB + 100)
        change(self.disk, 20 * MIB, noise(20, 100))
        made = self.backup(self.disk)['id']
        extents = self.diff(self.made[2], made)['disks'][0]['extents']
        self.assertTrue(any(e['offset'] <= 20 * MIB and
                            e['offset'] + e['length'] == 20 * MIB + 100 for e in extents), extents)
        back = self.diff(made, self.made[2])['disks'][0]['extents']
        self.assertTrue(all(e['offset'] + e['length'] <= 12 * MIB for e in back), back)

    def test_disks(self):
        """One disk or all; names that are not there."""
        other = self.image('other.img', SEGMENT, {0: noise(30, 1000)})
        old = self.backup(f'a={self.disk}', f'b={other}', name='two')['id']
        change(other, MIB, b'x')
        self.backup(f'a={self.disk}', f'b={other}', name='two')
        said = self.diff(old, 'two')
        self.assertEqual(['a', 'b'], [disk['name'] for disk in said['disks']])
        self.assertEqual(0, said['disks'][0]['bytes'])
        self.assertIn(f'{MIB}', self.slipway('backup', 'diff', old, 'two', text=True).stdout)
        self.fails(NOT_FOUND, 'backup', 'diff', old, 'two', '--disk', 'c', words=['c'])
        self.fails(NOT_FOUND, 'backup', 'diff', old, 'none', words=['none'])

    def test_json_is_a_list_of_extents(self):
        """It can be given to a backup as it is."""
        said = self.slipway('backup', 'diff', self.made[0], self.made[1], '--disk', 'disk0')
        path = self.dir / 'changes.json'
        path.write_text(said.stdout, encoding='utf-8')
        self.assertEqual(json.loads(said.stdout)['extents'], said.json['extents'])
        self.disk.write_bytes(self.contents[1])
        made = self.backup(self.disk, '--since', self.made[0], '--changed-extents', path)
        roots = {entry['id']: entry['disks'][0]['root'] for entry in self.sets()}
        self.assertEqual(roots[self.made[1]], roots[made['id']])


if __name__ == '__main__':
    unittest.main()
