# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the guest, and scripts in it.

    with Guest() as guest:
        print(guest.run('uname -r'))

or, with test/ on PYTHONPATH, python3 -m guest.machine 'uname -r'.

The guest's 10.0.2.2 is the host's 127.0.0.1; nothing else of the network can be reached."""
import base64
import os
import pathlib
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time

from guest.image import image

QEMU = 'qemu-system-x86_64'
HOST = '10.0.2.2'
BOOT_SECONDS = 120
RUN_SECONDS = 120
OUTPUT_MAX = 4 << 20
TAIL = 6000  # how much of the console a failure shows


class GuestError(AssertionError):
    """The guest did not do what it should; the text has the end of its console."""


def missing():
    """Why no guest can run here; None: it can."""
    return None if shutil.which(QEMU) else f'{QEMU} is missing: install the package qemu-system-x86'


def qemu_command(kernel, archive, console, memory):
    """A machine with two serial lines: the console into a file, the other one is ours.  It does not
    outlive us, however we end."""
    quoted = str(console).replace(',', ',,')
    return ['setpriv', '--pdeathsig', 'KILL', QEMU, '-accel', 'tcg,thread=multi', '-cpu', 'max',
            '-smp', '2', '-m', str(memory), '-nodefaults', '-no-user-config', '-display', 'none',
            '-no-reboot', '-nic', 'user,model=virtio-net-pci', '-kernel', kernel, '-initrd',
            archive, '-append', 'console=ttyS0 panic=-1 quiet', '-serial', f'file:{quoted}',
            '-chardev', 'stdio,id=ours,signal=off', '-serial', 'chardev:ours']


class Guest:
    """A machine that runs from the beginning to close().  `programs`: more of the host's, by path;
    `modules`: more of the kernel's; `options`: of QEMU, besides."""

    def __init__(self, memory=512, programs=(), modules=(), options=()):
        self.scratch = tempfile.TemporaryDirectory(prefix='slipway-guest-')
        folder = pathlib.Path(self.scratch.name)
        self.console_path = folder / 'console'
        kernel, archive = image(tuple(programs), tuple(modules))
        (folder / 'initrd').write_bytes(archive)
        self.number = 0
        self.pending = b''
        self.good = False  # it is where we think it is
        self.started = time.monotonic()
        self.qemu = subprocess.Popen(
            [*map(str, qemu_command(kernel, folder / 'initrd', self.console_path, memory)),
             *map(str, options)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            self.wait_for(rb'^SLIPWAY-GUEST ready (\S+)\r?\n', BOOT_SECONDS)
        except BaseException:
            self.close()
            raise
        self.seconds = time.monotonic() - self.started
        self.good = True

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """The end of it, wherever it is."""
        self.good = False
        self.qemu.kill()
        self.qemu.wait()
        self.qemu.stdin.close()
        self.qemu.stdout.close()
        self.scratch.cleanup()

    def console(self):
        """All that the kernel and the first process said."""
        try:
            return self.console_path.read_bytes().decode('utf-8', 'replace').replace('\r', '')
        except FileNotFoundError:
            return ''

    def fail(self, words):
        """With what is needed to understand it; the guest is of no use any more."""
        self.good = False
        raise GuestError(f'{words}\n--- said ---\n{self.pending[-TAIL:].decode(errors="replace")}'
                         f'\n--- console ---\n{self.console()[-TAIL:]}')

    def wait_for(self, pattern, seconds):
        """(what came before, the match) of a line."""
        end = time.monotonic() + seconds
        expression = re.compile(pattern, re.M)
        while not (found := expression.search(self.pending)):
            left = end - time.monotonic()
            if left <= 0:
                self.fail(f'the guest does not answer within {seconds} s')
            if not select.select([self.qemu.stdout], [], [], left)[0]:
                continue
            data = os.read(self.qemu.stdout.fileno(), 1 << 16)
            if not data:
                self.fail(f'the guest has ended, QEMU with status {self.qemu.wait()}')
            self.pending += data
            if len(self.pending) > OUTPUT_MAX:
                self.fail('the guest says too much')
        before, self.pending = self.pending[:found.start()], self.pending[found.end():]
        return before, found

    def begin(self, script):
        """Give it a script; finish() waits for its end."""
        if not self.good:
            raise GuestError('the guest is of no use any more')
        self.number += 1
        self.qemu.stdin.write(b'%d %s\n' % (self.number, base64.b64encode(f'{script}\n'.encode())))
        self.qemu.stdin.flush()

    def finish(self, code=0, seconds=RUN_SECONDS):
        """What the script says, once it has ended, with exit status `code`; None: with any."""
        said, found = self.wait_for(rb'SLIPWAY-GUEST end %d (\d+)\r?\n' % self.number, seconds)
        text, status = said.decode('utf-8', 'replace').replace('\r', ''), int(found[1])
        if code is not None and status != code:
            raise GuestError(f'status {status} instead of {code}\n--- said ---\n{text}'
                             f'\n--- console ---\n{self.console()[-TAIL:]}')
        return text

    def run(self, script, code=0, seconds=RUN_SECONDS):
        """Both."""
        self.begin(script)
        return self.finish(code, seconds)


def main():
    """Run the arguments as scripts."""
    with Guest() as guest:
        for script in sys.argv[1:]:
            print(guest.run(script, code=None), end='')


if __name__ == '__main__':
    main()
