/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/near_name.h"
#include "esx/word_list.h"

#include <string.h>

static GPtrArray *
split(const char *words)
{
    GPtrArray *list = g_ptr_array_new_with_free_func(g_free);
    g_auto(GStrv) parts = g_strsplit(words, " ", -1);
    for (gsize i = 0; parts[i] != NULL; i++)
        g_ptr_array_add(list, g_strdup(parts[i]));
    return list;
}

static void
test_word_list(void)
{
    static const struct {
        const char *words;
        guint most;
        const char *text;
    } rows[] = {
        {"a", 3, "a"},
        {"a b", 3, "a and b"},
        {"a b c", 3, "a, b and c"},
        {"a b c d", 3, "a, b, c and 1 more"},
        {"a b c d e", 1, "a and 4 more"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GPtrArray) words = split(rows[i].words);
        g_autofree char *text = word_list_format(words, rows[i].most, "and");
        g_assert_cmpstr(text, ==, rows[i].text);
    }
}

static void
check_hint(const char *wanted, const char *names, const char *expected)
{
    g_autoptr(GPtrArray) list = split(names);
    g_autofree char *hint = near_name_hint(wanted, list);
    g_assert_cmpstr(hint, ==, expected);
}

static void
test_hint(void)
{
    check_hint("ex-base", "esx-base esx-ui vsan", "; did you mean 'esx-base'?");
    check_hint("ESX-BASE", "esx-base vsan", "; did you mean 'esx-base'?");
    check_hint("8168", "net55-r8168 net51-r8168 x",
               "; did you mean 'net51-r8168' or 'net55-r8168'?");
    check_hint("tool", "tools a-tool tools-light too-tool x",
               "; did you mean 'tools', 'a-tool' or 'too-tool'?");
    check_hint("esx-base", "esx-bas esx-bas esx-bas", "; did you mean 'esx-bas'?");
    check_hint("zzzz", "esx-base vsan", "");
    check_hint("ab", "xxabxx", "");
}

static void
test_long_names(void)
{
    g_autofree char *wanted = g_strnfill(5000, 'a');
    g_autofree char *other = g_strnfill(5001, 'a');
    g_autoptr(GPtrArray) list = g_ptr_array_new();
    g_ptr_array_add(list, other);
    g_autofree char *hint = near_name_hint(wanted, list);
    g_assert_true(g_str_has_prefix(hint, "; did you mean 'aaa"));
    g_autofree char *none = near_name_hint("bbb", list);
    g_assert_cmpstr(none, ==, "");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/word-list/format", test_word_list);
    g_test_add_func("/near-name/hint", test_hint);
    g_test_add_func("/near-name/long-names", test_long_names);
    return g_test_run();
}
