# SPDX-License-Identifier: GPL-3.0-or-later
"""test_http.py: single answers: good, bad and hostile ones, redirects, credentials, TLS."""

import hashlib
import os
import re
import resource
import signal
import time
import unittest

from http_case import (CANCELLED, CORRUPT, DENIED, IO, LIMIT, NETWORK, NOT_FOUND, PASSWORD,
                       PATH_TOKEN, QUERY_TOKEN, TOKEN, HttpCase, some_bytes)
from http_servers import Script

BODY = some_bytes(300000)


class Scripted(HttpCase):
    def setUp(self):
        super().setUp()
        self.script = Script()
        self.addCleanup(self.script.close)

    def route(self, path, function):
        self.script.routes[path] = function
        return self.script.url(path)

    def serve(self, path, *args, **headers):
        return self.route(path, lambda request, reply: reply.full(*args, **headers))


class Answers(Scripted):
    def test_plain(self):
        url = self.serve('/f', 200, BODY, ETag='"v1"', Last_Modified='then', Content_Type='a/b')
        sha256 = hashlib.sha256(BODY).hexdigest()
        result = self.fetch_ok('--size=%d' % len(BODY), '--sha256', sha256, url)
        self.assertEqual(self.read(), BODY)
        self.assertEqual(result.json['etag'], '"v1"')
        self.assertEqual(result.json['last_modified'], 'then')
        self.assertEqual(result.json['content_type'], 'a/b')
        self.assertEqual(result.json['sha256'], sha256)
        self.assertEqual(result.json['effective_url'], url)
        asked, = self.script.asked('/f')
        self.assertRegex(asked.headers['user-agent'], r'^slipway/\d+\.\d+')
        self.assertEqual(asked.headers['accept-encoding'], 'identity')
        self.assertNotIn('authorization', asked.headers)

    def test_empty(self):
        self.fetch_ok(self.serve('/f', 200, b''))
        self.assertEqual(self.read(), b'')

    def test_html_is_the_callers_business(self):
        url = self.serve('/f', 200, b'<html>', Content_Type='text/html; charset=utf-8')
        result = self.fetch_ok(url)
        self.assertEqual(result.json['content_type'], 'text/html; charset=utf-8')
        result = self.fetch_fails(CORRUPT, '--size=99', url)
        self.assertIn('HTML page', result.error)

    def test_content_encoding_is_stored_as_sent(self):
        self.fetch_ok(self.serve('/f', 200, b'not really gzip', Content_Encoding='gzip'))
        self.assertEqual(self.read(), b'not really gzip')

    def test_no_such_file(self):
        for status in (404, 410):
            result = self.fetch_fails(NOT_FOUND, self.serve('/f%d' % status, status, b'gone'))
            self.assertIn(str(status), result.error)
            self.assertEqual(len(self.script.asked('/f%d' % status)), 1)
        self.assert_no_part()
        self.assertFalse(os.path.exists(self.path))

    def test_refused(self):
        result = self.fetch_fails(DENIED, self.serve('/f', 403))
        self.assertIn('403', result.error)
        result = self.fetch_fails(DENIED, self.serve('/g', 401))
        self.assertIn('--password-file FILE', result.error)

    def test_busy_server_says_when(self):
        def route(request, reply):
            if request.number == 1:
                reply.full(429, b'slowly', Retry_After='1')
            else:
                reply.full(200, BODY)
        begin = time.monotonic()
        result = self.fetch_ok(self.route('/f', route))
        self.assertGreaterEqual(time.monotonic() - begin, 1)
        self.assertIn('429', result.notes)
        self.assertIn('trying again', result.notes)

    def test_failing_server_recovers(self):
        for status in (408, 500, 502, 503, 504):
            url = self.route('/f%d' % status, lambda request, reply: reply.full(
                200 if request.number == 3 else status, BODY))
            self.fetch_ok(url)
            self.assertEqual(self.read(), BODY)

    def test_failing_server_stays(self):
        result = self.fetch_fails(NETWORK, '--retries=2', self.serve('/f', 503))
        self.assertIn('503', result.error)
        self.assertEqual(len(self.script.asked('/f')), 3)

    def test_other_status_is_final(self):
        for status in (400, 418, 501, 304):
            self.fetch_fails(NETWORK, self.serve('/f%d' % status, status))
            self.assertEqual(len(self.script.asked('/f%d' % status)), 1)

    def test_unasked_part(self):
        url = self.route('/f', lambda request, reply: reply.rest(BODY, 10))
        self.fetch_fails(NETWORK, url)

    def test_not_modified(self):
        self.write('out', 'old')
        url = self.serve('/f', 304, ETag='"v1"')
        result = self.fetch('--etag="v1"', '--last-modified=then', url)
        self.assertEqual(result.code, 0)
        self.assertTrue(result.json['not_modified'])
        self.assertEqual(self.read(), b'old')
        self.assert_no_part()
        asked, = self.script.asked('/f')
        self.assertEqual(asked.headers['if-none-match'], '"v1"')
        self.assertEqual(asked.headers['if-modified-since'], 'then')


