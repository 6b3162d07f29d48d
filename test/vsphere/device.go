// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"fmt"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// diskChange is what shall be done to a disk, and where that stands in the request.
type diskChange struct {
	index int
	spec  *types.VirtualDeviceConfigSpec
	disk  *types.VirtualDisk
}

func invalidDevice(index int, property string) *failure {
	f := &types.InvalidDeviceSpec{DeviceIndex: int32(index)}
	f.Property = property
	return fail(f, "Invalid configuration for device '%d'.", index)
}

func invalidBacking(index int) *failure {
	f := new(types.InvalidDeviceBacking)
	f.DeviceIndex = int32(index)
	f.Property = fmt.Sprintf("virtualDeviceSpec[%d].device.backing", index)
	return fail(f, "Invalid backing for device '%d'.", index)
}

// splitDevices takes the disks, which are ours, from what the library shall do, and refuses what
// it would fall over.
func (w *world) splitDevices(dc *simulator.Datacenter, present []types.BaseVirtualDevice,
	changes []types.BaseVirtualDeviceConfigSpec) (others []types.BaseVirtualDeviceConfigSpec, disks []diskChange, failed *failure) {
	for i, change := range changes {
		spec := change.GetVirtualDeviceConfigSpec()
		if spec.Device == nil {
			return nil, nil, invalidDevice(i, "device")
		}
		if vd, is := spec.Device.(*types.VirtualDisk); is {
			disks = append(disks, diskChange{i, spec, vd})
			continue
		}
		if card, is := spec.Device.(types.BaseVirtualEthernetCard); is {
			if failed = w.checkCard(dc, i, spec, card.GetVirtualEthernetCard()); failed != nil {
				return nil, nil, failed
			}
		}
		device := spec.Device.GetVirtualDevice()
		known := deviceOf(present, device.Key)
		if spec.Operation != types.VirtualDeviceConfigSpecOperationAdd {
			if known == nil {
				return nil, nil, invalidDevice(i, "device.key")
			}
			if device.DeviceInfo == nil { // the library needs it
				info := *known.GetVirtualDevice().DeviceInfo.GetDescription()
				device.DeviceInfo = &info
			}
			if device.Backing == nil {
				device.Backing = known.GetVirtualDevice().Backing
			}
		}
		others = append(others, change)
	}
	return others, disks, nil
}

func deviceOf(devices []types.BaseVirtualDevice, key int32) types.BaseVirtualDevice {
	for _, d := range devices {
		if d.GetVirtualDevice().Key == key {
			return d
		}
	}
	return nil
}

// checkCard looks whether its network is there, and gives it an address.
func (w *world) checkCard(dc *simulator.Datacenter, index int,
	spec *types.VirtualDeviceConfigSpec, card *types.VirtualEthernetCard) *failure {
	if spec.Operation == types.VirtualDeviceConfigSpecOperationRemove {
		return nil
	}
	switch b := card.Backing.(type) {
	case *types.VirtualEthernetCardNetworkBackingInfo:
		if simulator.Map.FindByName(b.DeviceName, dc.Network) == nil {
			return invalidBacking(index)
		}
	case *types.VirtualEthernetCardDistributedVirtualPortBackingInfo:
		if !switchHas(b.Port.SwitchUuid, b.Port.PortgroupKey) {
			return invalidBacking(index)
		}
	case nil:
		if spec.Operation == types.VirtualDeviceConfigSpecOperationAdd {
			return invalidBacking(index)
		}
	}
	if card.AddressType == "" && card.MacAddress == "" || card.AddressType == "generated" || card.AddressType == "assigned" {
		if spec.Operation == types.VirtualDeviceConfigSpecOperationAdd {
			card.AddressType = "assigned"
			prefix := "00:50:56:9a"
			if w.esx {
				card.AddressType, prefix = "generated", "00:0c:29:5e"
			}
			n := w.next()
			card.MacAddress = fmt.Sprintf("%s:%02x:%02x", prefix, n>>8&255, n&255)
		}
	}
	return nil
}

func switchHas(id, group string) bool {
	for _, e := range simulator.Map.All("DistributedVirtualPortgroup") {
		pg := e.(*simulator.DistributedVirtualPortgroup)
		if pg.Key != group && pg.Self.Value != group || pg.Config.DistributedVirtualSwitch == nil {
			continue
		}
		if s, ok := simulator.Map.Get(*pg.Config.DistributedVirtualSwitch).(*simulator.DistributedVirtualSwitch); ok && s.Uuid == id {
			return true
		}
	}
	return false
}

