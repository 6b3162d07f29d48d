#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Retention: `backup rule`, `backup expire`, and --keep."""
import datetime
import unittest

from slipway_case import NOT_FOUND, USAGE
from store_case import BLOCK, MIB, Sealed, StoreCase, flip, noise

NOON = datetime.datetime(2026, 11, 25, 12, tzinfo=datetime.timezone.utc)


class RetentionCase(StoreCase):
    """Sets of any age."""

    def setUp(self):
        super().setUp()
        self.init()
        self.disk = self.image('disk.img', MIB, {0: noise(1, BLOCK)})

    def sets_of(self, moments, name='m'):
        """Sets of these times, which are in order: their ids."""
        made = []
        for moment in moments:
            set_id = self.backup(self.disk, name=name)['id']
            made.append(set_id)
        for set_id, moment in zip(made, moments):
            sealed = Sealed.read(self.store / 'sets' / set_id)
            sealed.members['created'] = int(moment.timestamp())
            sealed.write(self.store / 'sets' / set_id)
        return made

    def expire(self, *options):
        """The fate of each set: {id: reasons}."""
        said = self.slipway('backup', 'expire', *options).json
        for entry in said['sets']:
            self.assertEqual(entry['stays'], bool(entry['reasons']))
        self.assertEqual(sum(not entry['stays'] for entry in said['sets']), said['expired'])
        return {entry['id']: entry['reasons'] for entry in said['sets']}


class ExpireTest(RetentionCase):
    """Which sets stay, and why."""

    def test_last(self):
        """The last ones, whenever they were made."""
        made = self.sets_of([NOON + datetime.timedelta(minutes=n) for n in range(5)])
        fate = self.expire('--keep', 'last=2', '--dry-run')
        self.assertEqual([[], [], [], ['last 2'], ['last 1']], [fate[set_id] for set_id in made])
        self.assertEqual(made, self.set_ids())
        self.expire('--keep', 'last=2', '--yes')
        self.assertEqual(made[3:], self.set_ids())

    def test_days(self):
        """The last of a day; days without a set do not count."""
        days = [NOON - datetime.timedelta(days=n, hours=h) for n in (9, 5, 4, 0) for h in (3, 0)]
        made = self.sets_of(days)
        fate = self.expire('--keep', 'daily=3', '--dry-run')
        self.assertEqual(['2026-11-20', '2026-11-21', '2026-11-25'],
                         [fate[made[n]][0].split()[1] for n in (3, 5, 7)])
        self.assertTrue(all(fate[made[n]] == [] for n in (0, 1, 2, 4, 6)), fate)

    def test_typical(self):
        """Two years of daily backups come down to a few, and one more day changes little."""
        made = self.sets_of([NOON - datetime.timedelta(days=7 * n) for n in range(60, -1, -1)])
        fate = self.expire('--keep', 'typical', '--yes')
        stay = [set_id for set_id in made if fate[set_id]]
        self.assertEqual(stay, self.set_ids())
        words = ' '.join(sum(fate.values(), []))
        for word in ('last 5', 'daily 2026-11-25', 'weekly 2026-W48', 'monthly 2026-11',
                     'yearly 2025'):
            self.assertIn(word, words)
        self.assertTrue(10 < len(stay) < 25, len(stay))
        again = self.expire('--keep', 'typical', '--yes')
        self.assertEqual(len(stay), len(again))
        self.assertTrue(all(again.values()))

    def test_archived(self):
        """They stay, and take nobody's place."""
        made = self.sets_of([NOON + datetime.timedelta(minutes=n) for n in range(3)])
        self.slipway('backup', 'archive', made[0], made[2])
        fate = self.expire('--keep', 'last=1', '--yes')
        self.assertEqual([['archived'], ['archived']], [fate[made[0]], fate[made[2]]])
        self.assertIn('last 1', fate[made[1]])

    def test_machines(self):
        """Each for itself; one, or all."""
        mine = self.sets_of([NOON, NOON + datetime.timedelta(hours=1)], 'mine')
        yours = self.sets_of([NOON, NOON + datetime.timedelta(hours=1)], 'yours')
        self.expire('--name', 'mine', '--keep', 'last=1', '--yes')
        self.assertEqual({mine[1], *yours}, set(self.set_ids()))
        self.expire('--keep', 'last=1', '--yes')
        self.assertEqual({mine[1], yours[1]}, set(self.set_ids()))

    def test_questions(self):
        """Without a terminal --yes is wanted, and rules have to make sense."""
        self.sets_of([NOON, NOON + datetime.timedelta(hours=1)])
        self.fails(USAGE, 'backup', 'expire', '--keep', 'last=1', words=['--yes'])
        for rule in ('last', 'last=', 'last=-1', 'last=0', 'hourly=1', 'last=1,last=2', '',
                     'last=1;daily=2', 'last=999999999999'):
            with self.subTest(rule=rule):
                self.fails(USAGE, 'backup', 'expire', '--keep', rule, '--yes')
        self.assertEqual(2, len(self.expire('--keep', 'all', '--yes')))
        self.assertEqual(2, len(self.sets()))

    def test_damaged_set(self):
        """It is left alone, and said."""
        made = self.sets_of([NOON + datetime.timedelta(hours=n) for n in range(3)])
        flip(self.store / 'sets' / made[1], 60)
        said = self.slipway('backup', 'expire', '--keep', 'last=1', '--yes')
        self.assertIn(made[1], said.stderr)
        self.assertTrue((self.store / 'sets' / made[1]).exists())
        self.assertEqual([made[2]], self.set_ids())


