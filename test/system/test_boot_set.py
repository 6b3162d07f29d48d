#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""`backup verify --boot` and `export boot`: backed-up machines that run, in an emulator."""
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import unittest

import boot_images
from boot_images import (BLANK, COUNT, DISK, PICTURE, POWER_OFF, RESET, RESTLESS, SECOND, SECTOR,
                         say)
from slipway_case import EXISTS, FAILED, NOT_FOUND, UNSUPPORTED, USAGE
from store_case import BLOCK, MIB, StoreCase, flip, noise, objects

PNG = b'\x89PNG\r\n\x1a\n'
MACHINE = ('--memory', '64', '--accelerator', 'tcg')
FAKE = pathlib.Path(__file__).parent / 'fake_qemu.py'
OVMF = pathlib.Path('/usr/share/OVMF')


def is_alive(pid):
    """Whether a process is there, and no corpse."""
    try:
        return ') Z ' not in pathlib.Path(f'/proc/{pid}/stat').read_text(encoding='ascii')
    except OSError:
        return False


class BootCase(StoreCase):
    """A store, a place for what guests write, and one for temporary files."""

    def setUp(self):
        super().setUp()
        for name in ('scratch', 'tmp', 'run'):
            (self.dir / name).mkdir(mode=0o700)
        self.scratch = self.dir / 'scratch'
        self.init()

    def environment(self):
        return super().environment() | {'XDG_RUNTIME_DIR': str(self.dir / 'run'),
                                        'TMPDIR': str(self.dir / 'tmp')}

    def command(self, *arguments, trust=None):
        words = [str(argument) for argument in arguments]
        if words[:2] == ['export', 'boot']:
            words += ['--store', str(self.store), *map(str, self.key)]
        return super().command(*words, trust=trust)

    def disk(self, name, *parts):
        """A disk with this boot sector."""
        return self.image(f'{name}.img', DISK, {0: boot_images.sector(*parts)})

    def machine(self, name, *parts):
        """One with this boot sector, backed up; its disk."""
        disk = self.disk(name, *parts)
        self.backup(disk, name=name)
        return disk

    def verify(self, name, *options, good=True, **more):
        """What a trial comes to."""
        options = (*MACHINE, '--scratch', self.scratch, *options)
        done = self.slipway('backup', 'verify', '--boot', name, *options,
                            code=0 if good else FAILED, **more)
        (result,) = done.json['results']
        self.assertEqual(good, result['good'], result)
        self.assert_nothing_left()
        return result

    def show(self, name):
        """A set, as --json shows it."""
        return self.slipway('backup', 'show', name).json['set']

    def picture(self, name):
        """The picture that is kept with a set."""
        file = self.dir / 'picture.png'
        self.slipway('backup', 'show', name, '--screenshot', file, '--overwrite')
        self.assertEqual(0o600, file.stat().st_mode & 0o777)
        return file.read_bytes()

    def assert_nothing_left(self):
        """No file of a machine that has ended."""
        self.assertEqual([], os.listdir(self.scratch))
        self.assertEqual([], os.listdir(self.dir / 'tmp'))

    def assert_picture(self, data, width, height):
        """A whole PNG file of this size."""
        self.assertEqual(PNG, data[:8])
        self.assertEqual((width, height), struct.unpack('>II', data[16:24]))
        self.assertEqual(b'IEND', data[-8:-4])


