#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of an image profile: list, clone, add, remove, set, compare, delete; as in PowerCLI."""
import unittest

from fixture import oracle, vendor
from slipway_case import (EXISTS, NOT_FOUND, READ_ONLY, RULES, USAGE, SlipwayCase, authority,
                          depot, generation, scratch)

RELEASE = '7.0U3'


def partners(name=RELEASE):
    """Packages of other vendors."""
    return vendor.vibs(generation(name), authority())


def bundle_of(*kinds, name=RELEASE, **changes):
    """A bundle of some of them, as a file."""
    path = scratch() / f'acme-{name}-{"-".join(kinds)}-{len(changes)}.zip'
    return vendor.bundle(generation(name), authority(), kinds, **changes).write_zip(path)


class ProfilesCase(SlipwayCase):
    """A workspace with a release connected and a clone of its standard profile, `mine`."""

    release = RELEASE

    def setUp(self):
        super().setUp()
        self.generation = generation(self.release)
        self.standard = self.generation.standard
        self.add_depot(depot(self.release))
        self.clone(self.standard.name)

    def changes(self, *arguments, **options):
        """The (added, replaced, downgrade) rows of a change."""
        result = self.slipway('profile', *arguments, **options)
        return [(change['added'], change['replaced'], change['downgrade'])
                for change in result.json['changes']]


class ListTest(SlipwayCase):
    """`profile list` and `profile show`."""

    def listed(self, *options):
        """The names, in order."""
        return [profile['name'] for profile in
                self.slipway('profile', 'list', *options).json['profiles']]

    def test_newest_first(self):
        self.assertEqual([], self.listed())
        names = ('6.0', '8.0', '5.5', '7.0U3')
        for name in names:
            self.add_depot(depot(name))
        newest = [generation(name) for name in ('8.0', '7.0U3', '6.0', '5.5')]
        self.assertEqual([name for made in newest for name in (made.no_tools.name,
                                                               made.standard.name)],
                         self.listed())
        self.clone(generation('6.0').standard.name)
        self.assertEqual('mine', self.listed()[0])

    def test_filters(self):
        self.add_depot(depot('6.0'), )
        self.slipway('depot', 'add', depot('8.0'), '--name', 'eight')
        self.clone(generation('6.0').standard.name, 'mine', '--vendor', 'ACME', '--acceptance',
                   'community')
        self.assertEqual({'mine'}, set(self.listed('--vendor', 'acme')))
        self.assertEqual({'mine'}, set(self.listed('--acceptance', 'community')))
        self.assertEqual(2, len(self.listed('--name', '*-STANDARD')))
        self.assertEqual({made.name for made in generation('8.0').profiles},
                         set(self.listed('--depot', 'eight')))
        self.assertEqual(['mine'], self.listed('--depot', 'workspace'))
        self.assertEqual([], self.listed('--name', 'nothing*'))
        self.fails(USAGE, 'profile', 'list', '--acceptance', 'royal', words=['royal'])

    def test_show(self):
        self.add_depot(depot('6.7'))
        standard = generation('6.7').standard
        shown = self.slipway('profile', 'show', standard.name).json['profile']
        self.assertEqual(
            (standard.name, standard.creator, 'PartnerSupported', True, standard.description,
             standard.created, len(standard.vibs), []),
            tuple(shown[key] for key in ('name', 'vendor', 'acceptance', 'read_only',
                                         'description', 'created', 'vib_count', 'missing')))
        self.assertEqual({vib.id for vib in standard.vibs}, {vib['id'] for vib in shown['vibs']})
        by_id = self.slipway('profile', 'show', shown['id']).json['profile']
        self.assertEqual(shown, by_id)
        self.fails(NOT_FOUND, 'profile', 'show', standard.name[:-1], words=[standard.name])

    def test_show_lists_what_no_depot_has(self):
        absent = generation('6.7').vib('ntg3')
        made = generation('6.7').bundle(
            vibs=tuple(vib for vib in generation('6.7').vibs if vib is not absent))
        self.add_depot(made.write_zip(self.dir / 'part.zip'))
        shown = self.slipway('profile', 'show', generation('6.7').standard.name).json['profile']
        self.assertEqual([absent.id], shown['missing'])