class Checks(Scripted):
    def test_wrong_checksum(self):
        self.write('out', 'old')
        result = self.fetch_fails(CORRUPT, '--sha256=' + '0' * 64, self.serve('/f', 200, BODY))
        self.assertIn('SHA-256', result.error)
        self.assertEqual(self.read(), b'old')
        self.assert_no_part()
        self.assertEqual(len(self.script.asked('/f')), 1)

    def test_announced_size_is_wrong(self):
        result = self.fetch_fails(CORRUPT, '--size=7', self.serve('/f', 200, BODY))
        self.assertIn('300000', result.error)
        self.assertEqual(len(self.script.asked('/f')), 1)
        self.assert_no_part()

    def test_unannounced_size_is_wrong(self):
        def route(request, reply):
            reply.head(200)
            reply.raw(BODY)
        url = self.route('/f', route)
        self.fetch_fails(CORRUPT, '--size=7', url)
        self.fetch_fails(CORRUPT, '--retries=1', '--size=400000', url)
        self.assert_no_part()

    def test_limit(self):
        self.fetch_ok('--limit=%d' % len(BODY), self.serve('/f', 200, BODY))
        result = self.fetch_fails(LIMIT, '--limit=%d' % (len(BODY) - 1), self.script.url('/f'))
        self.assertIn('299999', result.error)
        self.fetch_fails(LIMIT, '--limit=5', '--size=6', self.script.url('/f'))
        self.assertEqual(len(self.script.asked('/f')), 2)

    def test_endless_body(self):
        def route(request, reply):
            reply.head(200)
            reply.endless()
        url = self.route('/f', route)
        self.fetch_fails(LIMIT, '--limit=1000000', url)
        self.fetch_fails(CORRUPT, '--size=1000000', url)
        self.assert_no_part()

    def test_endless_error_page_and_headers(self):
        def page(request, reply):
            reply.head(404)
            reply.endless()

        def headers(request, reply):
            reply.raw(b'HTTP/1.1 200 OK\r\n')
            while True:
                reply.raw(b'X-Filler: ' + b'x' * 1000 + b'\r\n')
        self.fetch_fails(NOT_FOUND, self.route('/page', page))
        self.fetch_fails(NETWORK, self.route('/headers', headers))

    def test_no_server(self):
        self.script.close()
        result = self.fetch_fails(NETWORK, '--retries=1', self.script.url('/f'))
        self.assertIn('--proxy', result.error)
        self.assertIn('trying again', result.notes)

    def test_no_host(self):
        result = self.fetch_fails(NETWORK, 'http://no-such-host.invalid/')
        self.assertIn('no-such-host.invalid', result.error)
        self.assertEqual(result.notes, '')

    def test_words_of_libcurl_are_redacted(self):
        result = self.fetch_fails(NETWORK, 'http://joe:hostsecret.invalid@hostsecret.invalid/')
        self.assertIn('no address', result.error)
        self.assertNotIn('hostsecret', result.error)

    def test_no_http(self):
        for url in ('file:///etc/passwd', 'ftp://127.0.0.1/', 'relative', 'http://'):
            self.fetch_fails(CORRUPT, url)

    def test_local_disk(self):
        url = self.serve('/f', 200, BODY)
        result = self.probe('fetch', url, os.path.join(self.home, 'no', 'such'))
        self.assertEqual(result.code, NOT_FOUND)

        def small_files():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (100000, 100000))
        result = self.fetch_fails(IO, url, preexec_fn=small_files)
        self.assertIn(self.path, result.error)
        self.assertFalse(os.path.exists(self.path))

    def test_cancelled_within_a_second(self):
        def route(request, reply):
            reply.head(200, Content_Length=len(BODY), ETag='"v1"')
            reply.raw(BODY[:1000])
            self.script.stall()
        for path, function in (('/g', lambda *_: self.script.stall()), ('/f', route)):
            process = self.start('fetch', self.route(path, function), self.path)
            while not self.script.asked(path):
                time.sleep(0.02)
            time.sleep(0.2)
            begin = time.monotonic()
            process.send_signal(signal.SIGINT)
            self.assertEqual(self.finish(process).code, CANCELLED)
            self.assertLess(time.monotonic() - begin, 1.5)
        self.assert_part(1000)

    def test_cancelled_while_waiting(self):
        process = self.start('fetch', '--backoff=20000', self.serve('/f', 503), self.path)
        while not self.script.asked('/f'):
            time.sleep(0.02)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        begin = time.monotonic()
        self.assertEqual(self.finish(process).code, CANCELLED)
        self.assertLess(time.monotonic() - begin, 1)


