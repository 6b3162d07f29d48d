// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/google/uuid"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

const datastoreSize = 1 << 40

func (w *world) content() *types.ServiceContent {
	return &simulator.Map.Get(vim25.ServiceInstance).(*simulator.ServiceInstance).Content
}

// populate makes the library's inventory, without its datastores and machines, and ours in it.
func (w *world) populate() error {
	switch w.options.model {
	case "vpx":
		w.model = simulator.VPX()
		w.model.Datacenter, w.model.Folder = w.options.centers, w.options.folders
	case "esx":
		w.model = simulator.ESX()
	default:
		return fmt.Errorf("model %q: vpx or esx", w.options.model)
	}
	w.model.Datastore, w.model.Machine = 0, 0
	if err := w.model.Create(); err != nil {
		return err
	}
	about := &w.content().About
	about.Version, about.ApiVersion, about.Build = w.options.version, w.apiVersion(), "14320388"
	w.repairSwitches()
	for _, dc := range w.datacenters() {
		for _, name := range []string{"LocalDS_0", "LocalDS_1"} {
			if _, err := w.addDatastore(dc, name, ""); err != nil {
				return err
			}
		}
	}
	return w.addFirstMachines()
}

// repairSwitches gives each distributed switch an identity of its own, and its hosts: the library's
// are all the same, and know those of the first datacenter only.
func (w *world) repairSwitches() {
	for _, e := range simulator.Map.All("DistributedVirtualSwitch") {
		s := e.(*simulator.DistributedVirtualSwitch)
		s.Uuid = uuid.New().String()
		s.Summary.Uuid = s.Uuid
		s.Config.GetDVSConfigInfo().Uuid = s.Uuid
		s.Summary.HostMember = nil
		for _, host := range sortedEntities("HostSystem") {
			if datacenterOf(host) == datacenterOf(s) {
				s.Summary.HostMember = append(s.Summary.HostMember, host.Reference())
			}
		}
	}
}

// showLicence makes the licence manager tell what the settings say.
func (w *world) showLicence() {
	at := w.content().LicenseManager
	if at == nil {
		return
	}
	manager, ok := simulator.Map.Get(*at).(*simulator.LicenseManager)
	if !ok || len(manager.Licenses) == 0 {
		return
	}
	licence := &manager.Licenses[0]
	licence.LicenseKey = "M00M0-00000-00000-00000-00000"
	licence.EditionKey, licence.Name = "esx.enterprisePlus.cpuPackage", "VMware vSphere 6 Enterprise Plus"
	if w.settings.Restricted {
		licence.EditionKey, licence.Name = "esxBasic.cpuPackage", "VMware vSphere 6 Hypervisor"
	}
}

// apiVersion is "6.7" of the product's "6.7.0".
func (w *world) apiVersion() string {
	parts := strings.Split(w.options.version, ".")
	if len(parts) > 2 {
		parts = parts[:2]
	}
	return strings.Join(parts, ".")
}

// datacenters, in the order of their names.
func (w *world) datacenters() []*simulator.Datacenter {
	var all []*simulator.Datacenter
	for _, e := range simulator.Map.All("Datacenter") {
		all = append(all, e.(*simulator.Datacenter))
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Name < all[j].Name })
	return all
}

func nameOf(e mo.Entity) string {
	if name := e.Entity().Name; name != "" {
		return name
	}
	switch x := e.(type) {
	case *mo.Network:
		return x.Name
	case *simulator.DistributedVirtualPortgroup:
		return x.Name
	case *simulator.DistributedVirtualSwitch:
		return x.Name
	case *mo.OpaqueNetwork:
		return x.Name
	}
	return ""
}

func sortedEntities(kind string) []mo.Entity {
	all := simulator.Map.All(kind)
	sort.Slice(all, func(i, j int) bool { return nameOf(all[i]) < nameOf(all[j]) })
	return all
}

// datacenterOf is where an object is.
func datacenterOf(e mo.Entity) *simulator.Datacenter {
	for e != nil {
		if dc, ok := e.(*simulator.Datacenter); ok {
			return dc
		}
		parent := e.Entity().Parent
		if parent == nil {
			return nil
		}
		e, _ = simulator.Map.Get(*parent).(mo.Entity)
	}
	return nil
}

// pathOf is what /folder calls a datacenter: its name, behind the folders that it is in.
func pathOf(dc *simulator.Datacenter) string {
	parts := []string{dc.Name}
	e := mo.Entity(dc)
	for e.Entity().Parent != nil {
		e = simulator.Map.Get(*e.Entity().Parent).(mo.Entity)
		if e.Entity().Parent != nil {
			parts = append([]string{nameOf(e)}, parts...)
		}
	}
	return strings.Join(parts, "/")
}

