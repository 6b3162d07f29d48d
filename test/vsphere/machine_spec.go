// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"fmt"
	"os"
	"path"
	"path/filepath"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

const defaultDiskSize = 16 << 20

// machineSpec is a machine that a test wants to have been there all along.
type machineSpec struct {
	Name       string     `json:"name"`
	Disks      []diskSpec `json:"disks"` // none: one of 16 MiB
	Diskless   bool       `json:"diskless"`
	Folder     string     `json:"folder"` // "prod/web", below the datacenter's; made when missing
	Pool       string     `json:"pool"`   // name; "": the first
	Datacenter string     `json:"datacenter"`
	Datastore  string     `json:"datastore"`
	Controller string     `json:"controller"` // of disks that say nothing: pvscsi, lsilogic...
	Power      string     `json:"power"`      // poweredOn (when nothing is said), poweredOff, suspended
	Tools      string     `json:"tools"`      // toolsOk (when nothing is said), toolsNotInstalled...
	Template   bool       `json:"template"`
	CBT        bool       `json:"cbt"`
	Version    string     `json:"version"` // "vmx-13"
	Firmware   string     `json:"firmware"`
	GuestID    string     `json:"guest_id"`
	Annotation string     `json:"annotation"`
	Memory     int64      `json:"memory_mb"`
	CPUs       int32      `json:"cpus"`
	Network    string     `json:"network"` // of a standard port group; "": the first distributed, else "VM Network"
	Card       string     `json:"card"`    // vmxnet3, e1000...
	MAC        string     `json:"mac"`     // "": the server's choice
	UUID       string     `json:"uuid"`    // of the firmware
	Snapshots  []string   `json:"snapshots"`

	pool *types.ManagedObjectReference
}

type diskSpec struct {
	Size       int64  `json:"size"`
	Controller string `json:"controller"` // pvscsi, lsilogic, lsisas1068, sata, nvme, ide
	Bus        int32  `json:"bus"`
	Unit       *int32 `json:"unit"`
	Mode       string `json:"mode"` // persistent, independent_persistent, independent_nonpersistent
	Thick      bool   `json:"thick"`
	RDM        string `json:"rdm"`     // physicalMode, virtualMode
	Sharing    string `json:"sharing"` // sharingMultiWriter
	Datastore  string `json:"datastore"`
	File       string `json:"file"` // of another machine, to share it: "[ds] dir/x.vmdk"
}

func (w *world) addMachine(s *machineSpec) (*machine, error) {
	dc, err := w.findDatacenter(s.Datacenter)
	if err != nil {
		return nil, err
	}
	at := place{folder: dc.VmFolder}
	if s.Folder != "" {
		at.folder = makeFolders(dc, s.Folder)
	}
	if at.pool, err = findPool(dc, s); err != nil {
		return nil, err
	}
	store := s.Datastore
	if store == "" {
		store = "LocalDS_0"
	}
	spec := &types.VirtualMachineConfigSpec{
		Name: s.Name, GuestId: s.GuestID, Firmware: s.Firmware, Annotation: s.Annotation,
		MemoryMB: s.Memory, NumCPUs: s.CPUs, Version: s.Version, Uuid: s.UUID,
		Files: &types.VirtualMachineFileInfo{VmPathName: "[" + store + "]"},
	}
	if s.CBT {
		spec.ChangeTrackingEnabled = types.NewBool(true)
	}
	s.addDevices(w, dc, spec)
	m, failed := w.create(at, spec, nil)
	if failed != nil {
		return nil, fmt.Errorf("%s: %s", s.Name, failed.message)
	}
	for i := range s.Disks {
		if err := s.finishDisk(w, m, i); err != nil {
			return nil, err
		}
	}
	return m, s.finish(w, m)
}

