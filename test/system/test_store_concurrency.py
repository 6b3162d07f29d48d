#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several processes at one store: nobody waits for anybody, and nothing is lost."""
import json
import os
import random
import signal
import time
import unittest

from slipway_case import BUSY
from store_case import KIB, MIB, Sealed, StoreCase, age_unfinished, change, digests, noise, objects

# Seconds that the rounds may take together, and how many there are at least.
SECONDS = float(os.environ.get('STORE_CONCURRENCY_SECONDS', '16'))
ROUNDS_MIN = 4


class Machine:
    """One whose disk changes, and partly has what that of another one has."""

    def __init__(self, case, name, seed):
        self.case, self.name = case, name
        self.random = random.Random(seed)
        self.path = case.image(f'{name}.img', 24 * MIB, {0: noise('common', 2 * MIB)})
        self.contents = {}  # of each set that was made: the bytes
        self.now = b''

    def live(self):
        """Go on for a while: new data, data that others have, and zeros."""
        for _ in range(4):
            at = self.random.randrange(0, 23 * MIB)
            kind = self.random.choice(('new', 'common', 'zeros'))
            size = self.random.randrange(1, 700 * KIB)
            data = {'new': lambda: self.random.randbytes(size),
                    'common': lambda: noise(f'common {self.random.randrange(9)}', 700 * KIB)[:size],
                    'zeros': lambda: bytes(size)}[kind]()
            change(self.path, at, data)
        self.now = self.path.read_bytes()

    def backup(self):
        """A process that backs it up."""
        return self.case.start('backup', 'run', '--name', self.name, self.path)


class ConcurrencyTest(StoreCase):
    """Two backups, a prune and deletes at once."""

    def setUp(self):
        super().setUp()
        self.init('--parity', '2%')
        self.random = random.Random(4711)
        self.machines = [Machine(self, name, name) for name in ('one', 'two')]

    def end(self, child, codes=(0,)):
        """What a process says."""
        out, said = child.communicate(timeout=120)
        self.assertIn(child.returncode, codes, said.decode())
        for word in (b'runtime error', b'Sanitizer', b'CRITICAL'):
            self.assertNotIn(word, said)
        return json.loads(out) if child.returncode == 0 else None

    def finish(self, machine, child):
        """A backup goes well; when the set that it followed was deleted meanwhile, the second time
        at the latest."""
        said = self.end(child, (0, BUSY)) or self.end(machine.backup())
        machine.contents[said['set']['id']] = machine.now

    def check_all(self):
        """The store is sound, and every set comes back."""
        self.assert_sound()
        known = {set_id: content for machine in self.machines
                 for set_id, content in machine.contents.items()}
        self.assertEqual(set(known), set(self.set_ids()))
        for set_id, content in known.items():
            self.assert_restores(set_id, 'disk0', content)

    def delete_some(self):
        """Sets of any age, so that there is something to prune."""
        for machine in self.machines:
            for set_id in list(machine.contents):
                if self.random.random() < 0.4 or len(machine.contents) > 4:
                    self.delete(set_id)
                    del machine.contents[set_id]

    def rounds(self, play):
        """Play rounds until the time is up."""
        begin, number = time.monotonic(), 0
        while number < ROUNDS_MIN or time.monotonic() - begin < SECONDS / 2:
            for machine in self.machines:
                machine.live()
            play(number)
            self.check_all()
            number += 1
        print(f'{number} rounds', flush=True)
        self.settle_and_compare()

    def settle_and_compare(self):
        """Nothing is left over: a store with the same sets has no more packs than a few."""
        age_unfinished(self.store)
        self.prune()
        self.prune()
        for folder in ('tmp', 'leases', 'doomed'):
            self.assertEqual({}, objects(self.store, folder), folder)
        self.check_all()
        report = self.prune('--dry-run')
        self.assertEqual((0, 0), (report['dead_packs'], report['waiting_packs']))

    def test_backups_and_prune(self):
        """All at the same moment."""
        def play(_number):
            running = [(machine, machine.backup()) for machine in self.machines]
            prune = self.start('store', 'prune')
            self.delete_some()
            for machine, child in running:
                self.finish(machine, child)
            self.end(prune)
        self.rounds(play)

    def test_killed_writers(self):
        """Writers and prunes are killed meanwhile; whoever comes next cleans up."""
        def play(number):
            victims = [self.machines[number % 2].backup(), self.start('store', 'prune')]
            other = self.machines[1 - number % 2]
            survivor = other.backup()
            time.sleep(self.random.uniform(0.005, 0.15))
            for victim in victims:
                victim.send_signal(signal.SIGKILL)
            for victim in victims:
                victim.communicate()
            self.finish(other, survivor)
            self.adopt()
            self.delete_some()
            self.prune()
            self.assertEqual({}, objects(self.store, 'leases'))
        self.rounds(play)

    def adopt(self):
        """A writer may have been killed behind the moment when its set was there."""
        for entry in self.sets():
            machine = next(m for m in self.machines if m.name == entry['name'])
            machine.contents.setdefault(entry['id'], machine.now)

    def test_two_prunes(self):
        """The second one is told that another one runs, or comes after it."""
        for machine in self.machines:
            for _ in range(2):
                machine.live()
                self.finish(machine, machine.backup())
        self.delete_some()
        both = [self.start('store', 'prune') for _ in range(3)]
        for child in both:
            self.end(child, (0, BUSY))
        self.prune()
        self.check_all()

    def test_same_machine(self):
        """Two backups of the same disk at once are two sets."""
        machine = self.machines[0]
        machine.live()
        for child in [machine.backup() for _ in range(3)]:
            self.finish(machine, child)
        self.check_all()
        self.assertEqual(3, len(self.sets()))
        self.settle_and_compare()


