// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"fmt"
	"os"
	"path"
	"path/filepath"

	"github.com/google/uuid"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// place is where a machine is made.
type place struct {
	folder, pool types.ManagedObjectReference
	host         *types.ManagedObjectReference
}

func createMachine(w *world, c *call) (interface{}, *failure) {
	r := c.body.(*types.CreateVM_Task)
	m, failed := w.create(place{c.this, r.Pool, r.Host}, &r.Config, nil)
	if failed != nil {
		return nil, failed
	}
	return m.vm.Self, nil
}

// create makes a machine.  `keep` are files that are there already, by name: of a machine that is
// registered.
func (w *world) create(at place, spec *types.VirtualMachineConfigSpec, keep map[string][]byte) (*machine, *failure) {
	folder, ds, failed := w.checkPlace(at, spec)
	if failed != nil {
		return nil, failed
	}
	dc := datacenterOf(folder)
	assignKeys(nil, spec.DeviceChange)
	own := *spec
	var disks []diskChange
	own.DeviceChange, disks, failed = w.splitDevices(dc, nil, spec.DeviceChange)
	if failed != nil {
		return nil, failed
	}
	file, failed := w.chooseHome(ds, spec, keep != nil)
	if failed != nil {
		return nil, failed
	}
	own.Files = &types.VirtualMachineFileInfo{VmPathName: fmt.Sprintf("[%s] %s", ds.Name, file)}
	if own.GuestId == "" {
		own.GuestId = "otherGuest64"
	}
	for _, id := range []*string{&own.Uuid, &own.InstanceUuid} { // the library's are the same each time
		if *id == "" {
			*id = uuid.New().String()
		}
	}
	ref, failed := w.libraryCreate(folder, at, &own)
	if failed != nil {
		return nil, failed
	}
	m := &machine{vm: simulator.Map.Get(ref).(*simulator.VirtualMachine)}
	m.vm.Config.Files.SnapshotDirectory = fmt.Sprintf("[%s] %s/", ds.Name, path.Dir(file))
	w.machines[ref] = m
	home := filepath.Join(directoryOf(ds), path.Dir(file))
	for name, text := range keep {
		_ = os.WriteFile(filepath.Join(home, name), text, 0600)
	}
	if keep == nil {
		_ = os.WriteFile(filepath.Join(home, stemVMX(file)+".nvram"), nvram(m.vm.Config.Uuid), 0600)
	}
	for _, change := range disks {
		if failed := w.addDisk(m, change); failed != nil {
			w.discard(m, true)
			return nil, failed
		}
	}
	m.setTools(types.VirtualMachineToolsStatusToolsNotInstalled)
	m.refresh()
	if keep == nil {
		w.writeConfig(m)
	}
	return m, nil
}

func stemVMX(file string) string { return path.Base(file[:len(file)-len(path.Ext(file))]) }

// nvram is the firmware's memory: some bytes that are not the same in two machines.
func nvram(id string) []byte {
	out := make([]byte, 8684)
	copy(out, "MRVN"+id)
	return out
}

// checkPlace refuses what a server refuses before it begins.
func (w *world) checkPlace(at place, spec *types.VirtualMachineConfigSpec) (*simulator.Folder, *simulator.Datastore, *failure) {
	folder, ok := simulator.Map.Get(at.folder).(*simulator.Folder)
	if !ok {
		return nil, nil, notFound(at.folder)
	}
	if !contains(folder.ChildType, "VirtualMachine") {
		return nil, nil, fail(new(types.NotSupported), "no folder for virtual machines")
	}
	if entityAt(at.pool) == nil {
		return nil, nil, notFound(at.pool)
	}
	if at.host != nil && hostOf(at.pool, at.host) == nil {
		return nil, nil, notFound(*at.host)
	}
	if spec.Name == "" {
		return nil, nil, fail(&types.InvalidName{Name: ""}, "A specified parameter was not correct: configSpec.name")
	}
	for _, ref := range folder.ChildEntity {
		if e := entityAt(ref); e != nil && nameOf(e) == spec.Name {
			return nil, nil, fail(&types.DuplicateName{Name: spec.Name, Object: ref},
				"The name '%s' already exists.", spec.Name)
		}
	}
	if spec.Files == nil || spec.Files.VmPathName == "" {
		return nil, nil, fail(&types.InvalidVmConfig{Property: "configSpec.files.vmPathName"},
			"A specified parameter was not correct: configSpec.files.vmPathName")
	}
	store, _, ok := parsePath(spec.Files.VmPathName)
	if !ok {
		return nil, nil, fail(&types.InvalidDatastorePath{DatastorePath: spec.Files.VmPathName},
			"Invalid datastore path '%s'.", spec.Files.VmPathName)
	}
	ds := findDatastore(datacenterOf(folder), store)
	if ds == nil {
		return nil, nil, fail(&types.InvalidDatastore{Name: store}, "Invalid datastore '%s'.", store)
	}
	return folder, ds, nil
}

