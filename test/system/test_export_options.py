#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""`profile export`: what each option changes on the ISO, and profiles that are unusual."""
import os
import random
import unittest

from fixture import archive, iso, oracle
from fixture.payload import vgz
from fixture.vib import Vib
from slipway_case import (CORRUPT, EXISTS, LIMIT, NOT_FOUND, RULES, USAGE, SlipwayCase, authority,
                          depot, generation)

KICKSTART = b'vmaccepteula\ninstall --firstdisk\nreboot\n'


class OptionsTest(SlipwayCase):
    """One release, exported plain and with an option."""

    release = '6.7'

    def setUp(self):
        super().setUp()
        self.generation = generation(self.release)
        self.name = self.generation.standard.name
        self.add_depot(depot(self.release))

    def made(self, *options, name='out.iso', **more):
        """The ISO exported with these options."""
        image = iso.Iso(self.export(self.name, name, *options, **more))
        self.addCleanup(image.close)
        return image

    def assert_changed(self, image, *paths):
        """All files but these are those of a plain export."""
        plain = self.made('--overwrite', name='plain.iso').files
        changed = {path for path in plain | image.files
                   if plain.get(path) != image.files.get(path)}
        # isolinux.bin holds the number of its own sector.
        self.assertEqual(set(paths), changed - {'/ISOLINUX.BIN', '/BOOT.CAT'})

    def test_kernel_options_go_to_the_end(self):
        image = self.made('--kernel-option', 'allowLegacyCPU=true', '--kernel-option',
                          'systemMediaSize=min')
        expected = (oracle.kernel_options(self.generation.release)[0]
                    + ' allowLegacyCPU=true systemMediaSize=min')
        for path in ('/BOOT.CFG', '/EFI/BOOT/BOOT.CFG'):
            self.assertEqual(expected, image.boot_cfg(path)['kernelopt'])
        self.assert_changed(image, '/BOOT.CFG', '/EFI/BOOT/BOOT.CFG')

    def test_kickstart(self):
        (self.dir / 'my.cfg').write_bytes(KICKSTART)
        image = self.made('--kickstart', 'my.cfg')
        self.assertEqual(KICKSTART, image.files['/KS.CFG'])
        self.assertTrue(image.boot_cfg()['kernelopt'].endswith(' ks=cdrom:/KS.CFG'))
        self.assert_changed(image, '/BOOT.CFG', '/EFI/BOOT/BOOT.CFG', '/KS.CFG')

    def test_kickstart_that_is_not_there(self):
        self.fails(NOT_FOUND, 'profile', 'export', self.name, '-o', 'x.iso', '--kickstart',
                   'absent.cfg', words=['absent.cfg'])
        self.assert_left()

    def test_no_installer(self):
        image = self.made('--no-installer')
        self.assertNotIn('runweasel', image.boot_cfg()['kernelopt'])
        gone = {'/WEASELIN.V00', '/ESXUPDT.V00'}
        names = image.modules()
        for path in gone:
            self.assertNotIn(path[1:].lower(), names)
        plain = self.made(name='plain.iso')
        self.assertEqual([name for name in plain.modules() if f'/{name.upper()}' not in gone],
                         names)
        self.assert_changed(image, '/BOOT.CFG', '/EFI/BOOT/BOOT.CFG', *gone)

    def test_no_installer_of_5_0(self):
        self.add_depot(depot('5.0'))
        path = self.export(generation('5.0').standard.name, '5.iso', '--no-installer')
        with iso.Iso(path) as image:
            self.assertNotIn('/WEASELIN.I00', image.files)
            self.assertNotIn('weaselin.i00', image.modules())

    def test_form_by_ending_and_by_option(self):
        self.fails(USAGE, 'profile', 'export', self.name, '-o', 'x.img', words=['x.img'])
        self.fails(USAGE, 'profile', 'export', self.name, '-o', 'x.iso', '--iso', '--bundle')
        self.fails(USAGE, 'profile', 'export', self.name, '-o', 'x.zip', '--kernel-option', 'a')
        self.fails(USAGE, 'profile', 'export', self.name, words=['--output'])
        self.assert_left()
        image = self.made('--iso', name='image.bin')
        self.assert_changed(image)
        self.assertTrue(self.made(name='IMAGE.ISO').boot_entries)

    def test_bundle_can_be_exported_from_again(self):
        bundle = self.export(self.name, 'out.zip')
        plain = self.made(name='plain.iso').path.read_bytes()
        self.workspace = self.dir / 'second'
        self.add_depot(bundle)
        self.assertEqual(plain, self.made(name='again.iso').path.read_bytes())

    # ---- what lies there ----------------------------------------------------------------------

    def test_does_not_overwrite(self):
        target = self.dir / 'out.iso'
        target.write_bytes(b'precious')
        self.fails(EXISTS, 'profile', 'export', self.name, '-o', target,
                   words=[target, '--overwrite'])
        self.assertEqual(b'precious', target.read_bytes())
        for option in ('--overwrite', '--force'):
            target.write_bytes(b'precious')
            self.made(option)
            self.assertNotEqual(b'precious', target.read_bytes())
        self.assert_left('out.iso')

    def test_does_not_overwrite_through_a_link(self):
        (self.dir / 'precious').write_bytes(b'precious')
        os.symlink('precious', self.dir / 'out.iso')
        self.fails(EXISTS, 'profile', 'export', self.name, '-o', 'out.iso')
        os.symlink('nowhere', self.dir / 'dangling.iso')
        self.fails(EXISTS, 'profile', 'export', self.name, '-o', 'dangling.iso')
        self.assertEqual(b'precious', (self.dir / 'precious').read_bytes())

    def test_a_directory_is_never_replaced(self):
        (self.dir / 'out.iso').mkdir()
        for option in ((), ('--overwrite',)):
            self.fails(EXISTS, 'profile', 'export', self.name, '-o', 'out.iso', *option,
                       words=['directory'])

    def test_directory_that_is_not_there(self):
        self.fails(NOT_FOUND, 'profile', 'export', self.name, '-o', 'no/where/x.iso',
                   words=['no/where'])
        self.assert_left()

    def test_odd_names(self):
        for name in ('with blank.iso', 'ünïcode.iso', '-dash.iso', "quote'.iso"):
            with self.subTest(name=name):
                self.made(name=name).close()


