#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fixture itself: the archive, the order of modules, and a guest that does what it is told and
says when it does not."""
import pathlib
import stat
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

from guest import cpio, image, machine  # noqa: E402
from guest.modules import ModuleError, Modules  # noqa: E402


class Scratch(unittest.TestCase):
    """A test with a directory."""

    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix='slipway-guest-test-')
        self.addCleanup(scratch.cleanup)
        self.dir = pathlib.Path(scratch.name)


class ArchiveTest(Scratch):
    """What others read."""

    def test_archive(self):
        data = cpio.archive({'bin/x': (0o755, b'program'), 'a': (0o600, b''), 'b': (0o644, b'12')},
                            {'bin/y': 'x'}, ['mnt', 'var/lib'])
        path = self.dir / 'archive'
        path.write_bytes(data)
        subprocess.run(['bsdtar', '-xpf', path, '-C', self.dir], check=True)
        path.unlink()
        self.assertEqual(['a', 'b', 'bin', 'bin/x', 'bin/y', 'mnt', 'var', 'var/lib'],
                         sorted(str(name.relative_to(self.dir)) for name in self.dir.rglob('*')))
        self.assertEqual(b'program', (self.dir / 'bin/x').read_bytes())
        self.assertEqual(b'12', (self.dir / 'b').read_bytes())
        self.assertEqual('x', str((self.dir / 'bin/y').readlink()))
        self.assertEqual([0o755, 0o600], [stat.S_IMODE((self.dir / name).stat().st_mode)
                                          for name in ('bin/x', 'a')])


class ModulesTest(Scratch):
    """Made-up modules."""

    def modules(self, needs, builtin=()):
        """{name: what is in its own table}"""
        for name, words in needs.items():
            (self.dir / f'{name}.ko').write_bytes(b'\x7fELF\0' + words + b'\0end')
        (self.dir / 'modules.builtin').write_text(''.join(f'kernel/{n}.ko\n' for n in builtin))
        return Modules(self.dir)

    def order(self, modules, *names):
        """Only the names."""
        return [name for name, _ in modules.order(names)]

    def test_order(self):
        modules = self.modules({'a': b'depends=b,c-d', 'b': b'depends=c_d', 'c-d': b'depends=',
                                'e': b'depends=in\0softdep=pre: a absent', 'f': b'depends=a'},
                               builtin=['in'])
        self.assertEqual(['c_d', 'b', 'a', 'e', 'f'], self.order(modules, 'e', 'in', 'f', 'b'))

    def test_ring(self):
        modules = self.modules({'a': b'softdep=pre: b', 'b': b'depends=a'})
        self.assertEqual(['a', 'b'], sorted(self.order(modules, 'a')))

    def test_missing(self):
        modules = self.modules({'a': b'depends='})
        with self.assertRaisesRegex(ModuleError, 'no module b'):
            modules.order(['a', 'b'])


@unittest.skipIf(machine.missing(), machine.missing())
class MachineTest(unittest.TestCase):
    """The guest runs."""

    def test_reproducible(self):
        kernel, data = image.image()
        image.image.cache_clear()
        self.assertEqual((kernel, data), image.image())

    def test_scripts(self):
        with machine.Guest() as guest:
            self.assertEqual('one\ntwo\n', guest.run('echo one\necho two >&2'))
            self.assertEqual('', guest.run('exit 3', code=3))
            with self.assertRaisesRegex(machine.GuestError, 'status 1 instead of 0\n.*\nseen\n'):
                guest.run('echo seen; false; echo not seen')
            self.assertEqual('x' * 70000, guest.run('head -c 70000 /dev/zero | tr "\\0" x').strip())
            self.assertIn('SLIPWAY-GUEST 1 + echo one', guest.console())
            guest.run('test -d /sys/module/iscsi_tcp\ntest -b /dev/nbd0\nmust_fail false')
            guest.run('must_fail true', code=1)
            with self.assertRaisesRegex(machine.GuestError, 'within 1 s'):
                guest.run('sleep 60', seconds=1)
            with self.assertRaisesRegex(machine.GuestError, 'no use any more'):
                guest.run('true')

    def test_panic(self):
        with machine.Guest() as guest:
            with self.assertRaisesRegex(machine.GuestError, 'the guest has ended(.|\n)*panic'):
                guest.run('echo c >/proc/sysrq-trigger')


if __name__ == '__main__':
    unittest.main()
