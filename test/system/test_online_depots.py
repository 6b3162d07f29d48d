# SPDX-License-Identifier: GPL-3.0-or-later
"""Online depots on a real web server: connecting, listing, fetching, revalidating, sharing."""
import json
import pathlib
import signal
import stat
import threading
import time
import unittest

from fixture.bundle import write_dir
from online_case import (INDEX, RELEASE, OnlineCase, acme, acme_vib, nginx, tree, tree_files,
                         vib_path)
from slipway_case import (CORRUPT, EXISTS, NETWORK, NOT_FOUND, UNSUPPORTED, USAGE, authority,
                          generation)
from fixture import vendor

CLOSED = 'http://127.0.0.1:9'  # nobody listens there


class Adding(OnlineCase):
    def setUp(self):
        super().setUp()
        self.url = nginx().url(self.publish())

    def add(self, location, *options):
        """Connect one depot; what is said of it."""
        return self.slipway('depot', 'add', location, *options).json['depots'][0]

    def test_index_of_either_name(self):
        everything = len(generation(RELEASE).vibs) + 3
        added = self.add(self.url + INDEX, '--name', 'web')
        self.assertEqual((added['name'], added['location'], added['kind'], added['packages']),
                         ('web', self.url + INDEX, 'online', everything))
        directory = pathlib.Path(nginx().www, self.url.split('/')[3])
        (directory / INDEX).rename(directory / 'index.xml')
        self.fails(NOT_FOUND, 'depot', 'add', self.url + 'other.xml', words=['other.xml', '404'])
        self.assertEqual(self.add(self.url + 'index.xml')['packages'], everything)

    def test_root(self):
        for url in (self.url, self.url.rstrip('/')):
            added = self.add(url)
            self.assertEqual(added['profiles'], len(generation(RELEASE).profiles))
            self.fails(EXISTS, 'depot', 'add', url, words=[url, f'depot {added["name"]}'])

    def test_root_of_the_server(self):
        site = self.site()
        self.assertEqual(self.add(site.url('/'))['location'], site.url('/'))
        self.assertEqual(site.paths()[:2], ['/index.xml', f'/{INDEX}'])

    def test_nothing_there(self):
        self.fails(NOT_FOUND, 'depot', 'add', self.url + 'elsewhere/',
                   words=[self.url + 'elsewhere/index.xml', '404'])
        self.assertEqual(self.slipway('depot', 'list').json['depots'], [])

    def test_vendors_and_channels(self):
        channels = ['VMware/default', 'ACME/default', 'ACME/beta']
        self.assertEqual(self.add(self.url)['channels'], channels)
        updated, = self.slipway('depot', 'update').json['depots']
        self.assertEqual(updated['channels'], channels)
        self.assertIn('ACME/beta', self.slipway('depot', 'update', text=True).stdout)

    def test_bundle_and_vib_by_url(self):
        acme()[0].write_zip(self.outside / 'acme.zip')
        vib = acme_vib('acme-libs')
        files = {'acme.zip': (self.outside / 'acme.zip').read_bytes(),
                 'one.vib': vib.to_bytes()}
        site = self.site(files)
        added = self.add(site.url('/acme.zip'), '--name', 'zip')
        self.assertEqual((added['kind'], added['packages']), ('bundle', 2))
        added = self.add(site.url('/acme.zip?sig=abcdefghij0123456789&x=1'))
        self.assertEqual((added['kind'], added['location']),
                         ('bundle', site.url('/acme.zip?sig=***&x=***')))
        added = self.add(site.url('/one.vib'), '--name', 'vib')
        self.assertEqual((added['kind'], added['packages']), ('vib', 1))
        site.close()
        names = self.names('--depot', 'vib')
        self.assertEqual(names, ['acme-libs'])
        self.slipway('profile', 'new', 'small', '--vendor', 'Me', '--acceptance', 'community')
        self.slipway('profile', 'add', 'small', '--depot', 'zip', '--force')
        self.export_small()

    def names(self, *filters):
        """Of the packages that pass."""
        return [package['name']
                for package in self.slipway('package', 'list', *filters).json['packages']]

    def test_filters(self):
        self.add(self.url, '--name', 'web')
        vib = acme_vib('acme-libs').write(self.outside)
        self.add(vib, '--name', 'file')
        self.assertEqual(self.names('--depot', 'file'), ['acme-libs'])
        self.assertEqual(len(self.names('--depot', 'web')), len(generation(RELEASE).vibs) + 3)
        self.assertEqual(self.names('--channel', 'ACME/*'),
                         [vib.name for vib in sorted((acme_vib('acme-libs'),
                                                      acme_vib('acme-tools'),
                                                      acme()[1].vibs[0]),
                                                     key=lambda vib: vib.name)])
        self.assertEqual(self.names('--channel', 'beta'), [acme()[1].vibs[0].name])
        self.assertEqual(self.names('--depot', 'file', '--channel', 'beta'), [])

    def test_profile_add_channel(self):
        self.add(self.url)
        self.clone(generation(RELEASE).standard.name)
        added = self.slipway('profile', 'add', 'mine', '--channel', 'ACME/beta',
                             '--lower-acceptance').json['changes']
        self.assertEqual([change['added'] for change in added], [acme()[1].vibs[0].id])
        self.fails(NOT_FOUND, 'profile', 'add', 'mine', '--channel', 'ACME/none')


