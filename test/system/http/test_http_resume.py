# SPDX-License-Identifier: GPL-3.0-or-later
"""test_http_resume.py: transfers that break off, and what is made of the pieces."""

import hashlib
import os
import signal
import time
import unittest

from http_case import CANCELLED, CORRUPT, NETWORK, HttpCase, some_bytes
from http_servers import Nginx, Script

BODY = some_bytes(300000)
NEWER = some_bytes(310000, seed=2)
HALF = 150000


class Broken(HttpCase):
    """Against a server that breaks off the first answer for each path."""

    def setUp(self):
        super().setUp()
        self.script = Script()
        self.addCleanup(self.script.close)

    def breaks(self, path, then, stall=False, **headers):
        def route(request, reply):
            if request.number > 1:
                then(request, reply)
                return
            reply.head(200, Content_Length=len(BODY), **headers)
            reply.raw(BODY[:HALF])
            if stall:
                self.script.stall()
        self.script.routes[path] = route
        return self.script.url(path)

    @staticmethod
    def rest(request, reply):
        reply.rest(BODY, request.range_start(), ETag='"v1"')

    def second(self, path):
        return self.script.asked(path)[1].headers

    def test_dropped(self):
        result = self.fetch_ok(self.breaks('/f', self.rest, ETag='"v1"'))
        self.assertEqual(self.read(), BODY)
        self.assertEqual(result.json['sha256'], hashlib.sha256(BODY).hexdigest())
        self.assertIn('trying again', result.notes)
        self.assertEqual(self.second('/f')['range'], 'bytes=%d-' % HALF)
        self.assertEqual(self.second('/f')['if-range'], '"v1"')

    def test_dropped_without_etag(self):
        self.fetch_ok(self.breaks('/f', self.rest, Last_Modified='then'))
        self.assertEqual(self.second('/f')['if-range'], 'then')
        self.fetch_ok(self.breaks('/g', lambda request, reply: reply.rest(
            BODY, request.range_start(), ETag='W/"weak"'), Last_Modified='then', ETag='W/"weak"'))
        self.assertEqual(self.second('/g')['if-range'], 'then')
        self.assertEqual(self.read(), BODY)

    def test_dropped_without_validator(self):
        self.fetch_ok(self.breaks('/f', lambda request, reply: reply.full(200, BODY)))
        self.assertNotIn('range', self.second('/f'))
        sha256 = '--sha256=' + hashlib.sha256(BODY).hexdigest()
        self.fetch_ok(sha256, self.breaks('/g', self.rest))
        self.assertEqual(self.second('/g')['range'], 'bytes=%d-' % HALF)
        self.assertEqual(self.read(), BODY)

    def test_stalled(self):
        """In the middle, and before the answer."""
        def silent(request, reply):
            if request.number == 1:
                self.script.stall()
            else:
                reply.full(200, BODY)
        self.script.routes['/silent'] = silent
        middle = self.breaks('/middle', self.rest, True, ETag='"v1"')
        begin = time.monotonic()
        paths = [os.path.join(self.home, name) for name in ('a', 'b')]
        processes = [self.start('fetch', '--stall-timeout=1', '--backoff=20', url, path)
                     for url, path in zip((middle, self.script.url('/silent')), paths)]
        for process, path in zip(processes, paths):
            result = self.finish(process)
            self.assertEqual(result.code, 0, result.text)
            self.assertEqual(self.read(path), BODY)
            self.assertIn('nothing came for too long', result.notes)
        self.assertLess(time.monotonic() - begin, 10)
        self.assertEqual(self.second('/middle')['range'], 'bytes=%d-' % HALF)

    def test_later_run(self):
        url = self.breaks('/f', self.rest, ETag='"v1"')
        self.fetch_fails(NETWORK, '--retries=0', url)
        self.assert_part(HALF)
        result = self.fetch_ok(url + '?token=another-one-today')
        self.assertEqual(self.read(), BODY)
        self.assertEqual(result.notes, '')
        self.assertEqual(self.second('/f')['range'], 'bytes=%d-' % HALF)

    def test_later_run_other_url(self):
        self.fetch_fails(NETWORK, '--retries=0', self.breaks('/f', None, ETag='"v1"'))
        self.script.routes['/g'] = lambda request, reply: reply.full(200, NEWER)
        self.fetch_ok(self.script.url('/g'))
        self.assertNotIn('range', self.script.asked('/g')[0].headers)
        self.assertEqual(self.read(), NEWER)

    def test_later_run_mirror(self):
        """With its checksum known a file can go on from anywhere."""
        sha256 = '--sha256=' + hashlib.sha256(BODY).hexdigest()
        self.fetch_fails(NETWORK, '--retries=0', sha256, self.breaks('/f', None, ETag='"v1"'))
        self.script.routes['/g'] = self.rest
        self.fetch_ok(sha256, self.script.url('/g'))
        self.assertIn('range', self.script.asked('/g')[0].headers)

    def test_damaged_note(self):
        for damage in (b'', b'[part]\nform=1\nlength=99999999999\n', b'\xff\x00', b'[part]\n'):
            url = self.breaks('/f', lambda request, reply: reply.full(200, BODY), ETag='"v1"')
            self.script.requests.clear()
            self.fetch_fails(NETWORK, '--retries=0', url)
            self.write('out.part.etag', damage)
            self.fetch_ok(url)
            self.assertNotIn('range', self.second('/f'))
            self.assertEqual(self.read(), BODY)

    def test_shorter_part(self):
        url = self.breaks('/f', lambda request, reply: reply.full(200, BODY), ETag='"v1"')
        self.fetch_fails(NETWORK, '--retries=0', url)
        os.truncate(self.path + '.part', 10)
        self.fetch_ok(url)
        self.assertEqual(self.read(), BODY)

    def test_changed(self):
        url = self.breaks('/f', lambda request, reply: reply.full(200, NEWER, ETag='"v2"'),
                          ETag='"v1"')
        result = self.fetch_ok(url)
        self.assertEqual(self.read(), NEWER)
        self.assertEqual(result.json['etag'], '"v2"')

    def test_changed_but_if_range_ignored(self):
        for path, newer in (('/longer', NEWER), ('/as-long', NEWER[:len(BODY)])):
            def route(request, reply, newer=newer):
                start = request.range_start()
                if start is None:
                    reply.full(200, newer, ETag='"v2"')
                else:
                    reply.rest(newer, start, ETag='"v2"')
            self.fetch_ok(self.breaks(path, route, ETag='"v1"'))
            self.assertEqual(self.read(), newer)
            self.assertEqual(len(self.script.asked(path)), 3)

    def test_wrong_part_is_sent(self):
        def route(request, reply):
            start = request.range_start()
            if start is None:
                reply.full(200, BODY, ETag='"v1"')
            else:
                reply.rest(BODY, start - 5, ETag='"v1"')
        self.fetch_ok(self.breaks('/f', route, ETag='"v1"'))
        self.assertEqual(self.read(), BODY)

    def test_range_ignored(self):
        url = self.breaks('/f', lambda request, reply: reply.full(200, BODY, ETag='"v1"'),
                          ETag='"v1"')
        self.fetch_ok(url)
        self.assertIn('range', self.second('/f'))
        self.assertEqual(self.read(), BODY)

    def test_range_not_satisfiable(self):
        def route(request, reply):
            if request.range_start() is None:
                reply.full(200, BODY[:100])
            else:
                reply.full(416)
        url = self.breaks('/f', route, ETag='"v1"')
        result = self.fetch(url)
        self.assertEqual(result.code, 0, result.text)
        self.assertEqual(self.read(), BODY[:100])
        self.assert_no_part()

    def test_pieces_that_do_not_fit(self):
        """Only the checksum shows that the first half was of another file."""
        def route(request, reply):
            start = request.range_start()
            if start is None:
                reply.full(200, NEWER[:len(BODY)])
            else:
                reply.rest(NEWER[:len(BODY)], start)
        sha256 = hashlib.sha256(NEWER[:len(BODY)]).hexdigest()
        result = self.fetch_ok('--sha256', sha256, self.breaks('/f', route))
        self.assertEqual(self.read(), NEWER[:len(BODY)])
        self.assertIn('starting over', result.notes)

    def test_pieces_that_never_fit(self):
        def route(request, reply):
            reply.rest(BODY, request.range_start()) if 'range' in request.headers \
                else reply.full(200, BODY)
        self.fetch_fails(CORRUPT, '--sha256=' + '0' * 64, self.breaks('/f', route))
        self.assert_no_part()

    def test_announces_more_than_it_sends(self):
        """Content-Length is a lie each time, but the size is known: resumed to the end."""
        def route(request, reply):
            start = request.range_start() or 0
            if start == len(BODY) - 7:
                reply.rest(BODY, start, ETag='"v1"')
                return
            reply.head(206, Content_Length=len(BODY) - start, ETag='"v1"',
                       Content_Range='bytes %d-%d/%d' % (start, len(BODY) - 1, len(BODY)))
            reply.raw(BODY[start:-7])
        self.fetch_ok('--size=%d' % len(BODY), self.breaks('/f', route, ETag='"v1"'))
        self.assertEqual(self.read(), BODY)

    def test_size_is_known_but_not_announced(self):
        def route(request, reply):
            if request.number == 1:
                reply.head(200, ETag='"v1"')
                reply.raw(BODY[:HALF])
            else:
                self.rest(request, reply)
        self.script.routes['/f'] = route
        self.fetch_ok('--size=%d' % len(BODY), self.script.url('/f'))
        self.assertEqual(self.read(), BODY)
        self.assertIn('range', self.second('/f'))

    def test_chunked_breaks_off(self):
        def route(request, reply):
            if request.number > 1:
                self.rest(request, reply)
                return
            reply.head(200, Transfer_Encoding='chunked', ETag='"v1"')
            reply.raw(b'%x\r\n' % HALF + BODY[:HALF] + b'\r\n5\r\nab')
        self.script.routes['/f'] = route
        self.fetch_fails(NETWORK, '--retries=0', self.script.url('/f'))

    def test_progress_starts_attempts_anew(self):
        """Six breaks with two retries: each brought more than 1 MiB."""
        large = some_bytes(12 << 20)
        step = 2 << 20

        def route(request, reply):
            start = request.range_start() or 0
            reply.head(206 if start else 200, Content_Length=len(large) - start, ETag='"v1"',
                       Content_Range='bytes %d-%d/%d' % (start, len(large) - 1, len(large)))
            reply.raw(large[start:start + step])
        self.script.routes['/f'] = route
        self.fetch_ok('--retries=2', self.script.url('/f'))
        self.assertEqual(self.read(), large)

    def test_no_gain_ends(self):
        def route(request, reply):
            reply.head(200, Content_Length=4 << 20)
            reply.raw(bytes(2 << 20))
        self.script.routes['/f'] = route
        self.fetch_fails(NETWORK, '--retries=2', self.script.url('/f'))
        self.assertEqual(len(self.script.asked('/f')), 3)


