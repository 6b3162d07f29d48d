// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
	"github.com/vmware/govmomi/vim25/xml"
)

// snapshot is one of a machine's; the layers in `frozen` do not change while it is there.
type snapshot struct {
	object *simulator.VirtualMachineSnapshot
	parent *snapshot
	tree   types.VirtualMachineSnapshotTree // without its children
	frozen map[int32]*frozen                // by the key of the disk
	vmsn   string
}

type frozen struct {
	layer   *layer
	tracker *tracker // at that time; nil: not tracked
	number  int      // of the change id; 0: none
}

// Of newer versions than the library knows.
type createSnapshotExRequest struct {
	This        types.ManagedObjectReference `xml:"_this"`
	Name        string                       `xml:"name"`
	Description string                       `xml:"description,omitempty"`
	Memory      bool                         `xml:"memory"`
	QuiesceSpec *guestQuiesceSpec            `xml:"quiesceSpec,omitempty,typeattr"`
}

type guestQuiesceSpec struct {
	types.DynamicData
	Timeout int32 `xml:"timeout,omitempty"`
}

type windowsQuiesceSpec struct {
	guestQuiesceSpec
	VssBackupType          int32  `xml:"vssBackupType,omitempty"`
	VssBootableSystemState *bool  `xml:"vssBootableSystemState"`
	VssPartialFileSupport  *bool  `xml:"vssPartialFileSupport"`
	VssBackupContext       string `xml:"vssBackupContext,omitempty"`
}

func createSnapshot(w *world, c *call) (interface{}, *failure) {
	r := c.body.(*types.CreateSnapshot_Task)
	return w.freeze(c, r.Name, r.Description, r.Memory, r.Quiesce)
}

func createSnapshotEx(w *world, c *call) (interface{}, *failure) {
	r := c.body.(*createSnapshotExRequest)
	if s := r.QuiesceSpec; s != nil && s.Timeout != 0 && (s.Timeout < 5 || s.Timeout > 240) {
		return nil, fail(&types.InvalidArgument{InvalidProperty: "quiesceSpec.timeout"},
			"A specified parameter was not correct: quiesceSpec.timeout")
	}
	return w.freeze(c, r.Name, r.Description, r.Memory, r.QuiesceSpec != nil)
}

func (w *world) freeze(c *call, name, description string, memory, quiesce bool) (interface{}, *failure) {
	m, failed := w.machineOf(c)
	if failed != nil {
		return nil, failed
	}
	if m.vm.Config.Template {
		return nil, fail(new(types.NotSupported), "The operation is not supported on the object.")
	}
	quiesced := quiesce && m.running() && m.toolsRun()
	if quiesced && (w.settings.QuiesceFails || m.quiesceFails) {
		m.guestFrozen = true
		return nil, fail(new(types.ApplicationQuiesceFault), "An error occurred while quiescing "+
			"the virtual machine. See the virtual machine's event log for details.")
	}
	if memory && m.running() {
		for _, d := range m.disks {
			if d.independent() && !d.foreign {
				return nil, fail(new(types.SnapshotFault), "Cannot take a memory snapshot, since the "+
					"virtual machine is configured with independent disks.")
			}
		}
	}
	s, failed := w.takeSnapshot(m, name, description, quiesced)
	if failed != nil {
		return nil, failed
	}
	return s.object.Self, nil
}

// takeSnapshot does it: every disk gets a delta, which is what is written from now on.
func (w *world) takeSnapshot(m *machine, name, description string, quiesced bool) (*snapshot, *failure) {
	var deltas []*layer
	for _, d := range m.disks {
		if !d.freezes() {
			continue
		}
		delta, failed := w.newDelta(d.top)
		if failed != nil {
			for _, made := range deltas {
				w.removeFiles(made)
			}
			return nil, failed
		}
		deltas = append(deltas, delta)
	}
	began := m.stun()
	s := &snapshot{parent: m.current, frozen: map[int32]*frozen{}}
	for _, d := range m.disks {
		if !d.freezes() {
			continue
		}
		f := &frozen{layer: d.top, tracker: d.tracker}
		if d.tracker != nil && !(began && w.settings.LateChangeID) {
			f.number = d.tracker.next()
		}
		s.frozen[d.key()] = f
	}
	s.object = new(simulator.VirtualMachineSnapshot)
	s.object.Vm = m.vm.Self
	m.refresh()
	copyValue(m.vm.Config, &s.object.Config)
	simulator.Map.Put(s.object)
	for _, d := range m.disks {
		if d.freezes() {
			d.top, deltas = deltas[0], deltas[1:]
		}
	}
	m.generation++
	s.tree = types.VirtualMachineSnapshotTree{
		Snapshot: s.object.Self, Vm: m.vm.Self, Name: name, Description: description,
		Id: m.generation, CreateTime: time.Now(), State: m.vm.Runtime.PowerState,
		Quiesced: quiesced, ReplaySupported: types.NewBool(false),
	}
	m.writeStateFile(s)
	m.snapshots = append(m.snapshots, s)
	m.current = s
	w.writeConfig(m)
	return s, nil
}

func (m *machine) writeStateFile(s *snapshot) {
	ds, directory := m.home()
	s.vmsn = filepath.Join(directoryOf(ds), directory, fmt.Sprintf("%s-Snapshot%d.vmsn", m.name(), s.tree.Id))
	_ = os.WriteFile(s.vmsn, []byte("state"), 0600)
}

