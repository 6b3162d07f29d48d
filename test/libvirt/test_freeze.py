#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines that run are backed up while their guests write, in full and by what changed."""
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

from libvirt.machine_case import MIB, MachineCase  # noqa: E402
from libvirt.steps import REQUIRE, TRY, StepError  # noqa: E402


class RunningTest(MachineCase):
    """One qcow2 disk."""

    def test_full_then_changes(self):
        """Each set is the frozen moment, whatever the guest writes meanwhile."""
        self.start()
        session = self.open()
        self.write('first', 1)
        frozen = session.freeze(self.name, self.wanted())
        self.assertIsNone(self.changed(frozen))
        self.assertIsNone(self.why_full(frozen))
        self.write('meanwhile', 1)
        self.write('meanwhile', 30)
        self.pull(frozen, session)
        with open(self.sets['vda'], 'rb') as file:
            file.seek(MIB)
            self.assertTrue(file.read(64 << 10).startswith(b'first\nfirst\n'))
            file.seek(30 * MIB)
            self.assertEqual(bytes(64 << 10), file.read(64 << 10))
        self.keep(frozen, session)
        self.assert_nothing_left()
        self.assertEqual(1, len(self.checkpoints()))
        self.write('second', 10)
        self.write('second', 20, kib=128)
        frozen = session.freeze(self.name, self.wanted())
        self.write('later', 40)
        self.assertEqual(4 * 64 << 10, self.changed(frozen) - (64 << 10))
        self.pull(frozen, session)
        self.keep(frozen, session)
        frozen = self.backup(session)
        self.assertEqual(64 << 10, self.changed(frozen))
        self.assertEqual(1, len(self.checkpoints()))
        self.stop()
        self.assert_set_is_disk()
        self.assertEqual([], session.do('warnings'))

    def test_not_kept(self):
        """A set that was not stored leaves the older change id good."""
        self.start()
        session = self.open()
        self.backup(session)
        self.write('one', 5)
        self.backup(session, kept=False)
        self.assertEqual(1, len(self.checkpoints()))
        (self.scratch / 'set-vda.raw').rename(self.scratch / 'thrown-away')
        subprocess.run(['qemu-img', 'create', '-q', '-f', 'raw', self.scratch / 'set-vda.raw',
                        str(64 * MIB)], check=True)
        self.write('two', 6)
        frozen = self.backup(session)
        self.assertEqual(2 * 64 << 10, self.changed(frozen))
        self.stop()
        self.assert_set_is_disk()

    def test_two_chains(self):
        """Two stores, each with its own changes, and neither removes what the other needs."""
        self.start()
        session = self.open()
        one = self.backup(session, chain='one')
        self.write('a', 3)
        ids, self.kept = self.kept, {}
        self.backup(session, chain='two')
        self.assertEqual(2, len(self.checkpoints()))
        self.write('b', 4)
        other, self.kept = self.kept, ids
        one = self.backup(session, chain='one')
        self.assertEqual(2 * 64 << 10, self.changed(one))
        self.kept = other
        two = self.backup(session, chain='two')
        self.assertEqual(64 << 10, self.changed(two))
        self.assertEqual(2, len(self.checkpoints()))
        # The words of one store mean nothing to the other.
        one = session.freeze(self.name, self.wanted(), chain='one')
        self.assertIsNone(self.changed(one))
        self.assertIn('another store', self.why_full(one))
        session.do('release')

    def test_restart(self):
        """A machine that was shut down in good order keeps its bitmaps."""
        self.start()
        session = self.open()
        self.backup(session)
        self.write('before', 7)
        self.stop()
        self.start()
        frozen = self.backup(session)
        self.assertEqual(64 << 10, self.changed(frozen))
        self.stop()
        self.assert_set_is_disk()

    def test_broken_bitmaps(self):
        """QEMU is killed: a loud full backup, and changes again after it."""
        self.start()
        session = self.open()
        self.backup(session)
        self.write('lost', 9)
        os.kill(self.daemon.qemu(self.name), signal.SIGKILL)
        while self.daemon.virsh('domstate', self.name).strip() != 'shut off':
            time.sleep(0.1)
        self.start()
        frozen = self.backup(session)
        self.assertIsNone(self.changed(frozen))
        self.assertRegex(self.why_full(frozen), 'list of changes is broken .*bitmap')
        self.assertEqual(1, len(self.checkpoints()))
        self.assertEqual([], session.do('warnings'))
        self.write('after', 11)
        frozen = self.backup(session)
        self.assertEqual(64 << 10, self.changed(frozen))
        self.stop()
        self.assert_set_is_disk()
        said = subprocess.run(['qemu-img', 'info', '--output=json', self.disks['vda']], check=True,
                              capture_output=True, text=True).stdout
        self.assertEqual(1, said.count('slipway-test-'), said)

    def test_defined_anew(self):
        """Checkpoints that libvirt has forgotten, with bitmaps that are still there."""
        self.start()
        session = self.open()
        self.backup(session)
        (name,) = self.checkpoints()
        self.daemon.virsh('checkpoint-delete', self.name, name, '--metadata')
        frozen = self.backup(session)
        self.assertIsNone(self.changed(frozen))
        self.assertIn('does not know checkpoint', self.why_full(frozen))
        self.write('x', 2)
        self.assertEqual(64 << 10, self.changed(self.backup(session)))
        self.stop()
        self.assert_set_is_disk()
        said = subprocess.run(['qemu-img', 'info', '--output=json', self.disks['vda']], check=True,
                              capture_output=True, text=True).stdout
        self.assertEqual(1, said.count('slipway-test-'), said)

    def test_resized(self):
        """A disk that has grown is read in full."""
        self.start()
        session = self.open()
        self.backup(session)
        self.daemon.virsh('blockresize', self.name, 'vda', f'{80 * MIB}b')
        self.sets['vda'].unlink()
        frozen = self.backup(session)
        self.assertIsNone(self.changed(frozen))
        self.assertIn('resized', self.why_full(frozen))
        self.assertEqual(80 * MIB, frozen['disks'][0]['size'])
        self.stop()
        self.assert_set_is_disk()

    def test_busy(self):
        """Another program's job is left alone."""
        self.start()
        session = self.open()
        job = self.scratch / 'job.xml'
        job.write_text("<domainbackup mode='pull'><server transport='unix' "
                       f"socket='{self.scratch}/other.sock'/><disks><disk name='vda' backup='yes' "
                       f"type='file'><scratch file='{self.scratch}/other.scratch'/></disk></disks>"
                       '</domainbackup>')
        self.daemon.virsh('backup-begin', self.name, job)
        with self.assertRaises(StepError) as caught:
            session.freeze(self.name, self.wanted())
        self.assertEqual('busy', caught.exception.code)
        self.assertIn('domjobabort', caught.exception.message)
        self.assertEqual([], session.do('clean', None))
        self.daemon.virsh('backup-dumpxml', self.name)
        self.daemon.virsh('domjobabort', self.name)
        self.assertEqual([], os.listdir(self.runs))

    def test_killed_run(self):
        """What it leaves is in the way of nobody but us, and goes."""
        self.start()
        victim = self.open()
        victim.freeze(self.name, self.wanted())
        session = self.open()
        with self.assertRaises(StepError) as caught:
            session.freeze(self.name, self.wanted())
        self.assertEqual('busy', caught.exception.code)
        self.assertEqual([], session.do('clean', self.name))  # it lives
        victim.kill()
        words = session.do('clean', self.name)
        self.assertEqual(2, len(words), words)
        self.assertIn('ended the backup job', words[0])
        self.assert_nothing_left()
        self.assertEqual([], session.do('clean', None))
        self.backup(session)
        self.assertEqual(1, len(self.checkpoints()))
        self.stop()
        self.assert_set_is_disk()

    def test_freed(self):
        """A frozen machine that is only freed leaves nothing."""
        self.start()
        session = self.open()
        session.freeze(self.name, self.wanted())
        session.do('release')
        self.assert_nothing_left()
        self.assertEqual([], self.checkpoints())
        session.freeze(self.name, self.wanted())
        session.do('cancel')
        session.do('thaw')
        session.do('settle', False)
        session.do('cancel', False)
        self.assert_nothing_left()
        self.assertEqual([], self.checkpoints())

    def test_stopped_meanwhile(self):
        """The machine ends in the middle."""
        self.start()
        session = self.open()
        session.freeze(self.name, self.wanted())
        self.stop()
        with self.assertRaises(StepError):
            session.do('read', 0, self.scratch / 'x.raw')
        session.do('thaw')
        session.do('settle', False)
        self.assertEqual([], os.listdir(self.runs))

    @unittest.skipIf(os.geteuid() != 0, 'only the daemon of root can be started anew by the test')
    def test_daemon_restarts(self):
        """In the middle; the job goes on, and is ended."""
        self.start()
        session = self.open()
        self.write('a', 1)
        frozen = session.freeze(self.name, self.wanted())
        self.daemon.restart()
        self.pull(frozen, session)
        self.keep(frozen, session)
        self.assert_nothing_left()
        self.assertEqual(1, len(self.checkpoints()))
        self.stop()
        self.assert_set_is_disk()

    def test_gone(self):
        """No such machine."""
        session = self.open()
        with self.assertRaises(StepError) as caught:
            session.do('describe', 'nobody')
        self.assertEqual('not-found', caught.exception.code)
        self.assertIn('nobody', caught.exception.message)


