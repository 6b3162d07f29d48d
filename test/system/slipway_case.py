# SPDX-License-Identifier: GPL-3.0-or-later
"""What the system tests share: running the program, and input for it from the format fixture.

They know the program from outside only: its command line, what it prints, the files it leaves.
The program is named by SLIPWAY; test/ has to be on PYTHONPATH.
"""
import atexit
import dataclasses
import functools
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from fixture import generations
from fixture.authority import Authority

PROGRAM = os.environ.get('SLIPWAY', 'slipway')
TIMEOUT = 120
LEAKS_OF_OTHERS = pathlib.Path(__file__).parent / 'leaks-of-others'

# What no run may ever print: a memory error, a failed assertion, a shell's word for a crash.
REPORTS = ('AddressSanitizer', 'LeakSanitizer', 'runtime error:', 'CRITICAL **', 'WARNING **',
           'assertion failed', 'Assertion', 'stack smashing', 'core dumped')

FAILED, USAGE, NOT_FOUND, CORRUPT, LIMIT, SIGNATURE, RULES = range(1, 8)
NETWORK, DENIED, IO, EXISTS, READ_ONLY, UNSUPPORTED, BUSY = range(8, 15)
CANCELLED = 130


@functools.cache
def scratch():
    """A directory for all tests of this process; gone at its end."""
    directory = tempfile.mkdtemp(prefix='slipway-system-')
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return pathlib.Path(directory)


@functools.cache
def authority():
    """The keys of the fixture."""
    return Authority.default()


@functools.cache
def trust_file():
    """For --trust: the fixture's anchors."""
    return authority().write_trust(scratch() / 'trust.pem')


@functools.cache
def generation(name, **options):
    """A release, signed; made once."""
    return generations.make(name, authority(), **options)


@functools.cache
def depot(name):
    """Path of the release's offline bundle; made once."""
    return generation(name).bundle().write_zip(scratch() / f'ESXi-{name}.zip')


@dataclasses.dataclass(frozen=True)
class Result:
    """How a run ended."""
    code: int
    stdout: str
    stderr: str
    json: dict | None

    @property
    def error(self):
        """The text of the one error; empty when there was none."""
        found = re.findall(r'^slipway: error: (.*(?:\n(?!slipway: ).*)*)', self.stderr, re.M)
        return '\n'.join(found).rstrip('\n')

    @property
    def warnings(self):
        """The texts of all warnings."""
        return re.findall(r'^slipway: warning: (.*)$', self.stderr, re.M)


class SlipwayCase(unittest.TestCase):
    """A test with a directory and a workspace of its own.

    secrets: texts that no run may print.  timeout: seconds that a run may take.
    """

    maxDiff = 4000
    timeout = TIMEOUT

    def setUp(self):
        temporary = tempfile.TemporaryDirectory(prefix='slipway-test-', dir=scratch())
        self.addCleanup(temporary.cleanup)
        self.dir = pathlib.Path(temporary.name)
        self.workspace = self.dir / 'workspace'
        self.secrets = []

    # ---- running ------------------------------------------------------------------------------

    def environment(self):
        """No proxies, no settings of whoever runs the test."""
        kept = {name: os.environ[name] for name in ('PATH', 'ASAN_OPTIONS', 'LSAN_OPTIONS',
                                                     'UBSAN_OPTIONS')
                if name in os.environ}
        kept.setdefault('UBSAN_OPTIONS', 'print_stacktrace=1')
        kept.setdefault('LSAN_OPTIONS', f'print_suppressions=0:suppressions={LEAKS_OF_OTHERS}')
        return kept | {'HOME': str(self.dir), 'LC_ALL': 'C.UTF-8', 'TZ': 'UTC',
                       'SLIPWAY_WORKSPACE': str(self.workspace)}

    def command(self, *arguments, trust=True):
        """The command line; `trust`: a trust file, or True for that of the fixture."""
        path = trust_file() if trust is True else trust
        return [PROGRAM, *map(str, arguments), '--no-progress',
                *(['--trust', str(path)] if path else [])]

    def slipway(self, *arguments, code=0, trust=True, text=False, env=None, **options):
        """Run it with --json (unless `text`), check what must hold of any run, and that it ends
        with exit code `code`; None: any code."""
        command = self.command(*arguments, trust=trust) + ([] if text else ['--json'])
        done = subprocess.run(command, capture_output=True, timeout=self.timeout, check=False,
                              cwd=options.pop('cwd', self.dir), stdin=subprocess.DEVNULL,
                              env=self.environment() | (env or {}), **options)
        result = Result(done.returncode, done.stdout.decode(), done.stderr.decode(),
                        None if text else json.loads(done.stdout))
        self.check_result(result, command)
        if code is not None:
            self.assertEqual(code, result.code, f'{command}\n{result.stdout}\n{result.stderr}')
        return result

    def check_result(self, result, command=''):
        """What holds of every run: no crash, one error or none, no secret."""
        said = f'{command}\n{result.stdout}\n{result.stderr}'
        for report in REPORTS:
            self.assertNotIn(report, result.stderr, said)
        self.assertIn(result.code, (*range(15), CANCELLED), said)
        self.assertEqual(result.code != 0, result.stderr.count('slipway: error: ') == 1, said)
        for secret in self.secrets:
            self.assertNotIn(secret, result.stdout + result.stderr, 'a secret is printed')
        if result.json is not None:
            self.assertEqual(result.code != 0, 'error' in result.json, said)
            if result.code != 0:
                self.assertEqual(result.code, result.json['error']['exit'], said)

    def fails(self, code, *arguments, words=(), **options):
        """Run it, expect this exit code, and each of `words` in the error."""
        result = self.slipway(*arguments, code=code, **options)
        for word in words:
            self.assertIn(str(word), result.error)
        return result

    # ---- frequent steps -------------------------------------------------------------------------

    def add_depot(self, location, **options):
        """Connect a depot."""
        return self.slipway('depot', 'add', location, **options)

    def export(self, profile, name='out.iso', *options, **more):
        """Export a profile into the test's directory; the path."""
        path = self.dir / name
        self.slipway('profile', 'export', profile, '-o', path, *options, **more)
        return path

    def clone(self, of, name='mine', *options, **more):
        """Make a profile of the workspace."""
        return self.slipway('profile', 'new', name, '--clone', of, *options, **more)

    def vib_ids(self, profile):
        """The ids of all VIBs of a profile."""
        shown = self.slipway('profile', 'show', profile).json['profile']
        return [vib['id'] for vib in shown['vibs']] + shown['missing']

    # ---- checks ---------------------------------------------------------------------------------

    def assert_left(self, *names):
        """Nothing but these is in the test's directory (besides what the program keeps)."""
        own = {'workspace', '.cache', '.local', '.config'}
        self.assertEqual(sorted(names), sorted({path.name for path in self.dir.iterdir()} - own))

    def tool(self, *command, code=0):
        """The output of another program, which must succeed."""
        done = subprocess.run(list(map(str, command)), capture_output=True, check=False,
                              cwd=self.dir, env=self.environment(), timeout=TIMEOUT)
        self.assertEqual(code, done.returncode, f'{command}: {done.stdout} {done.stderr}')
        return done.stdout
