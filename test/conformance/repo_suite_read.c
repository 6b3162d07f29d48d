/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "repo_suite_private.h"

static void
check_ranges(struct repo *repo, const char *name, GBytes *bytes)
{
    g_autoptr(GError) error = NULL;
    gsize length;
    const guint8 *data = g_bytes_get_data(bytes, &length);
    g_autofree guint8 *buffer = g_malloc(length + 1);
    const gsize offsets[] = {0, 1, 511, 4096, length / 2, length - 1};
    const gsize lengths[] = {1, 2, 511, 65536};
    for (guint i = 0; i < G_N_ELEMENTS(offsets); i++)
        for (guint j = 0; j < G_N_ELEMENTS(lengths); j++) {
            gsize n = MIN(lengths[j], length - offsets[i]);
            memset(buffer, 0, n);
            g_assert_true(repo_read(repo, name, offsets[i], buffer, n, &error));
            g_assert_cmpmem(buffer, n, data + offsets[i], n);
        }

    const struct {
        guint64 offset;
        gsize length;
    } beyond[] = {
        {0, length + 1}, {length, 1},         {length - 1, 2},
        {length + 1, 1}, {G_MAXINT64 - 1, 2}, {G_MAXUINT64, 1},
    };
    for (guint i = 0; i < G_N_ELEMENTS(beyond); i++) {
        REPO_CASE_FAILED(repo_read(repo, name, beyond[i].offset, buffer, beyond[i].length, &error),
                         error, SLIPWAY_ERROR_CORRUPT);
    }
    g_assert_false(repo_read(repo, name, length, buffer, 1, &error));
    g_assert_nonnull(strstr(error->message, "shorter than expected"));
    g_assert_nonnull(strstr(error->message, name));
    g_assert_nonnull(strstr(error->message, repo_label(repo)));
}

static void
test_ranges(gconstpointer suite)
{
    auto_repo_case one = repo_case_new(suite);
    g_autoptr(GBytes) small = repo_case_bytes(1, 70001);
    repo_case_write(one.repo, "some/small", small, 70001);
    check_ranges(one.repo, "some/small", small);
    g_autoptr(GBytes) large = repo_case_bytes(2, 3 * REPO_FRESH_MAX + 5);
    repo_case_write(one.repo, "some/large", large, 100000);
    check_ranges(one.repo, "some/large", large);
}

/* More objects than a driver may keep open, in turn. */
static void
test_many(gconstpointer suite)
{
    auto_repo_case one = repo_case_new(suite);
    g_autoptr(GError) error = NULL;
    const guint n = 40;
    for (guint i = 0; i < n; i++) {
        g_autofree char *name = g_strdup_printf("packs/%02x/n%u", i % 4, i);
        g_autoptr(GBytes) bytes = repo_case_bytes(i, REPO_FRESH_MAX + 1 + i);
        repo_case_write(one.repo, name, bytes, g_bytes_get_size(bytes));
    }
    for (guint i = 0; i < 4 * n; i++) {
        guint which = i % 3 == 0 ? i % n : i * 7 % n;
        g_autofree char *name = g_strdup_printf("packs/%02x/n%u", which % 4, which);
        g_autoptr(GBytes) bytes = repo_case_bytes(which, REPO_FRESH_MAX + 1 + which);
        guint8 buffer[1000];
        guint64 offset = g_bytes_get_size(bytes) - sizeof buffer - i;
        g_assert_true(repo_read(one.repo, name, offset, buffer, sizeof buffer, &error));
        g_assert_cmpmem(buffer, sizeof buffer,
                        (const guint8 *)g_bytes_get_data(bytes, NULL) + offset, sizeof buffer);
    }
}

static void
test_limits(gconstpointer suite)
{
    auto_repo_case one = repo_case_new(suite);
    g_autoptr(GError) error = NULL;
    repo_case_put(one.repo, "a", "12345");
    REPO_CASE_FAILED(repo_read_all(one.repo, "a", 4, &error) != NULL, error, SLIPWAY_ERROR_LIMIT);
    REPO_CASE_FAILED(repo_view(one.repo, "a", 4, &error) != NULL, error, SLIPWAY_ERROR_LIMIT);
    REPO_CASE_FAILED(repo_view(one.repo, "a", 0, &error) != NULL, error, SLIPWAY_ERROR_LIMIT);
    g_autoptr(GBytes) all = repo_read_all(one.repo, "a", G_MAXSIZE, &error);
    g_assert_cmpuint(g_bytes_get_size(all), ==, 5);
    repo_case_put(one.repo, "empty", "");
    g_autoptr(GBytes) empty = repo_read_all(one.repo, "empty", 0, &error);
    g_assert_cmpuint(g_bytes_get_size(empty), ==, 0);
    g_autoptr(GBytes) view = repo_view(one.repo, "empty", 0, &error);
    g_assert_cmpuint(g_bytes_get_size(view), ==, 0);
}

static void
test_missing(gconstpointer suite)
{
    auto_repo_case one = repo_case_new(suite);
    g_autoptr(GError) error = NULL;
    repo_case_expect_missing(one.repo, "nothing");
    repo_case_expect_missing(one.repo, "no/folder/either");
    char byte;
    g_assert_true(repo_read(one.repo, "nothing", 0, &byte, 0, &error));
    g_assert_false(repo_read(one.repo, "nothing", 0, &byte, 1, &error));
    g_assert_nonnull(strstr(error->message, "nothing"));
    g_assert_nonnull(strstr(error->message, repo_label(one.repo)));
}

/* A view stays when the object goes, or becomes another one, or the repo is closed. */
static void
test_views(gconstpointer suite)
{
    auto_repo_case one = repo_case_new(suite);
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) bytes = repo_case_bytes(1, 2000000);
    g_autoptr(GBytes) other = repo_case_bytes(2, 100000);
    repo_case_write(one.repo, "index/a", bytes, 65536);
    repo_case_write(one.repo, "index/b", bytes, 65536);
    g_autoptr(GBytes) a = repo_view(one.repo, "index/a", 2000000, &error);
    g_autoptr(GBytes) b = repo_view(one.repo, "index/b", 2000000, &error);
    g_assert_true(repo_remove(one.repo, "index/a", &error));
    g_assert_true(repo_replace(one.repo, "index/b", g_bytes_get_data(other, NULL), 100000, &error));
    repo_case_expect_missing(one.repo, "index/a");
    repo_case_expect(one.repo, "index/b", other);
    g_assert_true(g_bytes_equal(a, bytes));
    repo_close(g_steal_pointer(&one.repo));
    g_assert_true(g_bytes_equal(b, bytes));
}

void
repo_suite_add_read(const struct repo_suite *suite)
{
    repo_suite_add_test(suite, "ranges", test_ranges);
    repo_suite_add_test(suite, "many", test_many);
    repo_suite_add_test(suite, "limits", test_limits);
    repo_suite_add_test(suite, "missing", test_missing);
    repo_suite_add_test(suite, "views", test_views);
}
