# SPDX-License-Identifier: GPL-3.0-or-later
"""test_http_cache.py: documents that were fetched before."""

import os
import stat
import unittest

from http_case import (CORRUPT, DENIED, LIMIT, NETWORK, NOT_FOUND, PASSWORD, PATH_TOKEN,
                       QUERY_TOKEN, TOKEN, HttpCase)
from http_servers import Nginx, Script

BODY = b'<depot/>' * 50


class Cache(HttpCase):
    def setUp(self):
        super().setUp()
        self.script = Script()
        self.addCleanup(self.script.close)
        self.store = os.path.join(self.home, 'a', 'cache')
        self.body, self.etag = BODY, '"v1"'
        self.script.routes['/index.xml'] = self.answer
        self.url = self.script.url('/index.xml')

    def answer(self, request, reply):
        if request.headers.get('if-none-match') == self.etag:
            reply.full(304, ETag=self.etag)
        else:
            reply.full(200, self.body, ETag=self.etag, Content_Type='text/xml')

    def get(self, *words, code=0, url=None):
        result = self.probe('cache', '--retries=0', *words, self.store, url or self.url)
        self.assertEqual(result.code, code, result.text)
        if code != 0:
            return result
        result.entry, = result.json['entries']
        result.body = self.read(result.entry['path'])
        self.assertEqual(os.path.dirname(result.entry['path']), self.store)
        return result

    def statuses(self, path='/index.xml'):
        return [request.headers.get('if-none-match') for request in self.script.asked(path)]

    def test_revalidated(self):
        first, second = self.get(), self.get()
        for result in (first, second):
            self.assertTrue(result.entry['fresh'])
            self.assertEqual(result.body, BODY)
            self.assertEqual(result.entry['content_type'], 'text/xml')
            self.assertEqual(result.entry['effective_url'], self.url)
        self.assertEqual(self.statuses(), [None, '"v1"'])
        self.assertEqual(stat.S_IMODE(os.stat(self.store).st_mode), 0o700)
        self.assertEqual(len(os.listdir(self.store)), 2)

    def test_changed(self):
        self.get()
        self.body, self.etag = b'newer', '"v2"'
        self.assertEqual(self.get().body, b'newer')
        self.assertEqual(self.get().body, b'newer')
        self.assertEqual(self.statuses(), [None, '"v1"', '"v2"'])

    def test_offline(self):
        result = self.get('--offline', code=NETWORK)
        self.assertIn('--offline', result.error)
        self.get()
        result = self.get('--offline')
        self.assertFalse(result.entry['fresh'])
        self.assertEqual(result.body, BODY)
        self.assertEqual(len(self.statuses()), 1)

    def test_server_down(self):
        self.get()
        self.script.close()
        result = self.get()
        self.assertFalse(result.entry['fresh'])
        self.assertEqual(result.body, BODY)
        self.assertIn('using the copy', result.notes)
        self.assertEqual([kind for kind, text in result.json['notes'] if 'copy' in text], [2])
        self.get(code=NETWORK, url=self.script.url('/other'))

    def test_server_ill(self):
        self.get()
        self.script.routes['/index.xml'] = lambda request, reply: reply.full(503)
        self.assertFalse(self.get().entry['fresh'])

    def test_refusals_are_not_hidden(self):
        self.get()
        for status, code in ((403, DENIED), (404, NOT_FOUND)):
            self.script.routes['/index.xml'] = lambda request, reply: reply.full(status)
            self.get(code=code)
        self.script.routes['/index.xml'] = self.answer
        self.assertEqual(self.get().body, BODY)

    def test_damaged(self):
        path = self.get().entry['path']
        for damage in (b'x' * len(BODY), BODY[:-1], BODY + b'x', b''):
            with open(path, 'wb') as file:
                file.write(damage)
            result = self.get('--offline', code=CORRUPT)
            self.assertIn('--offline', result.error)
            result = self.get()
            self.assertIn('damaged', result.notes)
            self.assertEqual(result.body, BODY)
        self.assertEqual(self.statuses(), [None] * 5)

    def test_damaged_and_server_down(self):
        os.unlink(self.get().entry['path'])
        self.script.close()
        self.get(code=NETWORK)

    def test_damaged_note(self):
        path = self.get().entry['path'] + '.json'
        for damage in (b'', b'[]', b'{"form": 1}', b'{"form": 1, "sha256": 5}', b'\xff' * 100000):
            with open(path, 'wb') as file:
                file.write(damage)
            self.assertEqual(self.get().body, BODY)

    def test_limit(self):
        self.get('--limit=%d' % (len(BODY) - 1), code=LIMIT)
        self.get('--limit=%d' % len(BODY))
        self.get('--limit=5', code=LIMIT)
        self.get('--limit=5', '--offline', code=LIMIT)

    def test_broken_off(self):
        def route(request, reply):
            if request.number == 1:
                reply.head(200, Content_Length=len(BODY), ETag='"v1"')
                reply.raw(BODY[:100])
            elif request.number == 2:
                reply.rest(BODY, request.range_start(), ETag='"v1"')
            else:
                self.answer(request, reply)
        self.script.routes['/index.xml'] = route
        self.get(code=NETWORK)
        self.assertEqual(self.get().body, BODY)
        self.assertEqual(self.get().body, BODY)

    def everything_stored(self):
        text = ''
        for name in os.listdir(self.store):
            text += name + '\n'
            text += self.read(os.path.join(self.store, name)).decode('latin-1') + '\n'
        return text

    def test_nothing_secret_is_stored(self):
        path = '/%s/index.xml' % PATH_TOKEN
        self.script.routes[path] = self.answer
        url = self.script.url(path).replace('//', '//joe:s3rver-pa%24%24word@')
        self.get('--bearer-file', self.password_file(TOKEN), url=url + '?sig=' + QUERY_TOKEN)
        self.get(url=url + '?sig=' + QUERY_TOKEN)
        self.script.routes['/away'] = lambda request, reply: reply.full(
            302, Location='%s?sig=%s' % (path, QUERY_TOKEN))
        result = self.get(url=self.script.url('/away'))
        self.assertEqual(result.entry['effective_url'], self.script.url('/***/index.xml?sig=***'))
        stored = self.everything_stored()
        for secret in (PATH_TOKEN, QUERY_TOKEN, TOKEN, PASSWORD, 'pa%24%24', 'joe', '127.0.0.1',
                       'http:', 'index.xml', 'away'):
            self.assertNotIn(secret, stored)

    def test_redirect_is_remembered(self):
        self.script.routes['/moved'] = lambda request, reply: reply.full(
            302, Location='/index.xml')
        moved = self.script.url('/moved')
        for words in ((), (), ('--offline',)):
            self.assertEqual(self.get(*words, url=moved).entry['effective_url'], self.url)
        self.assertEqual(self.statuses(), [None, '"v1"'])

    def test_several_processes(self):
        def go():
            return self.start('cache', self.store, *[self.url] * 5)
        for process in [go() for _ in range(4)]:
            result = self.finish(process)
            self.assertEqual(result.code, 0, result.text)
        self.assertEqual(self.get('--offline').body, BODY)
        self.assertEqual(len(os.listdir(self.store)), 2)

    def test_no_cache_directory(self):
        self.store = os.path.join(self.write('file', ''), 'cache')
        result = self.get(code=10)
        self.assertIn(self.store, result.error)


class CacheOfNginx(HttpCase):
    def test_revalidated(self):
        home = os.path.join(self.home, 'nginx')
        os.mkdir(home)
        nginx = Nginx(home, 'joe', PASSWORD)
        self.addCleanup(nginx.close)
        nginx.put('index.xml', BODY)
        store = os.path.join(self.home, 'cache')
        words = ('--retries=0', '--cacert', nginx.authority.ca, store, nginx.tls_url('/index.xml'))
        for fresh in (True, True, False):
            if not fresh:
                nginx.stop()
            result = self.probe('cache', *words)
            self.assertEqual(result.code, 0, result.text)
            self.assertEqual(result.json['entries'][0]['fresh'], fresh)
            self.assertEqual(self.read(result.json['entries'][0]['path']), BODY)
        self.assertEqual(nginx.log(), ['200 -', '304 -'])


if __name__ == '__main__':
    unittest.main()
