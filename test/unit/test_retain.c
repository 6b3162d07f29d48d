/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/retain.h"
#include "store_fixture.h"

/* ---- Rules ----------------------------------------------------------------------------------- */

static void
test_parse(void)
{
    static const struct {
        const char *text, *formatted;
    } good[] = {
        {"all", "all"},
        {"typical", "last=5,daily=7,weekly=4,monthly=12,yearly=5"},
        {"last=3", "last=3"},
        {"yearly=1,last=2,daily=0", "last=2,yearly=1"},
        {"weekly=100000", "weekly=100000"},
    };
    static const char *const bad[] = {
        "",         "last",          "last=",    "last=-1", "last=x",
        "last=1,",  "last=1,last=2", "hourly=3", "last=0",  "last=100001",
        " last=1",  "last=1 ",       "last =1",  "Last=1",  "daily=0,last=0",
        "lastly=1", "last=1;daily=2"};
    for (gsize i = 0; i < G_N_ELEMENTS(good); i++) {
        g_autoptr(GError) error = NULL;
        struct store_retention rule;
        retain_parse(good[i].text, &rule, &error);
        g_assert_no_error(error);
        g_autofree char *text = retain_format(&rule);
        g_assert_cmpstr(text, ==, good[i].formatted);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        struct store_retention rule;
        g_assert_false(retain_parse(bad[i], &rule, &error));
        g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_USAGE);
    }
}

/* ---- Choosing -------------------------------------------------------------------------------- */

static gint64
moment(const char *text, GTimeZone *zone)
{
    g_autoptr(GDateTime) time = g_date_time_new_from_iso8601(text, zone);
    g_assert_nonnull(time);
    return g_date_time_to_unix(time);
}

static void
add_set(GPtrArray *entries, gint64 created, gboolean archived)
{
    struct set_entry *entry = g_new0(struct set_entry, 1);
    entry->set = set_new();
    entry->set->name = g_strdup("machine");
    entry->set->created = created;
    entry->flags.archived = archived;
    g_ptr_array_add(entries, entry);
}

static GPtrArray *
new_entries(void)
{
    return g_ptr_array_new_with_free_func((GDestroyNotify)set_entry_free);
}

/* A line for each set: its reasons, or "-". */
static char *
choose(GPtrArray *entries, const char *rule_text, GTimeZone *zone)
{
    struct store_retention rule;
    g_assert_true(retain_parse(rule_text, &rule, NULL));
    g_autoptr(GPtrArray) verdicts = retain_choose(entries, &rule, zone);
    g_assert_cmpuint(verdicts->len, ==, entries->len);
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < verdicts->len; i++) {
        const struct retain_verdict *verdict = verdicts->pdata[i];
        g_assert_true(verdict->entry == entries->pdata[i]);
        if (verdict->reasons->len == 0)
            g_string_append(text, "-");
        for (guint k = 0; k < verdict->reasons->len; k++)
            g_string_append_printf(text, "%s%s", k > 0 ? ", " : "",
                                   (const char *)verdict->reasons->pdata[k]);
        g_string_append_c(text, '\n');
    }
    return g_string_free(text, FALSE);
}

static void
check_choice(const char *const *times, const char *rule, const char *zone_name,
             const char *expected)
{
    g_autoptr(GTimeZone) zone = g_time_zone_new_identifier(zone_name);
    g_assert_nonnull(zone);
    g_autoptr(GPtrArray) entries = new_entries();
    for (gsize i = 0; times[i] != NULL; i++) {
        gboolean archived = g_str_has_prefix(times[i], "archived ");
        add_set(entries, moment(times[i] + (archived ? strlen("archived ") : 0), zone), archived);
    }
    g_autofree char *found = choose(entries, rule, zone);
    g_assert_cmpstr(found, ==, expected);
}