class SignTest(BootCase):
    """Signs of life, or none."""

    def test_serial(self):
        """A text on the serial port; the record is in lists."""
        disk = self.machine('text', say('host login: '))
        result = self.verify('text')
        self.assertEqual(('serial', 'bios', 'sata', 'tcg', True),
                         tuple(result[name] for name in ('sign', 'firmware', 'bus', 'accelerator',
                                                         'screenshot')))
        self.assertIn('"login:"', result['words'])
        self.assertLess(result['duration_ms'], 60000)
        booted = self.show('text')['booted']
        self.assertEqual((True, 'serial'), (booted['good'], booted['sign']))
        self.assertEqual(result['words'], booted['words'])
        self.assert_picture(self.picture('text'), 720, 400)
        listed = self.slipway('backup', 'list', text=True).stdout
        self.assertRegex(listed, r'booted 20\d\d-\d\d-\d\d')
        shown = self.slipway('backup', 'show', 'text', text=True).stdout
        self.assertRegex(shown, r'Booted: +20.*: starts after [0-9.]+ s: "login:"')
        self.assert_restores('text', 'disk0', disk)
        self.assert_sound()

    def test_own_text(self):
        """What the user says is a sign, and nothing else."""
        self.machine('text', say('ready 42 ./'))
        self.assertEqual('serial', self.verify('text', '--boot-text', r'ready \d+')['sign'])
        result = self.verify('text', '--boot-text', 'never', '--boot-timeout', '3', good=False)
        self.assertIn('the serial port ends with "ready 42 ./"', result['words'])
        self.assertFalse(self.show('text')['booted']['good'])
        self.slipway('backup', 'verify', '--boot', 'text', '--boot-text', '(', code=USAGE)

    def test_screen(self):
        """A picture that stays."""
        self.machine('picture', PICTURE)
        file = self.dir / 'screen.png'
        result = self.verify('picture', '--boot-settle', '2', '--screenshot', file)
        self.assertEqual('screen', result['sign'])
        self.assertGreaterEqual(result['duration_ms'], 2000)
        self.assert_picture(file.read_bytes(), 640, 400)
        self.assertEqual(file.read_bytes(), self.picture('picture'))
        result = self.verify('picture', '--boot-settle', '0', '--boot-timeout', '4', good=False)
        self.assertIsNone(result['sign'])

    def test_no_sign(self):
        """A blank screen, one with text, and one that never rests."""
        for name, parts, words in (('blank', (BLANK,), 'the screen is blank'),
                                   ('letters', (), 'the screen shows text'),
                                   ('restless', (BLANK, RESTLESS), 'did not come to rest')):
            with self.subTest(name):
                self.machine(name, *parts)
                result = self.verify(name, '--boot-settle', '2', '--boot-timeout', '6', good=False)
                self.assertIn('no sign of life within 6 s', result['words'])
                self.assertIn(words, result['words'])
                self.assertLess(result['duration_ms'], 30000)
                self.assertTrue(result['screenshot'])
                self.assertFalse(self.show(name)['booted']['good'])
        listed = self.slipway('backup', 'list', text=True).stdout
        self.assertEqual(3, listed.count('NO BOOT 20'))
        self.assert_sound()

    def test_ends(self):
        """One that powers off is not waited for; of one that starts over it is told."""
        self.machine('off', say('Loading'), POWER_OFF)
        result = self.verify('off', good=False)
        self.assertIn('the guest powered itself off', result['words'])
        self.assertTrue(result['screenshot'])
        self.machine('reset', say('x'), RESET)
        result = self.verify('reset', '--boot-timeout', '5', good=False)
        self.assertRegex(result['words'], r'it restarted \d+ times')

    def test_several(self):
        """Each is told; one that fails makes it fail, and the others are tried."""
        self.machine('one', BLANK)
        self.machine('two', say('two login: '))
        done = self.slipway('backup', 'verify', '--boot', 'one', 'two', *MACHINE,
                            '--boot-timeout', '3', code=FAILED)
        self.assertEqual([False, True], [result['good'] for result in done.json['results']])


