/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "repo_suite_private.h"

struct repo_case
repo_case_new(const struct repo_suite *suite)
{
    struct repo_case one = {.scratch = scratch_new()};
    one.repo = suite->open(one.scratch.path);
    g_assert_nonnull(one.repo);
    return one;
}

void
repo_case_clear(struct repo_case *one)
{
    repo_close(one->repo);
    scratch_clear(&one->scratch);
}

GBytes *
repo_case_bytes(guint32 seed, gsize length)
{
    guint8 *bytes = g_malloc(length + 1);
    guint32 state = seed * 2654435761u + 1;
    for (gsize i = 0; i < length; i++) {
        state = state * 1664525u + 1013904223u;
        bytes[i] = (guint8)(state >> 24);
    }
    return g_bytes_new_take(bytes, length);
}

void
repo_case_put(struct repo *repo, const char *name, const char *text)
{
    g_autoptr(GError) error = NULL;
    gboolean ok = repo_put(repo, name, text, strlen(text), &error);
    g_assert_no_error(error);
    g_assert_true(ok);
}

void
repo_case_write(struct repo *repo, const char *name, GBytes *bytes, gsize step)
{
    g_autoptr(GError) error = NULL;
    gsize length;
    const guint8 *data = g_bytes_get_data(bytes, &length);
    auto_ptr(repo_writer) writer = repo_create(repo, OWNER_A, &error);
    g_assert_no_error(error);
    for (gsize at = 0; at < length; at += step) {
        g_assert_cmpuint(repo_writer_size(writer), ==, at);
        gboolean ok = repo_writer_append(writer, data + at, MIN(step, length - at), &error);
        g_assert_no_error(error);
        g_assert_true(ok);
    }
    g_assert_cmpuint(repo_writer_size(writer), ==, length);
    gboolean ok = repo_writer_commit(g_steal_pointer(&writer), name, &error);
    g_assert_no_error(error);
    g_assert_true(ok);
}

void
repo_case_expect(struct repo *repo, const char *name, GBytes *bytes)
{
    g_autoptr(GError) error = NULL;
    gsize length = g_bytes_get_size(bytes);
    guint64 size = 0;
    gboolean ok = repo_size(repo, name, &size, &error);
    g_assert_no_error(error);
    g_assert_true(ok);
    g_assert_cmpuint(size, ==, length);
    g_autoptr(GBytes) all = repo_read_all(repo, name, length, &error);
    g_assert_no_error(error);
    g_assert_true(g_bytes_equal(all, bytes));
    g_autoptr(GBytes) view = repo_view(repo, name, length, &error);
    g_assert_no_error(error);
    g_assert_true(g_bytes_equal(view, bytes));
    g_autofree guint8 *buffer = g_malloc(length + 1);
    ok = repo_read(repo, name, 0, buffer, length, &error);
    g_assert_no_error(error);
    g_assert_true(ok);
    g_assert_cmpmem(buffer, length, g_bytes_get_data(bytes, NULL), length);
}

void
repo_case_expect_text(struct repo *repo, const char *name, const char *text)
{
    g_autoptr(GBytes) bytes = g_bytes_new_static(text, strlen(text));
    repo_case_expect(repo, name, bytes);
}

void
repo_case_expect_missing(struct repo *repo, const char *name)
{
    g_autoptr(GError) error = NULL;
    guint64 size;
    char byte;
    REPO_CASE_FAILED(repo_size(repo, name, &size, &error), error, SLIPWAY_ERROR_NOT_FOUND);
    REPO_CASE_FAILED(repo_read_all(repo, name, 1, &error) != NULL, error, SLIPWAY_ERROR_NOT_FOUND);
    REPO_CASE_FAILED(repo_view(repo, name, 1, &error) != NULL, error, SLIPWAY_ERROR_NOT_FOUND);
    REPO_CASE_FAILED(repo_read(repo, name, 0, &byte, 1, &error), error, SLIPWAY_ERROR_NOT_FOUND);
}

void
repo_case_expect_list(struct repo *repo, const char *folder, const char *names)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) entries = repo_list(repo, folder, &error);
    g_assert_no_error(error);
    g_autoptr(GString) text = g_string_new(NULL);
    for (guint i = 0; i < entries->len; i++) {
        const struct repo_entry *entry = entries->pdata[i];
        g_string_append_printf(text, "%s%s", i == 0 ? "" : ",", entry->name);
    }
    g_assert_cmpstr(text->str, ==, names);
}

void
repo_case_expect_unfinished(struct repo *repo, const char *owners)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) found = repo_unfinished(repo, &error);
    g_assert_no_error(error);
    g_autoptr(GString) text = g_string_new(NULL);
    for (guint i = 0; i < found->len; i++)
        g_string_append_printf(text, "%s%s", i == 0 ? "" : ",", (const char *)found->pdata[i]);
    g_assert_cmpstr(text->str, ==, owners);
}

void
repo_suite_add_test(const struct repo_suite *suite, const char *name,
                    void (*test)(gconstpointer suite))
{
    g_autofree char *path = g_strconcat(suite->prefix, "/", name, NULL);
    g_test_add_data_func(path, suite, test);
}
