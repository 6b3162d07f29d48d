#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The NBD server with other people's clients: libnbd's tools and QEMU's."""
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import time
import unittest

from nbd_case import (ACK, EXPORT_NAME, GO, LIST, MIB, PROGRAM, STARTTLS, TLS_REQUIRED, Authority,
                      NbdCase, Wire, sparse_file)

SIZE = 40 * MIB + 1536


class Reading(NbdCase):
    """An export that is read."""

    def setUp(self):
        super().setUp()
        self.image = sparse_file(self.dir / 'image', SIZE)
        self.server = self.serve('--read-only', '--changed', f'disk={self.image}',
                                 'empty=memory:1048576')

    def tearDown(self):
        self.server.stop()

    def test_nbdinfo(self):
        """What is offered, as nbdinfo understands it."""
        info = json.loads(self.tool('nbdinfo', '--json', self.server.uri('disk')))
        export = info['exports'][0]
        self.assertEqual('newstyle-fixed', info['protocol'])
        self.assertTrue(info['structured'])
        self.assertEqual(SIZE, export['export-size'])
        self.assertEqual(['base:allocation', 'slipway:changed'], export['contexts'])
        for name, value in {'is_read_only': True, 'can_multi_conn': True, 'can_df': True,
                            'can_cache': True, 'can_trim': False, 'can_flush': False,
                            'block_size_minimum': 1, 'block_size_maximum': 32 * MIB}.items():
            self.assertEqual(value, export[name], name)
        listed = json.loads(self.tool('nbdinfo', '--json', '--list', self.server.uri()))
        self.assertEqual({'disk': str(self.image), 'empty': 'memory:1048576'},
                         {e['export-name']: e['description'] for e in listed['exports']})
        self.tool('nbdinfo', '--size', self.server.uri('other'), code=1)
        self.server.expect_log('it asks for export "other", which is not there')

    def test_map(self):
        """The extents are those of the file."""
        lines = json.loads(self.tool('nbdinfo', '--json', '--map', self.server.uri('disk')))
        at = 0
        for line in lines:
            self.assertEqual(at, line['offset'])
            at += line['length']
            self.assertEqual(3 if (line['offset'] // (3 * MIB)) % 2 else 0, line['type'])
        self.assertEqual(SIZE, at)
        self.assertEqual(14, len(lines))
        changed = json.loads(
            self.tool('nbdinfo', '--json', '--map=slipway:changed', self.server.uri('disk')))
        at = 0
        for line in changed:
            self.assertEqual((at, at // 65536 % 2), (line['offset'], line['type']))
            self.assertEqual(min(65536, SIZE - at), line['length'])
            at += line['length']
        self.assertEqual(SIZE, at)

    def test_nbdcopy(self):
        """Several connections, sparse output."""
        out = self.dir / 'out'
        self.tool('nbdcopy', self.server.uri('disk'), out)
        self.assert_same(self.image, out)
        self.assertLess(os.stat(out).st_blocks * 512, SIZE * 2 // 3)
        self.tool('nbdcopy', '--connections=1', '--requests=3', '--request-size=33554432',
                  self.server.uri('disk'), out)
        self.assert_same(self.image, out)
        self.tool('nbdcopy', '--synchronous', '--no-extents', self.server.uri('disk'), out)
        self.assert_same(self.image, out)

    def test_qemu_img(self):
        """Convert, compare, map."""
        out = self.dir / 'out'
        self.tool('qemu-img', 'convert', '-f', 'raw', '-O', 'raw', self.server.uri('disk'), out)
        self.assert_same(self.image, out)
        self.assertLess(os.stat(out).st_blocks * 512, SIZE * 2 // 3)
        self.tool('qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', '-m', '16', '-W',
                  self.server.uri('disk'), self.dir / 'out.qcow2')
        self.tool('qemu-img', 'compare', '-F', 'raw', self.dir / 'out.qcow2',
                  self.server.uri('disk'))
        said = json.loads(self.tool('qemu-img', 'map', '--output=json', '-f', 'raw',
                                    self.server.uri('disk')))
        self.assertEqual(14, len(said))
        self.assertTrue(all(line['zero'] == bool(line['start'] // (3 * MIB) % 2) for line in said))

    def test_old_client(self):
        """One that only knows NBD_OPT_EXPORT_NAME, and zeros behind the reply."""
        with Wire(self.server, flags=0) as wire:
            wire.say(b'IHAVEOPT' + struct.pack('>II', EXPORT_NAME, 4) + b'disk')
            reply = wire.hear(134)
            self.assertEqual(SIZE, struct.unpack('>Q', reply[:8])[0])
            self.assertEqual(bytes(124), reply[10:])
            wire.say(struct.pack('>IHH8sQI', 0x25609513, 0, 0, b'a cookie', 12345, 5))
            with open(self.image, 'rb') as file:
                file.seek(12345)
                self.assertEqual(struct.pack('>II', 0x67446698, 0) + b'a cookie' + file.read(5),
                                 wire.hear(21))
            wire.say(struct.pack('>IHH8sQI', 0x25609513, 0, 2, b'bye', 0, 0))
            self.assertTrue(wire.ended())

    @unittest.skipUnless(shutil.which('nbdfuse') and os.path.exists('/dev/fuse'), 'no nbdfuse')
    def test_nbdfuse(self):
        """As a file of the kernel's."""
        mount = self.dir / 'mount'
        mount.mkdir()
        with subprocess.Popen(['nbdfuse', '--readonly', mount, self.server.uri('disk')],
                              stderr=subprocess.DEVNULL) as process:
            try:
                deadline = time.monotonic() + 20
                while not os.path.exists(mount / 'nbd') and time.monotonic() < deadline:
                    time.sleep(0.05)
                self.assert_same(self.image, mount / 'nbd')
            finally:
                self.tool('fusermount3', '-u', mount)
                process.wait(timeout=20)


class Writing(NbdCase):
    """An export that is written."""

    def test_nbdcopy(self):
        """What was copied to it is there after a flush."""
        image = sparse_file(self.dir / 'image', SIZE)
        disk = sparse_file(self.dir / 'disk', SIZE, seed=2, hole=MIB)
        server = self.serve(f'={disk}')
        self.tool('nbdcopy', '--flush', image, server.uri())
        self.assert_same(image, disk)
        server.stop()

    def test_qemu_img(self):
        """QEMU writes to it, in order and not, and zeros without data."""
        image = sparse_file(self.dir / 'image', SIZE)
        disk = sparse_file(self.dir / 'disk', SIZE, seed=2, hole=MIB)
        server = self.serve(f'={disk}')
        self.tool('qemu-img', 'convert', '-n', '-f', 'raw', '-O', 'raw', '-W', '-m', '16', image,
                  server.uri())
        self.assert_same(image, disk)
        self.assertLess(os.stat(disk).st_blocks * 512, SIZE * 2 // 3)
        server.stop()

    def test_qemu_io(self):
        """Each kind of write, read back over another connection."""
        disk = sparse_file(self.dir / 'disk', 16 * MIB, hole=16 * MIB)
        server = self.serve(f'={disk}')
        commands = ['write -P 1 0 64k', 'write -P 2 -f 1000k 3M', 'write -z 5M 1M',
                    'write -z -u 6M 1M', 'discard 8M 2M', 'write -P 3 511 513', 'flush',
                    'aio_write -P 4 12M 1M', 'aio_write -P 5 13M 1M', 'aio_flush', 'flush']
        said = self.tool('qemu-io', '-f', 'raw', *[w for c in commands for w in ('-c', c)],
                         server.uri())
        self.assertNotIn('failed', said)
        checks = ['read -P 1 0 511', 'read -P 3 511 513', 'read -P 1 1024 63k',
                  'read -P 2 1000k 3M', 'read -P 0 5M 2M', 'read -P 0 8M 2M', 'read -P 4 12M 1M',
                  'read -P 5 13M 1M']
        said = self.tool('qemu-io', '-r', '-f', 'raw', *[w for c in checks for w in ('-c', c)],
                         server.uri())
        self.assertNotIn('failed', said)
        said = self.tool('qemu-io', '-r', '-f', 'raw', *[w for c in checks for w in ('-c', c)],
                         disk)
        self.assertNotIn('failed', said)
        server.stop()

    def test_read_only(self):
        """A read-only export of a writable file cannot be written."""
        disk = sparse_file(self.dir / 'disk', MIB)
        server = self.serve('--read-only', f'={disk}')
        self.tool('qemu-io', '-f', 'raw', '-c', 'write 0 512', server.uri(), code=1)
        server.stop()


class Serving(NbdCase):
    """Addresses, the end, and clients that mean no good."""

    def test_unix_socket(self):
        """A path beside a port; the socket is gone after."""
        image = sparse_file(self.dir / 'image', MIB)
        path = self.dir / 'socket'
        server = self.serve('--listen', f'unix:{path}', '-r', f'={image}')
        self.assertEqual(f'unix:{path}', server.addresses[1])
        self.tool('nbdcopy', f'nbd+unix:///?socket={path}', self.dir / 'out')
        self.assert_same(image, self.dir / 'out')
        server.stop()
        self.assertFalse(path.exists())

    def test_allowed(self):
        """Another address is turned away."""
        server = self.serve('--allow', '192.0.2.0/24', '=memory:1048576')
        self.tool('nbdinfo', '--size', server.uri(), code=1)
        server.expect_log('127.0.0.1:')
        server.stop()

    def test_stop_while_copying(self):
        """It ends soon, and the client sees a failure."""
        image = self.dir / 'image'
        with open(image, 'wb') as file:
            file.truncate(1 << 40)
        server = self.serve('-r', f'={image}')
        with subprocess.Popen(['nbdcopy', '--no-extents', server.uri(), 'null:'],
                              stderr=subprocess.DEVNULL) as copy:
            time.sleep(1)
            self.assertIsNone(copy.poll())
            begin = time.monotonic()
            server.stop()
            self.assertLess(time.monotonic() - begin, 8)
            self.assertNotEqual(0, copy.wait(timeout=20))

    def test_client_is_killed(self):
        """Whoever vanishes leaves no trace but a line in the log."""
        image = self.dir / 'image'
        with open(image, 'wb') as file:
            file.truncate(1 << 40)
        server = self.serve('-r', f'={image}')
        for _ in range(5):
            with subprocess.Popen(['nbdcopy', '--no-extents', server.uri(), 'null:']) as copy:
                time.sleep(0.2)
                copy.send_signal(signal.SIGKILL)
        self.assertEqual(str(1 << 40), self.tool('nbdinfo', '--size', server.uri()).strip())
        server.stop()
        self.assertEqual(server.log().count('opened'), server.log().count('closed'))

    def test_memory(self):
        """Clients that ask for much and take nothing, or begin long writes and do not end them, get
        what the page says, and no more."""
        with open(PROGRAM, 'rb') as file:
            if re.search(b'__[at]san_init', file.read()):
                self.skipTest('a sanitizer keeps memory that was freed')
        clients = 4
        image = self.dir / 'image'
        with open(image, 'wb') as file:
            file.truncate(1 << 30)
        server = self.serve(f'={image}')
        wires = [Wire(server) for _ in range(clients)]
        for number, wire in enumerate(wires):
            wire.say(b'IHAVEOPT' + struct.pack('>II', EXPORT_NAME, 0))
            wire.hear(10)
            if number % 2:
                wire.say(struct.pack('>IHH8sQI', 0x25609513, 0, 1, b'a cookie', 0, 32 * MIB) +
                         bytes(31 * MIB))
            else:
                wire.say(struct.pack('>IHH8sQI', 0x25609513, 0, 0, b'a cookie', 0, 32 * MIB) * 500)
        time.sleep(1)
        status = pathlib.Path(f'/proc/{server.process.pid}/status').read_text(encoding='utf-8')
        peak = int(re.search(r'VmHWM:\s+(\d+) kB', status).group(1)) << 10
        self.assertGreater(peak, clients * 30 * MIB)
        self.assertLess(peak, clients * 40 * MIB + 20 * MIB)
        for wire in wires:
            wire.socket.close()
        server.stop()

    def test_silent_clients(self):
        """Many who connect and say nothing lose their places, and keep nobody out."""
        server = self.serve('--handshake', '2', '--connections', '8', '=memory:1048576')
        silent = [socket.create_connection(('127.0.0.1', server.port)) for _ in range(20)]
        self.addCleanup(lambda: [client.close() for client in silent])
        self.assertEqual('1048576', self.tool('nbdinfo', '--size', server.uri()).strip())
        for client in silent:
            client.settimeout(20)
            try:
                while client.recv(100):
                    pass
            except ConnectionResetError:
                pass
            client.close()
        server.stop()


class Encrypted(NbdCase):
    """TLS."""

    def setUp(self):
        super().setUp()
        self.image = sparse_file(self.dir / 'image', SIZE)
        self.authority = Authority(self, 'good')
        self.certificates = self.authority.issue(self.dir / 'server', 'server', 'localhost')

    def serve_tls(self, *words):
        """A server with certificates."""
        return self.serve('-r', '--tls', self.certificates, *words, f'={self.image}')

    def client(self, name, authority=None, **options):
        """A directory with a client's certificate."""
        return (authority or self.authority).issue(self.dir / name, 'client', name, **options)

    def anonymous(self):
        """A directory with the CA alone."""
        directory = self.dir / 'anonymous'
        directory.mkdir(exist_ok=True)
        shutil.copy(self.certificates / 'ca-cert.pem', directory)
        return directory

    def uri(self, server, directory):
        """For a client with that directory."""
        return server.uri(scheme='nbds', query=f'tls-certificates={directory}')

    def test_copy(self):
        """All bytes come through, both clients."""
        server = self.serve_tls()
        uri = self.uri(server, self.anonymous())
        self.tool('nbdcopy', uri, self.dir / 'out')
        self.assert_same(self.image, self.dir / 'out')
        server.expect_log('opened over TLS\n')
        options = (f'driver=nbd,host=127.0.0.1,port={server.port},tls-creds=tls')
        self.tool('qemu-img', 'convert', '--object',
                  f'tls-creds-x509,id=tls,dir={self.anonymous()},endpoint=client',
                  '--image-opts', options, '-O', 'raw', self.dir / 'out2')
        self.assert_same(self.image, self.dir / 'out2')
        server.stop()

    def test_writes(self):
        """Long writes and reads at once, over the same connection."""
        disk = sparse_file(self.dir / 'disk', SIZE, seed=5, hole=MIB)
        server = self.serve('--tls', self.certificates, f'={disk}')
        self.tool('nbdcopy', '--flush', self.image, self.uri(server, self.anonymous()))
        self.assert_same(self.image, disk)
        server.stop()

    def test_demanded(self):
        """In the clear nothing is told but that."""
        server = self.serve_tls()
        self.tool('nbdinfo', '--size', server.uri(), code=1)
        with Wire(server) as wire:
            self.assertEqual(TLS_REQUIRED, wire.option(LIST))
            self.assertEqual(TLS_REQUIRED, wire.option(GO, struct.pack('>IH', 0, 0)))
            self.assertIsNone(wire.option(EXPORT_NAME))
        server.expect_log('it does not use TLS, which is demanded here')
        server.stop()

    def test_nothing_before(self):
        """What is sent in the clear behind NBD_OPT_STARTTLS never counts."""
        server = self.serve_tls()
        with Wire(server) as wire:
            wire.say(b'IHAVEOPT' + struct.pack('>II', STARTTLS, 0) +
                     b'IHAVEOPT' + struct.pack('>II', LIST, 0))
            self.assertEqual(ACK, struct.unpack('>QIII', wire.hear(20))[2])
            self.assertNotIn(b'\x00\x03\xe8\x89\x04\x55\x65\xa9', wire.hear(1000))
        server.expect_log(r'127\.0\.0\.1:\d+: TLS: ')
        server.stop()

    def test_peer_verified(self):
        """With --verify-peer only holders of a certificate of that CA get in."""
        server = self.serve_tls('--verify-peer')
        self.tool('nbdcopy', self.uri(server, self.client('alice')), self.dir / 'out')
        self.assert_same(self.image, self.dir / 'out')
        server.expect_log('opened over TLS by CN=alice\n')
        self.tool('nbdinfo', self.uri(server, self.anonymous()), code=1)
        server.expect_log('TLS: it has no certificate')
        other = self.client('mallory', Authority(self, 'other'))
        shutil.copy(self.certificates / 'ca-cert.pem', other)
        self.tool('nbdinfo', self.uri(server, other), code=1)
        # A server's certificate is none for a client.
        wrong = self.authority.issue(self.dir / 'wrong', 'server', 'wrong')
        for part in ('cert', 'key'):
            shutil.move(wrong / f'server-{part}.pem', wrong / f'client-{part}.pem')
        self.tool('nbdinfo', self.uri(server, wrong), code=1)
        server.expect_log('TLS: its certificate is refused: ')
        self.assertEqual(server.log().count('opened'), server.log().count('by CN=alice'))
        server.stop()

    def test_revoked(self):
        """A list of revoked certificates beside the others is used."""
        bob, carol = self.client('bob'), self.client('carol')
        self.authority.revoke(bob / 'client-cert.pem', self.certificates)
        server = self.serve_tls('--verify-peer')
        self.tool('nbdinfo', self.uri(server, carol))
        self.tool('nbdinfo', self.uri(server, bob), code=1)
        server.expect_log('its certificate is refused: certificate revoked')
        server.stop()

    def test_wrong_server(self):
        """A client that trusts another CA goes away, and the log says why."""
        server = self.serve_tls()
        other = Authority(self, 'other')
        directory = other.issue(self.dir / 'misled', 'client', 'misled')
        self.tool('nbdinfo', self.uri(server, directory), code=1)
        self.assertNotIn('opened', server.log())
        server.stop()

    def test_no_tls_here(self):
        """A client that wants TLS from a server without it."""
        server = self.serve('-r', f'={self.image}')
        self.tool('nbdinfo', self.uri(server, self.anonymous()), code=1)
        server.stop()


if __name__ == '__main__':
    unittest.main()
