# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups of a running QEMU by its monitor, from the command line to the restored disk."""
import json
import unittest

from qemu_case import MIB, QemuCase
from slipway_case import NOT_FOUND, UNSUPPORTED


class VmQemu(QemuCase):
    def run_backup(self, *options, **more):
        """What --json says of the only machine."""
        machines = self.slipway('backup', 'run', self.uri, *options, **more).json['machines']
        self.assertEqual(len(machines), 1)
        return machines[0]

    def assert_set(self, machine, *contents):
        """The set has these disks."""
        for disk, content in zip(machine['disks'], contents, strict=True):
            target = self.restore(machine['set']['id'], disk['name'])
            self.assertTrue(target.read_bytes() == content, disk['name'])

    def test_full_and_incremental(self):
        self.disk(), self.disk(size=96 * MIB)
        self.start_qemu()
        self.monitor.write('d0', 0x11, '1M', '3M')
        self.monitor.write('d1', 0x12, '8M', '1M')
        first = self.run_backup()
        self.assertEqual(first['set']['method'], 'full')
        self.assertEqual(first['set']['name'], 'app01')
        self.assert_set(first, self.content(0), self.content(1))
        self.nothing_left()
        self.monitor.write('d0', 0x22, '40M', '64k')
        second = self.run_backup('--verify', 'all')
        self.assertEqual(second['set']['method'], 'extents')
        self.assertTrue(all(disk['why_full'] is None for disk in second['disks']))
        self.assertLessEqual(second['set']['stats']['read'], 256 * 1024)
        self.assert_set(second, self.content(0), self.content(1))
        third = self.run_backup()
        self.assertEqual(third['set']['stats']['read'], 0)
        self.assert_set(third, self.content(0), self.content(1))
        self.nothing_left()

    def test_frozen_while_it_writes(self):
        """What is written after the moment of the snapshot is in the next set."""
        self.disk()
        self.start_qemu()
        self.monitor.write('d0', 0x11, 0, '16M')
        before = self.content(0)
        child = self.start('backup', 'run', self.uri, '--bandwidth-limit', '8M')
        self.wait_for(lambda: self.monitor.run('query-block-jobs'))
        self.monitor.write('d0', 0x33, '8M', '16M')
        out, err = child.communicate(timeout=120)
        self.assertEqual(child.returncode, 0, err)
        self.assert_set(json.loads(out)['machines'][0], before)
        second = self.run_backup()
        self.assertEqual(second['set']['method'], 'extents')
        self.assert_set(second, self.content(0))

    def test_lost_tracking_is_a_loud_full(self):
        self.disk()
        self.start_qemu()
        self.monitor.write('d0', 0x11, 0, '4M')
        self.run_backup()
        self.stop_qemu('kill')
        self.qmp.unlink()
        (self.dir / 'own.qmp').unlink()
        self.start_qemu()
        self.monitor.write('d0', 0x44, '1M', '1M')
        result = self.slipway('backup', 'run', self.uri)
        machine = result.json['machines'][0]
        self.assertEqual(machine['set']['method'], 'scan')
        self.assertTrue(machine['disks'][0]['why_full'])
        self.assertTrue(any('in full' in warning or 'all of it' in warning
                            for warning in result.warnings), result.warnings)
        self.assert_set(machine, self.content(0))
        self.monitor.write('d0', 0x45, '2M', '64k')
        self.assertEqual(self.run_backup()['set']['method'], 'extents')

    def test_clean_stop_keeps_tracking(self):
        self.disk()
        self.start_qemu()
        self.monitor.write('d0', 0x11, 0, '4M')
        self.run_backup()
        self.monitor.write('d0', 0x12, '5M', '64k')
        self.stop_qemu('quit')
        for path in (self.qmp, self.dir / 'own.qmp'):
            path.unlink(missing_ok=True)
        self.start_qemu()
        machine = self.run_backup()
        self.assertEqual(machine['set']['method'], 'extents')
        self.assert_set(machine, self.content(0))

    def test_killed_run_is_cleaned_up(self):
        self.disk()
        self.start_qemu()
        self.monitor.write('d0', 0x11, 0, '32M')
        child = self.start('backup', 'run', self.uri, '--bandwidth-limit', '2M')
        self.wait_for(lambda: self.monitor.run('query-block-jobs'))
        child.kill()
        child.wait()
        machine = self.run_backup()
        self.assertTrue(machine['cleaned'], machine)
        self.assert_set(machine, self.content(0))
        self.nothing_left()

    def test_cancelled_run_leaves_nothing(self):
        self.disk()
        self.start_qemu()
        self.monitor.write('d0', 0x11, 0, '32M')
        child = self.start('backup', 'run', self.uri, '--bandwidth-limit', '2M')
        self.wait_for(lambda: self.monitor.run('query-block-jobs'))
        child.terminate()
        child.communicate(timeout=60)
        self.assertEqual(child.returncode, 130)
        self.nothing_left()
        self.assertEqual(self.sets(), [])

    def test_renamed(self):
        """It is one machine under two names, and its older sets are found by the one it has now."""
        self.disk()
        self.start_qemu()
        self.run_backup()
        self.stop_qemu('quit')
        self.qmp.unlink(missing_ok=True)
        (self.dir / 'own.qmp').unlink(missing_ok=True)
        self.start_qemu('web01')
        self.assertEqual(self.run_backup()['set']['name'], 'web01')
        for name in ('web01', 'web*'):
            found = self.slipway('backup', 'list', '--name', name).json['sets']
            self.assertEqual([entry['name'] for entry in found], ['app01', 'web01'])
            self.assertEqual({entry['name_now'] for entry in found}, {'web01'})
        found = self.slipway('backup', 'list', '--name', 'app01').json['sets']
        self.assertEqual([entry['name'] for entry in found], ['app01'])
        self.assertIn('app01 (now web01)', self.slipway('backup', 'list', text=True).stdout)
        self.assertEqual(self.slipway('store', 'info').json['machines'], 1)

    def test_shown(self):
        self.disk()
        self.start_qemu()
        machines = self.slipway('vm', 'list', self.uri).json['machines']
        self.assertEqual([machine['name'] for machine in machines], ['app01'])
        shown = self.slipway('vm', 'show', self.uri).json['machine']
        self.assertEqual(shown['disks'][0]['size'], 64 * MIB)
        self.slipway('vm', 'show', self.uri, text=True)
        self.slipway('host', 'add', 'q', self.uri)
        self.assertIn('q', self.slipway('host', 'list', text=True).stdout)
        about = self.slipway('host', 'test', 'q').json['about']
        self.assertEqual(about['driver'], 'qemu')
        dry = self.slipway('backup', 'run', 'q:app01', '--dry-run').json['machines']
        self.assertEqual(len(dry), 1)
        self.fails(NOT_FOUND, 'backup', 'run', 'q:app02', words=['app02'])

    def test_no_machine_is_made_there(self):
        self.disk()
        self.start_qemu()
        self.run_backup()
        self.fails(UNSUPPORTED, 'restore', 'vm', 'app01', self.uri)


if __name__ == '__main__':
    unittest.main()