class MachineTest(BootCase):
    """How it is run."""

    def test_writes(self):
        """A guest that writes changes nothing."""
        disk = self.machine('count', COUNT, say('done login: '))
        for _ in range(2):
            self.verify('count')
        self.assert_restores('count', 'disk0', disk)
        self.assert_sound()

    def test_buses(self):
        """Disks of any kind."""
        self.machine('text', say('host login: '))
        for bus in ('sata', 'ide', 'virtio', 'scsi', 'pvscsi', 'lsisas1068'):
            with self.subTest(bus):
                self.assertEqual(bus, self.verify('text', '--bus', bus)['bus'])

    def test_disks(self):
        """All disks of a set, in their order, and more than one controller has."""
        first = self.disk('first', SECOND)
        second = self.image('second.img', MIB, {0: b'second login: \0'})
        rest = {f'd{n}': self.image(f'd{n}.img', MIB, {0: noise(n, BLOCK)}) for n in range(6)}
        self.backup(f'a={first}', f'b={second}',
                    *(f'{name}={path}' for name, path in rest.items()), name='many')
        self.assertIn('"login:"', self.verify('many')['words'])
        done = self.slipway('backup', 'verify', '--boot', 'many', *MACHINE, '--bus', 'ide',
                            code=USAGE)
        self.assertIn('at most 4 disks', done.error)

    def test_configuration(self):
        """Firmware and bus of the document that is kept with the set."""
        disk = self.disk('text', say('host login: '))
        config = self.dir / 'vm.vmx'
        config.write_text('firmware = "bios"\nscsi0.virtualDev = "pvscsi"\n', encoding='ascii')
        self.backup(disk, '--config', config, name='vm')
        result = self.verify('vm')
        self.assertEqual(('bios', 'pvscsi'), (result['firmware'], result['bus']))

    def test_accelerator(self):
        """KVM where it works; where it does not, it is said, and the machine runs."""
        self.machine('text', say('host login: '))
        done = self.slipway('backup', 'verify', '--boot', 'text', '--memory', '64')
        (result,) = done.json['results']
        self.assertEqual(result['accelerator'] == 'kvm', result['no_kvm'] is None)
        if result['accelerator'] == 'tcg':
            self.assertTrue(any('KVM does not work here' in text for text in done.warnings))
            self.fails(UNSUPPORTED, 'backup', 'verify', '--boot', 'text', '--accelerator', 'kvm',
                       words=['KVM does not work here'])

    def test_uefi(self):
        """A partition table for UEFI; its loader is where a firmware looks that has no entries, or
        where one system has it alone."""
        fixture = os.environ.get('SLIPWAY_BOOT_DIR')
        if fixture is None or not OVMF.is_dir():
            self.skipTest('the boot fixture or OVMF is not there')
        program = pathlib.Path(fixture) / 'isobounce.efi'
        for name, path in (('fallback', 'BOOT/BOOTX64.EFI'), ('debian', 'debian/grubx64.efi')):
            with self.subTest(name):
                disk = self.uefi_disk(name, program, path)
                self.backup(disk, name=name)
                result = self.verify(name, '--memory', '256', '--boot-text', 'SLIPWAY-TEST-LOADER',
                                     '--boot-settle', '0', '--boot-timeout', '60')
                self.assertEqual('uefi', result['firmware'])
                self.assert_restores(name, 'disk0', disk)

    def uefi_disk(self, name, program, path):
        """A disk with this program on its system partition."""
        fat = self.dir / 'esp.img'
        start, size = 2048 * SECTOR, 33 * MIB
        fat.write_bytes(bytes(size))
        self.tool('mformat', '-i', fat, '-F', '::')
        self.tool('mmd', '-i', fat, '::/EFI', f'::/EFI/{path.split("/", maxsplit=1)[0]}')
        self.tool('mcopy', '-i', fat, program, f'::/EFI/{path}')
        disk = self.image(f'{name}.img', size + 2 * MIB, {start: fat.read_bytes()})
        self.tool('sfdisk', '--no-reread', '--no-tell-kernel', disk, stdin=(
            f'label: gpt\nstart={start // SECTOR}, size={size // SECTOR}, type=U\n'))
        return disk

    def tool(self, *command, code=0, stdin=None):
        """Somebody else's program."""
        done = subprocess.run(list(map(str, command)), capture_output=True, check=False,
                              input=stdin.encode() if stdin else None, env=os.environ)
        self.assertEqual(code, done.returncode, f'{command}: {done.stdout} {done.stderr}')

    def test_wrong(self):
        """What cannot be is said before anything is started."""
        self.machine('text', say('host login: '))
        taken = self.dir / 'taken.png'
        taken.write_bytes(b'x')
        for code, *options in ((USAGE, 'text', '--screenshot', 'x.png'),
                               (USAGE, '--boot', 'text', 'text', '--screenshot', 'x.png'),
                               (EXISTS, '--boot', 'text', '--screenshot', taken),
                               (USAGE, '--boot', 'text', '--memory', '1'),
                               (USAGE, '--boot', 'text', '--cpus', '0'),
                               (USAGE, '--boot', 'text', '--bus', 'isa'),
                               (USAGE, '--boot', 'text', '--firmware', 'openfirmware'),
                               (NOT_FOUND, '--boot', 'nobody')):
            with self.subTest(options=options):
                self.fails(code, 'backup', 'verify', *options)
        done = self.slipway('backup', 'verify', '--boot', 'text', code=UNSUPPORTED,
                            env={'PATH': '/nonexistent'})
        self.assertIn('qemu-system-x86', done.error)
        self.assertIsNone(self.show('text')['booted'])
        self.fails(NOT_FOUND, 'backup', 'show', 'text', '--screenshot', self.dir / 'none.png',
                   words=['verify --boot'])
        self.assert_nothing_left()

    def test_damaged(self):
        """A disk that cannot be read is no disk to boot from, and no crash."""
        self.machine('text', say('host login: '))
        (pack,) = [path for name, path in objects(self.store, 'packs').items()
                   if path.stat().st_size < 700 and b'login' in path.read_bytes()]
        flip(pack, 60)
        done = self.slipway('backup', 'verify', '--boot', 'text', *MACHINE, '--boot-timeout', '3',
                            code=None)
        self.assertNotEqual(0, done.code)