class Fetching(OnlineCase):
    def test_only_at_export_and_only_once(self):
        site = self.site()
        self.add_depot(site.url('/'))
        self.clone(generation(RELEASE).standard.name)
        self.slipway('profile', 'add', 'mine', 'acme-libs', '--lower-acceptance')
        self.slipway('profile', 'check', 'mine')
        self.assertEqual([path for path in site.paths() if path.endswith('.vib')], [])
        first = self.export('mine', 'first.iso')
        fetched = [path for path in site.paths() if path.endswith('.vib')]
        self.assertEqual(len(fetched), len(set(fetched)))
        self.assertEqual(len(fetched), len(generation(RELEASE).standard.vibs) + 1)
        asked = len(site.paths())
        site.close()
        second = self.export('mine', 'second.iso')
        third = self.export('mine', 'third.iso', '--offline')
        self.assertEqual(first.read_bytes(), second.read_bytes())
        self.assertEqual(first.read_bytes(), third.read_bytes())
        self.assertEqual(len(site.paths()), asked)

    def test_several_at_a_time(self):
        site = self.site()
        barrier = threading.Barrier(2, timeout=20)
        for vib in acme()[0].vibs:
            def route(request, reply, data=vib.to_bytes()):
                barrier.wait()  # breaks unless the other one is asked for meanwhile
                site.answer(data, request, reply)
            site.routes['/' + vib_path(vib)] = route
        self.add_depot(site.url('/'))
        self.private_profile()
        self.export_small()

    def test_offline_without_copies(self):
        site = self.site()
        self.fails(NETWORK, 'depot', 'add', site.url('/'), '--offline', words=['--offline'])
        self.assertEqual(site.paths(), [])
        self.add_depot(site.url('/'))
        self.private_profile()
        self.fails(NETWORK, 'profile', 'export', 'small', '-o', 'small.zip', '--force',
                   '--offline', words=['2 VIBs', 'without --offline', site.url('/')])
        self.assert_left()

    def spoil(self, data):
        """A server that gives `data` for a package, then the right bytes."""
        site, vib = self.site(), acme_vib('acme-tools')
        self.add_depot(site.url('/'))
        self.private_profile()
        site.put({vib_path(vib): data})
        failed = self.fails(CORRUPT, 'profile', 'export', 'small', '-o', 'small.zip', '--force',
                            words=[vib.id])
        self.assert_left()
        site.put(tree_files())
        self.export_small()
        self.assert_left('small.zip')
        return failed

    def test_wrong_bytes(self):
        data = bytearray(acme_vib('acme-tools').to_bytes())
        data[-1] ^= 1
        self.assertIn('SHA-256', self.spoil(bytes(data)).error)

    def test_wrong_length(self):
        vib = acme_vib('acme-tools').to_bytes()
        self.assertIn(f'not the {len(vib)}', self.spoil(vib + b'more').error)

    def test_a_page_instead(self):
        self.spoil(b'<html>log in</html>' * 99)

    def test_name_that_looks_like_a_token(self):
        vib = acme_vib('acme-libs').but(name='lsuv2-lsiv2-drivers-plugin')
        bundles = (acme()[0].but(vibs=(vib,), bulletins=()),)
        site = self.site(dict(tree(bundles).entries()))
        self.add_depot(site.url('/'))
        self.private_profile()
        problems = self.export_small().json['problems']
        self.assertIn(vib.id, [problem['vib'] for problem in problems])


class Updating(OnlineCase):
    @staticmethod
    def asked():
        """The statuses of all that nginx answered."""
        time.sleep(0.1)  # it writes its log after the answer
        return [line.split()[0] for line in nginx().log()]

    def test_nothing_new(self):
        self.add_depot(nginx().url(self.publish()))
        before = self.asked()
        self.slipway('package', 'list')
        self.assertEqual(self.asked(), before)
        self.slipway('depot', 'update')
        self.assertEqual(self.asked()[len(before):], 6 * ['304'])

    def test_news(self):
        path = self.publish()
        self.add_depot(nginx().url(path))
        bundles = (vendor.bundle(generation(RELEASE), authority(), ['libs', 'partner'],
                                 metadata_name='acme-metadata.zip'),)
        write_dir(tree(bundles).entries(), pathlib.Path(nginx().www + path))
        count = len(generation(RELEASE).vibs)
        self.assertEqual(len(self.slipway('package', 'list').json['packages']), count + 3)
        updated, = self.slipway('depot', 'update', 'depot1').json['depots']
        self.assertEqual(updated['packages'], count + 2)
        names = {vib['name'] for vib in self.slipway('package', 'list').json['packages']}
        self.assertIn('acme-raid', names)
        self.assertNotIn('acme-tools', names)

    def test_server_away(self):
        site = self.site()
        self.add_depot(site.url('/'))
        site.close()
        updated = self.slipway('depot', 'update', '--retries', '0')
        self.assertIn('using the copy that was fetched before', updated.stderr)
        self.slipway('depot', 'update', '--offline')


