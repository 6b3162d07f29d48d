/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "index_fixture.h"

#include "repo/repo_driver.h"
#include "scratch_directory.h"

#include <openssl/evp.h>

/* ---- Search ---------------------------------------------------------------------------------- */

static void
search_all(struct repo *repo)
{
    index_fixture_put(repo, 0, 1, 1);
    index_fixture_put(repo, 1, 5, 300);
    index_fixture_put(repo, 6, 20, 77);
    auto_ptr(chunk_index) index = index_fixture_open(repo);
    index_fixture_expect(index, 0, 1, 1, 1);
    index_fixture_expect(index, 1, 5, 300, 1);
    index_fixture_expect(index, 6, 20, 77, 1);
    index_fixture_expect(index, 26, 10, 300, 0);
    index_fixture_expect(index, 0, 1, 1, 1);
    g_assert_cmpuint(index_fixture_find(index, 1, 300), ==, 0);

    struct chunk_index_stats stats;
    chunk_index_stats(index, &stats);
    g_assert_cmpuint(stats.objects, ==, 3);
    g_assert_cmpuint(stats.damaged, ==, 0);
    g_assert_cmpuint(stats.packs, ==, 26);
    g_assert_cmpuint(stats.entries, ==, 1 + 1500 + 1540);
    g_assert_cmpuint(stats.bytes, ==, 3 * 96 + 26 * 32 + 16 * stats.entries);
}

static void
test_search(void)
{
    auto_ptr(repo) memory = repo_memory_new();
    search_all(memory);
    auto_scratch scratch = scratch_new();
    g_autoptr(GError) error = NULL;
    auto_ptr(repo) directory = repo_directory_open(scratch.path, FALSE, &error);
    g_assert_no_error(error);
    search_all(directory);
}

static gboolean
stop(const struct chunk_candidate *candidate G_GNUC_UNUSED, gpointer data)
{
    ++*(guint *)data;
    return TRUE;
}

static void
collect(const struct pack_name *pack, gpointer data)
{
    g_assert_true(g_hash_table_add(data, g_memdup2(pack, sizeof *pack)));
}

static void
test_stop(void)
{
    auto_ptr(repo) repo = repo_memory_new();
    for (guint i = 0; i < 3; i++)
        index_fixture_put(repo, 0, i + 1, 10);
    auto_ptr(chunk_index) index = index_fixture_open(repo);
    index_fixture_expect(index, 0, 1, 10, 3);
    struct chunk_id id = index_fixture_id(0, 5);
    guint calls = 0;
    g_assert_true(chunk_index_search(index, chunk_id_fingerprint(&id), stop, &calls));
    g_assert_cmpuint(calls, ==, 1);
    g_autoptr(GHashTable) packs =
        g_hash_table_new_full(pack_name_hash, pack_name_equal, g_free, NULL);
    chunk_index_packs(index, collect, packs);
    g_assert_cmpuint(g_hash_table_size(packs), ==, 3);
}

static void
test_none(void)
{
    auto_ptr(repo) repo = repo_memory_new();
    auto_ptr(chunk_index) index = index_fixture_open(repo);
    g_assert_cmpuint(index_fixture_find(index, 0, 0), ==, 0);
    g_autoptr(GError) error = NULL;
    g_assert_true(chunk_index_refresh(index, &error));
}

/* ---- How many entries a search looks at ------------------------------------------------------ */

/* A table of these fingerprints as they come, with no regard to order. */
static struct index_table *
make_table(const guint64 *fingerprints, guint64 n)
{
    struct index_header header = {.n_packs = 1, .n_entries = n};
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_byte_array_set_size(bytes, (guint)index_header_size(&header));
    memset(bytes->data, 0, bytes->len);
    index_header_write(&header, bytes->data);
    for (guint64 i = 0; i < n; i++) {
        guint64 value = GUINT64_TO_LE(fingerprints[i]);
        memcpy(bytes->data + 96 + 16 * i, &value, 8);
    }
    g_autoptr(GBytes) taken = g_byte_array_free_to_bytes(g_steal_pointer(&bytes));
    static const guint8 digest[OBJECT_HASH_SIZE];
    g_autoptr(GError) error = NULL;
    struct index_table *table = index_table_new(digest, taken, &error);
    g_assert_no_error(error);
    return table;
}

