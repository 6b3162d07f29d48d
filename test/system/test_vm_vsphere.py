# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual machines of vSphere from the command line: backed up by what changed, restored as
machines, and nothing left behind."""
import json
import os
import pathlib
import subprocess
import sys
import unittest

from slipway_case import (BUSY, CANCELLED, DENIED, EXISTS, FAILED, NETWORK, NOT_FOUND, PROGRAM,
                          READ_ONLY, USAGE)
from store_case import MIB
from vsphere_case import VsphereCase

try:
    from pyVmomi import vim

    from api import Api
except ImportError:
    Api = None

ROOT = pathlib.Path(__file__).parent.parent


class Hosts(VsphereCase):
    def test_certificate(self):
        """Told by its thumbprint, and not trusted without a word."""
        words = [self.sim.thumbprint().lower()]
        self.fails(NETWORK, 'host', 'add', 'other', self.uri, '--user', self.sim.user,
                   '--password-file', self.password_file, words=words)
        self.slipway('host', 'add', 'other', self.uri, '--user', self.sim.user, '--password-file',
                     self.password_file, '--cacert', self.sim.cert)
        self.fails(NETWORK, 'host', 'add', 'third', self.uri, '--user', self.sim.user,
                   '--password-file', self.password_file, '--thumbprint', '00' * 32)

    def test_wrong_password(self):
        wrong = self.dir / 'wrong'
        wrong.write_text('not-the-password\n', encoding='utf-8')
        self.fails(DENIED, 'host', 'add', 'x', self.uri, '--user', self.sim.user,
                   '--password-file', wrong, '--thumbprint', self.sim.thumbprint(),
                   words=[self.sim.user])
        self.assert_clean()

    def test_inventory(self):
        self.add('app01', folder='prod')
        self.add('app02', power='off')
        self.control.tag('app01', 'backup', 'nightly')
        machines = {machine['name']: machine for machine in
                    self.slipway('vm', 'list', 'vc').json['machines']}
        self.assertEqual(machines['app01']['folder'], '/DC0/vm/prod')
        self.assertEqual(machines['app01']['tags'], ['backup/nightly'])
        self.assertEqual(machines['app02']['power'], 'off')
        shown = self.slipway('vm', 'show', 'vc', 'app01').json['machine']
        self.assertEqual(shown['disks'][0]['size'], 16 * MIB)
        self.assertTrue(shown['native'])
        self.slipway('vm', 'show', 'vc:/DC0/vm/prod/app01', text=True)
        said = self.slipway('host', 'test', 'vc').json
        self.assertIn('datastore', {place['kind'] for place in said['places']})
        self.assert_clean()

    def test_free_licence(self):
        self.control.settings(restricted=True)
        self.add()
        self.fails(READ_ONLY, 'backup', 'run', 'vc:app01', words=['app01'])
        self.assert_clean()


class Backups(VsphereCase):
    def test_full_and_incremental(self):
        self.add(disks=2)
        before = self.now(disks=2)
        first = self.back_up()
        self.assertEqual((first['set']['method'], first['set']['name']), ('full', 'app01'))
        self.assert_set(first, *before)
        self.control.write('app01', 0, 5 * MIB, os.urandom(65536))
        self.control.reset_counts()
        second = self.back_up('--verify', 'all')
        self.assertEqual(second['set']['method'], 'extents')
        self.assertTrue(all(disk['why_full'] is None for disk in second['disks']))
        self.assertLessEqual(second['set']['stats']['read'], 3 * 65536)
        self.assertLessEqual(self.control.state()['served'], 4 * 65536)
        self.assert_set(second, *self.now(disks=2))
        self.assert_clean()

    def test_one_percent(self):
        """What goes over the wire is what changed, and little else."""
        self.add(size=64 * MIB)
        self.control.write('app01', 0, 0, os.urandom(48 * MIB))
        self.back_up()
        places = range(0, 48 * MIB, 100 * 65536)
        for place in places:
            self.control.write('app01', 0, place, os.urandom(65536))
        self.control.reset_counts()
        machine = self.back_up()
        self.assertEqual(machine['disks'][0]['changed'], len(places) * 65536)
        self.assertLessEqual(self.control.state()['served'], 1.2 * len(places) * 65536)
        self.assert_set(machine, *self.now())

    def test_tracking_is_enabled(self):
        self.add(cbt=False)
        self.back_up()
        self.control.write('app01', 0, 0, os.urandom(512))
        self.back_up()
        self.control.write('app01', 0, 4096, os.urandom(512))
        self.assertEqual(self.back_up()['set']['method'], 'extents')
        self.assert_clean()

    def test_tracking_was_reset(self):
        self.add()
        self.back_up()
        self.control.machine('app01', reset_cbt=True)
        self.control.write('app01', 0, 2 * MIB, os.urandom(65536))
        result = self.slipway('backup', 'run', 'vc:app01')
        machine, = result.json['machines']
        self.assertEqual(machine['set']['method'], 'scan')
        self.assertTrue(machine['disks'][0]['why_full'])
        self.assertTrue(result.warnings)
        self.assert_set(machine, *self.now())
        self.assertEqual(self.back_up()['set']['method'], 'extents')

    def test_grown_disk(self):
        self.add()
        self.back_up()
        self.control.machine('app01', power='off')
        self.control.machine('app01', grow=[0, 24 * MIB])
        self.control.machine('app01', power='on')
        machine = self.back_up()
        self.assertTrue(machine['disks'][0]['why_full'])
        self.assert_set(machine, *self.now())

    def test_renamed(self):
        self.add()
        first = self.back_up()
        self.control.machine('app01', rename='web01')
        second = self.back_up(name='web01')
        self.assertEqual(second['set']['method'], 'extents')
        self.assertEqual(second['set']['parent'], first['set']['id'])

    def test_quiescing_that_fails(self):
        self.add()
        self.control.machine('app01', quiesce_fails=True)
        machine = self.back_up()
        self.assertEqual(machine['consistency'], 'crash-consistent')
        self.assertTrue(machine['consistency_words'])
        self.fails(FAILED, 'backup', 'run', 'vc:app01', '--quiesce', 'require', words=['app01'])
        self.assert_clean()

    def test_disks_that_are_left_out(self):
        self.add(disks=1)
        self.control.add('mixed', cbt=True, disks=[{'size': 4 * MIB},
                                                   {'size': 4 * MIB, 'mode': 'independent_persistent'}])
        machine = self.back_up(name='mixed')
        self.assertEqual(len(machine['disks']), 1)
        self.assertEqual(len(machine['skipped']), 1)
        self.assertIn('independent', machine['skipped'][0])

    def test_selection(self):
        self.add('web1', folder='prod')
        self.add('web2', folder='prod')
        self.add('db1', folder='prod', power='off')
        self.add('lab1')
        self.control.tag('web2', 'backup', 'nightly')

        def taken(*words):
            return sorted(machine['name'] for machine in
                          self.run_backup(*words, '--dry-run'))
        self.assertEqual(taken('vc:/DC0/vm/prod/'), ['web1', 'web2'])
        self.assertEqual(taken('vc:/DC0/vm/prod/', '--include', 'off'), ['db1', 'web1', 'web2'])
        self.assertEqual(taken('vc:/DC0/vm/prod/web*', '--exclude', 'web1'), ['web2'])
        self.assertEqual(taken('vc:', '--vm-tag', 'backup/nightly'), ['web2'])
        self.assertEqual(taken(f'{self.uri}/DC0/vm/lab1'), ['lab1'])
        self.assertEqual(taken('vc:db1'), ['db1'])
        self.fails(NOT_FOUND, 'backup', 'run', 'vc:web3', words=['web3'])
        self.assertEqual(len(self.run_backup('vc:/DC0/vm/prod/')), 2)
        self.add('web3', folder='prod')
        self.assertEqual(len(self.run_backup('vc:/DC0/vm/prod/')), 3)
        none = self.slipway('backup', 'run', 'vc:db*')
        self.assertEqual(none.json['machines'], [])
        self.assertIn('no machine is to be backed up', none.stderr)
        self.assert_clean()

    def test_one_that_fails_does_not_stop_the_others(self):
        self.add('web1', folder='prod')
        self.add('web2', folder='prod')
        self.control.machine('web1', quiesce_fails=True)
        result = self.slipway('backup', 'run', 'vc:/DC0/vm/prod/', '--quiesce', 'require', code=None)
        self.assertNotEqual(result.code, 0)
        self.assertIn('1 of 2', result.error)
        self.assertEqual([entry['name'] for entry in self.sets()], ['web2'])
        self.assert_clean()

    def test_two_of_one_name(self):
        """Each has sets of its own, and is told apart by its path."""
        self.add(folder='a')
        self.add(folder='b')
        for _ in range(2):
            made = self.run_backup('vc:')
            self.assertEqual({machine['path']: machine['set']['name'] for machine in made},
                             {'/DC0/vm/a/app01': 'app01', '/DC0/vm/b/app01': 'app01 (2)'})
        self.assertEqual(self.slipway('store', 'info').json['machines'], 2)
        found = self.slipway('backup', 'list', '--name', 'app01').json['sets']
        self.assertEqual(len(found), 2)
        self.assertEqual(len({entry['identity'] for entry in found}), 1)

    @unittest.skipIf(Api is None, 'python3-pyvmomi is not installed')
    def test_copied(self):
        """Files of a machine that were copied give another one of the same identity: their sets are
        not mixed, and it is told."""
        self.add()
        self.back_up()
        self.add('copy')
        with Api(self.sim) as api:
            identity = api.vm('app01').config.instanceUuid
            api.wait(api.vm('copy').ReconfigVM_Task(vim.vm.ConfigSpec(instanceUuid=identity)))
        result = self.slipway('backup', 'run', 'vc:', '--keep', 'last=1')
        self.assertIn('same identity', result.stderr)
        self.assertEqual([machine['id'] for machine in result.json['machines']], [identity] * 2)
        self.assertEqual([machine['set']['method'] for machine in result.json['machines']],
                         ['full'] * 2)
        self.assertEqual(len(self.sets()), 3)
        for machine in result.json['machines']:
            self.assert_set(machine, *self.now(machine['machine']))
        self.assert_clean()

    def test_killed_run(self):
        self.add(size=32 * MIB)
        self.control.write('app01', 0, 0, os.urandom(16 * MIB))
        child = self.start('backup', 'run', 'vc:app01', '--bandwidth-limit', '2M')
        self.wait_for(lambda: self.control.state()['snapshots'])
        child.kill()
        child.wait()
        self.assertTrue(self.control.state()['snapshots'])
        self.control.expire()
        machine = self.back_up()
        self.assertTrue(machine['cleaned'])
        self.assert_clean()

    def test_cancelled_run(self):
        self.add(size=32 * MIB)
        self.control.write('app01', 0, 0, os.urandom(16 * MIB))
        child = self.start('backup', 'run', 'vc:app01', '--bandwidth-limit', '2M')
        self.wait_for(lambda: self.control.state()['snapshots'])
        child.terminate()
        child.communicate(timeout=60)
        self.assertEqual(child.returncode, 130)
        self.assert_clean()

    def test_cancelled_run_of_several(self):
        """What was made stays and is told; what was not reached is no failure of its own."""
        self.add('web1', folder='prod')
        self.add('web2', folder='prod', size=64 * MIB)
        self.control.write('web2', 0, 0, os.urandom(48 * MIB))
        self.add('web3', folder='prod')
        child = self.start('backup', 'run', 'vc:/DC0/vm/prod/', 'vc:/DC0/vm/prod/',
                           '--bandwidth-limit', '2M')
        self.wait_for(self.sets)
        self.wait_for(lambda: self.control.state()['snapshots'])
        child.terminate()
        out, error = child.communicate(timeout=120)
        self.assertEqual(child.returncode, CANCELLED)
        machines = json.loads(out)['machines']
        self.assertEqual([machine['machine'] for machine in machines], ['web1', 'web2'])
        self.assertEqual([machine['set'] is not None for machine in machines], [True, False])
        self.assertIn('1 of 2', error.decode())
        self.assertIn('(/DC0/vm/prod/web2)', error.decode())
        self.assertEqual([entry['name'] for entry in self.sets()], ['web1'])
        self.assert_clean()

    def test_snapshot_of_a_user_stays(self):
        self.add(snapshots=['before-the-update'])
        self.back_up()
        names = [snapshot['name'] for snapshot in self.control.state()['snapshots']]
        self.assertEqual(names, ['before-the-update'])

    def test_snapshot_that_a_user_removes_meanwhile(self):
        """No read fails, as the machine is off; but bytes of several moments are no backup."""
        self.add(size=32 * MIB, power='off')
        self.control.write('app01', 0, 0, os.urandom(16 * MIB))
        child = self.start('backup', 'run', 'vc:app01', '--bandwidth-limit', '4M')
        self.wait_for(lambda: self.control.state()['served'])
        self.control.write('app01', 0, 0, os.urandom(16 * MIB))
        snapshot, = self.control.state()['snapshots']
        self.control.machine('app01', remove=snapshot['name'])
        _, error = child.communicate(timeout=120)
        self.assertEqual(child.returncode, BUSY, error)
        self.assertIn(snapshot['name'], error.decode())
        self.assertIn('run the backup again', error.decode())
        self.assertEqual(self.sets(), [])
        self.assert_clean()
        self.assert_set(self.back_up('--verify', 'all'), *self.now())
        self.slipway('store', 'check')
        self.assert_clean()

    def test_session_that_expires(self):
        self.add(size=32 * MIB)
        self.control.write('app01', 0, 0, os.urandom(16 * MIB))
        child = self.start('backup', 'run', 'vc:app01', '--bandwidth-limit', '8M')
        self.wait_for(lambda: self.control.state()['snapshots'])
        self.control.expire()
        _, err = child.communicate(timeout=120)
        self.assertEqual(child.returncode, 0, err)
        self.assert_clean()


class Restores(VsphereCase):
    def restore_vm(self, *options, **more):
        """What --json says."""
        return self.slipway('restore', 'vm', 'app01', 'vc', *options, **more).json

    def test_as_a_new_machine(self):
        self.add(disks=2, mac='00:50:56:0a:0b:0c')
        self.back_up()
        content = self.now(disks=2)
        self.fails(EXISTS, 'restore', 'vm', 'app01', 'vc', words=['00:50:56:0a:0b:0c', '--new-mac'])
        said = self.restore_vm('--new-mac', '--power-on')
        self.assertEqual(said['machine']['name'], 'app01-restored')
        self.assertEqual(said['machine']['power'], 'on')
        self.assertEqual(self.now('app01-restored', 2), content)
        self.fails(EXISTS, 'restore', 'vm', 'app01', 'vc', '--new-mac', words=['app01-restored'])
        self.assert_clean()

    def test_tags(self):
        """A restored machine has its tags again, and of one that is gone it is told."""
        self.add()
        for tag in ('nightly', 'gone'):
            self.control.tag('app01', 'backup', tag)
        self.back_up()
        self.control.delete_tag('backup', 'gone')
        said = self.restore_vm('--new-mac')
        self.assertEqual(said['machine']['tags'], ['backup/nightly'])
        word, = [word for word in said['words'] if 'tag' in word]
        self.assertIn('backup/gone was not attached', word)
        machine = self.slipway('vm', 'show', 'vc', 'app01-restored').json['machine']
        self.assertEqual(machine['tags'], ['backup/nightly'])
        self.assert_clean()

    def test_place_and_network(self):
        self.add()
        self.back_up()
        self.control.datastore('fast')
        self.control.pool('lab')
        said = self.restore_vm('--name', 'copy', '--new-mac', '--datastore', 'fast', '--network',
                               'distributed-port-group:DC0_DVPG0', '--pool', 'lab')
        machine = self.slipway('vm', 'show', 'vc', 'copy').json['machine']
        self.assertEqual(machine['disks'][0]['datastore'], 'fast')
        self.assertEqual(machine['nics'][0]['network'], 'DC0_DVPG0')
        self.assertEqual(machine['id'], said['machine']['id'])
        self.fails(NOT_FOUND, 'restore', 'vm', 'app01', 'vc', '--new-mac', '--name', 'x',
                   '--datastore', 'none', words=['none', 'fast'])
        self.assert_clean()

    def test_behind_the_host(self):
        """What would be ignored is refused: it may be the machine that was meant."""
        self.add()
        self.add('app02', power='off')
        self.back_up()
        for options in (['--new-mac'], ['--in-place', '--yes']):
            self.fails(USAGE, 'restore', 'vm', 'app01', 'vc:/DC0/vm/app02', *options,
                       words=['/DC0/vm/app02', '--vm'])
        self.fails(BUSY, 'restore', 'vm', 'app01', 'vc', '--in-place', '--yes', words=['app01'])
        self.control.machine('app01', rename='web01')
        self.fails(USAGE, 'restore', 'vm', 'app01', 'vc', '--in-place',
                   words=['web01'])
        self.assert_clean()

    def test_failure_leaves_no_machine(self):
        self.add()
        self.back_up()
        self.control.rule('POST /nfc', status=500, count=-1)
        result = self.slipway('restore', 'vm', 'app01', 'vc', '--new-mac', code=None)
        self.assertNotEqual(result.code, 0)
        names = [machine['name'] for machine in self.control.state()['machines']]
        self.assertEqual(names, ['app01'])
        self.assert_clean()

    def test_free_again_after_the_original_is_gone(self):
        self.add(mac='00:50:56:0a:0b:0c')
        self.back_up()
        content = self.now()
        self.control.machine('app01', power='off')
        self.control.machine('app01', destroy=True)
        said = self.restore_vm('--suffix', '')
        self.assertEqual(said['machine']['name'], 'app01')
        self.assertEqual(said['machine']['nics'][0]['mac'], '00:50:56:0a:0b:0c')
        self.assertEqual(self.now(), content)


class SingleHost(VsphereCase):
    model = 'esx'

    def test_cycle(self):
        self.add()
        self.back_up()
        self.control.write('app01', 0, 0, os.urandom(512))
        self.assertEqual(self.back_up()['set']['method'], 'extents')
        self.slipway('restore', 'vm', 'app01', 'vc', '--new-mac')
        self.assertEqual(self.now('app01-restored'), self.now())
        self.assert_clean()


class RealSuite(VsphereCase):
    """What is for real products runs here too, so that it can be trusted there."""

    def test_it(self):
        self.add(folder='scratch')
        environment = os.environ | self.environment() | {
            'SLIPWAY': PROGRAM, 'PYTHONPATH': os.pathsep.join([str(ROOT), str(ROOT / 'system')]),
            'SLIPWAY_REAL_VSPHERE': self.uri, 'SLIPWAY_REAL_USER': self.sim.user,
            'SLIPWAY_REAL_PASSWORD_FILE': str(self.password_file),
            'SLIPWAY_REAL_THUMBPRINT': self.sim.thumbprint(),
            'SLIPWAY_REAL_VM': '/DC0/vm/scratch/app01', 'SLIPWAY_REAL_TRANSPORT': 'https'}
        done = subprocess.run(['/usr/bin/python3', ROOT / 'real/test_vsphere.py', '-v'], check=False,
                              env=environment, capture_output=True, text=True, timeout=300,
                              cwd=self.dir)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn('skipped', done.stderr)
        self.assert_clean()


if __name__ == '__main__':
    sys.exit(unittest.main())
