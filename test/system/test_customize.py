#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""`image customize`: packages added to, replaced on and removed from stock ISOs."""
import functools
import unittest
from xml.etree import ElementTree

from customize_case import MOVED, RELEASES, REWRITTEN, CustomizeCase, stock
from fixture import broken, iso, oracle, vendor
from slipway_case import (CORRUPT, NOT_FOUND, RULES, SIGNATURE, authority, depot, generation,
                          scratch)


def partners(name):
    """Packages of other vendors for the release."""
    return vendor.vibs(generation(name), authority())


def custom(name):
    """What a customised profile is called unless something else is said."""
    return generation(name).standard.name + '-custom'


def of_each(test):
    """Run the test with each release's name and its partners()."""
    @functools.wraps(test)
    def run_all(self):
        for name in RELEASES:
            with self.subTest(generation=name):
                for path in self.dir.glob('*.iso'):
                    path.unlink()
                test(self, name, partners(name))
    return run_all


class AddTest(CustomizeCase):
    """Packages of every sort onto stock ISOs of several releases."""

    def check_added(self, name, added, options, removed=(), new_files=None, gone=()):
        """Customise; the ISO then has `added` too and not `removed`, and nothing else changed."""
        made = generation(name)
        image, result = self.customize(stock(name), *options)
        mixed = made.standard.with_vibs(added, removed)
        self.assert_image(image, name, mixed.vibs, custom(name))
        if new_files is not None:
            self.assert_kept(self.open(stock(name)), image, REWRITTEN, gone, new_files)
        return image, result

    @of_each
    def test_a_vib(self, name, made):
        vib = made['partner']
        self.check_added(name, [vib], ['--add', self.write(vib)], new_files=['/ACME_RAI.V00'])

    @of_each
    def test_a_community_vib(self, name, made):
        path = self.write(made['community'])
        self.fails(RULES, 'image', 'customize', stock(name), '--add', path, '-o', 'no.iso',
                   words=[made['community'].id, 'acceptance'])
        self.assertFalse((self.dir / 'no.iso').exists())
        image, _ = self.check_added(name, [made['community']],
                                    ['--add', path, '--lower-acceptance'],
                                    new_files=['/NET_8125.T00'])
        self.assertEqual('community', image.profile().findtext('acceptancelevel'))

    @of_each
    def test_a_bundle(self, name, made):
        bundle = vendor.bundle(generation(name), authority(), ['libs', 'needs-libs'])
        for form, path in (('zip', bundle.write_zip(self.dir / 'acme.zip')),
                           ('directory', bundle.write_dir(self.dir / 'acme'))):
            with self.subTest(form=form):
                self.check_added(name, [made['libs'], made['needs-libs']],
                                 ['--add', path, '--overwrite'],
                                 new_files=['/ACME_LIB.V00', '/ACME_TOO.V00'])

    @of_each
    def test_by_name_from_a_connected_depot(self, name, made):
        self.workspace = self.dir / f'workspace-{name}'
        bundle = vendor.bundle(generation(name), authority(), ['partner', 'newer', 'older'])
        self.add_depot(bundle.write_zip(self.dir / f'{name}.zip'))
        older = made['older']
        self.check_added(name, [made['partner'], older], [
            '--add', 'acme-raid', '--add', f'{older.name}={older.version}'])
        self.check_added(name, [made['newer']], ['--add', older.name, '--overwrite'])
        self.check_added(name, [made['partner']], ['--add', made['partner'].id, '--overwrite'])

    @of_each
    def test_several_at_once(self, name, made):
        nsx = vendor.nsx(authority())
        vibs = [made['partner'], made['vibauthor'], made['overlay'], made['by-hand'],
                made['mode-text'], made['meta'], *nsx]
        options = [option for vib in vibs for option in ('--add', self.write(vib))]
        # All payloads of nsx have the same first eight characters.
        self.check_added(name, vibs, [*options, '--lower-acceptance'], new_files=[
            '/ACME_RAI.V00', '/ACMESCR.T00', '/ACME_OVE.V00', '/HAND_MAD.V00', '/MODE_TEX.V00',
            '/NSX_PYTH.V00', '/NSX_PYTH.V01', '/NSX_PYTH.V02'])

    @of_each
    def test_replaces_an_inbox_driver(self, name, made):
        vib = made['newer']
        old = generation(name).vib(vib.name)
        path = '/' + generation(name).local_names()[old.id, old.payloads[0].name].upper()
        image, _ = self.customize(stock(name), '--add', self.write(vib))
        self.assert_image(image, name, generation(name).standard.with_vibs([vib]).vibs,
                          custom(name))
        # The new driver has the name of the old one; its id may have another place in the order.
        old_image = self.open(stock(name))
        same = set() if old_image.modules() != image.modules() else {'/BOOT.CFG',
                                                                     '/EFI/BOOT/BOOT.CFG'}
        self.assert_kept(old_image, image, REWRITTEN - same | {path})

    @of_each
    def test_an_older_version_takes_its_place_too(self, name, made):
        old = generation(name).vib('ntg3')
        vib = authority().signed(old.but(version='0.0.1-1'))
        image, result = self.customize(stock(name), '--add', self.write(vib))
        self.assert_image(image, name, generation(name).standard.with_vibs([vib]).vibs,
                          custom(name))
        self.assertIn('older', result.stderr)

    @of_each
    def test_replaced_by_another_name(self, name, made):
        """acme-native replaces an inbox driver, which has to go."""
        vib = made['replacing']
        inbox = vib.replaces[0].split()[0]
        self.fails(RULES, 'image', 'customize', stock(name), '--add', self.write(vib), '-o',
                   'no.iso', words=[vib.id, generation(name).vib(inbox).id])
        old = generation(name).vib(inbox)
        path = '/' + generation(name).local_names()[old.id, old.payloads[0].name].upper()
        self.check_added(name, [vib], ['--add', self.write(vib), '--remove', inbox], [inbox],
                         ['/ACME_NAT.V00'], [path])

    @of_each
    def test_a_driver_archive(self, name, made):
        (self.dir / 'oem-loose.tgz').write_bytes(vendor.driver_tgz())
        image, _ = self.customize(stock(name), '--add', 'oem-loose.tgz', '--lower-acceptance')
        self.assert_kept(self.open(stock(name)), image, REWRITTEN,
                         added=set(image.files) - set(self.open(stock(name)).files))
        added = set(image.local_names()) - set(generation(name).local_names())
        self.assertEqual(1, len(added))
        (vib_id, payload), = added
        self.assertTrue(vib_id.startswith('custom_bootbank_oem-loose_'), vib_id)
        local = image.local_names()[vib_id, payload]
        self.assertIn(local, image.modules())
        self.assertIn(b'regtype=native', self.tool('bsdtar', '-xOzf', self.saved(
            image, '/' + local.upper()), 'etc/vmware/default.map.d/loose.map'))

    def saved(self, image, path):
        """A file of the ISO, as a file."""
        target = self.dir / 'saved'
        target.write_bytes(image.files[path])
        return target

    # ---- boot payloads ------------------------------------------------------------------------

    @of_each
    def test_new_microcode(self, name, made):
        """Payloads of type boot are in imgpayld.tgz as well (which assert_image compares)."""
        old = generation(name).vib('cpu-microcode')
        fresh = tuple(payload.but(data=old.payloads[n - 1].data)
                      for n, payload in enumerate(old.payloads))
        vib = authority().signed(old.but(version=old.version + '9', payloads=fresh))
        image, _ = self.customize(stock(name), '--add', self.write(vib))
        self.assert_image(image, name, generation(name).standard.with_vibs([vib]).vibs,
                          custom(name))
        self.assertNotEqual(self.open(stock(name)).tgz('/IMGPAYLD.TGZ'),
                            image.tgz('/IMGPAYLD.TGZ'))

    @of_each
    def test_a_new_system(self, name, made):
        """esx-base of a later build: kernel, loaders and both boot images are others."""
        old = generation(name).vib('esx-base')
        fresh = tuple(payload.but(data=payload.data[:-1] + b'!')
                      if payload.name in ('isolinux.bin', 'efiboot.img', 'mboot.c32', 'k')
                      and not payload.data.startswith(b'\x1f\x8b') else payload
                      for payload in old.payloads)
        provides = tuple(text + '1' if text.startswith('esx-version = ') else text
                         for text in old.provides)
        vib = authority().signed(old.but(version=old.version + '1', payloads=fresh,
                                         provides=provides))
        image, _ = self.customize(stock(name), '--add', self.write(vib))
        self.assert_image(image, name, generation(name).standard.with_vibs([vib]).vibs,
                          custom(name))
        data = vib.payload('isolinux.bin').data
        self.assertEqual(data[64:], image.files['/ISOLINUX.BIN'][64:])
        self.assertEqual(image.extents['/ISOLINUX.BIN;1'][0],
                         int.from_bytes(image.files['/ISOLINUX.BIN'][12:16], 'little'))
        self.assertEqual([(0, '/ISOLINUX.BIN'), (0xef, '/EFIBOOT.IMG')],
                         [(entry.platform, entry.path) for entry in image.boot_entries])


