/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/profile_edit.h"
#include "vib_fixture.h"

static struct profile *
make_profile(const char *vib_names)
{
    struct profile *profile = profile_new("P", "V");
    profile->acceptance = ACCEPTANCE_PARTNER;
    g_auto(GStrv) names = fixture_split(vib_names);
    for (gsize i = 0; names[i] != NULL; i++) {
        g_autofree char *id = g_strdup_printf("ACME_bootbank_%s", names[i]);
        profile_add_vib(profile, id);
    }
    return profile;
}

static void
check_list(const GPtrArray *ids, const char *expected)
{
    g_autoptr(GString) text = g_string_new(NULL);
    for (guint i = 0; i < ids->len; i++)
        g_string_append_printf(text, "%s%s", i > 0 ? "; " : "",
                               (char *)ids->pdata[i] + strlen("ACME_bootbank_"));
    g_assert_cmpstr(text->str, ==, expected);
}

static const struct {
    const char *reference, *compared;
    const char *only_in_ref, *only_in_comp, *upgrades, *downgrades;
} rows[] = {
    {"a_1; b_1", "b_1; a_1", "", "", "", ""},
    {"a_1; b_1; c_1", "a_1", "b_1; c_1", "", "", ""},
    {"a_1", "c_1; b_1; a_1", "", "b_1; c_1", "", ""},
    {"a_9; b_2; c_1", "a_10; b_1; c_1", "", "", "a_10", "b_1"},
    {"a_1-1", "a_1-2", "", "", "a_1-2", ""},
    {"x_1; y_1", "", "x_1; y_1", "", "", ""},
    {"a_1", "a_01", "a_1", "a_01", "", ""},
};

static void
test_rows(void)
{
    auto_ptr(depot_set) set = depot_set_new();
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        auto_ptr(profile) reference = make_profile(rows[i].reference);
        auto_ptr(profile) compared =
            *rows[i].compared != '\0' ? make_profile(rows[i].compared) : profile_new("P", "V");
        compared->acceptance = ACCEPTANCE_PARTNER;
        struct profile_comparison result;
        profile_compare(reference, compared, set, &result);
        check_list(result.only_in_ref, rows[i].only_in_ref);
        check_list(result.only_in_comp, rows[i].only_in_comp);
        check_list(result.upgrade_from_ref, rows[i].upgrades);
        check_list(result.downgrade_from_ref, rows[i].downgrades);
        g_assert_cmpint(result.packages_equal, ==, i == 0);
        g_assert_cmpint(result.equal, ==, i == 0);
        profile_comparison_clear(&result);
    }
}

static void
test_acceptance_counts(void)
{
    auto_ptr(depot_set) set = depot_set_new();
    auto_ptr(profile) reference = make_profile("a_1");
    auto_ptr(profile) compared = make_profile("a_1");
    compared->acceptance = ACCEPTANCE_COMMUNITY;
    struct profile_comparison result;
    profile_compare(reference, compared, set, &result);
    g_assert_true(result.packages_equal);
    g_assert_false(result.equal);
    g_assert_cmpint(result.ref_acceptance, ==, ACCEPTANCE_PARTNER);
    g_assert_cmpint(result.comp_acceptance, ==, ACCEPTANCE_COMMUNITY);
    profile_comparison_clear(&result);
}

/* Ids that mislead: only the descriptor knows where the name ends. */
static void
test_descriptor_decides(void)
{
    auto_ptr(depot_set) set = depot_set_new();
    struct depot *depot = fixture_depot("/d", DEPOT_BUNDLE);
    fixture_offer(depot, fixture_vib(.name = "a", .version = "1_b"));
    fixture_offer(depot, fixture_vib(.name = "a", .version = "2_b"));
    depot_set_add(set, depot);
    auto_ptr(profile) reference = make_profile("a_1_b");
    auto_ptr(profile) compared = make_profile("a_2_b");
    struct profile_comparison result;
    profile_compare(reference, compared, set, &result);
    check_list(result.upgrade_from_ref, "a_2_b");
    check_list(result.only_in_ref, "");
    profile_comparison_clear(&result);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/profile-compare/rows", test_rows);
    g_test_add_func("/profile-compare/acceptance-counts", test_acceptance_counts);
    g_test_add_func("/profile-compare/descriptor-decides", test_descriptor_decides);
    return g_test_run();
}
