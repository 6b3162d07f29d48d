// SPDX-License-Identifier: GPL-3.0-or-later

package main

import "github.com/vmware/govmomi/vim25/types"

func powerOn(w *world, c *call) (interface{}, *failure) {
	m, failed := w.machineOf(c)
	if failed != nil {
		return nil, failed
	}
	if !m.running() {
		for _, d := range m.disks {
			writers, readers := w.open(d.top)
			if len(writers)+len(readers) > 0 && !d.shared() {
				return nil, locked(d.top)
			}
		}
	}
	return w.power(m, c, types.VirtualMachinePowerStatePoweredOn)
}

func powerOff(w *world, c *call) (interface{}, *failure) {
	m, failed := w.machineOf(c)
	if failed != nil {
		return nil, failed
	}
	return w.power(m, c, types.VirtualMachinePowerStatePoweredOff)
}

func suspend(w *world, c *call) (interface{}, *failure) {
	m, failed := w.machineOf(c)
	if failed != nil {
		return nil, failed
	}
	return w.power(m, c, types.VirtualMachinePowerStateSuspended)
}

func (w *world) power(m *machine, c *call, state types.VirtualMachinePowerState) (interface{}, *failure) {
	if _, failed := libraryTask(w, c); failed != nil {
		return nil, failed
	}
	m.guestFrozen = false
	m.setPower(state)
	if state == types.VirtualMachinePowerStatePoweredOn {
		m.stun()
	}
	m.refresh()
	return nil, nil
}
