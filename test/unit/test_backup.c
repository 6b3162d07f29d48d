/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine_fixture.h"

#define CASES 1000

/* Sizes from 1 byte to 9 MiB, mostly small, most of them no multiple of anything. */
static guint64
random_size(GRand *rand)
{
    static const guint64 sizes[] = {4096,
                                    200000,
                                    700000,
                                    700000,
                                    CHUNK_SEGMENT,
                                    CHUNK_SEGMENT + 4096,
                                    (guint64)2 * CHUNK_SEGMENT + 300000};
    guint64 size = sizes[g_rand_int(rand) % (g_rand_int(rand) % 8 ? 4 : G_N_ELEMENTS(sizes))];
    size = 1 + g_rand_int(rand) % size;
    return g_rand_int(rand) % 3 ? size : (size + 4095) / 4096 * 4096;
}

static guint64
other_size(guint64 size, GRand *rand)
{
    switch (g_rand_int(rand) % 5) {
    case 0:
        return random_size(rand);
    case 1:
        return size + g_rand_int(rand) % 9000;
    case 2:
        return size - g_rand_int(rand) % MIN(size, 9000);
    default:
        return size;
    }
}

/* Nothing was read but blocks that the extents touch, what is new, and the block in which the
 * smaller disk ends. */
static void
assert_read_within(const struct engine_watch *watch, const struct extent_list *changed,
                   guint64 old_size)
{
    guint64 size = disk_size(watch->below), blocks = (size + 4095) / 4096;
    guint64 less = MIN(size, old_size);
    for (guint64 block = 0; block < blocks; block++) {
        struct extent extent;
        guint64 begin = block * 4096, end = begin + 4096;
        gboolean allowed =
            (extent_list_next(changed, begin, NULL, &extent) && extent.offset < end) ||
            (size != old_size && end > less - 1 && (size > old_size || begin <= less - 1));
        g_assert_true(allowed || !watch->read[block]);
    }
}

/* The heart of incremental backups: reading only what changed gives the map that reading everything
 * gives, whatever changed. */
static void
test_changed_is_scanned(void)
{
    for (guint seed = 0; seed < CASES; seed++) {
        g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
        auto_ptr(store) store = engine_store_new(seed % 5 == 0);
        auto_ptr(store) other = fixture_fork(store);
        guint64 old_size = random_size(rand), size = other_size(old_size, rand);
        auto_ptr(disk) before = engine_disk_new(old_size, seed + 1);
        auto_ptr(set) first = engine_backup(store, before, NULL, 1 + seed % 3);

        auto_ptr(disk) after = engine_disk_copy(before, size);
        auto_ptr(extent_list) changed = extent_list_new();
        if (size > old_size && g_rand_boolean(rand))
            engine_fill(after, old_size, size - old_size, rand);
        engine_edit(after, MIN(size, old_size), g_rand_int(rand) % 6, rand, changed);
        struct engine_watch *watch = engine_watch_new(after);
        auto_ptr(set) second = engine_backup(store, &watch->base, changed, 1 + seed % 4);
        assert_read_within(watch, changed, old_size);
        disk_close(&watch->base);

        auto_ptr(set) scanned = engine_backup(other, after, NULL, 2);
        engine_assert_same_map(engine_map(second), engine_map(scanned));
        auto_ptr(set) again = engine_backup(store, after, NULL, 2);
        engine_assert_same_map(engine_map(again), engine_map(scanned));
        g_assert_cmpuint(again->stats.unique, ==, 0);
        g_assert_cmpuint(again->stats.changed, ==, 0);
        g_assert_cmpstr(second->method, ==, "extents");
    }
}

static void
assert_same_packs(struct store *left, struct store *right)
{
    g_autoptr(GPtrArray) a = repo_list(store_repo(left), "packs", NULL);
    g_autoptr(GPtrArray) b = repo_list(store_repo(right), "packs", NULL);
    g_assert_cmpuint(a->len, ==, b->len);
    for (guint i = 0; i < a->len; i++) {
        const struct repo_entry *x = a->pdata[i], *y = b->pdata[i];
        g_assert_cmpstr(x->name, ==, y->name);
        g_autoptr(GBytes) left_bytes = fixture_get(store_repo(left), x->name);
        g_autoptr(GBytes) right_bytes = fixture_get(store_repo(right), y->name);
        g_assert_true(g_bytes_equal(left_bytes, right_bytes));
    }
}

