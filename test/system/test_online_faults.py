# SPDX-License-Identifier: GPL-3.0-or-later
"""Online depots whose servers fail, lie, stall or are odd: what is said, and what is left."""
import unittest

from fixture import broken
from online_case import INDEX, OnlineCase, acme_vib, tree_files, vib_path
from slipway_case import CORRUPT, DENIED, LIMIT, NETWORK, NOT_FOUND, UNSUPPORTED

VENDOR_INDEX = 'acme/vendor-index.xml'
METADATA = 'acme/acme-metadata.zip'
PAGE = b'<!DOCTYPE html>\n<html><head><title>Log in</title><body>Welcome<br></html>'


class FaultCase(OnlineCase):
    def setUp(self):
        super().setUp()
        self.server = self.site()
        self.url = self.server.url(f'/{INDEX}')

    def route(self, path, function):
        """Answer a path with this function of (request, reply)."""
        self.server.routes[f'/{path}'] = function

    def status(self, path, number, times=None, **headers):
        """Answer a path with a status, always or some times."""
        fine = self.server.routes[f'/{path}']

        def answer(request, reply):
            if times is None or request.number <= times:
                reply.full(number, **headers)
            else:
                fine(request, reply)

        self.route(path, answer)

    def refused(self, code, *words, options=('--retries', '0')):
        """The depot cannot be connected, and is well again when its server is."""
        failed = self.fails(code, 'depot', 'add', self.url, *options, words=words)
        self.assertEqual(self.slipway('depot', 'list').json['depots'], [])
        self.server.put(tree_files())
        self.add_depot(self.url)
        return failed


class Statuses(FaultCase):
    def test_403(self):
        self.status(INDEX, 403)
        self.refused(DENIED, self.url, '403', 'credentials', 'token')

    def test_404(self):
        self.status(METADATA, 404)
        self.refused(NOT_FOUND, self.server.url(f'/{METADATA}'), '404')

    def test_500(self):
        self.status(INDEX, 500)
        self.refused(NETWORK, self.url, '500', 'try again later', options=['--retries', '1'])
        self.assertEqual(len(self.server.asked(f'/{INDEX}')), 3)

    def test_500_passes(self):
        self.status(INDEX, 500, times=1)
        self.add_depot(self.url)
        self.assertEqual(len(self.server.asked(f'/{INDEX}')), 2)

    def test_503_with_a_time(self):
        self.status(METADATA, 503, times=1, Retry_After=1)
        added = self.add_depot(self.url)
        self.assertIn('trying again in 1.0 s', added.stderr)

    def test_429(self):
        self.status(METADATA, 429)
        self.refused(NETWORK, '429', 'try again later')

    def test_nobody_listens(self):
        self.server.close()
        self.fails(NETWORK, 'depot', 'add', self.url, '--retries', '0',
                   words=[self.url, 'check host and port', '--proxy'])

    def test_no_such_host(self):
        self.fails(NETWORK, 'depot', 'add', 'http://depot.invalid/index.xml', '--retries', '0',
                   words=['depot.invalid', 'check the name', '--proxy'])


