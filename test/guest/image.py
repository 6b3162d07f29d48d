# SPDX-License-Identifier: GPL-3.0-or-later
"""The first root of the guest: busybox, the initiator, file systems, and the modules they need."""
import functools
import pathlib
import re
import shutil
import subprocess

from guest import cpio, packages
from guest.modules import Modules

HERE = pathlib.Path(__file__).parent

# Without crc32c_generic libcrc32c finds no algorithm when it is loaded.
MODULES = ('virtio_pci', 'virtio_net', 'crc32c_generic', 'sd_mod', 'iscsi_tcp', 'nbd', 'ext4')
PROGRAMS = {
    'busybox': 'busybox-static',
    'iscsiadm': 'open-iscsi',
    'iscsid': 'open-iscsi',
    'nbd-client': 'nbd-client',
    'mkfs.ext4': 'e2fsprogs',
    'e2fsck': 'e2fsprogs',
    'fstrim': 'util-linux',
}
PASSWD = b'root:x:0:0:root:/:/bin/sh\n'  # iscsid asks who talks to it
# A login that fails has failed; nothing is tried again but by the session itself.
ISCSID_CONF = b'''node.startup = manual
node.leading_login = No
node.session.timeo.replacement_timeout = 120
node.session.initial_login_retry_max = 1
node.conn[0].timeo.login_timeout = 30
node.conn[0].timeo.noop_out_interval = 5
node.conn[0].timeo.noop_out_timeout = 30
node.session.scan = auto
'''
INITIATOR = 'iqn.2026-11.org.slipway:test-guest'
FOLDERS = ('dev', 'proc', 'sys', 'run', 'tmp', 'mnt', 'etc/iscsi/nodes', 'var/lib')


def find(name):
    """The path of a program of the host."""
    path = shutil.which(name, path='/usr/sbin:/usr/bin:/sbin:/bin')
    if path is None:
        raise packages.PackageError(f'{name} is missing: install the package {PROGRAMS[name]}')
    return pathlib.Path(path)


def libraries(path):
    """What a program is linked with, the linker too; nothing when it is static."""
    done = subprocess.run(['ldd', path], capture_output=True, text=True, check=False)
    return sorted(set(re.findall(r'(/\S+) \(0x', done.stdout)))


def programs(more):
    """{name: (mode, bytes)} of all programs and libraries; `more`: paths of others."""
    files = {}
    for path in [find(name) for name in PROGRAMS] + [pathlib.Path(path) for path in more]:
        files[f'bin/{path.name}'] = (0o755, path.read_bytes())
        for library in libraries(path):
            files[library.lstrip('/')] = (0o755, pathlib.Path(library).read_bytes())
    return files


def root(modules, more, names):
    """All files of the guest."""
    files = programs(more)
    loaded = modules.order(MODULES + names)
    for name, data in loaded:
        files[f'lib/modules/{name}.ko'] = (0o644, data)
    files['etc/modules'] = (0o644, ''.join(f'{name}\n' for name, _ in loaded).encode())
    files['init'] = (0o755, (HERE / 'init.sh').read_bytes())
    files['lib/functions.sh'] = (0o644, (HERE / 'functions.sh').read_bytes())
    files['etc/passwd'] = (0o644, PASSWD)
    files['etc/iscsi/iscsid.conf'] = (0o600, ISCSID_CONF)
    files['etc/iscsi/initiatorname.iscsi'] = (0o644, f'InitiatorName={INITIATOR}\n'.encode())
    return files


@functools.cache
def image(more=(), names=()):
    """(the kernel's path, the archive's bytes); `more`: programs of the host, with a dynamic linker
    and libraries as they need; `names`: modules besides MODULES."""
    kernel, folder = packages.kernel()
    links = {'bin/sh': 'busybox', 'lib/modprobe': '/bin/busybox'}
    return kernel, cpio.archive(root(Modules(folder), more, names), links, FOLDERS)
