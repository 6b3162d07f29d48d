# SPDX-License-Identifier: GPL-3.0-or-later
"""Online depots behind TLS, log-ins, tokens and proxies, and that no secret is seen anywhere."""
import json
import pathlib
import stat
import threading
import unittest

from online_case import (ENCODED_TOKEN, INDEX, PASSWORD, PROXY_PASSWORD, PROXY_USER, RELEASE,
                         TOKEN, USER, OnlineCase, Socks, acme, acme_vib, nginx, squid, tree,
                         tree_files, vib_path)
from slipway_case import DENIED, NETWORK, NOT_FOUND, RULES, USAGE, generation

LOOKS_LIKE_ONE = 'Xa91kdOQ72mmzPq0Bd81LsKk44'


class Tls(OnlineCase):
    def setUp(self):
        super().setUp()
        self.url = nginx().tls_url(self.publish())
        self.cacert = ('--cacert', nginx().authority.ca)

    def test_own_authority(self):
        self.slipway('depot', 'add', self.url, *self.cacert)
        self.private_profile()
        self.fails(NETWORK, 'profile', 'export', 'small', '-o', 'x.zip', '--force',
                   words=['--cacert'])
        self.assert_left()
        self.export_small(*self.cacert)

    def test_unknown_authority(self):
        self.fails(NETWORK, 'depot', 'add', self.url, words=['certificate', '--cacert FILE'])
        self.fails(NOT_FOUND, 'depot', 'add', self.url, '--cacert', 'none.pem',
                   words=['none.pem'])

    def test_insecure(self):
        added = self.slipway('depot', 'add', self.url, '--insecure')
        self.assertIn('certificates are not checked', added.warnings[0])