class OddStockTest(CustomizeCase):
    """Stock ISOs that are not as they come."""

    def test_vibs_that_are_not_booted(self):
        made = generation('7.0U3')
        silent = (made.vib('ntg3').id,)
        source = iso.make_iso(made, self.dir / 'silent.iso', made.standard.but(not_booted=silent))
        vib = partners('7.0U3')['partner']
        image, _ = self.customize(source, '--add', self.write(vib))
        mixed = made.standard.with_vibs([vib])
        self.assertEqual(oracle.modules(mixed.vibs, made.release, silent)
                         + oracle.archives(made.release), image.modules())
        self.assertEqual(silent, tuple(entry.findtext('vib-id') for entry in
                                       image.profile().iter('vib')
                                       if entry.findtext('boot') == 'false'))

    def test_unknown_parts_of_the_database_stay(self):
        """Members of imgdb.tgz, and elements of the profile while its packages are the same: they
        tell what it consists of."""
        same, _ = self.customize(stock('8.0'), name='same.iso')
        more, _ = self.customize(stock('8.0'), '--add', self.write(partners('8.0')['partner']))
        old = self.open(stock('8.0'))
        for tag in ('baseimageid', 'componentlist'):
            self.assertEqual(ElementTree.tostring(old.profile().find(tag)),
                             ElementTree.tostring(same.profile().find(tag)))
            self.assertIsNone(more.profile().find(tag))
        for image in (same, more):
            files = image.tgz('/IMGDB.TGZ')
            for path, data in old.tgz('/IMGDB.TGZ').items():
                if '/profiles/' not in path:
                    self.assertEqual(data, files[path], path)

    def test_components_that_are_no_longer_whole_go(self):
        made = generation('8.0')
        image, _ = self.customize(stock('8.0'), '--remove', 'ntg3')
        gone, = [bulletin for bulletin in made.bulletins
                 if made.vib('ntg3') in bulletin.vibs]
        path = f'var/db/esximg/bulletins/{gone.id}.xml'
        self.assertIn(path, self.open(stock('8.0')).tgz('/IMGDB.TGZ'))
        self.assertNotIn(path, image.tgz('/IMGDB.TGZ'))

    def test_payload_that_wants_a_name_that_is_taken(self):
        """/VENDOR.DAT is nobody's, and is not overwritten."""
        vib = partners('8.0')['partner']
        vib = authority().signed(vib.but(payloads=tuple(
            payload.but(vfat_name='vendor.dat') for payload in vib.payloads)))
        self.fails(CORRUPT, 'image', 'customize', stock('8.0'), '--add', self.write(vib), '-o',
                   'out.iso', words=[vib.id, 'VENDOR.DAT'])
        self.assertFalse((self.dir / 'out.iso').exists())


