/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/package_query.h"

#include "base/error.h"
#include "vib_fixture.h"

static struct depot_channel *
add_channel(struct depot *depot, struct package *package, const char *vendor, const char *name)
{
    struct depot_channel *channel = g_new0(struct depot_channel, 1);
    channel->vendor = g_strdup(vendor);
    channel->name = g_strdup(name);
    channel->versions = g_ptr_array_new();
    g_ptr_array_add(depot->channels, channel);
    g_ptr_array_add(package->channels, channel);
    return channel;
}

static struct depot_set *
make_set(void)
{
    struct depot *main_depot = fixture_depot("https://depot.example.org/main", DEPOT_ONLINE);
    struct depot *bundle = fixture_depot("/srv/Drivers.zip", DEPOT_BUNDLE);
    struct package *base =
        fixture_offer(main_depot, fixture_vib(.name = "esx-base", .version = "7.0.0-1.0",
                                              .vendor = "VMware", .tags = "boot; category:base",
                                              .date = "2020-03-16T00:00:00+00:00"));
    struct package *net = fixture_offer(
        main_depot,
        fixture_vib(.name = "net-e1000", .version = "1.0.9-1", .vendor = "VMW", .level = "accepted",
                    .tags = "driver; module", .date = "2019-12-31T23:59:59+00:00"));
    fixture_offer(bundle, fixture_vib(.name = "net-e1000", .version = "1.0.10-1", .vendor = "INT",
                                      .level = "partner", .tags = "Driver",
                                      .date = "2021-05-11T08:00:00+00:00"));
    fixture_offer(bundle, fixture_vib(.name = "Net-Zed", .version = "0.1-1", .level = "community",
                                      .date = "2018-01-01T00:00:00"));
    fixture_offer(bundle, fixture_vib(.name = "net-e1000", .version = "1.0.9-1", .vendor = "VMW",
                                      .level = "accepted", .tags = "driver; module",
                                      .date = "2019-12-31T23:59:59+00:00"));
    fixture_offer(bundle, fixture_vib(.name = "undated", .version = "1", .date = "someday"));
    add_channel(main_depot, base, "VMware", "default");
    add_channel(main_depot, net, "VMware", "iovp-main");
    struct depot_set *set = depot_set_new();
    depot_set_add(set, main_depot);
    depot_set_add(set, bundle);
    return set;
}

static void
check(const struct package_query *query, const char *expected)
{
    auto_ptr(depot_set) set = make_set();
    g_autoptr(GPtrArray) packages = package_query_run(query, set);
    g_autoptr(GString) text = g_string_new(NULL);
    for (guint i = 0; i < packages->len; i++) {
        const struct vib *vib = ((struct package *)packages->pdata[i])->vib;
        g_string_append_printf(text, "%s%s %s", i > 0 ? ", " : "", vib->name, vib->version);
    }
    g_assert_cmpstr(text->str, ==, expected);
}

#define CHECK(expected, ...) check(&(struct package_query){__VA_ARGS__}, expected)
#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

#define ALL "esx-base 7.0.0-1.0, net-e1000 1.0.9-1, net-e1000 1.0.10-1, Net-Zed 0.1-1, undated 1"

static void
test_names(void)
{
    CHECK(ALL, .names = NULL);
    CHECK(ALL, .names = LIST("*"));
    CHECK("net-e1000 1.0.9-1, net-e1000 1.0.10-1", .names = LIST("NET-E1000"));
    CHECK("net-e1000 1.0.9-1, net-e1000 1.0.10-1, Net-Zed 0.1-1", .names = LIST("net-*"));
    CHECK("esx-base 7.0.0-1.0, Net-Zed 0.1-1", .names = LIST("net-?ed", "esx-base"));
    CHECK("", .names = LIST("net"));
    CHECK("", .names = LIST("net-[ez]*"));
    CHECK("", .names = ((const char *const[]){NULL}));
}

static void
test_other_texts(void)
{
    CHECK("net-e1000 1.0.9-1, net-e1000 1.0.10-1", .versions = LIST("1.0.*"));
    CHECK("esx-base 7.0.0-1.0, net-e1000 1.0.9-1", .vendors = LIST("vm*"));
    CHECK("net-e1000 1.0.9-1, net-e1000 1.0.10-1", .tags = LIST("driver"));
    CHECK("esx-base 7.0.0-1.0", .tags = LIST("CATEGORY:*"));
    CHECK("net-e1000 1.0.10-1", .names = LIST("net*"), .vendors = LIST("int"));
}

/* The shared VIB is found in either depot. */
static void
test_depots_and_channels(void)
{
    CHECK("esx-base 7.0.0-1.0, net-e1000 1.0.9-1", .depots = LIST("*example.org*"));
    CHECK("net-e1000 1.0.9-1, net-e1000 1.0.10-1, Net-Zed 0.1-1, undated 1",
          .depots = LIST("*drivers.zip"));
    CHECK("esx-base 7.0.0-1.0", .channels = LIST("default"));
    CHECK("esx-base 7.0.0-1.0, net-e1000 1.0.9-1", .channels = LIST("vmware/*"));
    CHECK("", .channels = LIST("dell/*"));
}

