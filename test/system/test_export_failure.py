#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exports that cannot go well: damaged packages, a full disk, a kill in the middle.

After each of them nothing has the name of the output, and no unfinished file lies beside it.
"""
import errno
import functools
import os
import random
import resource
import signal
import subprocess
import time
import unittest
import zipfile

from fixture import archive, broken
from fixture.payload import Payload
from fixture.vib import Vib
from slipway_case import (CANCELLED, CORRUPT, IO, NOT_FOUND, TIMEOUT, Result, SlipwayCase,
                          authority, depot, generation, scratch)

MB = 1 << 20


def with_vib(made, vib):
    """The bundle and standard profile of a release in which `vib` replaces that of its name."""
    vibs = tuple(vib if old.name == vib.name else old for old in made.vibs)
    return made.bundle(vibs=vibs, profiles=(made.standard.but(vibs=vibs),))


@functools.cache
def large_depot():
    """A depot whose profile has so much data that an export of it can be caught in the middle."""
    made = generation('7.0')
    noise = random.Random(7)
    big = tuple(Vib(f'big-{n}', '1.0-1', 'ACME', payloads=(
        Payload(f'big{n}', 'vgz', archive.gzip_bytes(noise.randbytes(24 * MB), 0)),),
        file_list=(f'opt/big/{n}',), signer=authority().signer('certified')) for n in range(4))
    profile = made.standard.with_vibs(big)
    bundle = made.bundle(vibs=made.vibs + big, profiles=(profile,))
    return bundle.write_zip(scratch() / 'large.zip')


class DamageTest(SlipwayCase):
    """A package of the profile is damaged: it is named, and nothing is written."""

    def setUp(self):
        super().setUp()
        self.generation = generation('6.7')
        self.profile = self.generation.standard.name
        self.victim = self.generation.vib('ntg3')

    def refuses(self, location, words, code=CORRUPT):
        """Both kinds of export of the depot fail and leave nothing."""
        self.add_depot(location)
        for output in ('out.iso', 'out.zip'):
            self.fails(code, 'profile', 'export', self.profile, '-o', output, words=words)
        self.assert_left()

    def test_damaged_payload_that_the_metadata_agrees_with(self):
        """Only the checksums in the descriptor tell."""
        bad = self.victim.but(raw=broken.VIBS['flipped-bit'](self.victim))
        for deflate in (False, True):
            with self.subTest(deflate=deflate):
                self.workspace = self.dir / 'workspace'
                path = with_vib(self.generation, bad).write_zip(
                    scratch() / f'flipped-{deflate}.zip', deflate_vibs=deflate)
                self.refuses(path, [self.victim.id, self.victim.payloads[0].name,
                                    'sha-256 checksum'])
                self.slipway('depot', 'remove', path)

    def test_damaged_file_of_a_directory(self):
        directory = scratch() / 'flipped-directory'
        self.generation.bundle().write_dir(directory)
        path = directory / self.victim.depot_path
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 4
        path.write_bytes(data)
        self.refuses(directory, [self.victim.id])

    def test_damaged_zip(self):
        """The zip's own bytes are damaged, in a stored and in a compressed member."""
        for deflate in (False, True):
            with self.subTest(deflate=deflate):
                path = self.generation.bundle().write_zip(
                    scratch() / f'rotten-{deflate}.zip', deflate_vibs=deflate)
                with zipfile.ZipFile(path) as archive_file:
                    member = archive_file.getinfo(self.victim.depot_path)
                data = bytearray(path.read_bytes())
                data[member.header_offset + member.compress_size - 90] ^= 0x10
                path.write_bytes(data)
                self.refuses(path, [self.victim.id])
                self.slipway('depot', 'remove', path)

    def test_cut_zip(self):
        path = scratch() / 'cut.zip'
        data = depot('6.7').read_bytes()
        path.write_bytes(data[:len(data) // 2])
        self.fails(CORRUPT, 'depot', 'add', path, words=[path])
        self.assert_left()

    def test_missing_file(self):
        path = self.generation.bundle(absent=(self.victim.id,)).write_zip(scratch() / 'absent.zip')
        self.refuses(path, [self.victim.id], NOT_FOUND)

    def test_other_vib_under_the_name(self):
        """Another package lies where the metadata says that this one is."""
        other = self.generation.vib('nvme')
        bad = self.victim.but(raw=other.to_bytes())
        path = with_vib(self.generation, bad).write_zip(scratch() / 'exchanged.zip')
        self.refuses(path, [self.victim.id, other.id])

    def test_depot_that_is_gone_after_it_was_connected(self):
        path = scratch() / 'gone.zip'
        path.write_bytes(depot('6.7').read_bytes())
        self.add_depot(path)
        path.unlink()
        self.fails(NOT_FOUND, 'profile', 'export', self.profile, '-o', 'out.iso', words=[path])
        self.assert_left()

    def test_force_does_not_export_damaged_packages(self):
        bad = self.victim.but(raw=broken.VIBS['flipped-bit'](self.victim))
        self.add_depot(with_vib(self.generation, bad).write_zip(scratch() / 'forced.zip'))
        self.fails(CORRUPT, 'profile', 'export', self.profile, '-o', 'out.iso', '--force',
                   words=[self.victim.id])
        self.fails(CORRUPT, 'profile', 'export', self.profile, '-o', 'out.iso',
                   '--no-signature-check', words=[self.victim.id])
        self.assert_left()

    def test_what_lay_there_stays(self):
        bad = self.victim.but(raw=broken.VIBS['flipped-bit'](self.victim))
        self.add_depot(with_vib(self.generation, bad).write_zip(scratch() / 'stays.zip'))
        (self.dir / 'out.iso').write_bytes(b'the image of yesterday')
        self.fails(CORRUPT, 'profile', 'export', self.profile, '-o', 'out.iso', '--overwrite')
        self.assertEqual(b'the image of yesterday', (self.dir / 'out.iso').read_bytes())
        self.assert_left('out.iso')


class InterruptedTest(SlipwayCase):
    """An export that is stopped in the middle of writing."""

    def setUp(self):
        super().setUp()
        self.add_depot(large_depot())
        self.profile = generation('7.0').standard.name

    def _written(self, process):
        """Bytes in the unfinished output of the process, wherever it has it."""
        sizes = [0]
        directory = f'/proc/{process.pid}/fd'
        try:
            for name in os.listdir(directory):
                target = os.readlink(f'{directory}/{name}')
                if target.startswith(f'{self.dir}/') and 'workspace' not in target:
                    sizes.append(os.stat(f'{directory}/{name}').st_size)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ESRCH, errno.EACCES):
                raise
        return max(sizes)

    def interrupt(self, number, output):
        """Start an export and send it a signal when it has written some; its Result."""
        command = self.command('profile', 'export', self.profile, '-o', output)
        with subprocess.Popen(command, cwd=self.dir, env=self.environment(), text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as process:
            deadline = time.monotonic() + TIMEOUT
            while self._written(process) < 2 * MB:
                self.assertIsNone(process.poll(), 'it ended before it could be stopped')
                self.assertLess(time.monotonic(), deadline)
                time.sleep(.001)
            process.send_signal(number)
            stdout, stderr = process.communicate(timeout=TIMEOUT)
        return Result(process.returncode, stdout, stderr, None)

    def has_unnamed_files(self):
        """Whether unfinished files need no name here."""
        try:
            os.close(os.open(self.dir, os.O_RDWR | os.O_TMPFILE, 0o600))
        except OSError:
            return False
        return True

    def test_interrupted(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            for output in ('out.iso', 'out.zip'):
                with self.subTest(signal=number, output=output):
                    result = self.interrupt(number, output)
                    self.check_result(result)
                    self.assertEqual(CANCELLED, result.code, result.stderr)
                    self.assertIn('stopped', result.error)
                    self.assert_left()

    def test_killed(self):
        for output in ('out.iso', 'out.zip'):
            with self.subTest(output=output):
                self.assertEqual(-signal.SIGKILL, self.interrupt(signal.SIGKILL, output).code)
                self.assertFalse((self.dir / output).exists())
                if self.has_unnamed_files():
                    self.assert_left()

    def test_next_run_goes_well(self):
        (self.dir / 'out.iso').write_bytes(b'yesterday')
        self.fails(11, 'profile', 'export', self.profile, '-o', 'out.iso')
        (self.dir / 'out.iso').unlink()
        self.interrupt(signal.SIGKILL, 'out.iso')
        self.export(self.profile)
        self.tool('xorriso', '-indev', 'out.iso', '-find', '/', '-type', 'f')

    # ---- no room --------------------------------------------------------------------------------

    def test_file_size_limit(self):
        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (16 * MB, 16 * MB))

        for output in ('out.iso', 'out.zip'):
            with self.subTest(output=output):
                # restore_signals: SIGXFSZ stays ignored, so the write itself fails.
                self.fails(IO, 'profile', 'export', self.profile, '-o', output, words=[output],
                           preexec_fn=limit, restore_signals=False)
                self.assert_left()

    def test_full_disk(self):
        """On a small file system of its own, in a mount namespace."""
        place = self.dir / 'small'
        place.mkdir()
        enter = ['unshare', '--user', '--map-root-user', '--mount'] if os.geteuid() else [
            'unshare', '--mount']
        mount = 'mount -t tmpfs -o size=20m none "$0" || exit 77; "$@"; code=$?; ls -A "$0"; '
        for output in ('out.iso', 'out.zip'):
            with self.subTest(output=output):
                command = self.command('profile', 'export', self.profile, '-o', place / output)
                done = subprocess.run(
                    [*enter, 'sh', '-c', mount + 'exit $code', str(place), *command],
                    capture_output=True, text=True, env=self.environment(), timeout=TIMEOUT,
                    check=False)
                if done.returncode in (1, 77) and 'slipway:' not in done.stderr:
                    self.skipTest('nothing can be mounted here')
                result = Result(done.returncode, done.stdout, done.stderr, None)
                self.check_result(result)
                self.assertEqual(IO, result.code, result.stderr)
                self.assertIn(output, result.error)
                self.assertIn('free some space', result.error)
                self.assertEqual('', result.stdout)

    def test_standard_output_is_full(self):
        with open('/dev/full', 'wb') as full:
            done = subprocess.run(self.command('package', 'list'), stdout=full, text=True,
                                  stderr=subprocess.PIPE, env=self.environment(), check=False)
        self.assertEqual(IO, done.returncode)
        self.assertIn('standard output', done.stderr)


if __name__ == '__main__':
    unittest.main()
