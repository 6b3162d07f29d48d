// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// datacenterFor is where a path of the API is looked for: it must be told, but on a single host.
func (w *world) datacenterFor(ref *types.ManagedObjectReference) *simulator.Datacenter {
	if ref != nil {
		dc, _ := simulator.Map.Get(*ref).(*simulator.Datacenter)
		return dc
	}
	if w.esx {
		return w.datacenters()[0]
	}
	return nil
}

func (w *world) resolve(ref *types.ManagedObjectReference, name string) (*simulator.Datastore, string, *failure) {
	dc := w.datacenterFor(ref)
	if dc == nil {
		return nil, "", invalidArgument("datacenter")
	}
	store, file, ok := parsePath(name)
	if !ok {
		return nil, "", fail(&types.InvalidDatastorePath{DatastorePath: name}, "Invalid datastore path '%s'.", name)
	}
	ds := findDatastore(dc, store)
	if ds == nil {
		return nil, "", fail(&types.InvalidDatastore{Name: store}, "Invalid datastore '%s'.", store)
	}
	return ds, file, nil
}

func createVirtualDisk(w *world, c *call) (interface{}, *failure) {
	r := c.body.(*types.CreateVirtualDisk_Task)
	ds, file, failed := w.resolve(r.Datacenter, r.Name)
	if failed != nil {
		return nil, failed
	}
	spec, ok := r.Spec.(*types.FileBackedVirtualDiskSpec)
	if !ok || spec.CapacityKb <= 0 {
		return nil, invalidArgument("spec.capacityKb")
	}
	_, failed = w.newFlat(ds, file, spec.CapacityKb*1024, spec.DiskType == "thin", "")
	if failed != nil {
		return nil, failed
	}
	return r.Name, nil
}

func deleteVirtualDisk(w *world, c *call) (interface{}, *failure) {
	r := c.body.(*types.DeleteVirtualDisk_Task)
	ds, file, failed := w.resolve(r.Datacenter, r.Name)
	if failed != nil {
		return nil, failed
	}
	l := w.files[filepath.Join(directoryOf(ds), file)]
	if l == nil {
		return nil, fail(&types.FileNotFound{FileFault: types.FileFault{File: r.Name}}, "File %s was not found", r.Name)
	}
	if w.busy(l, nil) {
		return nil, locked(l)
	}
	w.removeFiles(l)
	return nil, nil
}

func deleteDatastoreFile(w *world, c *call) (interface{}, *failure) {
	r := c.body.(*types.DeleteDatastoreFile_Task)
	ds, file, failed := w.resolve(r.Datacenter, r.Name)
	if failed != nil {
		return nil, failed
	}
	name := filepath.Join(directoryOf(ds), path.Clean("/"+file))
	if _, err := os.Stat(name); err != nil {
		return nil, fail(&types.FileNotFound{FileFault: types.FileFault{File: r.Name}}, "File %s was not found", r.Name)
	}
	for descriptor, l := range w.files {
		if (descriptor == name || l.data == name || strings.HasPrefix(descriptor, name+"/")) && w.busy(l, nil) {
			return nil, locked(l)
		}
	}
	if err := os.RemoveAll(name); err != nil {
		return nil, fail(&types.CannotDeleteFile{FileFault: types.FileFault{File: r.Name}}, "%s", err)
	}
	w.adopt(ds, path.Dir(file))
	return nil, nil
}

// adopt makes what is known of disks in a directory agree with the files that are there: those
// that somebody wrote over /folder, or deleted.
func (w *world) adopt(ds *simulator.Datastore, directory string) {
	home := filepath.Join(directoryOf(ds), directory)
	for descriptor := range w.files {
		if filepath.Dir(descriptor) == home || strings.HasPrefix(descriptor, home+"/") {
			if _, err := os.Stat(descriptor); err != nil {
				delete(w.files, descriptor)
			}
		}
	}
	entries, _ := os.ReadDir(home)
	for _, entry := range entries {
		name := filepath.Join(home, entry.Name())
		if filepath.Ext(name) != ".vmdk" || w.layerAt(name) != nil {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil || len(text) > 1<<16 || !strings.HasPrefix(string(text), "# Disk DescriptorFile") {
			continue
		}
		data := strings.TrimSuffix(name, ".vmdk") + "-flat.vmdk"
		info, err := os.Stat(data)
		if err != nil {
			continue
		}
		l := &layer{
			datastore: ds, file: path.Join(directory, entry.Name()), data: data,
			size: info.Size(), uuid: newDiskUUID(), cid: 0xfffffffe,
			thin: strings.Contains(string(text), `ddb.thinProvisioned = "1"`),
		}
		if id := plainUUID(readConfig(string(text))["ddb.uuid"]); id != "" {
			l.uuid = id
		}
		w.files[name] = l
	}
}