class CloneTest(ProfilesCase):
    """`profile new`."""

    def test_clone_keeps_what_is_not_said(self):
        shown = self.slipway('profile', 'show', 'mine').json['profile']
        original = self.slipway('profile', 'show', self.standard.name).json['profile']
        for key in ('vendor', 'acceptance', 'description', 'vibs'):
            self.assertEqual(original[key], shown[key], key)
        self.assertNotEqual(original['id'], shown['id'])
        self.assertFalse(shown['read_only'])

    def test_clone_with_other_properties(self):
        self.clone(self.standard.name, 'other', '--vendor', 'ACME', '--acceptance', 'community',
                   '--description', 'Rack 7', '--read-only')
        shown = self.slipway('profile', 'show', 'other').json['profile']
        self.assertEqual(('ACME', 'CommunitySupported', 'Rack 7', True), tuple(
            shown[key] for key in ('vendor', 'acceptance', 'description', 'read_only')))

    def test_name_is_taken(self):
        self.fails(EXISTS, 'profile', 'new', 'mine', '--clone', self.standard.name, words=['mine'])
        self.clone(self.standard.name, 'mine', '--vendor', 'ACME')  # unique by name and vendor
        result = self.fails(USAGE, 'profile', 'show', 'mine', words=['ACME'])
        self.assertIn(self.standard.creator, result.error)
        self.slipway('profile', 'show', 'ACME/mine')
        self.slipway('profile', 'new', 'mine', '--clone', self.standard.name, '--force')

    def test_from_a_list_of_packages(self):
        self.slipway('profile', 'new', 'small', 'ntg3', 'esx-base')
        shown = self.slipway('profile', 'show', 'small').json['profile']
        self.assertEqual(('custom', 'PartnerSupported', 2), tuple(
            shown[key] for key in ('vendor', 'acceptance', 'vib_count')))

    def test_bad_names(self):
        for name in ('', 'x' * 81, 'a\nb'):
            with self.subTest(name=name):
                self.fails(USAGE, 'profile', 'new', name, '--clone', self.standard.name)
        self.fails(NOT_FOUND, 'profile', 'new', 'x', '--clone', 'nothing', words=['nothing'])
        self.fails(NOT_FOUND, 'profile', 'new', 'x', 'ntg4', words=['ntg4', 'ntg3'])
        listed = self.slipway('profile', 'list', '--depot', 'workspace').json['profiles']
        self.assertEqual(['mine'], [profile['name'] for profile in listed])


