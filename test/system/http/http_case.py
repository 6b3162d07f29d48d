# SPDX-License-Identifier: GPL-3.0-or-later
"""http_case.py: what the test cases of the HTTP client share.

Run the probe, and after each run see that no password or token is in what it
said.  The probe is $HTTP_PROBE.
"""

import json
import os
import random
import subprocess
import tempfile
import unittest

PASSWORD = 's3rver-pa$$word'
PROXY_PASSWORD = 'pr0xy-pass w0rd'
TOKEN = 'bearer-t0ken-0123456789abcdef'
PATH_TOKEN = 'PathT0kenPathT0kenPathT0ken'
QUERY_TOKEN = 'query-t0ken-value'
SECRETS = (PASSWORD, PROXY_PASSWORD, TOKEN, PATH_TOKEN, QUERY_TOKEN,
           's3rver-pa%24%24word', 'pr0xy-pass%20w0rd')

# Exit codes, as doc/exit-codes.md has them.
NOT_FOUND, CORRUPT, LIMIT, NETWORK, DENIED, IO, CANCELLED = 3, 4, 5, 8, 9, 10, 130


def some_bytes(length, seed=1):
    return random.Random(seed).randbytes(length)


class Result:
    def __init__(self, code, text):
        self.code, self.text = code, text
        self.json = json.loads(text) if text.startswith('{') else {}
        self.error = self.json.get('error') or ''
        self.notes = '\n'.join(note for _, note in self.json.get('notes', ()))


class HttpCase(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory(prefix='slipway-http-')
        self.addCleanup(holder.cleanup)
        self.home = holder.name
        self.path = os.path.join(self.home, 'out')

    def write(self, name, data):
        path = os.path.join(self.home, name)
        with open(path, 'wb' if isinstance(data, bytes) else 'w') as file:
            file.write(data)
        return path

    def read(self, path=None):
        with open(path or self.path, 'rb') as file:
            return file.read()

    def password_file(self, secret=PASSWORD):
        return self.write('secret-%d' % len(os.listdir(self.home)), secret + '\n')

    def start(self, *words, environment=None, **more):
        """Start the probe with an environment that has no proxies of the machine's."""
        clean = {name: value for name, value in os.environ.items()
                 if not name.lower().endswith('_proxy')}
        clean.update({'HOME': self.home, **(environment or {})})
        return subprocess.Popen((os.environ['HTTP_PROBE'],) + words, env=clean, text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, **more)

    def finish(self, process):
        out, complaints = process.communicate(timeout=60)
        for secret in SECRETS:
            self.assertNotIn(secret, out)
            self.assertNotIn(secret, complaints)
        self.assertEqual(complaints, '')
        return Result(process.returncode, out)

    def probe(self, verb, *words, environment=None, **more):
        return self.finish(self.start(verb, '--backoff=20', *words, environment=environment,
                                      **more))

    def fetch(self, *words, **more):
        return self.probe('fetch', *words, self.path, **more)

    def fetch_ok(self, *words, **more):
        result = self.fetch(*words, **more)
        self.assertEqual(result.code, 0, result.text)
        self.assertEqual(result.json['advanced'], os.path.getsize(self.path))
        self.assert_no_part()
        return result

    def fetch_fails(self, code, *words, **more):
        result = self.fetch(*words, **more)
        self.assertEqual(result.code, code, result.text)
        self.assertNotEqual(result.error, '')
        return result

    def assert_no_part(self):
        left = [name for name in os.listdir(self.home) if '.part' in name]
        self.assertEqual(left, [])

    def assert_part(self, length):
        self.assertEqual(os.path.getsize(self.path + '.part'), length)
        self.assertTrue(os.path.exists(self.path + '.part.etag'))
        self.assertFalse(os.path.exists(self.path))
