# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests of the simulator share.  They use pyVmomi, which shares nothing with the simulator; a
program without it is skipped."""
import sys
import time
import unittest

try:
    from pyVmomi import vim
except ImportError:
    print('skipped: needs python3-pyvmomi', file=sys.stderr)
    sys.exit(77)

import vsphere
from api import Api, disks_of

BLOCK = 64 << 10
SIZE = 16 << 20
DS = '[LocalDS_0]'


class Case(unittest.TestCase):
    """A simulator with the machine app01, powered on, with one disk, and a client of it."""
    model = 'vpx'
    machines = 0
    version = '6.7.0'

    def setUp(self):
        self.sim = vsphere.Simulator(model=self.model, machines=self.machines, version=self.version)
        self.sim.start()
        self.addCleanup(self.sim.stop)
        self.control = self.sim.control
        self.control.settings(task_time=0.01)
        self.control.add('app01', **self.first())
        self.api = Api(self.sim)
        self.addCleanup(self.api.__exit__)
        self.vm = self.api.vm('app01')

    def tearDown(self):
        self.assertEqual(self.control.state()['panics'], [])

    def first(self):
        """What app01 is like."""
        return {'cbt': True}

    def until(self, holds):
        """Wait until it does; what it returned."""
        end = time.monotonic() + 60
        while not (value := holds()):
            self.assertLess(time.monotonic(), end, 'it does not happen')
            time.sleep(0.01)
        return value

    def snapshot(self, name='backup', quiesce=False, vm=None):
        """Take one."""
        return self.api.wait((vm or self.vm).CreateSnapshot_Task(name, 'words', False, quiesce))

    def remove(self, snapshot, children=False):
        """Remove one."""
        self.api.wait(snapshot.RemoveSnapshot_Task(children))

    def reconfigure(self, spec, vm=None):
        """Change the configuration."""
        return self.api.wait((vm or self.vm).ReconfigVM_Task(spec))

    def change_id(self, snapshot):
        """Of its first disk."""
        return disks_of(snapshot.config)[0].backing.changeId

    def areas(self, snapshot, change, vm=None, size=SIZE, key=2000):
        """All changed areas, asked for part by part; `self.replies` is how many it took."""
        found, at, self.replies = [], 0, 0
        while at < size:
            info = (vm or self.vm).QueryChangedDiskAreas(snapshot, key, at, change)
            self.assertEqual(info.startOffset, at)
            self.assertGreater(info.length, 0)
            found += [(one.start, one.length) for one in info.changedArea]
            at += info.length
            self.replies += 1
        return found

    def read(self, snapshot=None, disk=0):
        """The disk now, or as a snapshot has it."""
        return self.control.read('app01', disk, snapshot=snapshot)


def bytes_at(data, offset, value):
    """`data` with `value` in it."""
    return data[:offset] + value + data[offset + len(value):]
