#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""`restore`: onto what, from what, and how it goes on when it was interrupted."""
import os
import signal
import unittest

from slipway_case import CANCELLED, CORRUPT, EXISTS, IO, NOT_FOUND, UNSUPPORTED, USAGE
from store_case import BLOCK, KIB, MIB, SEGMENT, StoreCase, change, flip, noise, objects

AREAS = {0: noise(1, 300 * KIB), 5 * MIB: noise(2, 600 * KIB), 9 * MIB: b'text\n' * 40000,
         16 * MIB - 512: noise(3, 512)}


class RestoreCase(StoreCase):
    """A store with two states of a disk."""

    def setUp(self):
        super().setUp()
        self.init()
        self.disk = self.image('disk.img', 16 * MIB, AREAS)
        self.old_bytes = self.disk.read_bytes()
        self.old = self.backup(self.disk)['id']
        change(self.disk, 2 * MIB, noise(4, 90 * KIB))
        change(self.disk, 5 * MIB, bytes(128 * KIB))
        change(self.disk, 10 * MIB + 7, b'a few bytes')
        self.new_bytes = self.disk.read_bytes()
        self.new = self.backup(self.disk)['id']
        self.target = self.dir / 'target.img'
        self.state = self.dir / 'target.img.slipway-restore'

    def run_restore(self, set_id, target=None, *options, **more):
        """What --json says of it."""
        return self.slipway('restore', set_id, 'disk0', target or self.target, *options,
                            **more).json

    def assert_target(self, expected, path=None):
        """The target has these bytes, and no state file is left."""
        self.assertTrue((path or self.target).read_bytes() == expected, 'the target differs')
        self.assertFalse(self.state.exists())


