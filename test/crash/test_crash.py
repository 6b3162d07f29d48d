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

    faults = ((Fault('kill-before'), 1), (Fault('kill-after'), 7),
              (Fault('power', 'all-undone'), 4), (Fault('power', 'names-lost'), 4),
              (Fault('power', 'names-kept'), 4))

    def interrupt(self, bench, command, fault, point):
        result = bench.run(*command, fault=fault, point=point)
        self.assertEqual(-signal.SIGKILL, result.code, f'{fault}: {result}')


del CommandCase

if __name__ == '__main__':
    unittest.main()
