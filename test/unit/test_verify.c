/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/verify.h"
#include "engine_fixture.h"

static void
verify(struct store *store, const struct set *set, const struct verify_options *options,
       struct verify_report *ret)
{
    g_autoptr(GError) error = NULL;
    verify_set(store, set, options, ret, &error);
    g_assert_no_error(error);
}

/* Bytes of the distinct chunks of a map. */
static guint64
distinct_bytes(struct store *store, const struct map *map, guint64 *ret_chunks)
{
    g_autoptr(GHashTable) seen =
        g_hash_table_new_full(chunk_id_hash, chunk_id_equal_func, g_free, NULL);
    g_autofree struct map_leaf *leaf = g_new(struct map_leaf, 1);
    guint64 bytes = 0;
    for (guint64 s = 0; s < map_segments(map->size); s++) {
        engine_leaf(store, map, s, leaf);
        for (guint i = 0; i < leaf->n; i++) {
            if (g_hash_table_add(seen, g_memdup2(&leaf->entries[i].id, CHUNK_ID_SIZE)))
                bytes += leaf->entries[i].blocks * CHUNK_BLOCK;
        }
    }
    *ret_chunks = g_hash_table_size(seen);
    return bytes;
}

static void
test_good(void)
{
    for (guint i = 0; i < 6; i++) {
        auto_ptr(store) store = engine_store_new(i % 2);
        auto_ptr(disk) disk = engine_disk_new(15000001, i);
        auto_ptr(set) first = engine_backup(store, disk, NULL, 2);
        auto_ptr(extent_list) changed = extent_list_new();
        g_autoptr(GRand) rand = g_rand_new_with_seed(i);
        engine_edit(disk, 15000001, 10, rand, changed);
        auto_ptr(set) second = engine_backup(store, disk, changed, 2);
        struct verify_options options = {.threads = i};
        struct verify_report report;
        guint64 chunks;
        verify(store, second, &options, &report);
        g_assert_cmpuint(report.damage->len, ==, 0);
        g_assert_cmpuint(report.bytes, ==, distinct_bytes(store, engine_map(second), &chunks));
        g_assert_cmpuint(report.chunks, ==, chunks);
        guint64 all = report.bytes;
        verify_report_clear(&report);

        options.since = first;
        verify(store, second, &options, &report);
        g_assert_cmpuint(report.damage->len, ==, 0);
        g_assert_cmpuint(report.bytes, <, all);
        g_assert_cmpuint(report.bytes, <=, second->stats.changed);
        g_assert_cmpuint(report.bytes, >, 0);
        verify_report_clear(&report);

        options.since = second;
        verify(store, second, &options, &report);
        g_assert_cmpuint(report.chunks, ==, 0);
        verify_report_clear(&report);
    }
}

/* Each frame in turn: exactly what is in it is named, wherever the disk has it. */
static void
test_each_chunk(void)
{
    auto_ptr(store) good = engine_store_new(FALSE);
    auto_ptr(disk) disk = engine_disk_new(9000001, 4);
    auto_ptr(set) first = engine_backup(good, disk, NULL, 2);
    auto_ptr(extent_list) changed = extent_list_new();
    g_autoptr(GRand) rand = g_rand_new_with_seed(4);
    engine_edit(disk, 9000001, 10, rand, changed);
    auto_ptr(set) set = engine_backup(good, disk, NULL, 2);
    g_autofree struct map_leaf *leaf = g_new(struct map_leaf, 1);
    for (guint64 s = 0; s < map_segments(9000001); s++) {
        engine_leaf(good, engine_map(set), s, leaf);
        for (guint i = 0; i < leaf->n; i += 5) {
            auto_ptr(store) store = fixture_fork(good);
            g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(struct chunk_id));
            engine_damage(store, &leaf->entries[i].id, ids);
            struct verify_options options = {.threads = 1 + i % 3};
            struct verify_report report;
            verify(store, set, &options, &report);
            g_assert_cmpuint(report.damage->len, >, 0);
            /* A delta of a damaged chunk cannot be read either: then there is more. */
            auto_ptr(extent_list) places = engine_places(store, engine_map(set), ids);
            if (set->stats.delta_chunks == 0)
                engine_assert_damage(report.damage, places);
            else
                g_assert_cmpuint(report.damage->len, >=, places->extents->len);
            verify_report_clear(&report);
        }
    }
}

