/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/version.h"

#include <string.h>

static int
sign(int number)
{
    return (number > 0) - (number < 0);
}

static void
test_compare(void)
{
    static const struct {
        const char *a, *b;
        int order;
    } rows[] = {
        {"1.0.10", "1.0.9", 1},
        {"1.0", "1.0.0", -1},
        {"1.0-12vmw", "1.0-2vmw", 1},
        {"12vmw", "2vmw", 1},
        {"7.0.0-1.0.15843807", "7.0.0-1.0", 1},
        {"1.0-1OEM.701", "1.0-1OEM.700", 1},
        {"1.0-1OEM.701", "1.0-1vmw.701", -1},
        {"1.0-2.701", "1.0-1OEM.701", 1},
        {"1.0", "1.0", 0},
        {"1.01", "1.1", 0},
        {"1.0", "1.0-0", -1},
        {"2.0", "1.9-9", 1},
        {"1.a", "1.0", -1},
        {"1.", "1.a", -1},
        {"1.7a.05", "1.72", -1},
        {"1.0-3.vmw", "1.0-2.vmw", 1},
        {"8.0.3-0.0.24022510", "8.0.3-0.0.9999999", 1},
        {"99999999999999999999999999", "100000000000000000000000000", -1},
        {"1.B", "1.a", -1},
        {"", "0", -1},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s %s", rows[i].a, rows[i].b);
        g_assert_cmpint(sign(version_compare(rows[i].a, rows[i].b)), ==, rows[i].order);
        g_assert_cmpint(sign(version_compare(rows[i].b, rows[i].a)), ==, -rows[i].order);
    }
}

static void
test_satisfies(void)
{
    static const struct {
        const char *version, *relation, *bound;
        gboolean holds;
    } rows[] = {
        {"7.0.0-1.0.15843807", ">=", "7.0.0-1.0", TRUE},
        {"7.0.0-1.0.15843807", "<<", "7.0.0-1.1", TRUE},
        {"7.0.0-1.0.15843807", ">=", "7.0.0-1.1", FALSE},
        {"7.0.0-1.0.15843807", "=", "7.0.0-1.0", FALSE},
        {"6.7.0-0.0.8169922", ">=", "6.7.0-0.0", TRUE},
        {"6.7.0-0.0.8169922", "<<", "6.7.0-0.1", TRUE},
        /* a bound without a release: only the version parts */
        {"6.7.0-0.0.8169922", "=", "6.7.0", TRUE},
        {"6.7.0-0.0.8169922", "<=", "6.7.0", TRUE},
        {"6.7.0-0.0.8169922", ">>", "6.7.0", FALSE},
        {"6.7.0-0.0.8169922", "<<", "6.7.0", FALSE},
        {"6.7.0", "=", "6.7.0-0.0", FALSE},
        {"6.7.0", "<<", "6.7.0-0.0", TRUE},
        {"6.7.1-0", ">>", "6.7.0", TRUE},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        enum version_relation relation;
        g_test_message("%s %s %s", rows[i].version, rows[i].relation, rows[i].bound);
        g_assert_true(version_relation_parse(rows[i].relation, &relation));
        g_assert_cmpint(version_satisfies(rows[i].version, relation, rows[i].bound), ==,
                        rows[i].holds);
    }
    g_assert_true(version_satisfies(NULL, VERSION_ANY, NULL));
    g_assert_false(version_satisfies(NULL, VERSION_EQUAL, "1"));
    g_assert_false(version_satisfies("1", VERSION_EQUAL, NULL));
}

static void
test_relations(void)
{
    static const char *const texts[] = {"<<", "<=", "=", ">=", ">>"};
    static const char *const wrong[] = {"", "<", ">", "==", "=>", "<<=", " ="};
    enum version_relation relation;
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_assert_true(version_relation_parse(texts[i], &relation));
        g_assert_cmpint(relation, ==, VERSION_LESS + i);
        g_assert_cmpstr(version_relation_text(relation), ==, texts[i]);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++)
        g_assert_false(version_relation_parse(wrong[i], &relation));
    g_assert_cmpstr(version_relation_text(VERSION_ANY), ==, "");
}

static void
test_valid(void)
{
    static const char *const good[] = {"1", "1.0-2vmw.670.0.0.8169922", "a_b.c",
                                       "10.2.0.7253323-8169922"};
    static const char *const bad[] = {"",    "1-2-3", "-1",  "1-",  "-",
                                      "1 0", "1/2",   "1\n", "1+2", "\xc3\xa9"};
    for (gsize i = 0; i < G_N_ELEMENTS(good); i++)
        g_assert_true(version_valid(good[i]));
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++)
        g_assert_false(version_valid(bad[i]));

    char text[130];
    memset(text, '1', sizeof text);
    text[128] = '\0';
    g_assert_true(version_valid(text));
    text[128] = '1';
    text[129] = '\0';
    g_assert_false(version_valid(text));
}

#define MADE 120

static char *
make_version(GRand *rand)
{
    static const char *const fields[] = {"0",    "1", "01", "2",  "10", "1OEM",
                                         "1vmw", "a", "",   "7b", "00"};
    GString *text = g_string_new(NULL);
    int parts = g_rand_int_range(rand, 1, 3);
    for (int part = 0; part < parts; part++) {
        if (part > 0)
            g_string_append_c(text, '-');
        int count = g_rand_int_range(rand, 1, 4);
        for (int i = 0; i < count; i++)
            g_string_append_printf(text, "%s%s", i > 0 ? "." : "",
                                   fields[g_rand_int_range(rand, 0, G_N_ELEMENTS(fields))]);
    }
    return g_string_free(text, FALSE);
}

/* An order is one only when it is total: checked for every pair and triple of a made-up set. */
static void
test_order_is_total(void)
{
    GRand *rand = g_rand_new_with_seed(20260801);
    char *made[MADE];
    for (int i = 0; i < MADE; i++)
        made[i] = make_version(rand);
    for (int i = 0; i < MADE; i++) {
        g_assert_cmpint(version_compare(made[i], made[i]), ==, 0);
        for (int j = 0; j < MADE; j++) {
            int order = sign(version_compare(made[i], made[j]));
            g_assert_cmpint(order, ==, -sign(version_compare(made[j], made[i])));
            for (int k = 0; k < MADE && order <= 0; k++)
                if (version_compare(made[j], made[k]) <= 0)
                    g_assert_cmpint(version_compare(made[i], made[k]), <=, 0);
        }
    }
    for (int i = 0; i < MADE; i++)
        g_free(made[i]);
    g_rand_free(rand);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/version/compare", test_compare);
    g_test_add_func("/version/satisfies", test_satisfies);
    g_test_add_func("/version/relations", test_relations);
    g_test_add_func("/version/valid", test_valid);
    g_test_add_func("/version/order-is-total", test_order_is_total);
    return g_test_run();
}