// copyValue makes a copy that shares nothing.
func copyValue(from, to interface{}) {
	var out bytes.Buffer
	if err := xml.NewEncoder(&out).Encode(from); err != nil {
		panic(err)
	}
	decoder := xml.NewDecoder(&out)
	decoder.TypeFunc = typeOf
	if err := decoder.Decode(to); err != nil {
		panic(err)
	}
}

// refreshSnapshots makes the library's object show the tree, and each snapshot its frozen disks.
func (m *machine) refreshSnapshots() {
	m.vm.RootSnapshot = nil
	if len(m.snapshots) == 0 {
		m.vm.Snapshot = nil
		return
	}
	info := &types.VirtualMachineSnapshotInfo{RootSnapshotList: m.childrenOf(nil)}
	if m.current != nil {
		info.CurrentSnapshot = &m.current.object.Self
	}
	m.vm.Snapshot = info
	for _, root := range info.RootSnapshotList {
		m.vm.RootSnapshot = append(m.vm.RootSnapshot, root.Snapshot)
	}
	for _, s := range m.snapshots {
		s.object.ChildSnapshot = nil
		for _, other := range m.snapshots {
			if other.parent == s {
				s.object.ChildSnapshot = append(s.object.ChildSnapshot, other.object.Self)
			}
		}
		s.refresh()
	}
}

func (s *snapshot) refresh() {
	for _, device := range s.object.Config.Hardware.Device {
		vd, ok := device.(*types.VirtualDisk)
		if !ok {
			continue
		}
		f := s.frozen[vd.Key]
		b, flat := vd.Backing.(*types.VirtualDiskFlatVer2BackingInfo)
		if f == nil || !flat {
			continue
		}
		vd.Backing = (&disk{}).flatBacking(f.layer, b.DiskMode, b.Sharing, f.changeID())
	}
}

func (f *frozen) changeID() string {
	if f.number == 0 {
		return ""
	}
	return f.tracker.id(f.number)
}

func (m *machine) childrenOf(parent *snapshot) []types.VirtualMachineSnapshotTree {
	var list []types.VirtualMachineSnapshotTree
	for _, s := range m.snapshots {
		if s.parent == parent {
			tree := s.tree
			tree.ChildSnapshotList = m.childrenOf(s)
			list = append(list, tree)
		}
	}
	return list
}

// findSnapshot finds one, and its machine.
func (w *world) findSnapshot(ref types.ManagedObjectReference) (*machine, *snapshot) {
	for _, m := range w.machines {
		for _, s := range m.snapshots {
			if s.object.Self == ref {
				return m, s
			}
		}
	}
	return nil, nil
}

func snapshotIsThere(w *world, c *call) *failure {
	if m, _ := w.findSnapshot(c.this); m == nil {
		return notFound(c.this)
	}
	return nil
}

func (m *machine) forget(s *snapshot) {
	for i, other := range m.snapshots {
		if other == s {
			m.snapshots = append(m.snapshots[:i:i], m.snapshots[i+1:]...)
			break
		}
	}
	for _, other := range m.snapshots {
		if other.parent == s {
			other.parent = s.parent
		}
	}
	if m.current == s {
		m.current = s.parent
	}
	simulator.Map.Remove(s.object.Self)
	_ = os.Remove(s.vmsn)
}

func removeSnapshot(w *world, c *call) (interface{}, *failure) {
	m, s := w.findSnapshot(c.this)
	if m == nil {
		return nil, notFound(c.this)
	}
	r := c.body.(*types.RemoveSnapshot_Task)
	gone := []*snapshot{s}
	if r.RemoveChildren {
		gone = append(gone, m.below(s)...)
	}
	return nil, w.drop(m, gone, false, r.Consolidate == nil || *r.Consolidate)
}

func (m *machine) below(s *snapshot) []*snapshot {
	var all []*snapshot
	for _, other := range m.snapshots {
		if other.parent == s {
			all = append(append(all, m.below(other)...), other)
		}
	}
	return all
}

func removeAllSnapshots(w *world, c *call) (interface{}, *failure) {
	m, failed := w.machineOf(c)
	if failed != nil {
		return nil, failed
	}
	r := c.body.(*types.RemoveAllSnapshots_Task)
	return nil, w.drop(m, append([]*snapshot(nil), m.snapshots...), true, r.Consolidate == nil || *r.Consolidate)
}

// drop takes snapshots off the list, which always works, and merges their files, which does not.
func (w *world) drop(m *machine, gone []*snapshot, all, merges bool) *failure {
	only := map[*layer]bool{}
	for _, s := range gone {
		m.forget(s)
		for _, f := range s.frozen {
			only[f.layer] = true
		}
	}
	if all {
		only = nil
	}
	var failed *failure
	if merges {
		failed = w.merge(m, only)
	}
	m.orphans = (m.orphans && !all) || failed != nil || !merges
	for l := range only {
		if l.delta != nil && !m.needs(l) {
			w.removeFiles(l)
		}
	}
	m.stun()
	w.writeConfig(m)
	return failed
}

func revertToSnapshot(w *world, c *call) (interface{}, *failure) {
	m, s := w.findSnapshot(c.this)
	if m == nil {
		return nil, notFound(c.this)
	}
	for _, d := range m.disks {
		f := s.frozen[d.key()]
		if f == nil {
			continue
		}
		delta, failed := w.newDelta(f.layer)
		if failed != nil {
			return nil, failed
		}
		old := d.top
		d.top = delta
		if old.delta != nil && !m.needs(old) {
			w.removeFiles(old)
		}
	}
	m.current = s
	m.setPower(s.tree.State)
	m.stun()
	m.resetTracking()
	w.writeConfig(m)
	return nil, nil
}
