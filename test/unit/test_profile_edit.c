/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/profile_edit.h"

#include "base/error.h"
#include "vib_fixture.h"

struct fixture {
    struct depot_set *set;
    struct profile *profile;
    GPtrArray *changes;
};

#define BASE "ACME_bootbank_esx-base_7.0.0-1"
#define NET_1 "ACME_bootbank_net_1.0-1"
#define NET_2 "ACME_bootbank_net_2.0-1"
#define NET_10 "ACME_bootbank_net_10.0-1"
#define TOOL "ACME_bootbank_tool_1.0-1"
#define HOME "ACME_bootbank_home_1.0-1"

static void
set_up(struct fixture *f, gconstpointer data)
{
    (void)data;
    struct depot *depot = fixture_depot("/srv/depot.zip", DEPOT_BUNDLE);
    fixture_offer(depot, fixture_vib(.name = "esx-base", .version = "7.0.0-1", .payloads = "boot:b",
                                     .provides = "esx-version = 7.0.0-1"));
    fixture_offer(depot, fixture_vib(.name = "net", .version = "1.0-1"));
    fixture_offer(depot, fixture_vib(.name = "net", .version = "2.0-1"));
    fixture_offer(depot, fixture_vib(.name = "net", .version = "10.0-1"));
    fixture_offer(depot, fixture_vib(.name = "tool", .version = "1.0-1", .level = "partner",
                                     .depends = "net >= 2.0"));
    fixture_offer(depot, fixture_vib(.name = "home", .version = "1.0-1", .level = "community"));
    fixture_offer(depot, fixture_vib(.name = "shed", .version = "1.0-1", .level = "community"));
    f->set = depot_set_new();
    depot_set_add(f->set, depot);
    f->profile = profile_new("Mine", "Me");
    f->profile->acceptance = ACCEPTANCE_PARTNER;
    f->profile->read_only = FALSE;
    f->profile->serial = 7;
    profile_add_vib(f->profile, BASE);
    profile_add_vib(f->profile, NET_2);
    f->changes = g_ptr_array_new_with_free_func((GDestroyNotify)profile_change_free);
}

static void
tear_down(struct fixture *f, gconstpointer data)
{
    (void)data;
    profile_free(f->profile);
    depot_set_free(f->set);
    g_ptr_array_unref(f->changes);
}

/* "BASE NET" of a profile. */
static char *
vibs_text(const struct profile *profile)
{
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < profile->vibs->len; i++)
        g_string_append_printf(text, "%s%s", i > 0 ? " " : "",
                               ((struct profile_vib *)profile->vibs->pdata[i])->id);
    return g_string_free(text, FALSE);
}

static void
check_vibs(const struct fixture *f, const char *expected)
{
    g_autofree char *text = vibs_text(f->profile);
    g_assert_cmpstr(text, ==, expected);
}

/* "+added -replaced", "v" after a downgrade. */
static void
check_changes(const struct fixture *f, const char *expected)
{
    g_autoptr(GString) text = g_string_new(NULL);
    for (guint i = 0; i < f->changes->len; i++) {
        const struct profile_change *change = f->changes->pdata[i];
        if (change->added != NULL)
            g_string_append_printf(text, "+%s ", change->added);
        if (change->replaced != NULL)
            g_string_append_printf(text, "-%s ", change->replaced);
        g_string_append(text, change->downgrade ? "v; " : "; ");
    }
    g_assert_cmpstr(text->str, ==, expected);
}

/* Add packages by id; `edit` may hold options. */
static gboolean
add_ids(struct fixture *f, struct profile_edit edit, const char *const *ids, GError **error)
{
    edit.profile = f->profile;
    edit.depots = f->set;
    g_autoptr(GPtrArray) packages = g_ptr_array_new();
    for (gsize i = 0; ids[i] != NULL; i++) {
        g_assert_nonnull(depot_set_find(f->set, ids[i]));
        g_ptr_array_add(packages, depot_set_find(f->set, ids[i]));
    }
    return profile_edit_add(&edit, packages, f->changes, NULL, error);
}

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})
#define PLAIN ((struct profile_edit){0})

