/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/filter.h"
#include "cli/json_value.h"
#include "cli/nouns.h"
#include "cli/text.h"

static enum package_sort
choose_sort(const struct session *session)
{
    static const char *const names[] = {
        [PACKAGE_BY_NAME] = "name",
        [PACKAGE_BY_VERSION] = "version",
        [PACKAGE_BY_VENDOR] = "vendor",
        [PACKAGE_BY_DATE] = "date",
    };
    const char *by = session_text(session, OPTION_SORT);
    for (gsize i = 0; by != NULL && i < G_N_ELEMENTS(names); i++) {
        if (g_str_equal(names[i], by))
            return (enum package_sort)i;
    }
    return PACKAGE_BY_NAME;
}

static gboolean
parse_date(const struct session *session, enum option_id id, gint64 *ret_time, GError **error)
{
    const char *text = session_text(session, id);
    return text == NULL || package_query_parse_date(text, ret_time, error);
}

static gboolean
print_packages(struct session *session, const struct package_query *query, GError **error)
{
    struct depot_set *depots = session_depots(session, error);
    if (depots == NULL)
        return FALSE;
    g_autoptr(GPtrArray) packages = package_query_run(query, depots);
    auto_ptr(table) table =
        table_new("Name", "Version", "Vendor", "Release Date", "Acceptance", NULL);
    json_t *list = json_array();
    for (guint i = 0; i < packages->len; i++) {
        const struct package *package = packages->pdata[i];
        const struct vib *vib = package->vib;
        g_autofree char *date = text_date(vib->released);
        table_add(table, vib->name, vib->version, vib->vendor, date,
                  acceptance_name(vib->acceptance), NULL);
        json_array_append_new(list, json_value_package(package));
    }
    ui_table(session_ui(session), table,
             depot_set_depots(depots)->len > 0
                 ? "no package passes these filters"
                 : "no depot is connected; `slipway depot add LOCATION` connects one");
    ui_set(session_ui(session), "packages", list);
    return TRUE;
}

static gboolean
run(struct session *session, GError **error)
{
    g_autofree enum acceptance *levels = NULL;
    g_auto(GStrv) titles = NULL;
    struct package_query query = {
        .names = session_list(session, OPTION_FILTER_NAME),
        .versions = session_list(session, OPTION_FILTER_VERSION),
        .vendors = session_list(session, OPTION_FILTER_VENDOR),
        .tags = session_list(session, OPTION_FILTER_TAG),
        .newest = session_flag(session, OPTION_NEWEST),
        .sort = choose_sort(session),
        .reverse = session_flag(session, OPTION_REVERSE),
    };
    if (!parse_date(session, OPTION_CREATED_AFTER, &query.created_after, error) ||
        !parse_date(session, OPTION_CREATED_BEFORE, &query.created_before, error) ||
        !filter_levels(session, &levels, error) ||
        !filter_places(session, OPTION_FILTER_DEPOT, OPTION_FILTER_CHANNEL, &query, &titles, error))
        return FALSE;
    query.acceptance = levels;
    return print_packages(session, &query, error);
}

const struct verb verb_package_list = {
    .name = "list",
    .summary = "list packages",
    .description =
        "List the packages of all connected depots, each once. A filter that is given several "
        "times passes what any of its values passes; different filters must all pass. Patterns "
        "know * for any text and ? for any character, and ignore case.",
    .options = {OPTION_FILTER_NAME, OPTION_FILTER_VERSION, OPTION_FILTER_VENDOR,
                OPTION_FILTER_ACCEPTANCE, OPTION_FILTER_TAG, OPTION_FILTER_DEPOT,
                OPTION_FILTER_CHANNEL, OPTION_CREATED_AFTER, OPTION_CREATED_BEFORE, OPTION_NEWEST,
                OPTION_SORT, OPTION_REVERSE},
    .examples = {{"slipway package list --name 'net-*' --newest",
                  "the newest version of every network driver"},
                 {"slipway package list --created-after 2024-01-01 --sort date --reverse",
                  "what was released since, newest first"},
                 {"slipway package list --acceptance community --json", "for a program to read"}},
    .run = run,
};