class QuiesceTest(MachineCase):
    """File systems at rest."""

    def make_image(self, path, kind):
        """With a file system."""
        raw = self.scratch / 'ext4.raw'
        with open(raw, 'wb') as file:
            file.truncate(64 * MIB)
        subprocess.run(['mkfs.ext4', '-q', '-F', raw], check=True)
        subprocess.run(['qemu-img', 'convert', '-O', kind, raw, path], check=True)

    def wait_for_agent(self):
        """Until libvirt knows of it."""
        end = time.monotonic() + 60
        while "state='connected'" not in self.daemon.virsh('dumpxml', self.name):
            self.assertLess(time.monotonic(), end)
            time.sleep(0.1)

    def mount(self):
        """It."""
        self.line.run('mkdir -p /mnt; mount -t ext4 /dev/vda /mnt')

    def test_quiesced(self):
        """The frozen file system is clean, and the guest goes on."""
        self.start()
        self.wait_for_agent()
        self.mount()
        self.line.run('echo word >/mnt/file')
        session = self.open()
        frozen = session.freeze(self.name, self.wanted(), quiesce=REQUIRE)
        self.assertEqual('quiesced', frozen['consistency'])
        self.assertIsNone(frozen['words'])
        self.line.run('echo other >/mnt/file; sync')
        self.pull(frozen, session)
        self.keep(frozen, session)
        asked = self.line.run('cat /tmp/agent-log').split()
        self.assertEqual(['guest-fsfreeze-freeze', 'guest-fsfreeze-thaw'],
                         [word for word in asked if 'fsfreeze' in word])
        checked = subprocess.run(['e2fsck', '-fn', self.sets['vda']], check=False,
                                 capture_output=True, text=True)
        self.assertEqual(0, checked.returncode, checked.stdout)
        read = subprocess.run(['debugfs', '-R', 'cat file', self.sets['vda']], check=True,
                              capture_output=True, text=True)
        self.assertEqual('word\n', read.stdout)

    def test_refused(self):
        """The guest does not want to: as asked, with words, and it is told to go on in any case."""
        self.start()
        self.wait_for_agent()
        self.line.run('touch /tmp/agent-refuse')
        session = self.open()
        with self.assertRaises(StepError) as caught:
            session.freeze(self.name, self.wanted(), quiesce=REQUIRE)
        self.assertIn('refuses to rest', caught.exception.message)
        self.assert_nothing_left()
        frozen = session.freeze(self.name, self.wanted(), quiesce=TRY)
        self.assertEqual('crash-consistent', frozen['consistency'])
        self.assertIn('refuses to rest', frozen['words'])
        session.do('release')
        asked = self.line.run('cat /tmp/agent-log').split()
        self.assertEqual('guest-fsfreeze-thaw', asked[-1])

    def test_silent(self):
        """The guest rests, and its agent is gone: a loud warning, which says who can wake it."""
        self.start()
        self.wait_for_agent()
        self.mount()
        self.line.run('touch /tmp/agent-silent')
        session = self.open()
        frozen = session.freeze(self.name, self.wanted(), quiesce=TRY)
        self.assertEqual('crash-consistent', frozen['consistency'])
        (warning,) = session.do('warnings')
        self.assertRegex(warning, 'may still be at rest.*virsh domfsthaw')
        session.do('release')
        self.line.run('fsfreeze --unfreeze /mnt')  # it was at rest indeed
        self.assert_nothing_left()

    def test_no_agent(self):
        """Nobody answers."""
        self.start()
        self.line.run('killall agent; sleep 1')
        session = self.open()
        frozen = session.freeze(self.name, self.wanted(), quiesce=TRY)
        self.assertEqual('crash-consistent', frozen['consistency'])
        self.assertIn('guest agent', frozen['words'])
        session.do('release')


