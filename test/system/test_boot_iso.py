#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""ISOs made by the program really boot, under BIOS and under UEFI, and every module reaches the
kernel whole and in order.

The loaders and the kernel are those of the boot fixture, built into SLIPWAY_BOOT_DIR; test/boot
has to be on PYTHONPATH too.  One emulator runs at a time; under BIOS each boot takes the eight
seconds of the menu.
"""
import functools
import os
import unittest

from boot_iso import boot_iso, expected_module
from customize_case import CustomizeCase
from fixture import iso, oracle, vendor
from slipway_case import authority, generation, scratch

BOOT_DIR = os.environ.get('SLIPWAY_BOOT_DIR')
LOADER_CONFIG = {'bios': '/BOOT.CFG', 'uefi': '/EFI/BOOT/BOOT.CFG'}


@functools.cache
def bootable(name):
    """A release whose loaders and kernel boot."""
    return generation(name, boot=BOOT_DIR)


@unittest.skipUnless(BOOT_DIR, 'SLIPWAY_BOOT_DIR does not name a built boot fixture')
class BootIsoTest(CustomizeCase):
    """Exported and customised ISOs in the emulator."""

    def exported(self, name, *options):
        """The ISO of a release's standard profile."""
        self.add_depot(bootable(name).bundle().write_zip(scratch() / f'bootable-{name}.zip'))
        return self.open(self.export(bootable(name).standard.name, f'{name}.iso', *options))

    def boots(self, image, firmware, vibs, release, options):
        """It boots, and the kernel has what the VIBs have."""
        result = boot_iso(image.path, firmware=firmware)
        self.assertTrue(result.ok, result.report())
        config = LOADER_CONFIG[firmware]
        kernel, *names = [f'/{name}' for name in image.modules(config)]
        self.assertEqual(f'{kernel} {options}', result.cmdline, result.report())
        expected = [expected_module(name, image.files[name.upper()]) for name in names]
        self.assertEqual(expected, result.modules, result.report())
        # The same from the VIBs themselves, for all but the archives at the end.
        count = len(oracle.archives(release))
        payloads = [payload for _, payload in oracle.module_payloads(vibs)]
        self.assertEqual([expected_module(name, payload.data)
                          for name, payload in zip(names, payloads[1:], strict=False)],
                         result.modules[:-count])
        self.assertEqual(len(payloads), len(names) - count + 1)
        if firmware == 'uefi':
            self.assertIn(f'uefi config={config}', result.loader)

    def check_release(self, name, firmwares, *options):
        """Export it and boot it."""
        image = self.exported(name, *options)
        made = bootable(name)
        for firmware in firmwares:
            with self.subTest(generation=name, firmware=firmware):
                self.boots(image, firmware, made.standard.vibs, made.release,
                           image.boot_cfg()['kernelopt'])
        return image

    def test_5_0(self):
        self.check_release('5.0', ['bios', 'uefi'])

    def test_6_7(self):
        image = self.check_release('6.7', ['bios'], '--kernel-option', 'allowLegacyCPU=true')
        self.assertEqual('cdromBoot runweasel allowLegacyCPU=true', image.boot_cfg()['kernelopt'])

    def test_7_0(self):
        self.check_release('7.0U3', ['uefi'])

    def test_8_0(self):
        self.check_release('8.0', ['bios', 'uefi'])

    def test_customised(self):
        """A stock ISO with a driver more, one replaced and one away."""
        made = bootable('7.0U3')
        stock = iso.make_iso(made, self.dir / 'stock.iso')
        partners = vendor.vibs(made, authority())
        added = [partners['partner'], partners['newer']]
        files = [option for vib in added for option in ('--add', self.write(vib))]
        image, _ = self.customize(stock, *files, '--remove', 'tools-light', '--kernel-option',
                                  'my=option')
        vibs = made.standard.with_vibs(added, ['tools-light']).vibs
        for firmware in ('bios', 'uefi'):
            with self.subTest(firmware=firmware):
                self.boots(image, firmware, vibs, made.release, 'runweasel cdromBoot my=option')


if __name__ == '__main__':
    unittest.main()