class BaseIsoTest(SlipwayCase):
    """--base-iso: the archives that no depot has, out of a stock ISO of the same release."""

    def test_archives_are_taken(self):
        for name in ('7.0U3', '8.0', '9.1'):
            with self.subTest(generation=name):
                made = generation(name)
                self.workspace = self.dir / f'workspace-{name}'
                stock = iso.make_iso(made, self.dir / f'stock-{name}.iso')
                self.add_depot(depot(name))
                path = self.dir / f'{name}.iso'
                result = self.slipway('profile', 'export', made.standard.name, '-o', path,
                                      '--base-iso', stock)
                self.assertFalse([text for text in result.warnings if 'empty' in text])
                archives = [f'/{name.upper()}' for name in oracle.archives(made.release)[1:-1]]
                with iso.Iso(stock) as old, iso.Iso(path) as new:
                    self.assertLess(0, len(archives))
                    for archive in archives:
                        self.assertEqual(old.files[archive], new.files[archive])
                    self.assertNotIn('/VENDOR.DAT', new.files)

    def test_without_it_a_warning_says_so(self):
        self.add_depot(depot('8.0'))
        result = self.slipway('profile', 'export', generation('8.0').standard.name, '-o',
                              self.dir / 'out.iso')
        warned = ' '.join(result.warnings)
        for word in ('basemisc.tgz', 'resvibs.tgz', 'esxiodpt.tgz', '--base-iso'):
            self.assertIn(word, warned)

    def test_base_that_is_none(self):
        self.add_depot(depot('8.0'))
        (self.dir / 'text.iso').write_bytes(b'no ISO at all\n' * 5000)
        name = generation('8.0').standard.name
        self.fails(CORRUPT, 'profile', 'export', name, '-o', 'x.iso', '--base-iso', 'text.iso',
                   words=['text.iso'])
        self.fails(NOT_FOUND, 'profile', 'export', name, '-o', 'x.iso', '--base-iso', 'no.iso',
                   words=['no.iso'])
        self.assert_left('text.iso')

    def test_base_of_another_release_is_refused(self):
        self.add_depot(depot('8.0'))
        stock = iso.make_iso(generation('7.0U3'), self.dir / 'seven.iso')
        result = self.slipway('profile', 'export', generation('8.0').standard.name, '-o', 'x.iso',
                              '--base-iso', stock, code=None)
        self.assertNotEqual(0, result.code)
        self.assertIn('seven.iso', result.error)
        self.assert_left('seven.iso')


