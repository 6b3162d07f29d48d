# SPDX-License-Identifier: GPL-3.0-or-later
"""A vSphere to back up: the simulator of test/vsphere, over TLS, with what it must not have left."""
import os
import pathlib
import sys
import tempfile

from store_case import MIB, StoreCase

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / 'vsphere'))
from vsphere import PASSWORD, Simulator  # noqa: E402  pylint: disable=wrong-import-position


class VsphereCase(StoreCase):
    """A test with a server of its own; `vc` is its name among the remembered hosts.

    settings: how it behaves from the start."""

    model, machines, settings = 'vpx', 0, {}

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory(prefix='slipway-vsphere-')
        self.addCleanup(folder.cleanup)
        self.sim = Simulator(model=self.model, machines=self.machines, tls=True,
                             settings={'task_time': 0.05} | self.settings, directory=folder.name)
        self.sim.start()
        self.addCleanup(self.sim.stop)
        self.control = self.sim.control
        self.secrets = [PASSWORD]
        self.password_file = self.dir / 'password'
        self.password_file.write_text(PASSWORD + '\n', encoding='utf-8')
        self.uri = f'vsphere://{self.sim.host}'
        self.slipway('host', 'add', 'vc', self.uri, *self.access())
        self.init()

    def access(self):
        """Options that reach it without its being remembered."""
        return ['--user', self.sim.user, '--password-file', self.password_file, '--thumbprint',
                self.sim.thumbprint()]

    def add(self, name='app01', size=16 * MIB, disks=1, **members):
        """A machine that runs, whose changes are tracked, with something on its disks."""
        members = {'cbt': True, 'disks': [{'size': size}] * disks} | members
        machine = self.control.add(name, **members)
        for number in range(disks):
            self.control.write(name, number, MIB, os.urandom(2 * MIB))
            self.control.write(name, number, size - 4096, os.urandom(4096))
        return machine

    def run_backup(self, *sources, **more):
        """What --json says of each machine."""
        return self.slipway('backup', 'run', *(sources or ['vc:app01']), **more).json['machines']

    def back_up(self, *options, name='app01', **more):
        """Of one."""
        machine, = self.run_backup(f'vc:{name}', *options, **more)
        return machine

    def assert_set(self, machine, *contents):
        """Its disks are these."""
        for disk, content in zip(machine['disks'], contents, strict=True):
            target = self.restore(machine['set']['id'], disk['name'])
            self.assertTrue(target.read_bytes() == content, disk['name'])
            target.unlink()

    def now(self, name='app01', disks=1):
        """What its guest would read."""
        return [self.control.read(name, number) for number in range(disks)]

    def assert_clean(self):
        """Nothing of ours is on the server, and nothing made it stumble."""
        state = self.control.state()
        for what in ('snapshots', 'attached', 'sessions', 'rest_sessions', 'panics'):
            self.assertFalse(state[what], what)
        self.assertFalse([lease for lease in state['leases']
                          if lease.get('state') in ('initializing', 'ready')])
        self.assertFalse([name for machine in state['machines']
                          for name in [machine['name']] if machine['consolidation_needed']])
