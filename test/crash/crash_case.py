# SPDX-License-Identifier: GPL-3.0-or-later
"""What the crash tests share: a small store, commands that are stopped at one of their changes of
it, and what has to hold afterwards.  README.md has the idea."""
import collections
import concurrent.futures
import dataclasses
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from slipway_case import LEAKS_OF_OTHERS, PROGRAM, REPORTS, TIMEOUT
from store_case import MIB, age_unfinished, change, memory_directory, noise, write_image

SHIM = os.environ['CRASH_SHIM']
# Every n-th point only; a build that is slow sets it.
STRIDE = int(os.environ.get('CRASH_STRIDE', '1'))
WORKERS = 2
FEW = 12  # points that are all tried, whatever the stride
DISK = 8 * MIB
FOLDERS = ('packs', 'parity', 'index', 'sets', 'flags', 'leases', 'doomed', 'lost', 'keys', 'tmp')


@dataclasses.dataclass(frozen=True)
class Fault:
    """What happens at a point."""
    mode: str
    power: str = ''
    errno: str = ''

    def environment(self, directory, point, log):
        """For the shim."""
        return {'LD_PRELOAD': SHIM, 'SHIM_DIRECTORY': str(directory), 'SHIM_AT': str(point),
                'SHIM_MODE': self.mode, 'SHIM_POWER': self.power, 'SHIM_ERRNO': self.errno,
                'SHIM_LOG': str(log)}

    def __str__(self):
        return ' '.join(filter(None, (self.mode, self.power, self.errno)))


COUNT = Fault('count')
Done = collections.namedtuple('Done', 'code stdout stderr')


class Bench:
    """A directory with a store and disks: the one that was prepared, or a copy of it."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.store = self.directory / 'store'
        self.key = ()  # options that open the store

    def copy(self, directory):
        """A bench of its own, with the same content; files beside the store are the same ones."""
        copy = Bench(directory)
        shutil.copytree(self.store, copy.store)
        for path in self.directory.iterdir():
            if path.is_file():
                os.link(path, copy.directory / path.name)
        copy.key = self.key
        return copy

    def run(self, *arguments, fault=None, point=0, check=None):
        """Run the program; `check`: the exit code that it must have."""
        environment = {name: os.environ[name] for name in ('PATH', 'ASAN_OPTIONS', 'UBSAN_OPTIONS')
                       if name in os.environ}
        # Whoever is preloaded comes before the sanitizer, which is fine with this one.
        options = environment.get('ASAN_OPTIONS', '') + ':verify_asan_link_order=0:detect_leaks=0'
        environment |= {'HOME': str(self.directory), 'LC_ALL': 'C.UTF-8', 'TZ': 'UTC',
                        'SLIPWAY_STORE': str(self.store), 'ASAN_OPTIONS': options.lstrip(':'),
                        'LSAN_OPTIONS': f'suppressions={LEAKS_OF_OTHERS}'}
        if fault is not None:
            environment |= fault.environment(self.store, point, self.directory / 'log')
        key = self.key if '--key-file' not in arguments else ()
        command = [PROGRAM, *map(str, arguments), *key, '--no-progress', '--json']
        done = subprocess.run(command, capture_output=True, timeout=TIMEOUT, check=False,
                              cwd=self.directory, stdin=subprocess.DEVNULL, env=environment)
        result = Done(done.returncode, done.stdout.decode(), done.stderr.decode())
        bad = [report for report in REPORTS if report in result.stderr]
        if bad or (check is not None and result.code != check):
            raise AssertionError(f'{arguments}: {result}')
        return result

    def json(self, *arguments):
        """Run it; it must work; what it says."""
        return json.loads(self.run(*arguments, check=0).stdout)

    def points(self):
        """What the last watched run counted: a list of what was changed, in order."""
        log = self.directory / 'log'
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return [line.split(' ', 1)[1] for line in lines]

    def sets(self):
        """{id: entry}"""
        return {entry['id']: entry for entry in self.json('backup', 'list')['sets']}

    def counts(self):
        """How many objects there are of each kind."""
        return {folder: sum(path.is_file() for path in (self.store / folder).rglob('*'))
                for folder in FOLDERS}

    def age(self):
        """Make what is unfinished look as old as it soon will be."""
        age_unfinished(self.store)

    def settle(self):
        """Clean up as an administrator would."""
        self.age()
        self.run('store', 'unlock', check=0)
        self.run('store', 'prune', check=0)


class Disks:
    """Two disks, of which each state differs in a few places from the one before."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        for number in range(2):
            write_image(self.path(number), DISK, {
                0: noise(f'begin{number}', 320 << 10), 5 * MIB: noise(f'middle{number}', 200 << 10),
                DISK - 4096: noise(f'end{number}', 4096)})

    def path(self, number):
        """Of a disk."""
        return self.directory / f'disk{number}.img'

    def write(self, state):
        """Let some time pass."""
        for number in range(2):
            change(self.path(number), 8192 * state, noise(f'{state} {number}', 120 << 10))
            change(self.path(number), 5 * MIB, noise(f'{state} {number} middle', 90 << 10))

    def digests(self):
        """What they have now."""
        return tuple(digest(self.path(number)) for number in range(2))


