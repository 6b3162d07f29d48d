# SPDX-License-Identifier: GPL-3.0-or-later
"""The everyday commands on depots, packages, profiles and VIBs, as a user strings them together."""
import os
import pty
import select
import subprocess
import unittest

import slipway_case
from fixture import vendor
from slipway_case import (CORRUPT, EXISTS, NOT_FOUND, PROGRAM, READ_ONLY, RULES, TIMEOUT, USAGE,
                          SlipwayCase, authority, generation)

RELEASE = '6.7'


class Depots(SlipwayCase):
    def test_add_list_remove(self):
        path = slipway_case.depot(RELEASE)
        added, = self.slipway('depot', 'add', path, '--name', 'esxi').json['depots']
        self.assertEqual((added['name'], added['location'], added['kind']),
                         ('esxi', str(path), 'bundle'))
        self.assertEqual(added['packages'], len(generation(RELEASE).vibs))
        listed, = self.slipway('depot', 'list').json['depots']
        self.assertEqual((listed['name'], listed['known']), ('esxi', None))
        self.fails(EXISTS, 'depot', 'add', path, words=['connected already, as depot esxi'])
        self.fails(NOT_FOUND, 'depot', 'remove', 'other', words=['other', 'slipway depot list'])
        self.assertEqual(self.slipway('depot', 'remove', 'esxi').json['removed'], ['esxi'])
        self.assertEqual(self.slipway('depot', 'list').json['depots'], [])

    def test_what_cannot_be_read_is_not_connected(self):
        self.fails(NOT_FOUND, 'depot', 'add', 'nothing.zip', words=['nothing.zip'])
        (self.dir / 'bad.zip').write_bytes(b'no zip at all')
        self.fails(CORRUPT, 'depot', 'add', 'bad.zip', words=['bad.zip'])
        self.fails(13, 'depot', 'add', 'cisco', words=['has no public address'])
        self.assertEqual(self.slipway('depot', 'list').json['depots'], [])

    def test_depot_that_went_away(self):
        vib = vendor.vibs(generation(RELEASE), authority())['newer'].write(self.dir)
        self.add_depot(vib)
        os.rename(vib, self.dir / 'elsewhere')
        self.fails(NOT_FOUND, 'package', 'list',
                   words=['depot depot1: ', '`slipway depot remove depot1` forgets it'])
        failed = self.fails(NOT_FOUND, 'depot', 'update')
        self.assertEqual(failed.json['depots'], [])
        self.slipway('depot', 'remove', vib)
        self.slipway('package', 'list')


class Packages(SlipwayCase):
    def setUp(self):
        super().setUp()
        self.add_depot(slipway_case.depot(RELEASE))

    def names(self, *filters):
        return [package['name']
                for package in self.slipway('package', 'list', *filters).json['packages']]

    def test_filters(self):
        everything = generation(RELEASE).vibs
        self.assertEqual(sorted(self.names()), sorted(vib.name for vib in everything))
        self.assertEqual(self.names('--name', 'ESX-B*'), ['esx-base'])
        self.assertEqual(self.names('-n', 'esx-base', '-n', 'esx-ui'), ['esx-base', 'esx-ui'])
        self.assertEqual(self.names('--name', 'esx-*', '--vendor', 'nobody'), [])
        self.assertEqual(self.names('--depot', 'depot2'), [])
        self.assertEqual(len(self.names('--depot', 'depot1')), len(everything))
        self.assertEqual(self.names('--created-after', '2100-01-01'), [])
        self.fails(USAGE, 'package', 'list', '--acceptance', 'high',
                   words=['--acceptance high: one of community, partner, accepted, certified'])
        self.fails(USAGE, 'package', 'list', '--created-after', 'soon', words=['soon'])

    def test_order(self):
        names = self.names()
        self.assertEqual(names, sorted(names))
        self.assertEqual(self.names('--reverse'), names[::-1])

    def test_show(self):
        wanted = generation(RELEASE).vib('esx-base')
        shown, = self.slipway('package', 'show', 'esx-base').json['packages']
        self.assertEqual((shown['id'], shown['version']), (wanted.id, wanted.version))
        self.assertEqual(shown['depots'], [str(slipway_case.depot(RELEASE))])
        self.assertIn('esx-version', ' '.join(shown['provides']))
        self.fails(NOT_FOUND, 'package', 'show', 'esx-bse', words=["did you mean 'esx-base'"])

    def test_text_is_a_table(self):
        lines = self.slipway('package', 'list', '-n', 'esx-base', text=True).stdout.splitlines()
        self.assertEqual(lines[0].split('  ')[0], 'Name')
        self.assertTrue(lines[1].startswith('esx-base  ' + generation(RELEASE).vib('esx-base').version))
        self.assertEqual(len(lines), 2)


