#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""`store init`, `info`, `check`, `repair` and `prune`."""
import random
import shutil
import unittest

from slipway_case import BUSY, CORRUPT, EXISTS, NOT_FOUND, USAGE
from store_case import KIB, MIB, Sealed, StoreCase, change, digests, flip, noise, objects

AREAS = {0: noise(1, 300 * KIB), 5 * MIB: noise(2, 90 * KIB), 7 * MIB: b'some text\n' * 9000}


class InitTest(StoreCase):
    """Making a store, and what is said of one."""

    def test_init(self):
        """In a directory that is made, or empty; never over anything."""
        said = self.init('--parity', '2.5%', '--compression', 'zstd:7', '--keep', 'typical').json
        self.assertEqual((str(self.store), False), (said['store'], said['encrypted']))
        info = self.slipway('store', 'info').json
        self.assertEqual(said['id'], info['id'])
        self.assertEqual({'codec': 'zstd', 'level': 7}, info['compression'])
        self.assertEqual((2.5, 0, 0), tuple(info[key] for key in ('parity_percent', 'sets',
                                                                  'packs')))
        self.assertIn('last=5', info['retention'])
        self.fails(EXISTS, 'store', 'init', words=[self.store])
        self.fails(EXISTS, 'store', 'init', '--encrypt', words=[self.store])
        self.store = self.dir / 'no/parent'
        self.fails(NOT_FOUND, 'store', 'init', words=[self.store])

    def test_options(self):
        """What makes no sense."""
        for options in (('--parity', 'much'), ('--parity', '51%'), ('--parity', '-1'),
                        ('--compression', 'zip'), ('--keep', 'something')):
            with self.subTest(options=options):
                self.fails(USAGE, 'store', 'init', *options)
        self.assertFalse((self.store / 'config').exists())

    def test_rest_of_a_store(self):
        """A store whose `config` is gone is not made anew over what is left of it."""
        self.init('--parity', '2%')
        self.backup(self.image('disk.img', 8 * MIB, AREAS))
        config = (self.store / 'config').read_bytes()
        (self.store / 'config').unlink()
        before = digests(self.store)
        secret = self.dir / 'key'
        secret.write_bytes(noise(1, 64))
        self.fails(USAGE, 'store', 'init', words=['config'])
        self.fails(USAGE, 'store', 'init', '--encrypt', '--key-file', secret, words=['config'])
        self.assertEqual(before, digests(self.store))
        (self.store / 'config').write_bytes(config)
        self.assert_sound()

    def test_info(self):
        """The numbers fit what is there."""
        self.init('--parity', '5%')
        disk = self.image('disk.img', 8 * MIB, AREAS)
        for name in ('a', 'b'):
            self.backup(disk, name=name)
        info = self.slipway('store', 'info').json
        for key, folder in (('stored', 'packs'), ('index', 'index')):
            self.assertEqual(sum(path.stat().st_size for path in
                                 objects(self.store, folder).values()), info[key], key)
        self.assertEqual((2, 2, 16 * MIB), (info['sets'], info['machines'], info['size']))
        self.assertEqual(len(objects(self.store, 'packs')), info['packs'])
        self.assertGreater(info['parity'], info['stored'] / 25)
        text = self.slipway('store', 'info', text=True).stdout
        for word in (info['id'], '5.0%', 'Saving', 'zstd, level 1'):
            self.assertIn(word, text)


class DamageCase(StoreCase):
    """A store with every kind of object that lasts."""

    def fill(self, *options):
        """The sets, and what each has."""
        self.init(*options)
        self.disk = self.image('disk.img', 8 * MIB, AREAS)
        self.contents = {}
        for state in range(3):
            change(self.disk, state * MIB + 100, noise(state + 10, 60 * KIB))
            self.contents[self.backup(self.disk, '--verify', 'all')['id']] = self.disk.read_bytes()
        self.slipway('backup', 'rule', 'm', '--keep', 'last=9')

    def assert_all_restore(self):
        """Every set comes back."""
        self.assertEqual(set(self.contents), set(self.set_ids()))
        for set_id, content in self.contents.items():
            self.assert_restores(set_id, 'disk0', content)

    def pack_with(self, data):
        """The pack that has these bytes, and where."""
        return next((path, path.read_bytes().index(data))
                    for path in objects(self.store, 'packs').values() if data in path.read_bytes())

    def packs_of(self, kind):
        """1: of data, 2: of nodes."""
        return [path for path in objects(self.store, 'packs').values()
                if path.read_bytes()[10] == kind]


