/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/filter.h"

#include "base/error.h"

gboolean
filter_matches(const char *const *patterns, const char *text)
{
    if (patterns == NULL)
        return TRUE;
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    g_autofree char *folded = g_utf8_casefold(valid, -1);
    for (gsize i = 0; patterns[i] != NULL; i++) {
        g_autofree char *pattern_valid = g_utf8_make_valid(patterns[i], -1);
        g_autofree char *pattern = g_utf8_casefold(pattern_valid, -1);
        if (g_pattern_match_simple(pattern, folded))
            return TRUE;
    }
    return FALSE;
}

/* The query knows titles; users know the short names that `depot list` shows. */
static char **
with_titles(struct workspace *workspace, const char *const *patterns)
{
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    const GPtrArray *depots = workspace_depots(workspace);
    for (gsize i = 0; patterns[i] != NULL; i++) {
        const char *const one[] = {patterns[i], NULL};
        g_strv_builder_add(builder, patterns[i]);
        for (guint j = 0; j < depots->len; j++) {
            const struct workspace_depot *depot = depots->pdata[j];
            if (filter_matches(one, depot->name))
                g_strv_builder_add(builder, depot->title);
        }
    }
    return g_strv_builder_end(builder);
}

gboolean
filter_places(struct session *session, enum option_id depots, enum option_id channels,
              struct package_query *query, char ***ret_depots, GError **error)
{
    *ret_depots = NULL;
    query->channels = session_list(session, channels);
    const char *const *patterns = session_list(session, depots);
    if (patterns == NULL)
        return TRUE;
    struct workspace *workspace = session_workspace(session, error);
    if (workspace == NULL)
        return FALSE;
    *ret_depots = with_titles(workspace, patterns);
    query->depots = (const char *const *)*ret_depots;
    return TRUE;
}

gboolean
filter_levels(struct session *session, enum acceptance **ret_levels, GError **error)
{
    *ret_levels = NULL;
    const char *const *names = session_list(session, OPTION_FILTER_ACCEPTANCE);
    if (names == NULL)
        return TRUE;
    gsize n = g_strv_length((char **)names);
    g_autofree enum acceptance *levels = g_new0(enum acceptance, n + 1);
    for (gsize i = 0; i < n; i++) {
        if (!acceptance_parse(names[i], &levels[i]))
            return error_set(error, SLIPWAY_ERROR_USAGE,
                             "--acceptance %s: one of community, partner, accepted, certified is "
                             "wanted",
                             names[i]);
    }
    *ret_levels = g_steal_pointer(&levels);
    return TRUE;
}
