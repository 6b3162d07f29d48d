#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""`profile check`: every rule, who is named, and which package would solve it."""
import functools
import unittest

from fixture import generations, oracle, vendor
from slipway_case import RULES, SlipwayCase, authority, depot, generation, scratch

RELEASE = '8.0'


@functools.cache
def partners(name=RELEASE):
    """Packages of other vendors, one for each rule."""
    return vendor.vibs(generation(name), authority())


# What is added to a stock profile: what `profile check` then says, as (rule, severity), and words
# that the message and the remedy have.  {vib}, {first}, {last}: the package and two inbox drivers.
RULES_BROKEN = {
    'conflicting': ([('conflicts', 'error')], ['{vib}', '{last}'], ['remove one of them']),
    'missing': ([('depends', 'error')], ['{vib}', 'acme-nowhere >= 2.0'],
                ['no connected depot has it', '{vib}']),
    'needs-libs': ([('depends', 'error')], ['{vib}', 'acme-libs >= 2.0'], ['add {libs}']),
    'legacy': ([('depends', 'error')] * 2, ['{vib}', 'vmkapi_2_2_0_0'],
               ['vmklinux', 'ESXi 6.7', 'native driver']),
    'replacing': ([('obsolete', 'error')], ['{vib}', '{last}'], ['remove {last}']),
    'same-file': ([('files', 'error')], ['{vib}', '{last}', 'usr/lib/vmware/vmkmod/'],
                  ['remove one of them']),
    'other-version': ([('platform', 'warning')], ['{vib}', 'ESXi 12.0', 'ESXi 8.0'], ['release']),
    'bad-overlay': ([('overlay', 'warning')], ['{vib}'], []),
    'bad-path': ([('paths', 'warning')], ['{vib}', 'bin/mine', 'etc/rc.local.d/mine.sh'], []),
    'partner': ([('checksums', 'warning')], ['{vib}', 'acme-rai', 'sha-256'], []),
    'vibauthor': ([('checksums', 'warning'), ('paths', 'warning')], ['{vib}'], []),
    'newer': ([], [], []), 'community': ([], [], []), 'meta': ([], [], []),
    'other-product': ([], [], []),  # as the stock profile's own packages for DPUs
    'overlay': ([('paths', 'warning')], ['{vib}', 'etc/vmware/esx.conf'], []),
}


