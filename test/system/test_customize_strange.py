#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""`image customize` of ISOs that hold more, or are made otherwise, than the usual ones."""
import io
import subprocess
import tarfile
import unittest
import zipfile

from customize_case import CustomizeCase, stock, stock_with
from fixture import iso, vendor
from slipway_case import authority, generation

ABSENT = 'VMW_bootbank_not-on-the-iso_1.0-1'


def partner(name, which='partner'):
    """A package of another vendor for the release."""
    return vendor.vibs(generation(name), authority())[which]


def bulletin(vib_id):
    """A component of `vib_id` and of a VIB that is not on the ISO."""
    return ('<bulletin><id>odd_1</id><vendor>V</vendor>'
            '<componentNameSpec uiString="odd" name="odd"/>'
            '<componentVersionSpec uiString="1" version="1"/>'
            f'<vibList><vibID>{vib_id}</vibID><vibID>{ABSENT}</vibID></vibList>'
            '</bulletin>').encode()


def tgz_with(data, members):
    """The archive with more members."""
    out = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(data)) as old, \
            tarfile.open(fileobj=out, mode='w:gz', format=tarfile.USTAR_FORMAT) as new:
        for member in old.getmembers():
            new.addfile(member, old.extractfile(member) if member.isfile() else None)
        for name, text in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            new.addfile(member, io.BytesIO(text))
    return out.getvalue()


def zip_with(data, members):
    """The archive with more members."""
    out = io.BytesIO(data)
    with zipfile.ZipFile(out, 'a') as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return out.getvalue()


def plain_names(path):
    """Of the files on the ISO, not those of Rock Ridge and Joliet; loaders pass over case."""
    listed = subprocess.run(['isoinfo', '-f', '-i', path], check=True, capture_output=True)
    return set(listed.stdout.decode().upper().split())


class StrangeTest(CustomizeCase):
    """Nothing of it is lost, and nothing of it stops a change elsewhere."""

    def strange(self, database=(), metadata=()):
        """A stock ISO with more in its image database and upgrade metadata."""
        entries = iso.iso_entries(generation('8.0'))
        return stock_with('8.0', self.dir / 'strange.iso', {
            '/IMGDB.TGZ': tgz_with(entries['/IMGDB.TGZ'], dict(database)),
            '/UPGRADE/METADATA.ZIP': zip_with(entries['/UPGRADE/METADATA.ZIP'], dict(metadata))})

    def test_components_stay_until_a_vib_of_theirs_goes(self):
        image, _ = self.customize(stock('8.0'), '--add', self.write(partner('8.0', 'libs')),
                                  name='usual.iso')
        self.assertEqual({name for name in self.open(stock('8.0')).tgz('/IMGDB.TGZ')
                          if '/bulletins/' in name},
                         {name for name in image.tgz('/IMGDB.TGZ') if '/bulletins/' in name})

        text, path = bulletin(partner('8.0').id), 'var/db/esximg/bulletins/odd_1.xml'
        source = self.strange({path: text}, {'bulletins/odd_1.xml': text})
        image, _ = self.customize(source, '--add', self.write(partner('8.0')), name='one.iso')
        self.assertEqual(text, image.tgz('/IMGDB.TGZ')[path])
        with zipfile.ZipFile(io.BytesIO(image.files['/UPGRADE/METADATA.ZIP'])) as archive:
            self.assertEqual(text, archive.read('bulletins/odd_1.xml'))

        image, _ = self.customize(image.path, '--remove', partner('8.0').name, name='two.iso')
        self.assertNotIn(path, image.tgz('/IMGDB.TGZ'))
        with zipfile.ZipFile(io.BytesIO(image.files['/UPGRADE/METADATA.ZIP'])) as archive:
            self.assertNotIn('bulletins/odd_1.xml', archive.namelist())

    def test_metadata_that_is_not_understood(self):
        odd = {'bulletins/odd.xml': b'<other/>', 'bulletins/odd.json': b'{}',
               'vibs/odd.xml': b'<other/>', 'vibs/readme.txt': b'text'}
        image, _ = self.customize(self.strange(metadata=odd), '--add', self.write(partner('8.0')))
        with zipfile.ZipFile(io.BytesIO(image.files['/UPGRADE/METADATA.ZIP'])) as archive:
            for name, text in odd.items():
                self.assertEqual(text, archive.read(name))

    def test_a_vib_of_the_database_that_the_profile_does_not_name(self):
        vib = partner('8.0')
        path = self.write(vib)
        parts = {suffix: subprocess.run(['ar', 'p', path, name], check=True,
                                        capture_output=True).stdout
                 for suffix, name in (('.xml', 'descriptor.xml'), ('.xml.orig', 'descriptor.xml'),
                                      ('.xml.sig', 'sig.pkcs7'))}
        source = self.strange({f'var/db/esximg/vibs/reserved-1{suffix}': data
                               for suffix, data in parts.items()})
        image, _ = self.customize(source, '--add', path)
        self.assertIn(vib.id, {vib_id for vib_id, _ in image.local_names()})
        self.slipway('image', 'show', image.path)

    def test_a_rebuilt_iso_of_5_0(self):
        """With Joliet and Rock Ridge the plain names, which the loaders read, keep their dashes."""
        root = self.dir / 'files'
        for path, data in iso.iso_entries(generation('5.0')).items():
            if path != '/BOOT.CAT':
                file = root / path.lower().lstrip('/')
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(data)
        source = self.dir / 'rebuilt.iso'
        subprocess.run(['xorriso', '-as', 'mkisofs', '-relaxed-filenames', '-J', '-R', '-o', source,
                        '-b', 'isolinux.bin', '-c', 'boot.cat', '-no-emul-boot',
                        '-boot-load-size', '4', '-boot-info-table', root],
                       check=True, capture_output=True)
        image, _ = self.customize(source, '--add', self.write(partner('5.0')))
        names = plain_names(image.path)
        self.assertIn('/ATA-PATA.V00;1', names)
        self.assertEqual({'/ACME-RAI.V00;1'}, names - plain_names(source))
        self.assertEqual(set(), plain_names(source) - names)


if __name__ == '__main__':
    unittest.main()
