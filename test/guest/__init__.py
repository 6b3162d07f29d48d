# SPDX-License-Identifier: GPL-3.0-or-later
"""A Linux guest in an emulator: Debian's kernel and tools, as an initiator of iSCSI and a client of
NBD.  See README.md."""