class CheckTest(DamageCase):
    """What is damaged is named; what is sound is not."""

    def test_sound(self):
        """In words and numbers."""
        self.fill()
        said = self.check('--read-data')
        self.assertEqual(([], 3), (said['damage'], said['sets']))
        self.assertEqual(said['packs'], said['packs_read'])
        self.assertGreater(said['read_bytes'], 500 * KIB)
        self.assertEqual(0, self.check()['packs_read'])
        self.assertTrue(0 < self.check('--sample', '50')['packs_read'] <= said['packs'])
        self.assertEqual(said['packs'], self.check('--sample', '100%')['packs_read'])
        self.fails(USAGE, 'store', 'check', '--sample', 'some')
        text = self.slipway('store', 'check', '--read-data', text=True).stdout
        self.assertIn('No damage was found', text)

    def places(self, path):
        """Offsets in a file: the ends, and some between."""
        size = path.stat().st_size
        chooser = random.Random(path.name)
        return {0, size - 1, *(chooser.randrange(size) for _ in range(2))}

    def test_any_byte(self):
        """A byte of any object: `check --read-data` names the object, and `repair` makes it what
        it was, or in the case of the index something as good."""
        self.fill('--parity', '10%')
        before = digests(self.store)
        kinds = {name.split('/')[0] for name in before}
        self.assertLessEqual({'config', 'packs', 'parity', 'index', 'sets', 'flags', 'rules'},
                             kinds)
        tried = 0
        for name, path in objects(self.store).items():
            for offset in self.places(path) if not name.startswith('index/') else ():
                with self.subTest(object=name, offset=offset):
                    self.check_one(name, path, offset)
                    self.assertEqual(before, digests(self.store))
                    tried += 1
        for number in range(8):
            name, path = next(iter(objects(self.store, 'index').items()))
            offset = sorted(self.places(path))[number % 4]
            with self.subTest(object=name, offset=offset):
                self.check_one(name, path, offset)
                tried += 1
        print(f'{tried} places', flush=True)
        self.assert_all_restore()

    def check_one(self, name, path, offset):
        """Damage one byte, find it, mend it."""
        good = path.read_bytes()
        flip(path, offset)
        failed = self.fails(CORRUPT, 'store', 'check', '--read-data', words=[self.store])
        self.assertIn(name, [damage['object'] for damage in failed.json['damage']])
        repaired = self.repair('--read-data')
        self.assertEqual([], repaired['left'])
        if not name.startswith('index/'):
            self.assertTrue(path.read_bytes() == good, f'{name} is another one')
        self.assert_sound()

    def test_who_needs_it(self):
        """Damage names the places of the disks that need it, and nobody else's."""
        self.fill()
        sets = self.set_ids()
        path, at = self.pack_with(noise(12, 60 * KIB)[20000:20016])  # only the third set has it
        flip(path, at)
        self.check()
        failed = self.fails(CORRUPT, 'store', 'check', '--read-data', words=['store repair'])
        places = []
        for damage in failed.json['damage']:  # of all chunks that were compressed together
            self.assertEqual('chunk', damage['kind'])
            self.assertEqual(self.store / damage['object'], path)
            places += damage['needed_by']
        self.assertEqual({(sets[2], 'm', 'disk0')}, {
            (place['set'], place['machine'], place['disk']) for place in places})
        self.assertTrue(all(2 * MIB <= place['offset'] < 2 * MIB + 64 * KIB for place in places))
        wanted, = [place for place in places
                   if 0 <= 2 * MIB + 20100 - place['offset'] < place['length']]
        text = self.slipway('store', 'check', '--read-data', text=True, code=CORRUPT).stdout
        self.assertIn(f'at {wanted["offset"]}', text)
        for set_id in sets[:2]:
            self.assert_restores(set_id, 'disk0', self.contents[set_id])

    def test_missing(self):
        """Packs that are gone are missed without reading anything."""
        self.fill()
        for path in self.packs_of(1)[:1]:
            path.unlink()
        failed = self.fails(CORRUPT, 'store', 'check')
        self.assertTrue(all(damage['needed_by'] for damage in failed.json['damage']))

    def test_notes(self):
        """What is left over is no damage."""
        self.fill()
        (self.store / 'README').write_text('mine', encoding='utf-8')
        (self.store / 'tmp' / (32 * 'a' + '-' + 16 * 'b')).write_bytes(b'unfinished')
        said = self.check('--read-data')
        self.assertEqual([], said['damage'])
        self.assertIn('unfinished', ' '.join(said['notes']))


