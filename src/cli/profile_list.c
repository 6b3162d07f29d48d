/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/filter.h"
#include "cli/json_value.h"
#include "cli/nouns.h"
#include "cli/text.h"

#define WORKSPACE_SOURCE "workspace"

struct entry {
    const struct profile *profile;
    const char *source; /* title of the depot */
    gint64 time;
};

static const char *
written_time(const struct profile *profile)
{
    return profile->modified != NULL ? profile->modified : profile->created;
}

/* Of a depot's profile what it says of itself; of one's own when it was saved. */
static gint64
time_of(struct workspace *own, const struct profile *profile)
{
    if (own != NULL)
        return workspace_profile_saved(own, profile);
    g_autoptr(GTimeZone) utc = g_time_zone_new_utc();
    const char *text = written_time(profile);
    g_autoptr(GDateTime) time = text != NULL ? g_date_time_new_from_iso8601(text, utc) : NULL;
    return time != NULL ? g_date_time_to_unix(time) : 0;
}

static gint
compare_entries(gconstpointer a, gconstpointer b)
{
    const struct entry *first = a, *second = b;
    if (first->time != second->time)
        return first->time > second->time ? -1 : 1;
    int order = g_strcmp0(first->profile->name, second->profile->name);
    return order != 0 ? order : g_strcmp0(first->profile->vendor, second->profile->vendor);
}

static gboolean
has_level(const enum acceptance *levels, enum acceptance level)
{
    for (gsize i = 0; levels != NULL && levels[i] != ACCEPTANCE_NONE; i++) {
        if (levels[i] == level)
            return TRUE;
    }
    return levels == NULL;
}

static void
add_profiles(struct session *session, const enum acceptance *levels, struct workspace *own,
             const GPtrArray *profiles, const char *source, GArray *entries)
{
    for (guint i = 0; i < profiles->len; i++) {
        const struct profile *profile = profiles->pdata[i];
        if (!filter_matches(session_list(session, OPTION_FILTER_NAME), profile->name) ||
            !filter_matches(session_list(session, OPTION_FILTER_VENDOR), profile->vendor) ||
            !has_level(levels, profile->acceptance))
            continue;
        struct entry entry = {profile, source, time_of(own, profile)};
        g_array_append_val(entries, entry);
    }
}

static void
print_entries(struct session *session, const GArray *entries)
{
    auto_ptr(table) table =
        table_new("Name", "Vendor", "Last Modified", "Acceptance", ">VIBs", "Source", NULL);
    json_t *list = json_array();
    for (guint i = 0; i < entries->len; i++) {
        const struct entry *entry = &g_array_index(entries, struct entry, i);
        const struct profile *profile = entry->profile;
        g_autofree char *date = text_date(entry->time);
        g_autofree char *vibs = g_strdup_printf("%u", profile->vibs->len);
        g_autofree char *last = g_path_get_basename(entry->source);
        table_add(table, profile->name, profile->vendor, date,
                  acceptance_title(profile->acceptance), vibs, last, NULL);
        json_array_append_new(list, json_value_profile(profile, entry->source));
    }
    ui_table(session_ui(session), table,
             "no image profile is there; `slipway depot add LOCATION` connects a depot that has "
             "some");
    ui_set(session_ui(session), "profiles", list);
}

static gboolean
collect(struct session *session, const enum acceptance *levels, const char *const *sources,
        GArray *entries, GError **error)
{
    struct depot_set *set = session_depots(session, error);
    if (set == NULL)
        return FALSE;
    struct workspace *workspace = session_workspace(session, NULL);
    if (filter_matches(sources, WORKSPACE_SOURCE))
        add_profiles(session, levels, workspace, workspace_profiles(workspace), WORKSPACE_SOURCE,
                     entries);
    const GPtrArray *depots = depot_set_depots(set);
    for (guint i = 0; i < depots->len; i++) {
        const struct depot *depot = depots->pdata[i];
        if (filter_matches(sources, depot->title))
            add_profiles(session, levels, NULL, depot->profiles, depot->title, entries);
    }
    return TRUE;
}

static gboolean
run(struct session *session, GError **error)
{
    g_autofree enum acceptance *levels = NULL;
    g_auto(GStrv) titles = NULL;
    struct package_query query = {0};
    g_autoptr(GArray) entries = g_array_new(FALSE, FALSE, sizeof(struct entry));
    if (!filter_levels(session, &levels, error) ||
        !filter_places(session, OPTION_FILTER_DEPOT, OPTION_FILTER_CHANNEL, &query, &titles,
                       error) ||
        !collect(session, levels, query.depots, entries, error))
        return FALSE;
    g_array_sort(entries, compare_entries);
    print_entries(session, entries);
    return TRUE;
}

const struct verb verb_profile_list = {
    .name = "list",
    .summary = "list image profiles",
    .description = "List the image profiles of the workspace and of all connected depots, newest "
                   "first. Of one's own the time is when it was saved last.",
    .options = {OPTION_FILTER_NAME, OPTION_FILTER_VENDOR, OPTION_FILTER_ACCEPTANCE,
                OPTION_FILTER_DEPOT},
    .examples = {{"slipway profile list --name '*-standard'", "the standard images"},
                 {"slipway profile list --depot workspace", "one's own"}},
    .run = run,
};