class OddProfilesTest(SlipwayCase):
    """Images that are unusual, and right."""

    release = '7.0'

    def iso_of(self, vibs, **changes):
        """The ISO of a profile of these VIBs, exported from a depot of its own."""
        made = generation(self.release)
        profile = made.standard.but(vibs=tuple(vibs), **changes)
        self.add_depot(made.bundle(vibs=profile.vibs, profiles=(profile,)).write_zip(
            self.dir / 'odd.zip'))
        image = iso.Iso(self.export(profile.name))
        self.addCleanup(image.close)
        return profile, image

    def replaced(self, vib):
        """The release's VIBs with this one in place of its namesake."""
        return [authority().signed(vib) if old.name == vib.name else old
                for old in generation(self.release).vibs]

    def test_large_boot_payload(self):
        """Too large to be kept in memory while imgpayld.tgz waits for it."""
        base = generation(self.release).vib('esx-base')
        data = archive.gzip_bytes(random.Random(1).randbytes(20 << 20), 0)
        profile, image = self.iso_of(self.replaced(base.but(payloads=tuple(
            payload.but(data=data) if payload.name == 'k' else payload
            for payload in base.payloads))))
        self.assertEqual(data, image.files['/K.B00'])
        self.assertEqual(data, image.tgz('/IMGPAYLD.TGZ')['var/db/payloads/boot/k.b00'])
        self.assertEqual({path: len(content) for path, content in oracle.iso_files(
            profile.vibs, generation(self.release).release).items()},
                         {path: size for path, size in image.sizes.items() if path in
                          oracle.iso_files(profile.vibs, generation(self.release).release)})

    def test_vibs_that_are_not_booted(self):
        made = generation(self.release)
        silent = (made.vib('ntg3').id, made.vib('vsan').id)
        profile, image = self.iso_of(made.vibs, not_booted=silent)
        self.assertEqual(oracle.modules(profile.vibs, made.release, silent)
                         + oracle.archives(made.release), image.modules())
        self.assertIn('/NTG3.V00', image.files)
        listed = {vib.findtext('vib-id'): vib.findtext('boot')
                  for vib in image.profile().iter('vib')}
        self.assertEqual(set(silent), {vib for vib, boot in listed.items() if boot == 'false'})

    def test_many_payloads_of_one_name(self):
        """256 twins have names; one more is refused."""
        made = generation(self.release)
        shared = [Vib(f'twin-{n:03}', '1.0-1', payloads=(vgz('twinnings', {f'opt/twin/{n}': b''}),),
                      file_list=(f'opt/twin/{n}',), signer=authority().signer('certified'))
                  for n in range(257)]
        profile, image = self.iso_of([*made.vibs, *shared[:256]])
        self.assertEqual(made.local_names(profile), image.local_names())
        self.assertIn('/TWINNING.VFF', image.files)
        more = profile.but(name='too-many', vibs=profile.vibs + (shared[256],))
        self.add_depot(made.bundle(vibs=more.vibs, profiles=(more,)).write_zip(
            self.dir / 'more.zip'))
        self.fails(LIMIT, 'profile', 'export', 'too-many', '-o', 'more.iso', words=['twinnings'])

    def test_two_payloads_for_one_vfat_name(self):
        made = generation(self.release)
        clash = Vib('clash', '1.0-1', payloads=(
            vgz('clash', {'opt/clash': b''}).but(vfat_name='useropts.gz'),),
            file_list=('opt/clash',), signer=authority().signer('certified'))
        profile = made.standard.with_vibs([clash])
        self.add_depot(made.bundle(vibs=profile.vibs, profiles=(profile,)).write_zip(
            self.dir / 'odd.zip'))
        self.fails(CORRUPT, 'profile', 'export', profile.name, '-o', 'out.iso',
                   words=[clash.id, 'useropts.gz'])
        self.assert_left('odd.zip')

    def test_long_and_foreign_names(self):
        self.add_depot(depot('6.7'))
        for name in ('Größe ' + 'x' * 70, 'a "quoted" & <angled> name', 'ラック7'):
            with self.subTest(name=name):
                self.clone(generation('6.7').standard.name, name)
                with iso.Iso(self.export(name, 'named.iso', '--overwrite')) as image:
                    self.assertEqual(name, image.profile().findtext('name'))
                    self.assertLessEqual(len(image.volume_id), 32)
                    self.assertEqual(oracle.isolinux_cfg(name).encode(),
                                     image.files['/ISOLINUX.CFG'])


class EsxioTest(SlipwayCase):
    """8.0 and later: the packages for DPUs are in the profile and not on the ISO."""

    def test_report_counts_what_is_on_the_iso(self):
        self.add_depot(depot('8.0'))
        standard = generation('8.0').standard
        result = self.slipway('profile', 'export', standard.name, '-o', self.dir / 'out.iso')
        shown = [vib for vib in standard.vibs if oracle.visible(vib)]
        self.assertEqual(len(shown), result.json['vibs'])
        with iso.Iso(self.dir / 'out.iso') as image:
            modules = len(image.modules()) - len(oracle.archives(generation('8.0').release))
            self.assertEqual(modules, result.json['modules'])
            self.assertEqual(image.sectors * iso.SECTOR, result.json['bytes'])

    def test_profile_without_a_system_is_no_image(self):
        self.add_depot(depot('8.0'))
        self.slipway('profile', 'new', 'half', 'ntg3')
        self.fails(RULES, 'profile', 'export', 'half', '-o', 'half.iso', words=['half'])
        result = self.slipway('profile', 'export', 'half', '-o', 'half.iso', '--force', code=None)
        self.assertEqual(RULES, result.code)
        self.assert_left()


if __name__ == '__main__':
    unittest.main()
