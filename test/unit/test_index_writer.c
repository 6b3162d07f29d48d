/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "index_fixture.h"
#include "scratch_directory.h"
#include "store/index_sort.h"

#include <openssl/evp.h>

static int
compare_entries(const void *left, const void *right)
{
    const struct index_entry *a = left, *b = right;
    if (a->fingerprint != b->fingerprint)
        return a->fingerprint < b->fingerprint ? -1 : 1;
    if (a->pack != b->pack)
        return a->pack < b->pack ? -1 : 1;
    return (int)a->slot - (int)b->slot;
}

static void
test_sort(void)
{
    static const guint64 masks[] = {G_MAXUINT64, 0, 3, 0xff00, G_GUINT64_CONSTANT(0xf) << 60};
    for (guint m = 0; m < G_N_ELEMENTS(masks); m++) {
        for (guint n = 0; n < 70000; n = 3 * n + 1) {
            g_autofree struct index_entry *entries = g_new0(struct index_entry, n + 1);
            for (guint i = 0; i < n; i++) {
                guint64 random = index_fixture_mix(i + n);
                entries[i].fingerprint = random & masks[m];
                entries[i].pack = (guint32)(random >> 40) % 300;
                entries[i].slot = (guint16)(random >> 20) % (m % 2 == 0 ? 5 : 32768);
            }
            g_autofree struct index_entry *expected = g_memdup2(entries, n * sizeof *entries);
            if (n > 0)
                qsort(expected, n, sizeof *expected, compare_entries);
            index_sort(entries, n);
            g_assert_cmpmem(entries, n * sizeof *entries, expected, n * sizeof *expected);
        }
    }
}

static void
append_number(GByteArray *bytes, guint64 value, guint length)
{
    for (guint i = 0; i < length; i++) {
        guint8 byte = (guint8)(value >> (8 * i));
        g_byte_array_append(bytes, &byte, 1);
    }
}

static void
append_hex(GByteArray *bytes, const char *digits)
{
    guint8 row[32];
    g_assert_true(object_hash_parse(digits, row));
    g_byte_array_append(bytes, row, sizeof row);
}

/* Byte by byte as the format's page says. */
static void
test_layout(void)
{
    auto_ptr(repo) repo = repo_memory_new();
    index_fixture_put(repo, 9, 1, 1);
    g_autofree char *old_name = NULL;
    g_autoptr(GBytes) old = index_fixture_only(repo, &old_name);
    auto_ptr(chunk_index) index = index_fixture_open(repo);

    struct pack_name low, high, gone = index_fixture_pack(9);
    memset(&low, 0x11, sizeof low);
    memset(&high, 0xee, sizeof high);
    struct pack_slot slots[2] = {0};
    slots[0].id.bytes[0] = 5;
    slots[1].id.bytes[7] = 2;
    struct index_writer *writer = index_writer_new(INDEX_OWNER);
    index_writer_add(writer, &high, 2, slots);
    index_writer_add(writer, &low, 1, slots);
    index_writer_add(writer, &high, 2, slots);
    g_autoptr(GHashTable) drop = g_hash_table_new(pack_name_hash, pack_name_equal);
    g_hash_table_add(drop, &gone);
    g_assert_cmpuint(index_writer_merge(writer, index, G_MAXUINT64, drop), ==, 1);
    g_autoptr(GError) error = NULL;
    index_writer_finish(writer, repo, &error);
    g_assert_no_error(error);

    g_autoptr(GByteArray) expected = g_byte_array_new();
    g_byte_array_append(expected, (const guint8 *)"SLIPINDX\1\0\0\0\0\0\0\0", 16);
    append_number(expected, 2, 4);
    append_number(expected, 1, 4);
    append_number(expected, 3, 8);
    for (guint i = 0; i < INDEX_OWNER_SIZE; i++)
        append_number(expected, i * 0x11u, 1);
    append_number(expected, 0, 8);
    append_number(expected, 0, 8);
    g_byte_array_append(expected, low.bytes, 32);
    g_byte_array_append(expected, high.bytes, 32);
    append_hex(expected, old_name + strlen("index/"));
    const struct {
        guint64 fingerprint;
        guint pack, slot;
    } entries[] = {{5, 0, 0}, {5, 1, 0}, {G_GUINT64_CONSTANT(2) << 56, 1, 1}};
    for (guint i = 0; i < G_N_ELEMENTS(entries); i++) {
        append_number(expected, entries[i].fingerprint, 8);
        append_number(expected, entries[i].pack, 4);
        append_number(expected, entries[i].slot, 2);
        append_number(expected, 0, 2);
    }
    guint8 digest[32];
    EVP_Digest(expected->data, expected->len, digest, NULL, EVP_sha256(), NULL);
    g_byte_array_append(expected, digest, 32);
    g_autofree char *name = NULL;
    g_autoptr(GBytes) bytes = index_fixture_only(repo, &name);
    g_assert_cmpmem(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), expected->data,
                    expected->len);
    char object[INDEX_OBJECT_TEXT];
    g_assert_cmpstr(name, ==, index_object_format(digest, object));
    g_assert_true(chunk_index_verify(repo, name, &error));
}

