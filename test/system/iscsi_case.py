# SPDX-License-Identifier: GPL-3.0-or-later
"""An iSCSI target for tests, and libiscsi's conformance tests with their results.

The target is the program ISCSI_TARGET (test/target/iscsi_target.c)."""
import dataclasses
import functools
import os
import pathlib
import re
import subprocess
import tempfile

PROGRAM = os.environ.get('ISCSI_TARGET', 'iscsi_target')
DOCUMENT = pathlib.Path(__file__).resolve().parents[2] / 'doc' / 'iscsi.md'
NAME = 'iqn.2026-01.org.example:disk'
TIMEOUT = 60
# What no run may ever print.
REPORTS = ('AddressSanitizer', 'LeakSanitizer', 'runtime error:', 'CRITICAL **', 'WARNING **',
           'stack smashing')


class Target:
    """A target that serves while the `with` lasts; its log afterwards in `log`."""

    def __init__(self, *arguments):
        self.arguments = arguments
        self.log = ''

    def __enter__(self):
        self.log_file = tempfile.TemporaryFile('w+')
        self.process = subprocess.Popen([PROGRAM, *map(str, self.arguments)], text=True,
                                        stdout=subprocess.PIPE, stderr=self.log_file)
        self.addresses = []
        for line in self.process.stdout:
            if not line.strip():
                break
            self.addresses.append(line.strip())
        if not self.addresses:
            self.process.wait()
            words = self.read_log()
            self.process.stdout.close()
            self.log_file.close()
            raise RuntimeError(words)
        self.address = self.addresses[0]
        return self

    def read_log(self):
        """What it has said so far."""
        self.log_file.seek(0)
        self.log = self.log_file.read()
        return self.log

    def __exit__(self, *_):
        self.process.terminate()
        code = self.process.wait(TIMEOUT)
        self.process.stdout.close()
        log = self.read_log()
        self.log_file.close()
        if code != 0 or any(word in log for word in REPORTS):
            raise AssertionError(f'the target ended with {code}:\n{log}')

    def url(self, lun=0, user=None, name=NAME):
        """As libiscsi has it; `user` "name%secret"."""
        return f'iscsi://{user + "@" if user else ""}{self.address}/{name}/{lun}'

    def portal(self, user=None):
        return f'iscsi://{user + "@" if user else ""}{self.address}'


def run(*command, environment=None, timeout=TIMEOUT):
    """A program of others: its exit code, and all it prints."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True,
                          errors='replace', timeout=timeout, check=False,
                          env={**os.environ, **(environment or {})})
    return done.returncode, done.stdout + done.stderr


# ---- libiscsi's tests -----------------------------------------------------------------------

LISTED = re.compile(r'^(SCSI|iSCSI)\.(\w+)\.(\w+)$', re.M)


@dataclasses.dataclass
class Results:
    """By name ("SCSI.Read10.Simple"): passed, failed with the words, skipped with the reason."""
    passed: list = dataclasses.field(default_factory=list)
    failed: dict = dataclasses.field(default_factory=dict)
    skipped: dict = dataclasses.field(default_factory=dict)

    def __str__(self):
        return (f'{len(self.passed)} passed, {len(self.failed)} failed, '
                f'{len(self.skipped)} skipped')


@functools.cache
def suites():
    """All suites that need no SCSI device of the kernel, with their tests."""
    found = {}
    for family, suite, test in LISTED.findall(run('iscsi-test-cu', '-l')[1]):
        found.setdefault(f'{family}.{suite}', []).append(test)
    return found


def read_tests(suite, output, results):
    """CUnit counts a test that was skipped as passed: its words tell."""
    seen = set()
    for part in re.split(r'^  Test: ', output, flags=re.M)[1:]:
        name = f'{suite}.{part.split(" ", 1)[0]}'
        seen.add(name)
        reason = re.search(r'\[SKIPPED\] *(.*)', part)
        if not re.search(r'(^|\.\.\.)passed', part, re.M):
            results.failed[name] = part
        elif reason:
            results.skipped[name] = reason.group(1).strip()
        else:
            results.passed.append(name)
    return seen


def conformance(url, wanted=None, options=('-d',)):
    """Run the suites (`wanted`: some of them), each in a process of its own, as one that hangs must
    not take the others with it."""
    results = Results()
    for suite, tests in suites().items():
        if wanted is not None and suite not in wanted:
            continue
        names = {f'{suite}.{test}' for test in tests}
        try:
            code, output = run('iscsi-test-cu', *options, '-v', '-t', suite, url, url)
        except subprocess.TimeoutExpired as late:
            code, output = -1, (late.stdout or b'').decode(errors='replace')
        for name in names - read_tests(suite, output, results):
            results.failed[name] = f'it did not run, exit code {code}:\n{output[-2000:]}'
        if code != 0 and not any(name in results.failed for name in names):
            results.failed[suite] = f'exit code {code}:\n{output[-2000:]}'
    return results


def allowed_skips():
    """Of the table in doc/iscsi.md: {"SCSI.PreventAllow.Simple": reason}, a "*" for all tests of a
    suite resolved."""
    text = DOCUMENT.read_text(encoding='utf-8')
    table = text.split('<!-- skipped tests -->')[1]
    allowed = {}
    for suite, test, reason in re.findall(r'^\| (i?SCSI\.\w+)\.([\w*]+) \| (.+?) \|$', table, re.M):
        for name in suites()[suite] if test == '*' else [test]:
            allowed[f'{suite}.{name}'] = reason
    return allowed