class RepairTest(DamageCase):
    """Mending."""

    def test_nothing_to_do(self):
        """A sound store stays as it is, byte for byte."""
        self.fill('--parity', '2%')
        before = digests(self.store)
        said = self.repair('--read-data')
        self.assertEqual(([], []), (said['actions'], said['left']))
        self.assertIn('nothing to repair', self.slipway('store', 'repair', text=True).stdout)
        self.assertEqual(before, digests(self.store))

    def test_dry_run(self):
        """It only says what would be done."""
        self.fill('--parity', '2%')
        flip(self.packs_of(1)[0], 500)
        shutil.rmtree(self.store / 'index')
        before = digests(self.store)
        said = self.repair('--read-data', '--dry-run', code=None)
        self.assertTrue(said['dry_run'] and said['actions'])
        self.assertEqual(before, digests(self.store))
        self.repair('--read-data')
        self.assert_sound()

    def test_a_lot(self):
        """Parity heals a run of many blocks, at the beginning or at the end too."""
        self.fill('--parity', '10%')
        largest = max(self.packs_of(1), key=lambda path: path.stat().st_size)
        good = largest.read_bytes()
        for begin in (0, 100000, len(good) - 20000):
            with self.subTest(begin=begin):
                change(largest, begin, noise(99, 20000))
                self.repair('--read-data')
                self.assertTrue(largest.read_bytes() == good)
        self.assert_sound()

    def test_lost_and_found(self):
        """What nothing can heal: all else is saved, and the next backup of a disk that still has
        it makes the older sets whole again."""
        self.fill()
        path, at = self.pack_with(noise(1, 300 * KIB)[200 * KIB:200 * KIB + 16])
        flip(path, at)
        failed = self.slipway('store', 'repair', '--read-data', code=CORRUPT)
        self.assertEqual((1, 1), (failed.json['packs_salvaged'], failed.json['chunks_lost']))
        self.assertFalse(path.exists())
        self.assertEqual(1, len(objects(self.store, 'lost')))
        self.fails(CORRUPT, 'backup', 'verify', *self.contents)
        extents = self.dir / 'none.json'
        extents.write_text('[]', encoding='utf-8')
        made = self.backup(self.disk, '--changed-extents', extents)
        self.assertGreater(made['stats']['new_chunks'], 0)
        self.contents[made['id']] = self.disk.read_bytes()
        self.assert_all_restore()
        self.assert_sound()
        self.repair()
        self.assertEqual({}, objects(self.store, 'lost'))
        self.assertEqual(0, self.backup(self.disk)['stats']['new_chunks'])

    def test_lost_map(self):
        """A machine whose newest map is lost can be backed up all the same."""
        self.fill()
        for path in self.packs_of(2):
            path.unlink()
        self.slipway('store', 'repair', '--read-data', code=CORRUPT)
        made = self.backup(self.disk)
        self.assert_restores(made['id'], 'disk0', self.disk)
        self.assertEqual(0, self.backup(self.disk)['stats']['changed'])

    def test_busy(self):
        """A prune that is alive is not disturbed."""
        self.fill()
        child = self.start('backup', 'run', self.disk, '--full', '--bandwidth-limit', '30k')
        self.wait_for(lambda: objects(self.store, 'leases'))
        name, path = next(iter(objects(self.store, 'leases').items()))
        sealed = Sealed.read(path)
        sealed.members['kind'] = 'prune'
        sealed.write(self.store / name)
        self.fails(BUSY, 'store', 'prune', words=[self.store])
        flip(self.packs_of(1)[0], 500)
        self.fails(BUSY, 'store', 'repair', '--read-data', words=[self.store])
        child.kill()


