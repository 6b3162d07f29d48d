# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests with machines of libvirt share: one libvirtd for all tests of a process, machines, and
backups of them that are held against what their disks have."""
import atexit
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

from libvirt import daemon, linux, steps  # noqa: E402

MIB = 1 << 20
SIZE = 64 * MIB
running = []

DOMAIN = '''<domain type='qemu'>
<name>{name}</name>{head}
<memory unit='MiB'>160</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='pc'>hvm</type><kernel>{kernel}</kernel><initrd>{initrd}</initrd>
<cmdline>quiet panic=-1 console=hvc9</cmdline></os>
<features><acpi/></features><cpu mode='maximum'/>
<devices>{disks}<serial type='pty'/>
<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
{devices}</devices></domain>'''
DISK = '''<disk type='file' device='disk'><driver name='qemu' type='{format}'/>
<source file='{path}'/><target dev='{name}' bus='virtio'/></disk>'''


def the_daemon():
    """The one that runs."""
    if not running:
        running.append(daemon.Daemon())
    return running[0]


@atexit.register
def end_daemon():
    """At the end of the process."""
    while running:
        running.pop().close()


def same_as(path, other):
    """Whether two raw files have the same bytes."""
    return subprocess.run(['cmp', '-s', path, other], check=False).returncode == 0


@unittest.skipIf(daemon.missing(), daemon.missing())
class MachineCase(unittest.TestCase):
    """A test with a machine that is called after it."""

    formats = {'vda': 'qcow2'}  # of its disks

    def setUp(self):
        self.daemon = the_daemon()
        # Short, as the path of a socket has to be.
        folder = tempfile.mkdtemp(prefix='sw-', dir='/tmp')
        self.addCleanup(shutil.rmtree, folder)
        self.scratch = pathlib.Path(folder)
        self.runs = self.scratch / 'r'
        self.runs.mkdir()
        self.name = self.id().rsplit('.', maxsplit=1)[-1].replace('_', '-')
        self.disks = {}
        self.kept = {}  # {disk: (change id, size)} of the last set
        self.sets = {}  # {disk: raw file}
        self.line = None
        self.define(self.name)

    def define(self, name, head='', devices=''):
        """A machine with these disks."""
        for disk, kind in self.formats.items():
            path = self.daemon.folder / 'images' / f'{name}-{disk}.{kind}'
            self.make_image(path, kind)
            self.addCleanup(path.unlink, missing_ok=True)
            self.disks[disk] = path
        kernel, initrd = linux.write(self.daemon.folder)
        disks = ''.join(DISK.format(name=disk, format=self.formats[disk], path=path)
                        for disk, path in self.disks.items())
        self.xml = DOMAIN.format(name=name, head=head, kernel=kernel, initrd=initrd, disks=disks,
                                 devices=devices)
        self.daemon.define(self.xml)
        self.addCleanup(self.remove, name)

    def make_image(self, path, kind):
        """A new one."""
        subprocess.run(['qemu-img', 'create', '-q', '-f', kind, path, str(SIZE)], check=True)

    def remove(self, name):
        """A machine, in whatever state."""
        self.daemon.run('destroy', name)
        for checkpoint in self.checkpoints(name):
            self.daemon.run('checkpoint-delete', name, checkpoint, '--metadata')
        self.daemon.run('undefine', '--nvram', '--managed-save', name)

    def checkpoints(self, name=None):
        """Names of those that there are."""
        return self.daemon.run('checkpoint-list', '--name', name or self.name).stdout.split()

    def start(self, name=None):
        """And wait until the guest answers."""
        self.daemon.virsh('start', name or self.name)
        line = linux.Linux(self.daemon.console(name or self.name))
        self.addCleanup(line.close)
        if name is None or name == self.name:
            self.line = line
        return line

    def stop(self, name=None):
        """As a power switch does, after all was written."""
        self.daemon.virsh('destroy', name or self.name)

    def write(self, word, mib, disk='vda', kib=64):
        """The guest fills a place with a word, and it is on its disk then."""
        self.line.run(f'yes {word} | dd of=/dev/{disk} bs=1k count={kib} seek={mib * 1024} '
                      'conv=notrunc,fsync iflag=fullblock 2>/dev/null')

    def open(self, inside=False):
        """A session; `inside`: that sees the folders of the daemon."""
        before = self.daemon.enter() if inside else ()
        session = steps.Steps(self.daemon.uri(), self.runs, before)
        self.addCleanup(session.close)
        return session

    def state(self, disk='vda'):
        """A raw copy of what a machine that is off has."""
        path = self.scratch / f'state-{disk}.raw'
        subprocess.run(['qemu-img', 'convert', '-O', 'raw', self.disks[disk], path], check=True)
        return path

    def wanted(self, *names):
        """For freeze(): what was kept of the last set."""
        return {name: self.kept.get(name) for name in names or self.disks}

    def pull(self, frozen, session):
        """Read what was frozen over the last set, and hold it against what nbdcopy reads."""
        for number, disk in enumerate(frozen['disks']):
            path = self.sets.setdefault(disk['name'], self.scratch / f'set-{disk["name"]}.raw')
            session.do('read', number, path)
            if disk['label'].startswith('nbd'):
                other = self.scratch / 'other.raw'
                other.unlink(missing_ok=True)
                subprocess.run(['nbdcopy', disk['label'], other], check=True)
                self.assertTrue(same_as(path, other), disk['name'])

    def keep(self, frozen, session, kept=True):
        """The set was stored, or was not."""
        session.do('thaw')
        session.do('settle', kept)
        if kept:
            self.kept = {disk['name']: (disk['change_id'], disk['size'])
                         for disk in frozen['disks']}

    def backup(self, session, kept=True, **options):
        """A whole run."""
        frozen = session.freeze(self.name, self.wanted(), **options)
        self.pull(frozen, session)
        self.keep(frozen, session, kept)
        return frozen

    def changed(self, frozen, disk='vda'):
        """Bytes of the list of changes; None: there is none."""
        (row,) = [row for row in frozen['disks'] if row['name'] == disk]
        return None if row['changed'] is None else sum(length for _, length in row['changed'])

    def why_full(self, frozen, disk='vda'):
        """In words."""
        (row,) = [row for row in frozen['disks'] if row['name'] == disk]
        return row['why_full']

    def assert_nothing_left(self):
        """No job, socket or scratch file of a run."""
        self.assertEqual([], os.listdir(self.runs))
        self.assertNotEqual(0, self.daemon.run('backup-dumpxml', self.name).returncode)

    def assert_set_is_disk(self, disk='vda'):
        """After the machine was stopped."""
        self.assertTrue(same_as(self.sets[disk], self.state(disk)), disk)
