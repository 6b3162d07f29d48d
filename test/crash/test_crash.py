#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A command is stopped at every change that it makes to a store: the store is sound, nothing that
was there is gone, the command can be repeated, and nothing is left over in the end."""
import signal
import unittest

from crash_case import Fault
from crash_commands import CommandCase


class CrashTest(CommandCase):
    """Killed, or without power."""

    afterwards = tuple(Fault('power', how) for how in ('all-undone', 'names-lost', 'names-kept'))
    faults = ((Fault('kill-before'), 1), (Fault('kill-after'), 7),
              *((fault, 4) for fault in afterwards))

    def interrupt(self, bench, command, fault, point):
        result = bench.run(*command, fault=fault, point=point)
        if result.code == self.usual:
            # Names of packs differ from run to run, and so does how many folders are made for them.
            self.assertLess(len(bench.points()), point, f'{fault}: {result}')
            self.assertGreater(point, 20, f'{fault}: {result}')
            return
        self.assertEqual(-signal.SIGKILL, result.code, f'{fault}: {result}')


del CommandCase

if __name__ == '__main__':
    unittest.main()
