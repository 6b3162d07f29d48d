/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "repo_suite_private.h"

#define N_THREADS 4u
#define N_NAMES 25u

struct hammer {
    struct repo *repo;
    guint number;
    gboolean by_writer;
    gint *stop;
    gint *wins; /* by name: how many threads won it */
    guint *winners;
};

static void
run_threads(struct hammer *hammers, guint n, GThreadFunc function)
{
    g_autofree GThread **threads = g_new(GThread *, n);
    for (guint i = 0; i < n; i++)
        threads[i] = g_thread_new("hammer", function, &hammers[i]);
    for (guint i = 0; i < n; i++)
        g_thread_join(threads[i]);
}

/* ---- The same name --------------------------------------------------------------------------- */

static gboolean
put_one(const struct hammer *hammer, const char *name, GBytes *bytes, GError **error)
{
    gsize length;
    const void *data = g_bytes_get_data(bytes, &length);
    if (!hammer->by_writer)
        return repo_put(hammer->repo, name, data, length, error);
    struct repo_writer *writer = repo_create(hammer->repo, OWNER_A, error);
    g_assert_nonnull(writer);
    g_assert_true(repo_writer_append(writer, data, length, error));
    return repo_writer_commit(writer, name, error);
}

static gpointer
put_all(gpointer data)
{
    const struct hammer *hammer = data;
    for (guint i = 0; i < N_NAMES; i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *name = g_strdup_printf("packs/%u/n%u", i % 5, i);
        g_autoptr(GBytes) bytes = repo_case_bytes(hammer->number, 1000 + hammer->number);
        if (put_one(hammer, name, bytes, &error)) {
            g_atomic_int_inc(&hammer->wins[i]);
            hammer->winners[i] = hammer->number;
        } else {
            g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_EXISTS);
        }
    }
    return NULL;
}

static void
test_same_name(gconstpointer suite)
{
    auto_repo_case one = repo_case_new(suite);
    gint wins[N_NAMES] = {0};
    guint winners[N_NAMES] = {0};
    struct hammer hammers[N_THREADS];
    for (guint i = 0; i < N_THREADS; i++)
        hammers[i] = (struct hammer){.repo = one.repo,
                                     .number = i,
                                     .by_writer = i % 2 == 0,
                                     .wins = wins,
                                     .winners = winners};
    run_threads(hammers, N_THREADS, put_all);
    for (guint i = 0; i < N_NAMES; i++) {
        g_autofree char *name = g_strdup_printf("packs/%u/n%u", i % 5, i);
        g_assert_cmpint(wins[i], ==, 1);
        g_autoptr(GBytes) bytes = repo_case_bytes(winners[i], 1000 + winners[i]);
        repo_case_expect(one.repo, name, bytes);
    }
    repo_case_expect_unfinished(one.repo, "");
}

/* ---- Replaced while it is read --------------------------------------------------------------- */

static void
replace_with(struct repo *repo, guint32 seed)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) bytes = repo_case_bytes(seed, 5000 + 1000 * seed);
    gboolean ok = repo_replace(repo, "state/now", g_bytes_get_data(bytes, NULL),
                               g_bytes_get_size(bytes), &error);
    g_assert_no_error(error);
    g_assert_true(ok);
}

static gpointer
replace_all(gpointer data)
{
    const struct hammer *hammer = data;
    for (guint i = 0; i < N_NAMES; i++)
        replace_with(hammer->repo, i % 10);
    g_atomic_int_inc(hammer->stop);
    return NULL;
}

static void
check_whole(GBytes *bytes)
{
    gsize length = g_bytes_get_size(bytes);
    g_assert_cmpuint(length % 1000, ==, 0);
    g_autoptr(GBytes) expected = repo_case_bytes((guint32)(length - 5000) / 1000, length);
    g_assert_true(g_bytes_equal(bytes, expected));
}

static gpointer
read_all(gpointer data)
{
    const struct hammer *hammer = data;
    while (g_atomic_int_get(hammer->stop) == 0) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GBytes) all = repo_read_all(hammer->repo, "state/now", 100000, &error);
        g_assert_no_error(error);
        check_whole(all);
        g_autoptr(GBytes) view = repo_view(hammer->repo, "state/now", 100000, &error);
        g_assert_no_error(error);
        check_whole(view);
        g_autoptr(GPtrArray) entries = repo_list(hammer->repo, "state", &error);
        g_assert_no_error(error);
        g_assert_cmpuint(entries->len, ==, 1);
    }
    return NULL;
}

static gpointer
replace_or_read(gpointer data)
{
    const struct hammer *hammer = data;
    return hammer->number == 0 ? replace_all(data) : read_all(data);
}

static void
test_replaced(gconstpointer suite)
{
    auto_repo_case one = repo_case_new(suite);
    replace_with(one.repo, 0);
    gint stop = 0;
    struct hammer hammers[N_THREADS];
    for (guint i = 0; i < N_THREADS; i++)
        hammers[i] = (struct hammer){.repo = one.repo, .number = i, .stop = &stop};
    run_threads(hammers, N_THREADS, replace_or_read);
}

/* ---- Large ones that come, are read and go ----------------------------------------------------
 */

static gpointer
come_and_go(gpointer data)
{
    const struct hammer *hammer = data;
    for (guint i = 0; i < N_NAMES; i++) {
        g_autoptr(GError) error = NULL;
        guint32 seed = hammer->number * 1000 + i;
        g_autofree char *name = g_strdup_printf("packs/of%u", hammer->number);
        g_autoptr(GBytes) bytes = repo_case_bytes(seed, REPO_FRESH_MAX + 1 + i);
        struct repo_writer *writer = repo_create(hammer->repo, OWNER_A, &error);
        g_assert_true(repo_writer_append(writer, g_bytes_get_data(bytes, NULL),
                                         g_bytes_get_size(bytes), &error));
        g_assert_true(repo_writer_commit(writer, name, &error));
        guint8 buffer[64];
        for (guint j = 0; j < 50; j++) {
            gsize offset = j * 20011;
            g_assert_true(repo_read(hammer->repo, name, offset, buffer, sizeof buffer, &error));
            g_assert_cmpmem(buffer, sizeof buffer,
                            (const guint8 *)g_bytes_get_data(bytes, NULL) + offset, sizeof buffer);
        }
        g_assert_true(repo_remove(hammer->repo, name, &error));
        g_assert_false(repo_read(hammer->repo, name, 0, buffer, sizeof buffer, &error));
        g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND);
    }
    return NULL;
}

static void
test_come_and_go(gconstpointer suite)
{
    auto_repo_case one = repo_case_new(suite);
    struct hammer hammers[N_THREADS];
    for (guint i = 0; i < N_THREADS; i++)
        hammers[i] = (struct hammer){.repo = one.repo, .number = i};
    run_threads(hammers, N_THREADS, come_and_go);
    repo_case_expect_list(one.repo, "", "");
}

void
repo_suite_add_threads(const struct repo_suite *suite)
{
    if (!suite->inexact)
        repo_suite_add_test(suite, "threads/same-name", test_same_name);
    repo_suite_add_test(suite, "threads/replaced", test_replaced);
    repo_suite_add_test(suite, "threads/come-and-go", test_come_and_go);
}