class TargetTest(RestoreCase):
    """What a target can be."""

    def test_new_file(self):
        """Sparse, private, and the report adds up."""
        said = self.run_restore(self.old)
        self.assert_target(self.old_bytes)
        self.assertEqual(0o600, self.target.stat().st_mode & 0o777)
        self.assertLess(self.target.stat().st_blocks * 512, 2 * MIB)
        self.assertEqual(16 * MIB, sum(said[key] for key in ('written', 'zeroed', 'skipped')))
        self.assertEqual([], said['damage'])
        self.assert_left('disk.img', 'store', 'target.img')

    def test_images(self):
        """As qemu-img sees them; by the ending or by --format."""
        expected = self.dir / 'expected.img'
        expected.write_bytes(self.new_bytes)
        for name in ('qcow2', 'vmdk', 'vhdx', 'vdi', 'vpc'):
            with self.subTest(format=name):
                path = self.dir / f'image.{name}'
                self.run_restore('m', path, *(('--format', 'vpc') if name == 'vpc' else ()))
                self.tool('qemu-img', 'compare', '-f', 'raw', '-F', name, expected, path)
                self.assertLess(path.stat().st_blocks * 512, 12 * MIB)
                again = self.backup(path, name=name)
                shown = {entry['id']: entry for entry in self.sets()}
                self.assertEqual(shown[self.new]['disks'][0]['root'], again['disks'][0]['root'])
        path = self.dir / 'by-option'
        self.run_restore(self.old, path, '--format', 'qcow2')
        self.assertEqual(b'QFI\xfb', path.read_bytes()[:4])
        self.fails(USAGE, 'restore', 'm', 'disk0', self.dir / 'x', '--format', 'zip')

    def test_image_that_is_there(self):
        """--incremental and --overwrite work on images too."""
        path = self.dir / 'image.qcow2'
        self.run_restore(self.old, path)
        said = self.run_restore(self.new, path, '--incremental')
        self.assertLess(said['written'] + said['zeroed'], 2 * MIB)
        self.tool('qemu-img', 'compare', '-f', 'raw', '-F', 'qcow2', self.disk, path)
        self.run_restore(self.old, path, '--overwrite')
        self.tool('qemu-img', 'convert', '-O', 'raw', path, self.target)
        self.assert_target(self.old_bytes)

    def test_what_is_there(self):
        """It is not touched without a word."""
        self.target.write_bytes(b'mine')
        self.fails(EXISTS, 'restore', self.old, 'disk0', self.target,
                   words=[self.target, '--overwrite', '--incremental'])
        self.assertEqual(b'mine', self.target.read_bytes())
        self.target.write_bytes(noise(9, 16 * MIB))
        self.run_restore(self.old, None, '--overwrite')
        self.assert_target(self.old_bytes)

    def test_another_size(self):
        """A file that is shorter or longer than the disk has its size afterwards."""
        for size in (0, 1000, 15 * MIB + 1, 20 * MIB):
            for how in ('--overwrite', '--incremental'):
                with self.subTest(size=size, how=how):
                    self.target.write_bytes(noise(size, size))
                    self.run_restore(self.old, None, how)
                    self.assert_target(self.old_bytes)

    def test_stale_state(self):
        """A state file of another restore is no leave to overwrite anything."""
        self.target.write_bytes(b'mine')
        self.state.write_text('{}', encoding='utf-8')
        self.fails(EXISTS, 'restore', self.old, 'disk0', self.target, words=['--overwrite'])
        self.assertEqual(b'mine', self.target.read_bytes())

    def test_device(self):
        """A block device: only with --yes; what is beyond the disk stays."""
        path = self.image('device.img', 17 * MIB, {0: noise(8, 17 * MIB)})
        with self.loop_device(path) as device:
            self.fails(USAGE, 'restore', self.old, 'disk0', device, words=['--yes'])
            self.run_restore(self.old, device, '--yes')
            self.fails(USAGE, 'restore', self.old, 'disk0', device, '--incremental',
                       words=['--yes'])
            said = self.run_restore(self.old, device, '--incremental', '--yes')
            self.assertEqual(16 * MIB, said['skipped'])
        self.assert_target(self.old_bytes + noise(8, 17 * MIB)[16 * MIB:], path)
        path = self.image('small.img', 15 * MIB, {})
        with self.loop_device(path) as device:
            self.fails(USAGE, 'restore', self.old, 'disk0', device, '--yes', words=['too few'])

    def test_nbd(self):
        """An NBD server."""
        path = self.image('served.img', 16 * MIB, {MIB: noise(7, MIB)})
        with self.nbd_server(self.dir / 'socket', 'file', path) as uri:
            self.fails(USAGE, 'restore', self.old, 'disk0', uri, words=['--yes'])
            self.run_restore(self.old, uri, '--yes')
        self.assert_target(self.old_bytes, path)

    def test_no_target(self):
        """A place that is not there, a directory, a program that is missing."""
        self.fails(NOT_FOUND, 'restore', 'm', 'disk0', self.dir / 'no/x.img', words=['no/x.img'])
        self.fails(UNSUPPORTED, 'restore', 'm', 'disk0', self.dir, '--overwrite', words=[self.dir])
        self.fails(UNSUPPORTED, 'restore', 'm', 'disk0', self.dir / 'x.qcow2',
                   words=['qemu-utils'], env={'PATH': str(self.dir)})
        self.assertFalse((self.dir / 'x.qcow2').exists())

    def test_full_target(self):
        """It says so; when there is space again it goes on."""
        with self.small_place(MIB) as place:
            path = place / 'target.img'
            self.fails(IO, 'restore', 'm', 'disk0', path, words=[path, 'free some space'])

    def test_names(self):
        """Sets and disks that are not there."""
        self.fails(NOT_FOUND, 'restore', 'none', 'disk0', self.target, words=['none'])
        self.fails(NOT_FOUND, 'restore', 'm', 'disk7', self.target, words=['disk7', 'backup show'])
        self.fails(USAGE, 'restore', 'm', 'disk0')
        self.assertFalse(self.target.exists())

    def test_workers(self):
        """Any number of threads makes the same."""
        for workers in (1, 5):
            path = self.dir / f'{workers}.img'
            self.run_restore(self.new, path, '--workers', workers)
            self.assert_target(self.new_bytes, path)


