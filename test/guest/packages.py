# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's kernel as files: fetched once and kept, never installed."""
import contextlib
import fcntl
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

KERNEL = 'linux-image-cloud-amd64'  # depends on the newest kernel


class PackageError(Exception):
    """A package that cannot be had."""


def cache():
    """Where it is kept."""
    folder = os.environ.get('SLIPWAY_GUEST_DIR')
    if folder is None:
        home = os.environ.get('XDG_CACHE_HOME') or pathlib.Path.home() / '.cache'
        folder = pathlib.Path(home) / 'slipway-test-guest'
    path = pathlib.Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    return path


@contextlib.contextmanager
def only_one(folder):
    """One process at a time."""
    with open(folder / 'lock', 'w', encoding='ascii') as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def command(*words, cwd=None):
    """Its output."""
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise PackageError(f'{" ".join(words)}: {done.stderr.strip() or done.stdout.strip()}')
    return done.stdout


def kernel_package():
    """The name with the version in it."""
    said = command('apt-cache', 'show', '--no-all-versions', KERNEL)
    found = re.search(r'^Depends:.*\b(linux-image-\d[\w.+-]*)', said, re.M)
    if not found:
        raise PackageError(f'{KERNEL} depends on no kernel')
    return found[1]


def fetch(folder):
    """The package's file.  apt's lists may be missing or too old."""
    for attempt in ('as it is', 'after an update'):
        try:
            user = ['-o', 'APT::Sandbox::User=root'] if os.geteuid() == 0 else []
            command('apt-get', *user, '-q', 'download', kernel_package(), cwd=folder)
            return next(pathlib.Path(folder).glob('*.deb'))
        except PackageError:
            if attempt != 'as it is' or os.geteuid() != 0:
                raise
            command('apt-get', '-q', 'update')
    raise AssertionError('not reached')


def unpack(package, folder):
    """What is in it, without modules of hardware that no emulator has."""
    command('dpkg-deb', '--extract', str(package), str(folder))
    for version in (folder / 'lib/modules').iterdir():
        for name in ('drivers/gpu', 'drivers/media', 'drivers/net/ethernet', 'sound'):
            shutil.rmtree(version / 'kernel' / name, ignore_errors=True)


def kernel():
    """(the kernel, lib/modules/VERSION of it)."""
    kept = cache() / 'kernel'
    with only_one(cache()):
        if not kept.exists():
            with tempfile.TemporaryDirectory(dir=cache()) as scratch:
                folder = pathlib.Path(scratch)
                unpack(fetch(folder), folder / 'root')
                (folder / 'root').rename(kept)
    (image,) = (kept / 'boot').glob('vmlinuz-*')
    (modules,) = (kept / 'lib/modules').iterdir()
    return image, modules
