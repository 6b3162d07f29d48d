# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulator: disks of other machines, and machines that are made, registered and imported."""
import os
import pathlib
import subprocess
import unittest

from simulator_case import Case, DS, SIZE, bytes_at

from pyVmomi import vim, vmodl

from api import cards_of, disks_of
from stream import Stream


class AttachTest(Case):
    """Disks of other machines, attached to the machine that does the backup."""

    def setUp(self):
        super().setUp()
        self.control.add('proxy')
        self.proxy = self.api.vm('proxy')

    def disk(self, name, unit=1, mode='independent_nonpersistent', key=1000):
        """A change that adds one."""
        backing = vim.vm.device.VirtualDisk.FlatVer2BackingInfo(fileName=name, diskMode=mode)
        disk = vim.vm.device.VirtualDisk(key=-1, backing=backing, controllerKey=key,
                                         unitNumber=unit)
        return vim.vm.ConfigSpec(deviceChange=[vim.vm.device.VirtualDeviceSpec(operation='add',
                                                                               device=disk)])

    def attach(self, name, **members):
        """Attach it; the device that it is then."""
        self.reconfigure(self.disk(name, **members), self.proxy)
        return disks_of(self.proxy.config)[-1]

    def detach(self, disk, operation=None):
        """Take it off."""
        self.reconfigure(vim.vm.ConfigSpec(deviceChange=[vim.vm.device.VirtualDeviceSpec(
            operation='remove', device=disk, fileOperation=operation)]), self.proxy)

    def frozen(self):
        """A snapshot, and the name of the frozen file."""
        snapshot = self.snapshot()
        return snapshot, disks_of(snapshot.config)[0].backing.fileName

    def test_attach_and_detach(self):
        snapshot, name = self.frozen()
        disk = self.attach(name)
        self.assertEqual((disk.capacityInBytes, disk.unitNumber), (SIZE, 1))
        self.assertEqual(disk.backing.uuid, disks_of(self.vm.config)[0].backing.uuid)
        attached, = self.control.state()['attached']
        self.assertEqual((attached['vm'], attached['place']), ('proxy', 'scsi0:1'))
        home = pathlib.Path(self.control.machine('app01')['directory'])
        self.assertTrue([one for one in os.listdir(home) if 'REDO' in one])
        self.detach(disk)
        self.assertEqual(self.control.state()['attached'], [])
        self.assertFalse([one for one in os.listdir(home) if 'REDO' in one])
        self.assertTrue((home / 'app01-flat.vmdk').exists())
        self.remove(snapshot)
        self.assertFalse(self.vm.runtime.consolidationNeeded)

    def test_what_is_refused(self):
        _, name = self.frozen()
        for unit in (7, 0, 16, -1):
            with self.assertRaises(vim.fault.InvalidDeviceSpec):
                self.attach(name, unit=unit)
        with self.assertRaises(vim.fault.MissingController):
            self.attach(name, key=1003)
        with self.assertRaises(vim.fault.FileNotFound) as caught:
            self.attach(f'{DS} app01/none.vmdk')
        self.assertEqual(caught.exception.file, f'{DS} app01/none.vmdk')
        with self.assertRaises(vim.fault.DeviceHotPlugNotSupported):
            self.attach(name, key=200)
        with self.assertRaises(vim.fault.FileLocked):
            self.attach(name, mode='persistent')
        with self.assertRaises(vim.fault.FileLocked):
            self.attach(f'{DS} app01/app01-000001.vmdk')
        self.assertEqual(self.control.state()['attached'], [])

    def test_no_snapshot(self):
        with self.assertRaises(vim.fault.FileLocked):
            self.attach(f'{DS} app01/app01.vmdk')

    def test_removing_the_snapshot_too_early(self):
        snapshot, name = self.frozen()
        disk = self.attach(name)
        self.control.write('app01', 0, 0, b'n' * 512)
        with self.assertRaises(vim.fault.FileLocked):
            self.remove(snapshot)
        self.assertIsNone(self.vm.snapshot)
        self.assertTrue(self.vm.runtime.consolidationNeeded)
        self.assertIn('-000001', disks_of(self.vm.config)[0].backing.fileName)
        with self.assertRaises(vim.fault.FileLocked):
            self.api.wait(self.vm.ConsolidateVMDisks_Task())
        self.detach(disk)
        self.assertTrue(self.vm.runtime.consolidationNeeded)
        self.api.wait(self.vm.ConsolidateVMDisks_Task())
        self.assertFalse(self.vm.runtime.consolidationNeeded)
        self.assertEqual(self.read()[:512], b'n' * 512)

    def test_writing_to_a_machine_that_is_off(self):
        self.api.wait(self.vm.PowerOffVM_Task())
        disk = self.attach(f'{DS} app01/app01.vmdk', mode='persistent')
        with self.assertRaises(vim.fault.FileLocked):
            self.api.wait(self.vm.PowerOnVM_Task())
        with self.assertRaises(vim.fault.FileLocked):
            self.api.wait(self.vm.Destroy_Task())
        self.detach(disk)
        self.api.wait(self.vm.PowerOnVM_Task())

    def test_writing_ends_the_tracking(self):
        first = self.snapshot()
        change = self.change_id(first)
        self.remove(first)
        self.api.wait(self.vm.PowerOffVM_Task())
        self.detach(self.attach(f'{DS} app01/app01.vmdk', mode='persistent'))
        with self.assertRaises(vmodl.fault.InvalidArgument):
            self.vm.QueryChangedDiskAreas(self.snapshot(), 2000, 0, change)

    def test_destroying_what_is_anothers(self):
        _, name = self.frozen()
        disk = self.attach(name)
        with self.assertRaises(vim.fault.FileLocked):
            self.detach(disk, 'destroy')

    def test_command_and_links(self):
        links = pathlib.Path(self.sim.scratch) / 'links'
        links.mkdir()
        log = pathlib.Path(self.sim.scratch) / 'log'
        self.control.settings(attach_links=str(links), attach_command=(
            f'echo $SIM_EVENT $SIM_MACHINE $SIM_PLACE $SIM_SIZE $SIM_FILE >> {log}'))
        self.control.write('app01', 0, 0, b'a' * 512)
        _, name = self.frozen()
        disk = self.attach(name)
        link = links / ('wwn-0x' + disk.backing.uuid.replace('-', '').lower())
        self.assertEqual(link.read_bytes(), self.read('backup'))
        self.detach(disk)
        self.assertFalse(link.is_symlink())
        self.assertEqual(log.read_text().splitlines(), [
            f'attach proxy scsi0:1 {SIZE} {name}', f'detach proxy scsi0:1 {SIZE} {name}'])

    def test_image_of_several_layers(self):
        links = pathlib.Path(self.sim.scratch) / 'links'
        links.mkdir()
        self.control.settings(attach_links=str(links))
        self.control.write('app01', 0, 0, b'a' * 512)
        self.control.machine('app01', snapshot='user')
        self.control.write('app01', 0, SIZE - 512, b'b' * 512)
        snapshot, name = self.frozen()
        self.attach(name)
        link, = links.iterdir()
        self.assertEqual(link.read_bytes(), self.read(snapshot._moId))