class LeaseTest(StoreCase):
    """Who writes, and who does not any more."""

    def setUp(self):
        super().setUp()
        self.init()
        self.disk = self.image('disk.img', 64 * MIB, {0: noise(1, 40 * MIB)})

    def writer(self, rate='2M'):
        """A backup that takes its time, and its lease."""
        child = self.start('backup', 'run', self.disk, '--bandwidth-limit', rate)
        self.wait_for(lambda: objects(self.store, 'leases') and objects(self.store, 'tmp'))
        return child

    def leases(self):
        """As `store info` shows them."""
        return self.slipway('store', 'info').json['leases']

    def test_killed(self):
        """The lease of a process that is gone ends at once, with what it left."""
        child = self.writer()
        lease, = self.leases()
        self.assertEqual(('writer', child.pid, False),
                         (lease['kind'], lease['pid'], lease['dead']))
        child.kill()
        child.wait()
        lease, = self.leases()
        self.assertTrue(lease['dead'])
        self.assertIn('dead', self.slipway('store', 'info', text=True).stdout)
        small = self.image('small.img', MIB, {0: b'x'})
        self.backup(small)
        self.assertEqual({}, objects(self.store, 'leases') | objects(self.store, 'tmp'))

    def test_unlock(self):
        """By hand: the dead ones only, unless --all is said."""
        child = self.writer()
        self.assertEqual(0, self.slipway('store', 'unlock').json['removed'])
        self.assertEqual(1, len(objects(self.store, 'leases')))
        child.kill()
        child.wait()
        self.assertEqual(1, self.slipway('store', 'unlock').json['removed'])
        self.assertEqual({}, objects(self.store, 'leases') | objects(self.store, 'tmp'))

    def test_unlock_all(self):
        """A writer whose lease was taken away notices, and its set is whole or not there."""
        child = self.writer('16M')
        child.send_signal(signal.SIGSTOP)
        self.assertEqual(2, self.slipway('store', 'unlock', '--all', code=2).code)
        self.assertEqual(1, self.slipway('store', 'unlock', '--all', '--yes').json['removed'])
        self.prune()
        child.send_signal(signal.SIGCONT)
        child.communicate(timeout=120)
        self.assert_sound()
        for set_id in self.set_ids():
            self.assert_restores(set_id, 'disk0', self.disk)
        if child.returncode != 0:
            self.assertEqual([], self.sets())

    def test_another_computer(self):
        """The lease of another host is believed until its term is over; prune waits for it with
        removing, and with nothing else."""
        self.backup(self.disk)
        self.backup(self.image('other.img', 8 * MIB, {0: noise(2, 2 * MIB)}), name='other')
        self.foreign_lease()
        self.assertEqual(['elsewhere'], [entry['host'] for entry in self.leases()])
        self.delete('other')
        before = digests(self.store, 'packs')
        said = self.prune()
        self.assertEqual(1, said['writers'])
        self.assertGreater(said['waiting_packs'], 0)
        self.assertEqual(before, digests(self.store, 'packs'))
        self.backup(self.disk)
        self.assertEqual(0, self.slipway('store', 'unlock').json['removed'])
        self.slipway('store', 'unlock', '--all', '--yes')
        self.assertGreater(self.prune()['removed_packs'], 0)
        self.assertLess(len(objects(self.store, 'packs')), len(before))
        self.assert_sound()

    def foreign_lease(self):
        """Of a writer of another host; its path."""
        path = self.store / 'leases' / ('0123456789abcdef' * 2)
        path.parent.mkdir(exist_ok=True)
        Sealed(b'LEAS', {'boot': 'b', 'created': int(time.time()), 'host': 'elsewhere',
                         'kind': 'writer', 'pid': 1, 'refreshed': int(time.time()),
                         'sequence': 3}).write(path)
        return path

    def test_doomed_packs(self):
        """A writer that comes when packs are on the list already must not rely on them: they go
        while it runs, and nobody waits for it."""
        self.backup(self.image('old.img', 4 * MIB, {0: noise(2, 2 * MIB)}), name='old')
        lease = self.foreign_lease()
        self.delete('old')
        self.assertGreater(self.prune()['waiting_packs'], 0)
        areas = {n * 4 * MIB: noise(n + 10, MIB) for n in range(1, 6)}
        disk = self.image('new.img', 24 * MIB, {0: noise(2, 2 * MIB)} | areas)
        child = self.start('backup', 'run', disk, '--workers', '1', '--bandwidth-limit', '3M')
        self.wait_for(lambda: any(path.stat().st_size > 0
                                  for path in objects(self.store, 'tmp').values()))
        child.send_signal(signal.SIGSTOP)
        lease.unlink()
        self.assertGreater(self.prune()['removed_packs'], 0)
        child.send_signal(signal.SIGCONT)
        _, said = child.communicate(timeout=120)
        self.assertEqual(0, child.returncode, said.decode())
        self.assert_sound()
        self.assert_restores('new', 'disk0', disk)

    def test_damaged_lease(self):
        """It is in nobody's way."""
        (self.store / 'leases').mkdir(exist_ok=True)
        (self.store / 'leases' / ('a' * 32)).write_bytes(b'rubbish')
        small = self.image('small.img', MIB, {0: b'x'})
        self.backup(small)
        self.assert_restores('m', 'disk0', small)
        self.slipway('store', 'unlock', '--all', '--yes')
        self.assertEqual({}, objects(self.store, 'leases'))


if __name__ == '__main__':
    unittest.main()