class AddTest(ProfilesCase):
    """`profile add` and `profile remove`."""

    def setUp(self):
        super().setUp()
        self.slipway('depot', 'add', bundle_of('newer', 'older', 'partner', 'libs', 'needs-libs'),
                     '--name', 'acme')
        self.newer, self.older = partners()['newer'], partners()['older']
        self.inbox = self.generation.vib(self.newer.name)

    def test_by_name_is_the_highest(self):
        self.assertEqual([(self.newer.id, self.inbox.id, False)],
                         self.changes('add', 'mine', self.newer.name))
        self.assertEqual([], self.changes('add', 'mine', self.newer.name))

    def test_up_and_down(self):
        for word, vib, old, down in (
                (f'{self.older.name}={self.older.version}', self.older, self.inbox, False),
                (self.newer.id, self.newer, self.older, False),
                (f'{self.older.name}={self.older.version}', self.older, self.newer, True),
                (self.inbox.id, self.inbox, self.older, True)):
            self.assertEqual([(vib.id, old.id, down)], self.changes('add', 'mine', word))
        self.assertEqual({vib.id for vib in self.standard.vibs}, set(self.vib_ids('mine')))

    def test_files_are_connected(self):
        vib = partners()['conflicting']
        path = vib.write(self.dir)
        self.assertEqual([(vib.id, None, False)], self.changes('add', 'mine', path))
        titles = [entry['location'] for entry in self.slipway('depot', 'list').json['depots']]
        self.assertIn(str(path), titles)
        bundle = bundle_of('overlay', 'meta')
        self.assertEqual({partners()[kind].id for kind in ('overlay', 'meta')},
                         {added for added, _, _ in self.changes('add', 'mine', bundle)})

    def test_everything_of_a_depot_or_channel(self):
        expected = {partners()[kind].id for kind in ('newer', 'partner', 'libs', 'needs-libs')}
        for options in (('--depot', 'acme'), ('--channel', 'ACME/default')):
            with self.subTest(options=options):
                self.slipway('profile', 'new', 'mine', '--clone', self.standard.name, '--force')
                self.assertEqual(expected, {added for added, _, _ in
                                            self.changes('add', 'mine', *options)})
        for option in ('--depot', '--channel'):
            self.fails(NOT_FOUND, 'profile', 'add', 'mine', option, 'nothing')
        self.fails(USAGE, 'profile', 'add', 'mine')

    def test_a_component(self):
        vib = partners()['libs']
        for word in (f'ACME-acme-libs_{vib.version}', 'ACME-acme-libs'):
            with self.subTest(word=word):
                result = self.slipway('profile', 'add', 'mine', word, code=None)
                if result.code == 0:
                    self.assertIn(vib.id, self.vib_ids('mine'))
        self.assertIn(vib.id, self.vib_ids('mine'))

    def test_acceptance(self):
        path = partners()['community'].write(self.dir)
        result = self.fails(RULES, 'profile', 'add', 'mine', path,
                            words=[partners()['community'].id, 'CommunitySupported',
                                   '--lower-acceptance'])
        self.assertIn('PartnerSupported', result.error)
        self.slipway('profile', 'add', 'mine', path, '--lower-acceptance')
        self.assertEqual('CommunitySupported', self.slipway(
            'profile', 'show', 'mine').json['profile']['acceptance'])

    def test_what_is_not_there(self):
        for word in ('ntg4', 'ntg3=0.1', 'VMW_bootbank_ntg3_0.1', './no.vib', ''):
            with self.subTest(word=word):
                result = self.fails(None, 'profile', 'add', 'mine', 'esx-ui', word)
                self.assertIn(result.code, (NOT_FOUND, USAGE))
                self.assertEqual({vib.id for vib in self.standard.vibs}, set(self.vib_ids('mine')))

    def test_remove(self):
        ntg3 = self.generation.vib('ntg3')
        self.assertEqual([(None, ntg3.id, False)], self.changes('remove', 'mine', 'ntg3'))
        tools = self.generation.vib('tools-light')
        self.assertEqual([(None, tools.id, False)], self.changes('remove', 'mine', tools.id))
        self.fails(NOT_FOUND, 'profile', 'remove', 'mine', 'ntg3', words=['ntg3'])
        self.assertEqual({vib.id for vib in self.standard.vibs} - {ntg3.id, tools.id},
                         set(self.vib_ids('mine')))