static void
add_well(struct fixture *f, const char *const *ids)
{
    GError *error = NULL;
    g_assert_true(add_ids(f, PLAIN, ids, &error));
    g_assert_no_error(error);
}

static void
test_add_new(struct fixture *f, gconstpointer data)
{
    (void)data;
    add_well(f, LIST(TOOL));
    check_vibs(f, BASE " " NET_2 " " TOOL);
    check_changes(f, "+" TOOL " ; ");
    g_assert_cmpint(f->profile->serial, ==, 8);
}

static void
test_add_up_and_down(struct fixture *f, gconstpointer data)
{
    (void)data;
    add_well(f, LIST(NET_10));
    check_vibs(f, BASE " " NET_10);
    check_changes(f, "+" NET_10 " -" NET_2 " ; ");
    g_ptr_array_set_size(f->changes, 0);
    add_well(f, LIST(NET_1));
    check_vibs(f, BASE " " NET_1);
    check_changes(f, "+" NET_1 " -" NET_10 " v; ");
}

static void
test_add_the_same(struct fixture *f, gconstpointer data)
{
    (void)data;
    add_well(f, LIST(NET_2));
    check_vibs(f, BASE " " NET_2);
    check_changes(f, "");
    g_assert_cmpint(f->profile->serial, ==, 7);
}

/* A whole channel: several versions of one name, the highest wins whatever the order. */
static void
test_add_many(struct fixture *f, gconstpointer data)
{
    (void)data;
    add_well(f, LIST(NET_1, NET_10, TOOL, NET_2, BASE));
    check_vibs(f, BASE " " NET_10 " " TOOL);
    check_changes(f, "+" NET_10 " -" NET_2 " ; +" TOOL " ; ");
}

/* A profile with one name twice, one of them in no depot: both make room. */
static void
test_add_over_unknown(struct fixture *f, gconstpointer data)
{
    (void)data;
    profile_add_vib(f->profile, "ACME_bootbank_net_11.0-1");
    profile_add_vib(f->profile, "ACME_bootbank_net-more_11.0-1");
    add_well(f, LIST(NET_10));
    check_vibs(f, BASE " ACME_bootbank_net-more_11.0-1 " NET_10);
    check_changes(f, "+" NET_10 " -" NET_2 " ; -ACME_bootbank_net_11.0-1 ; ");
}

