// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"sort"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// machine is what we know of a virtual machine beyond the library's object.
type machine struct {
	vm           *simulator.VirtualMachine
	disks        []*disk
	snapshots    []*snapshot // all, in the order in which they were made
	current      *snapshot
	tracking     bool // changed blocks are tracked; the configuration only says that they shall be
	orphans      bool // it runs on deltas that no snapshot needs, and knows it
	quiesceFails bool
	guestFrozen  bool // a quiesced snapshot has failed, and nobody thawed the guest
	generation   int32
}

func (m *machine) name() string { return m.vm.Name }

func (m *machine) running() bool {
	return m.vm.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOn
}

func (m *machine) datacenter() *simulator.Datacenter { return datacenterOf(m.vm) }

// home are the datastore and the directory of its configuration.
func (m *machine) home() (*simulator.Datastore, string) {
	store, file, _ := parsePath(m.vm.Config.Files.VmPathName)
	return findDatastore(m.datacenter(), store), path.Dir(file)
}

func (w *world) machineOf(c *call) (*machine, *failure) {
	if m := w.machines[c.this]; m != nil {
		return m, nil
	}
	return nil, notFound(c.this)
}

func (m *machine) diskOf(key int32) *disk {
	for _, d := range m.disks {
		if d.key() == key {
			return d
		}
	}
	return nil
}

// ordered are all machines, by name.
func (w *world) ordered() []*machine {
	var all []*machine
	for _, m := range w.machines {
		all = append(all, m)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].name() < all[j].name() })
	return all
}

// findMachine finds one by its name or reference.
func (w *world) findMachine(name string) (*machine, error) {
	for ref, m := range w.machines {
		if m.name() == name || ref.Value == name || ref.String() == name {
			return m, nil
		}
	}
	return nil, fmt.Errorf("no machine %q", name)
}

// refresh makes the library's object of every machine tell what is so.
func (w *world) refresh() {
	w.showLicence()
	for ref, m := range w.machines {
		if simulator.Map.Get(ref) == nil { // went with a folder
			delete(w.machines, ref)
			continue
		}
		m.refresh()
	}
}

func (m *machine) refresh() {
	devices := m.otherDevices()
	var refs []types.ManagedObjectReference
	for _, d := range m.disks {
		d.refresh()
		devices = append(devices, d.device)
		refs = addRef(refs, d.top.datastore.Self)
	}
	if home, _ := m.home(); home != nil {
		refs = addRef(refs, home.Self)
	}
	linkControllers(devices)
	m.vm.Config.Hardware.Device = devices
	m.vm.Datastore = refs
	m.vm.Config.DatastoreUrl = nil
	m.vm.Summary.Config.NumVirtualDisks = int32(len(m.disks))
	m.vm.Capability.ChangeTrackingSupported = types.NewBool(m.vm.Config.Version >= "vmx-07")
	m.vm.Capability.SnapshotOperationsSupported = true
	m.vm.Capability.DiskSharesSupported = true
	m.vm.Runtime.ConsolidationNeeded = types.NewBool(m.orphans)
	m.vm.Summary.Runtime = m.vm.Runtime
	m.refreshSnapshots()
	m.refreshLayout()
}

// otherDevices are all but the disks; the library gets to see no others when it changes something.
func (m *machine) otherDevices() []types.BaseVirtualDevice {
	devices := m.vm.Config.Hardware.Device[:0:0]
	for _, device := range m.vm.Config.Hardware.Device {
		if _, is := device.(*types.VirtualDisk); !is {
			devices = append(devices, device)
		}
	}
	return devices
}

func addRef(refs []types.ManagedObjectReference, ref types.ManagedObjectReference) []types.ManagedObjectReference {
	if simulator.FindReference(refs, ref) == nil {
		refs = append(refs, ref)
	}
	return refs
}

// linkControllers gives controllers the list of what is on them.
func linkControllers(devices []types.BaseVirtualDevice) {
	on := map[int32][]int32{}
	for _, device := range devices {
		d := device.GetVirtualDevice()
		if d.ControllerKey != 0 {
			on[d.ControllerKey] = append(on[d.ControllerKey], d.Key)
		}
	}
	for _, device := range devices {
		if controller, ok := device.(types.BaseVirtualController); ok {
			controller.GetVirtualController().Device = on[device.GetVirtualDevice().Key]
		}
	}
}