def digest(path):
    """SHA-256 of a file."""
    return hashlib.sha256(pathlib.Path(path).read_bytes()).digest()


class CrashCase(unittest.TestCase):
    """Tests of one command each."""

    maxDiff = None

    def setUp(self):
        temporary = tempfile.TemporaryDirectory(prefix='slipway-crash-', dir=memory_directory())
        self.addCleanup(temporary.cleanup)
        self.root = pathlib.Path(temporary.name)
        (self.root / 'base/store').mkdir(parents=True)
        self.base = Bench(self.root / 'base')
        self.disks = Disks(self.base.directory)
        self.contents = {}  # of each set: the digests of its disks
        self.usual = 0  # exit code of the command when nothing disturbs it

    def backup(self, *options):
        """Into the base."""
        made = self.base.json('backup', 'run', '--name', 'm', 'disk0.img', 'disk1.img', *options)
        self.contents[made['set']['id']] = self.disks.digests()
        return made['set']['id']

    # ---- what has to hold -----------------------------------------------------------------------

    def check_sound(self, bench, needed, wanted, disks):
        """The store is sound and has the sets `needed`, and these disks of each set come back as
        they were; a set that is not known has what `wanted` says."""
        sets = bench.sets()
        self.assertLessEqual(set(needed), set(sets))
        bench.run('store', 'check', '--read-data', check=0)
        for set_id in sets:
            expected = self.contents.get(set_id, wanted)
            for number in disks:
                target = bench.directory / 'restored.img'
                bench.run('restore', set_id, f'disk{number}', target, check=0)
                self.assertEqual(expected[number], digest(target), f'{set_id} disk{number}')
                target.unlink()
        return sets

    def reference(self, command, finish):
        """What is there after an undisturbed run, and the points that it had."""
        bench = self.base.copy(self.root / 'reference')
        bench.run(*command, fault=COUNT, check=self.usual)
        points = bench.points()
        finish(bench)
        bench.settle()
        counts = bench.counts()
        shutil.rmtree(bench.directory)
        return counts, points

    # ---- all points of a command ----------------------------------------------------------------

    def every_point(self, points, stride, visit, first=1):
        """Call `visit(directory, point)` for every stride-th one, two at a time; the number of
        calls."""
        if len(points) <= FEW:
            first = stride = 1
        chosen = range(min(first, stride), len(points) + 1, stride)

        def one(point):
            directory = self.root / f'point-{point}'
            try:
                visit(directory, point)
            except AssertionError as error:
                raise AssertionError(f'point {point} ({points[point - 1]}): {error}') from error
            finally:
                shutil.rmtree(directory, ignore_errors=True)

        with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
            futures = [pool.submit(one, point) for point in chosen]
            done, _ = concurrent.futures.wait(
                futures, return_when=concurrent.futures.FIRST_EXCEPTION)
            for future in futures:
                future.cancel()
        for future in done:
            future.result()
        return len(chosen)

    def report(self, fault, points, number):
        """Say what was covered."""
        test = self.id().rpartition('.')[2]
        print(f'{test}: {fault}: {number} of {len(points)} points', flush=True)
