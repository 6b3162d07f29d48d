#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Print a virtual machine as JSON, as pyVmomi sees it: look.py PORT NAME.

For tests that are not written in Python; user and password are the simulator's."""
import json
import os
import sys
import types

# Not this directory, where vsphere.py would be taken for the package.
sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# pylint: disable=wrong-import-position
from pyVmomi import vim

from vsphere.api import Api
from vsphere.vsphere import PASSWORD, USER


def path_of(entity):
    """From the root folder on."""
    names = []
    while entity is not None and entity.parent is not None:
        names.insert(0, entity.name)
        entity = entity.parent
    return '/' + '/'.join(names)


def wsdl(value):
    """The type's name in the API."""
    return type(value)._wsdlName


def device(one, devices):
    """What tests want to know of a virtual device."""
    out = {'type': wsdl(one), 'key': one.key, 'unit': one.unitNumber}
    controller = next((d for d in devices if d.key == one.controllerKey), None)
    if controller is not None:
        out['controller'] = wsdl(controller)
        out['bus'] = getattr(controller, 'busNumber', None)
    if isinstance(one, vim.vm.device.VirtualDisk):
        out.update(kb=one.capacityInKB, file=one.backing.fileName, mode=one.backing.diskMode,
                   thin=bool(one.backing.thinProvisioned))
    if isinstance(one, vim.vm.device.VirtualEthernetCard):
        out.update(mac=one.macAddress, address=one.addressType,
                   start_connected=one.connectable.startConnected, backing=wsdl(one.backing))
        port = getattr(one.backing, 'port', None)
        out['network'] = getattr(one.backing, 'deviceName', None)
        if port is not None:
            out.update(switch=port.switchUuid, group=port.portgroupKey)
    if isinstance(one, vim.vm.device.VirtualCdrom):
        out['backing'] = wsdl(one.backing)
    if isinstance(one, vim.vm.device.VirtualVideoCard):
        out['video_kb'] = one.videoRamSizeInKB
    return out


def describe(api, machine):
    """Everything."""
    config = machine.config
    groups = {group.key: group.name for group in
              api.view(vim.dvs.DistributedVirtualPortgroup)} if not api.sim.esx else {}
    out = {
        'name': config.name, 'path': path_of(machine), 'pool': path_of(machine.resourcePool),
        'host': machine.runtime.host.name, 'power': machine.runtime.powerState,
        'annotation': config.annotation, 'firmware': config.firmware, 'version': config.version,
        'uuid': config.uuid, 'guest': config.guestId, 'cpus': config.hardware.numCPU,
        'cores': config.hardware.numCoresPerSocket, 'memory_mb': config.hardware.memoryMB,
        'files': config.files.vmPathName,
        'cpu_hot_add': config.cpuHotAddEnabled, 'memory_hot_add': config.memoryHotAddEnabled,
        'nested': config.nestedHVEnabled,
        'secure_boot': bool(config.bootOptions and config.bootOptions.efiSecureBootEnabled),
        'boot_delay': config.bootOptions and config.bootOptions.bootDelay,
        'boot_order': [one.deviceKey for one in
                       (config.bootOptions and config.bootOptions.bootOrder) or []],
        'disk_uuid': bool(config.flags and config.flags.diskUuidEnabled),
        'extra': {one.key: one.value for one in config.extraConfig or []},
        'cpu_reservation': config.cpuAllocation and config.cpuAllocation.reservation,
        'devices': [device(one, config.hardware.device) for one in config.hardware.device],
    }
    for one in out['devices']:
        if 'group' in one:
            one['network'] = groups.get(one['group'])
    return out


def main():
    """A session for one look."""
    port, name = int(sys.argv[1]), sys.argv[2]
    sim = types.SimpleNamespace(port=port, tls=False, user=USER, password=PASSWORD, esx=False)
    with Api(sim) as api:
        json.dump(describe(api, api.vm(name)), sys.stdout, default=str)


if __name__ == '__main__':
    main()
