#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signatures: who is trusted, for which level, and where that is asked."""
import functools
import unittest

from fixture import iso, vendor
from fixture.authority import Authority
from slipway_case import (CORRUPT, NOT_FOUND, SIGNATURE, SlipwayCase, authority, depot,
                          generation, scratch)

RELEASE = '7.0U3'
EVERY_LEVEL = (('certified', None), ('root', None))
STRANGER = (('stranger', 'partner'),)
USUAL = (('certified', 'certified'), ('root', 'accepted'))

# Signed by whom, at which level: the exit code of `vib verify` under each sort of trust file, in
# the order of COLUMNS, and a word of the error.
COLUMNS = {'usual': USUAL, 'per level': Authority.PER_LEVEL, 'every level': EVERY_LEVEL,
           'stranger': STRANGER, 'none': None}
VERDICTS = {
    'certified': ((0, 0, 0, 6, 6), 'Slipway Test, Inc.'),
    'newer': ((0, 0, 0, 6, 6), 'Slipway Test Root CA'),             # accepted
    'partner': ((0, 0, 0, 6, 6), 'Slipway Test Root CA'),
    'community': ((0, 0, 0, 0, 0), ''),
    'stranger': ((6, 6, 6, 0, 6), 'Nobody you know'),
    'presumptuous': ((6, 6, 0, 6, 6), 'ACME partner signing'),      # claims certified
    'ambitious': ((0, 6, 0, 6, 6), 'ACME partner signing'),         # a partner claims accepted
    'unsigned': ((6, 6, 6, 6, 6), 'not signed'),
    'altered': ((6, 6, 6, 6, 6), 'changed after it was signed'),
}


@functools.cache
def vibs():
    """Signed packages of every sort."""
    made = vendor.vibs(generation(RELEASE), authority())
    return made | {
        'certified': generation(RELEASE).vib('ntg3'),
        'ambitious': made['partner'].but(name='acme-proud', acceptance='accepted'),
        'touched': made['community'].but(signer=made['altered'].signer)}


@functools.cache
def trust_file(anchors):
    """A trust file with these anchors; None for none."""
    if anchors is None:
        return None
    return authority().write_trust(scratch() / f'trust-{hash(anchors)}.pem', anchors=anchors)


class VerifyTest(SlipwayCase):
    """`vib verify` and `vib show`, with every kind of trust."""

    def test_verdicts(self):
        for kind, (codes, word) in VERDICTS.items():
            path = vibs()[kind].write(self.dir)
            for (column, anchors), code in zip(COLUMNS.items(), codes, strict=True):
                with self.subTest(kind=kind, trust=column):
                    result = self.slipway('vib', 'verify', path, code=code,
                                          trust=trust_file(anchors))
                    finding, = [finding for finding in result.json['vibs'][0]['findings']
                                if finding['topic'] == 'signature']
                    self.assertEqual('error' if code else 'ok', finding['kind'])
                    if code:
                        self.assertIn(word, result.error)
                        self.assertIn(vibs()[kind].id, result.error)

    def test_level_that_the_signer_is_good_for(self):
        path = vibs()['presumptuous'].write(self.dir)
        result = self.fails(SIGNATURE, 'vib', 'verify', path, words=['VMwareCertified'])
        self.assertIn('only good for VMwareAccepted', result.error)
        result = self.fails(SIGNATURE, 'vib', 'verify', path,
                            trust=trust_file(Authority.PER_LEVEL))
        self.assertIn('only good for PartnerSupported', result.error)

    def test_community_may_be_unsigned_but_not_wrongly_signed(self):
        path = vibs()['touched'].write(self.dir)
        self.fails(SIGNATURE, 'vib', 'verify', path, words=['changed after it was signed'])

    def test_several_trust_files(self):
        path = vibs()['stranger'].write(self.dir)
        self.slipway('vib', 'verify', path, '--trust', trust_file(STRANGER))
        certificate = self.dir / 'stranger.pem'
        certificate.write_text('# whom we met\n\n' + authority().certificate('stranger'))
        self.slipway('vib', 'verify', path, vibs()['partner'].write(self.dir), '--trust',
                     certificate)

    def test_no_signature_check(self):
        for kind in ('stranger', 'unsigned', 'altered'):
            with self.subTest(kind=kind):
                result = self.slipway('vib', 'verify', vibs()[kind].write(self.dir),
                                      '--no-signature-check', trust=None)
                self.assertIn('not checked', ' '.join(result.warnings))

    def test_damage_is_found_without_signatures_too(self):
        vib = vibs()['partner']
        path = self.dir / 'x.vib'
        data = bytearray(vib.to_bytes())
        data[-20] ^= 1
        path.write_bytes(data)
        self.fails(CORRUPT, 'vib', 'verify', path, '--no-signature-check')

    def test_show_says_who_signed(self):
        for kind, words in {'partner': ['good', 'ACME partner signing'],
                            'stranger': ['no trusted signer', 'Nobody you know'],
                            'community': ['none needed'],
                            'altered': ['changed after it was signed']}.items():
            with self.subTest(kind=kind):
                text = self.slipway('vib', 'show', vibs()[kind].write(self.dir), text=True).stdout
                for word in words:
                    self.assertIn(word, text)

    def test_other_programs_agree(self):
        """openssl says of the extracted parts what slipway says of the whole."""
        for kind, good in (('partner', True), ('altered', False)):
            self.slipway('vib', 'extract', vibs()[kind].write(self.dir), kind)
            (self.dir / 'ca.pem').write_text(authority().certificate('root'))
            self.tool('openssl', 'smime', '-verify', '-inform', 'PEM', '-in',
                      f'{kind}/sig.pkcs7', '-content', f'{kind}/descriptor.xml', '-binary',
                      '-CAfile', 'ca.pem', '-purpose', 'any', '-no_check_time',
                      code=0 if good else 4)


