#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""`image customize` and `image show`: boot options, names, odd stock ISOs, what is no ISO."""
import os
import unittest

from customize_case import REWRITTEN, CustomizeCase, stock, stock_with
from fixture import iso, oracle, vendor
from slipway_case import (CORRUPT, EXISTS, NOT_FOUND, UNSUPPORTED, USAGE, authority,
                          depot, generation)

CONFIGS = ('/BOOT.CFG', '/EFI/BOOT/BOOT.CFG')
KICKSTART = b'vmaccepteula\ninstall --firstdisk\nreboot\n'


def partner(name):
    """A package of another vendor."""
    return vendor.vibs(generation(name), authority())['partner']


class BootOptionsTest(CustomizeCase):
    """What is written into boot.cfg, and what stays there."""

    def test_kernel_options(self):
        image, _ = self.customize(stock('8.0'), '--kernel-option', 'systemMediaSize=min',
                                  '--kernel-option', 'runweasel')
        for path in CONFIGS:  # an option that is there already is not doubled
            self.assertEqual('runweasel cdromBoot systemMediaSize=min',
                             image.boot_cfg(path)['kernelopt'])
        self.assert_kept(self.open(stock('8.0')), image, REWRITTEN)

    def test_kickstart(self):
        (self.dir / 'my.cfg').write_bytes(KICKSTART)
        image, _ = self.customize(stock('7.0U3'), '--kickstart', 'my.cfg')
        self.assertEqual(KICKSTART, image.files['/KS.CFG'])
        for path in CONFIGS:
            self.assertEqual('runweasel cdromBoot ks=cdrom:/KS.CFG',
                             image.boot_cfg(path)['kernelopt'])
        self.assert_kept(self.open(stock('7.0U3')), image, REWRITTEN, added=['/KS.CFG'])
        (self.dir / 'other.cfg').write_bytes(b'# another\n')
        again, _ = self.customize(image.path, '--kickstart', 'other.cfg', name='again.iso')
        self.assertEqual(b'# another\n', again.files['/KS.CFG'])
        self.assertEqual(1, again.boot_cfg()['kernelopt'].count('ks='))

    def test_no_installer(self):
        image, _ = self.customize(stock('8.0'), '--no-installer', '--kernel-option', 'my=option')
        old = self.open(stock('8.0'))
        gone = {'weaselin.v00', 'esxupdt.v00'}
        for path in CONFIGS:
            self.assertEqual(('my=option', 'Loading ESXi'), (image.boot_cfg(path)['kernelopt'],
                                                             image.boot_cfg(path)['title']))
            self.assertEqual([name for name in old.modules() if name not in gone],
                             image.modules(path))
        self.assert_kept(old, image, REWRITTEN, gone={f'/{name.upper()}' for name in gone})

    def test_what_was_written_by_hand_stays(self):
        """Comments, options and modules of one's own, other ends of lines, unknown keys."""
        config = oracle.boot_cfg(generation('8.0').standard.vibs, generation('8.0').release)
        config = config.replace('kernelopt=runweasel cdromBoot',
                                'kernelopt=runweasel  cdromBoot my=option')
        config = config.replace(' --- /btldr.v00', ' --- /btldr.v00 with options --- /mine.tgz -x')
        config = '# by hand\n' + config.replace('updated=0\n', 'updated=0\nunheardof = 1\n')
        efi = config.replace('\n', '\r\n').replace('timeout=5', 'timeout=77')
        path = stock_with('8.0', self.dir / 'hand.iso', {
            CONFIGS[0]: config.encode(), CONFIGS[1]: efi.encode(), '/MINE.TGZ': b'mine'})
        vib = partner('8.0')
        names = generation('8.0').standard.with_vibs([vib])
        image, _ = self.customize(path, '--add', self.write(vib), '--kernel-option', 'more')
        modules = oracle.modules(names.vibs, generation('8.0').release)
        after = modules[modules.index('acme_rai.v00') + 1]
        for place, text in zip(CONFIGS, (config, efi)):
            expected = text.replace(f'/{after} --- ', f'/acme_rai.v00 --- /{after} --- ').replace(
                'my=option', 'my=option more')
            self.assertEqual(expected, image.files[place].decode())
        self.assertEqual(b'mine', image.files['/MINE.TGZ'])

    def test_without_efi_boot_cfg(self):
        """There was none: none is made."""
        path = stock_with('6.7', self.dir / 'bios.iso', {CONFIGS[1]: None})
        vib = partner('6.7')
        image, _ = self.customize(path, '--add', self.write(vib))
        self.assertIn('acme_rai.v00', image.modules())
        self.assertNotIn(CONFIGS[1], image.files)

    def test_without_upgrade(self):
        gone = {'/UPGRADE/PROFILE.XML': None, '/UPGRADE/METADATA.ZIP': None}
        path = stock_with('6.7', self.dir / 'lean.iso', gone)
        image, _ = self.customize(path, '--add', self.write(partner('6.7')))
        self.assert_kept(self.open(path), image, REWRITTEN - set(gone), added=['/ACME_RAI.V00'])

    def test_boot_cfg_that_is_none(self):
        path = stock_with('6.7', self.dir / 'odd.iso', {'/BOOT.CFG': b'\0\1\2' * 40})
        self.fails(CORRUPT, 'image', 'customize', path, '-o', 'out.iso', words=['BOOT.CFG'])
        self.assert_left('odd.iso')


