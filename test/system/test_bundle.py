# SPDX-License-Identifier: GPL-3.0-or-later
"""Exported offline bundles: read by other programs, and by slipway again.  Needs unzip, bsdtar."""
import hashlib
import unittest
import xml.etree.ElementTree as ET
import zipfile

import slipway_case
from fixture import archive, bundle, oracle, vendor
from slipway_case import SlipwayCase, authority, generation

GENERATIONS = ('6.7', '7.0', '8.0')


class BundleCase(SlipwayCase):
    """Profiles that are exported as bundles."""

    def stock(self, name):
        """Connect the bundle of a release; the release."""
        self.add_depot(slipway_case.depot(name))
        return generation(name)

    def custom(self, name, profile='lab'):
        """A clone of the standard profile with one driver in another version; its VIBs."""
        release = self.stock(name)
        driver = vendor.vibs(release, authority())['newer']
        self.add_depot(driver.write(self.dir))
        self.clone(release.standard.name, profile, '--vendor', 'Example')
        self.slipway('profile', 'add', profile, driver.name)
        return release, release.standard.with_vibs([driver]).vibs

    def other(self):
        """Options for a run in another workspace."""
        return {'env': {'SLIPWAY_WORKSPACE': str(self.dir / 'other')}}


def metadata_of(path):
    """{name: bytes} of metadata.zip in a bundle."""
    with zipfile.ZipFile(path) as outer, outer.open('metadata.zip') as inner:
        with zipfile.ZipFile(inner) as archive_:
            return {name: archive_.read(name) for name in archive_.namelist()}


class ReadersTest(BundleCase):
    """Other programs read what was written."""

    def test_other_programs(self):
        release = self.stock('7.0')
        path = self.export(release.standard.name, 'out.zip')
        with zipfile.ZipFile(path) as archive_:
            self.assertIsNone(archive_.testzip())
            names = archive_.namelist()
        self.tool('unzip', '-tq', path)
        listed = self.tool('bsdtar', '-tf', path).decode().split()
        self.assertEqual(listed, names)

    def test_form(self):
        """Stored VIBs, no data descriptors, no extra fields, one time, ASCII names, no folders."""
        release = self.stock('8.0')
        path = self.export(release.standard.name, 'out.zip')
        with zipfile.ZipFile(path) as archive_:
            for info in archive_.infolist():
                with self.subTest(info.filename):
                    self.assertEqual(info.flag_bits, 0)
                    self.assertEqual(info.extra, b'')
                    self.assertEqual(info.date_time, (1980, 1, 1, 0, 0, 0))
                    self.assertFalse(info.is_dir())
                    self.assertTrue(info.filename.isascii())
                    if info.filename.endswith('.vib'):
                        self.assertEqual(info.compress_type, zipfile.ZIP_STORED)


