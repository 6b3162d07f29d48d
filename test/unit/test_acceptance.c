/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/acceptance.h"

static void
test_parse(void)
{
    static const struct {
        const char *text;
        enum acceptance level;
    } rows[] = {
        {"community", ACCEPTANCE_COMMUNITY}, {"CommunitySupported", ACCEPTANCE_COMMUNITY},
        {"partner", ACCEPTANCE_PARTNER},     {"PARTNERSUPPORTED", ACCEPTANCE_PARTNER},
        {"accepted", ACCEPTANCE_ACCEPTED},   {"VMwareAccepted", ACCEPTANCE_ACCEPTED},
        {"Certified", ACCEPTANCE_CERTIFIED}, {"vmwarecertified", ACCEPTANCE_CERTIFIED},
        {"unsigned", ACCEPTANCE_COMMUNITY},  {"signed", ACCEPTANCE_PARTNER},
    };
    static const char *const wrong[] = {"", "none", "gold", "communit", "certified "};
    enum acceptance level;
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_assert_true(acceptance_parse(rows[i].text, &level));
        g_assert_cmpint(level, ==, rows[i].level);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++)
        g_assert_false(acceptance_parse(wrong[i], &level));
}

static void
test_names(void)
{
    for (int i = ACCEPTANCE_COMMUNITY; i <= ACCEPTANCE_CERTIFIED; i++) {
        enum acceptance level;
        g_assert_true(acceptance_parse(acceptance_name((enum acceptance)i), &level));
        g_assert_cmpint((int)level, ==, i);
        g_assert_true(acceptance_parse(acceptance_title((enum acceptance)i), &level));
        g_assert_cmpint((int)level, ==, i);
    }
    g_assert_cmpstr(acceptance_name(ACCEPTANCE_NONE), ==, "");
    g_assert_cmpstr(acceptance_title(ACCEPTANCE_NONE), ==, "");
    g_assert_cmpstr(acceptance_name(ACCEPTANCE_PARTNER), ==, "partner");
    g_assert_cmpstr(acceptance_title(ACCEPTANCE_ACCEPTED), ==, "VMwareAccepted");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/acceptance/parse", test_parse);
    g_test_add_func("/acceptance/names", test_names);
    return g_test_run();
}
