#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is on an exported installation ISO, for every release: read by the fixture's own reader
and by the programs of others, compared with what the description of the formats says."""
import functools
import hashlib
import io
import struct
import tarfile
import unittest
import zipfile
from xml.etree import ElementTree

from fixture import generations, iso, oracle
from slipway_case import SlipwayCase, depot, generation, scratch

OPAQUE = {'/BASEMISC.TGZ', '/RESVIBS.TGZ', '/ESXIODPT.TGZ'}
GENERATED = {'/BOOT.CAT', '/BOOT.CFG', '/EFI/BOOT/BOOT.CFG', '/ISOLINUX.CFG', '/IMGDB.TGZ',
             '/IMGPAYLD.TGZ', '/UPGRADE/PROFILE.XML', '/UPGRADE/METADATA.ZIP'}
DATABASE = 'var/db/esximg/'


class Exported:
    """One release and the ISO of its standard profile."""

    def __init__(self, case, name):
        self.generation = generation(name)
        self.release = self.generation.release
        self.profile = self.generation.standard
        self.path = scratch() / f'exported-{name}.iso'
        case.add_depot(depot(name))
        case.slipway('profile', 'export', self.profile.name, '-o', self.path)
        self.iso = iso.Iso(self.path)
        self.shown = [vib for vib in self.profile.vibs if oracle.visible(vib)]
        self.names = self.generation.local_names()


@functools.cache
def exported(name):
    """An Exported, made once."""
    case = SlipwayCase()
    case.setUp()
    try:
        return Exported(case, name)
    finally:
        case.doCleanups()


def of_each(since=(5, 0, 0)):
    """Run the test for each release from `since` on."""
    def decorate(test):
        @functools.wraps(test)
        def run_all(self):
            for name in generations.NAMES:
                if generation(name).release.number >= since:
                    with self.subTest(generation=name):
                        test(self, exported(name))
        return run_all
    return decorate


class ExportIsoTest(SlipwayCase):
    """Each test runs over all releases."""

    # ---- the volume ---------------------------------------------------------------------------

    @of_each()
    def test_volume(self, made):
        image = made.iso
        self.assertEqual(oracle.volume_id(made.profile.name), image.volume_id)
        self.assertEqual('ESXIMAGE', image.application_id)
        self.assertEqual(['', '', '', ''], [image.system_id, image.publisher_id,
                                            image.preparer_id, image.volume_set_id])
        self.assertFalse(image.has_joliet)
        self.assertFalse(image.has_rock_ridge)
        self.assertEqual(image.sectors * iso.SECTOR, made.path.stat().st_size)

    @of_each()
    def test_file_names_are_8_3_with_a_version(self, made):
        for path in made.iso.extents:
            for part in path.split('/')[1:-1]:
                self.assertRegex(part, r'^[A-Z0-9_]{1,8}$')
            self.assertRegex(path.split('/')[-1], r'^[A-Z0-9_-]{1,8}\.[A-Z0-9_]{0,3};1$')

    @of_each()
    def test_el_torito(self, made):
        entries = made.iso.boot_entries
        self.assertEqual([(0, '/ISOLINUX.BIN'), (0xef, '/EFIBOOT.IMG')],
                         [(entry.platform, entry.path) for entry in entries])
        for entry in entries:
            self.assertEqual((True, 0, 0, 0), (entry.bootable, entry.media, entry.segment,
                                               entry.system_type))
        self.assertEqual(4, entries[0].sectors)
        self.assertEqual(len(made.iso.files['/EFIBOOT.IMG']) // 512, entries[1].sectors)

    @of_each()
    def test_boot_information_table(self, made):
        data = made.iso.files['/ISOLINUX.BIN']
        original = made.generation.vib('esx-base').payload('isolinux.bin').data
        total = sum(struct.unpack(f'<{(len(data) - 64) // 4}I', data[64:])) & 0xffffffff
        self.assertEqual((16, made.iso.extents['/ISOLINUX.BIN;1'][0], len(original), total),
                         struct.unpack_from('<4I', data, 8))
        self.assertEqual(bytes(40), data[24:64])
        self.assertEqual(original[:8] + original[64:], data[:8] + data[64:])

    # ---- files --------------------------------------------------------------------------------

    @of_each()
    def test_every_payload_byte_for_byte_and_nothing_else(self, made):
        expected = oracle.iso_files(made.profile.vibs, made.release)
        archives = {f'/{name.upper()}' for name in oracle.archives(made.release)}
        # What has no 8.3 name of its own may lie there under the one in the image database.
        found = set(made.iso.files) - {'/FATBOOTS.B00'}
        self.assertEqual(set(expected) | GENERATED | archives, found)
        for path, data in expected.items():
            if path != '/ISOLINUX.BIN':
                self.assertEqual(hashlib.sha256(data).digest(),
                                 hashlib.sha256(made.iso.files[path]).digest(), path)

    @of_each()
    def test_boot_cfg_in_both_places(self, made):
        texts = [oracle.boot_cfg(made.profile.vibs, made.release, options=options)
                 for options in oracle.kernel_options(made.release)]
        self.assertIn(made.iso.files['/BOOT.CFG'].decode(), texts)
        self.assertEqual(made.iso.files['/BOOT.CFG'], made.iso.files['/EFI/BOOT/BOOT.CFG'])

    @of_each()
    def test_every_module_is_a_file(self, made):
        for name in made.iso.modules():
            self.assertIn('/' + name.upper(), made.iso.files)

    @of_each()
    def test_isolinux_cfg(self, made):
        self.assertEqual(oracle.isolinux_cfg(made.profile.name),
                         made.iso.files['/ISOLINUX.CFG'].decode())

    @of_each(since=(7, 0, 2))
    def test_archives_that_no_depot_has_are_empty_archives(self, made):
        for path in OPAQUE & set(made.iso.files):
            self.assertEqual({}, made.iso.tgz(path))

    # ---- the image database -------------------------------------------------------------------

    @of_each()
    def test_imgdb_is_a_plain_tar_of_root(self, made):
        with tarfile.open(fileobj=io.BytesIO(made.iso.files['/IMGDB.TGZ'])) as tar:
            members = tar.getmembers()
        self.assertEqual(['var', 'var/db', 'var/db/esximg'],
                         [member.name for member in members[:3]])
        for member in members:
            self.assertLessEqual(len(member.name), 99)
            self.assertEqual((0, 0, 0o755 if member.isdir() else 0o644),
                             (member.uid, member.gid, member.mode), member.name)

    @of_each()
    def test_imgdb_has_descriptors_and_signatures_as_they_were(self, made):
        files = made.iso.tgz('/IMGDB.TGZ')
        stems = [name for name in files if name.startswith(DATABASE + 'vibs/')
                 and name.endswith('.xml')]
        self.assertEqual(len(made.shown), len(stems))
        originals = {files[stem + '.orig']: files[stem + '.sig'] for stem in stems}
        self.assertEqual({vib.descriptor(): vib.signature() for vib in made.shown}, originals)
        for stem in stems:
            root = ElementTree.fromstring(files[stem])
            self.assertIsNone(root.find('relative-path'))
            self.assertTrue(stem.startswith(f'{DATABASE}vibs/{root.findtext("name")}-'))

    @of_each()
    def test_imgdb_profile_has_the_name_of_every_payload(self, made):
        self.assertEqual(made.names, made.iso.local_names())
        root = made.iso.profile()
        self.assertEqual([made.profile.name, made.profile.creator, 'partner'],
                         [root.findtext(tag) for tag in ('name', 'creator',
                                                         'acceptancelevel')])
        self.assertEqual({vib.id for vib in made.shown},
                         {vib.findtext('vib-id') for vib in root.iter('vib')})

    @of_each()
    def test_imgdb_has_the_components_from_7_0_on(self, made):
        """That of the base image too, which from 8.0 on also names packages for DPUs."""
        expected = {bulletin.id for bulletin in made.generation.bulletins
                    if made.release.number >= (7, 0, 0)
                    and set(bulletin.vibs) & set(made.shown)}
        files = made.iso.tgz('/IMGDB.TGZ')
        found = {ElementTree.fromstring(data).findtext('id') for name, data in files.items()
                 if name.startswith(DATABASE + 'bulletins/')}
        self.assertEqual(expected, found)

    @of_each()
    def test_imgpayld(self, made):
        expected = {f'var/db/payloads/boot/{made.names[vib.id, payload.name]}': payload.data
                    for vib in made.shown for payload in vib.payloads
                    if payload.type == 'boot'}
        self.assertEqual(expected, made.iso.tgz('/IMGPAYLD.TGZ'))

    # ---- UPGRADE ------------------------------------------------------------------------------

    @of_each()
    def test_upgrade_metadata(self, made):
        image = made.iso
        ids = {vib.id for vib in made.shown}
        root = ElementTree.fromstring(image.files['/UPGRADE/PROFILE.XML'])
        self.assertEqual(ids, {vib.findtext('vib-id') for vib in root.iter('vib')})
        self.assertEqual([], list(root.iter('payload')))
        with zipfile.ZipFile(io.BytesIO(image.files['/UPGRADE/METADATA.ZIP'])) as metadata:
            self.assertIsNone(metadata.testzip())
            names = metadata.namelist()
            profiles = [name for name in names if name.startswith('profiles/')]
            self.assertEqual(1, len(profiles))
            self.assertEqual(image.files['/UPGRADE/PROFILE.XML'], metadata.read(profiles[0]))
            vibs = [ElementTree.fromstring(metadata.read(name)) for name in names
                    if name.startswith('vibs/')]
        self.assertEqual(ids, {'_'.join(vib.findtext(tag) for tag in (
            'vendor', 'type', 'name', 'version')) for vib in vibs})
        facts = {vib.findtext('name'): (vib.findtext('packed-size'), vib.findtext('checksum'))
                 for vib in vibs}
        for vib in made.shown:
            data = vib.to_bytes()
            self.assertEqual((str(len(data)), hashlib.sha256(data).hexdigest()),
                             facts[vib.name])

    # ---- programs of others -------------------------------------------------------------------

    @of_each()
    def test_xorriso_reads_it(self, made):
        found = self.tool('xorriso', '-report_about', 'WARNING', '-indev', made.path, '-find',
                          '/', '-type', 'f', '--').decode()
        self.assertEqual(set(made.iso.files) - {'/BOOT.CAT'},
                         {line.strip("'") for line in found.splitlines()})
        report = self.tool('xorriso', '-indev', made.path, '-report_el_torito',
                           'plain').decode()
        self.assertRegex(report, r'El Torito boot img :\s+1\s+BIOS\s+y\s+none\s+0x0000\s+0x00'
                                 r'\s+4\s')
        self.assertRegex(report, r'El Torito boot img :\s+2\s+UEFI\s+y\s+none')
        self.assertRegex(report, r'El Torito img path :\s+1\s+/ISOLINUX.BIN')
        self.assertRegex(report, r'El Torito img opts :\s+1\s+boot-info-table')

    @of_each()
    def test_isoinfo_reads_it(self, made):
        head = self.tool('isoinfo', '-d', '-i', made.path).decode()
        self.assertIn(f'Volume id: {oracle.volume_id(made.profile.name)}\n', head)
        self.assertIn('Application id: ESXIMAGE\n', head)
        self.assertIn('Eltorito validation header:', head)
        self.assertIn('NO Joliet present', head)
        self.assertIn('NO Rock Ridge present', head)
        self.assertEqual(made.iso.files['/B.B00'],
                         self.tool('isoinfo', '-i', made.path, '-x', '/B.B00;1'))

    @of_each()
    def test_bsdtar_reads_it(self, made):
        listed = self.tool('bsdtar', '-tf', made.path).decode().splitlines()
        files = {'/' + name.rstrip('.') for name in listed if not name.endswith('/')}
        # bsdtar shows directories without a slash.
        self.assertEqual(set(made.iso.files), files - {'/.', '/', '/EFI', '/EFI/BOOT',
                                                       '/UPGRADE'})
        self.assertEqual(made.iso.files['/BOOT.CFG'],
                         self.tool('bsdtar', '-xOf', made.path, 'BOOT.CFG'))

    @of_each()
    def test_gnu_tar_and_unzip_read_what_is_in_it(self, made):
        for name in ('IMGDB.TGZ', 'IMGPAYLD.TGZ'):
            (self.dir / name).write_bytes(made.iso.files['/' + name])
            listed = self.tool('tar', '-tzf', name).decode().splitlines()
            self.assertLessEqual(set(made.iso.tgz('/' + name)), set(listed))
        (self.dir / 'm.zip').write_bytes(made.iso.files['/UPGRADE/METADATA.ZIP'])
        self.tool('unzip', '-qt', 'm.zip')


class SameBytesTest(SlipwayCase):
    """The same image gives the same bytes, however it was put in and whenever it is made."""

    def export_of(self, name, location, workspace):
        """SHA-256 of the ISO made from the depot at `location`."""
        self.workspace = self.dir / workspace
        self.add_depot(location)
        path = self.export(generation(name).standard.name, f'{workspace}.iso')
        return hashlib.sha256(path.read_bytes()).hexdigest()

    def test_same_bytes(self):
        for name in ('5.0', '6.7', '8.0'):
            with self.subTest(generation=name):
                bundle = generation(name).bundle()
                deflated = bundle.write_zip(self.dir / f'{name}-deflated.zip', deflate_vibs=True)
                directory = bundle.write_dir(self.dir / f'{name}-directory')
                sums = {self.export_of(name, location, f'{name}-{n}') for n, location in
                        enumerate((depot(name), depot(name), deflated, directory))}
                self.assertEqual(1, len(sums))

    def test_twice_in_one_workspace(self):
        self.add_depot(depot('7.0U3'))
        name = generation('7.0U3').standard.name
        self.assertEqual(self.export(name, '1.iso').read_bytes(),
                         self.export(name, '2.iso').read_bytes())

    def test_a_clone_differs_in_its_names_alone(self):
        """Made at another time, in another workspace: the clone is the same."""
        made = []
        for workspace in ('one', 'two'):
            self.workspace = self.dir / workspace
            self.add_depot(depot('6.7'))
            self.clone(generation('6.7').standard.name)
            made.append(self.export('mine', f'{workspace}.iso').read_bytes())
        self.assertEqual(made[0], made[1])

    def test_elsewhere_on_earth(self):
        self.add_depot(depot('6.5'))
        name = generation('6.5').standard.name
        here = self.export(name, 'here.iso').read_bytes()
        there = self.export(name, 'there.iso', env={'TZ': 'Asia/Tokyo', 'LC_ALL': 'C',
                                                    'HOME': '/nonexistent'})
        self.assertEqual(here, there.read_bytes())

    def test_source_date_epoch_is_the_time_of_all_files(self):
        self.add_depot(depot('6.5'))
        name = generation('6.5').standard.name
        path = self.export(name, 'dated.iso', env={'SOURCE_DATE_EPOCH': '1000000000'})
        with iso.Iso(path) as image:
            self.assertEqual(b'2001090901464000', image.volume[813:829])


if __name__ == '__main__':
    unittest.main()
