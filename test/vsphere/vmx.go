// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// The configuration file of a machine: KEY = "VALUE", one a line.

// Devices as .vmx files call them.
var virtualDevices = map[string]string{
	"pvscsi": "pvscsi", "lsilogic": "lsilogic", "buslogic": "buslogic", "lsilogic-sas": "lsisas1068",
}

// writeConfig writes the machine's .vmx as it is now.
func (w *world) writeConfig(m *machine) {
	m.refresh()
	config := m.vm.Config
	values := map[string]string{
		".encoding": "UTF-8", "config.version": "8",
		"virtualHW.version": strings.TrimPrefix(config.Version, "vmx-"),
		"displayName":       config.Name, "annotation": config.Annotation,
		"guestOS": strings.TrimSuffix(config.GuestId, "Guest"), "firmware": config.Firmware,
		"memSize": fmt.Sprint(config.Hardware.MemoryMB), "numvcpus": fmt.Sprint(config.Hardware.NumCPU),
		"cpuid.coresPerSocket": fmt.Sprint(config.Hardware.NumCoresPerSocket),
		"uuid.bios":            uuidText(config.Uuid), "vc.uuid": uuidText(config.InstanceUuid),
		"nvram": m.name() + ".nvram",
	}
	if config.ChangeTrackingEnabled != nil && *config.ChangeTrackingEnabled {
		values["ctkEnabled"] = "TRUE"
	}
	for _, option := range config.ExtraConfig {
		o := option.GetOptionValue()
		values[o.Key] = fmt.Sprint(o.Value)
	}
	cards := 0
	for _, device := range config.Hardware.Device {
		m.putDevice(values, device, &cards)
	}
	var keys []string
	for key, value := range values {
		if value != "" {
			keys = append(keys, key)
		}
	}
	sort.Strings(keys)
	var out strings.Builder
	for _, key := range keys {
		fmt.Fprintf(&out, "%s = \"%s\"\n", key, strings.NewReplacer("|", "|7C", `"`, "|22", "\n", "|0A").Replace(values[key]))
	}
	store, file, _ := parsePath(config.Files.VmPathName)
	if ds := findDatastore(m.datacenter(), store); ds != nil {
		_ = os.WriteFile(filepath.Join(directoryOf(ds), file), []byte(out.String()), 0600)
	}
}

func (m *machine) putDevice(values map[string]string, device types.BaseVirtualDevice, cards *int) {
	switch d := device.(type) {
	case types.BaseVirtualSCSIController:
		name := fmt.Sprintf("scsi%d", d.GetVirtualSCSIController().BusNumber)
		values[name+".present"] = "TRUE"
		values[name+".virtualDev"] = virtualDevices[object.VirtualDeviceList{}.Type(device)]
	case types.BaseVirtualSATAController:
		values[fmt.Sprintf("sata%d.present", d.GetVirtualSATAController().BusNumber)] = "TRUE"
	case *types.VirtualNVMEController:
		values[fmt.Sprintf("nvme%d.present", d.BusNumber)] = "TRUE"
	case types.BaseVirtualEthernetCard:
		m.putCard(values, device, d.GetVirtualEthernetCard(), *cards)
		*cards++
	case *types.VirtualDisk:
		mine := m.diskOf(d.Key)
		name := m.placeOf(d)
		values[name+".present"] = "TRUE"
		values[name+".deviceType"] = "scsi-hardDisk"
		if _, directory := m.home(); path.Dir(mine.top.file) == directory {
			values[name+".fileName"] = path.Base(mine.top.file)
		} else {
			values[name+".fileName"] = "/vmfs/volumes/" + mine.top.datastore.Name + "/" + mine.top.file
		}
		if mode := mine.mode(); mode != "persistent" {
			values[name+".mode"] = strings.ReplaceAll(mode, "_", "-")
		}
	}
}

func (m *machine) putCard(values map[string]string, device types.BaseVirtualDevice, card *types.VirtualEthernetCard, number int) {
	name := fmt.Sprintf("ethernet%d", number)
	values[name+".present"] = "TRUE"
	values[name+".virtualDev"] = cardKind(device)
	values[name+".addressType"] = map[string]string{
		"manual": "static", "assigned": "vpx", "generated": "generated",
	}[strings.ToLower(card.AddressType)]
	values[name+".address"] = card.MacAddress
	switch b := card.Backing.(type) {
	case *types.VirtualEthernetCardNetworkBackingInfo:
		values[name+".networkName"] = b.DeviceName
	case *types.VirtualEthernetCardDistributedVirtualPortBackingInfo:
		values[name+".dvs.switchId"] = b.Port.SwitchUuid
		values[name+".dvs.portgroupId"] = b.Port.PortgroupKey
	}
}