class CheckTest(SlipwayCase):
    """Profiles that break one rule each."""

    def setUp(self):
        super().setUp()
        self.generation = generation(RELEASE)
        self.add_depot(depot(RELEASE))
        bundle = vendor.bundle(self.generation, authority(), ['libs'])
        self.add_depot(bundle.write_zip(scratch() / 'libs.zip'))

    def check(self, profile, code=None):
        """(the run's result, problems that are more than notes)."""
        result = self.slipway('profile', 'check', profile, code=code)
        problems = [problem for problem in result.json['problems']
                    if problem['severity'] != 'note' and problem['vib'] is not None
                    or problem['severity'] == 'error']
        errors = [problem for problem in problems if problem['severity'] == 'error']
        self.assertEqual(RULES if errors else 0, result.code)
        self.assertEqual(not errors, result.json['valid'])
        return result, problems

    def test_rules(self):
        inbox = {'first': self.generation.vib(self.generation.release.native[0]).id,
                 'last': self.generation.vib(self.generation.release.native[-1]).id,
                 'libs': partners()['libs'].id}
        for kind, (expected, message_words, remedy_words) in RULES_BROKEN.items():
            with self.subTest(kind=kind):
                self.clone(self.generation.standard.name, kind)
                self.slipway('profile', 'add', kind, partners()[kind].write(self.dir),
                             '--lower-acceptance')
                _, problems = self.check(kind)
                self.assertEqual(sorted(expected), sorted(
                    (problem['rule'], problem['severity']) for problem in problems))
                names = inbox | {'vib': partners()[kind].id}
                messages = '\n'.join(problem['message'] for problem in problems)
                remedies = '\n'.join(problem['remedy'] or '' for problem in problems)
                for word in message_words:
                    self.assertIn(word.format(**names), messages)
                for word in remedy_words:
                    self.assertIn(word.format(**names), remedies)

    def test_the_package_that_solves_it(self):
        self.clone(self.generation.standard.name)
        self.slipway('profile', 'add', 'mine', partners()['needs-libs'].write(self.dir))
        result, (problem,) = self.check('mine')
        self.assertEqual([partners()['libs'].id], problem['candidates'])
        self.assertIn('1 error', result.error)
        self.slipway('profile', 'add', 'mine', problem['candidates'][0])
        self.check('mine', 0)

    def test_for_another_product(self):
        """Before 8.0 no image has any: there it is a mistake."""
        self.add_depot(depot('7.0U3'))
        self.clone(generation('7.0U3').standard.name)
        vib = partners('7.0U3')['other-product']
        self.slipway('profile', 'add', 'mine', vib.write(self.dir))
        _, (problem,) = self.check('mine', 0)
        self.assertEqual(('platform', 'warning', vib.id, f'remove {vib.id}'), tuple(
            problem[key] for key in ('rule', 'severity', 'vib', 'remedy')))

    def test_acceptance(self):
        self.clone(self.generation.standard.name)
        self.slipway('profile', 'add', 'mine', partners()['partner'].write(self.dir))
        self.slipway('profile', 'set', 'mine', '--acceptance', 'accepted', '--force')
        _, problems = self.check('mine', RULES)
        problem, = [problem for problem in problems if problem['rule'] == 'acceptance']
        self.assertEqual(partners()['partner'].id, problem['vib'])
        self.assertIn('partner', problem['remedy'].lower())

    def test_without_the_system(self):
        """The system itself is what would solve it all, however many drivers complain."""
        for name in ('6.7', '8.0', '9.1'):
            with self.subTest(generation=name):
                self.workspace = self.dir / f'workspace-{name}'
                self.add_depot(depot(name))
                self.clone(generation(name).standard.name)
                self.slipway('profile', 'remove', 'mine', 'esx-base')
                base = generation(name).vib('esx-base').id
                _, problems = self.check('mine', RULES)
                self.assertIn('esx-version', {problem['rule'] for problem in problems})
                self.assertEqual({(base,)}, {tuple(problem['candidates']) for problem in problems
                                             if problem['rule'] != 'boot'})

    def test_an_empty_profile(self):
        self.slipway('profile', 'new', 'empty')
        _, problems = self.check('empty', RULES)
        self.assertEqual({'boot', 'esx-version'}, {problem['rule'] for problem in problems})

    def test_two_systems(self):
        self.add_depot(depot('7.0U3'))
        self.clone(self.generation.standard.name)
        other = generation('7.0U3').vib('esx-base')
        self.slipway('profile', 'add', 'mine', other.id)
        _, problems = self.check('mine', RULES)  # it took the place of its namesake
        self.assertIn('depends', {problem['rule'] for problem in problems})
        self.assertEqual(1, sum('esx-base' in vib for vib in self.vib_ids('mine')))

    def test_missing(self):
        self.clone(self.generation.standard.name)
        self.slipway('depot', 'remove', depot(RELEASE))
        without = self.generation.bundle(vibs=tuple(
            vib for vib in self.generation.vibs if vib.name != 'ntg3'))
        self.add_depot(without.write_zip(self.dir / 'without.zip'))
        _, problems = self.check('mine', RULES)
        problem, = [problem for problem in problems if problem['rule'] == 'missing']
        self.assertEqual(self.generation.vib('ntg3').id, problem['vib'])

    def test_in_words(self):
        self.clone(self.generation.standard.name)
        self.slipway('profile', 'add', 'mine', partners()['needs-libs'].write(self.dir))
        text = self.slipway('profile', 'check', 'mine', code=RULES, text=True).stdout
        self.assertIn(f'error: VIB {partners()["needs-libs"].id} requires acme-libs >= 2.0', text)
        self.assertIn(f'    add {partners()["libs"].id}', text)

    def test_export_refuses_what_check_calls_an_error(self):
        self.clone(self.generation.standard.name)
        self.slipway('profile', 'add', 'mine', partners()['needs-libs'].write(self.dir))
        words = [partners()['needs-libs'].id, 'acme-libs']
        for output in ('out.iso', 'out.zip'):
            self.fails(RULES, 'profile', 'export', 'mine', '-o', output, words=words)
            self.assertFalse((self.dir / output).exists())
            result = self.slipway('profile', 'export', 'mine', '-o', output, '--force')
            self.assertIn('depends', {problem['rule'] for problem in result.json['problems']})


class ReleasesTest(SlipwayCase):
    """Stock profiles, and all of other vendors' packages at once, against the oracle."""

    def test_stock_profiles_are_valid(self):
        for name in generations.NAMES:
            self.add_depot(depot(name))
            for profile in generation(name).profiles:
                with self.subTest(profile=profile.name):
                    result = self.slipway('profile', 'check', profile.name)
                    self.assertTrue(result.json['valid'])
                    self.assertEqual([], oracle.problems(profile.vibs))

    def test_all_at_once_as_the_oracle_says(self):
        for name in ('5.5', '6.7', '7.0U3', '8.0'):
            with self.subTest(generation=name):
                self.workspace = self.dir / f'workspace-{name}'
                self.add_depot(depot(name))
                path = vendor.bundle(generation(name), authority()).write_zip(
                    scratch() / f'all-{name}.zip')
                self.clone(generation(name).standard.name)
                self.slipway('profile', 'add', 'mine', path, '--lower-acceptance')
                result = self.slipway('profile', 'check', 'mine', code=RULES)
                chosen = {vib.name: vib for vib in partners(name).values() if vib.name not in
                          (partners(name)['older'].name,)} | {
                              partners(name)['newer'].name: partners(name)['newer']}
                mixed = generation(name).standard.with_vibs(chosen.values())
                expected = {(rule, vib) for rule, vib, _ in oracle.problems(mixed.vibs)
                            if rule != 'files'}
                found = {(problem['rule'], problem['vib']) for problem in result.json['problems']
                         if problem['rule'] in ('depends', 'conflicts', 'obsolete')}
                self.assertEqual(expected, found)


if __name__ == '__main__':
    unittest.main()