class NamesTest(CustomizeCase):
    """The new profile's own properties."""

    def test_names(self):
        image, _ = self.customize(stock('6.7'), '--name', 'Rack 7 & <co>', '--vendor', 'ACME',
                                  '--description', 'with "quotes"', '--acceptance', 'partner')
        root = image.profile()
        self.assertEqual(['Rack 7 & <co>', 'ACME', 'with "quotes"', 'partner', 'false'],
                         [root.findtext(tag) for tag in ('name', 'creator', 'description',
                                                         'acceptancelevel', 'readonly')])
        self.assertEqual('RACK 7 & <CO>', image.volume_id)
        self.assertEqual(oracle.isolinux_cfg('Rack 7 & <co>').encode(),
                         image.files['/ISOLINUX.CFG'])

    def test_changed_profile_is_another_one(self):
        old = self.open(stock('6.7')).profile()
        image, _ = self.customize(stock('6.7'), '--add', self.write(partner('6.7')))
        new = image.profile()
        self.assertNotEqual(old.findtext('profileID'), new.findtext('profileID'))
        self.assertLess(int(old.findtext('serialno')), int(new.findtext('serialno')))

    def test_acceptance_above_that_of_a_vib(self):
        self.fails(7, 'image', 'customize', stock('6.7'), '--add', self.write(partner('6.7')),
                   '--acceptance', 'certified', '-o', 'out.iso', words=[partner('6.7').id])
        self.assertFalse((self.dir / 'out.iso').exists())

    def test_names_beyond_their_limits(self):
        for option, text in (('--name', 'x' * 81), ('--vendor', 'x' * 41),
                             ('--description', 'x' * 2049), ('--name', ''),
                             ('--acceptance', 'royal')):
            with self.subTest(option=option, length=len(text)):
                self.fails(USAGE, 'image', 'customize', stock('6.7'), option, text, '-o', 'o.iso')
                self.assert_left()

    def test_long_name_keeps_within_the_limit(self):
        made = generation('6.7')
        profile = made.standard.but(name='ESXi-' + 'x' * 75)
        path = iso.make_iso(made, self.dir / 'long.iso', profile)
        image, _ = self.customize(path)
        self.assertEqual('ESXi-' + 'x' * 68 + '-custom', image.profile().findtext('name'))


