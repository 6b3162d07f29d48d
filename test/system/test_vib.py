#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""`vib show`, `vib verify`, `vib extract` and `vib build`."""
import gzip
import io
import os
import stat
import tarfile
import unittest
from xml.etree import ElementTree

from fixture import archive, iso, vendor
from fixture.payload import tgz, vgz
from fixture.vib import Vib
from slipway_case import (EXISTS, NOT_FOUND, RULES, USAGE, SlipwayCase, authority, depot,
                          generation)

RELEASE = '8.0'
FILES = {'opt/tool/bin/tool': b'#!/bin/sh\necho tool\n', 'opt/tool/empty': b'',
         'etc/vmware/firewall/tool.xml': b'<ConfigRoot/>\n' * 99}
# Signatures have tests of their own; these are all right.
GOOD = ('newer', 'community', 'partner', 'conflicting', 'missing', 'legacy', 'replacing',
        'other-product', 'overlay', 'bad-path', 'by-hand', 'mode-text', 'meta', 'vibauthor')


def packages():
    """Packages of every form."""
    return vendor.vibs(generation(RELEASE), authority())


def wishes(values):
    """Relations as they are shown."""
    return sorted(' '.join(value.split()) for value in values)


class ShowTest(SlipwayCase):
    """`vib show` and `vib verify` of good files."""

    def check_shown(self, vib, shown):
        """Everything in the descriptor is shown."""
        self.assertEqual((vib.id, vib.name, vib.version, vib.vendor, vib.type),
                         tuple(shown[key] for key in ('id', 'name', 'version', 'vendor', 'type')))
        for key in ('depends', 'conflicts', 'replaces', 'provides', 'compatible_with'):
            self.assertEqual(wishes(getattr(vib, key)), sorted(shown[key]), key)
        self.assertEqual(sorted(vib.file_list), shown['files'])
        self.assertEqual(sorted(vib.tags), sorted(shown['tags']))
        self.assertEqual([(product, version) for version, _, product in vib.software_platforms],
                         [(entry['product'], entry['version'])
                          for entry in shown['software_platforms']])
        self.assertEqual([(payload.name, payload.type, payload.size, payload.boot_order,
                           payload.vfat_name) for payload in vib.sorted_payloads],
                         [(entry['name'], entry['type'], entry['size'], entry['boot_order'],
                           entry['vfat_name']) for entry in shown['payloads']])
        self.assertEqual([payload.checksums(vib.checksums) for payload in vib.sorted_payloads],
                         [[(sum['kind'], sum['verify_process'], sum['hex'])
                           for sum in entry['checksums']] for entry in shown['payloads']])
        for key in ('overlay', 'stateless_ready', 'live_install_allowed', 'live_remove_allowed',
                    'cimom_restart'):
            self.assertEqual(getattr(vib, key), shown[key], key)

    def test_files(self):
        for kind in GOOD:
            with self.subTest(kind=kind):
                vib = packages()[kind]
                self.check_shown(vib, self.slipway('vib', 'show', vib.write(self.dir)).json['vib'])

    def test_packages_of_a_depot(self):
        self.add_depot(depot(RELEASE))
        for name in ('esx-base', 'tools-light', 'esx-xserver', 'ntg3'):
            vib = generation(RELEASE).vib(name)
            for word in (name, f'{name}={vib.version}', vib.id):
                with self.subTest(word=word):
                    self.check_shown(vib, self.slipway('vib', 'show', word).json['vib'])
        self.fails(NOT_FOUND, 'vib', 'show', 'ntg4', words=['ntg4', 'ntg3'])

    def test_verify(self):
        for kind in GOOD:
            with self.subTest(kind=kind):
                result = self.slipway('vib', 'verify', packages()[kind].write(self.dir))
                self.assertTrue(result.json['vibs'][0]['good'])

    def test_verify_of_a_whole_release(self):
        paths = [vib.write(self.dir) for vib in generation(RELEASE).vibs]
        result = self.slipway('vib', 'verify', *paths)
        self.assertEqual([vib.id for vib in generation(RELEASE).vibs],
                         [vib['id'] for vib in result.json['vibs']])

    def test_verify_warns_of_paths(self):
        text = self.slipway('vib', 'verify', packages()['bad-path'].write(self.dir),
                            text=True).stdout
        self.assertIn('bin/mine', text)