class MixedTest(MachineCase):
    """A raw disk beside a qcow2 one."""

    formats = {'vda': 'qcow2', 'vdb': 'raw'}

    def test_mixed(self):
        """The raw one is read in full each time, and says why."""
        self.start()
        session = self.open()
        self.write('a', 1)
        self.write('b', 2, disk='vdb')
        frozen = self.backup(session)
        self.assertIsNone(frozen['disks'][1]['change_id'])
        self.write('c', 3)
        self.write('d', 4, disk='vdb')
        frozen = self.backup(session)
        self.assertEqual(64 << 10, self.changed(frozen))
        self.assertIsNone(self.changed(frozen, 'vdb'))
        self.assertIn('qcow2 images only', self.why_full(frozen, 'vdb'))
        self.stop()
        self.assert_set_is_disk('vda')
        self.assert_set_is_disk('vdb')

    def test_swapped(self):
        """The images change places: their bitmaps are not taken for each other's."""
        session = self.open()
        second = self.disks['vdb']
        second.unlink()
        subprocess.run(['qemu-img', 'create', '-q', '-f', 'qcow2', second, str(64 * MIB)],
                       check=True)
        uuid = self.daemon.virsh('domuuid', self.name).strip()
        self.xml = self.xml.replace('</name>', f'</name><uuid>{uuid}</uuid>')
        self.daemon.define(self.xml.replace("type='raw'", "type='qcow2'"))
        self.start()
        self.write('a', 1)
        self.write('b', 2, disk='vdb')
        self.backup(session)
        self.stop()
        one, two = str(self.disks['vda']), str(second)
        xml = self.xml.replace("type='raw'", "type='qcow2'")
        self.daemon.define(xml.replace(one, 'X').replace(two, one).replace('X', two))
        self.start()
        frozen = self.backup(session)
        self.assertIsNone(self.changed(frozen))
        self.assertIn('replaced', self.why_full(frozen))
        self.assertIn('replaced', self.why_full(frozen, 'vdb'))
        self.stop()
        self.disks = {'vda': second, 'vdb': self.disks['vda']}
        self.assert_set_is_disk('vda')
        self.assert_set_is_disk('vdb')


