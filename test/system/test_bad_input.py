#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Damaged and hostile VIBs and depots: each kind has its exit code and its words.

The tables name every kind of damage that the fixture makes.  A VIB is given to `vib verify`, to
`depot add` and, where that takes it, to an export; a depot to `depot add` and an export.
"""
import functools
import io
import unittest
import zipfile

from fixture import broken, bundle, vendor
from slipway_case import (CORRUPT, LIMIT, NOT_FOUND, RULES, SIGNATURE, UNSUPPORTED, SlipwayCase,
                          authority, depot, generation, scratch)

RELEASE = '7.0U3'
PAYLOAD = 'acme-rai'

# What is so wrong that the file is refused at once: (exit code, words of the error).
REFUSED_VIBS = {
    'empty': (CORRUPT, ['no VIB', 'ar archive']),
    'not-ar': (CORRUPT, ['zip archive and no VIB']),
    'html': (CORRUPT, ['no VIB', 'ar archive']),
    'truncated': (CORRUPT, ['truncated']),
    'truncated-header': (CORRUPT, ['truncated']),
    'size-not-a-number': (CORRUPT, ['descriptor.xml', 'no number']),
    'size-huge': (LIMIT, ['descriptor.xml', '9999999999', 'limit']),
    'bad-member-magic': (CORRUPT, ['member header']),
    'debian-binary': (UNSUPPORTED, ['Debian package', 'ESX 4', 'ESXi 5.0']),
    'no-descriptor': (CORRUPT, ['descriptor.xml']),
    'no-signature-member': (CORRUPT, ['sig.pkcs7', PAYLOAD]),
    'wrong-order': (CORRUPT, ['sig.pkcs7', 'descriptor.xml']),
    'duplicate-descriptor': (CORRUPT, ['descriptor.xml', 'sig.pkcs7']),
    'size-negative': (CORRUPT, [PAYLOAD, '-5']),
    'not-xml': (CORRUPT, ['line 1']),
    'xml-cut': (CORRUPT, ['line 1', 'Premature end']),
    'xml-other-root': (CORRUPT, ['<bulletin>', '<vib>']),
    'xml-entities': (CORRUPT, ['document type declaration']),
    'xml-not-utf8': (CORRUPT, ['UTF-8']),
    'no-name': (CORRUPT, ['<name>']),
    'bad-name': (CORRUPT, ['<name>', '../evil']),
    'bad-version': (CORRUPT, ['1.0-2-3', 'version']),
    'bad-type': (CORRUPT, ['floppy', 'bootbank']),
    'bad-level': (CORRUPT, ['royal', 'community']),
    'path-traversal': (CORRUPT, ['../../etc/passwd']),
    'path-absolute': (CORRUPT, ['/etc/passwd']),
    'payload-name-traversal': (CORRUPT, ['../x']),
    'vfat-name-traversal': (CORRUPT, ['../../X.V00', PAYLOAD]),
}

# What shows only when all of it is read.
DAMAGED_VIBS = {
    'trailing-garbage': (CORRUPT, ['member header']),
    'missing-payload': (CORRUPT, [PAYLOAD, 'missing']),
    'extra-member': (CORRUPT, ['surprise']),
    'duplicate-member': (CORRUPT, [PAYLOAD, 'twice']),
    'flipped-bit': (CORRUPT, [PAYLOAD, 'sha-256 checksum']),
    'wrong-member-name': (CORRUPT, ['payload1', PAYLOAD]),
    'wrong-size': (CORRUPT, [PAYLOAD, 'bytes']),
    'wrong-sha256': (CORRUPT, [PAYLOAD, 'sha-256 checksum']),
    'wrong-sha256-gunzip': (CORRUPT, [PAYLOAD, 'sha-256 gunzip checksum']),
    'wrong-sha1-gunzip': (CORRUPT, [PAYLOAD, 'sha-1 gunzip checksum']),
    'no-checksums': (CORRUPT, [PAYLOAD, 'no checksum']),
    'not-gzip': (CORRUPT, [PAYLOAD, 'decompressed']),
    'gzip-cut': (CORRUPT, [PAYLOAD, 'decompressed']),
    'altered-descriptor': (SIGNATURE, ['changed after it was signed']),
    'signature-not-pem': (SIGNATURE, ['sig.pkcs7']),
    'signature-bad-base64': (SIGNATURE, ['sig.pkcs7']),
    'signature-cut': (SIGNATURE, ['sig.pkcs7']),
}

# What is passed with a warning.
SUSPICIOUS_VIBS = {'path-too-long': ['x' * 120, '99 bytes']}

# Depots that are not connected at all.
REFUSED_DEPOTS = {
    'html-index': (CORRUPT, ['index.xml', 'HTML page']),
    'empty-index': (CORRUPT, ['index.xml', 'empty']),
    'no-vendors': (UNSUPPORTED, ['index.xml', 'embeddedEsx']),
    'index-entities': (CORRUPT, ['index.xml', 'document type declaration']),
    'index-outside': (CORRUPT, ['../../../vendor-index.xml', 'out of the depot']),
    'html-vendor-index': (CORRUPT, ['vendor-index.xml', 'HTML page']),
    'missing-vendor-index': (NOT_FOUND, ['vendor-index.xml']),
    'html-metadata': (CORRUPT, ['metadata.zip', 'zip archive']),
    'empty-metadata': (CORRUPT, ['metadata.zip', 'too short']),
    'missing-metadata': (NOT_FOUND, ['metadata.zip']),
    'truncated-metadata': (CORRUPT, ['metadata.zip', 'end']),
    'metadata-bad-xml': (CORRUPT, ['vibs/a-1.xml', 'line 1']),
    'metadata-traversal': (CORRUPT, ['../../vibs/evil.xml']),
}

# Depots of which an export fails; the words of its error.
DAMAGED_DEPOTS = {
    'html-vib': (CORRUPT, ['bnxtnet', '160 bytes']),
    'missing-vib': (NOT_FOUND, ['bnxtnet']),
    'truncated-vib': (CORRUPT, ['bnxtnet', 'bytes']),
    'flipped-vib': (CORRUPT, ['bnxtnet']),
}

LIES = {
    'packed-size': (CORRUPT, ['ntg3', 'bytes']),
    'checksum': (CORRUPT, ['ntg3', 'SHA-256']),
    'relative-path': (NOT_FOUND, ['vib20/nowhere/nothing.vib']),
    'relative-path-outside': (RULES, ['ntg3']),
}


@functools.cache
def partner():
    """The VIB that is damaged."""
    return vendor.vibs(generation(RELEASE), authority())['partner']


class VibTest(SlipwayCase):
    """broken.VIBS"""

    def write(self, kind):
        """The damaged file."""
        path = self.dir / f'{kind}.vib'
        path.write_bytes(broken.VIBS[kind](partner()))
        return path

    def each(self, table, check):
        """Call check(kind, its file, exit code, words) for all of a table, as subtests."""
        for kind, (code, words) in table.items():
            with self.subTest(kind=kind):
                check(kind, self.write(kind), code, words)

    def test_tables_are_complete(self):
        self.assertEqual(set(broken.VIBS), {*REFUSED_VIBS, *DAMAGED_VIBS, *SUSPICIOUS_VIBS})
        self.assertEqual(set(broken.DEPOTS), {*REFUSED_DEPOTS, *DAMAGED_DEPOTS,
                                              'metadata-without-vibs'})
        self.assertEqual(set(broken.lies_about(partner())), set(LIES))

    def test_verify(self):
        def check(kind, path, code, words):
            result = self.fails(code, 'vib', 'verify', path, words=[path, *words])
            self.assertEqual(1, result.error.count(str(path)), result.error)
            vib, = result.json['vibs']
            self.assertFalse(vib['good'])
            self.assertEqual(None if kind in REFUSED_VIBS else partner().id, vib['id'])
            self.assertIn('error', [finding['kind'] for finding in vib['findings']])

        self.each(REFUSED_VIBS | DAMAGED_VIBS, check)

    def test_verify_warns(self):
        for kind, words in SUSPICIOUS_VIBS.items():
            result = self.slipway('vib', 'verify', self.write(kind), text=True)
            for word in words:
                self.assertIn(word, result.stdout)

    def test_verify_many_names_all_bad_ones(self):
        good = partner().write(self.dir)
        paths = [self.write(kind) for kind in ('flipped-bit', 'signature-cut')]
        result = self.fails(CORRUPT, 'vib', 'verify', paths[0], good, paths[1],
                            words=['2 of 3', paths[0]])
        self.assertEqual([False, True, False], [vib['good'] for vib in result.json['vibs']])

    def test_depot_add_refuses(self):
        self.each(REFUSED_VIBS, lambda _, path, code, words: self.fails(
            code, 'depot', 'add', path, words=[path, *words]))
        self.assertEqual([], self.slipway('depot', 'list').json['depots'])

    def test_show_and_extract_refuse(self):
        def check(_, path, code, words):
            self.fails(code, 'vib', 'show', path, words=[path, *words])
            self.fails(code, 'vib', 'extract', path, 'out', words=[path, *words])
            self.assertFalse((self.dir / 'out').exists())

        self.each(REFUSED_VIBS, check)

    def test_extract_of_what_is_damaged(self):
        """Damage can be looked at: wrong checksums are warnings, a broken archive is an error."""
        def check(kind, path, code, words):
            result = self.slipway('vib', 'extract', path, f'out-{kind}', code=None)
            self.assertTrue((self.dir / f'out-{kind}' / 'descriptor.xml').exists())
            if code == SIGNATURE:
                self.assertEqual(0, result.code)
                return
            said = result.error if result.code else ' '.join(result.warnings)
            self.assertIn(result.code, (0, code))
            for word in words:
                self.assertIn(word, said)

        self.each(DAMAGED_VIBS, check)

    def test_export_refuses(self):
        def check(kind, path, code, words):
            self.clone(generation(RELEASE).standard.name, kind)
            self.slipway('profile', 'add', kind, path, '--lower-acceptance')
            for output in ('out.iso', 'out.zip'):
                self.fails(code, 'profile', 'export', kind, '-o', output, words=words)
                self.assertFalse((self.dir / output).exists())
            self.slipway('depot', 'remove', path)

        self.add_depot(depot(RELEASE))
        self.each(DAMAGED_VIBS, check)
        self.assert_left(*[f'{kind}.vib' for kind in DAMAGED_VIBS])

    def test_profile_add_refuses(self):
        def check(_, path, code, words):
            self.fails(code, 'profile', 'add', 'mine', path, words=[path, *words])
            self.assertEqual(before, self.vib_ids('mine'))

        self.add_depot(depot(RELEASE))
        self.clone(generation(RELEASE).standard.name)
        before = self.vib_ids('mine')
        self.each(REFUSED_VIBS, check)


class DepotTest(SlipwayCase):
    """broken.DEPOTS, as a zip and as a directory."""

    def setUp(self):
        super().setUp()
        self.profile = generation(RELEASE).standard.name

    def in_forms(self, kind, entries, check):
        """Call check(its location) for it as a zip and as a directory, as subtests, each with a
        workspace of its own."""
        for form in ('zip', 'directory'):
            with self.subTest(kind=kind, form=form):
                self.workspace = self.dir / f'workspace-{kind}-{form}'
                path = scratch() / f'{kind}-{form}.zip'
                if form == 'zip':
                    check(bundle.write_zip(entries.items(), path))
                else:
                    check(bundle.write_dir(entries.items(), path.with_suffix('')))

    def damaged(self, kind, check):
        """The same for a kind of broken.DEPOTS."""
        entries = broken.DEPOTS[kind](dict(generation(RELEASE).bundle().entries()))
        self.in_forms(kind, entries, check)

    def test_depot_add_refuses(self):
        def check(path):
            result = self.fails(code, 'depot', 'add', path, words=[path, *words])
            self.assertEqual(1, result.error.count(f'{path}: '), result.error)
            self.assertEqual([], self.slipway('depot', 'list').json['depots'])

        for kind, (code, words) in REFUSED_DEPOTS.items():
            self.damaged(kind, check)

    def test_empty_depot_is_warned_about(self):
        self.damaged('metadata-without-vibs', lambda path: self.assertIn(
            'neither packages nor image profiles', ' '.join(self.add_depot(path).warnings)))

    def assert_export_fails(self, path, code, words):
        """The depot is connected, an export of it fails."""
        self.add_depot(path)
        for output in ('out.iso', 'out.zip'):
            self.fails(code, 'profile', 'export', self.profile, '-o', output, words=words)
            self.assertFalse((self.dir / output).exists())

    def test_export_refuses(self):
        for kind, (code, words) in DAMAGED_DEPOTS.items():
            self.damaged(kind, lambda path: self.assert_export_fails(path, code, words))

    def test_lies_of_the_metadata(self):
        made = generation(RELEASE)
        for kind, lies in broken.lies_about(made.vib('ntg3')).items():
            code, words = LIES[kind]
            self.in_forms(kind, dict(made.bundle(lies=lies).entries()),
                          lambda path: self.assert_export_fails(path, code, words))

    def test_metadata_that_claims_another_descriptor(self):
        """What the depot says of a VIB is not what its own descriptor says."""
        made = generation(RELEASE)
        truth = made.vib('ntg3')
        for kind, changes in {'level': {'acceptance': 'partner'},
                              'payloads': {'payloads': made.vib('nvme-pcie').payloads}}.items():
            lie = truth.but(raw=truth.to_bytes(), **changes)
            vibs = tuple(lie if vib is truth else vib for vib in made.vibs)
            entries = dict(made.bundle(vibs=vibs).entries())
            self.in_forms(f'claims-{kind}', entries, lambda path: self.assert_export_fails(
                path, CORRUPT, [truth.id, 'not what its depot']))

    def test_one_bad_descriptor_does_not_spoil_the_depot(self):
        made = generation(RELEASE)
        entries = dict(made.bundle().entries())
        with zipfile.ZipFile(io.BytesIO(entries['metadata.zip'])) as metadata:
            members = {name: metadata.read(name) for name in metadata.namelist()}
        name, = [name for name in members if name.startswith('vibs/ntg3-')]
        members[name] = b'<vib version="5.0"><type>'
        entries['metadata.zip'] = bundle.zip_bytes(members.items())

        def check(path):
            self.assertIn(name, ' '.join(self.add_depot(path).warnings))
            self.assertEqual(len(made.vibs) - 1,
                             len(self.slipway('package', 'list').json['packages']))
            for option in ((), ('--force',)):
                self.fails(RULES, 'profile', 'export', self.profile, '-o', 'out.iso', *option,
                           words=[made.vib('ntg3').id])

        self.in_forms('one-bad', entries, check)

    def test_what_is_no_depot(self):
        (self.dir / 'text.zip').write_bytes(b'no zip\n' * 99)
        (self.dir / 'empty.zip').write_bytes(b'')
        (self.dir / 'empty').mkdir()
        bundle.write_zip([('readme.txt', b'hello')], self.dir / 'other.zip')
        bundle.write_zip([('inner.zip', depot(RELEASE).read_bytes())], self.dir / 'outer.zip')
        for name, code, words in (
                ('text.zip', CORRUPT, ['zip']), ('empty.zip', CORRUPT, ['zip']),
                ('empty', NOT_FOUND, ['index.xml']), ('other.zip', UNSUPPORTED, ['index.xml']),
                ('outer.zip', UNSUPPORTED, ['inner.zip']), ('absent.zip', NOT_FOUND, []),
                ('/dev/null', None, [])):
            with self.subTest(name=name):
                result = self.fails(code, 'depot', 'add', name, words=[name, *words])
                self.assertNotEqual(0, result.code)


class SecretTest(SlipwayCase):
    """What is secret is in no message, whatever goes wrong."""

    def test_tokens_and_passwords(self):
        self.secrets = ['Zm9vYmFyMTIzNDU2Nzg5MGFiY2RlZg', 'pa55word']
        (self.dir / 'token').write_text('Zm9vYmFyMTIzNDU2Nzg5MGFiY2RlZg\n')
        for location in ('http://127.0.0.1:9/{token}/index.xml',
                         'http://127.0.0.1:9/Zm9vYmFyMTIzNDU2Nzg5MGFiY2RlZg/PROD/index.xml',
                         'http://user:pa55word@127.0.0.1:9/index.xml'):
            with self.subTest(location=location):
                options = ['--token-file', 'token'] if '{token}' in location else []
                result = self.slipway('depot', 'add', location, *options, '--retries', '1',
                                      code=None)
                self.assertNotEqual(0, result.code)


if __name__ == '__main__':
    unittest.main()