static guint
steps_max(guint64 n)
{
    return g_bit_storage(n) + INDEX_STEPS_EXTRA;
}

/* The first one that is not below, the slow way. */
static guint64
find_slowly(const guint64 *values, guint64 n, guint64 goal)
{
    guint64 at = 0;
    while (at < n && values[at] < goal)
        at++;
    return at;
}

static int
compare_values(const void *left, const void *right)
{
    guint64 a = *(const guint64 *)left, b = *(const guint64 *)right;
    return (a > b) - (a < b);
}

/* Distributions that no digest has: `kind` says which. */
static guint64
odd_value(guint kind, guint64 i)
{
    guint64 random = index_fixture_mix(i);
    switch (kind) {
    case 0:
        return random; /* uniform */
    case 1:
        return random >> (random & 63); /* most are small */
    case 2:
        return ~(random >> (random & 63));
    case 3:
        return random % 10; /* each many times */
    case 4:
        return i % 2 == 0 ? 0 : G_MAXUINT64;
    case 5:
        return G_GUINT64_CONSTANT(1) << (i & 63);
    case 6:
        return 42;
    default:
        return random & G_GUINT64_CONSTANT(0xffff0000ffff0000);
    }
}
#define ODD_KINDS 8u

static void
test_steps_odd(void)
{
    enum { N = 3000 };
    for (guint kind = 0; kind < ODD_KINDS; kind++) {
        guint64 values[N];
        for (guint i = 0; i < N; i++)
            values[i] = odd_value(kind, i);
        for (guint sorted = 0; sorted < 2; sorted++) {
            if (sorted)
                qsort(values, N, sizeof *values, compare_values);
            for (guint n = 0; n <= N; n = n < 40 ? n + 1 : n * 3) {
                auto_ptr(index_table) table = make_table(values, n);
                for (guint i = 0; i < 400; i++) {
                    guint64 goal = i < 4 ? (guint64)0 - i % 2 + i / 2
                                         : values[index_fixture_mix(i) % N] + i % 3 - 1;
                    guint steps;
                    guint64 at = index_table_find(table, goal, &steps);
                    g_assert_cmpuint(at, <=, n);
                    g_assert_cmpuint(steps, <=, steps_max(n));
                    if (sorted)
                        g_assert_cmpuint(at, ==, find_slowly(values, n, goal));
                }
            }
        }
    }
}

