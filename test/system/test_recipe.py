# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds from recipes, and their lock files."""
import hashlib
import json
import unittest
import zipfile

import slipway_case
from fixture import iso, vendor
from slipway_case import SlipwayCase, authority, generation


class RecipeCase(SlipwayCase):
    """A recipe `lab.yaml` with an ESXi bundle and drivers of a vendor."""

    def setUp(self):
        super().setUp()
        self.release = generation('6.7')
        self.drivers = vendor.vibs(self.release, authority())
        slipway_case.trust_file()
        (self.dir / 'esxi.zip').symlink_to(slipway_case.depot('6.7'))
        vendor.bundle(self.release, authority(), ['libs', 'needs-libs']).write_zip(
            self.dir / 'acme.zip')
        self.drivers['newer'].write(self.dir)
        self.recipe = {
            'name': 'Lab',
            'depots': ['esxi.zip', 'acme.zip'],
            'base': {'profile': self.release.standard.name},
            'add': [self.drivers['newer'].file_name, self.drivers['needs-libs'].name,
                    self.drivers['libs'].name],
            'lower_acceptance': True,
        }

    def expected_vibs(self):
        """What the image of the recipe has."""
        return self.release.standard.with_vibs(
            [self.drivers[name] for name in ('newer', 'needs-libs', 'libs')]).vibs

    def build(self, output, *options, **more):
        """Build the recipe (JSON is YAML); the path of the output."""
        (self.dir / 'lab.yaml').write_text(json.dumps(self.recipe, indent=1))
        self.slipway('image', 'build', self.dir / 'lab.yaml', '-o', self.dir / output, *options,
                     **more)
        return self.dir / output

    def lock(self):
        """The lock file."""
        return json.loads((self.dir / 'lab.lock').read_text())


class BuildTest(RecipeCase):
    """Each base and each kind of output."""

    def test_iso_of_profile(self):
        self.recipe['kernel_options'] = ['allowLegacyCPU=true']
        image = iso.Iso(self.build('out.iso'))
        self.assertIn('allowLegacyCPU=true', image.files['/BOOT.CFG'].decode())
        expected = {vib.id for vib in self.expected_vibs()}
        self.assertEqual({vib['id'] for vib in self.lock()['vibs']}, expected)

    def test_bundle_of_profile(self):
        path = self.build('out.zip')
        with zipfile.ZipFile(path) as archive:
            found = {name for name in archive.namelist() if name.startswith('vib20/')}
        self.assertEqual(found, {vib.depot_path for vib in self.expected_vibs()})

    def test_lock_file(self):
        path = self.build('out.zip')
        lock = self.lock()
        data = path.read_bytes()
        self.assertEqual(lock['output'], {'kind': 'zip', 'size': len(data),
                                          'sha256': hashlib.sha256(data).hexdigest()})
        depots = {vib['id']: vib['depot'] for vib in lock['vibs']}
        self.assertEqual(depots[self.drivers['libs'].id], 'acme.zip')
        self.assertEqual(depots[self.drivers['newer'].id], self.drivers['newer'].file_name)
        for vib in self.expected_vibs():
            file = vib.to_bytes()
            self.assertIn({'id': vib.id, 'depot': depots[vib.id], 'size': len(file),
                           'sha256': hashlib.sha256(file).hexdigest()}, lock['vibs'])

    def test_iso_of_iso(self):
        iso.make_iso(self.release, self.dir / 'stock.iso')
        self.recipe['base'] = {'iso': 'stock.iso'}
        self.recipe['depots'] = ['acme.zip']
        first = self.build('one.iso')
        lock = self.lock()
        self.assertEqual([vib['id'] for vib in lock['vibs']],
                         sorted(self.drivers[name].id for name in ('needs-libs', 'libs')))
        self.assertEqual([file['name'] for file in lock['files']],
                         sorted(['stock.iso', self.drivers['newer'].file_name]))
        second = self.build('two.iso', '--locked')
        self.assertEqual(first.read_bytes(), second.read_bytes())


class LockedTest(RecipeCase):
    """--locked: the same again, or an error that says what differs."""

    def test_same_bytes(self):
        first = self.build('one.iso').read_bytes()
        lock = (self.dir / 'lab.lock').read_bytes()
        second = self.build('two.iso', '--locked').read_bytes()
        self.assertEqual(first, second)
        self.assertEqual((self.dir / 'lab.lock').read_bytes(), lock)

    def test_all_differences_are_named(self):
        self.recipe['kickstart'] = 'ks.cfg'
        (self.dir / 'ks.cfg').write_text('one\n')
        self.build('one.iso')
        (self.dir / 'ks.cfg').write_text('two\n')
        (self.dir / 'acme.zip').unlink()
        vendor.bundle(self.release, authority(), ['libs']).write_zip(self.dir / 'acme.zip')
        result = self.slipway('image', 'build', self.dir / 'lab.yaml', '-o', self.dir / 'two.iso',
                              '--locked', code=slipway_case.RULES)
        self.assertIn(f"VIB {self.drivers['needs-libs'].id} is not there", result.error)
        self.assertIn('file ks.cfg has the SHA-256', result.error)
        self.assertFalse((self.dir / 'two.iso').exists())

    def test_no_lock_file(self):
        result = self.slipway('image', 'build', self.write_recipe(), '-o', self.dir / 'out.iso',
                              '--locked', code=slipway_case.NOT_FOUND)
        self.assertIn('there is no lock file yet, build once without --locked', result.error)

    def write_recipe(self):
        """The recipe, not built yet."""
        path = self.dir / 'lab.yaml'
        path.write_text(json.dumps(self.recipe))
        return path


if __name__ == '__main__':
    unittest.main()