class Users(OnlineCase):
    def setUp(self):
        super().setUp()
        self.url = nginx().url('/private' + self.publish())

    def test_wanted(self):
        self.fails(DENIED, 'depot', 'add', self.url,
                   words=['401', '--user USER', '--password-file FILE'])
        self.fails(DENIED, 'depot', 'add', self.url, *self.login('wrong'),
                   words=['401', '--user', '--password-file'])
        self.fails(USAGE, 'depot', 'add', self.url, '--user', USER, words=['--password-file'])
        self.fails(USAGE, 'depot', 'add', self.url, *self.login()[2:], words=['--user'])
        self.assertEqual(self.slipway('depot', 'list').json['depots'], [])

    def test_password_file(self):
        self.slipway('depot', 'add', self.url, *self.login())
        self.private_profile()
        self.fails(DENIED, 'profile', 'export', 'small', '-o', 'x.zip', '--force',
                   words=['401', '--user'])
        self.assert_left()
        self.export_small(*self.login())
        self.assert_kept_nowhere(PASSWORD)

    def test_environment(self):
        env = {'SLIPWAY_PASSWORD': PASSWORD}
        self.slipway('depot', 'add', self.url, '--user', USER, env=env)
        self.slipway('depot', 'update', '--user', USER, env=env)

    def test_in_the_url(self):
        url = self.url.replace('//', f'//{USER}:s3rver-pa%24%24word@')
        added = self.slipway('depot', 'add', url)
        self.assertEqual(added.json['depots'][0]['location'],
                         self.url.replace('//', f'//{USER}:***@'))
        self.assertIn('--password-file', added.warnings[0])
        self.private_profile()
        self.export_small('--verbose')
        self.slipway('depot', 'update', '--verbose')
        self.assert_kept_nowhere(PASSWORD)
        self.assert_kept_nowhere('s3rver-pa%24%24word', but=['depots.json'])
        self.slipway('depot', 'remove', url)

    def test_not_for_other_depots(self):
        """A password goes to the depots that were connected with it, not to whoever asks."""
        site, seen = self.site(), []
        self.add_depot(site.url('/'))

        def ask(request, reply):
            seen.append(request.headers.get('authorization'))
            reply.full(401, WWW_Authenticate='Basic realm="give"')

        site.routes[f'/{INDEX}'] = ask
        self.slipway('depot', 'add', self.url, '--name', 'private', *self.login())
        self.slipway('depot', 'update', 'private', *self.login())
        self.private_profile()
        self.assertEqual(seen, [])
        failed = self.fails(DENIED, 'depot', 'update', *self.login(), words=['depot depot1'])
        self.assertEqual([depot['name'] for depot in failed.json['depots']], ['private'])
        self.assertEqual(set(seen), {None})
        self.fails(DENIED, 'depot', 'update', 'depot1', *self.login())
        self.assertTrue(seen[-1].startswith('Basic '))

    def test_recipe(self):
        """A recipe's depots are those that the user is for, whatever else is connected."""
        self.add_depot(self.site().url('/'))
        profile = generation(RELEASE).standard.name
        (self.dir / 'r.yaml').write_text(
            f'base: {{profile: {profile}}}\ndepots: ["{self.url}"]\n')
        self.fails(DENIED, 'image', 'build', 'r.yaml', '-o', 'x.iso', words=['401', '--user'])
        self.slipway('image', 'build', 'r.yaml', '-o', 'x.iso', *self.login())

    def test_not_for_other_hosts(self):
        """Nor after a redirect, nor where a depot says that its packages are."""
        thief, site = self.site({}), self.site({})
        headers = []

        def take(request, reply):
            headers.append(request.headers.get('authorization'))
            site.answer(acme_vib('acme-libs').to_bytes(), request, reply)

        for path in ('/moved.vib', '/far.vib'):
            thief.routes[path] = take
        lies = {acme_vib('acme-libs').id: {'relative-path': thief.url('/far.vib')},
                acme_vib('acme-tools').id: {'relative-path': '../../../../../up/../one.vib'}}
        site.put(dict(tree((acme()[0].but(lies=lies),)).entries()))
        site.put({'one.vib': acme_vib('acme-tools').to_bytes()})
        url = site.url('/').replace('//', f'//{USER}:{PASSWORD}@')
        self.add_depot(url)
        self.private_profile()
        self.export_small(*self.login())
        self.assertIn('/one.vib', site.paths())
        site.put(dict(tree((acme()[0],)).entries()))
        site.redirect('/' + vib_path(acme_vib('acme-libs')), thief.url('/moved.vib'))
        self.workspace = self.dir / 'again'
        self.add_depot(url)
        self.private_profile()
        self.export_small(*self.login(), name='again.zip')
        self.assertEqual(headers, [None, None])
        self.assert_left('again', 'again.zip', 'small.zip')