class Profiles(SlipwayCase):
    def setUp(self):
        super().setUp()
        self.stock = generation(RELEASE).standard.name
        self.add_depot(slipway_case.depot(RELEASE))
        self.driver = vendor.vibs(generation(RELEASE), authority())['newer']

    def listed(self, *filters):
        return [(profile['name'], profile['source'] == 'workspace')
                for profile in self.slipway('profile', 'list', *filters).json['profiles']]

    def test_list(self):
        self.clone(self.stock)
        listed = self.listed()
        self.assertEqual(listed[0], ('mine', True))
        self.assertIn((self.stock, False), listed)
        self.assertEqual(self.listed('--name', '*-standard'), [(self.stock, False)])
        self.assertEqual(self.listed('--depot', 'workspace'), [('mine', True)])
        self.assertEqual(self.listed('--vendor', 'nobody'), [])
        self.assertEqual(self.listed('--acceptance', 'certified'), [])

    def test_new_set_delete(self):
        self.slipway('profile', 'new', 'empty', '--vendor', 'Me', '--acceptance', 'community')
        self.fails(EXISTS, 'profile', 'new', 'empty', '--vendor', 'Me')
        self.slipway('profile', 'new', 'empty', '--vendor', 'Me', '--force')
        self.slipway('profile', 'set', 'empty', '--name', 'full', '--description', 'a text')
        self.assertEqual(self.listed('--depot', 'workspace'), [('full', True)])
        shown = self.slipway('profile', 'show', 'Me/full').json['profile']
        self.assertEqual((shown['description'], shown['vendor']), ('a text', 'Me'))
        self.fails(USAGE, 'profile', 'delete', 'full', words=['--yes'])
        self.slipway('profile', 'delete', 'full', '--yes')
        self.fails(NOT_FOUND, 'profile', 'show', 'full')

    def test_profile_of_a_depot_is_not_changed(self):
        for words in (['add', self.stock, 'esx-ui'], ['remove', self.stock, 'esx-ui'],
                      ['set', self.stock, '--name', 'x'], ['delete', self.stock, '--yes']):
            self.fails(READ_ONLY, 'profile', *words, words=['slipway profile new NAME --clone'])

    def test_read_only_profile(self):
        self.clone(self.stock, 'fixed', '--read-only')
        self.fails(READ_ONLY, 'profile', 'remove', 'fixed', 'esx-ui')
        self.fails(READ_ONLY, 'profile', 'set', 'fixed', '--name', 'x')
        self.fails(READ_ONLY, 'profile', 'delete', 'fixed', '--yes', words=['--force'])
        self.slipway('profile', 'delete', 'fixed', '--force')

    def test_file_is_connected_and_added(self):
        path = self.driver.write(self.dir)
        self.clone(self.stock)
        added = self.slipway('profile', 'add', 'mine', path, '--lower-acceptance')
        self.assertIn(f'connected {path} as depot depot2', added.stderr)
        self.assertIn(self.driver.id, [change['added'] for change in added.json['changes']])
        self.assertIn(self.driver.id, self.vib_ids('mine'))
        self.assertEqual(len(self.slipway('depot', 'list').json['depots']), 2)
        again = self.slipway('profile', 'add', 'mine', path)
        self.assertEqual(again.json['changes'], [])
        compared = self.slipway('profile', 'compare', self.stock, 'mine').json
        self.assertFalse(compared['equal'])
        self.assertEqual(compared['only_in_ref'], [])

    def test_everything_of_a_depot(self):
        self.add_depot(self.driver.write(self.dir), code=0)
        self.clone(self.stock)
        self.slipway('profile', 'add', 'mine', '--depot', 'depot2', '--lower-acceptance')
        self.assertIn(self.driver.id, self.vib_ids('mine'))
        self.fails(NOT_FOUND, 'profile', 'add', 'mine', '--depot', 'depot9')
        self.fails(USAGE, 'profile', 'add', 'mine', words=['nothing to add'])

    def test_check(self):
        self.assertTrue(self.slipway('profile', 'check', self.stock).json['valid'])
        self.clone(self.stock)
        self.slipway('profile', 'remove', 'mine', 'esx-base')
        failed = self.fails(RULES, 'profile', 'check', 'mine')
        self.assertFalse(failed.json['valid'])
        self.assertIn('depends', {problem['rule'] for problem in failed.json['problems']})
        text = self.slipway('profile', 'check', 'mine', text=True, code=RULES).stdout
        self.assertIn('error: ', text)

    def test_level_above_its_vibs(self):
        self.clone(self.stock)
        self.slipway('profile', 'add', 'mine', self.driver.write(self.dir), '--lower-acceptance')
        self.fails(RULES, 'profile', 'set', 'mine', '--acceptance', 'certified')
        self.slipway('profile', 'set', 'mine', '--acceptance', 'certified', '--force')

    def test_export_options(self):
        for words, message in [(['-o', 'x.img'], 'ends neither in .iso nor in .zip'),
                               ([], '--output FILE is missing'),
                               (['-o', 'x', '--iso', '--bundle'], 'exclude each other'),
                               (['-o', 'x.zip', '--kickstart', 'ks'], '--kickstart is for an ISO')]:
            self.fails(USAGE, 'profile', 'export', self.stock, *words, words=[message])
        self.export(self.stock, 'out.zip')
        self.fails(EXISTS, 'profile', 'export', self.stock, '-o', 'out.zip',
                   words=['--overwrite replaces it'])
        self.slipway('profile', 'export', self.stock, '-o', 'out.zip', '--overwrite')
        self.assert_left('out.zip')


