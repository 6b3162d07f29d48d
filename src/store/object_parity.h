/* SPDX-License-Identifier: GPL-3.0-or-later */
/* object_parity.h: parity of the small sealed objects without which much is lost: `config`, keys,
 * sets, their flags and screens, rules (doc/format/store.md, "Parity").  Any thread. */
#pragma once

#include "repo/repo.h"

/* Tenths of a per cent; two blocks at least, so that one that is not larger comes back even when
 * nothing is left of it. */
#define OBJECT_PARITY_PERMILLE 10u

/* TRUE when objects of this name have parity, in a store that has any. */
gboolean object_parity_applies(const char *name);
/* "parity/sets/..." of "sets/..."; FALSE for the parity of a pack, and what is none. */
char *object_parity_name(const char *name);
gboolean object_parity_parse(const char *parity_name, char **ret_name);

/* Put the parity of object `name`, whose bytes these are, in place of what may be there; before the
 * object itself, as what is listed is complete.  Does nothing when it is to have none. */
gboolean object_parity_put(struct repo *repo, const char *name, const void *data, gsize length,
                           GError **error);
/* After the object was removed. */
gboolean object_parity_remove(struct repo *repo, const char *name, GError **error);

/* The bytes of an object, which is sealed, as they were: as they are when they have their digest,
 * else healed in memory if that gives what has it, else as they are.  For what must be read before
 * anybody can repair anything.  Fails as repo_read_all(). */
GBytes *object_parity_read(struct repo *repo, const char *name, gsize limit, GError **error);
/* Only what parity makes of it: NULL when the object is as parity wants it, or nothing that has its
 * digest comes out.  *ret_blocks (may be NULL): blocks that differ. */
GBytes *object_parity_heal(struct repo *repo, const char *name, guint64 *ret_blocks);