class IncrementalTest(RestoreCase):
    """Only what differs is written."""

    def test_back_and_forth(self):
        """From an older state to a newer one and back."""
        self.run_restore(self.old)
        said = self.run_restore(self.new, None, '--incremental')
        self.assert_target(self.new_bytes)
        self.assertLess(said['written'] + said['zeroed'], MIB)
        said = self.run_restore(self.old, None, '--incremental')
        self.assert_target(self.old_bytes)
        self.assertLess(said['written'] + said['zeroed'], MIB)
        self.assertEqual(16 * MIB, self.run_restore(self.old, None, '--incremental')['skipped'])

    def test_garbage(self):
        """Whatever the target has, it is right afterwards."""
        self.target.write_bytes(noise(30, 16 * MIB))
        self.run_restore(self.old, None, '--incremental')
        self.assert_target(self.old_bytes)
        self.target.write_bytes(bytes(16 * MIB))
        self.run_restore(self.new, None, '--incremental')
        self.assert_target(self.new_bytes)
        change(self.target, SEGMENT - 1, b'xy')
        change(self.target, 16 * MIB - 1, b'z')
        said = self.run_restore(self.new, None, '--incremental')
        self.assert_target(self.new_bytes)
        self.assertLess(said['written'] + said['zeroed'], MIB)

    def test_nothing_there(self):
        """Then it is an ordinary restore."""
        self.run_restore(self.new, None, '--incremental')
        self.assert_target(self.new_bytes)


class InterruptedTest(RestoreCase):
    """A restore that goes on where it was."""

    def setUp(self):
        super().setUp()
        self.large = self.image('large.img', 128 * MIB, {
            n * 8 * MIB: noise(n, 6 * MIB) for n in range(16)})
        self.large_set = self.backup(self.large, '--compression', 'off', name='large')['id']

    def interrupt(self, number):
        """Stop it when it is well under way; what it says."""
        self.target.unlink(missing_ok=True)
        child = self.start('restore', self.large_set, 'disk0', self.target, '--workers', '1')
        self.wait_for(lambda: child.poll() is not None or (
            self.target.exists() and self.target.stat().st_blocks * 512 > 20 * MIB))
        child.send_signal(number)
        _, said = child.communicate(timeout=60)
        if child.returncode == 0:
            self.skipTest('it was faster than the signal')
        return child.returncode, said.decode()

    def finish(self):
        """Run it again; it must be right."""
        said = self.run_restore(self.large_set)
        self.assertTrue(self.target.read_bytes() == self.large.read_bytes(), 'the target differs')
        self.assertFalse(self.state.exists())
        return said

    def test_terminated(self):
        """By SIGTERM or SIGINT: it knows how far it came."""
        for number in (signal.SIGTERM, signal.SIGINT):
            code, said = self.interrupt(number)
            self.assertEqual(CANCELLED, code, said)
            self.assertTrue(self.state.exists())
            self.assertGreater(self.finish()['resumed'], 4 * MIB)

    def test_killed(self):
        """By SIGKILL: it goes on too, or begins again when it had written down nothing yet."""
        code, said = self.interrupt(signal.SIGKILL)
        self.assertEqual(-signal.SIGKILL, code, said)
        if self.state.exists():
            self.finish()
        else:
            self.fails(EXISTS, 'restore', self.large_set, 'disk0', self.target)
            self.run_restore(self.large_set, None, '--overwrite')
            self.assertTrue(self.target.read_bytes() == self.large.read_bytes())

    def test_restart(self):
        """--restart begins again."""
        self.interrupt(signal.SIGTERM)
        change(self.target, MIB, noise(40, MIB))
        said = self.run_restore(self.large_set, None, '--restart', '--overwrite')
        self.assertEqual(0, said['resumed'])
        self.assertTrue(self.target.read_bytes() == self.large.read_bytes())

    def test_another_set(self):
        """What is known of another set's restore is not believed."""
        self.interrupt(signal.SIGTERM)
        change(self.large, 9 * MIB, noise(41, MIB))
        other = self.backup(self.large, '--compression', 'off', name='large')['id']
        run = self.slipway('restore', other, 'disk0', self.target, '--overwrite')
        self.assertIn('another restore', ' '.join(run.warnings))
        self.assertTrue(self.target.read_bytes() == self.large.read_bytes())

    def test_garbage_state(self):
        """A state file that is none is not believed, and does not stop anything."""
        for text in (b'', b'{', b'[]', b'\xff' * 100, b'{"version":1}', b'x' * 100000):
            self.target.unlink(missing_ok=True)
            self.target.write_bytes(noise(42, 16 * MIB))
            self.state.write_bytes(text)
            run = self.slipway('restore', self.old, 'disk0', self.target, '--overwrite')
            self.assertIn('begins at the start', ' '.join(run.warnings), text)
            self.assert_target(self.old_bytes)


