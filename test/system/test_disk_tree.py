#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A tree of disks that is mounted with FUSE, read by the programs that everybody has."""
import hashlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from nbd_case import MIB, REPORTS, sparse_file

PROGRAM = os.environ.get('TREE_MOUNT', 'tree_mount')
TIMEOUT = 120
SIZE = 40 * MIB + 1536
EXISTS, UNSUPPORTED = 11, 13


def digest(path):
    """The SHA-256 of a file."""
    with open(path, 'rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()


@unittest.skipUnless(os.path.exists('/dev/fuse'), 'there is no /dev/fuse')
class DiskTree(unittest.TestCase):
    """Each with a tree of its own."""

    def setUp(self):
        temporary = tempfile.TemporaryDirectory(prefix='slipway-tree-')
        self.addCleanup(temporary.cleanup)
        self.dir = pathlib.Path(temporary.name)
        self.mount = self.dir / 'mount'
        self.mount.mkdir()
        self.image = sparse_file(self.dir / 'image', SIZE)
        os.utime(self.image, (1700000000, 1700000000))
        self.process = None

    def start(self, *operands):
        """Mount; the folder."""
        with open(self.dir / 'log', 'wb') as log:
            self.process = subprocess.Popen(  # pylint: disable=consider-using-with
                [PROGRAM, self.mount, *map(str, operands)], stdout=subprocess.PIPE, stderr=log)
        self.addCleanup(self.clean)
        self.assertEqual(b'mounted\n', self.process.stdout.readline(), self.log())
        return self.mount

    def clean(self):
        """Whatever the test has left."""
        self.kill()
        subprocess.run(['fusermount3', '-u', '-z', '-q', self.mount], check=False)

    def kill(self):
        """Without a chance to clean up."""
        self.process.stdout.close()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def log(self):
        """What was said."""
        return (self.dir / 'log').read_text(encoding='utf-8')

    def is_mounted(self):
        """By the kernel's word."""
        return str(self.mount) in pathlib.Path('/proc/mounts').read_text(encoding='utf-8')

    def stop(self, signal_number=signal.SIGTERM):
        """It ends well, and nothing is mounted."""
        self.process.send_signal(signal_number)
        self.assertEqual(0, self.process.wait(timeout=TIMEOUT), self.log())
        self.assertFalse(self.is_mounted())
        for report in REPORTS:
            self.assertNotIn(report, self.log())

    def tool(self, *command, code=0):
        """What another program says."""
        done = subprocess.run(list(map(str, command)), capture_output=True, check=False,
                              encoding='utf-8', errors='replace', timeout=TIMEOUT,
                              env={'PATH': os.environ['PATH'], 'LC_ALL': 'C'})
        self.assertEqual(code, done.returncode, f'{command}\n{done.stdout}\n{done.stderr}')
        return done.stdout + done.stderr

    def test_list(self):
        """ls and find see the tree, and open nothing."""
        tree = self.start(f'app01/monday/root={self.image}', f'app01/monday/data={self.image}',
                          f'db/x={self.image}')
        self.assertEqual(['app01', 'app01/monday', 'app01/monday/data', 'app01/monday/root', 'db',
                          'db/x'], sorted(self.tool('find', tree, '-mindepth', '1', '-printf',
                                                    '%P\\n').split()))
        said = self.tool('ls', '-l', '--time-style=+%s', tree / 'db').splitlines()[1].split()
        self.assertEqual(['-r--r--r--', '1', str(SIZE), '1700000000', 'x'],
                         said[:2] + said[4:])
        self.tool('ls', tree / 'none', code=2)
        self.assertNotIn('open', self.log())
        self.stop()

    def test_read(self):
        """cmp, cat, dd in pieces of many sizes."""
        tree = self.start(f'disk={self.image}')
        self.tool('cmp', self.image, tree / 'disk')
        self.assertEqual(1, self.log().count('open disk'))
        for size in (1000, 4096, 65536, 3 * MIB):
            self.tool('dd', f'if={tree}/disk', f'of={self.dir}/out', f'bs={size}', 'status=none')
            self.tool('cmp', self.image, self.dir / 'out')
        self.tool('dd', f'if={tree}/disk', f'of={self.dir}/out', 'bs=512', 'iflag=direct',
                  'count=2000', 'skip=13', 'status=none')
        with open(self.image, 'rb') as file:
            file.seek(13 * 512)
            self.assertEqual(file.read(2000 * 512), (self.dir / 'out').read_bytes())
        self.stop()

    def test_sparse(self):
        """cp finds the holes by itself, and copies none."""
        tree = self.start(f'disk={self.image}')
        for option in ('--sparse=auto', '--sparse=always', '--sparse=never'):
            out = self.dir / 'out'
            self.tool('cp', option, tree / 'disk', out)
            self.tool('cmp', self.image, out)
            holes = os.stat(out).st_blocks * 512 < SIZE * 2 // 3
            self.assertEqual(option != '--sparse=never', holes, option)
        with open(self.image, 'rb') as left, open(tree / 'disk', 'rb') as right:
            for what in (os.SEEK_DATA, os.SEEK_HOLE):
                for at in (0, 1, 3 * MIB - 1, 3 * MIB, 5 * MIB, SIZE - 1):
                    def seek(file):
                        try:
                            # pylint: disable=cell-var-from-loop
                            return os.lseek(file.fileno(), at, what)
                        except OSError as error:
                            return error.errno
                    self.assertEqual(seek(left), seek(right), (what, at))
        with open(tree / 'disk', 'rb') as file:
            self.assertLess(os.fstat(file.fileno()).st_blocks * 512, SIZE * 2 // 3)
        self.assertLess(int(self.tool('du', '-k', tree / 'disk').split()[0]), SIZE // 1024)
        self.stop()

    def test_damage(self):
        """Where it cannot be read there is an error, and a line; elsewhere there are bytes."""
        tree = self.start(f'disk=damaged:{6 * MIB}:{self.image}')
        said = self.tool('cat', tree / 'disk', code=1)
        self.assertIn('Input/output error', said)
        self.assertIn(f'/disk: disk {self.image}: cannot read at offset ', self.log())
        with open(tree / 'disk', 'rb', buffering=0) as file:
            file.seek(13 * MIB)
            self.assertEqual(MIB, len(file.read(MIB)))
            self.assertRaises(OSError, os.pread, file.fileno(), 4096, 6 * MIB)
        self.assertLess(self.log().count('\n'), 30)
        self.stop()

    def test_file_system(self):
        """An ext4 inside is mounted through the loop device."""
        if os.geteuid() != 0 or not os.path.exists('/dev/loop-control'):
            self.skipTest('needs root and loop devices')
        content = self.dir / 'content'
        content.mkdir()
        sparse_file(content / 'big', 20 * MIB, seed=3)
        (content / 'text').write_text('hello\n', encoding='utf-8')
        disk = self.dir / 'ext4'
        with open(disk, 'wb') as file:
            file.truncate(128 * MIB)
        self.tool('mke2fs', '-q', '-t', 'ext4', '-O', '^has_journal', '-d', content, '-E',
                  f'offset={MIB}', disk, '100M')
        tree = self.start(f'vm/disk={disk}')
        loop = self.tool('losetup', '--find', '--show', '--read-only', '--offset', MIB,
                         '--sizelimit', 100 * MIB, tree / 'vm/disk').strip()
        inner = self.dir / 'inner'
        inner.mkdir()
        try:
            self.tool('mount', '-o', 'ro', '-t', 'ext4', loop, inner)
            try:
                self.assertEqual('hello\n', (inner / 'text').read_text(encoding='utf-8'))
                self.tool('cmp', content / 'big', inner / 'big')
            finally:
                self.tool('umount', inner)
        finally:
            self.tool('losetup', '--detach', loop)
        # The kernel lets go of the file a moment later.
        time.sleep(0.2)
        self.stop()

    def test_many_readers(self):
        """Twelve at once, over three files."""
        tree = self.start(*[f'd{i}={sparse_file(self.dir / f"i{i}", SIZE, seed=i)}'
                            for i in range(3)])
        readers = [subprocess.Popen(['cmp', self.dir / f'i{i % 3}', tree / f'd{i % 3}'])
                   for i in range(12)]
        self.assertEqual([0] * 12, [reader.wait(timeout=TIMEOUT) for reader in readers])
        self.stop()

    def test_idle_disk_is_closed(self):
        """Some time after the last reader; the next one opens it again."""
        tree = self.start(f'disk={self.image}')

        def has_it_open():
            found = pathlib.Path(f'/proc/{self.process.pid}/fd').iterdir()
            return any(os.readlink(fd) == str(self.image) for fd in found)

        with open(tree / 'disk', 'rb') as file:
            file.read(1)
            self.assertTrue(has_it_open())
        deadline = time.monotonic() + 40
        while has_it_open():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.2)
        with open(tree / 'disk', 'rb') as file:
            file.seek(13 * MIB)
            file.read(1)
        self.assertEqual(2, self.log().count('open disk'))
        self.stop()

    def test_busy_unmount(self):
        """Somebody has a file open, and reads: it ends all the same, for both."""
        tree = self.start(f'disk={self.image}')
        with open(tree / 'disk', 'rb', buffering=0) as file:
            self.assertEqual(4096, len(file.read(4096)))
            with subprocess.Popen(['sh', '-c', f'while cat {tree}/disk >/dev/null; do :; done'],
                                  stderr=subprocess.DEVNULL) as reader:
                time.sleep(0.5)
                self.stop(signal.SIGINT)
                reader.wait(timeout=TIMEOUT)
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            with self.assertRaises(OSError):
                os.pread(file.fileno(), 4096, 30 * MIB)

    def test_unmounted_by_others(self):
        """The program notices."""
        self.start(f'disk={self.image}')
        self.tool('fusermount3', '-u', self.mount)
        self.assertEqual(0, self.process.wait(timeout=TIMEOUT), self.log())

    def test_killed_program(self):
        """What is left behind is named, with the remedy."""
        self.start(f'disk={self.image}')
        self.kill()
        done = subprocess.run([PROGRAM, self.mount, f'disk={self.image}'], capture_output=True,
                              text=True, check=False, timeout=TIMEOUT)
        self.assertNotEqual(0, done.returncode)
        self.assertIn(f'fusermount3 -u -z {self.mount}', done.stderr)
        command = re.search('fusermount3 -u -z .*', done.stderr).group(0).split()
        self.tool(*command)
        self.start(f'disk={self.image}')
        self.stop()

    def test_not_empty(self):
        """A folder with something in it is not covered."""
        (self.mount / 'precious').touch()
        done = subprocess.run([PROGRAM, self.mount, f'disk={self.image}'], capture_output=True,
                              text=True, check=False, timeout=TIMEOUT)
        self.assertEqual(EXISTS, done.returncode)
        self.assertIn('it is not empty', done.stderr)

    def test_ordinary_user(self):
        """Through fusermount3; nobody else sees what is there."""
        if os.geteuid() != 0 or not shutil.which('setpriv'):
            self.skipTest('needs root, to be somebody else')
        for path in (self.dir, self.mount):
            os.chown(path, 65534, 65534)
        program = shutil.copy(PROGRAM, self.dir / 'program')
        with open(self.dir / 'log', 'wb') as log:
            self.process = subprocess.Popen(  # pylint: disable=consider-using-with
                ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', program, self.mount,
                 f'disk={self.image}'], stdout=subprocess.PIPE, stderr=log)
        self.addCleanup(self.clean)
        self.assertEqual(b'mounted\n', self.process.stdout.readline(), self.log())
        self.assertRaises(PermissionError, os.listdir, self.mount)
        said = self.tool('setpriv', '--reuid=65534', '--regid=65534', '--clear-groups',
                         'sha256sum', self.mount / 'disk')
        self.assertEqual(digest(self.image), said.split()[0])
        self.stop()


if __name__ == '__main__':
    unittest.main()