static void
test_exact_range(void)
{
    auto_ptr(store) store = engine_store_new(TRUE);
    auto_ptr(disk) disk = engine_disk_new(21000001, 4);
    auto_ptr(set) set = engine_backup(store, disk, NULL, 2);
    g_autofree struct map_leaf *leaf = g_new(struct map_leaf, 1);
    g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(struct chunk_id));
    for (guint s = 1; s < 5; s += 2) {
        engine_leaf(store, engine_map(set), s, leaf);
        engine_damage(store, &leaf->entries[3].id, ids);
    }
    engine_leaf(store, engine_map(set), 5, leaf);
    engine_damage(store, &leaf->entries[leaf->n - 1].id, ids);
    auto_ptr(extent_list) places = engine_places(store, engine_map(set), ids);
    struct verify_options options = {.threads = 3};
    struct verify_report report;
    verify(store, set, &options, &report);
    engine_assert_damage(report.damage, places);
    const struct verify_damage *damage = report.damage->pdata[0];
    g_assert_nonnull(strstr(damage->words, "packs/"));
    verify_report_clear(&report);
}

/* A damaged node hides what is below it, and no more; what can be read still is. */
static void
test_damaged_nodes(void)
{
    auto_ptr(store) store = engine_store_new(FALSE);
    auto_ptr(disk) disk = engine_disk_new(21000001, 4);
    auto_ptr(set) first = engine_backup(store, disk, NULL, 2);
    g_autoptr(GRand) rand = g_rand_new_with_seed(3);
    engine_scribble(disk, CHUNK_SEGMENT + 70000, 100000, rand);
    auto_ptr(set) second = engine_backup(store, disk, NULL, 2);
    /* The first set's nodes are in one frame: all of it is gone; of the second one leaf is new. */
    engine_damage(store, &engine_map(first)->root, NULL);
    struct verify_options options = {.threads = 2};
    struct verify_report report;
    verify(store, first, &options, &report);
    g_assert_cmpuint(report.damage->len, ==, 1);
    const struct verify_damage *damage = report.damage->pdata[0];
    g_assert_cmpuint(damage->offset, ==, 0);
    g_assert_cmpuint(damage->length, ==, 21000001);
    verify_report_clear(&report);
    verify(store, second, &options, &report);
    g_assert_cmpuint(report.damage->len, ==, 2);
    damage = report.damage->pdata[0];
    g_assert_cmpuint(damage->length, ==, CHUNK_SEGMENT);
    damage = report.damage->pdata[1];
    g_assert_cmpuint(damage->offset, ==, 2 * CHUNK_SEGMENT);
    g_assert_cmpuint(report.chunks, >, 0);
    verify_report_clear(&report);
    /* A comparison with what is damaged falls back to reading all. */
    options.since = first;
    verify(store, second, &options, &report);
    g_assert_cmpuint(report.damage->len, ==, 2);
    verify_report_clear(&report);
}

static void
test_packs_are_gone(void)
{
    auto_ptr(store) store = engine_store_new(FALSE);
    auto_ptr(disk) disk = engine_disk_new(9000001, 4);
    auto_ptr(set) set = engine_backup(store, disk, NULL, 2);
    g_autoptr(GPtrArray) packs = repo_list(store_repo(store), "packs", NULL);
    for (guint i = 0; i < packs->len; i++)
        repo_remove(store_repo(store), ((struct repo_entry *)packs->pdata[i])->name, NULL);
    struct verify_options options = {0};
    struct verify_report report;
    verify(store, set, &options, &report);
    g_assert_cmpuint(report.damage->len, ==, 1);
    g_assert_cmpuint(report.chunks, ==, 0);
    verify_report_clear(&report);
}

/* Every chunk is in a second pack too: a damaged copy is nothing. */
static void
test_second_copy(void)
{
    auto_ptr(store) store = engine_store_new(FALSE);
    auto_ptr(disk) disk = engine_disk_new(3000001, 4);
    auto_ptr(store) other = fixture_fork(store);
    auto_ptr(set) set = engine_backup(store, disk, NULL, 2);
    auto_ptr(disk) reordered = disk_memory_new(9000000, "other");
    g_autoptr(GBytes) bytes = engine_bytes(disk);
    g_assert_true(disk_write(reordered, 0, engine_block(5), 4096, NULL));
    g_assert_true(
        disk_write(reordered, CHUNK_SEGMENT, g_bytes_get_data(bytes, NULL), 3000001, NULL));
    auto_ptr(set) second = engine_backup(other, reordered, NULL, 2);
    g_autoptr(GPtrArray) names = fixture_names(store_repo(other));
    for (guint i = 0; i < names->len; i++) {
        if (!g_str_has_prefix(names->pdata[i], "packs/") &&
            !g_str_has_prefix(names->pdata[i], "index/"))
            continue;
        g_autoptr(GBytes) object = fixture_get(store_repo(other), names->pdata[i]);
        fixture_put(store_repo(store), names->pdata[i], object);
    }
    g_autofree struct map_leaf *leaf = g_new(struct map_leaf, 1);
    engine_leaf(store, engine_map(set), 0, leaf);
    engine_damage(store, &leaf->entries[1].id, NULL);
    struct verify_options options = {.threads = 2};
    struct verify_report report;
    verify(store, set, &options, &report);
    g_assert_cmpuint(report.damage->len, ==, 0);
    verify_report_clear(&report);
}