class RemoveTest(CustomizeCase):
    """Packages taken away."""

    def test_a_driver(self):
        for name in RELEASES:
            with self.subTest(generation=name):
                made = generation(name)
                vib = made.vib('tools-light')
                names = made.local_names()
                paths = {'/' + names[vib.id, 'tools'].upper()}
                for word in ('tools-light', vib.id):
                    image, _ = self.customize(stock(name), '--remove', word, '--overwrite')
                    self.assert_image(image, name, made.no_tools.vibs, custom(name))
                    self.assert_kept(self.open(stock(name)), image, REWRITTEN, gone=paths)

    def test_what_others_need(self):
        vib = generation('7.0U3').vib('esx-update')
        result = self.fails(RULES, 'image', 'customize', stock('7.0U3'), '--remove', 'esx-update',
                            '-o', 'x.iso', words=['esx-update'])
        self.assertIn(generation('7.0U3').vib('esx-base').id, result.error)
        self.assert_left()
        image, _ = self.customize(stock('7.0U3'), '--remove', 'esx-update', '--force')
        self.assertNotIn(vib.id, {vib_id for vib_id, _ in image.local_names()})

    def test_what_is_not_there(self):
        self.fails(NOT_FOUND, 'image', 'customize', stock('6.7'), '--remove', 'net-absent', '-o',
                   'x.iso', words=['net-absent'])
        self.fails(NOT_FOUND, 'image', 'customize', stock('6.7'), '--add', 'net-absent', '-o',
                   'x.iso', words=['net-absent'])
        self.fails(NOT_FOUND, 'image', 'customize', stock('6.7'), '--add', './absent.vib', '-o',
                   'x.iso', words=['absent.vib'])
        self.assert_left()


