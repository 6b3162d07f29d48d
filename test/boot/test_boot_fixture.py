#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Test the boot fixture itself, on ISOs made by xorriso.

    test_boot_fixture.py DIRECTORY_OF_ARTEFACTS [unittest's arguments]

or with the directory in SLIPWAY_BOOT_DIR.
"""
import gzip
import os
import random
import shutil
import subprocess
import sys
import tempfile
import unittest

from boot_iso import EXIT_FAILED, boot_iso, expected_module

SYSLINUX_MODULES = '/usr/lib/syslinux/modules/bios'
SYSLINUX_NAMES = ('ldlinux.c32', 'libcom32.c32', 'libutil.c32', 'menu.c32')

ISOLINUX_CFG = '''DEFAULT menu.c32
MENU TITLE Slipway boot fixture Boot Menu
NOHALT 1
PROMPT 0
TIMEOUT {timeout}
LABEL install
  KERNEL mboot.c32
  APPEND -c boot.cfg
  MENU LABEL Slipway boot fixture ^Installer
LABEL hddboot
  LOCALBOOT 0x80
  MENU LABEL ^Boot from local disk
'''

# The way that the vendor's ISOs are shaped: plain ISO 9660, 8.3 names in upper case.
PLAIN_OPTIONS = ('-iso-level', '1', '--norock', '-V', 'SLIPWAY_BOOT', '-A', 'ESXIMAGE')
# The way that the vendor's manual tells users to make one.
MANUAL_OPTIONS = ('-relaxed-filenames', '-J', '-R')

artefacts = os.environ.get('SLIPWAY_BOOT_DIR', '')


def random_bytes(seed, size):
    return random.Random(seed).randbytes(size)


def make_modules():
    """File contents by path in boot.cfg, in boot order."""
    text = b'the quick brown fox jumps over the lazy dog, again and again\n' * 9000
    return {
        '/k.b00': gzip.compress(random_bytes(1, 300000) + text, 9, mtime=0),
        '/useropts.gz': gzip.compress(b'', mtime=0),
        '/plain.v00': random_bytes(2, 123457),
        '/one.v00': b'x',
        '/many.gz': gzip.compress(text, 1, mtime=0) + gzip.compress(b'tail', mtime=0)
                    + gzip.compress(random_bytes(3, 5000), mtime=0),
        '/signed.v00': gzip.compress(text[::-1], 6, mtime=0) + random_bytes(4, 520),
        '/stored.v00': gzip.compress(random_bytes(5, 70000), 0, mtime=0),
        '/imgdb.tgz': gzip.compress(bytes(5 << 20), 9, mtime=0),
        '/imgpayld.tgz': gzip.compress(random_bytes(6, 3 << 20), 1, mtime=0),
    }


def boot_cfg(modules, kernelopt, **changes):
    values = {
        'bootstate': '0', 'title': 'Loading ESXi installer', 'timeout': '5', 'prefix': '',
        'kernel': '/b.b00', 'kernelopt': kernelopt, 'modules': ' --- '.join(modules),
        'build': '8.0.3-0.0.1', 'updated': '0',
    }
    values.update(changes)
    return ''.join(f'{key}={value}\n' for key, value in values.items())


def read_artefact(name):
    with open(os.path.join(artefacts, name), 'rb') as file:
        return file.read()


class IsoTree:
    """The files of an ISO before it is made; add, change or remove some, then write()."""

    def __init__(self, modules, isolinux_timeout=80):
        self.files = {
            '/b.b00': gzip.compress(read_artefact('b.elf'), mtime=0),
            '/isolinux.bin': read_artefact('isolinux.bin'),
            '/mboot.c32': read_artefact('mboot.c32'),
            '/efiboot.img': read_artefact('efiboot.img'),
            '/efi/boot/bootx64.efi': read_artefact('bootx64.efi'),
            '/isolinux.cfg': ISOLINUX_CFG.format(timeout=isolinux_timeout).encode(),
        }
        self.files.update(modules)
        self.set_config(boot_cfg(modules, 'runweasel cdromBoot'))
        for name in SYSLINUX_NAMES:
            with open(os.path.join(SYSLINUX_MODULES, name), 'rb') as file:
                self.files['/' + name] = file.read()

    def set_config(self, bios, uefi=None):
        self.files['/boot.cfg'] = bios.encode()
        self.files['/efi/boot/boot.cfg'] = (uefi or bios).encode()

    def write(self, directory, name, options=PLAIN_OPTIONS, upper=True,
              bios_options=('-boot-load-size', '4', '-boot-info-table')):
        """Make the ISO with xorriso and return its path."""
        case = str.upper if upper else str.lower
        root = os.path.join(directory, name + '.root')
        for path, data in self.files.items():
            target = root + case(path)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(target, 'wb') as file:
                file.write(data)
        iso = os.path.join(directory, name + '.iso')
        subprocess.run(
            ['xorriso', '-as', 'mkisofs', '-quiet', *options, '-o', iso,
             '-b', case('isolinux.bin'), '-c', case('boot.cat'), '-no-emul-boot',
             *bios_options, '-eltorito-alt-boot', '-e', case('efiboot.img'), '-no-emul-boot', root],
            check=True, capture_output=True)
        shutil.rmtree(root)
        return iso


class BootCase(unittest.TestCase):
    """What boot tests have in common."""
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory(prefix='slipway-boot-test-')
        cls.modules = cls.make_modules()
        cls.expected = [expected_module(name, data) for name, data in cls.modules.items()]

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    def tree(self, isolinux_timeout=10):
        return IsoTree(self.modules, isolinux_timeout)

    def write(self, tree, *arguments, **options):
        return tree.write(self.scratch.name, self.id().split('.')[-1], *arguments, **options)

    def check_boot(self, iso, firmware, cmdline, expected, **options):
        result = boot_iso(iso, firmware, **options)
        self.assertTrue(result.ok, result.report())
        self.assertEqual(result.cmdline, cmdline)
        self.assertEqual(result.modules, expected)
        print(f'[{firmware} {result.seconds:.1f} s] ', end='', file=sys.stderr, flush=True)
        return result

    def check_failure(self, iso, firmware, *words):
        result = boot_iso(iso, firmware, timeout=60)
        self.assertFalse(result.ok, result.report())
        self.assertFalse(result.timed_out, result.report())
        self.assertEqual(result.exit_status, EXIT_FAILED, result.report())
        self.assertEqual(len(result.errors), 1, result.report())
        for word in words:
            self.assertIn(word, result.errors[0])
        self.assertIsNone(result.cmdline, result.report())

    def check_failure_everywhere(self, tree, *words):
        iso = self.write(tree)
        for firmware in ('bios', 'uefi'):
            with self.subTest(firmware=firmware):
                self.check_failure(iso, firmware, *words)


class BootTest(BootCase):
    make_modules = staticmethod(make_modules)

    def test_bios(self):
        """The plain shape, with the 8 seconds that real ISOs wait in the menu."""
        iso = self.write(self.tree(isolinux_timeout=80))
        result = self.check_boot(iso, 'bios', '/b.b00 runweasel cdromBoot', self.expected)
        self.assertIn('bios config=boot.cfg', result.loader)
        self.assertIn('title=Loading ESXi installer', result.loader)

    def test_uefi(self):
        iso = self.write(self.tree())
        result = self.check_boot(iso, 'uefi', '/b.b00 runweasel cdromBoot', self.expected)
        self.assertEqual(result.loader[:2], ['uefi-isobounce start=/EFI/BOOT/BOOTX64.EFI',
                                             'uefi config=/EFI/BOOT/BOOT.CFG'])

    def test_manual_command(self):
        """Joliet, Rock Ridge and lower-case names do no harm."""
        iso = self.write(self.tree(), MANUAL_OPTIONS, upper=False)
        for firmware in ('bios', 'uefi'):
            with self.subTest(firmware=firmware):
                self.check_boot(iso, firmware, '/b.b00 runweasel cdromBoot', self.expected)

    def test_many_modules(self):
        """As many modules as a real ISO has, or some more."""
        modules = {f'/drv{i:05}.v00': gzip.compress(random_bytes(i, i * 50), mtime=0)
                   for i in range(200)}
        iso = self.write(IsoTree(modules, 10))
        expected = [expected_module(name, data) for name, data in modules.items()]
        for firmware in ('bios', 'uefi'):
            with self.subTest(firmware=firmware):
                self.check_boot(iso, firmware, '/b.b00 runweasel cdromBoot', expected)

    def test_own_boot_cfg(self):
        """Each firmware reads its own boot.cfg and no other; prefix and options work."""
        names = list(self.modules)[:2]
        data = [self.modules[name] for name in names]
        entries = [names[0] + ' option=1 --flag', names[1]]
        tree = self.tree()
        tree.files['/sub/rel.v00'] = b'relative'
        tree.set_config(
            boot_cfg(entries, 'ks=cdrom:/KS.CFG') + '# comment\nunknown = ignored\n',
            boot_cfg(['rel.v00'] + entries, '', prefix='/sub').replace('\n', '\r\n'))
        expected = [expected_module(*pair) for pair in zip(entries, data)]
        iso = self.write(tree)
        self.check_boot(iso, 'bios', '/b.b00 ks=cdrom:/KS.CFG', expected)
        self.check_boot(iso, 'uefi', '/b.b00',
                        [expected_module('rel.v00', b'relative')] + expected)

    def test_module_missing(self):
        tree = self.tree()
        del tree.files['/imgdb.tgz']
        self.check_failure_everywhere(tree, '/imgdb.tgz')

    def test_module_with_bad_crc(self):
        tree = self.tree()
        data = bytearray(tree.files['/k.b00'])
        data[-8] ^= 1
        tree.files['/k.b00'] = bytes(data)
        self.check_failure_everywhere(tree, '/k.b00', 'gzip CRC mismatch')

    def test_module_truncated(self):
        tree = self.tree()
        tree.files['/imgpayld.tgz'] = tree.files['/imgpayld.tgz'][:-5000]
        self.check_failure_everywhere(tree, '/imgpayld.tgz', 'gzip data ends too early')

    def test_kernel_is_no_kernel(self):
        tree = self.tree()
        tree.files['/b.b00'] = b'no kernel at all' * 100
        self.check_failure_everywhere(tree, '/b.b00', 'not a 32-bit x86 ELF program')

    def test_config_without_kernel(self):
        tree = self.tree()
        tree.set_config('bootstate=0\nmodules=/k.b00\n')
        self.check_failure_everywhere(tree, 'no kernel given')

    def test_bios_without_boot_information_table(self):
        iso = self.write(self.tree(), bios_options=('-boot-load-size', '4'))
        result = boot_iso(iso, 'bios', timeout=10)
        self.assertFalse(result.ok, result.report())
        self.assertEqual(result.loader, [], result.report())

    def test_uefi_boot_cfg_missing(self):
        """The boot.cfg in the root does not stand in for the one in EFI/BOOT."""
        tree = self.tree()
        del tree.files['/efi/boot/boot.cfg']
        self.check_failure(self.write(tree), 'uefi', '/EFI/BOOT/BOOT.CFG', 'no such file')

    def test_uefi_loader_missing(self):
        tree = self.tree()
        del tree.files['/efi/boot/bootx64.efi']
        self.check_failure(self.write(tree), 'uefi', '/EFI/BOOT/BOOTX64.EFI', 'no such file')


@unittest.skipUnless(os.environ.get('SLIPWAY_BOOT_LARGE'), 'SLIPWAY_BOOT_LARGE is not set')
class LargeBootTest(BootCase):
    """400 MB of modules in 2 GiB of memory: about two minutes."""

    @staticmethod
    def make_modules():
        size = 40 << 20
        line = random_bytes(9, 1000) + b'text that repeats ' * 50
        modules = {}
        for i in range(4):
            modules[f'/rand{i}.v00'] = gzip.compress(random_bytes(i, size), 1, mtime=0)
            modules[f'/text{i}.v00'] = gzip.compress(line * (size // len(line) + i), 6, mtime=0)
        modules['/plain0.v00'] = random_bytes(10, size)
        modules['/plain1.v00'] = random_bytes(11, size + 1)
        return modules

    def test_large(self):
        iso = self.write(self.tree())
        for firmware in ('uefi', 'bios'):
            with self.subTest(firmware=firmware):
                self.check_boot(iso, firmware, '/b.b00 runweasel cdromBoot', self.expected,
                                memory=2048, timeout=400)


def main():
    global artefacts
    if len(sys.argv) > 1 and os.path.isdir(sys.argv[1]):
        artefacts = sys.argv.pop(1)
    if not os.path.exists(os.path.join(artefacts, 'b.elf')):
        sys.exit('usage: test_boot_fixture.py DIRECTORY_OF_ARTEFACTS')
    unittest.main()


if __name__ == '__main__':
    main()