// assignKeys gives new devices keys as servers do, and corrects those that refer to them.
func assignKeys(present []types.BaseVirtualDevice, changes []types.BaseVirtualDeviceConfigSpec) {
	used := map[int32]bool{}
	for _, d := range present {
		used[d.GetVirtualDevice().Key] = true
	}
	renamed := map[int32]int32{}
	for _, change := range changes {
		spec := change.GetVirtualDeviceConfigSpec()
		if spec.Operation != types.VirtualDeviceConfigSpecOperationAdd || spec.Device == nil {
			continue
		}
		d := spec.Device.GetVirtualDevice()
		if controller, is := spec.Device.(types.BaseVirtualController); is {
			key := firstKey(spec.Device) + controller.GetVirtualController().BusNumber
			if d.Key <= 0 || used[d.Key] && key != d.Key {
				for used[key] && !isIDE(spec.Device) {
					key++
				}
				renamed[d.Key], d.Key = key, key
			}
			used[d.Key] = true
		}
	}
	for _, change := range changes {
		spec := change.GetVirtualDeviceConfigSpec()
		if spec.Operation != types.VirtualDeviceConfigSpecOperationAdd || spec.Device == nil {
			continue
		}
		d := spec.Device.GetVirtualDevice()
		if key, ok := renamed[d.ControllerKey]; ok {
			d.ControllerKey = key
		}
		if _, is := spec.Device.(types.BaseVirtualController); is {
			continue
		}
		if _, disk := spec.Device.(*types.VirtualDisk); disk || d.Key <= 0 || used[d.Key] {
			d.Key = firstKey(spec.Device)
			for used[d.Key] {
				d.Key++
			}
		}
		used[d.Key] = true
	}
}

func isIDE(device types.BaseVirtualDevice) bool {
	_, is := device.(*types.VirtualIDEController)
	return is
}

// firstKey is where the keys of a kind of device begin.
func firstKey(device types.BaseVirtualDevice) int32 {
	switch d := device.(type) {
	case *types.VirtualIDEController:
		return 200
	case types.BaseVirtualSCSIController:
		return 1000
	case types.BaseVirtualSATAController:
		return 15000
	case *types.VirtualNVMEController:
		return 31000
	case *types.VirtualDisk:
		switch base := d.ControllerKey; {
		case base >= 200 && base < 300:
			return 3000 + 2*(base-200)
		case base >= 15000 && base < 16000:
			return 16000 + 30*(base-15000)
		case base >= 31000:
			return 32000 + 15*(base-31000)
		default:
			unit := int32(0)
			if d.UnitNumber != nil {
				unit = *d.UnitNumber
			}
			return 2000 + 16*(base-1000) + unit
		}
	case types.BaseVirtualEthernetCard:
		return 4000
	case *types.VirtualCdrom:
		return 3010
	}
	return 13000
}

// unitsOf is how many units a controller has; 0: it is none for disks.
func unitsOf(controller types.BaseVirtualDevice) int32 {
	switch controller.(type) {
	case *types.VirtualIDEController:
		return 2
	case *types.ParaVirtualSCSIController, types.BaseVirtualSCSIController:
		return 16
	case types.BaseVirtualSATAController:
		return 30
	case *types.VirtualNVMEController:
		return 15
	}
	return 0
}

// checkUnit refuses a place that is taken, not there, or the controller's own.
func (m *machine) checkUnit(change diskChange) *failure {
	d := change.disk
	property := func(name string) string {
		return fmt.Sprintf("configSpec.deviceChange[%d].device.%s", change.index, name)
	}
	controller := deviceOf(m.vm.Config.Hardware.Device, d.ControllerKey)
	if controller == nil || unitsOf(controller) == 0 {
		f := new(types.MissingController)
		f.DeviceIndex = int32(change.index)
		return fail(f, "A controller is missing for device '%d'.", change.index)
	}
	if d.UnitNumber == nil || *d.UnitNumber < 0 || *d.UnitNumber >= unitsOf(controller) {
		return invalidDevice(change.index, property("unitNumber"))
	}
	_, scsi := controller.(types.BaseVirtualSCSIController)
	if scsi && *d.UnitNumber == 7 {
		return invalidDevice(change.index, property("unitNumber"))
	}
	if isIDE(controller) && m.running() {
		return fail(new(types.DeviceHotPlugNotSupported), "Device hot-plug is not supported for IDE.")
	}
	for _, other := range m.vm.Config.Hardware.Device {
		o := other.GetVirtualDevice()
		if o.ControllerKey == d.ControllerKey && o.UnitNumber != nil && *o.UnitNumber == *d.UnitNumber {
			return invalidDevice(change.index, property("unitNumber"))
		}
	}
	return nil
}
