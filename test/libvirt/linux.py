# SPDX-License-Identifier: GPL-3.0-or-later
"""A small Linux for machines of libvirt, and how to talk to it over its serial line.

It has busybox, virtio disks and a file system; what it is told comes as lines, as in
test/guest/init.sh.  A scripted guest agent answers over virtio-serial where there is one."""
import base64
import functools
import os
import pathlib
import re
import select
import sys
import termios
import time
import tty

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

from guest import cpio, packages  # noqa: E402
from guest.image import find  # noqa: E402
from guest.modules import Modules  # noqa: E402

HERE = pathlib.Path(__file__).parent
MODULES = ('virtio_pci', 'virtio_blk', 'virtio_console', 'crc32c_generic', 'ext4')
READY_SECONDS = 120
RUN_SECONDS = 60
TAIL = 4000


@functools.cache
def archive():
    """(the kernel's path, the archive's bytes)."""
    kernel, folder = packages.kernel()
    files = {'bin/busybox': (0o755, find('busybox').read_bytes()),
             'init': (0o755, (HERE / 'init.sh').read_bytes()),
             'agent': (0o755, (HERE / 'agent.sh').read_bytes())}
    loaded = Modules(folder).order(MODULES)
    for name, data in loaded:
        files[f'lib/modules/{name}.ko'] = (0o644, data)
    files['etc/modules'] = (0o644, ''.join(f'{name}\n' for name, _ in loaded).encode())
    folders = ('dev', 'proc', 'sys', 'tmp', 'mnt')
    return kernel, cpio.archive(files, {'bin/sh': 'busybox'}, folders)


def write(folder):
    """(the kernel's path, the archive's path) for a machine's description."""
    kernel, data = archive()
    path = pathlib.Path(folder) / 'linux.cpio'
    if not path.exists():
        path.write_bytes(data)
    return kernel, path


class LinuxError(AssertionError):
    """It did not do what it should; the text has the end of what it said."""


class Linux:
    """The Linux at the other end of a serial line."""

    def __init__(self, path):
        self.fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        self.pending = b''
        self.number = 0
        try:
            tty.setraw(self.fd, termios.TCSANOW)
            self.wait_until_ready()
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Of the line; the machine goes on."""
        os.close(self.fd)

    def wait_until_ready(self):
        """What it says first may have been said before anybody listened: so it is asked."""
        end = time.monotonic() + READY_SECONDS
        while True:
            self.number += 1
            self.send(f'{self.number} {encode("true")}\n')
            try:
                self.wait_for(rb'SLIPWAY-GUEST end %d 0\r?\n' % self.number, 2)
                return
            except LinuxError:
                if time.monotonic() > end:
                    raise

    def send(self, text):
        """A line."""
        data = text.encode()
        end = time.monotonic() + RUN_SECONDS
        while data:
            select.select([], [self.fd], [], 1)
            try:
                data = data[os.write(self.fd, data):]
            except BlockingIOError:
                if time.monotonic() > end:
                    raise LinuxError('the serial line takes nothing') from None

    def wait_for(self, pattern, seconds):
        """(what came before, the match)."""
        end = time.monotonic() + seconds
        expression = re.compile(pattern)
        while not (found := expression.search(self.pending)):
            left = end - time.monotonic()
            if left <= 0:
                raise LinuxError(f'the guest does not answer within {seconds} s: '
                                 f'{self.pending[-TAIL:].decode(errors="replace")}')
            if not select.select([self.fd], [], [], left)[0]:
                continue
            try:
                self.pending += os.read(self.fd, 1 << 16)
            except BlockingIOError:
                pass
        before, self.pending = self.pending[:found.start()], self.pending[found.end():]
        return before, found

    def run(self, script, code=0, seconds=RUN_SECONDS):
        """What the script says, once it has ended with exit status `code`."""
        self.number += 1
        self.send(f'{self.number} {encode(script)}\n')
        said, found = self.wait_for(rb'SLIPWAY-GUEST end %d (\d+)\r?\n' % self.number, seconds)
        text, status = said.decode('utf-8', 'replace').replace('\r', ''), int(found[1])
        if status != code:
            raise LinuxError(f'status {status} instead of {code}: {text}')
        return text


def encode(script):
    """As a line of the request."""
    return base64.b64encode(f'{script}\n'.encode()).decode()
