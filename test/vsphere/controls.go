// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

func init() {
	controls = map[string]control{
		"settings":  changeSettings,
		"machine":   changeMachine,
		"add":       addMachines,
		"rule":      addRules,
		"clear":     clearRules,
		"expire":    expireAll,
		"pass":      passTime,
		"state":     state,
		"counts":    resetCounts,
		"datastore": addDatastoreControl,
		"pool":      addPool,
		"host":      changeHost,
		"tag":       tagControl,
	}
}

// decode takes a control's members; one that is not known is an error of the test.
func decode(body []byte, into interface{}) error {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}

func changeSettings(w *world, body []byte) (interface{}, error) {
	changed := w.settings
	if err := decode(body, &changed); err != nil {
		return nil, err
	}
	w.settings = changed
	return changed, nil
}

// machineChange is done to a machine behind the API's back.
type machineChange struct {
	VM           string  `json:"vm"`
	Rename       string  `json:"rename"`
	Power        string  `json:"power"`
	Tools        string  `json:"tools"`
	QuiesceFails *bool   `json:"quiesce_fails"`
	ResetCBT     bool    `json:"reset_cbt"`
	Snapshot     string  `json:"snapshot"` // a user takes one of that name
	Remove       string  `json:"remove"`   // a user removes one
	Orphan       *bool   `json:"orphan"`   // runs on a delta without a snapshot; known to the server?
	Grow         []int64 `json:"grow"`     // number of a disk, new size
	MoveTo       string  `json:"move_to"`  // a folder
	Destroy      bool    `json:"destroy"`
	Version      string  `json:"version"`
	Connection   string  `json:"connection"` // connected, disconnected, inaccessible, orphaned
	Encrypted    bool    `json:"encrypted"`
	Detach       *int    `json:"detach"` // number of a disk, taken away behind the API's back
}

func changeMachine(w *world, body []byte) (interface{}, error) {
	var c machineChange
	if err := decode(body, &c); err != nil {
		return nil, err
	}
	m, err := w.findMachine(c.VM)
	if err != nil {
		return nil, err
	}
	if c.Destroy {
		m.setPower(types.VirtualMachinePowerStatePoweredOff)
		if failed := w.discard(m, true); failed != nil {
			return nil, fmt.Errorf("%s", failed.message)
		}
		return true, nil
	}
	c.simple(m)
	if failed := c.snapshots(w, m); failed != nil {
		return nil, fmt.Errorf("%s", failed.message)
	}
	if len(c.Grow) == 2 && c.Grow[0] < int64(len(m.disks)) {
		if failed := w.grow(m, m.disks[c.Grow[0]], c.Grow[1], 0); failed != nil {
			return nil, fmt.Errorf("%s", failed.message)
		}
	}
	if c.Detach != nil && *c.Detach >= 0 && *c.Detach < len(m.disks) {
		d := m.disks[*c.Detach]
		m.disks = append(m.disks[:*c.Detach:*c.Detach], m.disks[*c.Detach+1:]...)
		if d.foreign {
			w.detached(m, d)
		}
	}
	if c.MoveTo != "" {
		moveTo(m, makeFolders(m.datacenter(), c.MoveTo))
	}
	w.writeConfig(m)
	return w.describe(m), nil
}

func (c *machineChange) simple(m *machine) {
	if c.Rename != "" {
		m.rename(c.Rename)
	}
	if c.Encrypted {
		m.vm.Config.KeyId = &types.CryptoKeyId{KeyId: "1"}
	}
	if c.Version != "" {
		m.vm.Config.Version = c.Version
	}
	if c.Connection != "" {
		m.vm.Runtime.ConnectionState = types.VirtualMachineConnectionState(c.Connection)
	}
	if c.Power != "" {
		m.setPower(types.VirtualMachinePowerState(c.Power))
		if m.running() {
			m.stun()
		}
	}
	if c.Tools != "" {
		m.setTools(types.VirtualMachineToolsStatus(c.Tools))
	}
	if c.QuiesceFails != nil {
		m.quiesceFails = *c.QuiesceFails
	}
	if c.ResetCBT {
		m.resetTracking()
	}
}

func (c *machineChange) snapshots(w *world, m *machine) *failure {
	if c.Snapshot != "" {
		if _, failed := w.takeSnapshot(m, c.Snapshot, "", false); failed != nil {
			return failed
		}
	}
	if c.Orphan != nil {
		s, failed := w.takeSnapshot(m, "orphan", "", false)
		if failed != nil {
			return failed
		}
		m.forget(s)
		m.orphans = *c.Orphan
	}
	if c.Remove != "" {
		for _, s := range m.snapshots {
			if s.tree.Name == c.Remove {
				return w.drop(m, []*snapshot{s}, false, true)
			}
		}
	}
	return nil
}