/* One thread is the reference for any number of them. */
static void
test_threads(void)
{
    for (guint seed = 0; seed < 6; seed++) {
        g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
        auto_ptr(store) store = engine_store_new(FALSE);
        auto_ptr(disk) before = engine_disk_new(23 * 1000 * 1000, seed);
        auto_ptr(set) first = engine_backup(store, before, NULL, 1 + seed);
        auto_ptr(disk) after = engine_disk_copy(before, 25 * 1000 * 1000);
        auto_ptr(extent_list) changed = extent_list_new();
        engine_edit(after, 23 * 1000 * 1000, 40, rand, changed);
        auto_ptr(store) other = fixture_fork(store);
        const struct extent_list *list = seed % 2 ? changed : NULL;
        auto_ptr(set) serial = engine_backup(store, after, list, 1);
        auto_ptr(set) parallel = engine_backup(other, after, list, 5);
        engine_assert_same_map(engine_map(serial), engine_map(parallel));
        assert_same_packs(store, other);
        g_assert_cmpuint(serial->stats.unique, ==, parallel->stats.unique);
        g_assert_cmpuint(serial->stats.delta_chunks, >, 0);
        g_assert_cmpuint(serial->stats.delta_chunks, ==, parallel->stats.delta_chunks);
    }
}

/* Any read that fails makes the backup fail, and the next one complete what was begun. */
static void
test_source_fails(void)
{
    for (guint n = 1; n < 7; n++) {
        g_autoptr(GError) error = NULL;
        auto_ptr(store) store = engine_store_new(FALSE);
        struct disk_fault fault = {.reads = n};
        auto_ptr(disk) disk = engine_disk_new(30 * 1000 * 1000, n);
        auto_ptr(disk) failing = disk_fault_new(engine_disk_copy(disk, disk_size(disk)), &fault, 1);
        g_assert_null(engine_try_backup(store, failing, NULL, 1 + n % 3, &error));
        g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_IO);
        g_assert_nonnull(strstr(error->message, "machine, disk disk: "));
        g_assert_cmpuint(fixture_count(store_repo(store), "sets"), ==, 0);
        g_assert_cmpuint(fixture_count(store_repo(store), "leases"), ==, 0);
        auto_ptr(set) set = engine_backup(store, disk, NULL, 2);
        g_assert_nonnull(set);
    }
}

/* A list without an older set is of no use: everything is read. */
static void
test_list_without_parent(void)
{
    auto_ptr(store) store = engine_store_new(FALSE);
    auto_ptr(store) other = engine_store_new(FALSE);
    auto_ptr(extent_list) nothing = extent_list_new();
    auto_ptr(disk) disk = engine_disk_new(5 * 1000 * 1000, 3);
    auto_ptr(set) set = engine_backup(store, disk, nothing, 2);
    auto_ptr(set) scanned = engine_backup(other, disk, NULL, 2);
    engine_assert_same_map(engine_map(set), engine_map(scanned));
    g_assert_cmpstr(set->method, ==, "full");
    g_assert_false(set->has_parent);
}

static void
test_empty_disks(void)
{
    static const guint64 sizes[] = {0, 1, 4096, CHUNK_SEGMENT, 64u << 20};
    for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
        auto_ptr(store) store = engine_store_new(FALSE);
        auto_ptr(disk) disk = disk_memory_new(sizes[i], "source");
        auto_ptr(set) set = engine_backup(store, disk, NULL, 3);
        g_assert_true(engine_map(set)->empty);
        g_assert_cmpuint(set->stats.read, ==, 0);
        g_assert_cmpuint(fixture_count(store_repo(store), "packs"), ==, 0);
    }
}

/* Several disks of one machine share what is equal, also within one set. */
static void
test_two_disks(void)
{
    g_autoptr(GError) error = NULL;
    auto_ptr(store) store = engine_store_new(TRUE);
    auto_ptr(disk) one = engine_disk_new(3 * 1000 * 1000, 3);
    auto_ptr(disk) two = engine_disk_copy(one, 4000000);
    struct backup_source sources[] = {{.disk = one, .name = "a"}, {.disk = two, .name = "b"}};
    struct backup_options options = {.name = "machine",
                                     .sources = sources,
                                     .n_sources = 2,
                                     .codec = CODEC_LZ4,
                                     .verify = BACKUP_VERIFY_ALL,
                                     .archive = TRUE};
    struct backup_report report;
    backup_run(store, &options, &report, &error);
    g_assert_no_error(error);
    g_assert_true(report.verified);
    g_assert_cmpuint(report.set->stats.unique, <, report.set->stats.data * 6 / 10);
    struct set_entry *entry = store_sets_read(store, &report.set->id, &error);
    g_assert_no_error(error);
    g_assert_true(entry->flags.archived);
    g_assert_true(entry->flags.verified_good);
    g_assert_cmpuint(entry->set->disks->len, ==, 2);
    set_entry_free(entry);
    backup_report_clear(&report);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/backup/changed-is-scanned", test_changed_is_scanned);
    g_test_add_func("/backup/threads", test_threads);
    g_test_add_func("/backup/source-fails", test_source_fails);
    g_test_add_func("/backup/list-without-parent", test_list_without_parent);
    g_test_add_func("/backup/empty-disks", test_empty_disks);
    g_test_add_func("/backup/two-disks", test_two_disks);
    return g_test_run();
}
