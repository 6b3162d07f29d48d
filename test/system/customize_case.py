# SPDX-License-Identifier: GPL-3.0-or-later
"""For tests of `image customize`: stock ISOs, and what must hold of a customised one."""
import functools
import hashlib
import io
import zipfile
from xml.etree import ElementTree

from fixture import iso, oracle
from slipway_case import SlipwayCase, generation, scratch

EXTRA = {'/VENDOR.DAT', '/EXTRA/NOTES.TXT'}
GENERATED = {'/BOOT.CAT', '/BOOT.CFG', '/EFI/BOOT/BOOT.CFG', '/ISOLINUX.CFG', '/IMGDB.TGZ',
             '/IMGPAYLD.TGZ', '/UPGRADE/PROFILE.XML', '/UPGRADE/METADATA.ZIP'}
# What a change of packages rewrites; isolinux.bin holds the number of its own sector.
REWRITTEN = {'/BOOT.CFG', '/EFI/BOOT/BOOT.CFG', '/ISOLINUX.CFG', '/IMGDB.TGZ',
             '/UPGRADE/PROFILE.XML', '/UPGRADE/METADATA.ZIP'}
MOVED = {'/ISOLINUX.BIN', '/BOOT.CAT'}
RELEASES = ('6.7', '7.0U3', '8.0')


@functools.cache
def stock(name):
    """A stock-like ISO of the release; made once."""
    return iso.make_iso(generation(name), scratch() / f'stock-{name}.iso')


def stock_with(name, path, files):
    """Another one, in which `files` ({path: bytes, None to leave it out}) differ."""
    made = generation(name)
    entries = iso.iso_entries(made) | files
    return iso.write_iso({key: data for key, data in entries.items() if data is not None}, path,
                         oracle.volume_id(made.standard.name))


def extended_names(old_names, vibs, release):
    """8.3 names of `vibs` where those of `old_names` stay and new ones get what is free."""
    shown = sorted((vib for vib in vibs if oracle.visible(vib)), key=lambda vib: vib.id.encode())
    result = {(vib.id, payload.name): old_names[vib.id, payload.name] for vib in shown
              for payload in vib.sorted_payloads if (vib.id, payload.name) in old_names}
    used = set(result.values())
    for vib in shown:
        for payload in vib.sorted_payloads:
            if (vib.id, payload.name) in result:
                continue
            if payload.vfat_name is not None:
                result[vib.id, payload.name] = payload.vfat_name
                continue
            base = payload.name.lower().replace('-', '_' if release.number >= (5, 1, 0) else '-')
            result[vib.id, payload.name] = next(
                name for name in (f'{base[:8]}.{payload.type[0]}{n:02x}' for n in range(256))
                if name not in used)
            used.add(result[vib.id, payload.name])
    return result


