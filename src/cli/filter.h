/* SPDX-License-Identifier: GPL-3.0-or-later */
/* filter.h: filters of lists, from the options of a command. */
#pragma once

#include "cli/session.h"
#include "esx/package_query.h"

/* TRUE when `patterns` is NULL or one of it matches `text`: `*` and `?`, case ignored. */
gboolean filter_matches(const char *const *patterns, const char *text);

/* A query over depots and channels, whose patterns may also be names of connected depots.
 * `channels` and `depots` are options.  What it points to is owned by `*ret_depots` (g_strfreev).
 */
gboolean filter_places(struct session *session, enum option_id depots, enum option_id channels,
                       struct package_query *query, char ***ret_depots, GError **error);

/* The levels of --acceptance, ended by ACCEPTANCE_NONE; NULL when none was given.  Free with
 * g_free().  FALSE with SLIPWAY_ERROR_USAGE. */
gboolean filter_levels(struct session *session, enum acceptance **ret_levels, GError **error);