static void
test_choose(void)
{
    const char *const times[] = {
        "2025-12-31T23:00:00", "2026-01-01T01:00:00", "2026-11-20T21:00:00", "2026-11-22T21:00:00",
        "2026-11-23T09:00:00", "2026-11-23T21:00:00", "2026-11-24T21:00:00", NULL};
    check_choice(times, "last=2", "UTC", "-\n-\n-\n-\n-\nlast 2\nlast 1\n");
    /* Days without a set do not count: three days reach back to the 22nd. */
    check_choice(times, "daily=3", "UTC",
                 "-\n-\n-\ndaily 2026-11-22\n-\ndaily 2026-11-23\ndaily 2026-11-24\n");
    /* The 22nd is a Sunday and belongs to week 47, the Monday to 48. */
    check_choice(times, "weekly=2", "UTC", "-\n-\n-\nweekly 2026-W47\n-\n-\nweekly 2026-W48\n");
    check_choice(times, "monthly=2", "UTC", "-\nmonthly 2026-01\n-\n-\n-\n-\nmonthly 2026-11\n");
    check_choice(times, "yearly=2", "UTC", "yearly 2025\n-\n-\n-\n-\n-\nyearly 2026\n");
    /* Both days of New Year are in week 1 of 2026. */
    check_choice(times, "weekly=9", "UTC",
                 "-\nweekly 2026-W01\n-\nweekly 2026-W47\n-\n-\nweekly 2026-W48\n");
    check_choice(times, "last=1,daily=1,yearly=1", "UTC",
                 "-\n-\n-\n-\n-\n-\nlast 1, daily 2026-11-24, yearly 2026\n");
    check_choice(times, "all", "UTC", "all\nall\nall\nall\nall\nall\nall\n");
}

/* Archived sets take nobody's place, and the newest stays whatever the rule says. */
static void
test_archived(void)
{
    const char *const times[] = {"2026-11-20T21:00:00",          "2026-11-21T21:00:00",
                                 "archived 2026-11-22T20:00:00", "2026-11-22T21:00:00",
                                 "archived 2026-11-22T22:00:00", NULL};
    check_choice(times, "last=1", "UTC", "-\n-\narchived\nlast 1\narchived\n");
    check_choice(times, "daily=2", "UTC",
                 "-\ndaily 2026-11-21\narchived\ndaily 2026-11-22\narchived\n");
    const char *const all_archived[] = {"archived 2026-11-20T21:00:00", NULL};
    check_choice(all_archived, "last=1", "UTC", "archived\n");
    const char *const none[] = {NULL};
    check_choice(none, "last=1", "UTC", "");
}

/* Days are those of the calendar where we are, whatever the clocks do in the night. */
static void
test_zones(void)
{
    /* 2026-10-25: the hour from two to three comes twice in Berlin; 2026-03-29: not at all. */
    const char *const autumn[] = {"2026-10-24T23:30:00", "2026-10-25T00:10:00",
                                  "2026-10-25T23:50:00", "2026-10-26T00:10:00", NULL};
    check_choice(autumn, "daily=9", "Europe/Berlin",
                 "daily 2026-10-24\n-\ndaily 2026-10-25\ndaily 2026-10-26\n");
    const char *const spring[] = {"2026-03-28T23:59:00", "2026-03-29T00:01:00",
                                  "2026-03-29T03:01:00", "2026-03-30T00:00:00", NULL};
    check_choice(spring, "daily=9", "Europe/Berlin",
                 "daily 2026-03-28\n-\ndaily 2026-03-29\ndaily 2026-03-30\n");

    g_autoptr(GTimeZone) berlin = g_time_zone_new_identifier("Europe/Berlin");
    g_autoptr(GTimeZone) auckland = g_time_zone_new_identifier("Pacific/Auckland");
    g_autoptr(GPtrArray) entries = new_entries();
    add_set(entries, moment("2026-11-24T12:30:00Z", NULL), FALSE);
    add_set(entries, moment("2026-11-24T22:30:00Z", NULL), FALSE);
    add_set(entries, moment("2026-11-24T23:30:00Z", NULL), FALSE);
    g_autofree char *here = choose(entries, "daily=5", berlin);
    g_assert_cmpstr(here, ==, "-\ndaily 2026-11-24\ndaily 2026-11-25\n");
    g_autofree char *there = choose(entries, "daily=5", auckland);
    g_assert_cmpstr(there, ==, "-\n-\ndaily 2026-11-25\n");
}

/* Four years of nights under `typical`, with a look each morning: what is kept is bounded, and what
 * was kept for a period is there until as many later ones are. */
