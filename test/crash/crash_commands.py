# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands that change a store, and what has to hold when one did not come to its end."""
import shutil

from crash_case import STRIDE, CrashCase
from slipway_case import CORRUPT, DENIED, NOT_FOUND
from store_case import flip, noise, objects

BACKUP = ('backup', 'run', '--name', 'm', 'disk0.img', 'disk1.img')


class CommandCase(CrashCase):
    """faults: what happens, each with how-many-th point it is tried at.  afterwards: what happens
    when a command was done."""

    faults = ()
    afterwards = ()

    def interrupt(self, bench, command, fault, point):
        """Run the command with the fault, and check how it ended."""
        raise NotImplementedError

    def assert_counts(self, expected, counts):
        """As many objects, but an index that may have come out in fewer."""
        self.assertLessEqual(counts.pop('index'), expected['index'])
        self.assertEqual({key: expected[key] for key in counts}, counts)

    def stays_done(self, command):
        """What was there when the command ended well is there when the power goes then; what it
        removed does not come back."""
        calm = self.base.copy(self.root / 'calm')
        calm.run(*command, check=self.usual)
        for fault in self.afterwards:
            bench = self.base.copy(self.root / 'end')
            bench.run(*command, fault=fault, point='end', check=self.usual)
            expected, counts = calm.counts(), bench.counts()
            del expected['tmp'], counts['tmp']  # nobody waits for an unfinished one to be gone
            self.assertEqual(expected, counts, f'{fault}, at the end')
            self.assertEqual(len(calm.sets()), len(bench.sets()))
            if self.usual == 0:
                bench.run('store', 'check', '--read-data', check=0)
            shutil.rmtree(bench.directory)

    def everywhere(self, command, visit, finish=lambda bench: None):
        """Interrupt `command` at every point with every fault; then `visit(bench, point)` repeats
        and checks.  There must not be more objects afterwards than after an undisturbed run."""
        counts, points = self.reference(command, finish)
        self.stays_done(command)
        for number, (fault, stride) in enumerate(self.faults):
            def one(directory, point, fault=fault):
                bench = self.base.copy(directory)
                self.interrupt(bench, command, fault, point)
                bench.age()
                visit(bench, point)
                finish(bench)
                bench.settle()
                self.assert_counts(counts, bench.counts())

            done = self.every_point(points, stride * STRIDE, one, first=1 + number)
            self.report(fault, points, done)

    def stop(self, command, needed, finish=lambda bench: None, gone=None):
        """The store must be sound at any moment.  needed: the sets that must be there.  finish:
        takes away what more there is than after an undisturbed run.  gone: a set after whose end
        the command says that it is not there."""
        wanted = self.disks.digests()

        def visit(bench, point):
            sets = self.check_sound(bench, needed, wanted, [point % 2])
            done = gone is not None and gone not in sets
            bench.run(*command, check=NOT_FOUND if done else 0)
            self.check_sound(bench, needed, wanted, [1] if point % 4 == 0 else [])
        self.everywhere(command, visit, finish)

    def newest_only(self, others):
        """Deletes all sets of the machine but these and the newest one."""
        def finish(bench):
            new = [entry for entry in bench.sets().values() if entry['id'] not in others]
            for entry in sorted(new, key=lambda entry: entry['created'])[:-1]:
                bench.run('backup', 'delete', entry['id'], '--yes', check=0)
        return finish

    def test_init(self):
        """Of an encrypted store; it can be begun again, with another key."""
        for name in ('first', 'second'):
            (self.base.directory / name).write_bytes(noise(name, 64))
        command = ('store', 'init', '--encrypt', '--key-file')

        def visit(bench, _point):
            bench.key = '--key-file', 'first'
            if bench.run('store', 'info').code != 0:
                bench.run(*command, 'second', check=0)
                bench.key = '--key-file', 'second'
                bench.run('store', 'info', '--key-file', 'first', check=DENIED)

        def finish(bench):
            bench.run(*BACKUP, check=0)
            bench.run('store', 'check', '--read-data', check=0)

        self.base.key = '--key-file', 'first'
        self.everywhere((*command, 'first'), visit, finish)

    def test_first_backup(self):
        """Into a store that is empty."""
        self.base.run('store', 'init', check=0)
        self.stop(BACKUP, (), self.newest_only(()))

    def test_incremental_backup(self):
        """Another one, with parity."""
        self.base.run('store', 'init', '--parity', '5%', check=0)
        first = self.backup()
        self.disks.write(1)
        self.stop(BACKUP, (first,), self.newest_only((first,)))

    def test_delete(self):
        """Of a set between others, which has flags."""
        self.base.run('store', 'init', check=0)
        first = self.backup()
        self.disks.write(1)
        second = self.backup('--verify', 'all')
        self.disks.write(2)
        third = self.backup()
        self.stop(('backup', 'delete', second, '--yes'), (first, third), gone=second)

    def prepare_prune(self, *options):
        """Packs of which nothing, something and everything is needed."""
        self.base.run('store', 'init', *options, check=0)
        sets = []
        for state in range(4):
            self.disks.write(state)
            sets.append(self.backup())
        self.base.run('backup', 'delete', sets[0], sets[2], '--yes', check=0)
        return sets[1], sets[3]

    def test_prune(self):
        """With packs to remove and packs to write anew."""
        self.stop(('store', 'prune'), self.prepare_prune('--parity', '5%'))

    def test_optimize(self):
        """All packs are written anew."""
        self.stop(('store', 'prune', '--optimize'), self.prepare_prune())

    def prepare_repair(self, *options):
        """Two sets, a damaged pack, and no index."""
        self.base.run('store', 'init', *options, check=0)
        sets = []
        for state in range(2):
            self.disks.write(state)
            sets.append(self.backup())
        largest = max(objects(self.base.store, 'packs').values(), key=lambda p: p.stat().st_size)
        flip(largest, 280000)  # of what both have
        for path in objects(self.base.store, 'index').values():
            path.unlink()
        return sets

    def test_repair(self):
        """Parity heals what is damaged: sound when the repair came to its end, as if nothing had
        been."""
        sets = self.prepare_repair('--parity', '5%')
        command = ('store', 'repair', '--read-data')

        def visit(bench, point):
            bench.run(*command, check=0)
            self.check_sound(bench, sets, None, [point % 2])
        self.everywhere(command, visit)

    def test_salvage(self):
        """Nothing can heal it: what is whole moves, and the next backup heals the rest."""
        sets = self.prepare_repair()
        wanted = self.disks.digests()
        command = ('store', 'repair', '--read-data')
        self.usual = CORRUPT

        def visit(bench, _point):
            bench.run(*command, check=CORRUPT)
            self.assertLessEqual(set(sets), set(bench.sets()))

        def heal(bench):
            bench.run(*BACKUP, check=0)
            self.check_sound(bench, sets, wanted, [0])
        self.everywhere(command, visit, heal)