// chooseHome finds a directory for a new machine, and names its configuration.
func (w *world) chooseHome(ds *simulator.Datastore, spec *types.VirtualMachineConfigSpec, there bool) (string, *failure) {
	_, file, _ := parsePath(spec.Files.VmPathName)
	if path.Ext(file) == ".vmx" {
		home := filepath.Join(directoryOf(ds), path.Dir(file))
		if err := os.MkdirAll(home, 0700); err != nil {
			return "", fail(&types.CannotCreateFile{FileFault: types.FileFault{File: spec.Files.VmPathName}}, "%s", err)
		}
		if _, err := os.Stat(filepath.Join(directoryOf(ds), file)); err == nil && !there {
			return "", fail(&types.FileAlreadyExists{FileFault: types.FileFault{File: spec.Files.VmPathName}},
				"Cannot complete the operation because the file or folder %s already exists", file)
		}
		return file, nil
	}
	if file == "" {
		file = spec.Name
	}
	name := file
	for i := 1; ; i++ {
		err := os.Mkdir(filepath.Join(directoryOf(ds), name), 0700)
		if err == nil {
			return path.Join(name, spec.Name+".vmx"), nil
		}
		if !os.IsExist(err) || i > 1000 {
			return "", fail(&types.CannotCreateFile{FileFault: types.FileFault{File: name}}, "%s", err)
		}
		name = fmt.Sprintf("%s_%d", file, i)
	}
}

// libraryCreate has the library make the object, without disks.
func (w *world) libraryCreate(folder *simulator.Folder, at place,
	spec *types.VirtualMachineConfigSpec) (types.ManagedObjectReference, *failure) {
	var none types.ManagedObjectReference
	host := hostOf(at.pool, at.host)
	if host == nil {
		return none, fail(&types.InvalidArgument{InvalidProperty: "pool"}, "the pool has no host")
	}
	result, failed := libraryTask(w, &call{
		name: "CreateVM_Task", this: folder.Self,
		body: &types.CreateVM_Task{This: folder.Self, Config: *spec, Pool: at.pool, Host: &host.Self},
	})
	if failed != nil {
		return none, failed
	}
	return result.(types.ManagedObjectReference), nil
}

// discard takes a machine out of the inventory, and with `files` off the datastores.
func (w *world) discard(m *machine, files bool) *failure {
	for _, s := range append([]*snapshot(nil), m.snapshots...) {
		simulator.Map.Remove(s.object.Self)
	}
	for _, d := range m.disks {
		if d.foreign {
			w.detached(m, d)
		}
	}
	_, failed := w.library(&call{
		name: "UnregisterVM", this: m.vm.Self, body: &types.UnregisterVM{This: m.vm.Self},
	})
	if failed != nil {
		return failed
	}
	delete(w.machines, m.vm.Self)
	if !files {
		return nil
	}
	for _, l := range m.used() {
		w.removeFiles(l)
	}
	if ds, directory := homeOf(m); ds != nil {
		left := filepath.Join(directoryOf(ds), directory)
		for name, l := range w.files {
			if filepath.Dir(name) == left {
				w.removeFiles(l)
			}
		}
		_ = os.RemoveAll(left)
	}
	return nil
}

// homeOf is as m.home(), for a machine that is no longer in the inventory.
func homeOf(m *machine) (*simulator.Datastore, string) {
	store, file, _ := parsePath(m.vm.Config.Files.VmPathName)
	for _, e := range simulator.Map.All("Datastore") {
		if ds := e.(*simulator.Datastore); ds.Name == store && simulator.FindReference(m.vm.Datastore, ds.Self) != nil {
			return ds, path.Dir(file)
		}
	}
	return nil, ""
}

func poweredOn(m *machine) *failure {
	return fail(&types.InvalidPowerState{
		RequestedState: types.VirtualMachinePowerStatePoweredOff, ExistingState: m.vm.Runtime.PowerState,
	}, "The attempted operation cannot be performed in the current state (Powered on).")
}

func destroy(w *world, c *call) (interface{}, *failure) {
	m := w.machines[c.this]
	if m == nil {
		return libraryTask(w, c)
	}
	if m.running() {
		return nil, poweredOn(m)
	}
	for _, l := range m.used() {
		if w.busy(l, m) {
			return nil, locked(l)
		}
	}
	return nil, w.discard(m, true)
}

func unregister(w *world, c *call) (interface{}, *failure) {
	m, failed := w.machineOf(c)
	if failed != nil {
		return nil, failed
	}
	if m.running() {
		return nil, poweredOn(m)
	}
	w.writeConfig(m)
	return new(types.UnregisterVMResponse), w.discard(m, false)
}

func rename(w *world, c *call) (interface{}, *failure) {
	r := c.body.(*types.Rename_Task)
	if m := w.machines[c.this]; m != nil {
		folder := simulator.Map.Get(*m.vm.Parent).(mo.Entity)
		for _, other := range w.machines {
			if other != m && *other.vm.Parent == folder.Reference() && other.name() == r.NewName {
				return nil, fail(&types.DuplicateName{Name: r.NewName, Object: other.vm.Self},
					"The name '%s' already exists.", r.NewName)
			}
		}
		m.rename(r.NewName)
		return nil, nil
	}
	return libraryTask(w, c)
}

func (m *machine) rename(name string) {
	m.vm.Name, m.vm.Config.Name, m.vm.Summary.Config.Name = name, name, name
}

func markAsTemplate(w *world, c *call) (interface{}, *failure) {
	m, failed := w.machineOf(c)
	if failed != nil {
		return nil, failed
	}
	if m.running() {
		return nil, poweredOn(m)
	}
	return w.library(c)
}