class ContentTest(BundleCase):
    """What is in a bundle, for each generation."""

    def test_vibs(self):
        for number, name in enumerate(GENERATIONS):
            with self.subTest(name):
                self.workspace = self.dir / f'workspace-{number}'
                _, vibs = self.custom(name)
                path = self.export('lab', f'{number}.zip')
                with zipfile.ZipFile(path) as archive_:
                    stored = {member: archive_.read(member) for member in archive_.namelist()
                              if member.startswith('vib20/')}
                self.assertEqual(stored, {vib.depot_path: vib.to_bytes() for vib in vibs})

    def test_descriptors(self):
        """The original bytes with three elements more, which tell the truth."""
        _, vibs = self.custom('7.0')
        members = metadata_of(self.export('lab', 'out.zip'))
        found = {}
        for name, data in members.items():
            if name.startswith('vibs/'):
                root = ET.fromstring(data)
                found[root.findtext('relative-path')] = (root, data)
        self.assertEqual(sorted(found), sorted(vib.depot_path for vib in vibs))
        for vib in vibs:
            root, data = found[vib.depot_path]
            file = vib.to_bytes()
            self.assertEqual(root.findtext('packed-size'), str(len(file)))
            self.assertEqual(root.findtext('checksum'), hashlib.sha256(file).hexdigest())
            start = data.index(b'<relative-path>')
            end = data.index(b'</checksum>', start) + len(b'</checksum>')
            self.assertEqual(data[:start] + data[end:], vib.descriptor())
            before = data[:start]
            self.assertTrue(before.endswith((b'</software-tags>', b'<software-tags/>')))

    def test_indexes(self):
        release, _ = self.custom('7.0')
        path = self.export('lab', 'out.zip')
        with zipfile.ZipFile(path) as archive_:
            index, vendor_index = archive_.read('index.xml'), archive_.read('vendor-index.xml')
        self.assertEqual(index, bundle.vendor_list(
            [('Example', 'EXA', 'vendor-index.xml', '')]))
        self.assertEqual(vendor_index, bundle.meta_list(
            [('embeddedEsx', release.release.version, 'metadata.zip', 'default')]))
        self.assertEqual(metadata_of(path)['vendor-index.xml'], vendor_index)

    def test_profile(self):
        _, vibs = self.custom('7.0')
        members = metadata_of(self.export('lab', 'out.zip'))
        profiles = [data for name, data in members.items() if name.startswith('profiles/')]
        self.assertEqual(len(profiles), 1)
        root = ET.fromstring(profiles[0])
        self.assertEqual(root.findtext('name'), 'lab')
        self.assertEqual(root.findtext('creator'), 'Example')
        self.assertEqual(sorted(el.text for el in root.iter('vib-id')),
                         sorted(vib.id for vib in vibs))
        self.assertEqual(list(root.iter('payloads')), [])

    def test_bulletins(self):
        """Those of the depot whose VIBs are all there, byte for byte, and one for the profile."""
        release, vibs = self.custom('7.0')
        members = metadata_of(self.export('lab', 'out.zip'))
        ids = {vib.id for vib in vibs}
        expected = {f'bulletins/{b.id}.xml': b.xml() for b in release.bulletins
                    if {vib.id for vib in b.vibs} <= ids}
        self.assertNotEqual(expected, {})
        found = {name: data for name, data in members.items() if name.startswith('bulletins/')}
        rollup = ET.fromstring(found.pop('bulletins/ImageProfile-lab.xml'))
        self.assertEqual(found, expected)
        self.assertEqual(rollup.findtext('summary'), 'Image Profile lab')
        self.assertEqual({el.text for el in rollup.iter('vibID')}, ids)
        legacy = ET.fromstring(members['vmware.xml'])
        self.assertEqual(len(legacy.findall('bulletin')), len(expected) + 1)
        for vib in legacy.iter('vib'):
            self.assertIn(vib.findtext('vibID'), ids)

    def test_only_what_is_needed(self):
        release, _ = self.custom('8.0')
        members = metadata_of(self.export('lab', 'out.zip'))
        for name in release.opaque():
            self.assertNotIn(name, members)
        self.assertNotIn('notifications.xml', members)

    def test_whole_depot(self):
        """An unchanged profile that is all of its depot takes along what nobody understands."""
        release = self.stock('8.0')
        members = metadata_of(self.export(release.standard.name, 'out.zip'))
        for name, data in release.opaque().items():
            self.assertEqual(members[name], data)
        members = metadata_of(self.export(release.no_tools.name, 'other.zip'))
        for name in release.opaque():
            self.assertNotIn(name, members)


