# SPDX-License-Identifier: GPL-3.0-or-later
"""Help, manual pages, completion and the ways in which a command line can be wrong."""
import json
import re
import shutil
import signal
import socket
import subprocess
import unittest

from slipway_case import PROGRAM, REPORTS, TIMEOUT, Result, SlipwayCase

ENTRY = re.compile(r'^  ([a-z][a-z-]*)  +\S', re.MULTILINE)
TOKEN = 'Zq8vT2mK7xW4bN1cR6yP9dL3'


class CliCase(SlipwayCase):
    """Command lines as they are written, without options of the tests' own."""

    def run_program(self, *words, code=0, env=None):
        done = subprocess.run([PROGRAM, *map(str, words)], env=self.environment() | (env or {}),
                              cwd=self.dir, stdin=subprocess.DEVNULL, text=True, timeout=TIMEOUT,
                              capture_output=True, check=False)
        result = Result(done.returncode, done.stdout, done.stderr, None)
        self.check_result(result, words)
        if code is not None:
            self.assertEqual(code, result.code, f'{words}\n{result.stdout}\n{result.stderr}')
        return result

    def text(self, *words, **more):
        return self.run_program(*words, **more).stdout

    def error(self, code, *words, **more):
        return self.run_program(*words, code=code, **more).error


def section(text, title):
    """The names listed below `title` of a help text."""
    return ENTRY.findall(text.split(f'\n{title}:\n', 1)[1].split('\n\n', 1)[0])


class Help(CliCase):
    def nouns(self):
        return section(self.text('--help'), 'Nouns')

    def commands(self):
        for noun in self.nouns():
            text = self.text(noun, '--help')
            for verb in section(text, 'Verbs') if '\nVerbs:\n' in text else []:
                yield noun, verb

    def test_nouns(self):
        self.assertEqual(self.nouns(), ['depot', 'package', 'vib', 'profile', 'image', 'store',
                                        'backup', 'restore', 'export', 'files', 'host', 'vm',
                                        'help', 'version', 'completion'])

    def test_every_command_has_help(self):
        commands = list(self.commands())
        self.assertIn(('profile', 'export'), commands)
        self.assertGreaterEqual(len(commands), 24)
        for noun, verb in commands:
            with self.subTest(noun=noun, verb=verb):
                text = self.text(noun, verb, '--help')
                self.assertTrue(text.startswith(f'Usage: slipway {noun} {verb}'), text)
                self.assertIn('--workspace DIR', text)
                self.assertEqual(text, self.text('help', noun, verb))
                self.assertEqual(text, self.text('-h', noun, verb))

    def test_help_fits_the_terminal(self):
        for width in (60, 80):
            lines = self.text('profile', 'export', '--help',
                              env={'COLUMNS': str(width)}).splitlines()
            wide = [line for line in lines if len(line) > width and not line.startswith('  slipway')]
            self.assertEqual(wide, [])

    def test_version(self):
        text = self.text('--version')
        self.assertRegex(text, r'^slipway \d+\.\d+\.\d+\n$')
        self.assertEqual(text, self.text('version'))
        self.assertEqual(json.loads(self.text('version', '--json'))['version'], text.split()[1])

    def test_manual_pages(self):
        if shutil.which('mandoc') is None:
            self.skipTest('mandoc is not installed')
        for noun in [None, *self.nouns()[:12]]:
            with self.subTest(noun=noun):
                page = self.text('man', *([noun] if noun else []))
                lint = subprocess.run(['mandoc', '-T', 'lint', '-W', 'warning'], input=page,
                                      text=True, capture_output=True, check=False)
                self.assertEqual((lint.returncode, lint.stdout + lint.stderr), (0, ''))
                for title in ('NAME', 'SYNOPSIS', 'DESCRIPTION', 'ENVIRONMENT', 'FILES',
                              'EXIT STATUS', 'EXAMPLES', 'SEE ALSO'):
                    self.assertIn(f'.Sh {title}\n', page)

    def test_manual_pages_name_every_verb(self):
        for noun, verb in self.commands():
            self.assertIn(f'.Ss \\&{verb}\n', self.text('man', noun))


