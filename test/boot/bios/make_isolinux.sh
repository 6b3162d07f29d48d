#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# make_isolinux.sh SOURCE ISOLINUX.BIN: copy isolinux.bin with its boot information table
# (56 bytes from offset 8) empty.  Debian's comes with one that is filled in well enough to
# boot as it is, and so would not show that whoever makes the ISO has to fill it in.
set -eu
cat "$1" >"$2"
dd if=/dev/zero of="$2" bs=8 seek=1 count=7 conv=notrunc status=none