// addDatastore makes one that all hosts of the datacenter have.
func (w *world) addDatastore(dc *simulator.Datacenter, name, value string) (*simulator.Datastore, error) {
	directory := filepath.Join(w.directory, fmt.Sprintf("%s-%s", dc.Name, name))
	if err := os.Mkdir(directory, 0700); err != nil {
		return nil, err
	}
	if value == "" {
		value = fmt.Sprintf("datastore-%d", w.next())
	}
	ds := new(simulator.Datastore)
	ds.Self = types.ManagedObjectReference{Type: "Datastore", Value: value}
	ds.Name = name
	ds.Info = &types.VmfsDatastoreInfo{
		DatastoreInfo: types.DatastoreInfo{
			Name: name, Url: directory, FreeSpace: datastoreSize, MaxFileSize: 64 << 40,
		},
		Vmfs: &types.HostVmfsVolume{
			HostFileSystemVolume: types.HostFileSystemVolume{
				Type: "VMFS", Name: name, Capacity: datastoreSize,
			},
			BlockSizeMb: 1, MajorVersion: 6, Version: "6.82", Uuid: filepath.Base(directory),
		},
	}
	ds.Summary = types.DatastoreSummary{
		Datastore: &ds.Self, Name: name, Url: "ds:///vmfs/volumes/" + filepath.Base(directory) + "/",
		Capacity: datastoreSize, FreeSpace: datastoreSize, Accessible: true, Type: "VMFS",
		MaintenanceMode: "normal",
	}
	ds.Capability = types.DatastoreCapability{
		DirectoryHierarchySupported: true, RawDiskMappingsSupported: true,
		PerFileThinProvisioningSupported: true,
	}
	w.mount(dc, ds)
	folder := simulator.Map.Get(dc.DatastoreFolder).(*simulator.Folder)
	folder.ChildEntity = append(folder.ChildEntity, ds.Self)
	dc.Datastore = append(dc.Datastore, ds.Self)
	simulator.Map.PutEntity(folder, ds)
	return ds, nil
}

// mount makes it known to the hosts of its datacenter, and to what they are part of.
func (w *world) mount(dc *simulator.Datacenter, ds *simulator.Datastore) {
	browser := new(simulator.HostDatastoreBrowser)
	browser.Datastore = append(browser.Datastore, ds.Self)
	ds.Browser = simulator.Map.Put(browser).Reference()
	for _, e := range simulator.Map.All("HostSystem") {
		host := e.(*simulator.HostSystem)
		if datacenterOf(host) != dc {
			continue
		}
		host.Datastore = append(host.Datastore, ds.Self)
		ds.Host = append(ds.Host, types.DatastoreHostMount{
			Key: host.Self,
			MountInfo: types.HostMountInfo{
				AccessMode: string(types.HostMountModeReadWrite),
				Mounted:    types.NewBool(true), Accessible: types.NewBool(true),
			},
		})
		if resource := resourceOf(host); resource != nil {
			simulator.Map.AddReference(resource, &resource.Datastore, ds.Self)
		}
	}
}

// resourceOf is the host's cluster, or its own compute resource.
func resourceOf(host *simulator.HostSystem) *mo.ComputeResource {
	switch parent := simulator.Map.Get(*host.Parent).(type) {
	case *mo.ComputeResource:
		return parent
	case *simulator.ClusterComputeResource:
		return &parent.ComputeResource
	}
	return nil
}

func directoryOf(ds *simulator.Datastore) string {
	return ds.Info.GetDatastoreInfo().Url
}

// findDatastore looks in a datacenter; nil when there is none of that name.
func findDatastore(dc *simulator.Datacenter, name string) *simulator.Datastore {
	for _, ref := range dc.Datastore {
		if ds, ok := simulator.Map.Get(ref).(*simulator.Datastore); ok && ds.Name == name {
			return ds
		}
	}
	return nil
}

// hostOf chooses a host for a pool: that which is wanted, else the first of its resource.
func hostOf(pool types.ManagedObjectReference, wanted *types.ManagedObjectReference) *simulator.HostSystem {
	if wanted != nil {
		host, _ := simulator.Map.Get(*wanted).(*simulator.HostSystem)
		return host
	}
	e, _ := simulator.Map.Get(pool).(mo.Entity)
	for e != nil && e.Entity().Parent != nil {
		e, _ = simulator.Map.Get(*e.Entity().Parent).(mo.Entity)
		var hosts []types.ManagedObjectReference
		switch x := e.(type) {
		case *mo.ComputeResource:
			hosts = x.Host
		case *simulator.ClusterComputeResource:
			hosts = x.Host
		default:
			continue
		}
		if len(hosts) > 0 {
			host, _ := simulator.Map.Get(hosts[0]).(*simulator.HostSystem)
			return host
		}
		return nil
	}
	return nil
}

// firstPools are where machines are made at the start: of each standalone host and cluster.
func firstPools() []types.ManagedObjectReference {
	var pools []types.ManagedObjectReference
	for _, kind := range []string{"ComputeResource", "ClusterComputeResource"} {
		for _, e := range sortedEntities(kind) {
			switch x := e.(type) {
			case *mo.ComputeResource:
				pools = append(pools, *x.ResourcePool)
			case *simulator.ClusterComputeResource:
				pools = append(pools, *x.ResourcePool)
			}
		}
	}
	return pools
}

// addFirstMachines makes what the library would have: DC0_H0_VM0 and so on, each with a disk.
func (w *world) addFirstMachines() error {
	for _, pool := range firstPools() {
		owner := simulator.Map.Get(*simulator.Map.Get(pool).(mo.Entity).Entity().Parent).(mo.Entity)
		prefix := nameOf(owner)
		if owner.Reference().Type == "ClusterComputeResource" {
			prefix += "_RP0"
		}
		if w.esx {
			prefix = "ha-host"
		}
		pool := pool
		for i := 0; i < w.options.machines; i++ {
			spec := &machineSpec{
				Name: fmt.Sprintf("%s_VM%d", prefix, i), Datacenter: datacenterOf(owner).Name, pool: &pool,
			}
			if _, err := w.addMachine(spec); err != nil {
				return err
			}
		}
	}
	return nil
}
