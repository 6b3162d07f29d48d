# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests of other systems over exports share: exports that are served in the foreground, with
their log, and can be stopped and begun again."""
import json
import pathlib
import re
import signal
import socket
import subprocess
import time

from slipway_case import REPORTS
from store_case import StoreCase

SECRET = 'only-for-this-test'
TARGET_SECRET = 'the-targets-own-secret'
START_SECONDS = 60
STOP_SECONDS = 60


def free_port():
    """Of this machine, at this moment."""
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


class Served:
    """An `export serve` that runs: `told` is what it said as JSON."""

    def __init__(self, child, port, log, said):
        self.child, self.port, self.log_path = child, port, log
        end = time.monotonic() + START_SECONDS
        while not (text := said.read_text()).rstrip().endswith('\n}'):
            if child.poll() is not None or time.monotonic() > end:
                raise AssertionError(f'the export does not serve: {text}{self.log()}')
            time.sleep(0.02)
        self.told = json.loads(text)

    @property
    def id(self):
        """For `export list`."""
        return self.told['id']

    @property
    def name(self):
        """Of the target."""
        return self.told['iscsi']['name']

    def log(self):
        """What it said on standard error."""
        return self.log_path.read_text()

    def stop(self, sent=signal.SIGTERM):
        """End it, and say how it ended."""
        if self.child.poll() is None:
            self.child.send_signal(sent)
        self.child.wait(timeout=STOP_SECONDS)
        return self.child.returncode


class ServedCase(StoreCase):
    """A store, and a runtime directory of its own."""

    def setUp(self):
        super().setUp()
        self.runtime = self.dir / 'run'
        self.runtime.mkdir(mode=0o700)
        self.scratch = self.dir / 'scratch'
        self.scratch.mkdir()
        self.secrets = [SECRET, TARGET_SECRET]
        self.secret = self.secret_file('secret', SECRET)
        self.target_secret = self.secret_file('target-secret', TARGET_SECRET)
        self.init()

    def environment(self):
        return super().environment() | {'XDG_RUNTIME_DIR': str(self.runtime)}

    def command(self, *arguments, trust=None):
        words = [str(argument) for argument in arguments]
        if words[:2] in (['export', 'start'], ['export', 'serve']):
            words += ['--store', str(self.store), *map(str, self.key)]
        return super().command(*words, trust=trust)

    def secret_file(self, name, text):
        """A secret as options take it."""
        path = self.dir / name
        path.write_text(text + '\n')
        path.chmod(0o600)
        return path

    # ---- exports --------------------------------------------------------------------------------

    def chap(self, mutual=False):
        """The options of an export that wants it."""
        options = ['--chap-user', 'reader', '--chap-secret-file', self.secret]
        if mutual:
            options += ['--mutual-user', 'keeper', '--mutual-secret-file', self.target_secret]
        return options

    def serve(self, *arguments, port=None):
        """Serve it, until the test ends or stop() is called."""
        port = port or free_port()
        kind = '--nbd-listen' if '--nbd' in arguments else '--listen'
        number = len(list(self.dir.glob('export-*.log')))
        log = self.dir / f'export-{number}.log'
        said = self.dir / f'export-{number}.json'
        place = () if '--read-only' in arguments or '--keep-writes' in arguments \
            else ('--scratch', self.scratch)
        listen = () if '--fuse' in arguments else (kind, f'127.0.0.1:{port}')
        command = [*self.command('export', 'serve', *arguments, *place, *listen), '--json']
        with log.open('wb') as errors, said.open('wb') as output:
            child = subprocess.Popen(command, cwd=self.dir, env=self.environment(),
                                     stdin=subprocess.DEVNULL, stdout=output, stderr=errors)
        self.addCleanup(self.end, child, log)
        return Served(child, port, log, said)

    def end(self, child, log):
        """Whatever happened: nothing that runs is left, and it never said what it must not."""
        if child.poll() is None:
            child.terminate()
            try:
                child.wait(timeout=STOP_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
                self.fail('the export does not end by SIGTERM')
        self.assertIn(child.returncode, (0, -signal.SIGKILL))
        text = pathlib.Path(log).read_text()
        for report in REPORTS:
            self.assertNotIn(report, text)
        for secret in self.secrets:
            self.assertNotIn(secret, text, 'a secret is in the log')

    def look(self, export):
        """What `export list` says of it; brought up to date every two seconds."""
        (found,) = [entry for entry in self.slipway('export', 'list').json['exports']
                    if entry['id'] == export.id]
        return found

    def wait_until(self, export, condition):
        """`condition` holds of what `export list` says."""
        self.wait_for(lambda: condition(self.look(export)))
        return self.look(export)

    def session_of(self, export):
        """The one session, as `export list` has it."""
        (session,) = self.wait_until(export, lambda seen: seen['iscsi']['sessions'])[
            'iscsi']['sessions']
        return session

    def instructions(self, said, title):
        """The commands that an export prints below a title."""
        found = re.search(rf'^{title}.*:\n((?:  .*\n)+)', said, re.M)
        self.assertTrue(found, said)
        return [line.strip() for line in found[1].splitlines()]
