// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"fmt"
	"os"
	"path"

	"github.com/vmware/govmomi/vim25/types"
)

func reconfigure(w *world, c *call) (interface{}, *failure) {
	m, failed := w.machineOf(c)
	if failed != nil {
		return nil, failed
	}
	request := *c.body.(*types.ReconfigVM_Task)
	spec := &request.Spec
	if on := spec.ChangeTrackingEnabled; on != nil && *on && m.vm.Config.Version < "vmx-07" {
		return nil, fail(new(types.NotSupported), "The operation is not supported on the object.")
	}
	assignKeys(m.vm.Config.Hardware.Device, spec.DeviceChange)
	others, disks, failed := w.splitDevices(m.datacenter(), m.vm.Config.Hardware.Device, spec.DeviceChange)
	if failed != nil {
		return nil, failed
	}
	if !m.vm.Config.Template || len(disks) == 0 {
		spec.DeviceChange = others
		own := *c
		own.body = &request
		m.vm.Config.Hardware.Device = m.otherDevices()
		_, failed = libraryTask(w, &own)
		m.refresh()
		if failed != nil {
			return nil, failed
		}
	}
	for _, change := range disks {
		if failed = w.changeDisk(m, change); failed != nil {
			m.refresh()
			return nil, failed
		}
	}
	w.writeConfig(m)
	return nil, nil
}

func (w *world) changeDisk(m *machine, change diskChange) *failure {
	switch change.spec.Operation {
	case types.VirtualDeviceConfigSpecOperationAdd:
		return w.addDisk(m, change)
	case types.VirtualDeviceConfigSpecOperationRemove:
		return w.removeDisk(m, change)
	case types.VirtualDeviceConfigSpecOperationEdit:
		return w.editDisk(m, change)
	}
	return invalidDevice(change.index, "operation")
}

func sizeOf(d *types.VirtualDisk) int64 {
	if d.CapacityInBytes > 0 {
		return d.CapacityInBytes
	}
	return d.CapacityInKB * 1024
}

// addDisk makes a new disk, or attaches a file that is there: one of another machine, too.
func (w *world) addDisk(m *machine, change diskChange) *failure {
	if failed := m.checkUnit(change); failed != nil {
		return failed
	}
	b, ok := change.disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo)
	if !ok {
		return invalidBacking(change.index)
	}
	if b.DiskMode == "" {
		b.DiskMode = string(types.VirtualDiskModePersistent)
	}
	d := &disk{device: change.disk}
	var failed *failure
	if change.spec.FileOperation == types.VirtualDeviceConfigSpecFileOperationCreate {
		d.top, failed = w.makeDisk(m, change, b)
	} else {
		d.top, failed = w.takeDisk(m, d, b)
	}
	if failed != nil {
		return failed
	}
	m.disks = append(m.disks, d)
	if d.foreign && m.running() {
		w.attached(m, d)
	}
	m.refresh()
	return nil
}

func (w *world) makeDisk(m *machine, change diskChange, b *types.VirtualDiskFlatVer2BackingInfo) (*layer, *failure) {
	size := sizeOf(change.disk)
	if size <= 0 || size%sectorSize != 0 {
		return nil, invalidDevice(change.index, "device.capacityInKB")
	}
	ds, directory := m.home()
	file := ""
	if b.FileName != "" {
		store, given, ok := parsePath(b.FileName)
		if !ok {
			return nil, fail(&types.InvalidDatastorePath{DatastorePath: b.FileName}, "Invalid datastore path '%s'.", b.FileName)
		}
		if ds = findDatastore(m.datacenter(), store); ds == nil {
			return nil, fail(&types.InvalidDatastore{Name: store}, "Invalid datastore '%s'.", store)
		}
		file = given
	} else if b.Datastore != nil {
		for _, ref := range m.datacenter().Datastore {
			if ref == *b.Datastore {
				store := nameOf(entityAt(ref))
				ds = findDatastore(m.datacenter(), store)
			}
		}
	}
	if file == "" {
		file = path.Join(directory, m.name()+".vmdk")
		for i := 1; w.files[(&layer{datastore: ds, file: file}).descriptor()] != nil; i++ {
			file = path.Join(directory, fmt.Sprintf("%s_%d.vmdk", m.name(), i))
		}
		_ = os.MkdirAll(path.Join(directoryOf(ds), directory), 0700)
	}
	thin := b.ThinProvisioned != nil && *b.ThinProvisioned
	return w.newFlat(ds, file, size, thin, b.Uuid)
}

// takeDisk finds the file and asks for its lock.
func (w *world) takeDisk(m *machine, d *disk, b *types.VirtualDiskFlatVer2BackingInfo) (*layer, *failure) {
	l := w.findLayer(m, b.FileName)
	if l == nil {
		return nil, fail(&types.FileNotFound{FileFault: types.FileFault{File: b.FileName}},
			"File %s was not found", b.FileName)
	}
	for _, other := range w.machines {
		d.foreign = d.foreign || other != m && other.needs(l)
	}
	if m.running() {
		writers, readers := w.open(l)
		nonpersistent := b.DiskMode == string(types.VirtualDiskModeIndependent_nonpersistent)
		if len(writers) > 0 || len(readers) > 0 && !nonpersistent && b.Sharing == "" {
			return nil, locked(l)
		}
	}
	return l, nil
}

func (w *world) removeDisk(m *machine, change diskChange) *failure {
	d := m.diskOf(change.disk.Key)
	if d == nil {
		return invalidDevice(change.index, "device.key")
	}
	destroys := change.spec.FileOperation == types.VirtualDeviceConfigSpecFileOperationDestroy
	if destroys && w.busy(d.top, m) {
		return locked(d.top)
	}
	for i, other := range m.disks {
		if other == d {
			m.disks = append(m.disks[:i:i], m.disks[i+1:]...)
			break
		}
	}
	if d.foreign {
		w.detached(m, d)
	}
	if destroys {
		for _, l := range d.top.chain() {
			w.removeFiles(l)
		}
	}
	m.refresh()
	return nil
}

func (w *world) editDisk(m *machine, change diskChange) *failure {
	d := m.diskOf(change.disk.Key)
	if d == nil {
		return invalidDevice(change.index, "device.key")
	}
	if size := sizeOf(change.disk); size != 0 && size != d.top.size {
		if failed := w.grow(m, d, size, change.index); failed != nil {
			return failed
		}
	}
	if b, ok := change.disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo); ok && b.DiskMode != "" {
		if own, ok := d.device.Backing.(*types.VirtualDiskFlatVer2BackingInfo); ok {
			own.DiskMode = b.DiskMode
		}
	}
	return nil
}

func (w *world) grow(m *machine, d *disk, size int64, index int) *failure {
	if size < d.top.size || size%sectorSize != 0 || d.top.delta != nil {
		return invalidDevice(index, "device.capacityInKB")
	}
	if err := os.Truncate(d.top.data, size); err != nil {
		return fail(&types.FileFault{File: d.top.name()}, "%s", err)
	}
	d.top.size = size
	if err := d.top.writeDescriptor(); err != nil {
		return fail(&types.FileFault{File: d.top.name()}, "%s", err)
	}
	return nil
}