class Contents(FaultCase):
    def test_page_instead_of_the_index(self):
        self.server.put({INDEX: PAGE})
        self.refused(NETWORK, self.url, 'HTML page', 'log-in')

    def test_page_instead_of_the_metadata(self):
        self.server.put({METADATA: PAGE})
        self.refused(NETWORK, self.server.url(f'/{METADATA}'), 'HTML page')

    def test_truncated_metadata(self):
        data = tree_files()[METADATA]
        self.server.put({METADATA: data[:len(data) // 2]})
        self.refused(CORRUPT, self.server.url(f'/{METADATA}'))

    def test_damaged_metadata(self):
        data = bytearray(tree_files()[METADATA])
        data[data.index(b'vibs/') + 60] ^= 0xff
        self.server.put({METADATA: bytes(data)})
        self.refused(CORRUPT, self.server.url(f'/{METADATA}'), 'vibs/', 'damaged')

    def test_no_vendor_index(self):
        del self.server.routes[f'/{VENDOR_INDEX}']
        self.refused(NOT_FOUND, self.server.url(f'/{VENDOR_INDEX}'), '404')

    def test_nothing_for_esxi(self):
        self.server.put({INDEX: b'<vendorList></vendorList>'})
        self.refused(UNSUPPORTED, self.url, 'nothing for ESXi')

    def test_other_damage(self):
        for kind, damage in broken.DEPOTS.items():
            with self.subTest(kind):
                site = self.site(damage(dict(tree_files())))
                result = self.slipway('depot', 'add', site.url('/'), '--retries', '0', code=None)
                self.assertIn(result.code, (0, NOT_FOUND, CORRUPT, LIMIT, NETWORK, UNSUPPORTED))
                if result.code == 0:
                    self.slipway('depot', 'remove', site.url('/'))

    def test_page_at_an_update(self):
        """The page of a proxy does not take away what was fetched before."""
        self.add_depot(self.url)
        self.server.put({INDEX: PAGE, METADATA: PAGE})
        updated = self.slipway('depot', 'update')
        self.assertIn('using the copy that was fetched before', updated.warnings[0])
        self.assertIn('HTML page', updated.warnings[0])
        self.assertEqual(len(updated.warnings), 2)
        self.slipway('package', 'list', '--offline')
        self.assertEqual([], list(self.workspace.rglob('*.part*')))

    def test_damage_at_an_update(self):
        """What was damaged on its way is mended by the next update."""
        self.add_depot(self.url)
        self.server.put({METADATA: tree_files()[METADATA][:-50]})
        self.fails(CORRUPT, 'depot', 'update', words=[self.server.url(f'/{METADATA}')])
        self.fails(CORRUPT, 'package', 'list', words=['`slipway depot update depot1`'])
        self.server.put(tree_files())
        self.slipway('depot', 'update')
        self.slipway('package', 'list')


class Transfers(FaultCase):
    def test_wrong_length(self):
        data = tree_files()[METADATA]

        def cut(_request, reply):
            reply.head(200, Content_Length=len(data) + 99)
            reply.raw(data)

        self.route(METADATA, cut)
        self.refused(NETWORK, self.server.url(f'/{METADATA}'))

    def test_stall(self):
        data = tree_files()[METADATA]

        def stall(_request, reply):
            reply.head(200, Content_Length=len(data))
            reply.raw(data[:100])
            self.server.stall()

        self.route(METADATA, stall)
        self.refused(NETWORK, self.server.url(f'/{METADATA}'), 'nothing came for too long',
                     options=['--retries', '0', '--stall-timeout', '2'])

    def test_dropped(self):
        data = tree_files()[METADATA]

        def drop(request, reply):
            if request.number == 1:
                reply.head(200, Content_Length=len(data), ETag='"1"')
                reply.raw(data[:1000])
            else:
                reply.rest(data, request.range_start(), ETag='"1"')

        self.route(METADATA, drop)
        added = self.add_depot(self.url)
        self.assertIn('trying again', added.stderr)
        self.assertEqual([request.headers.get('range')
                          for request in self.server.asked(f'/{METADATA}')],
                         [None, 'bytes=1000-'])

    def test_changed_meanwhile(self):
        """What comes after the break is of another version: all is fetched again."""
        data, old = tree_files()[METADATA], b'x' * 9000

        def change(request, reply):
            if request.number == 1:
                reply.head(200, Content_Length=len(old), ETag='"old"')
                reply.raw(old[:1000])
            else:
                self.server.answer(data, request, reply)

        self.route(METADATA, change)
        self.add_depot(self.url)

    def test_endless_index(self):
        def endless(_request, reply):
            reply.head(200)
            reply.endless()

        self.route(INDEX, endless)
        self.refused(LIMIT, self.url)

    def test_endless_package(self):
        vib = acme_vib('acme-libs')

        def endless(_request, reply):
            reply.head(200)
            reply.endless()

        self.add_depot(self.url)
        self.private_profile()
        self.route(vib_path(vib), endless)
        self.fails(CORRUPT, 'profile', 'export', 'small', '-o', 'small.zip', '--force',
                   words=[vib.id, f'longer than the {len(vib.to_bytes())} bytes'])
        self.assert_left()

    def test_missing_package(self):
        vib = acme_vib('acme-libs')
        self.add_depot(self.url)
        self.private_profile()
        del self.server.routes['/' + vib_path(vib)]
        self.fails(NOT_FOUND, 'profile', 'export', 'small', '-o', 'small.zip', '--force',
                   words=[vib.id, '404'])
        self.assert_left()
        self.server.put(tree_files())
        self.export_small()

    def test_redirect_loop(self):
        self.server.redirect(f'/{INDEX}', self.url)
        self.refused(NETWORK, self.url, 'redirects')

    def test_redirect_to_a_file(self):
        self.server.redirect(f'/{INDEX}', 'file:///etc/passwd')
        self.refused(NETWORK, self.url, 'redirects', 'file:///etc/passwd')

    def test_stalled_server_is_left_at_once(self):
        self.route(INDEX, lambda _request, _reply: self.server.stall())
        process = self.start('depot', 'add', self.url)
        self.wait_until(lambda: self.server.asked(f'/{INDEX}'), 'it asks')
        self.interrupt(process)
        self.assertEqual(self.slipway('depot', 'list').json['depots'], [])


class Strange(FaultCase):
    def test_index_leads_elsewhere(self):
        """References that are no http(s) URL are refused by name."""
        for reference, code in (('file:///etc/passwd', CORRUPT), ('ftp://h/x', CORRUPT),
                                ('http://', CORRUPT), ('//127.0.0.1:9/x', NETWORK)):
            with self.subTest(reference):
                index = tree_files()[INDEX].replace(
                    b'<relativePath>acme</relativePath>', b'<relativePath></relativePath>')
                index = index.replace(b'<indexfile>vendor-index.xml</indexfile>',
                                      f'<indexfile>{reference}</indexfile>'.encode())
                self.server.put({INDEX: index.replace(b'esx/vmw/', b'')})
                self.fails(code, 'depot', 'add', self.url, '--retries', '0')

    def test_terminal_codes(self):
        """Nothing that a server sends reaches the terminal as it is."""
        index = tree_files()[INDEX].replace(b'<name>ACME</name>',
                                            '<name>A\u009b31m\u202eB</name>'.encode())
        self.server.put({INDEX: index})
        self.add_depot(self.url)
        shown = self.slipway('depot', 'update', text=True).stdout
        self.assertNotIn('\u009b', shown)


if __name__ == '__main__':
    unittest.main()