static struct set_flags
flags_of(struct store *store, const struct set *set)
{
    g_autoptr(GError) error = NULL;
    struct set_entry *entry = store_sets_read(store, &set->id, &error);
    g_assert_no_error(error);
    struct set_flags flags = entry->flags;
    entry->flags.verified_words = NULL;
    set_entry_free(entry);
    return flags;
}

static void
test_note(void)
{
    g_autoptr(GError) error = NULL;
    auto_ptr(store) store = engine_store_new(FALSE);
    auto_ptr(disk) disk = engine_disk_new(3000001, 4);
    auto_ptr(set) set = engine_backup(store, disk, NULL, 2);
    struct set_entry entry = {.set = set};
    struct set_flags archived = {.archived = TRUE};
    struct verify_options options = {.since = set};
    struct verify_report report;
    g_assert_true(store_sets_put_flags(store, &set->id, &archived, NULL));

    verify_and_note(store, &entry, &options, &report, &error);
    g_assert_no_error(error);
    verify_report_clear(&report);
    struct set_flags flags = flags_of(store, set);
    g_assert_cmpint(flags.verified, ==, 0);

    options.since = NULL;
    verify_and_note(store, &entry, &options, &report, &error);
    g_assert_no_error(error);
    verify_report_clear(&report);
    flags = flags_of(store, set);
    g_assert_true(flags.archived);
    g_assert_true(flags.verified_good);
    g_assert_cmpint(flags.verified, >, 0);
    g_assert_null(flags.verified_words);

    g_autofree struct map_leaf *leaf = g_new(struct map_leaf, 1);
    engine_leaf(store, engine_map(set), 0, leaf);
    engine_damage(store, &leaf->entries[1].id, NULL);
    verify_and_note(store, &entry, &options, &report, &error);
    g_assert_no_error(error);
    verify_report_clear(&report);
    flags = flags_of(store, set);
    g_assert_true(flags.archived);
    g_assert_false(flags.verified_good);
    g_assert_nonnull(strstr(flags.verified_words, "the first on disk disk at "));
    set_flags_clear(&flags);

    /* A set that was removed meanwhile does not come back as flags. */
    g_assert_true(store_sets_remove(store, &set->id, NULL));
    g_assert_false(verify_and_note(store, &entry, &options, &report, &error));
    verify_report_clear(&report);
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND);
    g_assert_cmpuint(fixture_count(store_repo(store), "flags"), ==, 0);
}

/* A repo that cannot be read at all is no damaged set. */
static void
test_repo_fails(void)
{
    g_autoptr(GError) error = NULL;
    auto_ptr(store) store = engine_store_new(FALSE);
    auto_ptr(disk) disk = engine_disk_new(3000001, 4);
    auto_ptr(set) set = engine_backup(store, disk, NULL, 2);
    struct repo_fault fault = {.operations = 1u << REPO_OP_READ, .at = 4};
    struct repo *repo = repo_fault_new(fixture_copy(store_repo(store)), &fault);
    auto_ptr(store) failing = store_open(repo, NULL, &error);
    g_assert_no_error(error);
    struct verify_options options = {.threads = 1};
    struct verify_report report;
    g_assert_false(verify_set(failing, set, &options, &report, &error));
    verify_report_clear(&report);
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_IO);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/verify/good", test_good);
    g_test_add_func("/verify/each-chunk", test_each_chunk);
    g_test_add_func("/verify/exact-range", test_exact_range);
    g_test_add_func("/verify/damaged-nodes", test_damaged_nodes);
    g_test_add_func("/verify/packs-are-gone", test_packs_are_gone);
    g_test_add_func("/verify/second-copy", test_second_copy);
    g_test_add_func("/verify/note", test_note);
    g_test_add_func("/verify/repo-fails", test_repo_fails);
    return g_test_run();
}