func cardKind(device types.BaseVirtualDevice) string {
	switch device.(type) {
	case *types.VirtualVmxnet3:
		return "vmxnet3"
	case *types.VirtualE1000e:
		return "e1000e"
	case *types.VirtualPCNet32:
		return "vlance"
	}
	return "e1000"
}

func newCard(kind string) types.BaseVirtualDevice {
	switch kind {
	case "vmxnet3":
		return new(types.VirtualVmxnet3)
	case "e1000e":
		return new(types.VirtualE1000e)
	case "vlance":
		return new(types.VirtualPCNet32)
	}
	return new(types.VirtualE1000)
}

// placeOf is what the configuration calls a disk: "scsi0:1".
func (m *machine) placeOf(d *types.VirtualDisk) string {
	kind, bus := "scsi", int32(0)
	switch c := deviceOf(m.vm.Config.Hardware.Device, d.ControllerKey).(type) {
	case types.BaseVirtualSCSIController:
		bus = c.GetVirtualSCSIController().BusNumber
	case types.BaseVirtualSATAController:
		kind, bus = "sata", c.GetVirtualSATAController().BusNumber
	case *types.VirtualNVMEController:
		kind, bus = "nvme", c.BusNumber
	case *types.VirtualIDEController:
		kind, bus = "ide", c.BusNumber
	}
	unit := int32(0)
	if d.UnitNumber != nil {
		unit = *d.UnitNumber
	}
	return fmt.Sprintf("%s%d:%d", kind, bus, unit)
}

// readConfig takes a .vmx apart.
func readConfig(text string) map[string]string {
	values := map[string]string{}
	for _, line := range strings.Split(text, "\n") {
		equals := strings.IndexByte(line, '=')
		if equals < 0 {
			continue
		}
		value := strings.Trim(strings.TrimSpace(line[equals+1:]), `"`)
		values[strings.TrimSpace(line[:equals])] = strings.NewReplacer("|22", `"`, "|0A", "\n", "|7C", "|").Replace(value)
	}
	return values
}

func plainUUID(text string) string {
	digits := strings.ToLower(strings.NewReplacer(" ", "", "-", "").Replace(text))
	if len(digits) != 32 {
		return ""
	}
	return digits[:8] + "-" + digits[8:12] + "-" + digits[12:16] + "-" + digits[16:20] + "-" + digits[20:]
}

// configSpec is what a .vmx in `directory` of a datastore describes.
func configSpec(values map[string]string, ds *simulator.Datastore, directory string) *types.VirtualMachineConfigSpec {
	number := func(key string, otherwise int64) int64 {
		if n, err := strconv.ParseInt(values[key], 10, 64); err == nil {
			return n
		}
		return otherwise
	}
	spec := &types.VirtualMachineConfigSpec{
		Name: values["displayName"], Annotation: values["annotation"],
		GuestId: values["guestOS"] + "Guest", Firmware: values["firmware"],
		MemoryMB: number("memSize", 32), NumCPUs: int32(number("numvcpus", 1)),
		NumCoresPerSocket: int32(number("cpuid.coresPerSocket", 1)),
		Uuid:              plainUUID(values["uuid.bios"]), InstanceUuid: plainUUID(values["vc.uuid"]),
	}
	if version := values["virtualHW.version"]; version != "" {
		spec.Version = "vmx-" + version
	}
	if strings.EqualFold(values["ctkEnabled"], "true") {
		spec.ChangeTrackingEnabled = types.NewBool(true)
	}
	var list object.VirtualDeviceList
	for bus := int32(0); bus < 4; bus++ {
		list = append(list, controllersOf(values, bus)...)
	}
	for _, controller := range list {
		for unit := int32(0); unit < unitsOf(controller); unit++ {
			if d := diskAt(values, controller, unit, ds, directory); d != nil {
				list = append(list, d)
			}
		}
	}
	for i := 0; i < 10; i++ {
		if card := cardAt(values, i); card != nil {
			list = append(list, card)
		}
	}
	for _, device := range list {
		spec.DeviceChange = append(spec.DeviceChange, &types.VirtualDeviceConfigSpec{
			Operation: types.VirtualDeviceConfigSpecOperationAdd, Device: device,
		})
	}
	return spec
}

