/* SPDX-License-Identifier: GPL-3.0-or-later */
/* path_rules.h: where partner and community VIBs may place files.  Pure, any thread.
 * The list: doc/format/vib.md. */
#pragma once

#include "esx/acceptance.h"

/* The longest path that a file list may hold, in bytes. */
#define VIB_PATH_MAX 99

/* TRUE when a VIB of `level` may place a file at the relative `path`.  Accepted and certified VIBs
 * may do so anywhere. */
gboolean path_rules_allow(const char *path, enum acceptance level);