class AgainTest(BundleCase):
    """The bundle as a depot."""

    def test_same_bytes(self):
        self.custom('7.0')
        first = self.export('lab', 'one.zip').read_bytes()
        second = self.export('lab', 'two.zip').read_bytes()
        self.assertEqual(first, second)

    def test_deflated_input(self):
        """VIBs of a bundle that compresses them: the same bundle comes out."""
        release = self.stock('6.7')
        first = self.export(release.standard.name, 'one.zip')
        release.bundle().write_zip(self.dir / 'deflated.zip', deflate_vibs=True)
        self.add_depot(self.dir / 'deflated.zip', **self.other())
        second = self.export(release.standard.name, 'two.zip', **self.other())
        self.assertEqual(first.read_bytes(), second.read_bytes())

    def test_add_again(self):
        _, vibs = self.custom('7.0')
        path = self.export('lab', 'one.zip')
        self.add_depot(path, **self.other())
        listed = self.slipway('package', 'list', **self.other()).json['packages']
        self.assertEqual({package['id'] for package in listed}, {vib.id for vib in vibs})
        again = self.export('lab', 'two.zip', **self.other())
        self.assertEqual(again.read_bytes(), path.read_bytes())

    def test_existing_output(self):
        release = self.stock('6.7')
        path = self.dir / 'out.zip'
        path.write_text('mine')
        self.export(release.standard.name, 'out.zip', code=slipway_case.EXISTS)
        self.assertEqual(path.read_text(), 'mine')
        self.export(release.standard.name, 'out.zip', '--overwrite')
        self.assertTrue(zipfile.is_zipfile(path))


class RefusalTest(BundleCase):
    """Nothing wrong gets into a bundle."""

    def refuse(self, code, *words, **changes):
        """Export from a stock bundle of 7.0 with `changes`; the error has all of `words`."""
        release = generation('7.0')
        release.bundle(**changes).write_zip(self.dir / 'bad.zip')
        self.add_depot(self.dir / 'bad.zip')
        self.fails(code, 'profile', 'export', release.standard.name, '-o', self.dir / 'out.zip',
                   words=words)
        self.assert_left('bad.zip')

    def test_wrong_checksum_of_the_depot(self):
        vib = generation('7.0').vib('ntg3')
        self.refuse(slipway_case.CORRUPT, vib.id, hashlib.sha256(vib.to_bytes()).hexdigest(),
                    lies={vib.id: {'checksum': '0' * 64}})

    def test_missing_file(self):
        vib = generation('7.0').vib('ntg3')
        self.refuse(slipway_case.NOT_FOUND, vib.id, absent=(vib.id,))

    def test_damaged_payload(self):
        vib = generation('7.0').vib('ntg3')
        members = vib.members()
        name, data = members[-1]
        members[-1] = (name, data[:-1] + bytes([data[-1] ^ 1]))
        broken = vib.but(raw=archive.ar_bytes(members))
        vibs = tuple(broken if other is vib else other for other in generation('7.0').vibs)
        self.refuse(slipway_case.CORRUPT, vib.id, 'checksum', vibs=vibs)

    def test_community_vib_in_a_better_disguise(self):
        """The depot says certified, the VIB itself says community."""
        release = generation('7.0')
        vib = release.vib('ntg3')
        entries = dict(release.bundle().entries())
        fake = vib.but(acceptance='community', signer=None)
        entries[vib.depot_path] = fake.to_bytes()
        lies = {vib.id: {'packed-size': str(len(fake.to_bytes())),
                         'checksum': hashlib.sha256(fake.to_bytes()).hexdigest()}}
        entries['metadata.zip'] = release.bundle(lies=lies).metadata_zip()
        bundle.write_zip(entries.items(), self.dir / 'bad.zip')
        self.add_depot(self.dir / 'bad.zip')
        self.fails(slipway_case.CORRUPT, 'profile', 'export', release.standard.name, '-o',
                   self.dir / 'out.zip', words=[
                       vib.id, 'its acceptance level is CommunitySupported, in the depot '
                       'VMwareCertified'])
        self.assert_left('bad.zip')

    def test_broken_rules(self):
        release = self.stock('7.0')
        self.clone(release.standard.name, 'lab', '--vendor', 'Example')
        self.slipway('profile', 'remove', 'lab', 'esx-update')
        self.assertTrue(oracle.problems(
            release.standard.with_vibs(removed=['esx-update']).vibs))
        self.export('lab', 'out.zip', code=slipway_case.RULES)
        self.assert_left()
        self.export('lab', 'out.zip', '--force')
        self.assert_left('out.zip')


if __name__ == '__main__':
    unittest.main()
