/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/store_sets.h"
#include "store_fixture.h"

#define N_SETS 12u
#define N_THREADS 4u
#define ROUNDS 50u

/* A set of no disks, with a configuration. */
static struct set_id
add(struct store *store, const char *name, gint64 created)
{
    g_autoptr(GError) error = NULL;
    auto_ptr(set) set = set_new();
    set->name = g_strdup(name);
    set->host = g_strdup("here");
    set->method = g_strdup("full");
    set->created = created;
    set->config_type = g_strdup("json");
    set->config = g_strdup_printf("{\"of\": \"%s\"}", name);
    struct store_writer *writer = store_writer_begin(store, &error);
    g_assert_no_error(error);
    store_writer_commit(writer, set, &error);
    g_assert_no_error(error);
    return set->id;
}

static char *
object_of(const struct set_id *id)
{
    char text[SET_ID_TEXT];
    return g_strconcat("sets/", set_id_format(id, text), NULL);
}

static void
spoil(struct store *store, const struct set_id *id)
{
    g_autofree char *name = object_of(id);
    g_autoptr(GBytes) bytes = g_bytes_new_static("nonsense", 8);
    fixture_put(store_repo(store), name, bytes);
}

static GPtrArray *
list(struct store *store)
{
    g_autoptr(GError) error = NULL;
    GPtrArray *sets = store_sets_list(store, NULL, &error);
    g_assert_no_error(error);
    return sets;
}

static const struct set *
listed(GPtrArray *sets, guint index)
{
    return ((const struct set_entry *)sets->pdata[index])->set;
}

/* ---- Tests ----------------------------------------------------------------------------------- */

static void
test_config(void)
{
    g_autoptr(GError) error = NULL;
    auto_ptr(store) store = fixture_init(repo_memory_new(), NULL, 0);
    struct set_id id = add(store, "db01", 1700000000);
    for (guint i = 0; i < 2; i++) {
        g_autoptr(GPtrArray) sets = list(store);
        g_assert_cmpuint(sets->len, ==, 1);
        g_assert_cmpstr(listed(sets, 0)->name, ==, "db01");
        g_assert_cmpstr(listed(sets, 0)->config_type, ==, "json");
        g_assert_null(listed(sets, 0)->config);
    }
    struct set_entry *read = store_sets_read(store, &id, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(read->set->config, ==, "{\"of\": \"db01\"}");
    set_entry_free(read);

    /* However it is named. */
    char text[SET_ID_TEXT];
    set_id_format(&id, text);
    g_autofree char *start = g_strndup(text, 8);
    const char *all[] = {"db01", "db01@latest", text, start};
    for (guint i = 0; i < G_N_ELEMENTS(all); i++) {
        struct set_entry *found = store_sets_find(store, all[i], &error);
        g_assert_no_error(error);
        g_assert_cmpstr(found->set->config, ==, "{\"of\": \"db01\"}");
        set_entry_free(found);
    }
}

/* What was listed once is not read again; what came since is, and what is gone is gone. */
static void
test_read_once(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) damaged = NULL;
    auto_ptr(store) store = fixture_init(repo_memory_new(), NULL, 0);
    struct set_id first = add(store, "a", 1700000000), second = add(store, "b", 1700000001);
    g_autoptr(GPtrArray) before = list(store);
    spoil(store, &first);
    struct set_id third = add(store, "c", 1700000002);
    g_autoptr(GPtrArray) sets = list(store);
    g_assert_cmpuint(sets->len, ==, 3);
    g_assert_true(listed(sets, 0) == listed(before, 0));
    g_assert_cmpmem(&listed(sets, 2)->id, SET_ID_SIZE, &third, SET_ID_SIZE);

    /* Damage is seen by whoever reads. */
    g_assert_null(store_sets_read(store, &first, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
    g_clear_error(&error);
    g_assert_null(store_sets_find(store, "a", &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
    g_clear_error(&error);

    /* A set that was removed is not remembered either: one under its name would be read. */
    g_assert_true(store_sets_remove(store, &second, &error));
    g_autoptr(GPtrArray) without = list(store);
    g_assert_cmpuint(without->len, ==, 2);
    spoil(store, &second);
    g_autoptr(GPtrArray) again = store_sets_list(store, &damaged, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(again->len, ==, 2);
    g_assert_cmpuint(damaged->len, ==, 1);

    /* Lists live on. */
    g_assert_cmpstr(listed(before, 1)->name, ==, "b");
}

/* Flags change, and are looked at each time. */
static void
test_flags(void)
{
    g_autoptr(GError) error = NULL;
    auto_ptr(store) store = fixture_init(repo_memory_new(), NULL, 0);
    struct set_id id = add(store, "a", 1700000000);
    for (guint i = 0; i < 3; i++) {
        struct set_flags flags = {.archived = i % 2 == 1};
        g_assert_true(store_sets_put_flags(store, &id, &flags, &error));
        g_autoptr(GPtrArray) sets = list(store);
        g_assert_cmpint(((struct set_entry *)sets->pdata[0])->flags.archived, ==, i % 2 == 1);
    }
}

static gpointer
list_often(gpointer data)
{
    struct store *store = data;
    for (guint i = 0; i < ROUNDS; i++) {
        g_autoptr(GPtrArray) sets = list(store);
        for (guint k = 0; k < sets->len; k++)
            g_assert_nonnull(listed(sets, k)->name);
    }
    return NULL;
}

static void
test_threads(void)
{
    GThread *threads[N_THREADS];
    auto_ptr(store) store = fixture_init(repo_memory_new(), NULL, 0);
    struct set_id ids[N_SETS];
    for (guint i = 0; i < N_THREADS; i++)
        threads[i] = g_thread_new("list", list_often, store);
    for (guint i = 0; i < N_SETS; i++)
        ids[i] = add(store, "m", 1700000000 + i);
    for (guint i = 0; i < N_SETS; i += 2)
        g_assert_true(store_sets_remove(store, &ids[i], NULL));
    for (guint i = 0; i < N_THREADS; i++)
        g_thread_join(threads[i]);
    g_autoptr(GPtrArray) sets = list(store);
    g_assert_cmpuint(sets->len, ==, N_SETS / 2);
}

int
main(int argc, char **argv)
{
    fixture_without_cache();
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/store-sets/config", test_config);
    g_test_add_func("/store-sets/read-once", test_read_once);
    g_test_add_func("/store-sets/flags", test_flags);
    g_test_add_func("/store-sets/threads", test_threads);
    return g_test_run();
}
