# SPDX-License-Identifier: GPL-3.0-or-later
"""A QEMU without a guest: its disks are written through its monitor, as a guest would."""
import json
import pathlib
import shutil
import socket
import subprocess
import time

from store_case import StoreCase

QEMU = 'qemu-system-x86_64'
MIB = 1 << 20


class Monitor:
    """Our own connection to its second monitor."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(str(path))
        self.lines = self.socket.makefile('r', encoding='utf-8')
        self.lines.readline()
        self.run('qmp_capabilities')

    def run(self, command, **arguments):
        """What it returns; AssertionError when it is refused."""
        self.socket.sendall(json.dumps({'execute': command, 'arguments': arguments}).encode())
        while True:
            message = json.loads(self.lines.readline())
            if 'return' in message:
                return message['return']
            assert 'error' not in message, message

    def io(self, drive, command):
        """As the guest: through the device, so that it is tracked."""
        said = self.run('human-monitor-command',
                        **{'command-line': f'qemu-io -d /machine/peripheral/{drive}/virtio-backend '
                                           f'"{command}"'})
        assert 'rror' not in said and 'ailed' not in said, said

    def write(self, drive, pattern, offset, length):
        """A pattern."""
        self.io(drive, f'write -P {pattern} {offset} {length}')

    def close(self):
        self.lines.close()
        self.socket.close()


class QemuCase(StoreCase):
    """A test with a QEMU that has disks d0, d1, ... and a monitor for the program."""

    def setUp(self):
        super().setUp()
        if shutil.which(QEMU) is None:
            self.skipTest(f'{QEMU} is not installed')
        self.qmp = self.dir / 'app01.qmp'
        self.uri = f'qmp://{self.qmp}'
        self.disks = []
        self.qemu = self.monitor = None
        self.init()

    def disk(self, format='qcow2', size=64 * MIB):
        """Another disk; its path."""
        path = self.dir / f'd{len(self.disks)}.{format}'
        self.tool('qemu-img', 'create', '-q', '-f', format, path, size)
        self.disks.append((path, format))
        return path

    def start_qemu(self, name='app01'):
        """Run it with the disks that there are."""
        drives = []
        for number, (path, format) in enumerate(self.disks):
            drives += ['-blockdev', f'driver={format},node-name=n{number},file.driver=file,'
                                    f'file.filename={path}',
                       '-device', f'virtio-blk-pci,drive=n{number},id=d{number}']
        own = self.dir / 'own.qmp'
        self.qemu = subprocess.Popen(
            ['setpriv', '--pdeathsig', 'KILL', QEMU, '-accel', 'tcg', '-S', '-m', '64', '-name', name, '-nodefaults',
             '-display', 'none', '-uuid', '0d5f1c1e-9f3c-4a52-8f0e-7f6f1d0c9b11',
             '-qmp', f'unix:{self.qmp},server=on,wait=off', '-qmp', f'unix:{own},server=on,wait=off',
             *drives], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.addCleanup(self.qemu.stderr.close)
        self.addCleanup(self.stop_qemu)
        self.wait_for(own.exists)
        self.monitor = Monitor(own)
        self.addCleanup(self.monitor.close)

    def stop_qemu(self, how='kill'):
        """The end of it."""
        if how == 'quit' and self.qemu.poll() is None:
            self.monitor.run('quit')
        elif self.qemu.poll() is None:
            self.qemu.kill()
        self.qemu.wait(timeout=60)

    def content(self, number):
        """What the disk has now, by QEMU's own means, without the program."""
        path, format = self.disks[number]
        if self.qemu.poll() is None:
            self.monitor.io(f'd{number}', 'flush')  # the image's tables, that qemu-img reads
        raw = self.dir / f'now-{number}-{time.monotonic_ns()}.raw'
        self.tool('qemu-img', 'convert', '-U', '-f', format, '-O', 'raw', path, raw)
        data = pathlib.Path(raw).read_bytes()
        raw.unlink()
        return data

    def nothing_left(self):
        """No job, export, bitmap of a run that failed, or node of ours is in it."""
        self.assertEqual(self.monitor.run('query-block-jobs'), [])
        self.assertEqual(self.monitor.run('query-block-exports'), [])
        nodes = [node['node-name'] for node in self.monitor.run('query-named-block-nodes')]
        self.assertEqual([name for name in nodes if 'slipway' in name], [])
