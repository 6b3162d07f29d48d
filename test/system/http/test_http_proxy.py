# SPDX-License-Identifier: GPL-3.0-or-later
"""test_http_proxy.py: nginx with TLS and users, squid and SOCKS in front of it, many files."""

import os
import tempfile
import unittest

from http_case import (DENIED, NETWORK, NOT_FOUND, PASSWORD, PROXY_PASSWORD, HttpCase,
                       some_bytes)
from http_servers import Nginx, Socks, Squid, free_port

SMALL = b'<small/>\n' * 100
USAGE = 2


class Served(HttpCase):
    @classmethod
    def setUpClass(cls):
        holder = tempfile.TemporaryDirectory(prefix='slipway-servers-')
        cls.addClassCleanup(holder.cleanup)
        os.chmod(holder.name, 0o755)
        cls.nginx = Nginx(holder.name, 'joe', PASSWORD)
        cls.addClassCleanup(cls.nginx.close)
        cls.nginx.put('small.xml', SMALL)
        cls.servers = holder.name

    def setUp(self):
        super().setUp()
        self.cacert = '--cacert=' + self.nginx.authority.ca


class Tls(Served):
    def test_own_authority(self):
        self.fetch_ok(self.cacert, self.nginx.tls_url('/small.xml'))
        self.assertEqual(self.read(), SMALL)

    def test_unknown_authority(self):
        result = self.fetch_fails(NETWORK, self.nginx.tls_url('/small.xml'))
        self.assertIn('--cacert FILE', result.error)
        self.assertEqual(result.notes, '')

    def test_insecure(self):
        self.fetch_ok('--insecure', self.nginx.tls_url('/small.xml'))

    def test_wrong_name(self):
        url = self.nginx.tls_url('/small.xml').replace('127.0.0.1', 'localhost')
        result = self.fetch_fails(NETWORK, self.cacert, url)
        self.assertIn('another host', result.error)

    def test_no_tls_there(self):
        url = self.nginx.url('/small.xml').replace('http:', 'https:')
        result = self.fetch_fails(NETWORK, url)
        self.assertIn('TLS', result.error)
        self.assertEqual(result.notes, '')

    def test_bad_cacert(self):
        self.fetch_fails(NOT_FOUND, '--cacert=/no/such/file', self.nginx.url('/small.xml'))
        self.fetch_fails(USAGE, '--cacert=' + self.write('x', 'no certificate'),
                         self.nginx.url('/small.xml'))

    def test_downgrade(self):
        result = self.fetch_fails(NETWORK, self.cacert, self.nginx.tls_url('/to-http'))
        self.assertIn('https to unprotected http', result.error)

    def test_upgrade(self):
        result = self.fetch_ok(self.cacert, self.nginx.url('/to-https'))
        self.assertEqual(result.json['effective_url'], self.nginx.tls_url('/small.xml'))

    def test_http_2(self):
        self.fetch_ok(self.cacert, self.nginx.tls_url('/protocol'))
        self.assertEqual(self.read(), b'HTTP/2.0')

    def test_gzip_is_not_asked_for(self):
        """nginx would compress text/xml, and send neither its size nor a strong ETag."""
        result = self.fetch_ok('--size=%d' % len(SMALL), self.nginx.url('/small.xml'))
        self.assertEqual(self.read(), SMALL)
        self.assertFalse(result.json['etag'].startswith('W/'))


class Users(Served):
    def private(self):
        return self.nginx.tls_url('/private/small.xml')

    def test_user(self):
        self.fetch_ok(self.cacert, '--user=joe', '--password-file', self.password_file(),
                      self.private())

    def test_user_in_url(self):
        result = self.fetch_ok(self.cacert,
                               self.private().replace('//', '//joe:s3rver-pa%24%24word@'))
        self.assertIn('//joe:***@', result.json['effective_url'])

    def test_netrc(self):
        netrc = self.write('.netrc', 'machine 127.0.0.1 login joe password %s\n' % PASSWORD)
        os.chmod(netrc, 0o600)
        self.fetch_ok(self.cacert, self.private())

    def test_none(self):
        result = self.fetch_fails(DENIED, self.cacert, self.private())
        self.assertIn('wants credentials', result.error)

    def test_wrong(self):
        result = self.fetch_fails(DENIED, self.cacert, '--user=joe', '--password-file',
                                  self.password_file('not this'), self.private())
        self.assertIn('does not accept', result.error)