func controllersOf(values map[string]string, bus int32) object.VirtualDeviceList {
	var list object.VirtualDeviceList
	has := func(kind string) bool {
		return strings.EqualFold(values[fmt.Sprintf("%s%d.present", kind, bus)], "true")
	}
	if has("scsi") {
		list = append(list, newController(values[fmt.Sprintf("scsi%d.virtualDev", bus)], bus))
	}
	if has("sata") {
		list = append(list, newController("sata", bus))
	}
	if has("nvme") {
		list = append(list, newController("nvme", bus))
	}
	return list
}

// newController makes one as a .vmx calls it.
func newController(kind string, bus int32) types.BaseVirtualDevice {
	var device types.BaseVirtualDevice
	scsi := types.VirtualSCSIController{SharedBus: types.VirtualSCSISharingNoSharing, ScsiCtlrUnitNumber: 7}
	switch kind {
	case "pvscsi":
		device = &types.ParaVirtualSCSIController{VirtualSCSIController: scsi}
	case "buslogic":
		device = &types.VirtualBusLogicController{VirtualSCSIController: scsi}
	case "lsisas1068":
		device = &types.VirtualLsiLogicSASController{VirtualSCSIController: scsi}
	case "sata":
		device = new(types.VirtualAHCIController)
	case "nvme":
		device = new(types.VirtualNVMEController)
	case "ide":
		device = new(types.VirtualIDEController)
	default:
		device = &types.VirtualLsiLogicController{VirtualSCSIController: scsi}
	}
	device.(types.BaseVirtualController).GetVirtualController().BusNumber = bus
	device.GetVirtualDevice().Key = firstKey(device) + bus
	return device
}

func diskAt(values map[string]string, controller types.BaseVirtualDevice, unit int32,
	ds *simulator.Datastore, directory string) types.BaseVirtualDevice {
	kind := "scsi"
	switch controller.(type) {
	case types.BaseVirtualSATAController:
		kind = "sata"
	case *types.VirtualNVMEController:
		kind = "nvme"
	}
	place := fmt.Sprintf("%s%d:%d", kind, controller.(types.BaseVirtualController).GetVirtualController().BusNumber, unit)
	file := values[place+".fileName"]
	if !strings.EqualFold(values[place+".present"], "true") || !strings.HasSuffix(file, ".vmdk") {
		return nil
	}
	name := fmt.Sprintf("[%s] %s", ds.Name, path.Join(directory, file))
	if strings.HasPrefix(file, "/vmfs/volumes/") {
		parts := strings.SplitN(strings.TrimPrefix(file, "/vmfs/volumes/"), "/", 2)
		name = fmt.Sprintf("[%s] %s", parts[0], parts[len(parts)-1])
	}
	backing := &types.VirtualDiskFlatVer2BackingInfo{DiskMode: "persistent"}
	if mode := values[place+".mode"]; mode != "" {
		backing.DiskMode = strings.ReplaceAll(mode, "-", "_")
	}
	backing.FileName = name
	d := new(types.VirtualDisk)
	d.Backing = backing
	d.ControllerKey = controller.GetVirtualDevice().Key
	d.UnitNumber = &unit
	return d
}

func cardAt(values map[string]string, number int) types.BaseVirtualDevice {
	name := fmt.Sprintf("ethernet%d", number)
	if !strings.EqualFold(values[name+".present"], "true") {
		return nil
	}
	device := newCard(values[name+".virtualDev"])
	card := device.(types.BaseVirtualEthernetCard).GetVirtualEthernetCard()
	card.Backing = cardBacking(values, name)
	card.Key = -1 - int32(number)
	card.MacAddress = values[name+".address"]
	card.AddressType = map[string]string{"static": "manual", "vpx": "assigned"}[values[name+".addressType"]]
	if card.MacAddress != "" && card.AddressType == "" {
		card.AddressType = "manual"
	}
	return device
}

func cardBacking(values map[string]string, name string) types.BaseVirtualDeviceBackingInfo {
	if group := values[name+".dvs.portgroupId"]; group != "" {
		b := new(types.VirtualEthernetCardDistributedVirtualPortBackingInfo)
		b.Port.SwitchUuid = values[name+".dvs.switchId"]
		b.Port.PortgroupKey = group
		return b
	}
	b := new(types.VirtualEthernetCardNetworkBackingInfo)
	b.DeviceName = values[name+".networkName"]
	return b
}
