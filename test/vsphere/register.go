// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"os"
	"path"
	"path/filepath"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// registerMachine makes a machine of the configuration that lies in a datastore.
func registerMachine(w *world, c *call) (interface{}, *failure) {
	r := c.body.(*types.RegisterVM_Task)
	if r.Pool == nil {
		return nil, fail(&types.InvalidArgument{InvalidProperty: "pool"}, "A specified parameter was not correct: pool")
	}
	folder, ok := simulator.Map.Get(c.this).(*simulator.Folder)
	if !ok {
		return nil, notFound(c.this)
	}
	store, file, ok := parsePath(r.Path)
	if !ok {
		return nil, fail(&types.InvalidDatastorePath{DatastorePath: r.Path}, "Invalid datastore path '%s'.", r.Path)
	}
	ds := findDatastore(datacenterOf(folder), store)
	if ds == nil {
		return nil, fail(&types.InvalidDatastore{Name: store}, "Invalid datastore '%s'.", store)
	}
	for _, m := range w.machines {
		if m.vm.Config.Files.VmPathName == r.Path {
			return nil, fail(&types.AlreadyExists{Name: m.vm.Self.Value}, "The specified key, name, or identifier already exists.")
		}
	}
	text, err := os.ReadFile(filepath.Join(directoryOf(ds), file))
	if err != nil {
		return nil, fail(new(types.NotFound), "The object or item referred to could not be found.")
	}
	w.adopt(ds, path.Dir(file))
	keep := w.takeAway(ds, path.Dir(file))
	spec := configSpec(readConfig(string(text)), ds, path.Dir(file))
	if r.Name != "" {
		spec.Name = r.Name
	}
	spec.Files = &types.VirtualMachineFileInfo{VmPathName: r.Path}
	m, failed := w.create(place{c.this, *r.Pool, r.Host}, spec, keep)
	if failed != nil {
		for name, text := range keep {
			_ = os.WriteFile(filepath.Join(directoryOf(ds), path.Dir(file), name), text, 0600)
		}
		return nil, failed
	}
	if r.AsTemplate {
		m.vm.Config.Template, m.vm.Summary.Config.Template = true, true
	}
	return m.vm.Self, nil
}

// takeAway puts the files of a configuration aside: the library wants to make them.
func (w *world) takeAway(ds *simulator.Datastore, directory string) map[string][]byte {
	keep := map[string][]byte{}
	entries, _ := os.ReadDir(filepath.Join(directoryOf(ds), directory))
	for _, entry := range entries {
		switch filepath.Ext(entry.Name()) {
		case ".vmx", ".nvram", ".log", ".vmsd":
			name := filepath.Join(directoryOf(ds), directory, entry.Name())
			if text, err := os.ReadFile(name); err == nil {
				keep[entry.Name()] = text
				_ = os.Remove(name)
			}
		}
	}
	return keep
}