class SetTest(ProfilesCase):
    """`profile set`, read-only profiles, `profile delete`."""

    def test_set(self):
        self.slipway('profile', 'set', 'mine', '--name', 'yours', '--vendor', 'ACME',
                     '--acceptance', 'community', '--description', 'text')
        shown = self.slipway('profile', 'show', 'yours').json['profile']
        self.assertEqual(('yours', 'ACME', 'CommunitySupported', 'text'), tuple(
            shown[key] for key in ('name', 'vendor', 'acceptance', 'description')))
        self.fails(NOT_FOUND, 'profile', 'show', 'mine')

    def test_level_above_a_vib(self):
        self.slipway('profile', 'add', 'mine', bundle_of('partner'))
        self.fails(RULES, 'profile', 'set', 'mine', '--acceptance', 'certified',
                   words=[partners()['partner'].id])
        self.slipway('profile', 'set', 'mine', '--acceptance', 'certified', '--force')

    def test_read_only_of_a_depot(self):
        name = self.standard.name
        for arguments in (('add', name, 'ntg3'), ('remove', name, 'ntg3'),
                          ('set', name, '--description', 'x'), ('delete', name, '--yes')):
            with self.subTest(verb=arguments[0]):
                self.fails(READ_ONLY, 'profile', *arguments, words=[name, '--clone'])

    def test_read_only_of_ones_own(self):
        self.slipway('profile', 'set', 'mine', '--read-only')
        for arguments in (('add', 'mine', 'ntg3'), ('remove', 'mine', 'ntg3'),
                          ('set', 'mine', '--description', 'x')):
            with self.subTest(verb=arguments[0]):
                self.fails(READ_ONLY, 'profile', *arguments, words=['mine', '--clone'])
        self.fails(READ_ONLY, 'profile', 'delete', 'mine', '--yes', words=['--force'])
        self.slipway('profile', 'delete', 'mine', '--force')

    def test_delete(self):
        self.clone('mine', 'second')
        self.fails(USAGE, 'profile', 'delete', 'mine', words=['--yes'])
        self.slipway('profile', 'show', 'mine')
        result = self.slipway('profile', 'delete', 'mine', 'second', '--yes')
        self.assertEqual(['mine', 'second'], result.json['deleted'])
        self.fails(NOT_FOUND, 'profile', 'delete', 'mine', '--yes', words=['mine'])

    def test_profiles_outlive_their_depots(self):
        self.slipway('depot', 'remove', depot(self.release))
        shown = self.slipway('profile', 'show', 'mine').json['profile']
        self.assertEqual(len(self.standard.vibs), len(shown['missing']))
        self.fails(RULES, 'profile', 'export', 'mine', '-o', 'out.iso')
        self.add_depot(depot(self.release))
        self.export('mine')


class CompareTest(ProfilesCase):
    """`profile compare`."""

    def compared(self, reference, other):
        """The result."""
        return self.slipway('profile', 'compare', reference, other).json

    def test_equal(self):
        result = self.compared(self.standard.name, 'mine')
        self.assertTrue(result['equal'] and result['packages_equal'])
        self.slipway('profile', 'set', 'mine', '--acceptance', 'community')
        result = self.compared(self.standard.name, 'mine')
        self.assertEqual((False, True, 'PartnerSupported', 'CommunitySupported'), tuple(
            result[key] for key in ('equal', 'packages_equal', 'ref_acceptance',
                                    'comp_acceptance')))

    def test_differences_both_ways(self):
        newer, partner = partners()['newer'], partners()['partner']
        self.slipway('profile', 'add', 'mine', bundle_of('newer', 'partner'))
        self.slipway('profile', 'remove', 'mine', 'ntg3')
        there = self.compared(self.standard.name, 'mine')
        back = self.compared('mine', self.standard.name)
        keys = ('only_in_ref', 'only_in_comp', 'upgrade_from_ref', 'downgrade_from_ref')
        ntg3, inbox = self.generation.vib('ntg3').id, self.generation.vib(newer.name).id
        self.assertEqual([[ntg3], [partner.id], [newer.id], []], [there[key] for key in keys])
        self.assertEqual([[partner.id], [ntg3], [], [inbox]], [back[key] for key in keys])
        self.assertFalse(there['equal'] or there['packages_equal'])


class EsxioTest(ProfilesCase):
    """From 8.0 on the profiles name packages for DPUs, which share names and paths with others."""

    release = '8.0'

    def test_twins_do_not_collide(self):
        result = self.slipway('profile', 'check', self.standard.name)
        self.assertTrue(result.json['valid'])
        self.assertEqual([], [problem for problem in result.json['problems']
                              if problem['severity'] == 'error'])
        self.assertEqual([], oracle.problems(self.standard.vibs))

    def test_twins_are_in_a_clone(self):
        self.assertEqual({vib.id for vib in self.standard.vibs}, set(self.vib_ids('mine')))
        self.slipway('profile', 'remove', 'mine', 'esxio-base')
        self.slipway('profile', 'check', 'mine')
        self.slipway('profile', 'remove', 'mine', 'esx-base')
        self.fails(RULES, 'profile', 'check', 'mine')


if __name__ == '__main__':
    unittest.main()