class Completion(CliCase):
    def complete(self, *words):
        """What bash offers for the last of `words`."""
        script = '\n'.join([
            'eval "$("$1" completion bash)"',
            'shift', 'COMP_WORDS=("$@")', 'COMP_CWORD=$(($# - 1))', '_slipway',
            'printf "%s\\n" "${COMPREPLY[@]}"'])
        done = subprocess.run(['bash', '-c', script, 'bash', PROGRAM, PROGRAM, *words],
                              env=self.environment(), cwd=self.dir, text=True, capture_output=True,
                              check=False, stdin=subprocess.DEVNULL)
        self.assertEqual((done.returncode, done.stderr), (0, ''))
        return [line for line in done.stdout.splitlines() if line]

    def test_nouns_and_verbs(self):
        self.assertEqual(self.complete('p'), ['package', 'profile'])
        self.assertEqual(self.complete('depot', ''),
                         ['add', 'list', 'remove', 'update', 'verify', 'known'])
        self.assertEqual(self.complete('-w', '/x', '--retries', '=', '3', 'profile', 'de'),
                         ['delete'])
        self.assertEqual(self.complete('completion', ''), ['bash'])
        self.assertEqual(self.complete('help', 'im'), ['image'])
        self.assertEqual(self.complete('restore', ''), ['disk', 'vm'])

    def test_options(self):
        self.assertEqual(self.complete('profile', 'export', '--k'),
                         ['--kernel-option', '--kickstart'])
        self.assertEqual(self.complete('depot', 'list', '--k'), [])
        self.assertIn('--workspace', self.complete('depot', 'list', '--w'))

    def test_values(self):
        self.assertEqual(self.complete('package', 'list', '--sort', ''),
                         ['name', 'version', 'vendor', 'date'])
        self.assertEqual(self.complete('package', 'list', '--sort', '=', 'v'),
                         ['version', 'vendor'])
        (self.dir / 'dir ectory').mkdir()
        (self.dir / 'dir.txt').touch()
        self.assertEqual(self.complete('--workspace', 'dir'), ['dir ectory'])
        self.assertEqual(sorted(self.complete('image', 'show', 'dir')), ['dir ectory', 'dir.txt'])

    def test_names(self):
        (self.dir / 'tree/opt').mkdir(parents=True)
        (self.dir / 'tree/opt/tool').touch()
        self.text('vib', 'build', 'tree', '--name', 'tool', '--version', '1-1', '--vendor', 'Me',
                  '-o', 'tool.vib')
        self.text('depot', 'add', 'tool.vib', '--name', 'tools')
        self.text('profile', 'new', 'my own')
        self.assertEqual(self.complete('depot', 'remove', 't'), ['tools'])
        self.assertEqual(self.complete('profile', 'show', ''), ['my\\ own'])
        self.assertEqual(self.complete('profile', 'add', 'my own', 'too'), ['tool', 'tool.vib'])
        self.assertEqual(self.complete('-w', self.dir / 'other', 'depot', 'remove', ''), [])
        self.assertIn('hpe', self.complete('depot', 'add', 'hp'))


class WrongUse(CliCase):
    def test_unknown_words(self):
        for words, message in [
                (['profil'], "there is no noun 'profil'; did you mean 'profile'? "
                             'see `slipway --help`'),
                (['depot', 'xyzzy'], "there is no verb of depot 'xyzzy'; "
                                     'see `slipway depot --help`'),
                (['depot', 'list', '--jsn'], "there is no option '--jsn'; did you mean '--json'? "
                                             'see `slipway depot list --help`'),
                ([], 'nothing to do; see `slipway --help`'),
                (['help', 'nothing'], "there is no noun 'nothing'; see `slipway --help`"),
                (['man', 'version'], "there is no manual page for 'version'"),
                (['completion', 'fish'], "no completion for 'fish', only for bash")]:
            with self.subTest(words=words):
                self.assertEqual(self.error(2, *words), message)

    def test_json_of_an_error(self):
        for words, code in [(['depot', 'lst'], 'usage'), (['profile', 'show', 'x'], 'not-found')]:
            done = self.run_program(*words, '--json', code=None)
            error = json.loads(done.stdout)['error']
            self.assertEqual((error['code'], error['exit']), (code, done.code))
            self.assertEqual(done.stderr, f'slipway: error: {error["message"]}\n')

    def test_every_list_is_json(self):
        for words, member in [(['depot', 'list'], 'depots'), (['depot', 'known'], 'known_depots'),
                              (['package', 'list'], 'packages'), (['profile', 'list'], 'profiles'),
                              (['depot', 'update'], 'depots')]:
            with self.subTest(words=words):
                self.assertIsInstance(json.loads(self.text(*words, '--json'))[member], list)

    def test_credentials_must_be_complete(self):
        (self.dir / 'password').write_text('abcdefgh\n')
        location = 'http://127.0.0.1:9/'
        self.assertEqual(
            self.error(2, 'depot', 'add', location, '--user', 'me'),
            '--user needs a password: give --password-file or set SLIPWAY_PASSWORD')
        self.assertEqual(self.error(2, 'depot', 'add', location, '--password-file', 'password'),
                         '--password-file needs --user NAME')
        self.assertEqual(
            self.error(2, 'depot', 'add', location, '--proxy-password-file', 'password'),
            '--proxy-password-file needs --proxy-user NAME')


