# SPDX-License-Identifier: GPL-3.0-or-later
"""Against a real vCenter or ESXi, as README.md says; the environment names it."""
import os
import ssl
import unittest
import urllib.parse

from store_case import StoreCase

NAMES = ('VSPHERE', 'USER', 'PASSWORD_FILE', 'THUMBPRINT', 'CACERT', 'VM', 'TRANSPORT', 'NETWORK')
REAL = {name: os.environ.get(f'SLIPWAY_REAL_{name}') for name in NAMES}
KEPT = ('SLIPWAY_VSPHERE_PLAIN',)  # simulators speak plain HTTP


def options(**names):
    """--option VALUE of each that is set."""
    return [word for option, name in names.items() if REAL[name]
            for word in (f'--{option}', REAL[name])]


class RealCase(StoreCase):
    timeout = 3600

    def setUp(self):
        super().setUp()
        missing = [f'SLIPWAY_REAL_{name}' for name in NAMES[:3] if not REAL[name]]
        if missing:
            self.skipTest(f'not set: {", ".join(missing)}')
        with open(REAL['PASSWORD_FILE'], encoding='utf-8') as file:
            self.password = file.readline().rstrip('\n')
        self.secrets = [self.password] if len(self.password) > 3 else []
        self.uri = REAL['VSPHERE'].rstrip('/')
        self.access = ['--user', REAL['USER'], '--password-file', REAL['PASSWORD_FILE'],
                       *options(thumbprint='THUMBPRINT', cacert='CACERT', transport='TRANSPORT')]

    def environment(self):
        return super().environment() | {name: os.environ[name] for name in KEPT
                                        if name in os.environ}


class ReadOnly(RealCase):
    def test_host(self):
        said = self.slipway('host', 'test', self.uri, *self.access).json
        self.assertEqual(said['about']['driver'], 'vsphere')
        self.assertTrue(said['about']['product'])
        kinds = {place['kind'] for place in said['places']}
        self.assertLessEqual({'datastore', 'network', 'host'}, kinds)

    def test_machines(self):
        machines = self.slipway('vm', 'list', self.uri, *self.access).json['machines']
        self.assertTrue(machines)
        ids = [machine['id'] for machine in machines]
        self.assertEqual(len(ids), len(set(ids)))
        shown = self.slipway('vm', 'show', self.uri, machines[0]['id'], *self.access).json['machine']
        self.assertEqual(shown['id'], machines[0]['id'])
        self.assertTrue(shown['native'])


class Cycle(RealCase):
    SUFFIX = '-slipway-test'

    def setUp(self):
        super().setUp()
        if not REAL['VM']:
            self.skipTest('SLIPWAY_REAL_VM is not set: nothing may be changed')
        self.vm = '/' + REAL['VM'].lstrip('/')
        self.init()

    def run_backup(self, path, *more):
        """What --json says of the machine."""
        return self.slipway('backup', 'run', self.uri + urllib.parse.quote(path), *self.access,
                            *more).json['machines'][0]

    def remove(self, machine):
        """Remove what we restored, by somebody else's client."""
        try:
            from pyVim import connect  # pylint: disable=import-outside-toplevel
        except ImportError:
            print(f'{machine["name"]} stays: python3-pyvmomi is not installed')
            return
        url = urllib.parse.urlsplit(self.uri)
        plain = 'SLIPWAY_VSPHERE_PLAIN' in os.environ
        session = connect.SmartConnect(
            protocol='http' if plain else 'https', host=url.hostname, port=url.port or 443,
            user=REAL['USER'], pwd=self.password,
            sslContext=None if plain else ssl._create_unverified_context())
        try:
            found = session.content.searchIndex.FindByUuid(None, machine['id'], True, True)
            task = found.Destroy_Task()
            self.wait_for(lambda: task.info.state in ('success', 'error'), seconds=600)
            self.assertEqual(task.info.state, 'success')
        finally:
            connect.Disconnect(session)

    def test_cycle(self):
        first = self.run_backup(self.vm, '--verify', 'all')
        self.assertIsNone(first['left'])
        second = self.run_backup(self.vm)
        if all(disk['why_full'] is None for disk in second['disks']):
            self.assertEqual(second['set']['method'], 'extents')
        else:
            print('changes could not be tracked:', second['disks'])
        self.check('--read-data')
        network = ['--network', REAL['NETWORK']] if REAL['NETWORK'] else []
        restored = self.slipway('restore', 'vm', second['set']['id'], self.uri, '--suffix',
                                self.SUFFIX, '--new-mac', *network, *self.access).json['machine']
        self.addCleanup(self.remove, restored)
        third = self.run_backup('/' + restored['id'], '--include', 'off')
        for disk in third['set']['disks']:
            same = self.slipway('backup', 'diff', second['set']['id'], third['set']['id'],
                                '--disk', disk['name']).json
            self.assertEqual(sum(entry['bytes'] for entry in same['disks']), 0, disk['name'])


if __name__ == '__main__':
    unittest.main()
