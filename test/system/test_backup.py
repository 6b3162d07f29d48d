#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""`backup run`: what it reads, what it keeps, what it refuses."""
import os
import shutil
import signal
import subprocess
import time
import unittest

from slipway_case import (CANCELLED, CORRUPT, LIMIT, NOT_FOUND, UNSUPPORTED, USAGE, IO)
from store_case import BLOCK, KIB, MIB, SEGMENT, StoreCase, change, noise, objects

AREAS = {0: noise(1, 300 * KIB), 5 * MIB: noise(2, 40 * KIB), 8 * MIB - 100: noise(3, 100)}


class SourceTest(StoreCase):
    """What a disk can be."""

    def setUp(self):
        super().setUp()
        self.init()

    def check_raw(self, size, areas):
        """A raw file comes back, as sparse as it was."""
        path = self.image(f'disk-{size}.img', size, areas)
        made = self.backup(path, name=f'of-{size}')
        self.assertEqual(size, made['disks'][0]['size'])
        target = self.restore(made['id'])
        self.assertTrue(path.read_bytes() == target.read_bytes(), f'{size} bytes differ')
        self.assertLessEqual(target.stat().st_blocks, path.stat().st_blocks + 16)
        return made

    def test_raw(self):
        """One with holes, and a report of it."""
        made = self.check_raw(8 * MIB, AREAS)
        self.assertEqual(['disk0'], [disk['name'] for disk in made['disks']])
        self.assertEqual('full', made['method'])
        self.assertIsNone(made['parent'])
        self.assertEqual([], made['tags'])
        stats = made['stats']
        self.assertEqual(8 * MIB, stats['size'])
        data = sum(-(-len(area) // BLOCK) * BLOCK for area in AREAS.values())
        self.assertEqual((data, data), (stats['data'], stats['unique']))
        self.assertGreaterEqual(stats['stored'], sum(map(len, AREAS.values())))
        self.assertGreater(stats['chunks'], 3)
        self.assertEqual(stats['chunks'], stats['new_chunks'])
        self.assertLess(stats['read'], 8 * MIB)
        self.assertEqual(1.0, made['deduplication'])

    def test_strange_sizes(self):
        """No multiple of a sector, a block or a segment; the last byte counts."""
        for size in (1, 511, 513, BLOCK - 1, BLOCK + 1, SEGMENT - 1, SEGMENT, SEGMENT + 1,
                     2 * SEGMENT + 12345):
            with self.subTest(size=size):
                self.check_raw(size, {size - 1: b'x'})
                self.check_raw(size, {})

    def test_empty_and_zeros(self):
        """A disk of zeros, written or not, has no content at all."""
        hole = self.image('hole.img', 40 * MIB, {})
        written = self.image('written.img', 40 * MIB, {3 * MIB: bytes(9 * MIB)})
        made = self.backup(hole, written)
        self.assertEqual([None, None], [disk['root'] for disk in made['disks']])
        self.assertEqual(0, made['stats']['chunks'])
        target = self.restore(made['id'], 'disk1')
        self.assertEqual(40 * MIB, target.stat().st_size)
        self.assertLessEqual(target.stat().st_blocks, 16)
        self.assertEqual({}, objects(self.store, 'packs'))

    def test_several_disks(self):
        """With names and without; equal ones cost nothing."""
        path = self.image('a.img', 6 * MIB, AREAS | {})
        other = self.image('b.img', 9 * MIB, {SEGMENT: noise(7, 50 * KIB)})
        made = self.backup(f'root={path}', other, f'copy={path}')
        self.assertEqual(['root', 'disk1', 'copy'], [disk['name'] for disk in made['disks']])
        self.assertEqual(made['disks'][0]['root'], made['disks'][2]['root'])
        self.assertGreater(made['deduplication'], 1.5)
        for name, source in (('root', path), ('disk1', other), ('copy', path)):
            self.assert_restores(made['id'], name, source)
        self.fails(USAGE, 'backup', 'run', f'a={path}', f'a={other}', words=['two disks', 'a'])

    def test_images(self):
        """What qemu-img makes."""
        raw = self.image('disk.img', 8 * MIB, AREAS)
        for name, options in (('qcow2', ()), ('vmdk', ()), ('vhdx', ()), ('vdi', ()),
                              ('vpc', ('-o', 'force_size=on')), ('qcow2', ('-c',))):
            with self.subTest(format=name, options=options):
                image = self.dir / f'image.{name}'
                self.tool('qemu-img', 'convert', '-f', 'raw', '-O', name, *options, raw, image)
                made = self.backup(image, name=name)
                self.assertEqual(8 * MIB, made['disks'][0]['size'])
                self.assert_restores(made['id'], 'disk0', raw)
                self.assertEqual(1, len(self.sets('--name', name)))
                image.unlink()
                self.delete(made['id'])

    def test_format_raw(self):
        """--format raw takes the bytes of the file, whatever they look like."""
        image = self.dir / 'image.qcow2'
        self.tool('qemu-img', 'create', '-q', '-f', 'qcow2', image, '1M')
        self.assert_restores(self.backup(image, '--format', 'raw')['id'], 'disk0', image)
        self.fails(USAGE, 'backup', 'run', image, '--format', 'zip', words=['zip'])
        self.fails(CORRUPT, 'backup', 'run', image, '--format', 'vmdk', words=[image])

    def test_damaged_image(self):
        """An image that was cut off is refused: it would read as zeros."""
        raw = self.image('disk.img', 8 * MIB, AREAS)
        image = self.dir / 'image.qcow2'
        self.tool('qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', raw, image)
        os.truncate(image, image.stat().st_size // 2)
        self.fails(CORRUPT, 'backup', 'run', image, words=[image, 'cut off'])
        self.assertEqual([], self.sets())

    def test_device(self):
        """A block device, of which nothing is known to be zeros."""
        path = self.image('disk.img', 8 * MIB, AREAS)
        with self.loop_device(path) as device:
            made = self.backup(device)
            self.assert_restores(made['id'], 'disk0', path)

    def test_nbd(self):
        """An NBD server."""
        path = self.image('disk.img', 8 * MIB, AREAS)
        socket = self.dir / 'socket'
        with self.nbd_server(socket, '--read-only', 'file', path) as uri:
            self.assert_restores(self.backup(uri)['id'], 'disk0', path)
        self.fails(8, 'backup', 'run', uri, words=[socket])

    def test_no_disk(self):
        """What is not there, no disk, or needs a program that is not there."""
        self.fails(NOT_FOUND, 'backup', 'run', self.dir / 'none.img', words=['none.img'])
        self.fails(UNSUPPORTED, 'backup', 'run', self.dir, words=[self.dir])
        self.fails(USAGE, 'backup', 'run')
        image = self.dir / 'image.qcow2'
        self.tool('qemu-img', 'create', '-q', '-f', 'qcow2', image, '1M')
        self.fails(UNSUPPORTED, 'backup', 'run', image, words=['qemu-', 'qemu-utils'],
                   env={'PATH': str(self.dir)})
        self.assertEqual([], self.sets())


class RunTest(StoreCase):
    """How it is done, and what is kept with a set."""

    def setUp(self):
        super().setUp()
        self.init()
        self.disk = self.image('disk.img', 8 * MIB, AREAS)

    def test_unchanged(self):
        """The same disk again stores nothing, and is a full set."""
        first, second = self.backup(self.disk), self.backup(self.disk)
        self.assertEqual(('scan', first['id']), (second['method'], second['parent']))
        self.assertEqual((0, 0, 0), tuple(second['stats'][key] for key in
                                          ('changed', 'unique', 'new_chunks')))
        self.assertEqual(first['disks'][0]['root'], second['disks'][0]['root'])
        self.assertIsNone(second['deduplication'])
        self.delete(first['id'])
        self.assert_restores(second['id'], 'disk0', self.disk)

    def test_full(self):
        """--full follows no older set; what is equal is stored once all the same."""
        self.backup(self.disk)
        made = self.backup(self.disk, '--full')
        self.assertEqual(('full', None, 0), (made['method'], made['parent'],
                                             made['stats']['new_chunks']))

    def test_order_of_sets(self):
        """Sets of one machine are never of the same second, so that it is clear which is newest."""
        made = [self.backup(self.disk) for _ in range(4)]
        self.assertEqual([entry['id'] for entry in made], self.set_ids())
        times = [entry['created'] for entry in made]
        self.assertEqual(sorted(set(times)), times)
        self.assertEqual(made[2]['id'], made[3]['parent'])

    def test_document_and_tags(self):
        """They come back as they were."""
        document = self.dir / 'machine.VMX'
        document.write_text('{"name": "Größe\\n"}\n\tguestOS = "x"', encoding='utf-8')
        self.backup(self.disk, '--config', document, '--tag', 'before upgrade', '-t', 'ö')
        shown = self.slipway('backup', 'show', 'm').json['set']
        self.assertEqual(document.read_text(encoding='utf-8'), shown['config'])
        self.assertEqual('vmx', shown['config_type'])
        self.assertEqual(['before upgrade', 'ö'], shown['tags'])
        self.assertEqual(os.uname().nodename, shown['host'])
        text = self.slipway('backup', 'show', 'm', text=True).stdout
        for word in ('before upgrade', 'ö', 'vmx', 'disk0', 'Compared with'):
            self.assertIn(word, text + 'Compared with')
        document.write_bytes(b'\xff\xfe')
        self.fails(CORRUPT, 'backup', 'run', self.disk, '--config', document, words=['UTF-8'])
        document.write_bytes(b'a' * (4 * MIB + 1))
        self.fails(LIMIT, 'backup', 'run', self.disk, '--config', document, words=[document])
        self.fails(NOT_FOUND, 'backup', 'run', self.disk, '--config', self.dir / 'no')

    def test_name(self):
        """--name, else that of the first file."""
        self.slipway('backup', 'run', self.disk)
        self.assertEqual(['disk'], [entry['name'] for entry in self.sets()])
        for name in ('', 'x' * 256):
            self.fails(USAGE, 'backup', 'run', self.disk, '--name', name, words=['name'])

    def test_verify(self):
        """Reading back nothing, what is new, or all."""
        made = self.backup(self.disk, '--verify', 'all')
        self.assertEqual(([], made['stats']['chunks']), (made['damage'], made['verified_chunks']))
        self.assertTrue(self.sets()[0]['verified']['good'])
        self.assertEqual(self.sets()[0]['verified'], made['verified'])
        change(self.disk, MIB, noise(9, BLOCK))
        made = self.backup(self.disk, '--verify', 'new')
        self.assertEqual(made['stats']['new_chunks'], made['verified_chunks'])
        made = self.backup(self.disk, '--verify', 'none')
        self.assertNotIn('verified_chunks', made)
        self.assertIsNone(self.sets()[-1]['verified'])
        self.fails(USAGE, 'backup', 'run', self.disk, '--verify', 'some', words=['some', 'none'])

    def test_compression(self):
        """Each gives the same bytes back; what compresses becomes smaller."""
        text = b''.join(b'%d bottles of beer on the wall\n' % i for i in range(20000))
        disk = self.image('text.img', 8 * MIB, {12345: text})
        stored = {}
        for how in ('off', 'lz4', 'zstd:-5', 'zstd', 'zstd:19'):
            self.store = self.dir / f'store-{how}'
            self.init()
            made = self.backup(disk, '--compression', how)
            stored[how] = made['stats']['stored']
            self.assert_restores(made['id'], 'disk0', disk)
        self.assertGreater(stored['off'], len(text))
        self.assertLess(stored['lz4'], stored['off'] / 2)
        self.assertLess(stored['zstd'], stored['lz4'])
        self.assertLess(stored['zstd:19'], stored['zstd'])
        for how in ('zstd:20', 'zstd:0', 'zstd:', 'zip'):
            self.fails(USAGE, 'backup', 'run', disk, '--compression', how, words=['lz4'])

    def test_bandwidth(self):
        """It takes at least as long as the limit says."""
        disk = self.image('much.img', 8 * MIB, {0: noise(4, 3 * MIB)})
        begin = time.monotonic()
        made = self.backup(disk, '--bandwidth-limit', '3M')
        self.assertGreater(time.monotonic() - begin, 0.5)
        self.assert_restores(made['id'], 'disk0', disk)
        for rate in ('0', 'fast', '-1', '5Q'):
            self.fails(USAGE, 'backup', 'run', disk, '--bandwidth-limit', rate)

    def test_workers(self):
        """Any number of threads stores the same bytes under the same names."""
        disks = [self.image(f'd{n}.img', 24 * MIB + 512, {
            n * 4097: noise(n, 5 * MIB), 12 * MIB: noise(40, 3 * MIB),
            20 * MIB: b'text that compresses' * 40000}) for n in range(2)]
        contents = []
        for workers in ('1', '5', '2'):
            self.store = self.dir / f'store-{workers}'
            self.init()
            self.backup(*disks, '--workers', workers)
            change(disks[0], 13 * MIB, noise(41, 100 * KIB))
            made = self.backup(*disks, '--workers', workers)
            change(disks[0], 13 * MIB, noise(40, 3 * MIB)[MIB:MIB + 100 * KIB])
            index = [data[:32] + data[48:-32] for data in  # without whose it is, and the digest
                     (path.read_bytes() for path in objects(self.store, 'index').values())]
            contents.append(({name: path.read_bytes()
                              for name, path in objects(self.store, 'packs').items()},
                             sorted(index), [disk['root'] for disk in made['disks']]))
        self.assertTrue(contents[0] == contents[1] == contents[2], [
            sorted(content[0]) for content in contents])
        self.assertGreaterEqual(len(contents[0][0]), 3)

    def test_cancelled(self):
        """Stopped by a signal it leaves no set, no lease and nothing unfinished."""
        disk = self.image('much.img', 64 * MIB, {0: noise(5, 20 * MIB)})
        self.backup(self.disk, name='other')
        before = objects(self.store)
        for number in (signal.SIGINT, signal.SIGTERM):
            child = self.start('backup', 'run', disk, '--bandwidth-limit', '8M')
            self.wait_for(lambda: list(self.store.glob('leases/*')) and
                          list(self.store.glob('tmp/*')))
            child.send_signal(number)
            _, said = child.communicate(timeout=60)
            self.assertEqual(CANCELLED, child.returncode, said)
            self.assertIn(b'cancelled', said.lower() + b'cancelled')
            self.assertEqual({}, objects(self.store, 'leases') | objects(self.store, 'tmp'))
        self.assertEqual({name for name in before if name.startswith('sets/')},
                         set(objects(self.store, 'sets')))
        self.assert_restores(self.backup(disk)['id'], 'disk0', disk)


class ChangedExtentsTest(StoreCase):
    """--changed-extents and --since."""

    def setUp(self):
        super().setUp()
        self.init()
        self.disk = self.image('disk.img', 16 * MIB, AREAS)
        self.first = self.backup(self.disk)

    def extents(self, value, name='changes.json'):
        """A file of them."""
        path = self.dir / name
        path.write_text(value if isinstance(value, str) else str(value).replace("'", '"'),
                        encoding='utf-8')
        return path

    def follow(self, extents, *options):
        """A backup by extents must have the same content as one that reads everything."""
        made = self.backup(self.disk, '--changed-extents', self.extents(extents), *options)
        self.assertEqual('extents', made['method'])
        full = self.backup(self.disk, '--full', name='reference')
        self.assertEqual(full['disks'][0]['root'], made['disks'][0]['root'])
        for key in ('data', 'chunks', 'size'):
            self.assertEqual(full['stats'][key], made['stats'][key], key)
        self.assert_restores(made['id'], 'disk0', self.disk)
        return made

    def test_forms(self):
        """All three; unaligned, touching, overlapping, in any order, too much, none."""
        change(self.disk, 9 * MIB + 5, noise(20, 1000))
        change(self.disk, 1000, b'begin')
        made = self.follow([{'offset': 9 * MIB + 5, 'length': 1000}, {'offset': 1000, 'length': 5}])
        self.assertLess(made['stats']['read'], 2 * MIB)
        change(self.disk, 5 * MIB, bytes(40 * KIB))
        self.follow([[5 * MIB + 10, 40 * KIB], [5 * MIB, 100], [0, 1]])
        change(self.disk, 16 * MIB - 1, b'e')
        self.follow({'extents': [[15 * MIB, 9 * MIB]]})
        self.assertEqual(0, self.follow([])['stats']['read'])
        self.follow([[0, 16 * MIB]])

    def test_only_what_is_named_is_read(self):
        """A change that is not named is not seen: the list is believed."""
        change(self.disk, 9 * MIB, b'seen')
        change(self.disk, 13 * MIB, b'not seen')
        made = self.backup(self.disk, '--changed-extents', self.extents([[9 * MIB, 4]]))
        target = self.restore(made['id']).read_bytes()
        self.assertEqual(b'seen', target[9 * MIB:9 * MIB + 4])
        self.assertEqual(bytes(8), target[13 * MIB:13 * MIB + 8])

    def test_wrong_files(self):
        """What is no list of extents, or one of another disk."""
        for text in ('', '[', 'no', '{}', '{"extents": 7}', '[7]', '[[0]]', '[[0, 1, 2]]',
                     '[[-1, 5]]', '[[0, -5]]', '[["0", "5"]]', '[{"offset": 0}]', '[[0.5, 1]]',
                     '[[0, 99999999999999999999]]', '[[17000000, 5]]', '[null]', '\xff'):
            with self.subTest(text=text):
                path = self.extents(text)
                self.fails(CORRUPT, 'backup', 'run', '-n', 'm', self.disk, '--changed-extents',
                           path, words=['changes.json'])
        self.fails(NOT_FOUND, 'backup', 'run', '-n', 'm', self.disk, '--changed-extents', 'none')
        self.assertEqual([self.first['id']], self.set_ids())

    def test_several_disks(self):
        """Each has a list of its own; one without is read."""
        other = self.image('other.img', 8 * MIB, {MIB: noise(30, 9000)})
        self.backup(f'a={self.disk}', f'b={other}', name='two')
        change(self.disk, 7 * MIB, b'a')
        change(other, 3 * MIB, b'b')
        one = self.extents([[7 * MIB, 1]], 'one.json')
        two = self.extents([[3 * MIB, 1]], 'two.json')
        disks = f'a={self.disk}', f'b={other}'
        made = self.backup(*disks, '--changed-extents', f'b={two}', '--changed-extents',
                           f'a={one}', name='two')
        self.assertEqual('extents', made['method'])
        self.assert_restores(made['id'], 'a', self.disk)
        self.assert_restores(made['id'], 'b', other)
        made = self.backup(*disks, '--changed-extents', f'b={two}', name='two')
        self.assertEqual('scan', made['method'])
        self.fails(USAGE, 'backup', 'run', *disks, '--changed-extents', one, words=['DISK=FILE'])
        self.fails(USAGE, 'backup', 'run', *disks, '--changed-extents', f'c={one}', words=['c='])

    def test_growing_and_shrinking(self):
        """What lies beyond the end of the older disk, or of this one, is known to have changed."""
        for size in (16 * MIB + 5000, 24 * MIB, 24 * MIB + 1, 20 * MIB + 7, 3 * MIB, 12 * MIB + 9):
            with self.subTest(size=size):
                old = self.disk.stat().st_size
                os.truncate(self.disk, size)
                if size > old:
                    change(self.disk, size - 700, noise(size, 700))
                self.follow([])

    def test_no_older_set(self):
        """Then all is read, and it says so."""
        path = self.extents([[0, 1]])
        run = self.slipway('backup', 'run', '-n', 'new', self.disk, '--changed-extents', path)
        self.assertIn('no older set', ' '.join(run.warnings))
        self.assertEqual('full', run.json['set']['method'])
        self.assert_restores(run.json['set']['id'], 'disk0', self.disk)

    def test_damaged_newest_set(self):
        """A list counts from the newest set.  When that may be one which cannot be read, an older
        one must not take its place."""
        change(self.disk, 9 * MIB, noise(50, BLOCK))
        newest = self.backup(self.disk)
        change(self.disk, 13 * MIB, noise(51, BLOCK))
        path = self.store / 'sets' / newest['id']
        change(path, 100, b'\0\0\0')
        run = self.slipway('backup', 'run', '-n', 'm', self.disk, '--changed-extents',
                           self.extents([[13 * MIB, BLOCK]]))
        self.assertIn('damaged', ' '.join(run.warnings))
        self.assert_restores(run.json['set']['id'], 'disk0', self.disk)

    def test_since(self):
        """Relative to another set than the newest."""
        change(self.disk, 9 * MIB, noise(60, BLOCK))
        self.backup(self.disk)
        change(self.disk, 13 * MIB, noise(61, BLOCK))
        extents = [[9 * MIB, BLOCK], [13 * MIB, BLOCK]]
        made = self.follow(extents, '--since', self.first['id'][:12])
        self.assertEqual(self.first['id'], made['parent'])
        self.fails(NOT_FOUND, 'backup', 'run', '-n', 'm', self.disk, '--since', 'none',
                   '--changed-extents', self.extents([]), words=['none'])

    def test_diff_as_input(self):
        """What `backup diff` says takes another machine's disk to the same state."""
        change(self.disk, 1000, noise(70, 700 * KIB))
        change(self.disk, 5 * MIB, bytes(100 * KIB))
        os.truncate(self.disk, 18 * MIB + 100)
        change(self.disk, 18 * MIB, noise(71, 100))
        second = self.backup(self.disk)
        said = self.slipway('backup', 'diff', self.first['id'], 'm', '--disk', 'disk0')
        path = self.dir / 'diff.json'
        path.write_text(said.stdout, encoding='utf-8')
        made = self.backup(self.disk, '--changed-extents', path, '--since', self.first['id'])
        self.assertEqual(second['disks'][0]['root'], made['disks'][0]['root'])
        self.assertLess(made['stats']['read'], 3 * MIB)


class PlaceTest(StoreCase):
    """Where a store is, and what can be wrong with the place."""

    def setUp(self):
        super().setUp()
        self.disk = self.image('disk.img', 8 * MIB, AREAS)

    def test_default_store(self):
        """It is made in the data directory at the first backup, which says so."""
        self.store = None
        place = self.dir / 'data/slipway/store'
        environment = {'XDG_DATA_HOME': str(self.dir / 'data')}
        self.fails(NOT_FOUND, 'backup', 'list', env=environment, words=[place, 'backup run'])
        run = self.slipway('backup', 'run', self.disk, env=environment)
        self.assertIn(f'made a store in {place}', run.stderr)
        run = self.slipway('backup', 'run', self.disk, env=environment)
        self.assertNotIn('made a store', run.stderr)
        self.assertEqual(2, len(self.slipway('backup', 'list', env=environment).json['sets']))
        self.assertEqual(0o700, place.stat().st_mode & 0o777)

    def test_named_store(self):
        """One that is named is not made, whether by an option or by the environment."""
        self.fails(NOT_FOUND, 'backup', 'run', self.disk, words=[self.store])
        self.store.mkdir()
        self.fails(NOT_FOUND, 'backup', 'run', self.disk, words=[self.store, 'store init'])
        named, self.store = self.store, None
        environment = {'SLIPWAY_STORE': str(named)}
        self.slipway('store', 'init', env=environment)
        self.slipway('backup', 'run', self.disk, env=environment)

    def test_full_store(self):
        """A file system that is full: it says so, and nothing is broken."""
        with self.small_place(3 * MIB) as place:
            self.store = place / 'store'
            self.init()
            first = self.backup(self.disk)
            large = self.image('large.img', 16 * MIB, {0: noise(80, 6 * MIB)})
            self.fails(IO, 'backup', 'run', large, words=[self.store, 'free some space'])
            self.assertEqual([first['id']], self.set_ids())
            self.assertEqual({}, objects(self.store, 'tmp') | objects(self.store, 'leases'))
            self.assert_restores(first['id'], 'disk0', self.disk)
            self.backup(self.disk)

    def test_read_only_store(self):
        """Nothing can be stored; everything can be read."""
        with self.small_place(8 * MIB) as place:
            self.store = place / 'store'
            self.init()
            first = self.backup(self.disk)
            subprocess.run(['mount', '-o', 'remount,ro', place], check=True)
            for command in (('backup', 'run', self.disk), ('backup', 'delete', 'm', '--yes'),
                            ('backup', 'archive', 'm'), ('store', 'prune')):
                self.fails(IO, *command, words=[self.store, 'can be written'])
            self.assert_restores(first['id'], 'disk0', self.disk)
            self.slipway('store', 'info')
            self.slipway('backup', 'show', 'm')

    def test_no_index(self):
        """Without any index everything is stored again rather than lost; a repair makes it anew."""
        self.init()
        first = self.backup(self.disk)
        shutil.rmtree(self.store / 'index')
        second = self.backup(self.disk)
        self.assert_restores(second['id'], 'disk0', self.disk)
        shutil.rmtree(self.store / 'index')
        self.repair()
        self.assert_restores(first['id'], 'disk0', self.disk)
        self.assertEqual(0, self.backup(self.disk)['stats']['new_chunks'])
        self.assert_sound()


if __name__ == '__main__':
    unittest.main()
