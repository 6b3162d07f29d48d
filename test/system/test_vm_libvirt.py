# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines of a real libvirt from the command line: backed up while their guests write, restored,
started again; and machines that change their hypervisor."""
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / 'libvirt')]

from guest import boot_disk  # noqa: E402  pylint: disable=wrong-import-position
from libvirt import linux  # noqa: E402  pylint: disable=wrong-import-position
from libvirt.machine_case import SIZE, MachineCase, same_as  # noqa: E402,E501  pylint: disable=wrong-import-position
from slipway_case import EXISTS  # noqa: E402  pylint: disable=wrong-import-position
from vsphere_case import MIB, VsphereCase  # noqa: E402  pylint: disable=wrong-import-position
from store_case import StoreCase  # noqa: E402  pylint: disable=wrong-import-position


class LibvirtCase(MachineCase, StoreCase):
    """A test with a machine of libvirt, a pool for restored ones, and a store."""

    def setUp(self):
        StoreCase.setUp(self)
        MachineCase.setUp(self)
        self.pool = self.daemon.folder / 'pool-default'
        if not self.pool.exists():
            self.daemon.pool()
        self.addCleanup(self.empty_pool)
        self.init()

    def empty_pool(self):
        """Files of restored machines."""
        for path in self.pool.iterdir():
            path.unlink()

    def start_machine(self):
        """And wait until its guest answers."""
        return MachineCase.start(self)

    # MachineCase and StoreCase both have one; here it is the program that is started.
    def start(self, *arguments, **options):  # pylint: disable=arguments-differ
        return StoreCase.start(self, *arguments, **options)

    def restore(self, *arguments, **options):  # pylint: disable=arguments-differ
        return StoreCase.restore(self, *arguments, **options)

    def back_up(self, *options, **more):
        """What --json says of the machine, and the whole result."""
        result = self.slipway('backup', 'run', self.daemon.uri(self.name), *options, **more)
        machine, = result.json['machines']
        return machine, result

    def restore_vm(self, *options, name=None, **more):
        """Restore it; it is gone at the end of the test."""
        new = name or f'{self.name}-restored'
        self.addCleanup(self.remove, new)
        return self.slipway('restore', 'vm', self.name, self.daemon.uri(), '--name', new, *options,
                            **more)

    def assert_set_is(self, machine, disk, state):
        """The disk of the set is this raw file."""
        target = self.restore(machine['set']['id'], disk)
        self.assertTrue(same_as(target, state), disk)
        target.unlink()


class Running(LibvirtCase):
    formats = {'vda': 'qcow2', 'vdb': 'raw'}

    def read_marker(self, line, mib, disk='vda'):
        """What the guest finds at a place."""
        return line.run(f'dd if=/dev/{disk} bs=1M skip={mib} count=1 2>/dev/null | '
                        'head -n 1').strip()

    def test_cycle(self):
        """Full, by changes, and back as a machine that starts and has what was written."""
        self.start_machine()
        self.write('first', 1)
        self.write('first', 2, disk='vdb')
        first, _ = self.back_up('--verify', 'all')
        self.assertEqual(first['set']['method'], 'full')
        self.write('second', 10)
        self.write('second', 3, disk='vdb')
        second, _ = self.back_up()
        row = {disk['name']: disk for disk in second['disks']}
        self.assertIsNone(row['vda']['why_full'])
        self.assertLessEqual(row['vda']['changed'], 4 << 16)
        self.assertTrue(row['vdb']['why_full'])
        self.assertEqual(len(self.checkpoints()), 1)
        self.stop()
        for disk in self.disks:
            self.assert_set_is(second, disk, self.state(disk))
        said = self.restore_vm('--power-on').json
        self.assertEqual(said['machine']['power'], 'on')
        line = linux.Linux(self.daemon.console(f'{self.name}-restored'))
        self.addCleanup(line.close)
        self.assertEqual([self.read_marker(line, 1), self.read_marker(line, 10),
                          self.read_marker(line, 2, 'vdb'), self.read_marker(line, 3, 'vdb')],
                         ['first', 'second', 'first', 'second'])
        self.stop(f'{self.name}-restored')
        self.fails(EXISTS, 'restore', 'vm', self.name, self.daemon.uri(), '--name',
                   f'{self.name}-restored')

    def test_guest_writes_while_it_is_read(self):
        """The set is the moment of the freeze; what came after is in the next one."""
        self.start_machine()
        self.write('before', 1, kib=16384)
        child = self.start('backup', 'run', self.daemon.uri(self.name), '--bandwidth-limit', '16M')
        self.wait_for(lambda: self.daemon.run('backup-dumpxml', self.name).returncode == 0)
        self.write('during', 8)
        self.write('during', 40)
        out, err = child.communicate(timeout=240)
        self.assertEqual(child.returncode, 0, (out, err))
        target = self.restore(self.name, 'vda')
        with open(target, 'rb') as file:
            for mib, word in ((8, b'before\n'), (40, b'\0')):
                file.seek(mib * MIB)
                self.assertTrue(file.read(7).startswith(word), mib)
        self.back_up()
        self.stop()
        target = self.restore(self.name, 'vda')
        self.assertTrue(same_as(target, self.state('vda')))

    def test_job_that_somebody_ends(self):
        """QEMU shows the disks for a moment longer, as they are by then: nothing of it is kept."""
        self.start_machine()
        self.write('first', 1, kib=16384)
        child = self.start('backup', 'run', self.daemon.uri(self.name), '--bandwidth-limit', '2M')
        self.wait_for(lambda: self.daemon.run('backup-dumpxml', self.name).returncode == 0)
        socket = re.search(r"socket='([^']+)'", self.daemon.virsh('backup-dumpxml', self.name))[1]
        self.wait_for(lambda: [line for line in
                               pathlib.Path('/proc/net/unix').read_text('utf-8').splitlines()
                               if line.endswith(socket) and ' 03 ' in line])  # somebody reads
        self.daemon.virsh('domjobabort', self.name)
        _, err = child.communicate(timeout=240)
        self.assertNotEqual(child.returncode, 0, err)
        self.assertIn('was ended by somebody else', err.decode())
        self.assertEqual(self.slipway('backup', 'list').json['sets'], [])
        machine, _ = self.back_up()
        self.stop()
        self.assert_set_is(machine, 'vda', self.state('vda'))

    def test_killed_emulator_is_a_loud_full(self):
        self.start_machine()
        self.write('first', 1)
        self.back_up()
        os.kill(self.daemon.qemu(self.name), signal.SIGKILL)
        self.wait_for(lambda: 'shut off' in self.daemon.virsh('domstate', self.name))
        self.start_machine()
        self.write('second', 2)
        machine, result = self.back_up()
        self.assertTrue(machine['disks'][0]['why_full'])
        self.assertTrue([warning for warning in result.warnings if 'vda' in warning],
                        result.warnings)
        self.write('third', 3)
        machine, _ = self.back_up()
        self.assertIsNone(machine['disks'][0]['why_full'])
        self.stop()
        self.assert_set_is(machine, 'vda', self.state('vda'))

    @unittest.skipIf(os.geteuid() != 0, 'only the daemon of root can be started anew by the test')
    def test_daemon_restarts_between_machines(self):
        """An upgrade of libvirt while the first of two machines is read."""
        self.start_machine()
        self.write('first', 1, kib=16384)
        disks, other = self.disks, f'{self.name}-other'
        self.disks = {}
        self.define(other)
        MachineCase.start(self, other)
        child = self.start('backup', 'run', self.daemon.uri(f'{self.name}*'),
                           '--bandwidth-limit', '4M')
        self.wait_for(lambda: self.daemon.run('backup-dumpxml', self.name).returncode == 0)
        self.daemon.restart()
        self.assertEqual(self.daemon.run('backup-dumpxml', self.name).returncode, 0)
        out, err = child.communicate(timeout=240)
        self.assertEqual(child.returncode, 0, (out, err))
        self.assertNotIn(b'at rest', err)  # not either when it came before the guest was woken
        machines = {row['machine']: row for row in json.loads(out)['machines']}
        self.assertEqual(sorted(machines), [self.name, other])
        for name, paths in ((self.name, disks), (other, self.disks)):
            self.assertIsNone(machines[name]['left'])
            self.assertEqual(len(self.checkpoints(name)), 1)
            self.stop(name)
            self.disks = paths
            for disk in paths:
                self.assert_set_is(machines[name], disk, self.state(disk))

    def test_killed_run_is_cleaned_up(self):
        self.start_machine()
        self.write('first', 1, kib=32768)
        child = self.start('backup', 'run', self.daemon.uri(self.name), '--bandwidth-limit', '4M')
        self.wait_for(lambda: self.daemon.run('backup-dumpxml', self.name).returncode == 0)
        child.kill()
        child.wait()
        machine, _ = self.back_up()
        self.assertTrue(machine['cleaned'])
        self.assertNotEqual(self.daemon.run('backup-dumpxml', self.name).returncode, 0)
        self.stop()
        self.assert_set_is(machine, 'vda', self.state('vda'))

    def test_off_and_in_place(self):
        self.start_machine()
        self.write('wanted', 1)
        self.stop()
        machine, _ = self.back_up()
        self.assertEqual(machine['consistency'], 'powered-off')
        wanted = self.state('vda')
        wanted.rename(self.scratch / 'wanted.raw')
        self.start_machine()
        self.write('spoilt', 1)
        self.write('spoilt', 50)
        self.stop()
        said = self.slipway('restore', 'vm', self.name, self.daemon.uri(), '--in-place', '--yes').json
        self.assertLess(said['written'], 4 * MIB)
        self.assertTrue(same_as(self.state('vda'), self.scratch / 'wanted.raw'))


class Other(LibvirtCase, VsphereCase):
    """From vSphere to libvirt and back."""

    def setUp(self):  # pylint: disable=super-init-not-called
        VsphereCase.setUp(self)
        MachineCase.setUp(self)
        self.pool = self.daemon.folder / 'pool-default'
        if not self.pool.exists():
            self.daemon.pool()
        self.addCleanup(self.empty_pool)

    def boot(self, name):
        """Start it and wait until what is on its disk has run."""
        path, = self.pool.glob('*')
        # libvirt believes what /dev/kvm promises; where the tests run it may not keep it.
        said = self.daemon.virsh('dumpxml', '--inactive', '--security-info', name)
        said = re.sub(r"<cpu mode='host-[^>]*?(/>|>.*?</cpu>)", '', said, flags=re.DOTALL)
        self.daemon.define(said.replace("type='kvm'", "type='qemu'", 1))
        self.daemon.virsh('start', name)

        def text():
            raw = self.scratch / 'booted.raw'
            subprocess.run(['qemu-img', 'convert', '-U', '-O', 'raw', path, raw], check=True)
            with open(raw, 'rb') as file:
                file.seek(2048 * 512)
                return file.read(24)
        self.wait_for(lambda: text().endswith(b'1'))
        self.assertTrue(text().startswith(b'SLIPWAY-TEST-DISK boot 1'))
        self.stop(name)

    def test_vsphere_machine_boots_under_kvm(self):
        image = self.scratch / 'boot.img'
        boot_disk.make(image, 16 * MIB)
        self.control.add('app01', cbt=True, disks=[{'size': 16 * MIB}])
        self.control.write('app01', 0, 0, image.read_bytes()[:2 * MIB])
        self.slipway('backup', 'run', 'vc:app01')
        self.addCleanup(self.remove, 'moved')
        said = self.slipway('restore', 'vm', 'app01', self.daemon.uri(), '--name', 'moved').json
        self.assertTrue(said['words'])
        self.assertEqual(said['machine']['driver'], 'libvirt')
        path, = self.pool.glob('*')
        raw = self.scratch / 'moved.raw'
        subprocess.run(['qemu-img', 'convert', '-O', 'raw', path, raw], check=True)
        self.assertTrue(same_as(raw, image))
        self.boot('moved')

    def test_kvm_machine_on_vsphere(self):
        self.start_machine()
        self.write('marker', 5)
        self.stop()
        self.back_up()
        said = self.slipway('restore', 'vm', self.name, 'vc', '--name', 'moved', '--network',
                            'port-group:VM Network').json
        self.assertEqual(said['machine']['driver'], 'vsphere')
        self.assertTrue(said['words'])
        self.assertEqual(self.control.read('moved'), self.state('vda').read_bytes())
        self.assertEqual(len(self.control.read('moved')), SIZE)
        self.assert_clean()


def load_tests(loader, *_):
    """Not the case classes by themselves."""
    return unittest.TestSuite(map(loader.loadTestsFromTestCase, (Running, Other)))


if __name__ == '__main__':
    unittest.main()