class DamageTest(RestoreCase):
    """Damage in the store never becomes damage on the disk in silence."""

    def damage(self):
        """One byte of what is at 5 MiB + 300 KiB in both sets; where."""
        wanted = noise(2, 600 * KIB)[300 * KIB:300 * KIB + 16]
        for path in objects(self.store, 'packs').values():
            at = path.read_bytes().find(wanted)
            if at >= 0:
                flip(path, at)
                return 5 * MIB + 300 * KIB
        return self.fail('the bytes are in no pack')

    def test_stops(self):
        """It names the range and what helps, and the target is not taken for good."""
        at = self.damage()
        failed = self.fails(CORRUPT, 'restore', self.old, 'disk0', self.target, words=['disk0'])
        self.assertRegex(failed.error, r'5[0-9]{6}')
        self.assertGreater(at, 5 * 10**6)

    def test_skip_damaged(self):
        """Everything else is restored, and exactly what is not is listed."""
        at = self.damage()
        failed = self.fails(CORRUPT, 'restore', self.old, 'disk0', self.target, '--skip-damaged')
        damage, = failed.json['damage']
        begin, end = damage['offset'], damage['offset'] + damage['length']
        self.assertTrue(begin <= at < end)
        self.assertLessEqual(end - begin, 256 * KIB + BLOCK)
        restored = self.target.read_bytes()
        self.assertTrue(restored[:begin] == self.old_bytes[:begin])
        self.assertTrue(restored[end:] == self.old_bytes[end:])
        self.assertFalse(any(restored[begin:end]))
        self.assertEqual(16 * MIB, end - begin + sum(
            failed.json[key] for key in ('written', 'zeroed', 'skipped')))
        text = self.slipway('restore', self.old, 'disk0', self.dir / 'other.img', '--skip-damaged',
                            code=CORRUPT, text=True)
        self.assertIn(f'{end - begin} bytes at {begin}', text.stdout)

    def test_healed_later(self):
        """After the damage is healed the same command restores the rest."""
        self.damage()
        pack = {path: path.read_bytes() for path in objects(self.store, 'packs').values()}
        self.slipway('restore', self.old, 'disk0', self.target, '--skip-damaged', code=CORRUPT)
        for path, data in pack.items():
            at = data.find(bytes([noise(2, 600 * KIB)[300 * KIB] ^ 0x40])
                           + noise(2, 600 * KIB)[300 * KIB + 1:300 * KIB + 16])
            if at >= 0:
                flip(path, at)
        self.run_restore(self.old)
        self.assert_target(self.old_bytes)

    def test_missing_pack(self):
        """Without any pack of data only zeros can be restored."""
        for path in objects(self.store, 'packs').values():
            if path.read_bytes()[10] == 1:
                path.unlink()
        failed = self.fails(CORRUPT, 'restore', self.new, 'disk0', self.target, '--skip-damaged')
        self.assertGreaterEqual(len(failed.json['damage']), 4)
        self.slipway('restore', self.new, 'disk0', self.dir / 'x.img', code=None)

    def test_missing_map(self):
        """Without the map nothing is known: nothing is made up."""
        for path in objects(self.store, 'packs').values():
            if path.read_bytes()[10] == 2:
                path.unlink()
        run = self.slipway('restore', self.new, 'disk0', self.target, code=None)
        self.assertIn(run.code, (NOT_FOUND, CORRUPT))
        failed = self.fails(CORRUPT, 'restore', self.new, 'disk0', self.dir / 'x.img',
                            '--skip-damaged')
        self.assertEqual([(0, 16 * MIB)], [(damage['offset'], damage['length'])
                                           for damage in failed.json['damage']])

    def test_wrong_disk(self):
        """A set whose document was changed by hand is not believed."""
        path = self.store / 'sets' / self.new
        data = path.read_bytes()
        root = next(entry['disks'][0]['root'] for entry in self.sets()
                    if entry['id'] == self.old)
        self.assertIn(root.encode(), (self.store / 'sets' / self.old).read_bytes())
        path.write_bytes(data[:60] + b'x' + data[61:])
        self.fails(CORRUPT, 'restore', self.new, 'disk0', self.target, words=[self.new])
        self.assertFalse(os.path.exists(self.target))


if __name__ == '__main__':
    unittest.main()