class ExtractTest(SlipwayCase):
    """`vib extract`."""

    def contents(self, directory):
        """{path: bytes} of all files below."""
        base = self.dir / directory
        return {str(path.relative_to(base)): path.read_bytes() for path in base.rglob('*')
                if path.is_file()}

    def test_members_byte_for_byte(self):
        for vib in (generation(RELEASE).vib('esx-base'), *(packages()[kind] for kind in GOOD)):
            with self.subTest(vib=vib.id):
                self.slipway('vib', 'extract', vib.write(self.dir), vib.name)
                self.assertEqual(dict(vib.members()), self.contents(vib.name))

    def test_unpack(self):
        files = FILES | {'usr/lib/vmware/vmkmod/tool': b'\x7fELF' + bytes(5000)}
        forms = {'visor-4096': vgz('pay', files), 'visor-512': vgz('pay', files, alignment=512),
                 'ustar': tgz('pay', files), 'old-gnu': tgz('pay', files, 'gnu')}
        for form, payload in forms.items():
            with self.subTest(form=form):
                vib = Vib('tool', '1.0-1', payloads=(payload,), acceptance='community')
                self.slipway('vib', 'extract', vib.write(self.dir), form, '--unpack')
                self.assertEqual({f'pay/{path}': data for path, data in files.items()}
                                 | {'descriptor.xml': vib.descriptor(), 'sig.pkcs7': b''},
                                 self.contents(form))

    def test_what_cannot_be_unpacked_stays_a_file(self):
        vib = generation(RELEASE).vib('esx-base')
        result = self.slipway('vib', 'extract', vib.write(self.dir), 'out', '--unpack')
        for name in ('b', 's', 'isolinux.bin'):
            self.assertEqual(vib.payload(name).data, (self.dir / 'out' / name).read_bytes())
        self.assertTrue((self.dir / 'out' / 'tpm').is_dir())
        self.assertIn('payload s: holds a signed xz archive', result.stderr)

    def test_does_not_overwrite(self):
        vib = packages()['partner']
        path = vib.write(self.dir)
        self.slipway('vib', 'extract', path, 'out')
        (self.dir / 'out' / 'acme-rai').write_bytes(b'changed')
        self.fails(EXISTS, 'vib', 'extract', path, 'out', words=['out'])
        self.assertEqual(b'changed', (self.dir / 'out' / 'acme-rai').read_bytes())
        self.slipway('vib', 'extract', path, 'out', '--overwrite')
        self.assertEqual(dict(vib.members()), self.contents('out'))

    def test_archives_that_lead_out(self):
        """Members above the directory, absolute, or through a link: nothing is written there."""
        def links():
            out = io.BytesIO()
            with tarfile.open(fileobj=out, mode='w') as tar:
                link = tarfile.TarInfo('here')
                link.type, link.linkname = tarfile.SYMTYPE, str(self.dir)
                tar.addfile(link)
                inside = tarfile.TarInfo('here/escaped')
                inside.size = 4
                tar.addfile(inside, io.BytesIO(b'evil'))
            return archive.gzip_bytes(out.getvalue())

        hostile = {'above': archive.tgz_bytes({'../../escaped': b'evil'}),
                   'absolute': archive.tgz_bytes({f'{self.dir}/escaped': b'evil'}),
                   'link': links()}
        for kind, data in hostile.items():
            with self.subTest(kind=kind):
                vib = Vib('evil', '1.0-1', acceptance='community',
                          payloads=(tgz('evil', {}).but(data=data),))
                self.slipway('vib', 'extract', vib.write(self.dir), f'out/{kind}', '--unpack',
                             code=None)
                self.assertFalse((self.dir / 'escaped').exists())
                self.assertFalse((self.dir / 'out' / 'escaped').exists())