class Vibs(SlipwayCase):
    def setUp(self):
        super().setUp()
        (self.dir / 'tree/opt/tool').mkdir(parents=True)
        (self.dir / 'tree/opt/tool/run').write_text('#!/bin/sh\n')
        self.slipway('vib', 'build', 'tree', '--name', 'tool', '--version', '1.0-1', '--vendor',
                     'Me', '--depends', 'esx-base >= 6.7', '-o', 'tool.vib')

    def test_show(self):
        shown = self.slipway('vib', 'show', 'tool.vib').json['vib']
        self.assertEqual((shown['id'], shown['files'], shown['depends'], shown['acceptance']),
                         ('Me_bootbank_tool_1.0-1', ['opt/tool/run'], ['esx-base >= 6.7'],
                          'CommunitySupported'))
        self.assertEqual((shown['signature']['good'], shown['signature']['signed']), (True, False))

    def test_verify(self):
        good = self.slipway('vib', 'verify', 'tool.vib').json['vibs']
        self.assertEqual([(vib['file'], vib['good']) for vib in good], [('tool.vib', True)])
        damaged = bytearray((self.dir / 'tool.vib').read_bytes())
        damaged[-20] ^= 1
        (self.dir / 'bad.vib').write_bytes(damaged)
        failed = self.fails(CORRUPT, 'vib', 'verify', 'tool.vib', 'bad.vib', words=['bad.vib: '])
        self.assertEqual([vib['good'] for vib in failed.json['vibs']], [True, False])

    def test_extract(self):
        self.slipway('vib', 'extract', 'tool.vib', 'out', '--unpack')
        self.assertEqual((self.dir / 'out/tool/opt/tool/run').read_text(), '#!/bin/sh\n')
        self.fails(EXISTS, 'vib', 'extract', 'tool.vib', 'out', '--unpack')

    def test_build_refuses(self):
        self.fails(USAGE, 'vib', 'build', 'tree', '-o', 'x.vib', words=['--name NAME is missing'])
        self.fails(EXISTS, 'vib', 'build', 'tree', '--name', 'tool', '--version', '1', '--vendor',
                   'Me', '-o', 'tool.vib')


class Terminal(SlipwayCase):
    """What differs when somebody sits there."""

    def talk(self, *words, answer=b'', rows=24, columns=60):
        """Run on a pseudo-terminal; the exit code and all that was shown."""
        main, other = pty.openpty()
        os.set_blocking(main, False)
        subprocess.run(['stty', 'rows', str(rows), 'cols', str(columns)], stdin=other, check=True)
        running = subprocess.Popen([PROGRAM, *map(str, words)], stdin=other, stdout=other,
                                   stderr=other, cwd=self.dir,
                                   env=self.environment() | {'TERM': 'xterm'})
        os.close(other)
        os.write(main, answer)
        shown = b''
        while select.select([main], [], [], TIMEOUT)[0]:
            try:
                part = os.read(main, 65536)
            except OSError:
                break
            if not part:
                break
            shown += part
        os.close(main)
        return running.wait(TIMEOUT), shown.decode()

    def test_question(self):
        self.slipway('profile', 'new', 'mine')
        code, shown = self.talk('profile', 'delete', 'mine', answer=b'n\n')
        self.assertEqual(code, slipway_case.CANCELLED, shown)
        self.assertIn('Delete image profile mine of custom (0 VIBs)? [y/N]', shown)
        self.assertIn('slipway: error: nothing was changed', shown)
        code, shown = self.talk('profile', 'delete', 'mine', answer=b'yes\n')
        self.assertEqual(code, 0, shown)
        self.assertEqual(self.slipway('profile', 'list').json['profiles'], [])

    def test_table_fits(self):
        self.add_depot(slipway_case.depot(RELEASE))
        code, shown = self.talk('package', 'list', columns=60)
        self.assertEqual(code, 0)
        self.assertLessEqual(max(map(len, shown.splitlines())), 60)
        self.assertIn('~', shown)

    def test_bar_is_cleared(self):
        path = slipway_case.depot(RELEASE)
        self.add_depot(path)
        code, shown = self.talk('profile', 'export', generation(RELEASE).standard.name, '-o',
                                'out.zip', '--trust', slipway_case.trust_file(), columns=100)
        self.assertEqual(code, 0, shown)
        self.assertIn('\r\x1b[K', shown)
        last = shown.replace('\r\n', '\n').rstrip('\n').rsplit('\n', 1)[-1]
        self.assertTrue(last.rsplit('\x1b[K', 1)[-1].startswith('Wrote out.zip ('), repr(last))


if __name__ == '__main__':
    unittest.main()