static void
test_years(void)
{
    g_autoptr(GTimeZone) zone = g_time_zone_new_identifier("Europe/Berlin");
    g_autoptr(GPtrArray) entries = new_entries();
    struct store_retention rule;
    g_assert_true(retain_parse("typical", &rule, NULL));
    g_autoptr(GDateTime) start = g_date_time_new(zone, 2022, 1, 1, 21, 0, 0);
    for (gint day = 0; day < 4 * 365; day++) {
        g_autoptr(GDateTime) time = g_date_time_add_days(start, day);
        add_set(entries, g_date_time_to_unix(time), FALSE);
        g_autoptr(GPtrArray) verdicts = retain_choose(entries, &rule, zone);
        for (guint i = entries->len; i-- > 0;) {
            const struct retain_verdict *verdict = verdicts->pdata[i];
            if (verdict->reasons->len == 0)
                g_ptr_array_remove_index(entries, i);
        }
    }
    g_assert_cmpuint(entries->len, >=, 7 + 3 + 11 + 2);
    g_assert_cmpuint(entries->len, <=, 7 + 4 + 12 + 5);
    g_autoptr(GPtrArray) verdicts = retain_choose(entries, &rule, zone);
    const struct retain_verdict *oldest = verdicts->pdata[0];
    g_assert_cmpstr(oldest->reasons->pdata[0], ==, "yearly 2022");
}

/* ---- Applying -------------------------------------------------------------------------------- */

static void
put_set_of(struct store *store, const char *name, const char *identity, gint64 created,
           gboolean archived)
{
    auto_ptr(set) set = set_new();
    g_autoptr(GError) error = NULL;
    char id[SET_ID_TEXT];
    set->name = g_strdup(name);
    set->identity = g_strdup(identity);
    set->created = created;
    set->host = g_strdup("host");
    set->method = g_strdup("full");
    g_autoptr(GBytes) object = set_seal(set, store_key_of(store), &error);
    g_assert_no_error(error);
    g_autofree char *object_name = g_strdup_printf("sets/%s", set_id_format(&set->id, id));
    fixture_put(store_repo(store), object_name, object);
    struct set_flags flags = {.archived = archived};
    if (archived)
        g_assert_true(store_sets_put_flags(store, &set->id, &flags, NULL));
}

static void
put_set(struct store *store, const char *name, gint64 created, gboolean archived)
{
    put_set_of(store, name, NULL, created, archived);
}