class ThroughSquid(Served):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        holder = tempfile.TemporaryDirectory(prefix='slipway-squid-')
        cls.addClassCleanup(holder.cleanup)
        cls.squid = Squid(holder.name, cls.nginx.authority, 'ann', PROXY_PASSWORD)
        cls.addClassCleanup(cls.squid.close)

    def given(self, url=None):
        return ('--proxy=' + (url or self.squid.url()), '--proxy-user=ann',
                '--proxy-password-file', self.password_file(PROXY_PASSWORD))

    def test_http(self):
        self.fetch_ok(*self.given(), self.nginx.url('/small.xml'))
        self.assertEqual(self.read(), SMALL)

    def test_https(self):
        self.fetch_ok(self.cacert, *self.given(), self.nginx.tls_url('/small.xml'))
        self.assertEqual(self.read(), SMALL)

    def test_https_proxy(self):
        self.fetch_ok(self.cacert, *self.given(self.squid.tls_url()),
                      self.nginx.tls_url('/small.xml'))
        result = self.fetch_fails(NETWORK, *self.given(self.squid.tls_url()),
                                  self.nginx.url('/small.xml'))
        self.assertIn('--cacert', result.error)

    def test_both_want_a_user(self):
        self.fetch_ok(self.cacert, *self.given(), '--user=joe', '--password-file',
                      self.password_file(), self.nginx.tls_url('/private/small.xml'))

    def test_user_in_proxy_url(self):
        proxy = '--proxy=' + self.squid.url('ann:pr0xy-pass%20w0rd@')
        self.fetch_ok(self.cacert, proxy, self.nginx.tls_url('/small.xml'))
        self.fetch_ok(proxy.replace('http://', ''), self.nginx.url('/small.xml'))

    def test_no_user(self):
        for url in (self.nginx.url('/small.xml'), self.nginx.tls_url('/small.xml')):
            result = self.fetch_fails(DENIED, self.cacert, '--proxy=' + self.squid.url(), url)
            self.assertIn('(407)', result.error)
            self.assertIn('--proxy-user', result.error)
            self.assertIn('--proxy-password-file', result.error)

    def test_wrong_password(self):
        for url in (self.nginx.url('/small.xml'), self.nginx.tls_url('/small.xml')):
            result = self.fetch_fails(
                DENIED, self.cacert, '--proxy=' + self.squid.url(), '--proxy-user=ann',
                '--proxy-password-file', self.password_file('not this'), url)
            self.assertIn('does not accept', result.error)
            self.assertIn('--proxy-password-file', result.error)

    def test_banned(self):
        result = self.fetch_fails(DENIED, *self.given(), 'https://127.0.0.9/')
        self.assertIn('refuses', result.error)

    def test_nothing_behind(self):
        result = self.fetch_fails(NETWORK, '--retries=1', *self.given(),
                                  'https://127.0.0.1:%d/' % free_port())
        self.assertIn('503', result.error)

    def environment(self, **variables):
        return {'environment': variables}

    def test_environment(self):
        proxy = self.squid.url('ann:pr0xy-pass%20w0rd@')
        bad = 'http://127.0.0.1:%d' % free_port()
        http, https = self.nginx.url('/small.xml'), self.nginx.tls_url('/small.xml')
        for url, variables in (
                (http, {'http_proxy': proxy, 'https_proxy': bad, 'ALL_PROXY': bad}),
                (https, {'https_proxy': proxy, 'http_proxy': bad, 'all_proxy': bad}),
                (https, {'HTTPS_PROXY': proxy}),
                (http, {'all_proxy': proxy}),
                (https, {'ALL_PROXY': proxy}),
                (http, {'HTTP_PROXY': bad}),
                (https, {'https_proxy': bad, 'no_proxy': '10.0.0.0/8,127.0.0.0/8'}),
                (https, {'https_proxy': bad, 'NO_PROXY': 'localhost, 127.0.0.1'}),
                (http, {'all_proxy': bad, 'no_proxy': '*'})):
            self.fetch_ok(self.cacert, '--retries=0', url, environment=variables)
        result = self.fetch_fails(NETWORK, '--retries=0', http, environment={'http_proxy': bad})
        self.assertIn('cannot connect', result.error)

    def test_options_over_environment(self):
        bad = 'http://u:x@127.0.0.1:%d' % free_port()
        http = self.nginx.url('/small.xml')
        self.fetch_ok('--retries=0', '--proxy=', http, environment={'http_proxy': bad})
        self.fetch_ok('--retries=0', '--no-proxy=127.0.0.1', http, environment={'http_proxy': bad})
        self.fetch_ok(*self.given(), http, environment={'http_proxy': bad})
        self.fetch_ok('--proxy-user=ann', '--proxy-password-file',
                      self.password_file(PROXY_PASSWORD), http,
                      environment={'http_proxy': self.squid.url('u:x@')})

    def test_impossible_proxy(self):
        for proxy in ('ftp://h:1', 'http://', 'http://h:port', 'http://joe:%s@h:x' % PASSWORD):
            result = self.fetch_fails(USAGE, '--proxy=' + proxy, self.nginx.url('/small.xml'))
            self.assertIn('socks5h', result.error)
        result = self.fetch_fails(USAGE, self.nginx.url('/small.xml'),
                                  environment={'http_proxy': 'gopher://h'})
        self.assertIn('http_proxy', result.error)


