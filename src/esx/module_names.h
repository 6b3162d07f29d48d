/* SPDX-License-Identifier: GPL-3.0-or-later */
/* module_names.h: the 8.3 name of every payload.  The algorithm: doc/format/iso.md. */
#pragma once

#include "esx/generation.h"

/* So many payloads may want one name: two hex digits tell them apart. */
#define MODULE_NAME_TWINS_MAX 256

/* Fill `locals` of each profile_vib of `profile` for the VIBs in `vibs` (of struct vib *, those
 * that the profile names), forgetting what was there.  Names are unique and lower case.
 * SLIPWAY_ERROR_LIMIT when more than MODULE_NAME_TWINS_MAX payloads want one name,
 * SLIPWAY_ERROR_CORRUPT for a vfat-name that is no 8.3 name, is used twice or belongs to the
 * medium itself, and for a payload name of which no 8.3 name can be made. */
struct profile;
gboolean module_names_assign(struct profile *profile, GPtrArray *vibs,
                             const struct generation *generation, GError **error);

/* The same for a profile whose VIBs partly have names already (from the image database of a
 * finished ISO): every name that is there stays, payloads without one get names that collide with
 * none.  Also SLIPWAY_ERROR_CORRUPT when names that are there are not unique. */
gboolean module_names_extend(struct profile *profile, GPtrArray *vibs,
                             const struct generation *generation, GError **error);

/* TRUE for 1..8 characters, optionally a dot and 0..3 more, of [a-z0-9_~$#!%&'()@^{}.-]; the last
 * dot is the one that counts (`menu.c32.b00`), the first character is none. */
gboolean module_name_valid(const char *name);