class Tokens(OnlineCase):
    """A token in the path: it may look like one, or like nothing."""

    def setUp(self):
        super().setUp()
        self.server = self.site({})
        self.options = []

    def know(self, token):
        """A depot of the user's own list, whose files lie below the token."""
        self.secrets.append(token)
        prefix = '/' + token.replace('/', '%2F') + '/main'
        self.server.put(tree_files(), prefix)
        config = self.dir / '.config/slipway'
        config.mkdir(parents=True, exist_ok=True)
        (config / 'known-depots.json').write_text(json.dumps({'depots': [{
            'name': 'ours', 'url': self.server.url(f'/{{token}}/main/{INDEX}'),
            'needs_token': True, 'token_help': 'ask the help desk'}]}))
        return prefix

    def work(self, token, add):
        """All commands that meet the token."""
        prefix = self.know(token)
        self.fails(USAGE, 'depot', 'add', 'ours',
                   words=['--token-file', 'SLIPWAY_TOKEN', 'ask the help desk'])
        added, = add().json['depots']
        self.assertEqual(added['location'], self.server.url(f'/***/main/{INDEX}'))
        self.private_profile()
        for command in (['depot', 'list'], ['package', 'list'], ['profile', 'list'],
                        ['package', 'show', 'acme-libs'], ['profile', 'check', 'small'],
                        ['depot', 'update'], ['depot', 'known']):
            code = RULES if 'check' in command else 0
            self.slipway(*command, '--verbose', code=code)
            self.slipway(*command, text=True, code=code)
        self.export_small('--verbose')
        self.fail_everywhere(prefix)
        state = self.workspace / 'depots.json'
        self.assertEqual(stat.S_IMODE(state.stat().st_mode), 0o600)
        self.assert_kept_nowhere(token, token.replace('/', '%2F'), but=['depots.json'])
        self.slipway('depot', 'remove', added['name'])
        self.assert_kept_nowhere(token, token.replace('/', '%2F'))

    def fail_everywhere(self, prefix):
        """Errors hide it too."""
        path = f'{prefix}/{INDEX}'
        fine = self.server.routes[path]
        for status, code in ((403, DENIED), (404, NOT_FOUND), (401, DENIED), (500, NETWORK)):
            self.server.routes[path] = lambda _request, reply, s=status: reply.full(s)
            failed = self.slipway('depot', 'update', '--retries', '0', '--verbose', code=None)
            self.assertIn(failed.code, (code, 0))
            self.assertIn('/***/', failed.stderr)
        self.server.routes[path] = lambda _request, _reply: self.server.stall()
        failed = self.slipway('depot', 'update', '--retries', '0', '--stall-timeout', '1',
                              code=None)
        self.assertIn('/***/', failed.stderr)
        self.server.redirect(path, f'ftp:{prefix}/x')
        self.assertIn('redirects to where no file can be fetched from: ftp:/***/main/x',
                      self.slipway('depot', 'update').stderr)
        self.server.routes[path] = fine

    def test_token_file(self):
        path = self.secret_file(LOOKS_LIKE_ONE)
        self.work(LOOKS_LIKE_ONE,
                  lambda: self.slipway('depot', 'add', 'ours', '--token-file', path))

    def test_environment(self):
        self.work(TOKEN, lambda: self.slipway('depot', 'add', 'ours',
                                              env={'SLIPWAY_TOKEN': TOKEN}))
        self.assert_kept_nowhere(ENCODED_TOKEN)

    def test_place_in_a_url(self):
        self.know(TOKEN)
        added, = self.slipway('depot', 'add', self.server.url('/{token}/main/'), '--token-file',
                              self.secret_file(TOKEN)).json['depots']
        self.assertEqual(added['location'], self.server.url('/***/main/'))
        self.assertIn('/***/', self.slipway('depot', 'list', text=True).stdout)

    def test_wrong_one(self):
        self.know(TOKEN)
        self.secrets.append('another-one')
        self.fails(NOT_FOUND, 'depot', 'add', 'ours', env={'SLIPWAY_TOKEN': 'another-one'},
                   words=['/***/main/', '404'])


class Seen(OnlineCase):
    def test_command_line_of_the_process(self):
        """Nobody sees a secret with ps while it works."""
        site, asked = self.site(), threading.Event()

        def stall(_request, _reply):
            asked.set()
            site.stall()

        site.routes[f'/{TOKEN}/{INDEX}'.replace(TOKEN, ENCODED_TOKEN)] = stall
        process = self.start('depot', 'add', site.url(f'/{{token}}/{INDEX}'), '--token-file',
                             self.secret_file(TOKEN), *self.login(), '--proxy-user', PROXY_USER,
                             '--proxy-password-file', self.secret_file(PROXY_PASSWORD),
                             '--stall-timeout', '60')
        self.assertTrue(asked.wait(20))
        seen = pathlib.Path(f'/proc/{process.pid}/cmdline').read_bytes()
        self.assertIn(b'{token}', seen)
        for secret in self.secrets:
            self.assertNotIn(secret.encode(), seen)
        self.interrupt(process)


