#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines that are made of what was backed up: they start, and have what the old ones had."""
import copy
import os
import pathlib
import re
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

from libvirt.machine_case import MIB, SIZE, MachineCase  # noqa: E402
from libvirt.steps import StepError  # noqa: E402

OVMF = pathlib.Path('/usr/share/OVMF/OVMF_VARS_4M.fd')


class CreateTest(MachineCase):
    """From the set of a machine with a qcow2 and a raw disk."""

    formats = {'vda': 'qcow2', 'vdb': 'raw'}

    def setUp(self):
        super().setUp()
        self.pool = self.daemon.folder / 'pool-default'
        if not self.pool.exists():
            self.daemon.pool()
        self.before = sorted(os.listdir(self.pool))
        self.session = self.open()

    def tearDown(self):
        for path in self.pool.iterdir():
            path.unlink()
        super().tearDown()

    def machine(self, **changes):
        """What was kept with the set, under another name."""
        machine = copy.deepcopy(self.session.do('describe', self.name))
        for nic in machine['nics']:
            nic.pop('mac', None)
        for disk in machine['disks']:
            disk.pop('datastore', None)
        return machine | {'name': f'{self.name}-2'} | changes

    def make(self, machine, power_on=False):
        """A new machine, with what the set has; {words, machine}."""
        self.addCleanup(self.remove, machine['name'])
        made = self.session.do('create', machine)
        for number, (disk, _) in enumerate(made['disks']):
            self.session.do('fill', number, self.sets[disk])
        return made['words'], self.session.do('finish', power_on)

    def take(self):
        """A set of the machine, which is off then."""
        self.start()
        self.write('marker-a', 1)
        self.write('marker-b', 2, disk='vdb')
        self.backup(self.session)
        self.stop()

    def test_boots(self):
        """The new machine starts, and its guest reads what the old one wrote."""
        self.take()
        old = self.session.do('describe', self.name)
        words, machine = self.make(self.machine(), power_on=True)
        self.assertEqual([], words)
        self.assertEqual('on', machine['power'])
        self.assertNotEqual(old['id'], machine['id'])
        self.assertEqual(['qcow2', 'raw'], [disk['format'] for disk in machine['disks']])
        self.assertEqual([SIZE, SIZE], [disk['size'] for disk in machine['disks']])
        self.assertEqual(['default', 'default'], [disk['datastore'] for disk in machine['disks']])
        line = self.start_line(machine['name'])
        self.assertEqual('marker-a', line.run('dd if=/dev/vda bs=1M skip=1 count=1 2>/dev/null | '
                                              'head -n 1').strip())
        self.assertEqual('marker-b', line.run('dd if=/dev/vdb bs=1M skip=2 count=1 2>/dev/null | '
                                              'head -n 1').strip())
        # And is backed up itself, with changes.
        frozen = self.session.freeze(machine['name'], {'vda': None})
        kept = (frozen['disks'][0]['change_id'], SIZE)
        self.session.do('thaw')
        self.session.do('settle', True)
        line.run('yes x | dd of=/dev/vda bs=64k count=1 conv=notrunc,fsync iflag=fullblock '
                 '2>/dev/null')
        frozen = self.session.freeze(machine['name'], {'vda': kept})
        self.assertEqual(64 << 10, self.changed(frozen))
        self.session.do('release')

    def start_line(self, name):
        """The guest of a machine that was started."""
        from libvirt import linux  # pylint: disable=import-outside-toplevel
        line = linux.Linux(self.daemon.console(name))
        self.addCleanup(line.close)
        return line

    def test_abandoned(self):
        """Nothing is left of it, also when the user has cancelled."""
        self.session.do('create', self.machine())
        self.assertIn(f'{self.name}-2', self.daemon.virsh('list', '--all', '--name').split())
        self.session.do('cancel')
        self.session.do('abandon')
        self.session.do('cancel', False)
        self.assertNotIn(f'{self.name}-2', self.daemon.virsh('list', '--all', '--name').split())
        self.assertEqual(self.before, sorted(os.listdir(self.pool)))
        self.session.do('create', self.machine())
        self.session.do('release')
        self.assertEqual(self.before, sorted(os.listdir(self.pool)))

    def test_taken(self):
        """Names of machines are not; names of volumes are worked around."""
        with self.assertRaises(StepError) as caught:
            self.session.do('create', self.machine(name=self.name))
        self.assertEqual('exists', caught.exception.code)
        (self.pool / f'{self.name}-2-vda.qcow2').write_bytes(b'mine')
        self.session.do('create', self.machine())
        self.assertEqual(b'mine', (self.pool / f'{self.name}-2-vda.qcow2').read_bytes())
        self.session.do('abandon')
        self.assertEqual([f'{self.name}-2-vda.qcow2'], os.listdir(self.pool))

    def test_no_such_place(self):
        """What there is, is listed, and nothing is left."""
        machine = self.machine()
        machine['disks'][1]['datastore'] = 'nowhere'
        with self.assertRaises(StepError) as caught:
            self.session.do('create', machine)
        self.assertEqual('not-found', caught.exception.code)
        self.assertIn('it has: default', caught.exception.message)
        self.assertEqual(self.before, sorted(os.listdir(self.pool)))
        machine = self.machine(nics=[{'name': 'net0', 'kind': 'network', 'network': 'nowhere',
                                      'connected': True, 'mac_fixed': False, 'boot_order': 0}])
        with self.assertRaises(StepError) as caught:
            self.session.do('create', machine)
        self.assertEqual('not-found', caught.exception.code)
        self.assertIn('nowhere', caught.exception.message)

    def test_neutral(self):
        """A machine of another hypervisor."""
        machine = {key: value for key, value in self.machine().items()
                   if not key.startswith('native')}
        machine |= {'driver': 'libvirt', 'memory': 256 * MIB, 'cpus': 2, 'annotation': '<&>',
                    'nics': [{'name': 'ethernet0', 'kind': 'user', 'model': 'e1000',
                              'mac': '00:50:56:01:02:03', 'mac_fixed': True, 'connected': True,
                              'boot_order': 0}]}
        names = {'vda': 'scsi0:0', 'vdb': 'sata0:1'}
        for disk, bus in zip(machine['disks'], ('scsi', 'sata')):
            disk |= {'name': names[disk['name']], 'bus': bus}
        self.sets = {}
        for name in names.values():
            path = self.scratch / f'set-{name}.raw'
            with open(path, 'wb') as file:
                file.truncate(SIZE)
            self.sets[name] = path
        words, made = self.make(machine)
        self.assertIn('disk scsi0:0 is called sda here', words)
        self.assertEqual(['scsi', 'sata'], [disk['bus'] for disk in made['disks']])
        self.assertEqual('00:50:56:01:02:03', made['nics'][0]['mac'])
        self.assertEqual('e1000', made['nics'][0]['model'])
        self.assertEqual('<&>', made['annotation'])
        self.assertEqual((256 * MIB, 2), (made['memory'], made['cpus']))

    @unittest.skipUnless(OVMF.exists(), 'the package ovmf is missing')
    def test_firmware(self):
        """UEFI stays, with what it had kept."""
        name = f'{self.name}-uefi'
        xml = re.sub('<name>.*?</name>', f'<name>{name}</name>', self.xml)
        xml = xml.replace('<os>', "<os firmware='efi'>").replace("machine='pc'", "machine='q35'")
        xml = re.sub('<kernel>.*</initrd>\\s*<cmdline>.*</cmdline>', '', xml, flags=re.S)
        self.daemon.define(xml)
        self.addCleanup(self.remove, name)
        self.daemon.virsh('start', name)
        self.daemon.virsh('destroy', name)
        session = self.open(inside=True)
        # What it keeps is told from any other by its last bytes.
        path = self.variables(name)
        data = bytearray(path.read_bytes())
        data[-16:] = b'kept by firmware'
        path.write_bytes(data)
        machine = session.do('describe', name)
        self.assertEqual('uefi', machine['firmware'])
        self.assertEqual('vars-raw', machine['firmware_type'])
        new = f'{name}-2'
        self.addCleanup(self.remove, new)
        for disk in machine['disks']:
            disk.pop('datastore', None)
        session.do('create', machine | {'name': new})
        self.assertEqual(bytes(data), self.variables(new).read_bytes())
        session.do('abandon')
        self.assertFalse(self.variables(new).exists())
        made = session.do('create', machine | {'name': new})
        self.assertEqual([], made['words'])
        made = session.do('finish', True)
        # Which of its firmwares the host chooses is seen while the machine runs.
        self.assertIn(made['firmware'], ('uefi', 'uefi-secure'))
        self.assertEqual('on', made['power'])

    def variables(self, name):
        """Where libvirt keeps the variables of a machine."""
        folder = 'lib/qemu/nvram' if self.daemon.system else 'etc/libvirt/qemu/nvram'
        return self.daemon.folder / folder / f'{name}_VARS.fd'