class ThroughSocks(Served):
    def setUp(self):
        super().setUp()
        self.socks = Socks('ann', PROXY_PASSWORD)
        self.addCleanup(self.socks.close)

    def test_by_address_and_by_name(self):
        password = self.password_file(PROXY_PASSWORD)
        for scheme, names in (('socks5', []), ('socks5h', ['anything.invalid'])):
            host = 'anything.invalid' if names else '127.0.0.1'
            self.fetch_ok('--proxy=' + self.socks.url(scheme), '--proxy-user=ann',
                          '--proxy-password-file', password,
                          self.nginx.url('/small.xml').replace('127.0.0.1', host))
            self.assertEqual(self.socks.names, names)
        self.fetch_ok(self.cacert, '--proxy=' + self.socks.url('socks5'), '--proxy-user=ann',
                      '--proxy-password-file', password, self.nginx.tls_url('/small.xml'))

    def test_refused(self):
        proxy = '--proxy=' + self.socks.url('socks5')
        for words in ((), ('--proxy-user=ann', '--proxy-password-file',
                           self.password_file('not this'))):
            result = self.fetch_fails(DENIED, proxy, *words, self.nginx.url('/small.xml'))
            self.assertIn('--proxy-password-file', result.error)


class Many(Served):
    N = 60

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.bodies = [some_bytes(20000, seed) for seed in range(cls.N)]
        for i, body in enumerate(cls.bodies):
            cls.nginx.put('f%d' % i, body)

    def all(self, directory, *words, code=0, urls=None):
        os.mkdir(directory)
        urls = urls or [self.nginx.tls_url('/f%d' % i) for i in range(self.N)]
        result = self.probe('fetch-all', self.cacert, *words, directory, *urls)
        self.assertEqual(result.code, code, result.text)
        self.assertEqual(result.json['steps'], [1, 1])
        return result

    def test_parallel_equals_serial(self):
        trees = []
        for parallel in (1, 4, 32):
            directory = os.path.join(self.home, 'p%d' % parallel)
            result = self.all(directory, '--parallel=%d' % parallel, '--size=20000')
            self.assertEqual(result.json['total'], 20000 * self.N)
            self.assertEqual(result.json['advanced'], 20000 * self.N)
            trees.append({name: self.read(os.path.join(directory, name))
                          for name in os.listdir(directory)})
        self.assertEqual(trees[0], {'%d-f%d' % (i, i): body for i, body in enumerate(self.bodies)})
        self.assertEqual(trees[1], trees[0])
        self.assertEqual(trees[2], trees[0])

    def test_connection_is_used_again(self):
        directory = os.path.join(self.home, 'd')
        self.all(directory, '--parallel=1', urls=[self.nginx.url('/count')] * 3)
        self.assertEqual([self.read(os.path.join(directory, '%d-count' % i)) for i in range(3)],
                         [b'1', b'2', b'3'])

    def test_failure_stops(self):
        urls = [self.nginx.url('/f0'), self.nginx.url('/missing')]
        urls += [self.nginx.url('/f%d' % i) for i in range(1, self.N)]
        for parallel in (1, 3):
            directory = os.path.join(self.home, 'p%d' % parallel)
            result = self.all(directory, '--parallel=%d' % parallel, code=NOT_FOUND, urls=urls)
            self.assertIn('/missing', result.error)
            names = os.listdir(directory)
            self.assertIn('0-f0', names)
            self.assertLess(len(names), self.N)
            self.assertFalse([name for name in names if '.part' in name])


if __name__ == '__main__':
    unittest.main()
