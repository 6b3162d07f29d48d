#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What test/conformance/test_hypervisor_libvirt.c asks for: a libvirtd with a machine that runs,
and what a guest and a killed run would do.

A request is a line of words, and so is its answer: "ok ...", or "failed ..." with the reason.  No
guest runs: QEMU writes in its place."""
import os
import pathlib
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

from libvirt.daemon import Daemon, missing  # noqa: E402

NAME = 'app01'
SIZES = {'vda': 8 << 20, 'vdb': (5 << 20) + 65536}
DISK = '''<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>
<source file='{path}'/><target dev='{name}' bus='virtio'/></disk>'''
DOMAIN = '''<domain type='qemu'><name>{name}</name><memory unit='MiB'>32</memory><vcpu>2</vcpu>
<os><type arch='x86_64' machine='pc'>hvm</type></os><features><acpi/></features>
<devices>{disks}<interface type='user'><mac address='52:54:00:00:00:{number}'/></interface>
</devices></domain>'''
JOB = '''<domainbackup mode='pull'><server transport='unix' socket='{folder}/nbd.sock'/><disks>
<disk name='vda' backup='yes' type='file'><scratch file='{folder}/vda.scratch'/></disk></disks>
</domainbackup>'''


class Peer:
    """One daemon, and its machine again and again."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.pool = daemon.pool()
        self.runs = None
        self.left_marks = set()

    def begin(self, runs):
        """A new machine; runs have their directories in `runs`."""
        self.runs = pathlib.Path(runs)
        self.add(NAME)

    def add(self, machine):
        """One more, which runs."""
        disks = ''
        for name, size in SIZES.items():
            path = self.daemon.folder / 'images' / f'{machine}-{name}.qcow2'
            path.unlink(missing_ok=True)
            subprocess.run(['qemu-img', 'create', '-q', '-f', 'qcow2', path, str(size)], check=True)
            disks += DISK.format(path=path, name=name)
        number = sum(map(ord, machine)) % 256
        self.daemon.define(DOMAIN.format(name=machine, disks=disks, number=f'{number:02x}'))
        self.daemon.virsh('start', machine)

    def end(self):
        """Without it."""
        self.remove(NAME)

    def write(self, disk, offset, length, pattern):
        """As the guest would."""
        device = f'/machine/peripheral/virtio-disk{list(SIZES).index(disk)}/virtio-backend'
        for command in (f'write -P {pattern} {offset} {length}', 'flush'):
            said = self.daemon.virsh('qemu-monitor-command', NAME, '--hmp',
                                     f'qemu-io -d {device} "{command}"').strip()
            if said:  # of success it says nothing here
                raise AssertionError(said)

    def left(self):
        """Words, or nothing."""
        found = [name for name in os.listdir(self.runs) if name not in self.left_marks]
        job = self.daemon.run('backup-dumpxml', NAME)
        if job.returncode == 0 and not any(mark in job.stdout for mark in self.left_marks):
            found.append('a backup job')
        found += [name for name in self.daemon.virsh('list', '--all', '--name').split()
                  if name != NAME]
        return ' '.join(found)

    def forget(self):
        """As if the machine had been defined anew."""
        for name in self.daemon.virsh('checkpoint-list', '--name', NAME).split():
            self.daemon.virsh('checkpoint-delete', NAME, name, '--metadata')

    def stop(self):
        """Off."""
        self.daemon.virsh('destroy', NAME)

    def leave(self, mark):
        """A job with its directory."""
        folder = self.runs / mark
        folder.mkdir()
        path = self.daemon.folder / 'job.xml'
        path.write_text(JOB.format(folder=folder))
        self.daemon.virsh('backup-begin', NAME, path)
        self.left_marks.add(mark)

    def has(self, mark):
        """Whether all of it is there; half of it is an error."""
        folder = (self.runs / mark).exists()
        job = f'/{mark}/' in self.daemon.run('backup-dumpxml', NAME).stdout
        if folder != job:
            raise AssertionError(f'directory: {folder}, job: {job}')
        return 'yes' if job else ''

    def drop(self, mark):
        """By hand."""
        self.daemon.virsh('domjobabort', NAME)
        while self.daemon.run('backup-dumpxml', NAME).returncode == 0:
            pass
        shutil.rmtree(self.runs / mark)
        self.left_marks.discard(mark)

    def path(self, machine, disk):
        """Of the image of a disk."""
        for line in self.daemon.virsh('domblklist', machine).splitlines():
            words = line.split()
            if words and words[0] == disk:
                return words[1]
        raise AssertionError(f'{machine} has no {disk}')

    def remove(self, name):
        """A machine with its disks."""
        self.daemon.run('destroy', name)
        paths = [line.split()[1] for line in self.daemon.virsh('domblklist', name).splitlines()]
        for checkpoint in self.daemon.virsh('checkpoint-list', '--name', name).split():
            self.daemon.virsh('checkpoint-delete', name, checkpoint, '--metadata')
        self.daemon.virsh('undefine', '--nvram', name)
        for path in paths:
            os.unlink(path)

    def uri(self):
        """For the driver."""
        return self.daemon.uri()

    def restartable(self):
        """Whether the daemon is one that can be started anew."""
        return 'yes' if self.daemon.system else ''

    def restart(self):
        """As an upgrade does; it answers again."""
        self.daemon.restart()

    def kill(self):
        """The same, but it does not answer yet."""
        self.daemon.kill()


def main():
    """Until standard input ends."""
    reason = missing()
    if reason:
        print('skip', reason, flush=True)
        return
    with Daemon() as daemon:
        peer = Peer(daemon)
        print('ok', flush=True)
        for line in sys.stdin:
            name, *words = line.split()
            try:
                answer = getattr(peer, name)(*words)
                print('ok', answer or '', flush=True)
            except (AssertionError, OSError, subprocess.SubprocessError) as failure:
                print('failed', str(failure).replace('\n', ' '), flush=True)


if __name__ == '__main__':
    main()