func moveTo(m *machine, folder types.ManagedObjectReference) {
	old := simulator.Map.Get(*m.vm.Parent).(*simulator.Folder)
	simulator.RemoveReference(&old.ChildEntity, m.vm.Self)
	into := simulator.Map.Get(folder).(*simulator.Folder)
	into.ChildEntity = append(into.ChildEntity, m.vm.Self)
	m.vm.Parent = &folder
}

func addMachines(w *world, body []byte) (interface{}, error) {
	var spec machineSpec
	if err := decode(body, &spec); err != nil {
		return nil, err
	}
	var m *machine
	var err error
	_, failed := w.guard("add", func() (interface{}, *failure) {
		m, err = w.addMachine(&spec)
		return nil, nil
	})
	if failed != nil {
		return nil, fmt.Errorf("%s", failed.message)
	}
	if err != nil {
		return nil, err
	}
	return w.describe(m), nil
}

func addRules(w *world, body []byte) (interface{}, error) {
	var r rule
	if err := decode(body, &r); err != nil {
		return nil, err
	}
	id, err := w.addRule(&r)
	return map[string]int{"id": id}, err
}

func clearRules(w *world, _ []byte) (interface{}, error) {
	w.rules = nil
	return true, nil
}

// expireAll forgets every session at once, as a server does that has been started anew.
func expireAll(w *world, _ []byte) (interface{}, error) {
	n := len(w.sessions)
	for _, s := range w.sessions {
		w.endSession(s)
	}
	w.rest = map[string]time.Time{}
	return n, nil
}

// passTime makes what has not been used for some time look as if it were longer.
func passTime(w *world, body []byte) (interface{}, error) {
	var c struct {
		Seconds seconds `json:"seconds"`
	}
	if err := decode(body, &c); err != nil {
		return nil, err
	}
	for _, s := range w.sessions {
		s.used = s.used.Add(-c.Seconds.duration())
	}
	for id, used := range w.rest {
		w.rest[id] = used.Add(-c.Seconds.duration())
	}
	for _, l := range w.leases {
		l.sign = l.sign.Add(-c.Seconds.duration())
	}
	return true, nil
}

func resetCounts(w *world, _ []byte) (interface{}, error) {
	w.counts = map[string]int{}
	w.served, w.received = 0, 0
	return true, nil
}

func addDatastoreControl(w *world, body []byte) (interface{}, error) {
	var c struct {
		Name       string `json:"name"`
		Datacenter string `json:"datacenter"`
		Ref        string `json:"ref"`
		Free       *int64 `json:"free"`
		Accessible *bool  `json:"accessible"`
	}
	if err := decode(body, &c); err != nil {
		return nil, err
	}
	dc, err := w.findDatacenter(c.Datacenter)
	if err != nil {
		return nil, err
	}
	ds := findDatastore(dc, c.Name)
	if ds == nil {
		if ds, err = w.addDatastore(dc, c.Name, c.Ref); err != nil {
			return nil, err
		}
	}
	if c.Free != nil {
		ds.Summary.FreeSpace, ds.Info.GetDatastoreInfo().FreeSpace = *c.Free, *c.Free
	}
	if c.Accessible != nil {
		ds.Summary.Accessible = *c.Accessible
	}
	return map[string]string{"ref": ds.Self.Value, "directory": directoryOf(ds)}, nil
}

func changeHost(w *world, body []byte) (interface{}, error) {
	var c struct {
		Name        string `json:"name"`
		Connection  string `json:"connection"`
		Maintenance *bool  `json:"maintenance"`
	}
	if err := decode(body, &c); err != nil {
		return nil, err
	}
	for _, e := range simulator.Map.All("HostSystem") {
		host := e.(*simulator.HostSystem)
		if host.Name != c.Name {
			continue
		}
		if c.Connection != "" {
			host.Runtime.ConnectionState = types.HostSystemConnectionState(c.Connection)
		}
		if c.Maintenance != nil {
			host.Runtime.InMaintenanceMode = *c.Maintenance
		}
		return true, nil
	}
	return nil, fmt.Errorf("no host %q", c.Name)
}

func addPool(w *world, body []byte) (interface{}, error) {
	var c struct {
		Name   string `json:"name"`
		Parent string `json:"parent"`
	}
	if err := decode(body, &c); err != nil {
		return nil, err
	}
	dc := w.datacenters()[0]
	parent, err := findPool(dc, &machineSpec{Pool: c.Parent})
	if err != nil {
		return nil, err
	}
	result, failed := w.library(&call{name: "CreateResourcePool", this: parent, body: &types.CreateResourcePool{
		This: parent, Name: c.Name, Spec: types.DefaultResourceConfigSpec(),
	}})
	if failed != nil {
		return nil, fmt.Errorf("%s", failed.message)
	}
	return map[string]string{"ref": returned(result).Value}, nil
}