static void
test_steps_million(void)
{
    auto_ptr(repo) repo = repo_memory_new();
    index_fixture_put(repo, 0, 31, PACK_CHUNKS_MAX);
    g_autoptr(GBytes) bytes = index_fixture_only(repo, NULL);
    static const guint8 digest[OBJECT_HASH_SIZE];
    g_autoptr(GError) error = NULL;
    auto_ptr(index_table) table = index_table_new(digest, bytes, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(table->header.n_entries, ==, 31 * PACK_CHUNKS_MAX);
    guint64 hits = 0, misses = 0;
    guint worst = 0;
    for (guint pack = 0; pack < 62; pack++) {
        for (guint slot = 0; slot < PACK_CHUNKS_MAX; slot++) {
            struct chunk_id id = index_fixture_id(pack, slot);
            guint64 fingerprint = chunk_id_fingerprint(&id);
            guint steps;
            guint64 at = index_table_find(table, fingerprint, &steps);
            struct index_entry entry = {0};
            if (at < table->header.n_entries)
                entry = index_table_entry(table, at);
            g_assert_cmpint(entry.fingerprint == fingerprint, ==, pack < 31);
            worst = MAX(worst, steps);
            *(pack < 31 ? &hits : &misses) += steps;
        }
    }
    g_test_message("steps: %.2f a hit, %.2f a miss, worst %u",
                   (double)hits / (31.0 * PACK_CHUNKS_MAX),
                   (double)misses / (31.0 * PACK_CHUNKS_MAX), worst);
    g_assert_cmpuint(hits / table->header.n_entries, <=, 9);
    g_assert_cmpuint(misses / table->header.n_entries, <=, 9);
    g_assert_cmpuint(worst, <=, steps_max(table->header.n_entries));
}

/* ---- Objects that come, go, and are not good ------------------------------------------------- */

/* Every change of one byte is found by reading it all; opening never fails. */
static void
test_damage(void)
{
    auto_ptr(repo) repo = repo_memory_new();
    index_fixture_put(repo, 0, 1, 4);
    struct index_writer *writer = index_writer_new(INDEX_OWNER);
    auto_ptr(chunk_index) old = index_fixture_open(repo);
    g_assert_cmpuint(index_writer_merge(writer, old, G_MAXUINT64, NULL), ==, 1);
    index_fixture_add(writer, 1, 5);
    g_autoptr(GError) error = NULL;
    index_writer_finish(writer, repo, &error);
    g_assert_no_error(error);

    g_autofree char *name = NULL;
    g_autoptr(GBytes) bytes = index_fixture_only(repo, &name);
    gsize length = g_bytes_get_size(bytes);
    g_autofree guint8 *data = g_memdup2(g_bytes_get_data(bytes, NULL), length);
    g_assert_true(chunk_index_verify(repo, name, &error));
    guint damaged = 0;
    static const guint8 flips[] = {1, 0x80, 0xff};
    for (gsize i = 0; i < 3 * length; i++) {
        data[i / 3] ^= flips[i % 3];
        g_assert_true(repo_replace(repo, name, data, length, NULL));
        data[i / 3] ^= flips[i % 3];
        g_assert_false(chunk_index_verify(repo, name, &error));
        g_assert_true(
            g_error_matches(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT) ||
            (i / 3 / 2 == 4 && g_error_matches(error, SLIPWAY_ERROR, SLIPWAY_ERROR_UNSUPPORTED)));
        g_assert_nonnull(strstr(error->message, name));
        g_clear_error(&error);
        auto_ptr(chunk_index) index = index_fixture_open(repo);
        struct chunk_index_stats stats;
        chunk_index_stats(index, &stats);
        g_assert_cmpuint(stats.objects + stats.damaged, ==, 1);
        damaged += stats.damaged;
        /* What is listed wrongly is not taken over. */
        auto_ptr(index_writer) merger = index_writer_new(INDEX_OWNER);
        g_assert_cmpuint(index_writer_merge(merger, index, G_MAXUINT64, NULL), ==, 0);
    }
    /* Of the header all but the owner, which may be anything. */
    g_assert_cmpuint(damaged, ==, 3 * (INDEX_HEADER_SIZE - INDEX_OWNER_SIZE));
    for (gsize cut = 0; cut < length; cut++) {
        g_assert_true(repo_replace(repo, name, data, cut, NULL));
        g_assert_false(chunk_index_verify(repo, name, &error));
        g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
        g_clear_error(&error);
        g_assert_cmpuint(index_fixture_stats(repo).damaged, ==, 1);
    }
    g_assert_false(chunk_index_verify(repo, "index/x", &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
}

/* The good ones are searched although there are bad ones and things that are no index. */
static void
test_skipped(void)
{
    auto_ptr(repo) repo = repo_memory_new();
    index_fixture_put(repo, 0, 3, 50);
    g_autoptr(GPtrArray) names = index_fixture_list(repo);
    index_fixture_put(repo, 3, 3, 50);
    g_autofree char *bad = g_strdup(names->pdata[0]);
    bad[10] = bad[10] == 'a' ? 'b' : 'a';
    g_assert_true(repo_put(repo, bad, "no index", 8, NULL));
    g_assert_true(repo_put(repo, "index/readme", "no index", 8, NULL));
    auto_ptr(chunk_index) index = index_fixture_open(repo);
    index_fixture_expect(index, 0, 6, 50, 1);
    struct chunk_index_stats stats;
    chunk_index_stats(index, &stats);
    g_assert_cmpuint(stats.objects, ==, 2);
    g_assert_cmpuint(stats.damaged, ==, 1);
}

/* Digests that fit do not make an order. */
static void
test_disorder(void)
{
    auto_ptr(repo) repo = repo_memory_new();
    index_fixture_put(repo, 0, 3, 50);
    g_autofree char *name = NULL;
    g_autoptr(GBytes) bytes = index_fixture_only(repo, &name);
    gsize length = g_bytes_get_size(bytes);
    const struct {
        guint at, with, n; /* bytes that change places */
    } swaps[] = {
        {64, 96, 32},
        {64 + 96, 64 + 96 + 16, 16},
        {64 + 96, (guint)length - 48, 16},
    };
    for (guint i = 0; i < G_N_ELEMENTS(swaps) + 2; i++) {
        g_autofree guint8 *data = g_memdup2(g_bytes_get_data(bytes, NULL), length);
        if (i < G_N_ELEMENTS(swaps)) {
            guint8 kept[32];
            memcpy(kept, data + swaps[i].at, swaps[i].n);
            memcpy(data + swaps[i].at, data + swaps[i].with, swaps[i].n);
            memcpy(data + swaps[i].with, kept, swaps[i].n);
        } else {
            /* A pack that is not there; a slot that cannot be. */
            data[64 + 96 + (i == G_N_ELEMENTS(swaps) ? 8 : 13)] = 0x80;
        }
        guint8 digest[32];
        EVP_Digest(data, length - 32, digest, NULL, EVP_sha256(), NULL);
        memcpy(data + length - 32, digest, 32);
        char object[INDEX_OBJECT_TEXT];
        index_object_format(digest, object);
        auto_ptr(repo) other = repo_memory_new();
        g_assert_true(repo_put(other, object, data, length, NULL));
        g_autoptr(GError) error = NULL;
        g_assert_false(chunk_index_verify(other, object, &error));
        g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
        auto_ptr(chunk_index) index = index_fixture_open(other);
        for (guint slot = 0; slot < 50; slot++) {
            struct chunk_id id = index_fixture_id(0, slot);
            guint calls = 0;
            chunk_index_search(index, chunk_id_fingerprint(&id), stop, &calls);
        }
        auto_ptr(index_writer) merger = index_writer_new(INDEX_OWNER);
        g_assert_cmpuint(index_writer_merge(merger, index, G_MAXUINT64, NULL), ==, 0);
    }
}

static void
test_too_many(void)
{
    auto_ptr(repo) repo = repo_memory_new();
    for (guint i = 0; i <= INDEX_OBJECTS_MAX; i++) {
        struct pack_name digest = index_fixture_pack(i);
        char object[INDEX_OBJECT_TEXT];
        g_assert_true(repo_put(repo, index_object_format(digest.bytes, object), "x", 1, NULL));
    }
    g_autoptr(GError) error = NULL;
    g_assert_null(chunk_index_open(repo, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_LIMIT);
}

static void
test_refresh(void)
{
    auto_ptr(repo) repo = repo_memory_new();
    index_fixture_put(repo, 0, 2, 20);
    auto_ptr(chunk_index) index = index_fixture_open(repo);
    g_autofree char *first = NULL;
    g_autoptr(GBytes) bytes = index_fixture_only(repo, &first);
    index_fixture_put(repo, 2, 2, 20);
    index_fixture_expect(index, 2, 2, 20, 0);
    g_autoptr(GError) error = NULL;
    g_assert_true(chunk_index_refresh(index, &error));
    index_fixture_expect(index, 0, 4, 20, 1);
    g_assert_true(repo_remove(repo, first, &error));
    index_fixture_expect(index, 0, 4, 20, 1);
    g_assert_true(chunk_index_refresh(index, &error));
    index_fixture_expect(index, 0, 2, 20, 0);
    index_fixture_expect(index, 2, 2, 20, 1);
}

/* A memory repo whose list shows an object that is not there any more, so many times. */
static guint ghosts;
static gboolean (*list_below)(struct repo *, const char *, GPtrArray *, GError **);

static gboolean
list_ghost(struct repo *self, const char *folder, GPtrArray *entries, GError **error)
{
    char object[INDEX_OBJECT_TEXT];
    struct pack_name digest = index_fixture_pack(0);
    if (ghosts > 0) {
        ghosts--;
        g_ptr_array_add(entries, repo_entry_new(index_object_format(digest.bytes, object), 96, 0));
    }
    return list_below(self, folder, entries, error);
}

static void
test_vanished(void)
{
    auto_ptr(repo) repo = repo_memory_new();
    struct repo_class class = *repo->class;
    list_below = class.list;
    class.list = list_ghost;
    repo->class = &class;
    index_fixture_put(repo, 0, 2, 20);
    ghosts = 3;
    auto_ptr(chunk_index) index = index_fixture_open(repo);
    g_assert_cmpuint(ghosts, ==, 0);
    index_fixture_expect(index, 0, 2, 20, 1);
    ghosts = 1000;
    g_autoptr(GError) error = NULL;
    g_assert_false(chunk_index_refresh(index, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND);
    g_assert_cmpuint(ghosts, >, 900);
    index_fixture_expect(index, 0, 2, 20, 1);
}

static void
test_failing(void)
{
    gboolean ok = FALSE;
    for (unsigned at = 1; !ok; at++) {
        struct repo_fault plan = {
            .operations = 1u << REPO_OP_READ | 1u << REPO_OP_LIST, .at = at, .once = TRUE};
        auto_ptr(repo) repo = repo_fault_new(repo_memory_new(), &plan);
        for (guint i = 0; i < 3; i++)
            index_fixture_put(repo, i, 1, 5);
        g_autoptr(GError) error = NULL;
        auto_ptr(chunk_index) index = chunk_index_open(repo, &error);
        ok = index != NULL;
        if (!ok)
            g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_IO);
        else
            g_assert_cmpuint(at, ==, 5);
    }
}

/* ---- Threads --------------------------------------------------------------------------------- */

struct threads {
    struct repo *repo;
    struct chunk_index *index;
    gint ready; /* packs below this one are listed */
    gint done;
};

static gpointer
run_searches(gpointer data)
{
    struct threads *threads = data;
    guint rounds = 0;
    do {
        guint ready = (guint)g_atomic_int_get(&threads->ready);
        for (guint pack = 0; pack < ready; pack++)
            g_assert_cmpuint(index_fixture_find(threads->index, pack, rounds % 50), >=, 1);
        rounds++;
    } while (!g_atomic_int_get(&threads->done));
    return NULL;
}

static gpointer
run_refreshes(gpointer data)
{
    struct threads *threads = data;
    while (!g_atomic_int_get(&threads->done)) {
        g_autoptr(GError) error = NULL;
        chunk_index_refresh(threads->index, &error);
        g_assert_no_error(error);
        struct chunk_index_stats stats;
        chunk_index_stats(threads->index, &stats);
        g_assert_cmpuint(stats.damaged, ==, 0);
    }
    return NULL;
}

/* Objects are added and merged while others search and refresh: what was once listed stays so. */
static void
test_threads(void)
{
    auto_ptr(repo) repo = repo_memory_new();
    auto_ptr(chunk_index) index = index_fixture_open(repo);
    struct threads threads = {.repo = repo, .index = index};
    GThread *running[4];
    for (guint i = 0; i < G_N_ELEMENTS(running); i++)
        running[i] = g_thread_new("index", i < 2 ? run_searches : run_refreshes, &threads);
    for (guint pack = 0; pack < 60; pack++) {
        struct index_writer *writer = index_writer_new(INDEX_OWNER);
        index_fixture_add(writer, pack, 50);
        if (pack % 4 == 3)
            g_assert_cmpuint(index_writer_merge(writer, index, 1000, NULL), >, 0);
        g_autoptr(GError) error = NULL;
        index_writer_finish(writer, repo, &error);
        g_assert_no_error(error);
        g_assert_true(chunk_index_refresh(index, &error));
        g_atomic_int_set(&threads.ready, (gint)pack + 1);
    }
    g_atomic_int_set(&threads.done, 1);
    for (guint i = 0; i < G_N_ELEMENTS(running); i++)
        g_thread_join(running[i]);
    index_fixture_expect(index, 0, 60, 50, 1);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/index/search", test_search);
    g_test_add_func("/index/stop", test_stop);
    g_test_add_func("/index/none", test_none);
    g_test_add_func("/index/steps-odd", test_steps_odd);
    g_test_add_func("/index/steps-million", test_steps_million);
    g_test_add_func("/index/damage", test_damage);
    g_test_add_func("/index/skipped", test_skipped);
    g_test_add_func("/index/disorder", test_disorder);
    g_test_add_func("/index/too-many", test_too_many);
    g_test_add_func("/index/refresh", test_refresh);
    g_test_add_func("/index/vanished", test_vanished);
    g_test_add_func("/index/failing", test_failing);
    g_test_add_func("/index/threads", test_threads);
    return g_test_run();
}