/* The order in which things come does not matter. */
static void
test_deterministic(void)
{
    auto_ptr(repo) repo = repo_memory_new();
    for (guint turn = 0; turn < 3; turn++) {
        struct index_writer *writer = index_writer_new(INDEX_OWNER);
        for (guint i = 0; i < 40; i++)
            index_fixture_add(writer, (turn == 1 ? 39 - i : i * 7) % 40, 30);
        if (turn == 2)
            index_fixture_add(writer, 11, 30);
        g_autoptr(GError) error = NULL;
        index_writer_finish(writer, repo, &error);
        g_assert_no_error(error);
        g_autoptr(GBytes) bytes = index_fixture_only(repo, NULL);
        g_assert_cmpuint(g_bytes_get_size(bytes), ==, 96 + 40 * 32 + 1200 * 16);
    }
}

static void
test_nothing(void)
{
    auto_ptr(repo) repo = repo_memory_new();
    g_autoptr(GError) error = NULL;
    g_assert_true(index_writer_finish(index_writer_new(INDEX_OWNER), repo, &error));
    auto_ptr(chunk_index) index = index_fixture_open(repo);
    struct index_writer *writer = index_writer_new(INDEX_OWNER);
    g_assert_cmpuint(index_writer_merge(writer, index, G_MAXUINT64, NULL), ==, 0);
    g_assert_true(index_writer_finish(writer, repo, &error));
    g_autoptr(GPtrArray) names = index_fixture_list(repo);
    g_assert_cmpuint(names->len, ==, 0);
}

/* ---- Merging --------------------------------------------------------------------------------- */

static void
merge_all(struct repo *repo)
{
    for (guint i = 0; i < 20; i++)
        index_fixture_put(repo, i * 3, 4, 25); /* each shares a pack with the next */
    index_fixture_put(repo, 100, 3, 1000);
    auto_ptr(chunk_index) index = index_fixture_open(repo);
    struct pack_name gone[3] = {index_fixture_pack(0), index_fixture_pack(30),
                                index_fixture_pack(500)};
    g_autoptr(GHashTable) drop = g_hash_table_new(pack_name_hash, pack_name_equal);
    for (guint i = 0; i < 3; i++)
        g_hash_table_add(drop, &gone[i]);
    struct index_writer *writer = index_writer_new(INDEX_OWNER);
    index_fixture_add(writer, 70, 5);
    g_assert_cmpuint(index_writer_merge(writer, index, 100, drop), ==, 20);
    g_assert_cmpuint(index_writer_merge(writer, index, 100, drop), ==, 0);
    g_autoptr(GError) error = NULL;
    index_writer_finish(writer, repo, &error);
    g_assert_no_error(error);

    g_autoptr(GPtrArray) names = index_fixture_list(repo);
    g_assert_cmpuint(names->len, ==, 2);
    for (guint i = 0; i < names->len; i++) {
        chunk_index_verify(repo, names->pdata[i], &error);
        g_assert_no_error(error);
    }
    /* The old view stays what it was. */
    index_fixture_expect(index, 0, 1, 25, 1);
    g_assert_true(chunk_index_refresh(index, &error));
    index_fixture_expect(index, 0, 1, 25, 0);
    index_fixture_expect(index, 1, 29, 25, 1);
    index_fixture_expect(index, 30, 1, 25, 0);
    index_fixture_expect(index, 31, 30, 25, 1);
    index_fixture_expect(index, 70, 1, 5, 1);
    index_fixture_expect(index, 100, 3, 1000, 1);
    struct chunk_index_stats stats;
    chunk_index_stats(index, &stats);
    g_assert_cmpuint(stats.objects, ==, 2);
    g_assert_cmpuint(stats.packs, ==, 61 - 2 + 1 + 3);
    g_assert_cmpuint(stats.entries, ==, 59 * 25 + 5 + 3000);
}

static void
test_merge(void)
{
    auto_ptr(repo) memory = repo_memory_new();
    merge_all(memory);
    auto_scratch scratch = scratch_new();
    g_autoptr(GError) error = NULL;
    auto_ptr(repo) directory = repo_directory_open(scratch.path, FALSE, &error);
    g_assert_no_error(error);
    merge_all(directory);
}

