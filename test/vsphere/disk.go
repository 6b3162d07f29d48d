// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"fmt"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/vim25/types"
)

// disk is a virtual disk of a machine.
type disk struct {
	device  *types.VirtualDisk
	top     *layer // that is written
	tracker *tracker
	foreign bool   // a file of another machine
	redo    string // path of what a nonpersistent disk's writes go to
}

func (d *disk) key() int32 { return d.device.Key }

func (d *disk) mode() string {
	switch b := d.device.Backing.(type) {
	case *types.VirtualDiskFlatVer2BackingInfo:
		return b.DiskMode
	case *types.VirtualDiskRawDiskMappingVer1BackingInfo:
		return b.DiskMode
	}
	return ""
}

func (d *disk) sharing() string {
	switch b := d.device.Backing.(type) {
	case *types.VirtualDiskFlatVer2BackingInfo:
		return b.Sharing
	case *types.VirtualDiskRawDiskMappingVer1BackingInfo:
		return b.Sharing
	}
	return ""
}

func (d *disk) independent() bool {
	return d.mode() == string(types.VirtualDiskModeIndependent_persistent) ||
		d.mode() == string(types.VirtualDiskModeIndependent_nonpersistent)
}

func (d *disk) nonpersistent() bool {
	return d.mode() == string(types.VirtualDiskModeIndependent_nonpersistent)
}

func (d *disk) shared() bool {
	return d.sharing() != "" && d.sharing() != string(types.VirtualDiskSharingSharingNone)
}

// frozen says whether a snapshot freezes it.
func (d *disk) freezes() bool {
	return !d.foreign && !d.independent() && !d.shared() && d.top.mapping != "physicalMode"
}

// refresh makes the device tell what the disk is now.
func (d *disk) refresh() {
	size := d.top.size
	d.device.CapacityInKB = size / 1024
	d.device.CapacityInBytes = size
	d.device.DeviceInfo = &types.Description{
		Label: labelOf(d.device), Summary: commas(size/1024) + " KB",
	}
	switch b := d.device.Backing.(type) {
	case *types.VirtualDiskFlatVer2BackingInfo:
		d.device.Backing = d.flatBacking(d.top, b.DiskMode, b.Sharing, "")
	case *types.VirtualDiskRawDiskMappingVer1BackingInfo:
		b.FileName = d.top.name()
		b.Datastore = &d.top.datastore.Self
		b.CompatibilityMode = d.top.mapping
		b.Uuid = d.top.uuid
	}
}

func labelOf(device *types.VirtualDisk) string {
	if info := device.DeviceInfo; info != nil && info.GetDescription().Label != "" {
		return info.GetDescription().Label
	}
	return fmt.Sprintf("Hard disk %d", device.Key-1999)
}

// flatBacking is what the API tells of a layer and those below it.
func (d *disk) flatBacking(l *layer, mode, sharing, changeID string) *types.VirtualDiskFlatVer2BackingInfo {
	b := &types.VirtualDiskFlatVer2BackingInfo{
		DiskMode: mode, Sharing: sharing, Split: types.NewBool(false),
		WriteThrough: types.NewBool(false), ThinProvisioned: types.NewBool(l.base().thin),
		Uuid: l.uuid, ContentId: fmt.Sprintf("%032x", l.cid), ChangeId: changeID,
		DigestEnabled: types.NewBool(false),
	}
	b.FileName = l.name()
	b.Datastore = &l.datastore.Self
	b.BackingObjectId = ""
	if l.delta != nil {
		b.DeltaDiskFormat = "redoLogFormat"
		b.Parent = d.flatBacking(l.parent, mode, sharing, "")
	}
	return b
}

func commas(n int64) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// open says who has a layer open: one who writes it, those who read it.
func (w *world) open(l *layer) (writers, readers []*machine) {
	for _, m := range w.machines {
		if !m.running() {
			continue
		}
		for _, d := range m.disks {
			for i, other := range d.top.chain() {
				if other != l {
					continue
				}
				if i == 0 && !d.nonpersistent() {
					writers = append(writers, m)
				} else {
					readers = append(readers, m)
				}
			}
		}
	}
	return
}

// busy says whether a machine other than `m` has it open.
func (w *world) busy(l *layer, m *machine) bool {
	writers, readers := w.open(l)
	for _, other := range append(writers, readers...) {
		if other != m {
			return true
		}
	}
	return false
}

func locked(l *layer) *failure {
	return fail(&types.FileLocked{FileFault: types.FileFault{File: l.name()}},
		"Unable to access file %s since it is locked", l.name())
}

func parsePath(text string) (datastore, path string, ok bool) {
	var p object.DatastorePath
	if !p.FromString(text) {
		return "", "", false
	}
	return p.Datastore, p.Path, true
}

// findLayer is the disk at a path of the API; nil when there is none.
func (w *world) findLayer(m *machine, name string) *layer {
	store, file, ok := parsePath(name)
	if !ok {
		return nil
	}
	ds := findDatastore(m.datacenter(), store)
	if ds == nil {
		return nil
	}
	return w.files[(&layer{datastore: ds, file: file}).descriptor()]
}
