/* SPDX-License-Identifier: GPL-3.0-or-later */
/* package_query.h: Get-EsxSoftwarePackage: which packages pass a filter, in which order. */
#pragma once

#include "esx/depot_set.h"

enum package_sort { PACKAGE_BY_NAME, PACKAGE_BY_VERSION, PACKAGE_BY_VENDOR, PACKAGE_BY_DATE };

/* Lists of glob patterns (`*`, `?`), any of which may match, case ignored; NULL: no filter. */
struct package_query {
    const char *const *names;
    const char *const *versions;
    const char *const *vendors;
    const char *const *tags;
    const char *const *depots;         /* match against the depot's title */
    const char *const *channels;       /* match against `name` or `vendor/name` */
    const enum acceptance *acceptance; /* NULL or a list ended by ACCEPTANCE_NONE */
    gint64 created_after;              /* at or after, seconds since 1970 UTC; 0: none */
    gint64 created_before; /* before this; 0: none.  A VIB without a date passes neither */
    gboolean newest;       /* of each name only the highest version that passed the rest */
    enum package_sort sort;
    gboolean reverse;
};

/* of struct package *, one an id, ascending (ties by name, version, id); the caller unrefs. */
GPtrArray *package_query_run(const struct package_query *query, struct depot_set *set);

/* "2024-03-01", "2024-03-01T12:00:00Z", ... as seconds since 1970 UTC (a date without a zone is
 * UTC).  SLIPWAY_ERROR_USAGE. */
gboolean package_query_parse_date(const char *text, gint64 *ret_time, GError **error);

/* TRUE when any of the glob patterns matches `text` (NULL: as ""), case ignored; also when
 * `patterns` is NULL. */
gboolean package_query_match(const char *const *patterns, const char *text);