class BuildTest(SlipwayCase):
    """`vib build`."""

    options = ('--name', 'tool', '--version', '1.0-1', '--vendor', 'Mine')

    def tree(self, name='tree', files=None):
        """A directory with these files."""
        for path, data in (files or FILES).items():
            target = self.dir / name / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        return self.dir / name

    def build(self, source, output='tool.vib', *more, **options):
        """The built VIB's members: {name: bytes}."""
        self.slipway('vib', 'build', source, '-o', output, *self.options, *more, **options)
        return dict(archive.ar_members((self.dir / output).read_bytes()))

    def test_other_programs_read_it(self):
        self.build(self.tree())
        names = ['descriptor.xml', 'sig.pkcs7', 'tool']
        self.assertEqual(names, self.tool('ar', 't', 'tool.vib').decode().split())
        self.assertEqual(names, self.tool('bsdtar', '-tf', 'tool.vib').decode().split())
        payload = self.tool('ar', 'p', 'tool.vib', 'tool')
        (self.dir / 'payload.tgz').write_bytes(payload)
        self.assertEqual(sorted(FILES), sorted(
            name for name in self.tool('tar', '-tzf', 'payload.tgz').decode().splitlines()
            if not name.endswith('/')))
        self.assertEqual(b'\x1f\x8b\x08\x00\x00\x00\x00\x00', payload[:8])  # no time in it

    def test_is_good_and_comes_apart_again(self):
        self.build(self.tree())
        self.slipway('vib', 'verify', 'tool.vib')
        self.slipway('vib', 'extract', 'tool.vib', 'out', '--unpack')
        for path, data in FILES.items():
            self.assertEqual(data, (self.dir / 'out' / 'tool' / path).read_bytes())
        self.build(self.dir / 'out' / 'tool', 'again.vib')
        self.assertEqual((self.dir / 'tool.vib').read_bytes(),
                         (self.dir / 'again.vib').read_bytes())

    def test_same_input_same_bytes(self):
        self.build(self.tree())
        second = self.tree('second', dict(reversed(FILES.items())))
        for path in second.rglob('*'):
            os.utime(path, (1, 1))
            if path.is_file():
                path.chmod(0o644)
        self.build(second, 'other.vib', env={'TZ': 'Asia/Tokyo', 'LC_ALL': 'C'})
        self.assertEqual((self.dir / 'tool.vib').read_bytes(),
                         (self.dir / 'other.vib').read_bytes())

    def test_modes_and_links_are_kept(self):
        tree = self.tree()
        (tree / 'opt/tool/bin/tool').chmod(0o755)
        os.symlink('bin/tool', tree / 'opt/tool/link')
        payload = self.build(tree)['tool']
        with tarfile.open(fileobj=io.BytesIO(payload)) as tar:
            members = {member.name: member for member in tar}
        self.assertEqual('bin/tool', members['opt/tool/link'].linkname)
        self.assertTrue(members['opt/tool/bin/tool'].mode & stat.S_IXUSR)
        self.assertFalse(members['opt/tool/empty'].mode & stat.S_IXUSR)
        for member in members.values():
            self.assertEqual((0, 0, 0), (member.uid, member.gid, member.mtime), member.name)

    def test_archives_are_taken_over(self):
        plain = archive.tar_bytes(FILES)
        for name, data in {'a.tgz': archive.gzip_bytes(plain), 'b.tar.gz': gzip.compress(plain),
                           'c.tar': plain, 'd.tgz': archive.tgz_bytes(FILES, 'gnu')}.items():
            with self.subTest(name=name):
                (self.dir / name).write_bytes(data)
                payload = self.build(name, f'{name}.vib')['tool']
                self.assertEqual(plain if name != 'd.tgz' else archive.tar_bytes(FILES, 'gnu'),
                                 gzip.decompress(payload))
                shown = self.slipway('vib', 'show', f'{name}.vib').json['vib']
                self.assertEqual(sorted(FILES), shown['files'])

    def test_every_option(self):
        members = self.build(
            self.tree(), 'tool.vib', '--summary', 'A <tool> & more', '--description', 'Does "it"',
            '--release-date', '2024-05-06T07:08:09Z', '--payload-name', 'mytool', '--depends',
            'vmkapi_2_6_0_0', '--depends', 'acme-libs >= 2.0', '--conflicts', 'old << 1.0',
            '--replaces', 'older', '--provides', 'tool-api = 3', '--tag', 'driver', '--tag',
            'module', '--platform', '8.0', '--maintenance-mode', '--live-install',
            '--stateless-ready')
        root = ElementTree.fromstring(members['descriptor.xml'])
        self.assertEqual(['tool', '1.0-1', 'Mine', 'A <tool> & more', 'Does "it"', 'bootbank',
                          'community'],
                         [root.findtext(tag) for tag in ('name', 'version', 'vendor', 'summary',
                                                         'description', 'type',
                                                         'acceptance-level')])
        self.assertTrue(root.findtext('release-date').startswith('2024-05-06T07:08:09'))
        self.assertEqual([{'name': 'vmkapi_2_6_0_0'},
                          {'name': 'acme-libs', 'relation': '>=', 'version': '2.0'}],
                         [wish.attrib for wish in root.iterfind('relationships/depends/*')])
        self.assertEqual('8.0', root.find('system-requires/softwarePlatform').get('version'))
        self.assertEqual(['true'] * 3, [root.findtext(path) for path in (
            'system-requires/maintenance-mode', 'live-install-allowed', 'stateless-ready')])
        self.assertEqual(['mytool'], [entry.get('name') for entry in root.iterfind('payloads/*')])
        self.assertEqual(b'', members['sig.pkcs7'])
        order = ['type', 'name', 'version', 'vendor', 'summary', 'description', 'release-date',
                 'urls', 'relationships', 'software-tags', 'system-requires', 'file-list',
                 'acceptance-level', 'live-install-allowed', 'live-remove-allowed',
                 'cimom-restart', 'stateless-ready', 'overlay', 'payloads']
        self.assertEqual(order, [element.tag for element in root])

    def test_date_of_the_surroundings(self):
        members = self.build(self.tree(), env={'SOURCE_DATE_EPOCH': '1700000000'})
        self.assertIn(b'<release-date>2023-11-14T22:13:20', members['descriptor.xml'])

    def test_is_used_in_an_image(self):
        """Unsigned and community: into a profile, onto an ISO, in its database."""
        self.build(self.tree(), 'tool.vib', '--platform', '8.0')
        self.add_depot(depot(RELEASE))
        self.clone(generation(RELEASE).standard.name)
        self.fails(RULES, 'profile', 'add', 'mine', 'tool.vib', words=['Mine_bootbank_tool_1.0-1'])
        self.slipway('profile', 'add', 'mine', 'tool.vib', '--lower-acceptance')
        self.slipway('profile', 'check', 'mine')
        with iso.Iso(self.export('mine')) as image:
            self.assertIn('tool.t00', image.modules())
            self.assertEqual(dict(archive.ar_members((self.dir / 'tool.vib').read_bytes()))['tool'],
                             image.files['/TOOL.T00'])

    def test_refuses(self):
        tree = self.tree()
        for options, words in ((['--name', '../x'], ['../x']), (['--version', '1-2-3'], ['1-2-3']),
                               (['--vendor', 'M M'], ['M M']), (['--depends', 'a b c'], ['a b c']),
                               (['--release-date', 'yesterday'], ['yesterday']),
                               (['--platform', '8 0'], ['8 0']),
                               (['--acceptance', 'royal'], ['royal']),
                               (['--payload-name', 'much-too-long-name'], ['much-too-long'])):
            with self.subTest(options=options):
                self.fails(USAGE, 'vib', 'build', tree, '-o', 'x.vib', *self.options, *options,
                           words=words)
        self.fails(USAGE, 'vib', 'build', tree, '-o', 'tree/x.vib', *self.options, words=['tree'])
        self.fails(USAGE, 'vib', 'build', tree, *self.options, words=['--output'])
        self.fails(NOT_FOUND, 'vib', 'build', 'absent', '-o', 'x.vib', *self.options,
                   words=['absent'])
        self.assert_left('tree')

    def test_does_not_overwrite(self):
        (self.dir / 'tool.vib').write_bytes(b'precious')
        self.fails(EXISTS, 'vib', 'build', self.tree(), '-o', 'tool.vib', *self.options)
        self.assertEqual(b'precious', (self.dir / 'tool.vib').read_bytes())
        self.build(self.tree(), 'tool.vib', '--overwrite')

    def test_what_no_vib_can_hold(self):
        """Empty trees, pipes, archives that are none or lead out."""
        (self.dir / 'empty').mkdir()
        os.mkfifo(self.tree('piped') / 'opt/pipe')
        (self.dir / 'text.tgz').write_bytes(b'no archive\n' * 99)
        (self.dir / 'evil.tgz').write_bytes(archive.tgz_bytes({'../x': b''}))
        (self.dir / 'cut.tgz').write_bytes(archive.tgz_bytes(FILES)[:-30])
        before = sorted(path.name for path in self.dir.iterdir())
        for name in ('empty', 'piped', 'text.tgz', 'evil.tgz', 'cut.tgz'):
            with self.subTest(name=name):
                result = self.fails(None, 'vib', 'build', name, '-o', 'x.vib', *self.options,
                                    words=[name])
                self.assertNotEqual(0, result.code)
                self.assert_left(*before)


if __name__ == '__main__':
    unittest.main()
