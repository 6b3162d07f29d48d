# SPDX-License-Identifier: GPL-3.0-or-later
"""hypervisor_steps, driven: one hypervisor, step by step."""
import json
import os
import select
import signal
import subprocess

PROGRAM = os.environ.get('HYPERVISOR_STEPS', 'hypervisor_steps')
STEP_SECONDS = 100
TRY, NEVER, REQUIRE = range(3)


class StepError(Exception):
    """What a step failed with."""

    def __init__(self, code, message):
        super().__init__(f'{code}: {message}')
        self.code = code
        self.message = message


class Steps:
    """A session of one hypervisor."""

    def __init__(self, uri, scratch, before=()):
        self.process = subprocess.Popen([*before, PROGRAM, uri, str(scratch)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE)
        self.said = None
        self.answer()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Log out.  Nothing may have been printed but answers."""
        if self.said is not None:
            return
        self.process.stdin.close()
        self.process.stdout.read()
        self.said = self.process.stderr.read().decode()
        code = self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()
        if code != 0 or self.said:
            raise AssertionError(f'hypervisor_steps ended with {code}: {self.said}')

    def kill(self):
        """As the kernel does when memory runs out."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.said = ''
        for file in (self.process.stdin, self.process.stdout, self.process.stderr):
            file.close()

    def answer(self):
        """Of the last step."""
        if not select.select([self.process.stdout], [], [], STEP_SECONDS)[0]:
            raise AssertionError(f'no answer within {STEP_SECONDS} s')
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(f'hypervisor_steps has ended: {self.process.stderr.read()}')
        answer = json.loads(line)
        if 'error' in answer:
            raise StepError(answer['error'], answer['message'])
        return answer['ok']

    def do(self, *words):
        """A step, and its answer."""
        self.process.stdin.write(json.dumps(words, default=str).encode() + b'\n')
        self.process.stdin.flush()
        return self.answer()

    def freeze(self, machine, disks, chain='test', quiesce=NEVER):
        """`disks`: {name: (change id, size) or None}."""
        rows = [[name, *(kept or (None, 0))] for name, kept in disks.items()]
        return self.do('freeze', machine, {'chain': chain, 'quiesce': quiesce, 'disks': rows})