class RefusedTest(CustomizeCase):
    """Rules, signatures and checksums hold for what is added."""

    def refuses(self, code, vib, words, *options):
        """Adding it fails with these words, and nothing is left."""
        path = vib.write(scratch())
        self.fails(code, 'image', 'customize', stock('8.0'), '--add', path, '-o', 'x.iso', *options,
                   words=words)
        self.assert_left()

    def test_rules(self):
        made = partners('8.0')
        for kind, words in {'missing': ['acme-nowhere >= 2.0'], 'needs-libs': ['acme-libs'],
                            'legacy': ['vmkapi_2_2_0_0'], 'same-file': ['usr/lib/vmware/vmkmod'],
                            'conflicting': [made['conflicting'].conflicts[0]]}.items():
            with self.subTest(kind=kind):
                self.refuses(RULES, made[kind], [made[kind].id, *words], '--lower-acceptance')

    def test_signatures(self):
        made = partners('8.0')
        for kind in ('stranger', 'presumptuous', 'unsigned', 'altered'):
            with self.subTest(kind=kind):
                self.refuses(SIGNATURE, made[kind], [made[kind].id])

    def test_damage(self):
        vib = partners('8.0')['partner']
        for kind in ('flipped-bit', 'wrong-sha256', 'wrong-sha256-gunzip', 'missing-payload'):
            with self.subTest(kind=kind):
                self.refuses(CORRUPT, vib.but(raw=broken.VIBS[kind](vib)), [vib.payloads[0].name])

    def test_for_another_product(self):
        made = partners('8.0')['other-product']
        path = made.write(scratch())
        self.fails(NOT_FOUND, 'image', 'customize', stock('8.0'), '--add', path, '-o', 'x.iso',
                   words=['embeddedEsx'])
        self.assert_left()


class SameTest(CustomizeCase):
    """Nothing asked for, and the same thing asked for twice."""

    def test_without_changes_only_names_change(self):
        for name in RELEASES:
            with self.subTest(generation=name):
                image, result = self.customize(stock(name), name=f'{name}.iso')
                old = self.open(stock(name))
                self.assert_image(image, name, generation(name).standard.vibs, custom(name))
                self.assert_kept(old, image, REWRITTEN - {'/BOOT.CFG', '/EFI/BOOT/BOOT.CFG'})
                self.assertEqual(len({vib for vib, _ in image.local_names()}), result.json['vibs'])

    def test_same_bytes(self):
        path = self.write(partners('8.0')['partner'])
        one, _ = self.customize(stock('8.0'), '--add', path, name='one.iso')
        two, _ = self.customize(stock('8.0'), '--add', path, name='two.iso',
                                env={'TZ': 'Asia/Tokyo'})
        self.assertEqual(one.path.read_bytes(), two.path.read_bytes())

    def test_again_and_back(self):
        """Add, then remove in a second step: all files are those of the stock ISO again."""
        vib = partners('8.0')['partner']
        one, _ = self.customize(stock('8.0'), '--add', self.write(vib), name='one.iso')
        two, _ = self.customize(one.path, '--remove', vib.name, name='two.iso')
        self.assert_image(two, '8.0', generation('8.0').standard.vibs, custom('8.0'))
        old, new = self.open(stock('8.0')), two
        differ = {path for path in old.files if old.files[path] != new.files[path]} - MOVED
        self.assertEqual({'/ISOLINUX.CFG', '/IMGDB.TGZ', '/UPGRADE/PROFILE.XML',
                          '/UPGRADE/METADATA.ZIP'}, differ)

    def test_an_exported_iso_can_be_customised(self):
        self.add_depot(depot('6.7'))
        vib = partners('6.7')['partner']
        path = self.export(generation('6.7').standard.name, 'exported.iso')
        image, _ = self.customize(path, '--add', self.write(vib))
        self.assert_image(image, '6.7', generation('6.7').standard.with_vibs([vib]).vibs,
                          custom('6.7'), extra=())


if __name__ == '__main__':
    unittest.main()