/* Which of its two packages is given: the set's choice, unless the filter is for the other. */
static void
test_shared_package(void)
{
    static const struct {
        const char *depot;
        enum depot_kind kind;
    } rows[] = {{"*", DEPOT_BUNDLE}, {"https*", DEPOT_ONLINE}, {"/srv/*", DEPOT_BUNDLE}};
    auto_ptr(depot_set) set = make_set();
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        struct package_query query = {.versions = LIST("1.0.9-1"), .depots = LIST(rows[i].depot)};
        g_autoptr(GPtrArray) packages = package_query_run(&query, set);
        g_assert_cmpuint(packages->len, ==, 1);
        g_assert_cmpint(((struct package *)packages->pdata[0])->depot->kind, ==, rows[i].kind);
    }
}

static void
test_acceptance(void)
{
    static const enum acceptance low[] = {ACCEPTANCE_COMMUNITY, ACCEPTANCE_PARTNER,
                                          ACCEPTANCE_NONE};
    static const enum acceptance nothing[] = {ACCEPTANCE_NONE};
    CHECK("net-e1000 1.0.10-1, Net-Zed 0.1-1", .acceptance = low);
    CHECK("", .acceptance = nothing);
}

static gint64
date(const char *text)
{
    GError *error = NULL;
    gint64 time;
    g_assert_true(package_query_parse_date(text, &time, &error));
    g_assert_no_error(error);
    return time;
}

static void
test_dates(void)
{
    CHECK("esx-base 7.0.0-1.0, net-e1000 1.0.10-1", .created_after = date("2020-01-01"));
    CHECK("esx-base 7.0.0-1.0, net-e1000 1.0.10-1", .created_after = date("2020-03-16"));
    CHECK("net-e1000 1.0.10-1", .created_after = date("2020-03-16T00:00:01Z"));
    CHECK("net-e1000 1.0.9-1, Net-Zed 0.1-1", .created_before = date("2020-03-16"));
    CHECK("net-e1000 1.0.9-1", .created_after = date("2019-01-01"),
          .created_before = date("2020-01-01"));
}

static void
test_newest(void)
{
    CHECK("esx-base 7.0.0-1.0, net-e1000 1.0.10-1, Net-Zed 0.1-1, undated 1", .newest = TRUE);
    /* The highest of what passed the rest. */
    CHECK("net-e1000 1.0.9-1", .newest = TRUE, .vendors = LIST("VMW"));
}

static void
test_sort(void)
{
    CHECK("undated 1, Net-Zed 0.1-1, net-e1000 1.0.10-1, net-e1000 1.0.9-1, esx-base 7.0.0-1.0",
          .reverse = TRUE);
    CHECK("Net-Zed 0.1-1, undated 1, net-e1000 1.0.9-1, net-e1000 1.0.10-1, esx-base 7.0.0-1.0",
          .sort = PACKAGE_BY_VERSION);
    CHECK("Net-Zed 0.1-1, undated 1, net-e1000 1.0.10-1, net-e1000 1.0.9-1, esx-base 7.0.0-1.0",
          .sort = PACKAGE_BY_VENDOR);
    CHECK("undated 1, Net-Zed 0.1-1, net-e1000 1.0.9-1, esx-base 7.0.0-1.0, net-e1000 1.0.10-1",
          .sort = PACKAGE_BY_DATE);
}

static void
test_parse_date(void)
{
    static const struct {
        const char *text;
        gint64 time;
    } rows[] = {
        {"2024-03-01", 1709251200},          {"2024-03-01T12:00", 1709294400},
        {"2024-03-01T12:00:00", 1709294400}, {"2024-03-01T12:00:00Z", 1709294400},
        {"2024-03-01 12:00:00", 1709294400}, {"2024-03-01T12:00:00+02:00", 1709287200},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        g_assert_cmpint(date(rows[i].text), ==, rows[i].time);

    static const char *const wrong[] = {
        "", "yesterday", "2024", "2024-13-01", "2024-02-30", "01.03.2024", "2024-03-01T25:00:00Z"};
    for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(GError) error = NULL;
        gint64 time;
        g_assert_false(package_query_parse_date(wrong[i], &time, &error));
        g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_USAGE);
        g_autofree char *expected =
            g_strdup_printf("'%s' is no date; write 2024-03-01 or 2024-03-01T12:00:00Z", wrong[i]);
        g_assert_cmpstr(error->message, ==, expected);
    }
    g_autofree char *endless = g_strnfill(100000, '1');
    gint64 time;
    g_assert_false(package_query_parse_date(endless, &time, NULL));
}

static void
test_match(void)
{
    g_assert_true(package_query_match(NULL, NULL));
    g_assert_true(package_query_match(LIST("*"), NULL));
    g_assert_false(package_query_match(LIST("?"), ""));
    g_assert_true(package_query_match(LIST("\xc3\x84*"), "\xc3\xa4pfel"));
    g_assert_false(package_query_match(LIST("*????"), "ab\xf0"));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/package-query/names", test_names);
    g_test_add_func("/package-query/other-texts", test_other_texts);
    g_test_add_func("/package-query/depots-and-channels", test_depots_and_channels);
    g_test_add_func("/package-query/shared-package", test_shared_package);
    g_test_add_func("/package-query/acceptance", test_acceptance);
    g_test_add_func("/package-query/dates", test_dates);
    g_test_add_func("/package-query/newest", test_newest);
    g_test_add_func("/package-query/sort", test_sort);
    g_test_add_func("/package-query/parse-date", test_parse_date);
    g_test_add_func("/package-query/match", test_match);
    return g_test_run();
}
