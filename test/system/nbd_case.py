# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the NBD server share: running nbd_serve over files, certificates, and a client
that speaks the protocol byte by byte.

The server is the program named by NBD_SERVE (test/target/nbd_serve.c).
"""
import os
import pathlib
import random
import re
import signal
import socket
import struct
import subprocess
import tempfile
import time
import unittest

PROGRAM = os.environ.get('NBD_SERVE', 'nbd_serve')
TIMEOUT = 120
REPORTS = ('AddressSanitizer', 'LeakSanitizer', 'ThreadSanitizer', 'runtime error:', 'CRITICAL **',
           'WARNING **', 'assertion failed')

OPTION = b'IHAVEOPT'
EXPORT_NAME, ABORT, LIST, STARTTLS, GO = 1, 2, 3, 5, 7
ACK, TLS_REQUIRED = 1, 0x80000005
MIB = 1 << 20


def sparse_file(path, size, seed=1, hole=3 * MIB):
    """A file of random data with holes between."""
    rand = random.Random(seed)
    with open(path, 'wb') as file:
        file.truncate(size)
        for at in range(0, size, 2 * hole):
            file.seek(at)
            file.write(rand.randbytes(min(hole, size - at)))
    return path


class Server:
    """A running nbd_serve."""

    def __init__(self, case, *words):
        self.case = case
        self.log_path = case.dir / f'log-{len(list(case.dir.iterdir()))}'
        with open(self.log_path, 'wb') as log:
            self.process = subprocess.Popen(  # pylint: disable=consider-using-with
                [PROGRAM, *map(str, words)], stdout=subprocess.PIPE, stderr=log, text=True)
        case.addCleanup(self.kill)
        self.addresses = []
        while line := self.process.stdout.readline().strip():
            self.addresses.append(line)
        if not self.addresses:
            self.process.wait(timeout=TIMEOUT)
            raise AssertionError(self.log())

    @property
    def port(self):
        """The port of the first address."""
        return int(self.addresses[0].rsplit(':', 1)[1])

    def uri(self, name='', scheme='nbd', query=''):
        """Of an export, over TCP."""
        return f'{scheme}://127.0.0.1:{self.port}/{name}' + (f'?{query}' if query else '')

    def log(self):
        """What it has said."""
        return self.log_path.read_text(encoding='utf-8')

    def expect_log(self, pattern):
        """Wait until it has said so; a client may see the end before."""
        deadline = time.monotonic() + 30
        while not re.search(pattern, self.log()):
            self.case.assertLess(time.monotonic(), deadline,
                                 f'{pattern} is not in the log:\n{self.log()}')
            time.sleep(0.01)

    def kill(self):
        """Whatever the test has left."""
        self.process.stdout.close()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def stop(self):
        """Ask it to end; it must do so in good order."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.case.assertEqual(0, self.process.wait(timeout=TIMEOUT), self.log())
        for report in REPORTS:
            self.case.assertNotIn(report, self.log())


class NbdCase(unittest.TestCase):
    """A test with a directory of its own."""

    maxDiff = 4000

    def setUp(self):
        temporary = tempfile.TemporaryDirectory(prefix='slipway-nbd-')
        self.addCleanup(temporary.cleanup)
        self.dir = pathlib.Path(temporary.name)

    def serve(self, *words, listen='127.0.0.1:0'):
        """Start a server."""
        return Server(self, '--listen', listen, *words)

    def tool(self, *command, code=0, timeout=TIMEOUT):
        """What another program says; it must end with this code (None: with a failure)."""
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False,
                              cwd=self.dir, timeout=timeout,
                              env={'PATH': os.environ['PATH'], 'HOME': str(self.dir)})
        said = f'{command}: {done.returncode}\n{done.stdout}\n{done.stderr}'
        if code is None:
            self.assertNotEqual(0, done.returncode, said)
        else:
            self.assertEqual(code, done.returncode, said)
        return done.stdout + (done.stderr if code is None else '')

    def assert_same(self, left, right):
        """Two files are equal."""
        self.tool('cmp', left, right)


class Wire:
    """A client of its own."""

    def __init__(self, server, flags=3):
        self.socket = socket.create_connection(('127.0.0.1', server.port), timeout=30)
        assert self.hear(18) == b'NBDMAGICIHAVEOPT\0\3'
        self.say(struct.pack('>I', flags))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def say(self, data):
        """Send it all."""
        self.socket.sendall(data)

    def hear(self, length):
        """Exactly so many bytes; fewer when the server hangs up."""
        data = b''
        while len(data) < length:
            try:
                part = self.socket.recv(length - len(data))
            except ConnectionResetError:
                break
            if not part:
                break
            data += part
        return data

    def option(self, number, data=b''):
        """Send an option; the type of its first reply, None when the server hangs up."""
        self.say(OPTION + struct.pack('>II', number, len(data)) + data)
        head = self.hear(20)
        if len(head) < 20:
            return None
        _, _, kind, length = struct.unpack('>QIII', head)
        self.hear(length)
        return kind

    def ended(self):
        """Has the server hung up?  Waits for it."""
        try:
            return self.socket.recv(1) == b''
        except ConnectionResetError:
            return True


class Authority:
    """A CA, with openssl(1)."""

    def __init__(self, case, name):
        self.case, self.name = case, name
        self.dir = case.dir / f'ca-{name}'
        self.dir.mkdir()
        self.index = 0
        self.run('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
                 '-days', '2', '-subj', f'/CN=CA {name}', '-keyout', 'key.pem', '-out', 'cert.pem',
                 '-addext', 'basicConstraints=critical,CA:TRUE',
                 '-addext', 'keyUsage=critical,keyCertSign,cRLSign')

    def run(self, *words):
        """openssl in its directory."""
        self.case.tool('env', '-C', self.dir, 'openssl', *words)

    def issue(self, directory, role, subject, days=2):
        """ROLE-cert.pem and ROLE-key.pem (role: server or client), and ca-cert.pem."""
        directory.mkdir(exist_ok=True)
        self.index += 1
        (self.dir / 'extensions').write_text(
            f'extendedKeyUsage={role}Auth\nkeyUsage=digitalSignature\n'
            'basicConstraints=critical,CA:FALSE\n'
            'subjectAltName=DNS:localhost,IP:127.0.0.1\n', encoding='utf-8')
        self.run('req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
                 '-subj', f'/CN={subject}', '-keyout', directory / f'{role}-key.pem',
                 '-out', 'request.pem')
        self.run('x509', '-req', '-in', 'request.pem', '-CA', 'cert.pem', '-CAkey', 'key.pem',
                 '-set_serial', str(self.index), '-days', str(days), '-extfile', 'extensions',
                 '-out', directory / f'{role}-cert.pem')
        (directory / 'ca-cert.pem').write_bytes((self.dir / 'cert.pem').read_bytes())
        return directory

    def revoke(self, certificate, into):
        """A list with this certificate, as ca-crl.pem."""
        (self.dir / 'index.txt').touch()
        (self.dir / 'ca.cnf').write_text(
            '[ca]\ndefault_ca=own\n[own]\ndatabase=index.txt\ndefault_md=sha256\n'
            'default_crl_days=2\ncertificate=cert.pem\nprivate_key=key.pem\n', encoding='utf-8')
        self.run('ca', '-config', 'ca.cnf', '-revoke', certificate)
        self.run('ca', '-config', 'ca.cnf', '-gencrl', '-out', into / 'ca-crl.pem')
