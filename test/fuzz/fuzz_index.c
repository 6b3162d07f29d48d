/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An index object, whose digest is made to fit.
 *
 * Searching any of it takes few steps.  In one that is found good, every entry is found, and
 * merging it gives one that is good and has the same entries. */
#include "base/error.h"
#include "fuzz.h"
#include "store/index.h"
#include "store/index_table.h"

#include <string.h>

#define OWNER "00112233445566778899aabbccddeeff"
#define SEARCHES 200u

struct goal {
    struct chunk_candidate candidate;
    guint left; /* calls that are allowed */
};

static gboolean
look(const struct chunk_candidate *candidate, gpointer data)
{
    struct goal *goal = data;
    g_assert_cmpuint(candidate->slot, <, PACK_CHUNKS_MAX);
    if (goal->left-- == 0)
        return TRUE;
    return candidate->slot == goal->candidate.slot &&
           pack_name_equal(&candidate->pack, &goal->candidate.pack);
}

static void
search(struct chunk_index *index, const struct index_table *table, gboolean good)
{
    guint64 n = table->header.n_entries;
    guint steps_max = g_bit_storage(n) + INDEX_STEPS_EXTRA, steps;
    for (guint64 i = 0; i < MIN(n, SEARCHES); i++) {
        struct index_entry entry = index_table_entry(table, i * n / MIN(n, SEARCHES));
        for (guint offset = 0; offset < 3; offset++) {
            guint64 at = index_table_find(table, entry.fingerprint + offset - 1, &steps);
            g_assert_cmpuint(at, <=, n);
            g_assert_cmpuint(steps, <=, steps_max);
        }
        struct goal goal = {.candidate.slot = entry.slot, .left = good ? G_MAXUINT : SEARCHES};
        if (good)
            memcpy(&goal.candidate.pack, table->packs + (gsize)entry.pack * INDEX_NAME_ROW,
                   INDEX_NAME_ROW);
        gboolean found = chunk_index_search(index, entry.fingerprint, look, &goal);
        g_assert_true(found || !good);
    }
    g_assert_cmpuint(index_table_find(table, 0, &steps), <=, n);
    g_assert_cmpuint(index_table_find(table, G_MAXUINT64, &steps), <=, n);
}

static void
merge(struct repo *repo, struct chunk_index *index, const struct index_table *table, gboolean good)
{
    struct index_writer *writer = index_writer_new(OWNER);
    guint taken = index_writer_merge(writer, index, G_MAXUINT64, NULL);
    g_assert_cmpuint(taken, ==, good);
    g_autoptr(GError) error = NULL;
    index_writer_finish(writer, repo, &error);
    g_assert_no_error(error);
    g_assert_true(chunk_index_refresh(index, &error));
    struct chunk_index_stats stats;
    chunk_index_stats(index, &stats);
    if (!good)
        return;
    g_assert_cmpuint(stats.objects, ==, 1);
    g_assert_cmpuint(stats.entries, ==, table->header.n_entries);
    g_assert_cmpuint(stats.packs, ==, table->header.n_packs);
    search(index, table, TRUE);
    g_autoptr(GPtrArray) entries = repo_list(repo, INDEX_FOLDER, &error);
    g_assert_cmpuint(entries->len, ==, 1);
    const struct repo_entry *entry = entries->pdata[0];
    chunk_index_verify(repo, entry->name, &error);
    g_assert_no_error(error);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree guint8 *copy = g_memdup2(data, size);
    guint8 digest[OBJECT_HASH_SIZE] = {0};
    if (size >= OBJECT_HASH_SIZE) {
        auto_ptr(object_hash) hash = object_hash_new();
        object_hash_update(hash, copy, size - OBJECT_HASH_SIZE);
        object_hash_finish(hash, digest);
        memcpy(copy + size - OBJECT_HASH_SIZE, digest, OBJECT_HASH_SIZE);
    }
    auto_ptr(repo) repo = repo_memory_new();
    char object[INDEX_OBJECT_TEXT];
    index_object_format(digest, object);
    g_autoptr(GError) error = NULL;
    g_assert_true(repo_put(repo, object, copy, size, &error));

    gboolean good = chunk_index_verify(repo, object, &error);
    fuzz_check(good, error);
    g_clear_error(&error);
    auto_ptr(chunk_index) index = chunk_index_open(repo, &error);
    g_assert_no_error(error);
    struct chunk_index_stats stats;
    chunk_index_stats(index, &stats);
    g_assert_cmpuint(stats.objects + stats.damaged, ==, 1);

    g_autoptr(GBytes) bytes = g_bytes_new_static(copy, size);
    auto_ptr(index_table) table = index_table_new(digest, bytes, &error);
    fuzz_check_pointer(table, error);
    g_assert_cmpint(table != NULL, ==, stats.objects == 1);
    if (table == NULL)
        return 0;
    search(index, table, good);
    merge(repo, index, table, good);
    return 0;
}