static void
apply(struct store *store, const char *name, const char *rule_text, gboolean dry_run, guint kept,
      guint expired)
{
    g_autoptr(GError) error = NULL;
    struct store_retention rule;
    struct retain_report report;
    guint before = fixture_count(store_repo(store), "sets");
    if (rule_text != NULL)
        g_assert_true(retain_parse(rule_text, &rule, NULL));
    retain_apply(store, name, rule_text != NULL ? &rule : NULL, dry_run, &report, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(report.kept, ==, kept);
    g_assert_cmpuint(report.expired, ==, expired);
    g_assert_cmpuint(report.verdicts->len, ==, kept + expired);
    guint after = fixture_count(store_repo(store), "sets");
    g_assert_cmpuint(after, ==, dry_run ? before : before - expired);
    retain_report_clear(&report);
}

static void
check_apply(gboolean encrypted)
{
    g_autoptr(GError) error = NULL;
    struct store_key *key = encrypted ? store_key_generate(NULL) : NULL;
    auto_ptr(store) store = fixture_init(repo_memory_new(), key, 0);
    for (gint64 day = 0; day < 10; day++) {
        put_set(store, "web", 1700000000 + day * 86400, day == 2);
        put_set(store, "db", 1700000000 + day * 86400, FALSE);
    }
    apply(store, NULL, NULL, FALSE, 20, 0); /* no rule: all stays */
    apply(store, "web", "last=3", TRUE, 4, 6);
    apply(store, "nobody", "last=3", FALSE, 0, 0);
    apply(store, "web", "last=5", FALSE, 6, 4);

    struct store_config config = *store_config(store);
    config.has_retention = TRUE;
    config.retention = (struct store_retention){.last = 4};
    g_assert_true(store_set_config(store, &config, &error));
    struct machine_rule own = {.name = (char *)"db", .retention = {.daily = 8}};
    g_assert_true(machine_rule_put(store, &own, &error));
    apply(store, NULL, NULL, TRUE, 5 + 8, 1 + 2);
    apply(store, NULL, NULL, FALSE, 5 + 8, 1 + 2);
    apply(store, NULL, NULL, FALSE, 5 + 8, 0);
    g_assert_true(machine_rule_remove(store, "db", &error));
    apply(store, NULL, NULL, FALSE, 5 + 4, 4);
    g_assert_cmpuint(fixture_count(store_repo(store), "flags"), ==, 1);
}

static void
test_apply(void)
{
    check_apply(FALSE);
    check_apply(TRUE);
}

static gint64
newest_time(struct store *store, const char *text)
{
    g_autoptr(GError) error = NULL;
    struct set_entry *entry = store_sets_find(store, text, &error);
    g_assert_no_error(error);
    gint64 created = entry->set->created;
    set_entry_free(entry);
    return created;
}

/* The sets of a machine belong together, whatever it was called, and those of two machines never,
 * although they had one name. */
static void
test_identities(void)
{
    g_autoptr(GError) error = NULL;
    auto_ptr(store) store = fixture_init(repo_memory_new(), NULL, 0);
    for (gint64 day = 0; day < 4; day++) {
        put_set_of(store, day < 2 ? "web" : "web-new", "m:1", 1700000000 + day * 86400, FALSE);
        put_set_of(store, day < 1 ? "web" : "web (2)", "m:2", 1700000001 + day * 86400, FALSE);
        put_set_of(store, day < 2 ? "old" : "web-old", "m:3", 1600000000 + day * 86400, FALSE);
        put_set(store, "web-old", 1700000002 + day * 86400, FALSE);
    }
    /* The name that was given up stays the way to the machine, as long as nobody else has it. */
    g_assert_cmpint(newest_time(store, "web"), ==, 1700000000 + 3 * 86400);
    g_assert_cmpint(newest_time(store, "web@latest"), ==, 1700000000 + 3 * 86400);
    g_assert_cmpint(newest_time(store, "web-new"), ==, 1700000000 + 3 * 86400);
    g_assert_cmpint(newest_time(store, "web-new@2023-11-16T11:00"), ==, 1700000000 + 86400);
    g_assert_cmpint(newest_time(store, "web (2)"), ==, 1700000001 + 3 * 86400);
    g_assert_cmpint(newest_time(store, "web-old"), ==, 1700000002 + 3 * 86400);
    g_assert_cmpint(newest_time(store, "old"), ==, 1600000000 + 3 * 86400);

    struct machine_rule own = {.name = (char *)"old", .retention = {.last = 3}};
    g_assert_true(machine_rule_put(store, &own, &error));
    /* A rule for the name that it had before; and of another machine that has the name now. */
    apply(store, "old", NULL, TRUE, 3, 1);
    own = (struct machine_rule){.name = (char *)"web-old", .retention = {.last = 1}};
    g_assert_true(machine_rule_put(store, &own, &error));
    apply(store, NULL, NULL, TRUE, 4 + 4 + 3 + 1, 1 + 3);
    apply(store, "web", "last=2", FALSE, 2, 2);
    apply(store, "web (2)", "last=1", FALSE, 1, 3);
    g_assert_cmpint(newest_time(store, "web-new"), ==, 1700000000 + 3 * 86400);
    apply(store, NULL, "last=1", FALSE, 4, 7);
}

/* A set that cannot be read is named, left alone, and takes nobody's place. */
static void
test_damaged_set(void)
{
    g_autoptr(GError) error = NULL;
    auto_ptr(store) store = fixture_init(repo_memory_new(), NULL, 0);
    for (gint64 day = 0; day < 4; day++)
        put_set(store, "web", 1700000000 + day * 86400, FALSE);
    g_autoptr(GBytes) nonsense = g_bytes_new_static("nonsense", 8);
    fixture_put(store_repo(store), "sets/00112233445566778899aabbccddeeff", nonsense);
    struct store_retention rule = {.last = 2};
    struct retain_report report;
    retain_apply(store, NULL, &rule, FALSE, &report, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(report.damaged->len, ==, 1);
    g_assert_cmpuint(report.expired, ==, 2);
    g_assert_cmpuint(fixture_count(store_repo(store), "sets"), ==, 3);
    retain_report_clear(&report);
}

/* ---- Rules of machines ----------------------------------------------------------------------- */

static void
check_machine_rules(gboolean encrypted)
{
    g_autoptr(GError) error = NULL;
    gboolean failed;
    struct store_key *key = encrypted ? store_key_generate(NULL) : NULL;
    auto_ptr(store) store = fixture_init(repo_memory_new(), key, 0);
    g_assert_null(machine_rule_read(store, "web", &failed, &error));
    g_assert_false(failed);
    struct machine_rule web = {.name = (char *)"web", .retention = {.last = 3, .yearly = 9}};
    struct machine_rule db = {.name = (char *)"db", .retention = {.last = 1}};
    g_assert_true(machine_rule_put(store, &web, &error));
    g_assert_true(machine_rule_put(store, &db, &error));
    web.retention.last = 4;
    g_assert_true(machine_rule_put(store, &web, &error));
    auto_ptr(machine_rule) found = machine_rule_read(store, "web", &failed, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(found->retention.last, ==, 4);
    g_assert_cmpuint(found->retention.yearly, ==, 9);
    g_autoptr(GPtrArray) list = machine_rule_list(store, &error);
    g_assert_cmpuint(list->len, ==, 2);
    g_assert_cmpstr(((struct machine_rule *)list->pdata[0])->name, ==, "db");

    g_autoptr(GPtrArray) names = repo_list(store_repo(store), "rules", &error);
    g_assert_cmpuint(names->len, ==, 2);
    const struct repo_entry *first = names->pdata[0], *second = names->pdata[1];
    /* One object under the other's name is noticed. */
    g_autoptr(GBytes) object = fixture_get(store_repo(store), first->name);
    fixture_put(store_repo(store), second->name, object);
    gboolean web_failed, db_failed;
    struct machine_rule *a = machine_rule_read(store, "web", &web_failed, NULL);
    struct machine_rule *b = machine_rule_read(store, "db", &db_failed, NULL);
    g_assert_true(web_failed != db_failed);
    machine_rule_free(a);
    machine_rule_free(b);
}

static void
test_machine_rules(void)
{
    check_machine_rules(FALSE);
    check_machine_rules(TRUE);
}

/* In an encrypted store the object's name is not the digest of the machine's that anybody makes. */
static void
test_rule_names(void)
{
    struct machine_rule web = {.name = (char *)"web", .retention = {.last = 3}};
    auto_ptr(store) plain = fixture_init(repo_memory_new(), NULL, 0);
    auto_ptr(store) sealed = fixture_init(repo_memory_new(), store_key_generate(NULL), 0);
    g_assert_true(machine_rule_put(plain, &web, NULL));
    g_assert_true(machine_rule_put(sealed, &web, NULL));
    g_autoptr(GPtrArray) a = repo_list(store_repo(plain), "rules", NULL);
    g_autoptr(GPtrArray) b = repo_list(store_repo(sealed), "rules", NULL);
    const struct repo_entry *open = a->pdata[0], *secret = b->pdata[0];
    g_autofree char *digest =
        g_compute_checksum_for_string(G_CHECKSUM_SHA256, "slipway rule web", -1);
    digest[32] = '\0';
    g_assert_cmpstr(open->name + strlen("rules/"), ==, digest);
    g_assert_cmpstr(secret->name, !=, open->name);
    g_autoptr(GError) error = NULL;
    web.name = (char *)"";
    g_assert_false(machine_rule_put(plain, &web, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_USAGE);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/retain/parse", test_parse);
    g_test_add_func("/retain/choose", test_choose);
    g_test_add_func("/retain/archived", test_archived);
    g_test_add_func("/retain/zones", test_zones);
    g_test_add_func("/retain/years", test_years);
    g_test_add_func("/retain/apply", test_apply);
    g_test_add_func("/retain/identities", test_identities);
    g_test_add_func("/retain/damaged-set", test_damaged_set);
    g_test_add_func("/retain/machine-rules", test_machine_rules);
    g_test_add_func("/retain/rule-names", test_rule_names);
    return g_test_run();
}