class RuleTest(RetentionCase):
    """Rules of machines and of the store."""

    def rules(self):
        """{machine: rule}"""
        return {rule['machine']: rule['keep']
                for rule in self.slipway('backup', 'rule').json['rules']}

    def test_rules(self):
        """Set, list, take away."""
        self.assertEqual({None: 'all'}, self.rules())
        self.slipway('backup', 'rule', '--keep', 'typical')
        self.slipway('backup', 'rule', 'db', '--keep', 'last=30,monthly=24')
        self.assertEqual({None: 'last=5,daily=7,weekly=4,monthly=12,yearly=5',
                          'db': 'last=30,monthly=24'}, self.rules())
        self.slipway('backup', 'rule', 'db', '--keep', 'last=2')
        self.assertEqual('last=2', self.rules()['db'])
        self.slipway('backup', 'rule', 'db', '--keep', 'default')
        self.assertNotIn('db', self.rules())
        self.fails(USAGE, 'backup', 'rule', 'db', words=['--keep'])
        self.fails(USAGE, 'backup', 'rule', 'db', '--keep', 'sometimes')

    def test_rule_of_the_store(self):
        """`store init --keep` and `store info` know it."""
        self.store = self.dir / 'other'
        self.init('--keep', 'last=3')
        self.assertEqual('last=3', self.slipway('store', 'info').json['retention'])
        made = [self.backup(self.disk)['id'] for _ in range(5)]
        self.assertEqual(made[2:], self.set_ids())

    def test_after_a_backup(self):
        """By the machine's rule, else the store's, else --keep for this time."""
        self.slipway('backup', 'rule', '--keep', 'last=3')
        self.slipway('backup', 'rule', 'm', '--keep', 'last=2')
        made = [self.backup(self.disk)['id'] for _ in range(4)]
        self.assertEqual(made[2:], self.set_ids())
        other = [self.backup(self.disk, name='other')['id'] for _ in range(4)]
        self.assertEqual(other[1:], self.set_ids('--name', 'other'))
        last = self.slipway('backup', 'run', '-n', 'other', self.disk, '--keep', 'last=1').json
        self.assertEqual(3, last['expired'])
        self.assertEqual([last['set']['id']], self.set_ids('--name', 'other'))
        self.assertEqual(made[2:], self.set_ids('--name', 'm'))

    def test_failed_backup(self):
        """A machine whose backups fail loses none of its sets."""
        made = [self.backup(self.disk)['id'] for _ in range(3)]
        self.slipway('backup', 'rule', '--keep', 'last=1')
        self.fails(NOT_FOUND, 'backup', 'run', '-n', 'm', self.dir / 'none.img')
        self.fails(USAGE, 'backup', 'run', '-n', 'm', self.disk, '--keep', 'rubbish')
        (self.store / 'packs').rename(self.store / 'away')
        (self.store / 'packs').write_text('in the way')
        self.disk.write_bytes(noise(3, MIB))
        run = self.slipway('backup', 'run', '-n', 'm', self.disk, '--full', code=None)
        self.assertIn('packs', run.error)
        (self.store / 'packs').unlink()
        (self.store / 'away').rename(self.store / 'packs')
        self.assertEqual(made, self.set_ids())
        self.backup(self.disk)
        self.assertEqual(1, len(self.sets()))


if __name__ == '__main__':
    unittest.main()
