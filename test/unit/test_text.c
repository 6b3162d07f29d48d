/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/table.h"
#include "cli/text.h"

static void
expect(char *got, const char *wanted)
{
    g_autofree char *text = got;
    g_assert_cmpstr(text, ==, wanted);
}

static void
test_fit(void)
{
    expect(text_fit("abc", 5), "abc  ");
    expect(text_fit("abcde", 5), "abcde");
    expect(text_fit("abcdef", 5), "abcd~");
    expect(text_fit("", 2), "  ");
    expect(text_fit("abc", 0), "");
    /* Two columns each: the third does not fit beside the mark, a blank fills up. */
    expect(text_fit("日本語", 4), "日~ ");
    g_assert_cmpuint(text_width("日本語"), ==, 6);
}

static void
expect_wrapped(const char *text, gsize indent, gsize width, const char *wanted)
{
    g_autoptr(GString) out = g_string_new(NULL);
    text_wrap(out, text, indent, width);
    g_assert_cmpstr(out->str, ==, wanted);
}

static void
test_wrap(void)
{
    expect_wrapped("one two three four", 0, 9, "one two\nthree\nfour\n");
    expect_wrapped("one two three", 2, 9, "one two\n  three\n");
    expect_wrapped("first\n\nsecond", 2, 20, "first\n\n  second\n");
    expect_wrapped("unbreakable", 0, 4, "unbreakable\n");
    expect_wrapped("", 0, 4, "\n");
}

static void
test_clean(void)
{
    expect(text_clean("a\033[2Jb\r\n\tc"), "a?[2Jb?\n\tc");
    expect(text_clean("Z\xc3\xbcrich"), "Z\xc3\xbcrich");
    expect(text_clean("\xff"), "\xef\xbf\xbd");
    /* C1 controls move cursors too. */
    expect(text_clean("\xc2\x9b"), "?");
}

static void
test_numbers(void)
{
    expect(text_bytes(0), "0 B");
    expect(text_bytes(999), "999 B");
    expect(text_bytes(1000), "1.0 kB");
    expect(text_bytes(999949), "999.9 kB");
    expect(text_bytes(999950), "1.0 MB");
    expect(text_bytes(123456789), "123.5 MB");
    expect(text_bytes(G_MAXUINT64), "18.4 EB");
    expect(text_duration(7), "0:07");
    expect(text_duration(3723), "1:02:03");
    expect(text_date(0), "-");
    expect(text_date(1709251200), "2024-03-01");
    expect(text_iso_date("2024-03-01T12:00:00+00:00"), "2024-03-01");
    expect(text_iso_date(NULL), "-");
    expect(text_iso_date("yesterday"), "-");
    expect(text_count(1, "VIB", "VIBs"), "1 VIB");
    expect(text_count(0, "VIB", "VIBs"), "0 VIBs");
}

static struct table *
packages(void)
{
    struct table *table = table_new("Name", "Version", ">VIBs", NULL);
    table_add(table, "esx-base", "8.0.3-0.0.24022510", "1", NULL);
    table_add(table, "nmlx5-core", "4.23.0.36-15vmw.803.0.0.24022510", "120", NULL);
    return table;
}

static void
test_table(void)
{
    auto_ptr(table) table = packages();
    expect(table_format(table, 0), "Name        Version                           VIBs\n"
                                   "esx-base    8.0.3-0.0.24022510                   1\n"
                                   "nmlx5-core  4.23.0.36-15vmw.803.0.0.24022510   120\n");
    /* The widest column gives way first. */
    expect(table_format(table, 36), "Name        Version             VIBs\n"
                                    "esx-base    8.0.3-0.0.24022510     1\n"
                                    "nmlx5-core  4.23.0.36-15vmw.8~   120\n");
    /* Below what can be read nothing more is cut. */
    expect(table_format(table, 1), "Name    Versi~  VIBs\n"
                                   "esx-b~  8.0.3~     1\n"
                                   "nmlx5~  4.23.~   120\n");
}

static void
test_table_of_nothing(void)
{
    auto_ptr(table) table = table_new("Name", NULL);
    expect(table_format(table, 0), "");
}

static void
test_table_of_strangers(void)
{
    auto_ptr(table) table = table_new("Name", "Note", NULL);
    table_add(table, "a\nb", "\033]0;x", NULL);
    expect(table_format(table, 0), "Name  Note\n"
                                   "a b   ?]0;x\n");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/text/fit", test_fit);
    g_test_add_func("/text/wrap", test_wrap);
    g_test_add_func("/text/clean", test_clean);
    g_test_add_func("/text/numbers", test_numbers);
    g_test_add_func("/table/columns", test_table);
    g_test_add_func("/table/nothing", test_table_of_nothing);
    g_test_add_func("/table/strangers", test_table_of_strangers);
    return g_test_run();
}