class PlacesTest(CustomizeCase):
    """Where it is read from and written to."""

    def test_does_not_overwrite(self):
        (self.dir / 'out.iso').write_bytes(b'precious')
        self.fails(EXISTS, 'image', 'customize', stock('6.7'), '-o', 'out.iso', words=['out.iso'])
        self.assertEqual(b'precious', (self.dir / 'out.iso').read_bytes())
        self.fails(USAGE, 'image', 'customize', stock('6.7'), words=['--output'])

    def test_onto_itself(self):
        """The input is read while the output is written: nothing of it is lost."""
        expected, _ = self.customize(stock('6.7'), name='expected.iso')
        (self.dir / 'same.iso').write_bytes(stock('6.7').read_bytes())
        image, _ = self.customize('same.iso', '--overwrite', name='same.iso')
        self.assertEqual(expected.path.read_bytes(), image.path.read_bytes())

    def test_what_is_no_esxi_iso(self):
        (self.dir / 'text').write_bytes(b'no ISO at all\n' * 9000)
        (self.dir / 'empty').write_bytes(b'')
        (self.dir / 'directory').mkdir()
        (self.dir / 'cut').write_bytes(stock('6.7').read_bytes()[:40 * 2048])
        os.mkfifo(self.dir / 'fifo')
        iso.write_iso({'/README': b'Debian', '/ISOLINUX.BIN': bytes(2048),
                       '/EFIBOOT.IMG': bytes(2048)}, self.dir / 'other', 'DEBIAN')
        expected = {'text': CORRUPT, 'empty': CORRUPT, 'directory': None, 'cut': CORRUPT,
                    'other': UNSUPPORTED, 'absent': NOT_FOUND, 'fifo': None, depot('6.7'): CORRUPT}
        before = sorted({path.name for path in self.dir.iterdir()})
        for name, code in expected.items():
            for command in (('customize', name, '-o', 'out.iso'), ('show', name)):
                with self.subTest(name=name, command=command[0]):
                    result = self.fails(code, 'image', *command, words=[name])
                    self.assertNotEqual(0, result.code)
                    self.assert_left(*before)

    def test_damaged_database(self):
        good = self.open(stock('6.7')).files['/IMGDB.TGZ']
        for kind, data in {'cut': good[:len(good) // 2], 'html': b'<html>', 'empty': b'',
                           'flipped': good[:900] + bytes([good[900] ^ 8]) + good[901:]}.items():
            with self.subTest(kind=kind):
                path = stock_with('6.7', self.dir / f'{kind}.iso', {'/IMGDB.TGZ': data})
                self.fails(CORRUPT, 'image', 'customize', path, '-o', 'out.iso',
                           words=['imgdb.tgz', path])
                self.fails(CORRUPT, 'image', 'show', path, words=['imgdb.tgz', path])
                self.assertFalse((self.dir / 'out.iso').exists())


class ShowTest(CustomizeCase):
    """`image show`."""

    def test_show(self):
        made = generation('8.0')
        shown = self.slipway('image', 'show', stock('8.0')).json
        self.assertEqual(made.standard.name, shown['profile']['name'])
        self.assertEqual(oracle.volume_id(made.standard.name), shown['volume_id'])
        self.assertEqual([vib.id for vib in made.standard.vibs if oracle.visible(vib)],
                         sorted(vib['id'] for vib in shown['vibs']))
        self.assertEqual(['/EXTRA/NOTES.TXT', '/VENDOR.DAT'], shown['unknown_files'])
        self.assertEqual((True, True, '/b.b00', 'runweasel cdromBoot', made.release.esx_version),
                         tuple(shown[key] for key in ('boots_bios', 'boots_efi', 'kernel',
                                                      'kernelopt', 'build')))
        config = oracle.boot_cfg(made.standard.vibs, made.release).splitlines()[6]
        self.assertEqual(config, 'modules=' + ' --- '.join(shown['modules']))

    def test_show_in_words(self):
        text = self.slipway('image', 'show', stock('6.7'), text=True).stdout
        for word in ('ESXi-6.7.0-8169922-standard', 'VENDOR.DAT', 'cdromBoot runweasel', 'ntg3',
                     'PartnerSupported'):
            self.assertIn(word, text)

    def test_needs_no_workspace(self):
        self.slipway('image', 'show', stock('6.7'))
        self.assertFalse(self.workspace.exists())


if __name__ == '__main__':
    unittest.main()