func tagControl(w *world, body []byte) (interface{}, error) {
	var c struct {
		VM       string `json:"vm"`
		Category string `json:"category"`
		Name     string `json:"name"`
		Detach   bool   `json:"detach"`
		Delete   bool   `json:"delete"`
	}
	if err := decode(body, &c); err != nil {
		return nil, err
	}
	if c.Delete {
		return true, w.deleteTag(c.Category, c.Name)
	}
	m, err := w.findMachine(c.VM)
	if err != nil {
		return nil, err
	}
	return true, w.tag(m, c.Category, c.Name, c.Detach)
}

// ---- what is so ----

type facts map[string]interface{}

func (w *world) describe(m *machine) facts {
	disks := []facts{}
	for _, d := range m.disks {
		disks = append(disks, w.describeDisk(m, d))
	}
	snapshots := []facts{}
	for _, s := range m.snapshots {
		snapshots = append(snapshots, facts{
			"name": s.tree.Name, "ref": s.object.Self.Value, "quiesced": s.tree.Quiesced,
			"description": s.tree.Description,
		})
	}
	store, directory := m.home()
	return facts{
		"name": m.name(), "ref": m.vm.Self.Value, "power": m.vm.Runtime.PowerState,
		"disks": disks, "snapshots": snapshots, "tracking": m.tracking,
		"consolidation_needed": m.orphans, "guest_frozen": m.guestFrozen,
		"template": m.vm.Config.Template, "uuid": m.vm.Config.Uuid,
		"instance_uuid": m.vm.Config.InstanceUuid,
		"directory":     filepath.Join(directoryOf(store), directory),
	}
}

func (w *world) describeDisk(m *machine, d *disk) facts {
	files := []string{}
	for _, l := range d.top.chain() {
		files = append(files, l.name())
	}
	return facts{
		"key": d.key(), "place": m.placeOf(d.device), "size": d.top.size, "files": files,
		"data": d.top.data, "base": d.top.base().data, "uuid": d.top.uuid, "mode": d.mode(),
		"foreign": d.foreign, "thin": d.top.base().thin,
	}
}

func state(w *world, _ []byte) (interface{}, error) {
	w.expire(time.Now())
	machines, attached, snapshots, sessions, leases, tasks := []facts{}, []facts{}, []facts{}, []facts{}, []facts{}, []facts{}
	for _, m := range w.ordered() {
		machines = append(machines, w.describe(m))
		for _, d := range m.disks {
			if d.foreign {
				one := w.describeDisk(m, d)
				one["vm"] = m.name()
				attached = append(attached, one)
			}
		}
		for _, s := range m.snapshots {
			snapshots = append(snapshots, facts{"vm": m.name(), "name": s.tree.Name, "ref": s.object.Self.Value})
		}
	}
	for _, s := range w.sessions {
		filters := 0
		for _, c := range s.collectors {
			filters += len(c.filters)
		}
		sessions = append(sessions, facts{
			"key": s.library.Key, "user": s.user, "agent": s.agent, "views": len(s.views),
			"collectors": len(s.collectors), "filters": filters, "pages": len(s.pages),
			"idle": time.Since(s.used).Seconds(),
		})
	}
	for _, l := range w.leases {
		leases = append(leases, l.describe(w))
	}
	for ref, t := range w.tasks {
		tasks = append(tasks, facts{
			"ref": ref.Value, "method": t.method, "state": t.object.Info.State, "cancelled": t.cancelled,
		})
	}
	return facts{
		"machines": machines, "attached": attached, "snapshots": snapshots, "sessions": sessions,
		"rest_sessions": len(w.rest), "leases": leases, "tasks": tasks, "calls": w.calls,
		"counts": w.counts,
		"served": w.served, "received": w.received, "panics": append([]string{}, w.panics...), "logins": w.logins,
		"rules": append([]*rule{}, w.rules...), "settings": w.settings,
	}, nil
}

func (l *lease) describe(w *world) facts {
	uploads := []facts{}
	for _, u := range l.uploads {
		one := facts{"key": u.key, "done": u.done, "sent": u.sent, "bytes": u.bytes, "words": u.words}
		if u.disk != nil {
			one["kept"] = w.keptName(l, u)
		}
		uploads = append(uploads, one)
	}
	return facts{
		"ref": l.object.Self.Value, "vm": l.machine.name(), "state": l.object.State, "ended": l.ended,
		"progress": l.object.TransferProgress, "uploads": uploads,
	}
}