static void
test_read_only(struct fixture *f, gconstpointer data)
{
    (void)data;
    g_autoptr(GError) error = NULL;
    f->profile->read_only = TRUE;
    g_assert_false(add_ids(f, (struct profile_edit){.force = TRUE}, LIST(TOOL), &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_READ_ONLY);
    g_assert_cmpstr(error->message, ==,
                    "image profile 'Mine' is read-only; make a clone with `slipway profile new "
                    "NAME --clone 'Mine'` and change that");
    g_clear_error(&error);
    struct profile_edit edit = {.profile = f->profile, .depots = f->set, .force = TRUE};
    g_assert_false(profile_edit_remove(&edit, LIST("net"), f->changes, NULL, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_READ_ONLY);
    check_vibs(f, BASE " " NET_2);
}

/* One VIB too low: nothing of the whole edit happens. */
static void
test_acceptance_refused(struct fixture *f, gconstpointer data)
{
    (void)data;
    g_autoptr(GError) error = NULL;
    g_assert_false(add_ids(f, PLAIN, LIST(TOOL, NET_10, HOME), &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_RULES);
    g_assert_cmpstr(error->message, ==,
                    "VIB " HOME " is CommunitySupported, but image profile 'Mine' wants "
                    "PartnerSupported or better; lower the level of the profile with "
                    "--lower-acceptance, or add it all the same with --force");
    check_vibs(f, BASE " " NET_2);
    check_changes(f, "");
    g_assert_cmpint(f->profile->serial, ==, 7);
    g_clear_error(&error);

    g_assert_false(add_ids(f, PLAIN, LIST(HOME, "ACME_bootbank_shed_1.0-1"), &error));
    g_assert_true(g_str_has_prefix(error->message, "VIB " HOME " (and 1 more VIBs) is "));
}

static void
test_acceptance_lowered(struct fixture *f, gconstpointer data)
{
    (void)data;
    GError *error = NULL;
    g_assert_true(
        add_ids(f, (struct profile_edit){.lower_acceptance = TRUE}, LIST(TOOL, HOME), &error));
    g_assert_no_error(error);
    g_assert_cmpint(f->profile->acceptance, ==, ACCEPTANCE_COMMUNITY);
    check_vibs(f, BASE " " NET_2 " " TOOL " " HOME);

    /* Not lower than needed, and never up. */
    f->profile->acceptance = ACCEPTANCE_CERTIFIED;
    g_assert_true(add_ids(f, (struct profile_edit){.lower_acceptance = TRUE}, LIST(TOOL), &error));
    g_assert_cmpint(f->profile->acceptance, ==, ACCEPTANCE_PARTNER);
    g_assert_true(add_ids(f, (struct profile_edit){.lower_acceptance = TRUE}, LIST(NET_1), &error));
    g_assert_cmpint(f->profile->acceptance, ==, ACCEPTANCE_PARTNER);

    /* As low as the lowest wants. */
    f->profile->acceptance = ACCEPTANCE_CERTIFIED;
    g_assert_true(
        add_ids(f, (struct profile_edit){.lower_acceptance = TRUE}, LIST(TOOL, HOME), &error));
    g_assert_cmpint(f->profile->acceptance, ==, ACCEPTANCE_COMMUNITY);
}

static void
test_acceptance_forced(struct fixture *f, gconstpointer data)
{
    (void)data;
    GError *error = NULL;
    g_assert_true(add_ids(f, (struct profile_edit){.force = TRUE}, LIST(HOME), &error));
    g_assert_no_error(error);
    g_assert_cmpint(f->profile->acceptance, ==, ACCEPTANCE_PARTNER);
    check_vibs(f, BASE " " NET_2 " " HOME);
    g_autoptr(GPtrArray) problems = profile_problems(f->profile, f->set);
    g_assert_cmpint(((struct problem *)problems->pdata[0])->rule, ==, RULE_ACCEPTANCE);
}

/* Broken rules are reported, not refused. */
static void
test_problems_come_back(struct fixture *f, gconstpointer data)
{
    (void)data;
    struct profile_edit edit = {.profile = f->profile, .depots = f->set};
    g_autoptr(GPtrArray) packages = g_ptr_array_new();
    g_ptr_array_add(packages, depot_set_find(f->set, TOOL));
    g_ptr_array_add(packages, depot_set_find(f->set, NET_1));
    g_autoptr(GPtrArray) problems = NULL;
    GError *error = NULL;
    g_assert_true(profile_edit_add(&edit, packages, NULL, &problems, &error));
    g_assert_no_error(error);
    g_assert_cmpuint(problems->len, ==, 1);
    const struct problem *problem = problems->pdata[0];
    g_assert_cmpstr(problem->message, ==,
                    "VIB " TOOL " requires net >= 2.0: net 1.0-1 is in the profile, but 2.0 or "
                    "newer is needed");
    g_assert_cmpstr(problem->remedy, ==,
                    "add " NET_10 " (depot /srv/depot.zip) or " NET_2 " (depot /srv/depot.zip)");
}

static void
test_remove(struct fixture *f, gconstpointer data)
{
    (void)data;
    profile_add_vib(f->profile, TOOL);
    profile_add_vib(f->profile, "Other_bootbank_gone_1.0");
    struct profile_edit edit = {.profile = f->profile, .depots = f->set};
    GError *error = NULL;
    g_autoptr(GPtrArray) problems = NULL;
    g_assert_true(profile_edit_remove(&edit, LIST("net", TOOL, "net", "gone"), f->changes,
                                      &problems, &error));
    g_assert_no_error(error);
    check_vibs(f, BASE);
    check_changes(f, "-" NET_2 " ; -" TOOL " ; -Other_bootbank_gone_1.0 ; ");
    g_assert_cmpuint(problems->len, ==, 0);
    g_assert_cmpint(f->profile->serial, ==, 8);
}

static void
test_remove_unknown(struct fixture *f, gconstpointer data)
{
    (void)data;
    struct profile_edit edit = {.profile = f->profile, .depots = f->set};
    g_autoptr(GError) error = NULL;
    g_assert_false(profile_edit_remove(&edit, LIST("net", "esx-bose"), f->changes, NULL, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND);
    g_assert_cmpstr(error->message, ==,
                    "image profile 'Mine' has no package 'esx-bose'; did you mean 'esx-base'?");
    check_vibs(f, BASE " " NET_2);
    check_changes(f, "");
}

/* What the profile said of its components is not true of other VIBs. */
static void
test_edit_drops_what_is_stale(struct fixture *f, gconstpointer data)
{
    (void)data;
    g_ptr_array_add(f->profile->extra, g_strdup("<baseimageid>x</baseimageid>"));
    f->profile->modified = g_strdup("2018-04-03T22:07:05.129933+00:00");
    f->profile->created = g_strdup("2018-04-03T22:07:05.116999+00:00");
    add_well(f, LIST(NET_2));
    g_assert_cmpuint(f->profile->extra->len, ==, 1);
    g_assert_nonnull(f->profile->modified);
    add_well(f, LIST(NET_10));
    g_assert_cmpuint(f->profile->extra->len, ==, 0);
    g_assert_null(f->profile->modified);
    g_assert_nonnull(f->profile->created);
    g_assert_cmpstr(f->profile->name, ==, "Mine");
}

static void
test_packages(struct fixture *f, gconstpointer data)
{
    (void)data;
    profile_add_vib(f->profile, "Other_bootbank_gone_1.0");
    g_autoptr(GPtrArray) missing = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) packages = profile_packages(f->profile, f->set, missing);
    g_assert_cmpuint(packages->len, ==, 2);
    g_assert_cmpuint(missing->len, ==, 1);
    g_assert_cmpstr(missing->pdata[0], ==, "Other_bootbank_gone_1.0");
    g_autoptr(GPtrArray) problems = profile_problems(f->profile, f->set);
    g_assert_cmpuint(problems->len, ==, 1);
    const struct problem *problem = problems->pdata[0];
    g_assert_cmpint(problem->rule, ==, RULE_MISSING);
    g_assert_cmpstr(problem->vib_id, ==, "Other_bootbank_gone_1.0");
}

#define TEST(name, function)                                                                       \
    g_test_add("/profile-edit/" name, struct fixture, NULL, set_up, function, tear_down)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    TEST("add-new", test_add_new);
    TEST("add-up-and-down", test_add_up_and_down);
    TEST("add-the-same", test_add_the_same);
    TEST("add-many", test_add_many);
    TEST("add-over-unknown", test_add_over_unknown);
    TEST("read-only", test_read_only);
    TEST("acceptance-refused", test_acceptance_refused);
    TEST("acceptance-lowered", test_acceptance_lowered);
    TEST("acceptance-forced", test_acceptance_forced);
    TEST("problems-come-back", test_problems_come_back);
    TEST("remove", test_remove);
    TEST("remove-unknown", test_remove_unknown);
    TEST("edit-drops-what-is-stale", test_edit_drops_what_is_stale);
    TEST("packages", test_packages);
    return g_test_run();
}
