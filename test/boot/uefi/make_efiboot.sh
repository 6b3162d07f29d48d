#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# make_efiboot.sh BOOTX64.EFI EFIBOOT.IMG: a FAT image of exactly 1 MiB with the program
# as \EFI\BOOT\BOOTX64.EFI.  The same input gives the same bytes.
set -eu
program=$1
image=$2

export SOURCE_DATE_EPOCH=1577836800 TZ=UTC MTOOLS_SKIP_CHECK=1 MTOOLSRC=/dev/null
rm -f "$image"
truncate -s 1048576 "$image"
mkfs.fat --invariant -i 534c4950 -n EFIBOOT "$image" >/dev/null
mmd -i "$image" ::/EFI ::/EFI/BOOT
mcopy -i "$image" "$program" ::/EFI/BOOT/BOOTX64.EFI
