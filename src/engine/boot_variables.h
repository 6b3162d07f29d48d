/* SPDX-License-Identifier: GPL-3.0-or-later */
/* boot_variables.h: the variables of a UEFI firmware that never saw the disks it is to boot from.
 *
 * Where a machine's loader is, its firmware knows from a boot entry, and a backup of disks has
 * none.  What is left is \EFI\BOOT\BOOTX64.EFI, which not every system installs.  Pure. */
#pragma once

#include <glib.h>

/* Add boot entries for the loaders of systems that are known to an image of EDK2's variable store,
 * in place.  An entry whose file is on no disk is passed over.  FALSE, with nothing changed, when
 * it is no such image, has boot entries of its own, or no room. */
gboolean boot_variables_add_loaders(guint8 *image, gsize length);