class RecordTest(BootCase):
    """What is kept."""

    def test_life(self):
        """The picture goes with its set, and a repair brings it back."""
        self.init_with_parity()
        self.machine('text', say('host login: '))
        self.verify('text')
        picture = self.picture('text')
        ((name, path),) = objects(self.store, 'screens').items()
        self.assertIn(f'parity/{name}', objects(self.store))
        flip(path, 200)
        found = self.check(code=5 if False else None)
        self.assertTrue(any(name == damage['object'] for damage in found['damage']), found)
        self.repair()
        self.assertEqual(picture, self.picture('text'))
        self.assert_sound()
        self.delete('text')
        self.assertEqual({}, objects(self.store, 'screens'))
        self.prune()
        self.assertFalse([name for name in objects(self.store) if 'screens' in name])

    def init_with_parity(self):
        """A store that can heal."""
        self.store = self.dir / 'healing'
        self.init('--parity', '5%')

    def test_encrypted(self):
        """Whoever has no key sees nothing of the screen."""
        self.store = self.dir / 'secret-store'
        key = self.dir / 'key'
        key.write_bytes(noise(7, 64))
        self.key = ('--key-file', key)
        self.init('--encrypt')
        self.machine('text', say('host login: '))
        self.verify('text')
        self.assert_picture(self.picture('text'), 720, 400)
        for path in objects(self.store, 'screens').values():
            self.assertNotIn(b'iVBOR', path.read_bytes())
            self.assertNotIn(b'png', path.read_bytes())
        self.assert_sound()

    def test_flags_stay(self):
        """A trial leaves other flags alone, and they leave its result alone."""
        self.machine('text', say('host login: '))
        self.slipway('backup', 'archive', 'text')
        self.verify('text')
        self.slipway('backup', 'verify', 'text')
        shown = self.show('text')
        self.assertTrue(shown['archived'])
        self.assertTrue(shown['verified']['good'])
        self.assertTrue(shown['booted']['good'])


