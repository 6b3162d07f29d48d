#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A change that a command makes to a store fails: it says what and where, and what helps; the store
is sound, and the command can be repeated."""
import errno
import os
import unittest

from crash_case import Fault
from crash_commands import CommandCase
from slipway_case import IO

REMEDIES = {'EIO': '', 'ENOSPC': 'free some space', 'EROFS': 'can be written',
            'EACCES': 'permissions'}


class FaultTest(CommandCase):
    """Only one change fails, or from then on all."""

    faults = tuple((Fault(mode, errno=name), 13) for mode in ('fail-once', 'fail-all')
                   for name in REMEDIES)

    def interrupt(self, bench, command, fault, point):
        result = bench.run(*command, fault=fault, point=point)
        if result.code == self.usual:
            # What is only tidied up at the end may fail.
            if command[0] == 'backup':
                self.assertNotEqual(set(self.contents), set(bench.sets()), str(fault))
            return
        self.assertEqual(IO, result.code, f'{fault}: {result}')
        for word in (os.strerror(getattr(errno, fault.errno)),
                     REMEDIES[fault.errno], str(bench.store)):
            self.assertIn(word, result.stderr, str(fault))


del CommandCase

if __name__ == '__main__':
    unittest.main()
