# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests in the Linux guest share: one guest for all tests of a process, made new when one was
left in a state that nobody knows."""
import atexit
import unittest

from guest import machine
from served_case import SECRET, TARGET_SECRET, ServedCase

running = []


def the_guest():
    """The one that runs, or a new one."""
    if running and not running[0].good:
        running.pop().close()
    if not running:
        running.append(machine.Guest())
    return running[0]


@atexit.register
def end_guest():
    """At the end of the process."""
    while running:
        running.pop().close()


@unittest.skipIf(machine.missing(), machine.missing())
class GuestCase(ServedCase):
    """A test with a guest, which has no session before and after it."""

    def setUp(self):
        super().setUp()
        self.guest = the_guest()
        self.left = False

    def serve(self, *arguments, **options):
        """The guest leaves before the export ends, which it would wait for."""
        export = super().serve(*arguments, **options)
        self.addCleanup(self.leave)
        return export

    def leave(self):
        """A guest that cannot be tidied up is not used again."""
        if self.left or not self.guest.good:
            return
        self.left = True
        try:
            self.guest.run('umount /mnt 2>/dev/null || true\n'
                           'iscsiadm -m node --logout >/dev/null 2>&1 || true\n'
                           'rm -rf /etc/iscsi/nodes/* /etc/iscsi/send_targets/*\nno_disks',
                           seconds=60)
        except machine.GuestError:
            self.guest.good = False
            raise

    def portal(self, export):
        """Where the guest finds it."""
        return f'{machine.HOST}:{export.port}'

    def node(self, export):
        """The words of every iscsiadm about it."""
        return f'iscsiadm -m node -T {export.name} -p {self.portal(export)}'

    def settings(self, export, settings):
        """A script that changes a node's record."""
        return ''.join(f"{self.node(export)} -o update -n '{name}' -v '{value}'\n"
                       for name, value in settings.items())

    def make_node(self, export, settings=None):
        """A node's record, by hand; with CHAP unless `settings` is an empty dictionary."""
        if settings is None:
            settings = account()
        self.guest.run(f'iscsiadm -m node -o new -T {export.name} -p {self.portal(export)},1\n'
                       + self.settings(export, settings))

    def log_in(self, export, code=0):
        """What iscsiadm says."""
        return self.guest.run(f'{self.node(export)} --login', code=code)

    def log_out(self, export):
        """And wait until the disks are gone."""
        return self.guest.run(f'{self.node(export)} --logout\nno_disks')


def account(secret=SECRET, target_secret=None, **more):
    """The settings of a node for CHAP."""
    settings = {'node.session.auth.authmethod': 'CHAP', 'node.session.auth.username': 'reader',
                'node.session.auth.password': secret}
    if target_secret is not None:
        settings |= {'node.session.auth.username_in': 'keeper',
                     'node.session.auth.password_in': target_secret}
    return settings | more


def both_accounts(**more):
    """Mutual."""
    return account(target_secret=TARGET_SECRET, **more)