/* Nothing is left when every pack is dropped, and the old object still goes. */
static void
test_drop_all(void)
{
    auto_ptr(repo) repo = repo_memory_new();
    index_fixture_put(repo, 0, 1, 25);
    auto_ptr(chunk_index) index = index_fixture_open(repo);
    struct pack_name gone = index_fixture_pack(0);
    g_autoptr(GHashTable) drop = g_hash_table_new(pack_name_hash, pack_name_equal);
    g_hash_table_add(drop, &gone);
    struct index_writer *writer = index_writer_new(INDEX_OWNER);
    g_assert_cmpuint(index_writer_merge(writer, index, G_MAXUINT64, drop), ==, 1);
    g_autoptr(GError) error = NULL;
    index_writer_finish(writer, repo, &error);
    g_assert_no_error(error);
    g_assert_true(chunk_index_refresh(index, &error));
    index_fixture_expect(index, 0, 1, 25, 0);
    struct chunk_index_stats stats = index_fixture_stats(repo);
    g_assert_cmpuint(stats.entries, ==, 0);
    g_assert_cmpuint(stats.packs, ==, 0);
}

static void
merge_once(struct repo *repo, guint pack)
{
    auto_ptr(chunk_index) index = index_fixture_open(repo);
    struct index_writer *writer = index_writer_new(INDEX_OWNER);
    index_fixture_add(writer, pack, 25);
    g_assert_cmpuint(index_writer_merge(writer, index, G_MAXUINT64, NULL), >, 0);
    g_autoptr(GError) error = NULL;
    index_writer_finish(writer, repo, &error);
    g_assert_no_error(error);
}

/* An object that could not be removed does not count, and the next merge removes it. */
static void
test_replaced(void)
{
    auto_ptr(repo) repo = repo_memory_new();
    index_fixture_put(repo, 0, 1, 25);
    g_autofree char *name = NULL;
    g_autoptr(GBytes) bytes = index_fixture_only(repo, &name);
    merge_once(repo, 1);
    g_assert_true(
        repo_put(repo, name, g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), NULL));
    {
        auto_ptr(chunk_index) index = index_fixture_open(repo);
        index_fixture_expect(index, 0, 2, 25, 1);
        struct chunk_index_stats stats;
        chunk_index_stats(index, &stats);
        g_assert_cmpuint(stats.objects, ==, 1);
        g_assert_cmpuint(stats.damaged, ==, 0);
    }
    merge_once(repo, 2);
    g_autoptr(GPtrArray) names = index_fixture_list(repo);
    g_assert_cmpuint(names->len, ==, 1);
    /* Also when it comes back once more. */
    g_assert_true(
        repo_put(repo, name, g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), NULL));
    auto_ptr(chunk_index) index = index_fixture_open(repo);
    index_fixture_expect(index, 0, 3, 25, 1);
}

/* Whatever fails: an error, and every chunk that was listed is still found. */
static void
test_failing(gconstpointer once)
{
    unsigned operations = 1u << REPO_OP_APPEND | 1u << REPO_OP_COMMIT | 1u << REPO_OP_REMOVE |
                          1u << REPO_OP_PUT | 1u << REPO_OP_REPLACE;
    gboolean ok = FALSE;
    for (unsigned at = 1; !ok; at++) {
        auto_scratch scratch = scratch_new();
        g_autoptr(GError) error = NULL;
        auto_ptr(repo) below = repo_directory_open(scratch.path, FALSE, &error);
        index_fixture_put(below, 0, 1, 25);
        index_fixture_put(below, 1, 1, 25);
        auto_ptr(chunk_index) index = index_fixture_open(below);
        struct repo_fault plan = {.operations = operations, .at = at, .once = once != NULL};
        auto_ptr(repo) repo =
            repo_fault_new(repo_directory_open(scratch.path, FALSE, &error), &plan);
        struct index_writer *writer = index_writer_new(INDEX_OWNER);
        index_fixture_add(writer, 2, 20000);
        g_assert_cmpuint(index_writer_merge(writer, index, G_MAXUINT64, NULL), ==, 2);
        ok = index_writer_finish(writer, repo, &error);
        g_assert_cmpint(ok, ==, error == NULL);
        if (ok)
            g_assert_cmpuint(at, ==, repo_fault_count(repo) + 1);
        else
            g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_IO);
        g_autoptr(GPtrArray) names = index_fixture_list(below);
        for (guint i = 0; i < names->len; i++)
            g_assert_true(chunk_index_verify(below, names->pdata[i], NULL));
        g_assert_true(chunk_index_refresh(index, NULL));
        index_fixture_expect(index, 0, 2, 25, 1);
        if (ok)
            g_assert_cmpuint(names->len, ==, 1);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/index-writer/sort", test_sort);
    g_test_add_func("/index-writer/layout", test_layout);
    g_test_add_func("/index-writer/deterministic", test_deterministic);
    g_test_add_func("/index-writer/nothing", test_nothing);
    g_test_add_func("/index-writer/merge", test_merge);
    g_test_add_func("/index-writer/drop-all", test_drop_all);
    g_test_add_func("/index-writer/replaced", test_replaced);
    g_test_add_data_func("/index-writer/failing", NULL, test_failing);
    g_test_add_data_func("/index-writer/failing-once", "", test_failing);
    return g_test_run();
}