class CustomizeCase(SlipwayCase):
    """A test that makes ISOs out of ISOs."""

    def open(self, path):
        """Read an ISO; closed at the end of the test."""
        image = iso.Iso(path)
        self.addCleanup(image.close)
        return image

    def customize(self, source, *options, name='out.iso', **more):
        """(the customised ISO, the run's result)."""
        path = self.dir / name
        result = self.slipway('image', 'customize', source, '-o', path, *options, **more)
        return self.open(path), result

    def write(self, vib):
        """A .vib file in the test's directory."""
        return vib.write(self.dir)

    # ---- checks -------------------------------------------------------------------------------

    def assert_kept(self, old, new, changed=(), gone=(), added=()):
        """All files but these are as they were, byte for byte."""
        self.assertEqual(set(gone), set(old.files) - set(new.files))
        self.assertEqual(set(added), set(new.files) - set(old.files))
        differ = {path for path in set(old.files) & set(new.files)
                  if old.files[path] != new.files[path]}
        self.assertEqual(set(changed), differ - MOVED)
        before, after = (image.files['/ISOLINUX.BIN'] for image in (old, new))
        if '/ISOLINUX.BIN' not in changed:
            self.assertEqual(before[:8] + before[64:], after[:8] + after[64:])
        self.assertEqual([(entry.platform, entry.path) for entry in old.boot_entries],
                         [(entry.platform, entry.path) for entry in new.boot_entries])

    def assert_image(self, image, release, vibs, name, extra=EXTRA, names=None):
        """The ISO is an image of exactly `vibs`, and all its parts agree."""
        made = generation(release)
        shown = [vib for vib in vibs if oracle.visible(vib)]
        names = names or extended_names(made.local_names(), vibs, made.release)
        self._assert_database(image, shown, names, name)
        expected = [names[vib.id, payload.name] for vib, payload in oracle.module_payloads(vibs)]
        for path in ('/BOOT.CFG', '/EFI/BOOT/BOOT.CFG'):
            self.assertEqual(expected + oracle.archives(made.release), image.modules(path))
        placed = {}
        for vib in shown:
            for payload in vib.sorted_payloads:
                path = oracle.iso_path(payload, names[vib.id, payload.name])
                if path:
                    placed[path] = payload.data
        for path, data in placed.items():
            if path != '/ISOLINUX.BIN':
                self.assertEqual(data, image.files[path], path)
        archives = {f'/{archive.upper()}' for archive in oracle.archives(made.release)}
        self.assertEqual(set(placed) | GENERATED | archives | set(extra),
                         set(image.files) - {'/FATBOOTS.B00'})
        self._assert_upgrade(image, vibs, name)
        self.assertEqual(oracle.isolinux_cfg(name), image.files['/ISOLINUX.CFG'].decode())
        self.assertEqual(oracle.volume_id(name), image.volume_id)
        self.assertEqual('ESXIMAGE', image.application_id)
        self.assertEqual({f'var/db/payloads/boot/{names[vib.id, payload.name]}': payload.data
                          for vib in shown for payload in vib.payloads if payload.type == 'boot'},
                         image.tgz('/IMGPAYLD.TGZ'))

    def _assert_database(self, image, shown, names, name):
        files = image.tgz('/IMGDB.TGZ')
        stems = [path for path in files if '/vibs/' in path and path.endswith('.xml')]
        self.assertEqual({vib.descriptor(): vib.signature() for vib in shown},
                         {files[stem + '.orig']: files[stem + '.sig'] for stem in stems})
        self.assertEqual(len(shown), len(stems))
        self.assertEqual(names, image.local_names())
        root = image.profile()
        self.assertEqual(name, root.findtext('name'))
        self.assertEqual({vib.id for vib in shown},
                         {entry.findtext('vib-id') for entry in root.iter('vib')})

    def _assert_upgrade(self, image, vibs, name):
        shown = [vib for vib in vibs if oracle.visible(vib)]
        ids = {vib.id for vib in shown}

        def facts(data):
            root = ElementTree.fromstring(data)
            return (root.findtext('name'), {entry.findtext('vib-id') for entry in root.iter('vib')})

        self.assertEqual((name, ids), facts(image.files['/UPGRADE/PROFILE.XML']))
        with zipfile.ZipFile(io.BytesIO(image.files['/UPGRADE/METADATA.ZIP'])) as metadata:
            members = {path: metadata.read(path) for path in metadata.namelist()}
        profiles = [data for path, data in members.items() if path.startswith('profiles/')]
        self.assertEqual([(name, ids)], list(map(facts, profiles)))
        described = [ElementTree.fromstring(data) for path, data in members.items()
                     if path.startswith('vibs/')]
        self.assertEqual({(vib.id, str(len(vib.to_bytes())),
                           hashlib.sha256(vib.to_bytes()).hexdigest()) for vib in shown},
                         {('_'.join(vib.findtext(tag) for tag in ('vendor', 'type', 'name',
                                                                  'version')),
                           vib.findtext('packed-size'), vib.findtext('checksum'))
                          for vib in described})
        for path, data in members.items():
            if path.startswith('bulletins/'):
                listed = {element.text for element in ElementTree.fromstring(data).iter('vibID')}
                self.assertEqual(set(), listed - {vib.id for vib in vibs}, path)
