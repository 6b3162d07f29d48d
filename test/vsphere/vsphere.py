# SPDX-License-Identifier: GPL-3.0-or-later
"""The vSphere simulator, started for a test and ended with it.

    with Simulator(model='vpx', machines=1) as sim:
        sim.control.write('DC0_H0_VM0', 0, 65536, b'x' * 512)
        ... sim.url, sim.user, sim.password ...

The program is in the environment's VSPHERE_SIMULATOR; the README says what it can do.
"""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import threading
import unittest
import urllib.error
import urllib.parse
import urllib.request

START_SECONDS = 60
USER = 'root'
PASSWORD = 'only-for-tests'


def program():
    """Where the simulator is; a reason to skip when it is not."""
    path = os.environ.get('VSPHERE_SIMULATOR', '')
    if not path or not os.access(path, os.X_OK):
        raise unittest.SkipTest('the vSphere simulator was not built: needs golang-go and '
                                'golang-github-vmware-govmomi-dev')
    return path


def certificate(directory, name='127.0.0.1'):
    """Make a key and a certificate for an address: paths of both."""
    key, cert = pathlib.Path(directory) / 'key.pem', pathlib.Path(directory) / 'cert.pem'
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '30',
                    '-subj', f'/CN={name}', '-addext', f'subjectAltName=IP:{name}',
                    '-keyout', key, '-out', cert], check=True, capture_output=True)
    return cert, key


class ControlError(AssertionError):
    """The simulator did not do what a test wanted of it."""


class Control:
    """What a test does behind the API's back."""

    def __init__(self, url):
        self.url = url
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def _request(self, path, body=None, method=None):
        request = urllib.request.Request(f'{self.url}/{path}', data=body, method=method)
        try:
            with self.opener.open(request, timeout=300) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            raise ControlError(error.read().decode()) from None

    def call(self, control, /, **members):
        """Any control, by its name."""
        return json.loads(self._request(control, json.dumps(members).encode()))

    def state(self):
        """Everything that is so: machines, snapshots, sessions, leases, counts, panics..."""
        return self.call('state')

    def settings(self, **changes):
        """How the server behaves from now on; returns all settings."""
        return self.call('settings', **changes)

    def add(self, name, **members):
        """A machine that has been there all along; returns what it is."""
        return self.call('add', name=name, **members)

    def machine(self, vm, **changes):
        """Change a machine, or nothing; returns what it is."""
        return self.call('machine', vm=vm, **changes)

    def rule(self, method, **members):
        """Calls of a method, or requests ("GET /folder"), go wrong: see rule.go."""
        return self.call('rule', method=method, **members)['id']

    def clear(self):
        """No rule any more."""
        return self.call('clear')

    def expire(self):
        """Every session is forgotten now."""
        return self.call('expire')

    def pass_time(self, seconds):
        """Sessions and leases look as if they had not been used for so much longer."""
        return self.call('pass', seconds=seconds)

    def reset_counts(self):
        """Counts and bytes begin at 0."""
        return self.call('counts')

    def tag(self, vm, category, name, detach=False):
        """Attach a tag, which is made when it is not there."""
        return self.call('tag', vm=vm, category=category, name=name, detach=detach)

    def delete_tag(self, category, name):
        """For everybody."""
        return self.call('tag', category=category, name=name, delete=True)

    def host(self, name, **changes):
        """Change a host: `connection`, `maintenance`."""
        return self.call('host', name=name, **changes)

    def datastore(self, name, **members):
        """One more datastore, or a change of one: its reference and directory."""
        return self.call('datastore', name=name, **members)

    def pool(self, name, parent=''):
        """One more resource pool."""
        return self.call('pool', name=name, parent=parent)

    def write(self, vm, disk, offset, data):
        """What a guest writes: whole sectors."""
        query = urllib.parse.urlencode({'vm': vm, 'disk': disk, 'offset': offset})
        self._request(f'data?{query}', bytes(data), 'PUT')

    def read(self, vm, disk=0, offset=0, length=None, snapshot=None):
        """What a guest reads now, or what a snapshot (name or reference) has frozen."""
        query = {'vm': vm, 'disk': disk, 'offset': offset}
        if length is not None:
            query['length'] = length
        if snapshot is not None:
            query['snapshot'] = snapshot
        return self._request('data?' + urllib.parse.urlencode(query))


class Simulator:
    """A server of its own, on free ports, with a directory of its own."""

    def __init__(self, model='vpx', tls=False, machines=2, user=USER, password=PASSWORD,
                 cert=None, key=None, settings=None, directory=None,
                 version='6.7.0', datacenters=1, folders=0):
        self.model, self.machines = model, machines
        self.user, self.password = user, password
        self.tls, self.cert, self.key = tls, cert, key
        self.first_settings = settings or {}
        self.parent = directory
        self.more = ['-version', version, '-datacenters', str(datacenters),
                     '-folders', str(folders)]
        self.child = self.scratch = self.listener = None
        self.url = self.control = self.directory = None
        self.noise = []

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        """Start it, and wait until it answers."""
        path = program()
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix='vsphere-', dir=self.parent))
        arguments = [path, '-model', self.model, '-machines', str(self.machines),
                     '-user', self.user, '-password', self.password,
                     '-directory', str(self.scratch / 'stores'), *self.more]
        if self.tls and self.cert is None:
            self.cert, self.key = certificate(self.scratch)
        if self.cert is not None:
            arguments += ['-cert', str(self.cert), '-key', str(self.key)]
        self.child = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, text=True)
        self.listener = threading.Thread(target=self._listen, args=(self.child,), daemon=True)
        self.listener.start()
        line = self.child.stdout.readline()
        if not line:
            words = self._words()
            self.stop()
            raise AssertionError(f'the simulator did not start: {words}')
        told = json.loads(line)
        self.url, self.directory = told['url'], pathlib.Path(told['directory'])
        self.control = Control(told['control'])
        if self.first_settings:
            self.control.settings(**self.first_settings)

    def _listen(self, child):
        for line in child.stderr:
            self.noise.append(line)

    def _words(self):
        self.child.wait(timeout=START_SECONDS)
        return ''.join(self.noise)

    @property
    def host(self):
        """HOST:PORT of the API."""
        return urllib.parse.urlsplit(self.url).netloc

    @property
    def port(self):
        """Of the API."""
        return urllib.parse.urlsplit(self.url).port

    def thumbprint(self, digest='sha256'):
        """Of the certificate: hexadecimal with colons."""
        done = subprocess.run(['openssl', 'x509', '-in', self.cert, '-noout', '-fingerprint',
                               f'-{digest}'], check=True, capture_output=True, text=True)
        return done.stdout.strip().partition('=')[2]

    def stop(self):
        """End it; nothing of it is left."""
        if self.child is not None:
            if self.child.poll() is None:
                self.child.terminate()
            try:
                self.child.wait(timeout=START_SECONDS)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
            self.listener.join(timeout=START_SECONDS)
            for stream in (self.child.stdin, self.child.stdout, self.child.stderr):
                stream.close()
            self.child = None
        if self.scratch is not None:
            shutil.rmtree(self.scratch, ignore_errors=True)
            self.scratch = None
