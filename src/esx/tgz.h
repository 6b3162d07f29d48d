/* SPDX-License-Identifier: GPL-3.0-or-later */
/* tgz.h: a small .tgz in memory that depends on nothing but names and contents: plain ustar,
 * sorted bytewise, owner 0, time 0, directories 0755, files 0644.
 *
 * What imgdb.tgz and its like are.  One object belongs to one thread. */
#pragma once

#include "base/auto_ptr.h"

#include <glib.h>

struct tgz;

struct tgz *tgz_new(void);
void tgz_free(struct tgz *tgz);
AUTO_PTR_DEFINE(tgz, tgz_free)

/* Add a file under a relative `path`; the directories above it come by themselves.  A path that
 * ends in a slash is a directory.  The same path again replaces what was there.  Keeps a
 * reference to `data`. */
void tgz_add(struct tgz *tgz, const char *path, GBytes *data);

/* The bytes.  SLIPWAY_ERROR_LIMIT names a path that ustar cannot hold, or when the archive grows
 * beyond 4 GiB; SLIPWAY_ERROR_FAILED for what the library says. */
GBytes *tgz_format(const struct tgz *tgz, GError **error);