class Secrets(CliCase):
    def setUp(self):
        super().setUp()
        self.secrets = [TOKEN]

    def test_token_is_never_shown(self):
        url = 'http://127.0.0.1:9/{token}/index.xml'
        env = {'SLIPWAY_TOKEN': TOKEN}
        for words in (['-v'], ['--json'], []):
            done = self.run_program('depot', 'add', url, '--retries', 0, *words, code=8, env=env)
            self.assertIn('***', done.stderr)

    def test_stored_token_is_never_shown(self):
        workspace = self.dir / 'workspace'
        (workspace / 'profiles').mkdir(parents=True)
        (workspace / 'depots.json').write_text(json.dumps({'format': 1, 'depots': [
            {'name': 'd', 'location': f'https://dl.broadcom.com/{TOKEN}/x/index.xml'}]}))
        for words in (['depot', 'list'], ['depot', 'list', '--json'],
                      ['package', 'list', '--offline'], ['package', 'list', '--offline', '--json'],
                      ['depot', 'remove', 'nothing']):
            self.run_program(*words, code=None)
        self.text('depot', 'remove', 'd')

    def test_token_files(self):
        known = self.dir / '.config/slipway'
        known.mkdir(parents=True)
        (known / 'known-depots.json').write_text(json.dumps({'depots': [
            {'name': 'mine', 'url': 'http://127.0.0.1:9/{token}/index.xml', 'needs_token': True,
             'token_help': 'ask the boss'}]}))
        self.assertEqual(self.error(2, 'depot', 'add', 'mine'),
                         'depot mine needs a download token: give --token-file or set '
                         'SLIPWAY_TOKEN; ask the boss')
        (self.dir / 'token').write_text(TOKEN + '\n')
        self.run_program('depot', 'add', 'mine', '--token-file', 'token', '--retries', 0, code=8)


class Streams(CliCase):
    def shell(self, command):
        done = subprocess.run(['bash', '-c', command, 'bash', PROGRAM], env=self.environment(), text=True,
                              cwd=self.dir, capture_output=True, check=False,
                              stdin=subprocess.DEVNULL)
        for report in REPORTS:
            self.assertNotIn(report, done.stderr)
        return done

    def test_full_disk(self):
        for words in ('--help', 'version', 'depot list --json', 'man', 'completion bash'):
            done = self.shell(f'"$1" {words} > /dev/full')
            self.assertEqual(done.returncode, 10, words)
            self.assertIn('cannot write to standard output: No space left on device', done.stderr)

    def test_closed_output(self):
        done = self.shell('"$1" version >&-')
        self.assertEqual(done.returncode, 10)
        self.assertIn('cannot write to standard output', done.stderr)

    def test_closed_streams_are_not_written_into_files(self):
        done = self.shell('"$1" profile new mine >&- 2>&- <&-')
        self.assertEqual(done.returncode, 10)
        profile, = (self.workspace / 'profiles').iterdir()
        self.assertTrue(profile.read_text().startswith('<imageprofile>'))
        self.assertNotIn('Created', profile.read_text())

    def test_reader_that_goes_away(self):
        done = self.shell('(sleep 0.2; "$1" man; echo $? > code) | true; cat code')
        self.assertEqual(done.stdout.strip(), '10')
        self.assertEqual(done.stderr, '')

    def test_interrupt(self):
        """A server that never answers; the user gives up."""
        server = socket.create_server(('127.0.0.1', 0))
        self.addCleanup(server.close)
        port = server.getsockname()[1]
        for number in (signal.SIGINT, signal.SIGTERM):
            running = subprocess.Popen(
                [PROGRAM, 'depot', 'add', f'http://127.0.0.1:{port}/index.xml'], env=self.environment(),
                text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE)
            with server.accept()[0] as connection:
                connection.recv(1)
                running.send_signal(number)
                _, errors = running.communicate(timeout=20)
            self.assertEqual(running.returncode, 130, errors)
            self.assertTrue(errors.splitlines()[-1].startswith('slipway: error: '), errors)


if __name__ == '__main__':
    unittest.main()