// finish brings the machine into the state that is wanted.
func (s *machineSpec) finish(w *world, m *machine) error {
	power, tools := s.Power, s.Tools
	if power == "" && !s.Template {
		power = string(types.VirtualMachinePowerStatePoweredOn)
	}
	if tools == "" {
		tools = string(types.VirtualMachineToolsStatusToolsOk)
	}
	m.vm.Guest.ToolsStatus = types.VirtualMachineToolsStatus(tools)
	if power != "" {
		m.setPower(types.VirtualMachinePowerState(power))
	}
	m.setTools(types.VirtualMachineToolsStatus(tools))
	if m.running() || s.CBT {
		m.stun()
	}
	for _, name := range s.Snapshots {
		if _, failed := w.takeSnapshot(m, name, "", false); failed != nil {
			return fmt.Errorf("%s: %s", s.Name, failed.message)
		}
	}
	if s.Template {
		m.vm.Config.Template, m.vm.Summary.Config.Template = true, true
		m.vm.ResourcePool = nil
	}
	w.writeConfig(m)
	return nil
}

func (s *machineSpec) addDevices(w *world, dc *simulator.Datacenter, spec *types.VirtualMachineConfigSpec) {
	if len(s.Disks) == 0 && !s.Diskless {
		s.Disks = []diskSpec{{}}
	}
	add := func(device types.BaseVirtualDevice, operation types.VirtualDeviceConfigSpecFileOperation) {
		spec.DeviceChange = append(spec.DeviceChange, &types.VirtualDeviceConfigSpec{
			Operation: types.VirtualDeviceConfigSpecOperationAdd, FileOperation: operation, Device: device,
		})
	}
	made := map[string]int32{}
	units := map[int32]int32{}
	for i := range s.Disks {
		d := &s.Disks[i]
		if d.Controller == "" {
			d.Controller = s.Controller
		}
		if d.Controller == "" {
			d.Controller = "pvscsi"
		}
		name := fmt.Sprint(d.Controller, d.Bus)
		if _, ok := made[name]; !ok {
			controller := newController(d.Controller, d.Bus)
			made[name] = controller.GetVirtualDevice().Key
			add(controller, "")
		}
		key := made[name]
		unit := units[key]
		if d.Unit != nil {
			unit = *d.Unit
		} else if unit == 7 {
			unit = 8
		}
		units[key] = unit + 1
		device, operation := d.device(key, unit)
		add(device, operation)
	}
	add(s.card(w, dc), "")
}

func (d *diskSpec) device(controller, unit int32) (*types.VirtualDisk, types.VirtualDeviceConfigSpecFileOperation) {
	backing := &types.VirtualDiskFlatVer2BackingInfo{
		DiskMode: d.Mode, ThinProvisioned: types.NewBool(!d.Thick), Sharing: d.Sharing,
	}
	backing.FileName = d.File
	device := new(types.VirtualDisk)
	device.Backing = backing
	device.ControllerKey = controller
	device.UnitNumber = &unit
	if d.File != "" {
		return device, ""
	}
	if d.Size == 0 {
		d.Size = defaultDiskSize
	}
	device.CapacityInBytes = d.Size
	device.CapacityInKB = d.Size / 1024
	return device, types.VirtualDeviceConfigSpecFileOperationCreate
}

func (s *machineSpec) card(w *world, dc *simulator.Datacenter) types.BaseVirtualDevice {
	kind := s.Card
	if kind == "" {
		kind = "vmxnet3"
	}
	device := newCard(kind)
	card := device.(types.BaseVirtualEthernetCard).GetVirtualEthernetCard()
	card.Key = -100
	if s.MAC != "" {
		card.MacAddress, card.AddressType = s.MAC, "manual"
	}
	if groups := sortedEntities("DistributedVirtualPortgroup"); s.Network == "" {
		for _, e := range groups {
			pg := e.(*simulator.DistributedVirtualPortgroup)
			if datacenterOf(pg) == dc && nameOf(pg) == dc.Name+"_DVPG0" {
				b := new(types.VirtualEthernetCardDistributedVirtualPortBackingInfo)
				b.Port.PortgroupKey = pg.Self.Value
				b.Port.SwitchUuid = simulator.Map.Get(*pg.Config.DistributedVirtualSwitch).(*simulator.DistributedVirtualSwitch).Uuid
				card.Backing = b
				return device
			}
		}
	}
	b := new(types.VirtualEthernetCardNetworkBackingInfo)
	if b.DeviceName = s.Network; b.DeviceName == "" {
		b.DeviceName = "VM Network"
	}
	card.Backing = b
	return device
}