class TrustFileTest(SlipwayCase):
    """Trust files that cannot be used."""

    def test_bad_files(self):
        path = vibs()['partner'].write(self.dir)
        certificate = authority().certificate('root')
        for name, text, code in (
                ('empty', '', CORRUPT), ('words', 'trust me\n', CORRUPT),
                ('level', 'level: royal\n' + certificate, CORRUPT),
                ('cut', certificate[:300], CORRUPT),
                ('rotten', certificate.replace('MII', '!!!', 1), CORRUPT)):
            with self.subTest(name=name):
                (self.dir / name).write_text(text)
                self.fails(code, 'vib', 'verify', path, trust=self.dir / name, words=[name])
        self.fails(NOT_FOUND, 'vib', 'verify', path, trust=self.dir / 'absent', words=['absent'])


class ExportTest(SlipwayCase):
    """Exports and customised ISOs ask the same questions."""

    def setUp(self):
        super().setUp()
        self.name = generation(RELEASE).standard.name

    def refused(self, kind, words, **more):
        """A profile with that package is not exported, in neither form."""
        self.add_depot(depot(RELEASE))
        path = vibs()[kind].write(scratch())
        self.clone(self.name)
        self.slipway('profile', 'add', 'mine', path, '--lower-acceptance')
        for output in ('out.iso', 'out.zip'):
            for option in ((), ('--force',)):
                self.fails(SIGNATURE, 'profile', 'export', 'mine', '-o', output, *option,
                           words=[vibs()[kind].id, *words], **more)
        self.assert_left()

    def test_stranger(self):
        self.refused('stranger', ['no trusted signer', '--trust'])

    def test_unsigned(self):
        self.refused('unsigned', ['not signed'])

    def test_altered(self):
        self.refused('altered', ['changed after it was signed'])

    def test_presumptuous(self):
        self.refused('presumptuous', ['VMwareCertified'])

    def test_partner_who_claims_more_than_its_authority_gives(self):
        self.refused('ambitious', ['PartnerSupported'], trust=trust_file(Authority.PER_LEVEL))

    def test_all_untrusted_ones_are_named(self):
        self.add_depot(depot(RELEASE))
        self.clone(self.name)
        for kind in ('stranger', 'unsigned', 'altered'):
            self.slipway('profile', 'add', 'mine', vibs()[kind].write(scratch()))
        self.fails(SIGNATURE, 'profile', 'export', 'mine', '-o', 'out.iso',
                   words=[vibs()[kind].id for kind in ('stranger', 'unsigned', 'altered')])

    def test_nothing_is_trusted_without_a_trust_file(self):
        """The fixture's signers are none of the vendor's."""
        self.add_depot(depot(RELEASE))
        result = self.fails(SIGNATURE, 'profile', 'export', self.name, '-o', 'out.iso', trust=None)
        self.assertIn(f'{len(generation(RELEASE).vibs)} problems', result.error)
        self.assert_left()

    def test_no_signature_check_changes_no_byte(self):
        self.add_depot(depot(RELEASE))
        checked = self.export(self.name, 'checked.iso')
        result = self.slipway('profile', 'export', self.name, '-o', 'unchecked.iso',
                              '--no-signature-check', trust=None)
        self.assertIn('signatures are not checked', ' '.join(result.warnings))
        self.assertEqual(checked.read_bytes(), (self.dir / 'unchecked.iso').read_bytes())

    def test_unsigned_release(self):
        """A depot that nobody signed, without the check: empty signatures stay empty."""
        made = generation('6.5').bundle(vibs=tuple(
            vib.but(signer=None) for vib in generation('6.5').vibs))
        self.add_depot(made.write_zip(scratch() / 'unsigned.zip'))
        path = self.export(generation('6.5').standard.name, 'out.iso', '--no-signature-check')
        with iso.Iso(path) as image:
            signatures = {data for name, data in image.tgz('/IMGDB.TGZ').items()
                          if name.endswith('.sig')}
            self.assertEqual({b''}, signatures)


if __name__ == '__main__':
    unittest.main()
