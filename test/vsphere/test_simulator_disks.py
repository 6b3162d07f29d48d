# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulator: disks, snapshots and changed blocks, against qemu-img where that can read them."""
import os
import pathlib
import subprocess
import unittest

from simulator_case import BLOCK, Case, DS, SIZE

from pyVmomi import vim, vmodl

from api import disks_of


class DiskTest(Case):
    """Descriptors, data, controllers, capacities."""

    def first(self):
        return {'cbt': True, 'disks': [
            {}, {'size': 1 << 20, 'thick': True}, {'controller': 'lsilogic', 'bus': 1, 'unit': 3},
            {'controller': 'sata'}, {'controller': 'nvme'}, {'controller': 'ide', 'unit': 1},
            {'mode': 'independent_persistent'}, {'rdm': 'physicalMode'}, {'rdm': 'virtualMode'},
            {'unit': 8, 'sharing': 'sharingMultiWriter'}]}

    def test_places(self):
        told = self.control.machine('app01')['disks']
        self.assertEqual([one['place'] for one in told],
                         ['scsi0:0', 'scsi0:1', 'scsi1:3', 'sata0:0', 'nvme0:0', 'ide0:1',
                          'scsi0:2', 'scsi0:3', 'scsi0:4', 'scsi0:8'])
        devices = {one.key: one for one in self.vm.config.hardware.device}
        kinds = [type(devices[one.controllerKey]).__name__.rpartition('.')[2]
                 for one in disks_of(self.vm.config)]
        self.assertEqual(kinds[:6], ['ParaVirtualSCSIController', 'ParaVirtualSCSIController',
                                     'VirtualLsiLogicController', 'VirtualAHCIController',
                                     'VirtualNVMEController', 'VirtualIDEController'])
        for one in disks_of(self.vm.config):
            self.assertIn(one.key, devices[one.controllerKey].device)

    def test_capacity(self):
        first, second = disks_of(self.vm.config)[:2]
        self.assertEqual((first.capacityInBytes, first.capacityInKB), (SIZE, SIZE // 1024))
        self.assertEqual(first.deviceInfo.summary, '16,384 KB')
        self.assertEqual(second.capacityInBytes, 1 << 20)
        self.assertTrue(first.backing.thinProvisioned)
        self.assertFalse(second.backing.thinProvisioned)

    def test_files(self):
        told = self.control.machine('app01')['disks'][0]
        descriptor = pathlib.Path(told['base'].replace('-flat', '')).read_text()
        self.assertIn('RW 32768 VMFS "app01-flat.vmdk"', descriptor)
        self.assertIn('createType="vmfs"', descriptor)
        self.assertRegex(descriptor,
                         r'ddb.uuid = "60 00 C2 9.( [0-9a-f]{2}){4}-[0-9a-f]{2}( [0-9a-f]{2}){7}"')
        self.assertEqual(os.stat(told['base']).st_size, SIZE)
        self.assertLess(os.stat(told['base']).st_blocks * 512, 1 << 20)
        layout = {one.name: one for one in self.vm.layoutEx.file}
        self.assertEqual(layout[f'{DS} app01/app01-flat.vmdk'].size, SIZE)
        self.assertEqual(layout[f'{DS} app01/app01.nvram'].type, 'nvram')

    def test_what_a_snapshot_leaves_out(self):
        snapshot = self.snapshot()
        named = [(one.backing.fileName, getattr(one.backing, 'changeId', None))
                 for one in disks_of(self.vm.config)]
        frozen = ['-000001' in name for name, _ in named]
        self.assertEqual(frozen, [True] * 6 + [False, False, True, False])
        ids = [one.backing.changeId for one in disks_of(snapshot.config)]
        self.assertEqual([bool(one) for one in ids][:8], [True] * 6 + [False, False])

    def test_raw_mapping(self):
        raw = disks_of(self.vm.config)[7].backing
        self.assertIsInstance(raw, vim.vm.device.VirtualDisk.RawDiskMappingVer1BackingInfo)
        self.assertEqual((raw.compatibilityMode, raw.diskMode),
                         ('physicalMode', 'independent_persistent'))

    def test_qemu_reads_the_descriptor(self):
        self.control.write('app01', 0, BLOCK, b'a' * BLOCK)
        self.control.machine('app01', power='poweredOff')
        told = self.control.machine('app01')['disks'][0]
        image = pathlib.Path(told['base'].replace('-flat', ''))
        out = pathlib.Path(self.sim.scratch) / 'out.raw'
        subprocess.run(['qemu-img', 'convert', '-f', 'vmdk', '-O', 'raw', image, out], check=True)
        self.assertEqual(out.read_bytes(), self.read())


class SnapshotTest(Case):
    """What a snapshot freezes, and what removing it merges."""

    def test_frozen_base_and_delta(self):
        self.control.write('app01', 0, 0, b'1' * BLOCK)
        snapshot = self.snapshot()
        self.control.write('app01', 0, 512, b'2' * 1024)
        self.assertEqual(self.read(snapshot._moId)[:BLOCK], b'1' * BLOCK)
        self.assertEqual(self.read()[:2048], b'1' * 512 + b'2' * 1024 + b'1' * 512)
        now, then = disks_of(self.vm.config)[0].backing, disks_of(snapshot.config)[0].backing
        self.assertEqual(now.fileName, f'{DS} app01/app01-000001.vmdk')
        self.assertEqual(now.parent.fileName, f'{DS} app01/app01.vmdk')
        self.assertEqual((then.fileName, then.parent), (f'{DS} app01/app01.vmdk', None))
        self.assertEqual(now.uuid, then.uuid)
        self.assertRegex(then.changeId, r'^52( [0-9a-f]{2}){7}-[0-9a-f]{2}( [0-9a-f]{2}){7}/1$')
        base = pathlib.Path(self.control.machine('app01')['disks'][0]['base'])
        self.assertEqual(base.read_bytes(), self.read(snapshot._moId))
        self.remove(snapshot)
        self.assertEqual(base.read_bytes()[:2048], b'1' * 512 + b'2' * 1024 + b'1' * 512)
        self.assertEqual(disks_of(self.vm.config)[0].backing.fileName, f'{DS} app01/app01.vmdk')
        self.assertEqual([name for name in os.listdir(base.parent) if '-0000' in name], [])
        self.assertIsNone(self.vm.snapshot)

    def test_delta_is_as_hosts_write_it(self):
        self.control.write('app01', 0, 0, os.urandom(BLOCK))
        self.snapshot()
        self.control.write('app01', 0, BLOCK - 512, os.urandom(1024))
        self.control.write('app01', 0, SIZE - BLOCK, os.urandom(BLOCK))
        told = self.control.machine('app01')['disks'][0]
        out = pathlib.Path(self.sim.scratch) / 'out.raw'
        image = told['data'].replace('-delta', '')
        self.assertIn('parentFileNameHint="app01.vmdk"', pathlib.Path(image).read_text())
        subprocess.run(['qemu-img', 'convert', '-U', '-f', 'vmdk', '-O', 'raw', image, out],
                       check=True)
        self.assertEqual(out.read_bytes(), self.read())

    def test_tree(self):
        first = self.snapshot('one')
        second = self.snapshot('two')
        root, = self.vm.snapshot.rootSnapshotList
        child, = root.childSnapshotList
        self.assertEqual((root.name, child.name, root.description), ('one', 'two', 'words'))
        self.assertEqual(self.vm.snapshot.currentSnapshot, second)
        self.assertEqual(first.childSnapshot[0], second)
        chain = disks_of(self.vm.config)[0].backing
        self.assertEqual(chain.parent.parent.fileName, f'{DS} app01/app01.vmdk')

    def test_remove_the_older_of_two(self):
        self.control.write('app01', 0, 0, b'1' * 512)
        first = self.snapshot('one')
        self.control.write('app01', 0, 512, b'2' * 512)
        second = self.snapshot('two')
        self.control.write('app01', 0, 1024, b'3' * 512)
        frozen, now = self.read('two'), self.read()
        self.remove(first)
        self.assertEqual((self.read('two'), self.read()), (frozen, now))
        self.assertEqual(disks_of(second.config)[0].backing.fileName, f'{DS} app01/app01.vmdk')
        self.remove(second)
        self.assertEqual(self.read(), now)

    def test_user_snapshots_stay(self):
        self.control.add('app02', snapshots=['before upgrade'])
        self.control.write('app02', 0, 0, b'u' * 512)
        vm = self.api.vm('app02')
        snapshot = self.snapshot(vm=vm)
        self.assertEqual(disks_of(snapshot.config)[0].backing.fileName,
                         f'{DS} app02/app02-000001.vmdk')
        self.assertEqual(disks_of(vm.config)[0].backing.fileName, f'{DS} app02/app02-000002.vmdk')
        self.remove(snapshot)
        self.assertEqual(disks_of(vm.config)[0].backing.fileName, f'{DS} app02/app02-000001.vmdk')
        self.assertEqual(self.control.read('app02')[:512], b'u' * 512)

    def test_remove_all_and_children(self):
        first = self.snapshot('one')
        self.snapshot('two')
        self.control.write('app01', 0, 0, b'x' * 512)
        now = self.read()
        self.remove(first, children=True)
        self.assertIsNone(self.vm.snapshot)
        self.assertEqual(self.read(), now)
        self.snapshot('three')
        self.api.wait(self.vm.RemoveAllSnapshots_Task())
        self.assertIsNone(self.vm.snapshot)

    def test_gone(self):
        snapshot = self.snapshot()
        self.remove(snapshot)
        with self.assertRaises(vmodl.fault.ManagedObjectNotFound):
            self.remove(snapshot)

    def test_ex(self):
        spec = vim.vm.GuestQuiesceSpec(timeout=20)
        if not hasattr(self.vm, 'CreateSnapshotEx_Task'):
            self.skipTest('this pyVmomi does not know it')
        snapshot = self.api.wait(self.vm.CreateSnapshotEx_Task('ex', 'd', False, spec))
        self.assertTrue(self.vm.snapshot.rootSnapshotList[0].quiesced)
        self.remove(snapshot)
        windows = vim.vm.WindowsQuiesceSpec(vssBackupType=5)
        self.api.wait(self.vm.CreateSnapshotEx_Task('ex', 'd', False, windows))
        spec.timeout = 1
        with self.assertRaises(vmodl.fault.InvalidArgument):
            self.api.wait(self.vm.CreateSnapshotEx_Task('ex', 'd', False, spec))

    def test_quiesce(self):
        snapshot = self.snapshot(quiesce=True)
        self.assertTrue(self.vm.snapshot.rootSnapshotList[0].quiesced)
        self.remove(snapshot)
        self.control.machine('app01', quiesce_fails=True)
        with self.assertRaises(vim.fault.ApplicationQuiesceFault):
            self.snapshot(quiesce=True)
        self.assertIsNone(self.vm.snapshot)
        self.assertTrue(self.control.machine('app01')['guest_frozen'])
        self.remove(self.snapshot())
        self.control.machine('app01', tools='toolsNotRunning')
        self.assertEqual(self.vm.guest.toolsRunningStatus, 'guestToolsNotRunning')
        self.snapshot(quiesce=True)
        self.assertFalse(self.vm.snapshot.rootSnapshotList[0].quiesced)

    def test_consolidation(self):
        self.control.machine('app01', orphan=True)
        self.assertTrue(self.vm.runtime.consolidationNeeded)
        self.assertIsNone(self.vm.snapshot)
        self.assertEqual(disks_of(self.vm.config)[0].backing.fileName,
                         f'{DS} app01/app01-000001.vmdk')
        self.remove(self.snapshot())
        self.assertTrue(self.vm.runtime.consolidationNeeded)
        self.control.write('app01', 0, 0, b'o' * 512)
        self.api.wait(self.vm.ConsolidateVMDisks_Task())
        self.assertFalse(self.vm.runtime.consolidationNeeded)
        self.assertEqual(disks_of(self.vm.config)[0].backing.fileName, f'{DS} app01/app01.vmdk')
        self.assertEqual(self.read()[:512], b'o' * 512)

    def test_orphan_that_nobody_knows_of(self):
        self.control.machine('app01', orphan=False)
        self.assertFalse(self.vm.runtime.consolidationNeeded)
        self.snapshot()
        self.api.wait(self.vm.RemoveAllSnapshots_Task())
        self.assertEqual(disks_of(self.vm.config)[0].backing.fileName, f'{DS} app01/app01.vmdk')

    def test_disk_that_goes(self):
        self.control.add('two', disks=[{}, {}])
        self.control.machine('two', detach=1)
        self.assertEqual(len(disks_of(self.api.vm('two').config)), 1)

    def test_unconsolidated(self):
        snapshot = self.snapshot()
        self.api.wait(snapshot.RemoveSnapshot_Task(False, False))
        self.assertTrue(self.vm.runtime.consolidationNeeded)

    def test_revert(self):
        self.control.write('app01', 0, 0, b'1' * 512)
        snapshot = self.snapshot()
        old = self.change_id(snapshot)
        self.control.write('app01', 0, 0, b'2' * 512)
        self.api.wait(snapshot.RevertToSnapshot_Task())
        self.assertEqual(self.read()[:512], b'1' * 512)
        with self.assertRaises(vmodl.fault.InvalidArgument):
            self.areas(self.snapshot('two'), old)

    def test_template(self):
        self.control.add('template', template=True)
        vm = self.api.vm('template')
        self.assertTrue(vm.config.template)
        self.assertEqual(vm.runtime.powerState, 'poweredOff')
        with self.assertRaises(vmodl.fault.NotSupported):
            self.snapshot(vm=vm)

    def test_suspended(self):
        self.control.add('asleep', power='suspended')
        vm = self.api.vm('asleep')
        self.assertEqual(vm.runtime.powerState, 'suspended')
        self.remove(self.snapshot(vm=vm))


class ChangeTest(Case):
    """Changed block tracking."""

    def test_since(self):
        self.control.write('app01', 0, 0, b'0' * BLOCK)
        first = self.snapshot()
        change = self.change_id(first)
        self.control.write('app01', 0, 5 * BLOCK, b'1' * 512)
        self.remove(first)
        self.control.write('app01', 0, 9 * BLOCK + 512, b'2' * BLOCK)
        second = self.snapshot()
        self.control.write('app01', 0, 20 * BLOCK, b'3' * 512)
        self.assertEqual(self.areas(second, change), [(5 * BLOCK, BLOCK), (9 * BLOCK, 2 * BLOCK)])
        self.assertEqual(self.change_id(second).partition('/')[0], change.partition('/')[0])
        self.assertEqual(self.areas(second, self.change_id(second)), [])
        self.remove(second)
        third = self.snapshot()
        self.assertEqual(self.areas(third, self.change_id(third)), [])
        self.assertEqual(len(self.areas(third, change)), 3)

    def test_all(self):
        self.control.write('app01', 0, BLOCK, b'1' * BLOCK)
        self.control.write('app01', 0, 100 * BLOCK, b'1' * BLOCK)
        snapshot = self.snapshot()
        self.control.write('app01', 0, 50 * BLOCK, b'2' * BLOCK)
        self.assertEqual(self.areas(snapshot, '*'), [(BLOCK, BLOCK), (100 * BLOCK, BLOCK)])

    def test_parts(self):
        for number in range(0, 200, 2):
            self.control.write('app01', 0, number * BLOCK, b'x' * 512)
        snapshot = self.snapshot()
        self.assertEqual(len(self.areas(snapshot, '*')), 100)
        self.assertEqual(self.replies, 10)
        self.control.settings(areas_per_reply=0, range_per_reply=1 << 20)
        self.assertEqual(len(self.areas(snapshot, '*')), 100)
        self.assertEqual(self.replies, 16)

    def test_end_of_the_disk(self):
        snapshot = self.snapshot()
        for at in (SIZE, SIZE + 512, -1):
            with self.assertRaises(vmodl.fault.InvalidArgument):
                self.vm.QueryChangedDiskAreas(snapshot, 2000, at, '*')
        self.assertEqual(self.vm.QueryChangedDiskAreas(snapshot, 2000, SIZE - 512, '*').length, 512)

    def test_foreign_ids(self):
        snapshot = self.snapshot()
        change = self.change_id(snapshot)
        for bad in ('', 'x', '52 00/1', change.partition('/')[0] + '/99', change + 'x',
                    change.replace('/1', '/0')):
            with self.assertRaises(vmodl.fault.InvalidArgument):
                self.vm.QueryChangedDiskAreas(snapshot, 2000, 0, bad)
        with self.assertRaises(vmodl.fault.InvalidArgument):
            self.vm.QueryChangedDiskAreas(snapshot, 2001, 0, '*')

    def test_off(self):
        self.control.add('plain')
        vm = self.api.vm('plain')
        snapshot = self.snapshot(vm=vm)
        self.assertIsNone(self.change_id(snapshot))
        with self.assertRaises(vim.fault.FileFault):
            vm.QueryChangedDiskAreas(snapshot, 2000, 0, '*')
        self.remove(snapshot)

    def test_enabling(self):
        self.control.add('plain')
        vm = self.api.vm('plain')
        self.reconfigure(vim.vm.ConfigSpec(changeTrackingEnabled=True), vm)
        self.assertTrue(vm.config.changeTrackingEnabled)
        self.assertFalse(self.control.machine('plain')['tracking'])
        snapshot = self.snapshot(vm=vm)
        self.assertTrue(self.change_id(snapshot))
        self.assertTrue(self.control.machine('plain')['tracking'])
        self.assertEqual(self.areas(snapshot, '*', vm), [])

    def test_enabling_late(self):
        self.control.settings(late_change_id=True)
        self.control.add('plain')
        vm = self.api.vm('plain')
        self.reconfigure(vim.vm.ConfigSpec(changeTrackingEnabled=True), vm)
        first = self.snapshot(vm=vm)
        self.assertIsNone(self.change_id(first))
        self.remove(first)
        self.assertTrue(self.change_id(self.snapshot(vm=vm)))

    def test_enabling_with_snapshots(self):
        self.control.add('old', snapshots=['user'])
        vm = self.api.vm('old')
        self.reconfigure(vim.vm.ConfigSpec(changeTrackingEnabled=True), vm)
        snapshot = self.snapshot(vm=vm)
        change = self.change_id(snapshot)
        self.assertTrue(change)
        with self.assertRaises(vim.fault.FileFault):
            vm.QueryChangedDiskAreas(snapshot, 2000, 0, '*')
        self.remove(snapshot)
        self.control.write('old', 0, 0, b'x' * 512)
        self.assertEqual(self.areas(self.snapshot(vm=vm), change, vm), [(0, BLOCK)])

    def test_old_hardware(self):
        self.control.machine('app01', version='vmx-04')
        with self.assertRaises(vmodl.fault.NotSupported):
            self.reconfigure(vim.vm.ConfigSpec(changeTrackingEnabled=True))

    def test_reset(self):
        first = self.snapshot()
        change = self.change_id(first)
        self.remove(first)
        self.control.machine('app01', reset_cbt=True)
        second = self.snapshot()
        self.assertNotEqual(self.change_id(second).partition('/')[0], change.partition('/')[0])
        with self.assertRaises(vmodl.fault.InvalidArgument):
            self.vm.QueryChangedDiskAreas(second, 2000, 0, change)
        self.assertEqual(self.areas(second, '*'), [])

    def test_powered_off(self):
        with self.assertRaises(vim.fault.FileFault):
            self.vm.QueryChangedDiskAreas(None, 2000, 0, '*')
        self.control.write('app01', 0, 3 * BLOCK, b'x' * 512)
        self.api.wait(self.vm.PowerOffVM_Task())
        self.assertEqual(self.areas(None, '*'), [(3 * BLOCK, BLOCK)])

    def test_grown_disk(self):
        self.control.machine('app01', grow=[0, 2 * SIZE])
        disk = disks_of(self.vm.config)[0]
        self.assertEqual(disk.capacityInBytes, 2 * SIZE)
        disk.capacityInKB = 3 * SIZE // 1024
        disk.capacityInBytes = 3 * SIZE
        spec = vim.vm.ConfigSpec(deviceChange=[vim.vm.device.VirtualDeviceSpec(operation='edit',
                                                                               device=disk)])
        self.reconfigure(spec)
        self.assertEqual(len(self.read()), 3 * SIZE)

    def test_absurd(self):
        snapshot = self.snapshot()
        ask = lambda: self.vm.QueryChangedDiskAreas(snapshot, 2000, 0, '*')
        for kind, area in (('beyond', (SIZE, BLOCK)), ('empty', (0, 0)),
                           ('negative', (-BLOCK, BLOCK)),
                           ('whole', (0, SIZE))):
            self.control.settings(absurd_areas=kind)
            self.assertEqual([(one.start, one.length) for one in ask().changedArea], [area])
        self.control.settings(absurd_areas='standstill')
        self.assertEqual(ask().length, 0)
        self.control.settings(absurd_areas='elsewhere')
        self.assertEqual(ask().startOffset, BLOCK)


if __name__ == '__main__':
    unittest.main()