// refreshLayout lists the machine's files with their sizes.
func (m *machine) refreshLayout() {
	layout := &types.VirtualMachineFileLayoutEx{Timestamp: time.Now().Truncate(time.Hour)}
	add := func(name, kind, data string) int32 {
		info, err := os.Stat(data)
		if err != nil {
			return -1
		}
		key := int32(len(layout.File))
		layout.File = append(layout.File, types.VirtualMachineFileLayoutExFileInfo{
			Key: key, Name: name, Type: kind, Size: info.Size(), UniqueSize: info.Size(),
			Accessible: types.NewBool(true),
		})
		return key
	}
	ds, directory := m.home()
	if ds == nil {
		return
	}
	entries, _ := os.ReadDir(filepath.Join(directoryOf(ds), directory))
	for _, entry := range entries {
		if kind := layoutKinds[filepath.Ext(entry.Name())]; kind != "" {
			file := path.Join(directory, entry.Name())
			add(fmt.Sprintf("[%s] %s", ds.Name, file), kind, filepath.Join(directoryOf(ds), file))
		}
	}
	for _, d := range m.disks {
		chain := types.VirtualMachineFileLayoutExDiskLayout{Key: d.key()}
		layers := d.top.chain()
		for i := len(layers) - 1; i >= 0; i-- {
			l := layers[i]
			var unit types.VirtualMachineFileLayoutExDiskUnit
			data := fmt.Sprintf("[%s] %s", l.datastore.Name, path.Join(path.Dir(l.file), filepath.Base(l.data)))
			unit.FileKey = append(unit.FileKey, add(l.name(), "diskDescriptor", l.descriptor()),
				add(data, "diskExtent", l.data))
			chain.Chain = append(chain.Chain, unit)
		}
		layout.Disk = append(layout.Disk, chain)
	}
	m.vm.LayoutEx = layout
	m.vm.Layout = new(types.VirtualMachineFileLayout)
}

var layoutKinds = map[string]string{
	".vmx": "config", ".nvram": "nvram", ".vmsd": "snapshotList", ".vmsn": "snapshotData",
	".log": "log", ".vmxf": "extendedConfig",
}

// stun is when what was configured comes into force: the tracking of changed blocks.
func (m *machine) stun() (began bool) {
	wanted := m.vm.Config.ChangeTrackingEnabled != nil && *m.vm.Config.ChangeTrackingEnabled
	if wanted == m.tracking {
		if wanted {
			m.trackNew()
		}
		return false
	}
	m.tracking = wanted
	for _, d := range m.disks {
		d.tracker = nil
	}
	if wanted {
		m.trackNew()
	}
	return wanted
}

// trackNew begins with disks that are not tracked yet.
func (m *machine) trackNew() {
	for _, d := range m.disks {
		if d.tracker == nil && d.freezes() {
			d.tracker = newTracker(len(m.snapshots) == 0)
		}
	}
}

// resetTracking is what a crash of the host does.
func (m *machine) resetTracking() {
	for _, d := range m.disks {
		if d.tracker != nil {
			d.tracker = newTracker(true)
		}
	}
}

// setPower says so wherever the API shows it.
func (m *machine) setPower(state types.VirtualMachinePowerState) {
	m.vm.Runtime.PowerState = state
	m.vm.Summary.Runtime.PowerState = state
	m.vm.Runtime.BootTime = nil
	if state == types.VirtualMachinePowerStatePoweredOn {
		now := time.Now()
		m.vm.Runtime.BootTime = &now
	}
	m.setTools(m.vm.Guest.ToolsStatus)
}

// setTools says what the guest's tools are: toolsOk, toolsOld, toolsNotRunning, toolsNotInstalled.
func (m *machine) setTools(status types.VirtualMachineToolsStatus) {
	running := m.running() && (status == types.VirtualMachineToolsStatusToolsOk || status == types.VirtualMachineToolsStatusToolsOld)
	m.vm.Guest.ToolsStatus = status
	m.vm.Guest.ToolsRunningStatus = string(types.VirtualMachineToolsRunningStatusGuestToolsNotRunning)
	m.vm.Guest.GuestState = "notRunning"
	if running {
		m.vm.Guest.ToolsRunningStatus = string(types.VirtualMachineToolsRunningStatusGuestToolsRunning)
		m.vm.Guest.GuestState = "running"
	}
	m.vm.Guest.ToolsVersionStatus2 = string(types.VirtualMachineToolsVersionStatusGuestToolsCurrent)
	if status == types.VirtualMachineToolsStatusToolsNotInstalled {
		m.vm.Guest.ToolsVersionStatus2 = string(types.VirtualMachineToolsVersionStatusGuestToolsNotInstalled)
	}
	m.vm.Summary.Guest.ToolsStatus = status
	m.vm.Summary.Guest.ToolsRunningStatus = m.vm.Guest.ToolsRunningStatus
}

func (m *machine) toolsRun() bool {
	return m.vm.Guest.ToolsRunningStatus == string(types.VirtualMachineToolsRunningStatusGuestToolsRunning)
}

func entityAt(ref types.ManagedObjectReference) mo.Entity {
	e, _ := simulator.Map.Get(ref).(mo.Entity)
	return e
}