// finishDisk makes a raw device mapping of a disk that shall be one.
func (s *machineSpec) finishDisk(w *world, m *machine, number int) error {
	d, spec := m.disks[number], s.Disks[number]
	if spec.RDM == "" {
		return nil
	}
	suffix := map[string]string{"physicalMode": "-rdmp.vmdk", "virtualMode": "-rdm.vmdk"}[spec.RDM]
	if suffix == "" {
		return fmt.Errorf("rdm %q: physicalMode or virtualMode", spec.RDM)
	}
	d.top.mapping = spec.RDM
	mapped := filepath.Join(directoryOf(d.top.datastore), stem(d.top.file)+suffix)
	if err := os.Rename(d.top.data, mapped); err != nil {
		return err
	}
	d.top.data = mapped
	b := &types.VirtualDiskRawDiskMappingVer1BackingInfo{
		LunUuid: "0200" + newDiskUUID(), DeviceName: "vml.0200", CompatibilityMode: spec.RDM,
		DiskMode: "persistent",
	}
	if spec.Mode != "" {
		b.DiskMode = spec.Mode
	} else if spec.RDM == "physicalMode" {
		b.DiskMode = string(types.VirtualDiskModeIndependent_persistent)
	}
	d.device.Backing = b
	return d.top.writeDescriptor()
}

func (w *world) findDatacenter(name string) (*simulator.Datacenter, error) {
	for _, dc := range w.datacenters() {
		if name == "" || dc.Name == name {
			return dc, nil
		}
	}
	return nil, fmt.Errorf("no datacenter %q", name)
}

// makeFolders makes the folders of a path that are not there.
func makeFolders(dc *simulator.Datacenter, where string) types.ManagedObjectReference {
	at := simulator.Map.Get(dc.VmFolder).(*simulator.Folder)
	for _, name := range splitPath(where) {
		found, _ := simulator.Map.FindByName(name, at.ChildEntity).(*simulator.Folder)
		if found == nil {
			found = new(simulator.Folder)
			found.Name, found.ChildType = name, at.ChildType
			found.Self = types.ManagedObjectReference{Type: "Folder", Value: ""}
			simulator.Map.PutEntity(at, simulator.Map.NewEntity(found))
			at.ChildEntity = append(at.ChildEntity, found.Self)
		}
		at = found
	}
	return at.Self
}

func splitPath(where string) []string {
	var parts []string
	for where = path.Clean(where); where != "." && where != "/"; where = path.Dir(where) {
		parts = append([]string{path.Base(where)}, parts...)
	}
	return parts
}

// findPool finds a pool by its name, or takes the first of the datacenter.
func findPool(dc *simulator.Datacenter, s *machineSpec) (types.ManagedObjectReference, error) {
	if s.pool != nil {
		return *s.pool, nil
	}
	if s.Pool == "" {
		for _, pool := range firstPools() {
			if datacenterOf(entityAt(pool)) == dc {
				return pool, nil
			}
		}
	}
	for _, e := range sortedEntities("ResourcePool") {
		if nameOf(e) == s.Pool || e.Reference().Value == s.Pool {
			return e.Reference(), nil
		}
		if owner, ok := simulator.Map.Get(*e.Entity().Parent).(mo.Entity); ok && nameOf(owner) == s.Pool {
			return e.Reference(), nil
		}
	}
	return types.ManagedObjectReference{}, fmt.Errorf("no pool %q", s.Pool)
}