class Proxies(OnlineCase):
    def setUp(self):
        super().setUp()
        path = self.publish()
        self.plain, self.tls = nginx().url(path), nginx().tls_url(path)
        self.proxy = squid().url()
        self.given = ('--proxy-user', PROXY_USER, '--proxy-password-file',
                      self.secret_file(PROXY_PASSWORD))

    def add(self, url, *options, **more):
        """Connect the depot and forget it again; over TLS with the right authority."""
        more.setdefault('code', 0)
        result = self.slipway('depot', 'add', url, '--name', 'it', '--cacert',
                              nginx().authority.ca, *options, **more)
        if more['code'] == 0:
            self.slipway('depot', 'remove', 'it')
        return result

    def test_options(self):
        for url in (self.plain, self.tls):
            self.add(url, '--proxy', self.proxy, *self.given)
            self.add(url, '--proxy', self.proxy, *self.given[:2],
                     env={'SLIPWAY_PROXY_PASSWORD': PROXY_PASSWORD})

    def test_export(self):
        self.slipway('depot', 'add', self.plain, '--proxy', self.proxy, *self.given)
        self.private_profile()
        self.export_small('--proxy', self.proxy, *self.given)
        self.assert_kept_nowhere(PROXY_PASSWORD)

    def test_environment(self):
        open_proxy = squid().url(f'{PROXY_USER}:pr0xy-pass%20w0rd@')
        self.add(self.plain, env={'http_proxy': open_proxy})
        self.add(self.tls, env={'https_proxy': open_proxy})
        self.add(self.tls, *self.given, env={'HTTPS_PROXY': self.proxy})
        self.add(self.plain, *self.given, env={'all_proxy': self.proxy})

    def test_no_proxy(self):
        nowhere = {'http_proxy': 'http://127.0.0.1:9', 'https_proxy': 'http://127.0.0.1:9'}
        failed = self.add(self.plain, '--retries', '0', code=NETWORK, env=nowhere)
        self.assertIn('--proxy', failed.error)
        self.add(self.plain, env=nowhere | {'NO_PROXY': '127.0.0.1'})
        self.add(self.tls, env=nowhere | {'no_proxy': 'localhost,127.0.0.0/8'})
        self.add(self.plain, '--no-proxy', '127.0.0.1', env=nowhere)
        self.add(self.plain, '--proxy', '', env=nowhere)

    def test_refused(self):
        for url in (self.plain, self.tls):
            failed = self.add(url, '--proxy', self.proxy, code=DENIED)
            self.assertIn('give --proxy-user USER and --proxy-password-file FILE', failed.error)
            failed = self.add(url, '--proxy', self.proxy, *self.given[:3],
                              self.secret_file('wrong'), code=DENIED)
            self.assertIn('check --proxy-user and --proxy-password-file', failed.error)
        self.fails(USAGE, 'depot', 'add', self.plain, '--proxy', self.proxy, *self.given[2:],
                   words=['--proxy-user'])

    def test_password_in_the_option(self):
        added = self.add(self.tls, '--proxy', squid().url(f'{PROXY_USER}:pr0xy-pass%20w0rd@'))
        self.assertIn('--proxy-password-file', added.warnings[0])

    def test_proxy_and_server(self):
        url = nginx().tls_url('/private' + self.publish())
        self.add(url, '--proxy', self.proxy, *self.given, *self.login())

    def test_proxy_over_tls(self):
        self.add(self.tls, '--proxy', squid().tls_url(), *self.given)

    def test_socks(self):
        socks = Socks(PROXY_USER, PROXY_PASSWORD)
        self.addCleanup(socks.close)
        self.add(self.plain, '--proxy', socks.url('socks5'), *self.given)
        named = self.tls.replace('127.0.0.1', 'depot.invalid')
        failed = self.add(named, '--proxy', socks.url('socks5h'), *self.given, code=NETWORK)
        self.assertIn('certificate is for another host', failed.error)
        self.assertEqual(set(socks.names), {'depot.invalid'})
        failed = self.add(self.plain, '--proxy', socks.url('socks5'), *self.given[:3],
                          self.secret_file('wrong'), code=DENIED)
        self.assertIn('--proxy-password-file', failed.error)


if __name__ == '__main__':
    unittest.main()
