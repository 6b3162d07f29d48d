# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of online depots share: a depot's files, and servers on 127.0.0.1 for them."""
import atexit
import functools
import hashlib
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent / 'http'))

# pylint: disable=wrong-import-position,unused-import
from http_servers import Nginx, Script, Socks, Squid

import slipway_case
from fixture import vendor
from fixture.bundle import DepotTree, Vendor, write_dir
from slipway_case import TIMEOUT, Result, SlipwayCase, authority, generation, scratch

RELEASE = '5.5'
INDEX = 'vmw-depot-index.xml'
USER, PASSWORD = 'joe', 's3rver-pa$$word'
PROXY_USER, PROXY_PASSWORD = 'ann', 'pr0xy-pass w0rd'
TOKEN = 'tok.en/1'  # does not look like one, so only knowing it helps
ENCODED_TOKEN = 'tok.en%2F1'


@functools.cache
def acme(**changes):
    """Packages of another vendor, in two channels."""
    made = generation(RELEASE)
    fields = {'metadata_name': 'acme-metadata.zip'} | changes
    return (vendor.bundle(made, authority(), ['libs', 'needs-libs'], **fields),
            vendor.bundle(made, authority(), ['newer'], metadata_name='acme-beta.zip',
                          channel='beta'))


def tree(bundles=None, index_name=INDEX):
    """A depot of two vendors, as on a web server."""
    base = generation(RELEASE).bundle()
    return DepotTree((
        Vendor('VMware', 'VMX', 'esx/vmw/', (base,),
               foreign=(('embeddedDpu', '5.5.0', 'dpu-metadata.zip', 'default'),)),
        Vendor('ACME', 'ACM', 'acme', bundles or acme())), index_name)


@functools.cache
def tree_files():
    """{path: bytes} of the depot."""
    return dict(tree().entries())


def acme_vib(name):
    """One of the other vendor's packages."""
    return next(vib for bundle in acme() for vib in bundle.vibs if vib.name == name)


def vib_path(vib):
    """Where the depot has it."""
    return f'acme/{vib.depot_path}'


def server_directory():
    """A directory that servers under another account may enter."""
    directory = tempfile.mkdtemp(dir=scratch())
    os.chmod(scratch(), 0o755)
    os.chmod(directory, 0o755)
    return directory


@functools.cache
def nginx():
    """One nginx for all; it serves what lies in its `www`."""
    server = Nginx(server_directory(), USER, PASSWORD)
    atexit.register(server.close)
    return server


@functools.cache
def squid():
    """One proxy for all."""
    server = Squid(server_directory(), nginx().authority, PROXY_USER, PROXY_PASSWORD)
    atexit.register(server.close)
    return server


class Site(Script):
    """A server whose files are a dictionary, and which may be told to misbehave at some."""

    def __init__(self, files=()):
        super().__init__()
        self.put(dict(files))

    def put(self, files, prefix=''):
        """Serve {path: bytes} below `prefix`/."""
        for path, data in files.items():
            self.routes[f'{prefix}/{path}'] = functools.partial(self.answer, data)

    @staticmethod
    def answer(data, request, reply):
        """As a decent server would."""
        etag = f'"{hashlib.md5(data).hexdigest()}"'
        start = request.range_start()
        if request.headers.get('if-none-match') == etag:
            reply.full(304, ETag=etag)
        elif start and request.headers.get('if-range') == etag:
            reply.rest(data, start, ETag=etag)
        else:
            reply.full(200, data, ETag=etag)

    def redirect(self, path, target, status=302):
        """Send everybody who asks for `path` to `target`."""
        self.routes[path] = lambda _request, reply: reply.full(status, Location=target)

    def paths(self):
        """All that was asked for, in order."""
        with self.lock:
            return [request.path for request in self.requests]


class OnlineCase(SlipwayCase):
    """A test with servers."""

    def setUp(self):
        super().setUp()
        self.secrets = [PASSWORD, PROXY_PASSWORD, TOKEN, ENCODED_TOKEN, 's3rver-pa%24%24word',
                        'pr0xy-pass%20w0rd']
        self.outside = pathlib.Path(tempfile.mkdtemp(dir=scratch()))  # not searched for secrets

    def site(self, files=None):
        """A scripted server, with the depot's files unless others are given."""
        site = Site(tree_files() if files is None else files)
        self.addCleanup(site.close)
        return site

    def publish(self, entries=None):
        """Put a depot into nginx, in a directory of this test; the path of it."""
        name = f'depot-{self.id().rpartition(".")[2]}'
        write_dir((entries or tree_files()).items(), pathlib.Path(nginx().www, name))
        return f'/{name}/'

    def secret_file(self, secret):
        """A file with a secret, outside the test's directory."""
        path = self.outside / f'secret-{len(list(self.outside.iterdir()))}'
        path.write_text(secret + '\n')
        return path

    def login(self, password=PASSWORD):
        """Options for a server that wants a user."""
        return '--user', USER, '--password-file', self.secret_file(password)

    def start(self, *arguments, env=None):
        """Start it, for tests that do something meanwhile; finish() ends it."""
        process = subprocess.Popen(self.command(*arguments), cwd=self.dir,
                                   env=self.environment() | (env or {}),
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)

        def end():
            if process.poll() is None:
                process.kill()
            process.wait()
            process.stdout.close()
            process.stderr.close()
        self.addCleanup(end)
        return process

    def finish(self, process, code=0):
        """Wait for it and check it as slipway() does."""
        out, err = process.communicate(timeout=TIMEOUT)
        result = Result(process.returncode, out.decode(), err.decode(), None)
        self.check_result(result, process.args)
        self.assertEqual(code, result.code, result.stderr)
        return result

    def interrupt(self, process, number=signal.SIGINT):
        """Ctrl-C, or another signal."""
        process.send_signal(number)
        return self.finish(process, slipway_case.CANCELLED)

    def wait_until(self, condition, what):
        """Poll for it."""
        until = time.monotonic() + 20
        while not condition():
            self.assertLess(time.monotonic(), until, what)
            time.sleep(0.02)

    def private_profile(self):
        """A profile that needs only few VIBs from the servers: two of the other vendor's."""
        self.slipway('profile', 'new', 'small', '--vendor', 'Me', '--acceptance', 'community')
        self.slipway('profile', 'add', 'small', '--channel', 'ACME/default', '--force')

    def export_small(self, *options, name='small.zip', **more):
        """Export that profile."""
        return self.slipway('profile', 'export', 'small', '-o', self.dir / name, '--force',
                            *options, **more)

    def assert_kept_nowhere(self, *secrets, but=()):
        """No file of the test's directory has one of these in its name or in it."""
        for path in self.dir.rglob('*'):
            data = path.read_bytes() if path.is_file() and path.name not in but else b''
            for secret in secrets:
                self.assertNotIn(secret, str(path.relative_to(self.dir)))
                self.assertNotIn(secret.encode(), data, path)
