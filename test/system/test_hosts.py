# SPDX-License-Identifier: GPL-3.0-or-later
"""Hypervisors that are remembered, and the ways in which one can be named wrongly."""
import json
import os
import stat
import unittest

from slipway_case import EXISTS, NETWORK, NOT_FOUND, USAGE
from store_case import StoreCase

PASSWORD = 'Kq7-unlikely-word-93'


class Hosts(StoreCase):
    """Nothing listens at these addresses: they are reserved for documentation, or refused."""

    URI = 'vsphere://127.0.0.1:9'

    def setUp(self):
        super().setUp()
        self.secrets = [PASSWORD]
        self.file = self.dir / '.config/slipway/hosts.json'

    def add(self, name='vc1', uri=None, *options, **more):
        """Remember one without a trial."""
        return self.slipway('host', 'add', name, uri or self.URI, '--no-test', *options, **more)

    def hosts(self):
        """Those that are remembered, by name."""
        return {host['name']: host for host in self.slipway('host', 'list').json['hosts']}

    def test_remembered_and_forgotten(self):
        self.assertEqual(self.hosts(), {})
        self.add('vc1', None, '--user', 'backup@vsphere.local', env={'SLIPWAY_PASSWORD': PASSWORD})
        self.add('kvm', 'qemu:///system')
        self.assertEqual(list(self.hosts()), ['kvm', 'vc1'])
        self.assertEqual(self.hosts()['vc1']['uri'], self.URI)
        self.assertEqual(self.hosts()['vc1']['user'], 'backup@vsphere.local')
        self.assertIn('vc1', self.slipway('host', 'list', text=True).stdout)
        self.slipway('host', 'remove', 'kvm', 'vc1')
        self.assertEqual(self.hosts(), {})
        left = [path for path in self.file.parent.rglob('*') if path.suffix == '.password']
        self.assertEqual(left, [])

    def test_password_is_the_users_alone(self):
        self.add('vc1', None, '--user', 'u', env={'SLIPWAY_PASSWORD': PASSWORD})
        self.assertNotIn(PASSWORD, self.file.read_text(encoding='utf-8'))
        kept = [path for path in self.file.parent.rglob('*')
                if path.is_file() and PASSWORD in path.read_text(encoding='utf-8')]
        self.assertEqual(len(kept), 1)
        for path in [self.file, *kept]:
            self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600, path)

    def test_password_file_is_only_named(self):
        secret = self.dir / 'secret'
        secret.write_text(PASSWORD + '\n', encoding='utf-8')
        self.add('vc1', None, '--user', 'u', '--password-file', secret)
        kept = [path for path in self.file.parent.rglob('*')
                if path.is_file() and PASSWORD in path.read_text(encoding='utf-8')]
        self.assertEqual(kept, [])
        self.assertIn(str(secret), self.file.read_text(encoding='utf-8'))
        self.slipway('host', 'remove', 'vc1')
        self.assertTrue(secret.exists())

    def test_names(self):
        for name in ('', '.x', 'a/b', 'a b', 'a:b', 'x' * 65):
            self.fails(USAGE, 'host', 'add', '--no-test', name, 'qemu:///system')
        self.add('kvm', 'qemu:///system')
        self.fails(EXISTS, 'host', 'add', 'kvm', 'qemu:///session', '--no-test', words=['kvm'])
        self.add('kvm', 'qemu:///session', '--overwrite')
        self.assertEqual(self.hosts()['kvm']['uri'], 'qemu:///session')
        self.fails(NOT_FOUND, 'host', 'remove', 'nobody', words=['nobody'])

    def test_what_is_no_hypervisor(self):
        self.fails(USAGE, 'host', 'add', 'x', 'http://example.net/', '--no-test')
        self.fails(NOT_FOUND, 'vm', 'list', 'nobody', words=['nobody', 'host list'])
        self.fails(USAGE, 'host', 'add', 'x', 'vsphere://', '--user', 'u',
                   env={'SLIPWAY_PASSWORD': PASSWORD})

    def test_not_there(self):
        env = {'SLIPWAY_PASSWORD': PASSWORD}
        self.init()
        self.fails(NETWORK, 'host', 'add', 'vc1', self.URI, '--user', 'u', '--retries', '0',
                   env=env, words=['127.0.0.1:9'])
        self.assertEqual(self.hosts(), {})
        self.add('vc1', None, '--user', 'u', env=env)
        self.fails(NETWORK, 'vm', 'list', 'vc1', '--retries', '0', words=['127.0.0.1:9'])
        self.fails(NETWORK, 'backup', 'run', 'vc1:/DC0/vm/x', '--retries', '0')
        self.fails(NETWORK, 'backup', 'run', 'vsphere://vc1/DC0/vm/x', '--retries', '0',
                   words=['127.0.0.1:9'])
        self.fails(NETWORK, 'vm', 'list', f'qmp://{self.dir}/no.sock', words=['no.sock'])

    def test_credentials_are_asked_for_in_words(self):
        self.fails(USAGE, 'vm', 'list', self.URI, words=['--user'])
        self.fails(USAGE, 'vm', 'list', self.URI, '--user', 'u', words=['--password-file'])

    def test_damaged_list(self):
        self.file.parent.mkdir(parents=True)
        for text in ('', '{', '[]', '{"version": 99, "hosts": []}', '{"hosts": 3}'):
            self.file.write_text(text, encoding='utf-8')
            result = self.slipway('host', 'list', code=None)
            self.assertNotEqual(result.code, 0, text)
            self.assertIn(str(self.file), result.error)

    def test_other_file(self):
        other = self.dir / 'elsewhere.json'
        env = {'SLIPWAY_HOSTS': str(other)}
        self.add('kvm', 'qemu:///system', env=env)
        self.assertTrue(other.exists())
        self.assertEqual(self.hosts(), {})
        self.assertIsInstance(json.loads(other.read_text(encoding='utf-8')), dict)

    def test_files_are_not_machines(self):
        """A file called like a remembered host and a path is a file."""
        self.add('kvm', 'qemu:///system')
        with open(self.dir / 'kvm:x', 'wb') as file:
            os.truncate(file.fileno(), 1 << 20)
        self.init()
        self.backup('kvm:x', name='m')
        self.assertEqual(len(self.sets()), 1)

    def test_name_that_is_not_remembered(self):
        """Not taken for a file that is missing."""
        self.fails(NOT_FOUND, 'backup', 'run', '--dry-run', 'nobody:/DC0/vm/x',
                   words=['host called nobody', 'host list'])
        self.file.parent.mkdir(parents=True)
        self.file.write_text('{', encoding='utf-8')
        result = self.slipway('backup', 'run', '--dry-run', 'vc1:app01', code=None)
        self.assertNotEqual(result.code, 0)
        self.assertIn(str(self.file), result.error)

    def test_password_in_a_uri(self):
        """It is neither taken nor shown, also where the user's name has an @ of its own."""
        for uri in (f'vsphere://root:{PASSWORD}@127.0.0.1:9',
                    f'vsphere://administrator@vsphere.local:{PASSWORD}@127.0.0.1:9',
                    f'vsphere://root:a/{PASSWORD}@127.0.0.1:9'):
            self.fails(USAGE, 'host', 'add', 'vc1', uri, '--no-test', words=['password'])
            self.fails(USAGE, 'backup', 'run', '--dry-run', f'{uri}/a', f'{self.URI}/b',
                       words=['2 of 2 failed', 'password'])
        self.assertEqual(self.hosts(), {})

    def test_options_of_disks_are_refused(self):
        self.init()
        self.fails(USAGE, 'backup', 'run', 'qemu:///system/x', '--config', '/dev/null',
                   words=['--config'])
        self.fails(USAGE, 'backup', 'run', 'qemu:///system/x', '/dev/null', words=['/dev/null'])
        self.fails(USAGE, 'restore', 'vm', 'x', 'kvm', '--keep-mac', '--new-mac')
        self.fails(USAGE, 'restore', 'vm', 'x', 'kvm', '--vm', 'y', words=['--in-place'])
        self.fails(USAGE, 'restore', 'vm', 'x', 'kvm', '--in-place', '--name', 'y', '--yes',
                   words=['--name', '--in-place'])
        self.fails(USAGE, 'restore', 'vm', 'x', 'kvm', '--in-place', '--network', 'a', '--yes',
                   words=['--network'])
        self.fails(USAGE, 'backup', 'run', 'qemu:///system/x', 'qemu:///system/y', '--name', 'z',
                   words=['--name'])


if __name__ == '__main__':
    unittest.main()