class StrangeQemuTest(BootCase):
    """A QEMU that is another program: what the guest agent says, and what no QEMU should do."""

    def setUp(self):
        super().setUp()
        self.bin = self.dir / 'bin'
        self.bin.mkdir()
        self.dir.chmod(0o755)  # whoever it runs as must get there
        shutil.copy(FAKE, self.bin / 'qemu-system-x86_64')
        (self.bin / 'qemu-system-x86_64').chmod(0o755)
        self.machine('any', BLANK)

    def how(self, mode):
        """The environment for it."""
        return {'PATH': f'{self.bin}:{os.environ["PATH"]}', 'FAKE_QEMU': mode}

    def test_agent(self):
        """The agent's answer is a sign."""
        result = self.verify('any', env=self.how('agent'))
        self.assertEqual(('agent', 'the guest agent answers'), (result['sign'], result['words']))
        self.assert_picture(self.picture('any'), 1, 1)

    def test_strange(self):
        """Nothing that it does takes long, or more than an error."""
        for mode, words in (('no-greeting', 'not QMP'), ('flood', 'more than'),
                            ('gone', 'exit status 3'), ('words', 'these are its words'),
                            ('refuses', 'not today')):
            with self.subTest(mode):
                done = self.slipway('backup', 'verify', '--boot', 'any', *MACHINE, '--scratch',
                                    self.scratch, code=None, env=self.how(mode))
                self.assertIn(words, done.error)
                self.assertIsNone(self.show('any')['booted'])
                self.assert_nothing_left()

    def test_bad_while_it_runs(self):
        """It ends, talks nonsense, or gives no picture: that is no sign of life."""
        for mode, words in (('ends', 'QEMU ended with exit status 5'),
                            ('killed', 'QEMU ended with signal 9'),
                            ('panics', 'the guest panicked'),
                            ('stuck', "processor cannot go on"),
                            ('bad-screen', 'no screen')):
            with self.subTest(mode):
                result = self.verify('any', '--boot-timeout', '4', good=False, env=self.how(mode))
                self.assertIn(words, result['words'])
                self.assertFalse(result['screenshot'] and mode != 'panics' and mode != 'stuck')


