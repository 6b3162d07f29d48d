/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Versions.  The input: three versions and one more word, a line each.
 *
 * Comparing is a total order; of smaller, same and greater exactly one holds; a relation, a level
 * and a date read what is written of them. */
#include "base/error.h"
#include "esx/acceptance.h"
#include "esx/generation.h"
#include "esx/package_query.h"
#include "esx/version.h"
#include "fuzz.h"

#include <string.h>

static int
sign(int order)
{
    return (order > 0) - (order < 0);
}

static void
check_pair(const char *a, const char *b)
{
    g_assert_cmpint(version_compare(a, a), ==, 0);
    g_assert_cmpint(sign(version_compare(a, b)), ==, -sign(version_compare(b, a)));
    gboolean less = version_satisfies(a, VERSION_LESS, b);
    gboolean same = version_satisfies(a, VERSION_EQUAL, b);
    gboolean more = version_satisfies(a, VERSION_GREATER, b);
    g_assert_cmpint(less + same + more, ==, 1);
    g_assert_cmpint(version_satisfies(a, VERSION_LESS_EQUAL, b), ==, less || same);
    g_assert_cmpint(version_satisfies(a, VERSION_GREATER_EQUAL, b), ==, more || same);
    g_assert_true(version_satisfies(a, VERSION_ANY, b));
    /* A bound without a release looks at less than one with it. */
    if ((strchr(a, '-') == NULL) == (strchr(b, '-') == NULL))
        g_assert_cmpint(version_satisfies(b, VERSION_GREATER, a), ==, less);
}

static void
check_word(const char *word)
{
    enum version_relation relation;
    if (version_relation_parse(word, &relation))
        g_assert_cmpstr(version_relation_text(relation), ==, word);
    enum acceptance level, again;
    if (acceptance_parse(word, &level)) {
        g_assert_true(acceptance_parse(acceptance_name(level), &again) && level == again);
        g_assert_true(acceptance_parse(acceptance_title(level), &again) && level == again);
    }
    gint64 time;
    g_autoptr(GError) error = NULL;
    gboolean ok = package_query_parse_date(word, &time, &error);
    fuzz_check(ok, error);
    generation_of_version(word);
    version_valid(word);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *a = fuzz_take_text(&data, &size, '\n');
    g_autofree char *b = fuzz_take_text(&data, &size, '\n');
    g_autofree char *c = fuzz_take_text(&data, &size, '\n');
    g_autofree char *word = fuzz_take_text(&data, &size, '\n');
    check_pair(a, b);
    check_pair(b, c);
    check_pair(a, c);
    if (version_compare(a, b) <= 0 && version_compare(b, c) <= 0)
        g_assert_cmpint(version_compare(a, c), <=, 0);
    if (version_compare(a, b) == 0 && version_compare(b, c) == 0)
        g_assert_cmpint(version_compare(a, c), ==, 0);
    check_word(word);
    return 0;
}
