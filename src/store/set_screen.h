/* SPDX-License-Identifier: GPL-3.0-or-later */
/* set_screen.h: what was on the screen of a backed-up machine when it was started for a trial: an
 * object of its own beside the set's flags (doc/format/store.md, "Sets").  Any thread. */
#pragma once

#include "store/set.h"
#include "store/store.h"

#define SET_SCREEN_MAX (4u << 20) /* bytes of the picture, which is a PNG file */

/* Whether it is one that can be kept.  SLIPWAY_ERROR_LIMIT; SLIPWAY_ERROR_CORRUPT: no PNG file. */
gboolean set_screen_check(GBytes *png, GError **error);

/* In the place of the one that may be there.  Fails as set_screen_check() and repo_replace(). */
gboolean set_screen_put(struct store *store, const struct set_id *id, GBytes *png, GError **error);
/* SLIPWAY_ERROR_NOT_FOUND: the set has none; SLIPWAY_ERROR_CORRUPT. */
GBytes *set_screen_read(struct store *store, const struct set_id *id, GError **error);
gboolean set_screen_remove(struct store *store, const struct set_id *id, GError **error);

/* The picture in the payload of an object; SLIPWAY_ERROR_CORRUPT, SLIPWAY_ERROR_UNSUPPORTED. */
GBytes *set_screen_parse(GBytes *payload, const char *label, GError **error);
