# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of backups share: a store, disk images made of a few random areas, and what must
hold of a store after anything was done to it."""
import contextlib
import hashlib
import json
import os
import pathlib
import random
import shutil
import struct
import subprocess
import tempfile
import time

from slipway_case import SlipwayCase

KIB, MIB = 1 << 10, 1 << 20
SEGMENT = 4 * MIB
BLOCK = 4 * KIB
PUT_GRACE = 1000  # more than REPO_PUT_GRACE of repo.h
STORE_NOUNS = ('backup', 'store', 'restore')


def memory_directory():
    """A place where syncing costs nothing; None: there is none with enough space."""
    place = pathlib.Path('/dev/shm')
    if 'TMPDIR' not in os.environ and os.access(place, os.W_OK) \
            and shutil.disk_usage(place).free > 1024 * MIB:
        return place
    return None


def noise(seed, length):
    """Bytes that do not compress, the same for the same seed."""
    return random.Random(seed).randbytes(length)


def image_bytes(size, areas):
    """A disk of zeros but for `areas`: {offset: bytes}."""
    disk = bytearray(size)
    for offset, data in areas.items():
        disk[offset:offset + len(data)] = data
    return bytes(disk)


def write_image(path, size, areas):
    """The same as a sparse file."""
    with open(path, 'wb') as file:
        file.truncate(size)
        for offset, data in areas.items():
            file.seek(offset)
            file.write(data)
    return pathlib.Path(path)


def change(path, offset, data):
    """Overwrite a part of a file in place."""
    with open(path, 'r+b') as file:
        file.seek(offset)
        file.write(data)


def flip(path, offset):
    """Damage one byte."""
    with open(path, 'r+b') as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 0x40]))


def objects(store, folder=''):
    """The objects below a folder of a store: {name: path}."""
    store = pathlib.Path(store)
    return {str(path.relative_to(store)): path for path in sorted((store / folder).rglob('*'))
            if path.is_file()}


def digests(store, folder=''):
    """What they have: {name: SHA-256}."""
    return {name: hashlib.sha256(path.read_bytes()).hexdigest()
            for name, path in objects(store, folder).items()}


def age_unfinished(store):
    """Make what is unfinished look as old as it soon will be: nobody can tell a small object that
    was never finished from one that is under way, and so it is left for a while."""
    for path in objects(store, 'tmp').values():
        old = path.stat().st_mtime - PUT_GRACE
        os.utime(path, (old, old))


class Sealed:
    """An object of an unencrypted store (doc/format/store.md, "Sealed objects")."""

    HEADER = struct.Struct('<8s4sHBBQ8x16s')

    def __init__(self, kind, members, version=1):
        self.kind, self.members, self.version = kind, members, version

    @classmethod
    def read(cls, path):
        """Of a file."""
        data = pathlib.Path(path).read_bytes()
        magic, kind, version, encrypted, _, length, _ = cls.HEADER.unpack_from(data)
        assert (magic, encrypted) == (b'SLIPSEAL', 0)
        return cls(kind, json.loads(data[48:48 + length]), version)

    def write(self, path):
        """Whole, with the right digest."""
        payload = json.dumps(self.members, sort_keys=True, separators=(',', ':'),
                             ensure_ascii=False).encode()
        data = self.HEADER.pack(b'SLIPSEAL', self.kind, self.version, 0, 0, len(payload),
                                bytes(16)) + payload
        pathlib.Path(path).write_bytes(data + hashlib.sha256(data).digest())


class StoreCase(SlipwayCase):
    """A test with a store of its own, which is named in every command that takes one.

    store: None for commands without --store.  key: options that open it."""

    def setUp(self):
        super().setUp()
        if memory_directory() is not None:
            temporary = tempfile.TemporaryDirectory(prefix='slipway-store-', dir=memory_directory())
            self.addCleanup(temporary.cleanup)
            self.dir = pathlib.Path(temporary.name)
        self.store = self.dir / 'store'
        self.key = ()

    def command(self, *arguments, trust=None):
        words = [str(argument) for argument in arguments]
        if words[0] in STORE_NOUNS and self.store is not None:
            words += ['--store', str(self.store), *map(str, self.key)]
        return super().command(*words, trust=trust)

    def slipway(self, *arguments, trust=None, **options):
        return super().slipway(*arguments, trust=trust, **options)

    # ---- steps ----------------------------------------------------------------------------------

    def init(self, *options, **more):
        """Make the store."""
        return self.slipway('store', 'init', *options, **more)

    def image(self, name, size, areas):
        """A sparse raw image in the test's directory."""
        return write_image(self.dir / name, size, areas)

    def backup(self, *arguments, name='m', **more):
        """Run a backup; what --json says of the set."""
        return self.slipway('backup', 'run', '--name', name, *arguments, **more).json['set']

    def restore(self, set_id, disk='disk0', *options, target=None, **more):
        """Restore a disk to a new file; its path."""
        target = target or self.dir / f'restored-{os.urandom(4).hex()}.img'
        self.slipway('restore', set_id, disk, target, *options, **more)
        return target

    def sets(self, *options):
        """All sets, as --json lists them."""
        return self.slipway('backup', 'list', *options).json['sets']

    def set_ids(self, *options):
        """Their ids."""
        return [entry['id'] for entry in self.sets(*options)]

    def delete(self, *sets):
        """Delete sets without a question."""
        return self.slipway('backup', 'delete', *sets, '--yes')

    def prune(self, *options, **more):
        """Prune; what --json says."""
        return self.slipway('store', 'prune', *options, **more).json

    def check(self, *options, **more):
        """Check the store; what --json says."""
        return self.slipway('store', 'check', *options, **more).json

    def repair(self, *options, **more):
        """Repair the store; what --json says."""
        return self.slipway('store', 'repair', *options, **more).json

    def start(self, *arguments, env=None):
        """Begin to run the program with --json, and go on."""
        child = subprocess.Popen(
            [*self.command(*arguments), '--json'], cwd=self.dir,
            env=self.environment() | (env or {}), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        self.addCleanup(child.stdout.close)
        self.addCleanup(child.stderr.close)
        return child

    def wait_for(self, condition, seconds=120):
        """Until it holds."""
        end = time.monotonic() + seconds
        while not condition():
            self.assertLess(time.monotonic(), end, 'it does not come')
            time.sleep(0.005)

    # ---- places that not everybody can make -----------------------------------------------------

    def make(self, *command):
        """The output of a program that needs rights; without them the test is skipped."""
        done = subprocess.run(list(map(str, command)), capture_output=True, check=False)
        if os.geteuid() != 0 or done.returncode != 0:
            self.skipTest(f'{command[0]} does not work here: {done.stderr.decode().strip()}')
        return done.stdout.decode().strip()

    @contextlib.contextmanager
    def loop_device(self, path):
        """A block device with the bytes of a file."""
        device = self.make('losetup', '--find', '--show', path)
        try:
            yield pathlib.Path(device)
        finally:
            subprocess.run(['losetup', '--detach', device], check=True)

    @contextlib.contextmanager
    def small_place(self, size):
        """A file system of so many bytes."""
        place = self.dir / 'small'
        place.mkdir()
        self.make('mount', '-t', 'tmpfs', '-o', f'size={size}', 'tmpfs', place)
        try:
            yield place
        finally:
            subprocess.run(['umount', place], check=True)

    @contextlib.contextmanager
    def nbd_server(self, socket, *arguments):
        """The URI of what nbdkit serves."""
        child = subprocess.Popen(['nbdkit', '--foreground', '--unix', str(socket),
                                  *map(str, arguments)], stderr=subprocess.DEVNULL)
        try:
            self.wait_for(socket.exists)
            yield f'nbd+unix:///?socket={socket}'
        finally:
            child.terminate()
            child.wait()
            socket.unlink(missing_ok=True)

    # ---- checks ---------------------------------------------------------------------------------

    def assert_restores(self, set_id, disk, expected):
        """A disk of a set comes back as it was: bytes, or the path of a file."""
        target = self.restore(set_id, disk)
        if isinstance(expected, pathlib.Path):
            expected = expected.read_bytes()
        self.assertTrue(target.read_bytes() == expected, f'{set_id} {disk} differs')
        target.unlink()

    def assert_sound(self):
        """Every byte of the store is what it should be."""
        self.check('--read-data')