class PruneTest(DamageCase):
    """Giving back space."""

    def size(self):
        """Bytes of all packs."""
        return sum(path.stat().st_size for path in objects(self.store, 'packs').values())

    def test_prune(self):
        """What is dead goes, with its parity; what is mostly dead is written anew."""
        self.fill('--parity', '5%')
        before, sets = self.size(), list(self.contents)
        said = self.prune()
        self.assertEqual((0, 0), (said['removed_packs'], said['dead_packs']))
        change(self.disk, 0, bytes(8 * MIB))
        last = self.backup(self.disk, '--tag', 'zeros')['id']
        self.delete(*sets[:2])
        dry = self.prune('--dry-run')
        self.assertTrue(dry['dry_run'])
        self.assertEqual(before, self.size())
        said = self.prune()
        for key in ('dead_packs', 'moved_packs'):
            self.assertEqual(dry[key], said[key], key)
        self.assertLess(self.size(), before)
        self.assertEqual({name.split('/')[-1] for name in objects(self.store, 'packs')},
                         {name.split('/')[-1] for name in objects(self.store, 'parity')
                          if len(name.split('/')[-1]) == 64})
        self.assert_restores(sets[2], 'disk0', self.contents[sets[2]])
        self.assert_sound()
        self.delete(sets[2])
        self.prune()
        self.assertEqual({}, objects(self.store, 'packs'))
        self.assert_restores(last, 'disk0', self.disk)

    def test_threshold(self):
        """How much may be dead."""
        self.fill()
        self.delete(list(self.contents)[0])
        self.assertEqual(0, self.prune('--threshold', '100')['moved_packs'])
        self.assertGreater(self.prune('--threshold', '0')['moved_packs'], 0)
        self.fails(USAGE, 'store', 'prune', '--threshold', '101')
        self.assert_sound()

    def test_optimize(self):
        """Smaller, once, and the same content."""
        self.init('--compression', 'lz4')
        text = b''.join(b'line %d of a log: something happened\n' % n for n in range(30000))
        self.disk = self.image('disk.img', 8 * MIB, {0: text})
        made = self.backup(self.disk)['id']
        before = self.size()
        said = self.prune('--optimize')
        self.assertGreater(said['written_packs'], 0)
        self.assertLess(self.size(), before * 0.8)
        packs = digests(self.store, 'packs')
        self.assertEqual(0, self.prune('--optimize')['written_packs'])
        self.assertEqual(packs, digests(self.store, 'packs'))
        self.assert_restores(made, 'disk0', self.disk)
        self.assert_sound()
        for how in ('lz4', 'off', 'zstd:-3'):
            self.fails(USAGE, 'store', 'prune', '--optimize', '--compression', how)

    def test_unreadable_set(self):
        """While nobody knows what is needed, nothing is removed."""
        self.fill()
        first, second, _ = self.contents
        self.delete(first)
        flip(self.store / 'sets' / second, 60)
        before = digests(self.store, 'packs')
        self.fails(CORRUPT, 'store', 'prune', words=[second])
        self.assertEqual(before, digests(self.store, 'packs'))
        flip(self.store / 'sets' / second, 60)
        self.prune()
        self.assert_sound()


if __name__ == '__main__':
    unittest.main()