class ExportBootTest(BootCase):
    """`export boot`."""

    def boot(self, name, *options):
        """Start it; the process, and what it has said."""
        options = (*MACHINE, '--scratch', self.scratch, *options)
        child = self.start('export', 'boot', name, *options)
        text = b''
        while not text.rstrip().endswith(b'\n}'):
            more = child.stdout.read1()
            self.assertTrue(more, child.stderr.read() if not more else '')
            text += more
        return child, json.loads(text)

    def end(self, child, code=0):
        """Until it has ended; what it said."""
        _, said = child.communicate(timeout=60)
        self.assertEqual(code, child.returncode, said)
        return said.decode()

    def exports(self):
        """What runs."""
        return self.slipway('export', 'list').json['exports']

    def wait_for_write(self):
        """Until the guest has written."""
        self.wait_for(lambda: self.exports() and self.exports()[0]['disks'][0]['written'] > 0)

    def second_sector(self, name):
        """Of the disk of a set."""
        return self.restore(name).read_bytes()[SECTOR:2 * SECTOR]

    def test_runs(self):
        """It runs, is listed, shows its screen to whoever has the password, and leaves nothing."""
        disk = self.machine('count', COUNT, PICTURE)
        child, said = self.boot('count')
        machine = said['machine_runs']
        self.assertEqual(('bios', 'sata', 'tcg'),
                         (machine['firmware'], machine['bus'], machine['accelerator']))
        self.wait_for_write()
        (listed,) = self.exports()
        self.assertEqual(said['id'], listed['id'])
        self.assertNotIn('vnc_password', listed)
        self.assertIn(f'runs, vnc {machine["vnc"]}',
                      self.slipway('export', 'list', text=True).stdout)
        host, port = machine['vnc'].rsplit(':', 1)
        self.assertEqual('127.0.0.1', host)
        with socket.create_connection((host, int(port)), timeout=20) as screen:
            self.assertEqual(b'RFB 003.008\n', screen.recv(12))
            screen.sendall(b'RFB 003.008\n')
            self.assertEqual(b'\x01\x02', screen.recv(2), 'a password alone lets one in')
        self.assertEqual(8, len(said['vnc_password']))
        if os.geteuid() == 0:
            owner = os.stat(f'/proc/{machine["pid"]}').st_uid
            self.assertNotEqual(0, owner, 'no guest runs as root')
        for pid in (child.pid, machine['pid']):
            line = pathlib.Path(f'/proc/{pid}/cmdline').read_bytes()
            self.assertNotIn(said['vnc_password'].encode(), line)
        self.assertEqual([], os.listdir(self.dir / 'tmp'))
        child.send_signal(signal.SIGTERM)
        told = self.end(child)
        self.assertNotIn(said['vnc_password'], told)
        self.assertFalse(is_alive(machine['pid']))
        self.assert_nothing_left()
        self.assertEqual([], self.exports())
        self.assert_restores('count', 'disk0', disk)
        self.assert_sound()

    def test_stop(self):
        """By `export stop`."""
        self.machine('blank', BLANK)
        child, said = self.boot('blank', '--display', 'none', '--no-network')
        self.assertIsNone(said['machine_runs']['vnc'])
        self.slipway('export', 'stop', said['id'])
        self.end(child)
        self.assertFalse(is_alive(said['machine_runs']['pid']))

    def test_powers_off(self):
        """The guest's end is ours."""
        self.machine('off', POWER_OFF)
        done = self.slipway('export', 'boot', 'off', *MACHINE, '--display', 'none', '--scratch',
                            self.scratch)
        self.assertFalse(is_alive(done.json['machine_runs']['pid']))
        self.assert_nothing_left()

    def test_killed(self):
        """However we end, the machine ends, and leaves no file."""
        self.machine('blank', BLANK)
        child, said = self.boot('blank')
        pid = said['machine_runs']['pid']
        self.assertTrue(is_alive(pid))
        child.kill()
        child.communicate(timeout=60)
        self.wait_for(lambda: not is_alive(pid))
        self.assert_nothing_left()

    def test_dies(self):
        """A QEMU that does not end well is told."""
        self.machine('blank', BLANK)
        child, said = self.boot('blank')
        os.kill(said['machine_runs']['pid'], signal.SIGKILL)
        self.assertIn('signal 9', self.end(child, FAILED))
        self.assert_nothing_left()

    def test_commit(self):
        """What was written becomes a set of its own."""
        disk = self.machine('count', COUNT, PICTURE)
        child, _ = self.boot('count', '--commit', 'counted', '--shutdown-timeout', '1')
        self.wait_for_write()
        child.send_signal(signal.SIGINT)
        self.end(child)
        self.assertEqual(1, self.second_sector('counted')[0])
        self.assert_restores('count', 'disk0', disk)
        self.assert_sound()

    def test_keep(self):
        """The next time goes on with what was written."""
        self.machine('count', COUNT, POWER_OFF)
        kept = self.dir / 'kept'
        for options in ((), (), ('--commit', 'counted')):
            self.slipway('export', 'boot', 'count', *MACHINE, '--display', 'none', '--keep-writes',
                         kept, *options)
        self.assertEqual(3, self.second_sector('counted')[0])
        self.assertEqual(0, self.second_sector('count')[0])

    def test_says(self):
        """Words for people, and how the same is done on hosts."""
        self.machine('off<&>', POWER_OFF)
        said = self.slipway('export', 'boot', 'off<&>', *MACHINE, '--scratch', self.scratch,
                            text=True).stdout
        for word in ('vnc://127.0.0.1:', 'password', 'virsh', '<source protocol=', 'vmkfstools',
                     'leads nowhere', 'thrown away'):
            self.assertIn(word, said)
        self.assertTrue(re.search(r'BIOS, disks on sata, tcg, 64 MiB', said), said)
        self.fails(NOT_FOUND, 'export', 'boot', 'off<&>', 'nodisk')
        self.fails(USAGE, 'export', 'boot')


if __name__ == '__main__':
    for tool in ('qemu-system-x86_64', 'as', 'ld'):
        assert shutil.which(tool), f'{tool} is missing'
    unittest.main()