class NewMachineCase(Case):
    """What makes a machine."""

    def spec(self, name='new', datastore='LocalDS_0', network='VM Network', disks=(1 << 20,)):
        """A machine with a controller, disks and a card."""
        changes = [vim.vm.device.VirtualDeviceSpec(
            operation='add', device=vim.vm.device.ParaVirtualSCSIController(
                key=-1, busNumber=0, sharedBus='noSharing'))]
        for unit, size in enumerate(disks):
            backing = vim.vm.device.VirtualDisk.FlatVer2BackingInfo(
                fileName='', diskMode='persistent', thinProvisioned=True)
            changes.append(vim.vm.device.VirtualDeviceSpec(
                operation='add', fileOperation='create', device=vim.vm.device.VirtualDisk(
                    key=-10 - unit, controllerKey=-1, unitNumber=unit, backing=backing,
                    capacityInKB=size // 1024)))
        card = vim.vm.device.VirtualVmxnet3(
            key=-50, addressType='manual', macAddress='00:50:56:11:22:33',
            backing=vim.vm.device.VirtualEthernetCard.NetworkBackingInfo(deviceName=network))
        changes.append(vim.vm.device.VirtualDeviceSpec(operation='add', device=card))
        return vim.vm.ConfigSpec(name=name, guestId='debian10_64Guest', memoryMB=64, numCPUs=1,
                                 files=vim.vm.FileInfo(vmPathName=f'[{datastore}]'),
                                 deviceChange=changes)

    def create(self, **members):
        """Make it."""
        pool = self.api.view(vim.ResourcePool)[0]
        folder = self.api.content.rootFolder.childEntity[0].vmFolder
        return self.api.wait(folder.CreateVM_Task(self.spec(**members), pool, None))


class CreateTest(NewMachineCase):
    """Machines that are made, registered, and changed."""

    def test_create(self):
        vm = self.create(disks=(1 << 20, 3 << 20))
        self.assertEqual([(one.backing.fileName, one.capacityInBytes, one.key, one.unitNumber,
                           one.controllerKey)
                          for one in disks_of(vm.config)],
                         [(f'{DS} new/new.vmdk', 1 << 20, 2000, 0, 1000),
                          (f'{DS} new/new_1.vmdk', 3 << 20, 2001, 1, 1000)])
        self.assertEqual(vm.runtime.powerState, 'poweredOff')
        self.assertEqual(self.api.folder('GET', 'new/new-flat.vmdk')[2], bytes(1 << 20))
        self.assertEqual(vm.network[0].name, 'VM Network')

    def test_what_is_refused(self):
        self.create()
        with self.assertRaises(vim.fault.DuplicateName) as caught:
            self.create()
        self.assertEqual(caught.exception.name, 'new')
        with self.assertRaises(vim.fault.InvalidDatastore):
            self.create(name='b', datastore='none')
        with self.assertRaises(vim.fault.InvalidDeviceBacking) as caught:
            self.create(name='c', network='none')
        self.assertEqual(caught.exception.deviceIndex, 2)
        with self.assertRaises(vim.fault.InvalidDeviceSpec):
            self.create(name='d', disks=(0,))
        self.assertEqual([one.name for one in self.api.view(vim.VirtualMachine)].count('d'), 0)
        self.assertEqual(sorted(one['name'] for one in self.control.state()['machines']),
                         ['app01', 'new'])

    def test_directory_that_is_taken(self):
        self.assertEqual(self.create().config.files.vmPathName, f'{DS} new/new.vmx')
        self.api.wait(self.api.vm('new').Rename_Task('other'))
        self.assertEqual(self.create().config.files.vmPathName, f'{DS} new_1/new.vmx')

    def test_distributed_port(self):
        group = self.api.find(vim.dvs.DistributedVirtualPortgroup, 'DC0_DVPG0')
        spec = self.spec()
        port = vim.dvs.PortConnection(switchUuid=group.config.distributedVirtualSwitch.uuid,
                                      portgroupKey=group.key)
        spec.deviceChange[-1].device.backing = \
            vim.vm.device.VirtualEthernetCard.DistributedVirtualPortBackingInfo(port=port)
        folder = self.api.content.rootFolder.childEntity[0].vmFolder
        pool = self.api.view(vim.ResourcePool)[0]
        vm = self.api.wait(folder.CreateVM_Task(spec, pool, None))
        self.assertEqual(vm.network[0], group)
        spec.name = 'second'
        port.portgroupKey = 'dvportgroup-0'
        with self.assertRaises(vim.fault.InvalidDeviceBacking):
            self.api.wait(folder.CreateVM_Task(spec, pool, None))

    def test_card_is_edited(self):
        vm = self.create()
        card, = cards_of(vm.config)
        edited = vim.vm.device.VirtualVmxnet3(key=card.key, controllerKey=card.controllerKey,
                                              backing=card.backing,
                                              unitNumber=card.unitNumber, addressType='manual',
                                              macAddress='00:50:56:00:00:09')
        self.reconfigure(vim.vm.ConfigSpec(deviceChange=[vim.vm.device.VirtualDeviceSpec(
            operation='edit', device=edited)]), vm)
        card, = cards_of(vm.config)
        self.assertEqual(card.macAddress, '00:50:56:00:00:09')

    def test_disk_is_added(self):
        disk = vim.vm.device.VirtualDisk(
            key=-1, controllerKey=1000, unitNumber=4, capacityInKB=2048, capacityInBytes=2 << 20,
            backing=vim.vm.device.VirtualDisk.FlatVer2BackingInfo(fileName='',
                                                                  diskMode='persistent'))
        self.reconfigure(vim.vm.ConfigSpec(deviceChange=[vim.vm.device.VirtualDeviceSpec(
            operation='add', fileOperation='create', device=disk)]))
        self.assertEqual([one.backing.fileName for one in disks_of(self.vm.config)],
                         [f'{DS} app01/app01.vmdk', f'{DS} app01/app01_1.vmdk'])
        snapshot = self.snapshot()
        self.assertTrue(disks_of(snapshot.config)[1].backing.changeId)

    def test_register(self):
        vm = self.create()
        uuid, disk = vm.config.uuid, disks_of(vm.config)[0].backing.uuid
        card = [one.macAddress for one in cards_of(vm.config)]
        where = vm.config.files.vmPathName
        vm.UnregisterVM()
        folder = self.api.content.rootFolder.childEntity[0].vmFolder
        pool = self.api.view(vim.ResourcePool)[0]
        again = self.api.wait(folder.RegisterVM_Task(where, None, False, pool, None))
        self.assertEqual((again.name, again.config.uuid, again.config.hardware.memoryMB),
                         ('new', uuid, 64))
        found, = disks_of(again.config)
        self.assertEqual((found.backing.uuid, found.capacityInBytes), (disk, 1 << 20))
        self.assertEqual([one.macAddress for one in cards_of(again.config)], card)
        with self.assertRaises(vim.fault.AlreadyExists):
            self.api.wait(folder.RegisterVM_Task(where, None, False, pool, None))
        with self.assertRaises(vim.fault.NotFound):
            self.api.wait(folder.RegisterVM_Task(f'{DS} none/none.vmx', None, False, pool, None))

    def test_register_what_was_uploaded(self):
        vmx = ('displayName = "up"\nguestOS = "other"\nmemSize = "64"\nvirtualHW.version = "13"\n'
               'scsi0.present = "TRUE"\nscsi0.virtualDev = "lsilogic"\n'
               'scsi0:0.present = "TRUE"\nscsi0:0.fileName = "up.vmdk"\n')
        descriptor = ('# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\n'
                      'createType="vmfs"\nRW 2048 VMFS "up-flat.vmdk"\n'
                      'ddb.uuid = "60 00 C2 91 00 11 22 33-44 55 66 77 88 99 aa bb"\n')
        dc = self.api.content.rootFolder.childEntity[0]
        self.api.content.fileManager.MakeDirectory(f'{DS} up', dc, True)
        for name, body in (('up.vmx', vmx), ('up.vmdk', descriptor),
                           ('up-flat.vmdk', b'u' * (1 << 20))):
            self.assertEqual(self.api.folder('PUT', 'up/' + name, body=body)[0], 201)
        pool = self.api.view(vim.ResourcePool)[0]
        vm = self.api.wait(dc.vmFolder.RegisterVM_Task(f'{DS} up/up.vmx', None, False, pool, None))
        self.assertEqual(disks_of(vm.config)[0].capacityInBytes, 1 << 20)
        self.assertEqual(self.control.read('up'), b'u' * (1 << 20))

    def test_virtual_disks(self):
        manager = self.api.content.virtualDiskManager
        dc = self.api.content.rootFolder.childEntity[0]
        spec = vim.VirtualDiskManager.FileBackedVirtualDiskSpec(diskType='thin',
                                                                adapterType='lsiLogic',
                                                                capacityKb=1024)
        name = f'{DS} app01/extra.vmdk'
        self.api.wait(manager.CreateVirtualDisk_Task(name, dc, spec))
        self.assertEqual(self.api.folder('GET', 'app01/extra-flat.vmdk')[2], bytes(1 << 20))
        with self.assertRaises(vim.fault.FileAlreadyExists):
            self.api.wait(manager.CreateVirtualDisk_Task(name, dc, spec))
        self.api.wait(manager.DeleteVirtualDisk_Task(name, dc))
        self.assertEqual(self.api.folder('GET', 'app01/extra-flat.vmdk')[0], 404)


class ImportTest(NewMachineCase):
    """Machines whose disks are sent along."""

    def begin(self, **members):
        """An import, whose lease is ready."""
        pool = self.api.view(vim.ResourcePool)[0]
        folder = self.api.content.rootFolder.childEntity[0].vmFolder
        self.control.settings(lease_delay=3600)
        lease = pool.ImportVApp(vim.vm.VmImportSpec(configSpec=self.spec(**members)), folder, None)
        self.assertEqual(lease.state, 'initializing')
        self.control.settings(lease_delay=0)
        self.until(lambda: lease.state != 'initializing')
        return lease

    def send(self, url, body, **headers):
        """POST a disk."""
        self.assertIn('://*/', url)
        path = '/' + url.partition('://*/')[2]
        headers.setdefault('Content_Type', 'application/x-vnd.vmware-streamVmdk')
        return self.api.request('POST', path, body, None, **headers)

    def test_import(self):
        lease = self.begin(disks=(1 << 20, 40 << 20))
        self.assertEqual(lease.state, 'ready')
        info = lease.info
        self.assertEqual(info.leaseTimeout, 300)
        self.assertEqual([one.importKey for one in info.deviceUrl],
                         ['/new/ParaVirtualSCSIController0:0', '/new/ParaVirtualSCSIController0:1',
                          '/new/nvram'])
        first = bytes_at(bytes(1 << 20), 70000, os.urandom(1000))
        second = bytes_at(bytes(40 << 20), (34 << 20) + 5, os.urandom(200000))
        self.assertEqual(self.send(info.deviceUrl[0].url, bytes(Stream(first).out))[0], 201)
        lease.HttpNfcLeaseProgress(50)
        self.assertEqual(self.send(info.deviceUrl[1].url, bytes(Stream(second).out))[0], 201)
        manifest = lease.HttpNfcLeaseGetManifest()
        self.assertEqual([one.disk for one in manifest], [True, True])
        lease.HttpNfcLeaseComplete()
        vm = info.entity
        self.assertEqual(vm.name, 'new')
        self.assertEqual(self.control.read('new', 0), first)
        self.assertEqual(self.control.read('new', 1), second)
        told = self.control.machine('new')['disks'][1]
        self.assertLess(os.stat(told['data']).st_blocks * 512, 1 << 20)
        kept, = [one for one in self.control.state()['leases'][0]['uploads']
                 if one['key'].endswith('0:0')]
        self.assertEqual(pathlib.Path(kept['kept']).read_bytes(), bytes(Stream(first).out))
        with self.assertRaises(vim.fault.Timedout):
            lease.HttpNfcLeaseProgress(60)
        out = pathlib.Path(self.sim.scratch) / 'check.raw'
        subprocess.run(['qemu-img', 'convert', '-f', 'vmdk', '-O', 'raw', kept['kept'], out],
                       check=True)
        self.assertEqual(out.read_bytes(), first)

    def test_damaged_streams(self):
        lease = self.begin()
        url = lease.info.deviceUrl[0].url
        data = bytes_at(bytes(1 << 20), 0, os.urandom(200000))
        for damage in ('magic', 'version', 'capacity', 'order', 'deflate', 'directory', 'table',
                       'footer',
                       'end', 'tail'):
            with self.subTest(damage=damage):
                status, _, words = self.send(url, bytes(Stream(data, damage).out))
                self.assertEqual(status, 500, words)
        self.assertEqual(self.send(url, bytes(Stream(data).out)[:-700])[0], 500)
        self.assertEqual(self.send(url, bytes(Stream(data).out), Content_Type='text/plain')[0], 415)
        self.assertEqual(self.send(url.replace('disk-0', 'disk-9'), b'')[0], 404)
        self.assertEqual(self.send(url, bytes(Stream(data).out))[0], 201)

    def test_abort(self):
        lease = self.begin()
        where = pathlib.Path(self.control.machine('new')['directory'])
        lease.HttpNfcLeaseAbort(None)
        self.assertFalse(where.exists())
        self.assertEqual([one['name'] for one in self.control.state()['machines']], ['app01'])
        self.assertEqual(lease.state, 'error')

    def test_timeout(self):
        lease = self.begin()
        for _ in range(3):
            self.control.pass_time(200)
            lease.HttpNfcLeaseProgress(1)
        self.control.pass_time(400)
        self.until(lambda: lease.state == 'error')
        self.assertIsInstance(lease.error, vim.fault.Timedout)
        self.assertEqual([one['name'] for one in self.control.state()['machines']], ['app01'])

    def test_error_at_once(self):
        self.control.settings(lease_fails=True)
        self.assertEqual(self.begin().state, 'error')

    def test_refused(self):
        self.create()
        with self.assertRaises(vim.fault.DuplicateName):
            self.begin()
        with self.assertRaises(vim.fault.InvalidDeviceBacking):
            self.begin(name='b', network='none')
        with self.assertRaises(vim.fault.InvalidDatastore):
            self.begin(name='c', datastore='none')

    def test_faults_of_uploads(self):
        lease = self.begin()
        url = lease.info.deviceUrl[0].url
        body = bytes(Stream(os.urandom(1 << 20)).out)
        self.control.rule('POST /nfc', status=500)
        self.assertEqual(self.send(url, body)[0], 500)
        self.control.rule('POST /nfc', short=1000)
        with self.assertRaises(OSError):
            self.send(url, body)
        self.assertEqual(self.send(url, body)[0], 201)


if __name__ == '__main__':
    unittest.main()
