/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/diff.h"
#include "engine_fixture.h"

static struct extent_list *
diff(struct store *store, const struct set *left, const struct set *right)
{
    g_autoptr(GError) error = NULL;
    struct extent_list *list = diff_disks(store, NULL, left, right, "disk", &error);
    g_assert_no_error(error);
    return list;
}

static guint8
byte_at(GBytes *bytes, gsize at)
{
    return at < g_bytes_get_size(bytes) ? ((const guint8 *)g_bytes_get_data(bytes, NULL))[at] : 0;
}

/* Everything that differs is in the list, in order, and no whole segment that does not. */
static void
assert_covers(const struct extent_list *list, struct disk *left, struct disk *right)
{
    g_autoptr(GBytes) a = engine_bytes(left), b = engine_bytes(right);
    gsize size = g_bytes_get_size(b);
    guint hint = 0;
    struct extent extent;
    for (gsize at = 0; at < size; at++) {
        if (byte_at(a, at) != byte_at(b, at))
            g_assert_true(extent_list_next(list, at, &hint, &extent) && extent.offset == at);
    }
    for (guint i = 0; i < list->extents->len; i++) {
        extent = g_array_index(list->extents, struct extent, i);
        g_assert_cmpuint(extent.offset + extent.length, <=, size);
        gsize same = 0;
        for (gsize at = extent.offset; at < extent.offset + extent.length; at++) {
            same = byte_at(a, at) == byte_at(b, at) ? same + 1 : 0;
            g_assert_cmpuint(same, <, CHUNK_SEGMENT);
        }
    }
}

/* What it gives is what an incremental backup needs: the same map, from reading only that. */
static void
test_as_changed_extents(void)
{
    for (guint seed = 0; seed < 40; seed++) {
        g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
        guint64 old_size = 1 + g_rand_int(rand) % 9000000, size = old_size;
        if (seed % 3)
            size = 1 + g_rand_int(rand) % 9000000;
        auto_ptr(store) store = engine_store_new(seed % 4 == 0);
        auto_ptr(disk) before = engine_disk_new(old_size, seed);
        auto_ptr(set) first = engine_backup(store, before, NULL, 2);
        auto_ptr(store) other = fixture_fork(store);
        auto_ptr(disk) after = engine_disk_copy(before, size);
        auto_ptr(extent_list) changed = extent_list_new();
        engine_edit(after, size, 5, rand, changed);
        auto_ptr(set) second = engine_backup(store, after, NULL, 2);
        auto_ptr(extent_list) list = diff(store, first, second);
        assert_covers(list, before, after);
        auto_ptr(set) again = engine_backup(other, after, list, 2);
        engine_assert_same_map(engine_map(second), engine_map(again));
    }
}

static void
test_equal(void)
{
    auto_ptr(store) store = engine_store_new(FALSE);
    auto_ptr(disk) disk = engine_disk_new(5000001, 1);
    auto_ptr(set) first = engine_backup(store, disk, NULL, 2);
    auto_ptr(set) second = engine_backup(store, disk, NULL, 2);
    auto_ptr(extent_list) list = diff(store, first, second);
    g_assert_cmpuint(list->extents->len, ==, 0);
}

/* A disk that the older set does not have was all zeros. */
static void
test_new_disk(void)
{
    g_autoptr(GError) error = NULL;
    auto_ptr(store) store = engine_store_new(FALSE);
    auto_ptr(disk) disk = engine_disk_new(5000001, 1);
    auto_ptr(set) second = engine_backup(store, disk, NULL, 2);
    auto_ptr(set) nothing = set_new();
    nothing->name = g_strdup("machine");
    auto_ptr(extent_list) list = diff(store, nothing, second);
    g_assert_cmpuint(extent_list_total(list), >, 0);
    g_assert_cmpuint(extent_list_total(list), <=, second->stats.data);
    g_assert_null(diff_disks(store, NULL, second, nothing, "disk", &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/diff/as-changed-extents", test_as_changed_extents);
    g_test_add_func("/diff/equal", test_equal);
    g_test_add_func("/diff/new-disk", test_new_disk);
    return g_test_run();
}