class Redirects(Scripted):
    def setUp(self):
        super().setUp()
        self.other = Script()
        self.addCleanup(self.other.close)
        self.other.routes['/f'] = lambda request, reply: reply.full(200, BODY)
        self.serve('/f', 200, BODY)

    def to(self, path, location, status=302):
        return self.serve(path, status, b'moved', Location=location)

    def test_kinds(self):
        for status in (301, 302, 303, 307, 308):
            result = self.fetch_ok(self.to('/a/r%d' % status, '../f', status))
            self.assertEqual(result.json['effective_url'], self.script.url('/f'))
            self.assertEqual(self.read(), BODY)

    def test_loop(self):
        result = self.fetch_fails(NETWORK, self.to('/r', '/r'))
        self.assertIn('more than 10 redirects', result.error)
        self.assertEqual(len(self.script.asked('/r')), 11)

    def test_ten_are_followed(self):
        for i in range(9):
            self.to('/r%d' % i, '/r%d' % (i + 1))
        self.to('/r9', '/f')
        self.fetch_ok(self.script.url('/r0'))

    def test_out_of_http(self):
        for location in ('file:///etc/passwd', 'ftp://127.0.0.1/', 'gopher://127.0.0.1/'):
            self.fetch_fails(NETWORK, self.to('/r', location))
        self.assertFalse(os.path.exists(self.path))
        self.assert_no_part()

    def test_without_location(self):
        self.fetch_fails(NETWORK, self.serve('/r', 302))

    def test_secrets_in_location(self):
        target = self.other.url('/%s/f?sig=%s' % (PATH_TOKEN, QUERY_TOKEN))
        result = self.fetch_fails(NOT_FOUND, self.to('/r', target))
        self.assertIn('/***/f?sig=***', result.error)

    def test_token_stays_at_home(self):
        bearer = self.password_file(TOKEN)
        self.to('/away', self.other.url('/f'))
        self.to('/near', '/f')
        self.fetch_ok('--bearer-file', bearer, self.script.url('/away'))
        self.fetch_ok('--bearer-file', bearer, self.script.url('/near'))
        sent = [r.headers.get('authorization') for r in self.script.requests]
        self.assertEqual(sent, ['Bearer ' + TOKEN] * 3)
        away, = self.other.asked('/f')
        self.assertNotIn('authorization', away.headers)

    def test_token_is_for_the_named_host(self):
        bearer = self.password_file(TOKEN)
        self.fetch_ok('--bearer-file', bearer, '--auth-url', self.other.url('/'),
                      self.to('/away', self.other.url('/f')))
        self.assertNotIn('authorization', self.script.requests[0].headers)
        self.assertEqual(self.other.requests[0].headers['authorization'], 'Bearer ' + TOKEN)

    def test_token_is_not_for_other_documents(self):
        bearer = self.password_file(TOKEN)
        result = self.probe('fetch-all', '--bearer-file', bearer, self.home,
                            self.script.url('/f'), self.other.url('/f'))
        self.assertEqual(result.code, 0)
        self.assertIn('authorization', self.script.requests[0].headers)
        self.assertNotIn('authorization', self.other.requests[0].headers)

    def guarded(self, request, reply):
        if 'authorization' in request.headers:
            reply.full(200, BODY)
        else:
            reply.full(401, b'who?', WWW_Authenticate='Basic realm="x"')

    def test_url_credentials(self):
        self.route('/near', self.guarded)
        self.to('/r', '/near')
        self.to('/away', self.other.url('/guarded'))
        self.other.routes['/guarded'] = self.guarded
        home = self.script.url('').replace('//', '//joe:s3rver-pa%24%24word@')
        result = self.fetch_ok(home + '/r')
        self.assertIn('//joe:***@127.0.0.1', result.json['effective_url'])
        result = self.fetch_fails(DENIED, home + '/away')
        self.assertIn('401', result.error)
        for request in self.other.requests:
            self.assertNotIn('authorization', request.headers)

    def test_user_does_not_follow(self):
        self.to('/away', self.other.url('/guarded'))
        self.other.routes['/guarded'] = self.guarded
        result = self.fetch_fails(DENIED, '--user=joe', '--password-file', self.password_file(),
                                  self.script.url('/away'))
        self.assertIn('not sent', result.error)
        for request in self.other.requests:
            self.assertNotIn('authorization', request.headers)

    def test_digest(self):
        def route(request, reply):
            sent = request.headers.get('authorization', '')
            fields = dict(re.findall(r'(\w+)="?([^",]+)"?', sent))
            def md5(*words):
                return hashlib.md5(':'.join(words).encode()).hexdigest()
            expected = md5(md5('joe', 'x', PASSWORD), 'abc', md5('GET', '/digest'))
            if sent.startswith('Digest') and fields['response'] == expected:
                reply.full(200, BODY)
            else:
                reply.full(401, WWW_Authenticate='Digest realm="x", nonce="abc"')
        self.fetch_ok('--user=joe', '--password-file', self.password_file(),
                      self.route('/digest', route))


if __name__ == '__main__':
    unittest.main()