class ThreadTest(MachineCase):
    """Disks with an iothread, whose reading older versions of QEMU do not survive."""

    def check_refused(self):
        """Before anything was begun; the guest lives, and is backed up while it is off."""
        version = self.daemon.virsh('version')
        self.start()
        session = self.open()
        if int(re.search(r'Running hypervisor: QEMU (\d+)', version)[1]) >= 9:
            self.backup(session)
            self.write('alive', 1)
            return
        with self.assertRaises(StepError) as caught:
            session.freeze(self.name, self.wanted())
        self.assertEqual('unsupported', caught.exception.code)
        self.assertRegex(caught.exception.message, 'disk .da has an iothread.*9 or newer')
        self.assert_nothing_left()
        self.assertEqual([], self.checkpoints())
        self.assertEqual('running', self.daemon.virsh('domstate', self.name).strip())
        self.stop()
        self.backup(session)

    def redefine(self, xml):
        """The machine."""
        uuid = self.daemon.virsh('domuuid', self.name).strip()
        self.daemon.define(xml.replace(
            '</name>', f'</name><uuid>{uuid}</uuid><iothreads>1</iothreads>'))

    def test_disk(self):
        """The disk has it."""
        self.redefine(self.xml.replace("type='qcow2'/>", "type='qcow2' iothread='1'/>"))
        self.check_refused()

    def test_controller(self):
        """Its controller has it."""
        self.redefine(self.xml.replace("dev='vda' bus='virtio'", "dev='sda' bus='scsi'").replace(
            '</devices>', "<controller type='scsi' index='0' model='virtio-scsi'>"
            "<driver iothread='1'/></controller></devices>"))
        self.disks = {'sda': self.disks.pop('vda')}
        self.check_refused()


