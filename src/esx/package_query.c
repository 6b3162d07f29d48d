/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/package_query.h"

#include "base/error.h"

#include <string.h>

#define DATE_MAX 64
#define DATE_ONLY_LENGTH 10 /* 2024-03-01 */
#define MINUTES_LENGTH 16   /* 2024-03-01T12:00 */

/* A depot's title may be a path, and a path any bytes; the matcher wants UTF-8. */
static char *
fold_case(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    return g_utf8_casefold(valid, -1);
}

gboolean
package_query_match(const char *const *patterns, const char *text)
{
    if (patterns == NULL)
        return TRUE;
    g_autofree char *folded = fold_case(text != NULL ? text : "");
    for (gsize i = 0; patterns[i] != NULL; i++) {
        g_autofree char *pattern = fold_case(patterns[i]);
        if (g_pattern_match_simple(pattern, folded))
            return TRUE;
    }
    return FALSE;
}

static gboolean
match_tags(const char *const *patterns, const GPtrArray *tags)
{
    if (patterns == NULL)
        return TRUE;
    for (guint i = 0; i < tags->len; i++)
        if (package_query_match(patterns, tags->pdata[i]))
            return TRUE;
    return FALSE;
}

static gboolean
match_channels(const char *const *patterns, const GPtrArray *channels)
{
    if (patterns == NULL)
        return TRUE;
    for (guint i = 0; channels != NULL && i < channels->len; i++) {
        const struct depot_channel *channel = channels->pdata[i];
        g_autofree char *full = g_strdup_printf("%s/%s", channel->vendor, channel->name);
        if (package_query_match(patterns, channel->name) || package_query_match(patterns, full))
            return TRUE;
    }
    return FALSE;
}

static gboolean
match_acceptance(const enum acceptance *levels, enum acceptance level)
{
    if (levels == NULL)
        return TRUE;
    for (gsize i = 0; levels[i] != ACCEPTANCE_NONE; i++)
        if (levels[i] == level)
            return TRUE;
    return FALSE;
}

static gboolean
match_date(const struct package_query *query, gint64 released)
{
    if (query->created_after == 0 && query->created_before == 0)
        return TRUE;
    if (released == 0)
        return FALSE;
    return (query->created_after == 0 || released >= query->created_after) &&
           (query->created_before == 0 || released < query->created_before);
}

static gboolean
match_package(const struct package_query *query, const struct package *package)
{
    const struct vib *vib = package->vib;
    return match_acceptance(query->acceptance, vib->acceptance) &&
           match_date(query, vib->released) && package_query_match(query->names, vib->name) &&
           package_query_match(query->versions, vib->version) &&
           package_query_match(query->vendors, vib->vendor) && match_tags(query->tags, vib->tags) &&
           package_query_match(query->depots, package->depot->title) &&
           match_channels(query->channels, package->channels);
}

/* Over the depots, not over the set: a package that two depots have passes a filter for either.
 * Of two that pass, the set's own choice is taken. */
static GPtrArray *
collect(const struct package_query *query, struct depot_set *set)
{
    GPtrArray *found = g_ptr_array_new();
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    GPtrArray *depots = depot_set_depots(set);
    for (guint i = 0; i < depots->len; i++) {
        const GPtrArray *packages = ((struct depot *)depots->pdata[i])->packages;
        for (guint j = 0; j < packages->len; j++) {
            struct package *package = packages->pdata[j];
            if (!match_package(query, package) || !g_hash_table_add(seen, package->vib->id))
                continue;
            struct package *best = depot_set_find(set, package->vib->id);
            g_ptr_array_add(found, match_package(query, best) ? best : package);
        }
    }
    return found;
}

static GPtrArray *
keep_newest(GPtrArray *packages)
{
    g_autoptr(GHashTable) places = g_hash_table_new(g_str_hash, g_str_equal);
    GPtrArray *newest = g_ptr_array_new();
    for (guint i = 0; i < packages->len; i++) {
        struct package *package = packages->pdata[i];
        gpointer place;
        if (!g_hash_table_lookup_extended(places, package->vib->name, NULL, &place)) {
            g_hash_table_insert(places, package->vib->name, GUINT_TO_POINTER(newest->len));
            g_ptr_array_add(newest, package);
            continue;
        }
        struct package **kept = (struct package **)&newest->pdata[GPOINTER_TO_UINT(place)];
        if (version_compare(package->vib->version, (*kept)->vib->version) > 0)
            *kept = package;
    }
    g_ptr_array_unref(packages);
    return newest;
}

static int
compare_names(const char *a, const char *b)
{
    int order = g_ascii_strcasecmp(a, b);
    return order != 0 ? order : strcmp(a, b);
}

static int
compare_key(const struct vib *a, const struct vib *b, enum package_sort sort)
{
    switch (sort) {
    case PACKAGE_BY_VERSION:
        return version_compare(a->version, b->version);
    case PACKAGE_BY_VENDOR:
        return compare_names(a->vendor, b->vendor);
    case PACKAGE_BY_DATE:
        return (a->released > b->released) - (a->released < b->released);
    default:
        return 0;
    }
}

static int
compare_packages(gconstpointer a, gconstpointer b, gpointer data)
{
    const struct package_query *query = data;
    const struct vib *x = (*(struct package *const *)a)->vib;
    const struct vib *y = (*(struct package *const *)b)->vib;
    int order = compare_key(x, y, query->sort);
    if (order == 0)
        order = compare_names(x->name, y->name);
    if (order == 0)
        order = version_compare(x->version, y->version);
    if (order == 0)
        order = strcmp(x->id, y->id);
    return query->reverse ? -order : order;
}

GPtrArray *
package_query_run(const struct package_query *query, struct depot_set *set)
{
    GPtrArray *packages = collect(query, set);
    if (query->newest)
        packages = keep_newest(packages);
    g_ptr_array_sort_with_data(packages, compare_packages, (gpointer)query);
    return packages;
}

/* GLib wants seconds; people leave them, or the whole time of day, out. */
static char *
complete_date(const char *text)
{
    gsize length = strlen(text);
    if (length == DATE_ONLY_LENGTH)
        return g_strdup_printf("%sT00:00:00", text);
    if (length == MINUTES_LENGTH)
        return g_strdup_printf("%s:00", text);
    return g_strdup(text);
}

gboolean
package_query_parse_date(const char *text, gint64 *ret_time, GError **error)
{
    g_autoptr(GDateTime) time = NULL;
    if (strlen(text) <= DATE_MAX) {
        g_autofree char *full = complete_date(text);
        g_autoptr(GTimeZone) utc = g_time_zone_new_utc();
        time = g_date_time_new_from_iso8601(full, utc);
    }
    if (time == NULL)
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "'%.64s' is no date; write 2024-03-01 or 2024-03-01T12:00:00Z", text);
    *ret_time = g_date_time_to_unix(time);
    return TRUE;
}
