/* SPDX-License-Identifier: GPL-3.0-or-later */
/* isolinux_cfg.h: isolinux.cfg, the menu that starts the loader on a BIOS machine.
 * Format: doc/format/iso.md. */
#pragma once

#include <glib.h>

/* isolinux.cfg for a profile called `title`.  Control characters in it become blanks. */
GBytes *isolinux_cfg_format(const char *title);
/* isolinux.cfg with the old title in its menu (lines that begin with MENU) replaced by the new
 * one, else as it was: byte for byte, and all of it when there is no such title. */
GBytes *isolinux_cfg_retitle(GBytes *text, const char *old_title, const char *new_title);