class OffTest(MachineCase):
    """Machines that are off."""

    formats = {'vda': 'qcow2', 'vdb': 'raw'}

    def test_off(self):
        """All of it is read, nobody can start it meanwhile, and changes count on afterwards."""
        self.start()
        session = self.open()
        self.write('a', 1)
        self.write('b', 2, disk='vdb')
        self.backup(session)
        self.write('c', 3)
        self.stop()
        before = self.kept['vda']
        self.kept['vdb'] = None
        frozen = session.freeze(self.name, self.wanted(), quiesce=REQUIRE)
        self.assertEqual('powered-off', frozen['consistency'])
        self.assertIn('off', self.why_full(frozen))
        refused = self.daemon.run('start', self.name)
        self.assertNotEqual(0, refused.returncode)
        self.assertIn('lock', refused.stderr)
        self.pull(frozen, session)
        self.keep(frozen, session)
        self.assert_set_is_disk('vda')
        self.assert_set_is_disk('vdb')
        self.assertEqual(before, self.kept['vda'])
        self.start()
        self.write('d', 4)
        self.kept['vdb'] = None
        frozen = self.backup(session)
        self.assertEqual(2 * 64 << 10, self.changed(frozen))
        self.stop()
        self.assert_set_is_disk('vda')

    def test_raw_lock(self):
        """A raw disk by itself keeps QEMU out too."""
        session = self.open()
        session.freeze(self.name, {'vdb': None})
        refused = self.daemon.run('start', self.name)
        self.assertNotEqual(0, refused.returncode)
        self.assertIn('lock', refused.stderr)
        session.do('release')
        self.start()

    def test_in_use(self):
        """An image that somebody writes is not read."""
        session = self.open()
        server = subprocess.Popen(['qemu-nbd', '-f', 'raw', '-k', self.scratch / 'q.sock', '-t',
                                   self.disks['vdb']])
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        while not (self.scratch / 'q.sock').exists():
            time.sleep(0.05)
        with self.assertRaises(StepError) as caught:
            session.freeze(self.name, {'vdb': None})
        self.assertEqual('busy', caught.exception.code)


if __name__ == '__main__':
    unittest.main()