class Redirected(OnlineCase):
    def test_everything(self):
        site, front = self.site(), self.site({})
        for path in ('/index.xml', *(f'/{path}' for path in tree_files())):
            front.redirect(path, site.url(path), 301)
        self.add_depot(front.url('/'))
        self.private_profile()
        self.export_small()

    def test_only_the_index(self):
        site, front = self.site(), self.site({})
        front.redirect('/short', site.url(f'/{INDEX}'))
        front.redirect('/index.xml', site.url(f'/{INDEX}'))
        self.add_depot(front.url('/'))
        self.private_profile()
        self.export_small()
        front.close()
        site.close()
        self.slipway('package', 'list')
        self.slipway('package', 'list', '--offline')


class Known(OnlineCase):
    def test_the_list(self):
        known = {depot['name']: depot
                 for depot in self.slipway('depot', 'known').json['known_depots']}
        for name in ('vmware', 'hpe', 'dell', 'lenovo', 'cisco', 'v-front'):
            self.assertIn(name, known)
        self.assertTrue(known['vmware']['needs_token'])
        self.assertIn('{token}', known['vmware']['url'])
        self.assertIn('Broadcom', known['vmware']['vendor'])

    def test_by_name(self):
        for name, host in (('hpe', 'vibsdepot.hpe.com'), ('dell', 'vmwaredepot.dell.com'),
                           ('lenovo', 'vibsdepot.lenovo.com'),
                           ('V-Front', 'vibsdepot.v-front.de')):
            self.fails(NETWORK, 'depot', 'add', name, '--proxy', CLOSED, '--retries', '0',
                       words=[host, '--proxy'])
        self.fails(UNSUPPORTED, 'depot', 'add', 'cisco', words=['vmware-addons'])
        self.fails(USAGE, 'depot', 'add', 'vmware', words=['--token-file', 'SLIPWAY_TOKEN'])
        self.assertEqual(self.slipway('depot', 'list').json['depots'], [])


class Together(OnlineCase):
    def test_two_at_once(self):
        site = self.site()
        adding = [self.start('depot', 'add', site.url(path)) for path in ('/', f'/{INDEX}')]
        for process in adding:
            self.finish(process)
        names = [depot['name'] for depot in self.slipway('depot', 'list').json['depots']]
        self.assertEqual(sorted(names), ['depot1', 'depot2'])
        exporting = [self.start('profile', 'export', generation(RELEASE).standard.name, '-o',
                                self.dir / f'{i}.iso') for i in range(3)]
        for process in exporting:
            self.finish(process)
        self.assertEqual((self.dir / '0.iso').read_bytes(), (self.dir / '1.iso').read_bytes())
        self.assertEqual((self.dir / '0.iso').read_bytes(), (self.dir / '2.iso').read_bytes())
        self.assert_left('0.iso', '1.iso', '2.iso')

    def test_the_same_one(self):
        site = self.site()
        adding = [self.start('depot', 'add', site.url('/')) for _ in range(2)]
        codes = sorted(process.wait(60) for process in adding)
        self.assertEqual(codes, [0, EXISTS])
        state = self.workspace / 'depots.json'
        self.assertEqual(len(json.loads(state.read_text())['depots']), 1)
        self.assertEqual(stat.S_IMODE(state.stat().st_mode), 0o600)


class Interrupted(OnlineCase):
    def test_fetch_is_resumed(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number):
                self.interrupt_fetch(number)

    def interrupt_fetch(self, number):
        """Stop it while half of a package has come; the next run asks for the rest."""
        site, vib = self.site(), acme_vib('acme-tools')
        data, path = vib.to_bytes(), '/' + vib_path(vib)
        half = len(data) // 2
        stalling = threading.Event()

        def stall(_request, reply):
            reply.head(200, Content_Length=len(data), ETag='"1"')
            reply.raw(data[:half])
            stalling.set()
            site.stall()

        site.routes[path] = stall
        self.workspace = self.dir / f'workspace-{number}'
        self.add_depot(site.url('/'))
        self.private_profile()
        process = self.start('profile', 'export', 'small', '-o', 'small.zip', '--force')
        self.assertTrue(stalling.wait(20))
        self.wait_until(lambda: [part for part in self.workspace.rglob('*.part')
                                 if part.stat().st_size == half], 'half of it is written')
        self.interrupt(process, number)
        self.assertFalse((self.dir / 'small.zip').exists())
        site.routes[path] = lambda request, reply: reply.rest(data, request.range_start(),
                                                              ETag='"1"')
        self.export_small(name=f'{number}.zip')
        self.assertEqual(site.asked(path)[-1].headers.get('range'), f'bytes={half}-')
        self.assertEqual([], list(self.workspace.rglob('*.part*')))


if __name__ == '__main__':
    unittest.main()