class Real(HttpCase):
    """Against nginx, which knows ranges."""

    LARGE = some_bytes(48 << 20)

    def setUp(self):
        super().setUp()
        www = os.path.join(self.home, 'nginx')
        os.mkdir(www)
        self.nginx = Nginx(www, 'joe', 'secret')
        self.addCleanup(self.nginx.close)

    def wait_for_part(self, length, note=False):
        name = self.path + '.part'
        until = time.monotonic() + 20
        while time.monotonic() < until:
            if os.path.exists(name) and os.path.getsize(name) >= length and (
                    not note or os.path.exists(name + '.etag')):
                return
            time.sleep(0.01)
        self.fail('no part file')

    def last_range(self):
        return self.nginx.log()[-1]

    def test_stopped_and_resumed(self):
        self.nginx.put('file', self.LARGE[:6 << 20])
        process = self.start('fetch', self.nginx.url('/slow/file'), self.path)
        self.wait_for_part(1 << 20)
        process.send_signal(signal.SIGINT)
        self.assertEqual(self.finish(process).code, CANCELLED)
        length = os.path.getsize(self.path + '.part')
        self.assert_part(length)
        self.fetch_ok(self.nginx.url('/slow/file'))
        self.assertEqual(self.read(), self.LARGE[:6 << 20])
        self.assertEqual(self.last_range(), '206 bytes=%d-' % length)

    def test_killed_and_resumed(self):
        self.nginx.put('file', self.LARGE)
        process = self.start('fetch', self.nginx.url('/quick/file'), self.path)
        self.wait_for_part(17 << 20, note=True)
        process.kill()
        process.communicate()
        self.fetch_ok('--sha256', hashlib.sha256(self.LARGE).hexdigest(),
                      self.nginx.url('/file'))
        # A known checksum is another source, so that run began anew; the next one goes on.
        self.assertEqual(self.last_range(), '200 -')
        process = self.start('fetch', self.nginx.url('/quick/file'), self.path)
        self.wait_for_part(17 << 20, note=True)
        process.kill()
        process.communicate()
        self.fetch_ok(self.nginx.url('/quick/file'))
        self.assertRegex(self.last_range(), '206 bytes=(16|17|18|19|2.|3.)')
        self.assertEqual(self.read(), self.LARGE)

    def test_two_at_once(self):
        self.nginx.put('file', self.LARGE[:4 << 20])
        both = [self.start('fetch', self.nginx.url('/quick/file'), self.path) for _ in range(2)]
        for process in both:
            self.assertEqual(self.finish(process).code, 0)
        self.assertEqual(self.read(), self.LARGE[:4 << 20])
        self.assert_no_part()


if __name__ == '__main__':
    unittest.main()