class OverwriteTest(MachineCase):
    """In place."""

    formats = {'vda': 'qcow2', 'vdb': 'raw'}

    def test_overwrite(self):
        """The machine is as it was; its checkpoints are not trusted any more."""
        self.start()
        session = self.open()
        self.write('good', 1)
        self.write('good', 2, disk='vdb')
        self.backup(session)
        self.write('bad', 1)
        self.write('bad', 2, disk='vdb')
        with self.assertRaises(StepError) as caught:
            session.do('overwrite', self.name)
        self.assertEqual('busy', caught.exception.code)
        self.stop()
        made = session.do('overwrite', self.name)
        self.assertIn('checkpoints of earlier backups were removed', made['words'][0])
        self.assertNotEqual(0, self.daemon.run('start', self.name).returncode)
        for number, (disk, _) in enumerate(made['disks']):
            session.do('fill', number, self.sets[disk])
        session.do('finish', False)
        self.assert_set_is_disk('vda')
        self.assert_set_is_disk('vdb')
        self.assertEqual([], self.checkpoints())
        self.start()
        self.assertEqual('good', self.line.run('dd if=/dev/vda bs=1M skip=1 count=1 2>/dev/null | '
                                               'head -n 1').strip())
        frozen = self.backup(session)
        self.assertIsNone(self.changed(frozen))
        self.assertIsNotNone(self.why_full(frozen))
        self.stop()
        self.assert_set_is_disk('vda')


if __name__ == '__main__':
    unittest.main()
