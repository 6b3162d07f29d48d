/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/set_disk.h"
#include "engine_fixture.h"

static struct disk *
open_set(struct store *store, const struct set *set)
{
    g_autoptr(GError) error = NULL;
    struct disk *disk = set_disk_open(store, NULL, set, "disk", &error);
    g_assert_no_error(error);
    return disk;
}

static void
test_reads_as_source(void)
{
    static const guint64 sizes[] = {1, 4095, 4096, 5000000, CHUNK_SEGMENT, 21000001};
    for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autoptr(GRand) rand = g_rand_new_with_seed(1);
        g_autoptr(GError) error = NULL;
        auto_ptr(store) store = engine_store_new(i % 2);
        auto_ptr(disk) source = engine_disk_new(sizes[i], (guint)i);
        auto_ptr(set) set = engine_backup(store, source, NULL, 2);
        auto_ptr(disk) disk = open_set(store, set);
        g_assert_cmpuint(disk_size(disk), ==, sizes[i]);
        g_assert_cmpuint(disk_capabilities(disk), ==, DISK_CAN_EXTENTS);
        g_assert_false(disk_write(disk, 0, "x", 1, &error));
        g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_READ_ONLY);
        engine_assert_same(source, disk);
        g_autoptr(GBytes) bytes = engine_bytes(source);
        const guint8 *data = g_bytes_get_data(bytes, NULL);
        for (guint k = 0; k < 500; k++) {
            guint8 buffer[70000];
            guint64 offset = g_rand_int(rand) % sizes[i];
            gsize length = g_rand_int(rand) % sizeof buffer;
            length = (gsize)MIN(length, sizes[i] - offset);
            g_assert_true(disk_read(disk, offset, buffer, length, NULL));
            g_assert_cmpmem(buffer, length, data + offset, length);
        }
    }
}

/* Extents cover the disk, zeros are zeros, and what is said to be data is not all zeros. */
static void
test_extents(void)
{
    auto_ptr(store) store = engine_store_new(FALSE);
    auto_ptr(disk) source = engine_disk_new(30000001, 9);
    auto_ptr(set) set = engine_backup(store, source, NULL, 2);
    auto_ptr(disk) disk = open_set(store, set);
    g_autoptr(GBytes) bytes = engine_bytes(source);
    const guint8 *data = g_bytes_get_data(bytes, NULL);
    static const guint64 limits[] = {G_MAXUINT64, 5 << 20, 70000, 4096, 1000};
    for (gsize k = 0; k < G_N_ELEMENTS(limits); k++) {
        for (guint64 at = 0; at < disk_size(disk);) {
            g_autoptr(GError) error = NULL;
            struct disk_extent extent;
            disk_extent(disk, at, limits[k], &extent, &error);
            g_assert_no_error(error);
            gboolean zero =
                data[at] == 0 && memcmp(data + at, data + at + 1, extent.length - 1) == 0;
            if (extent.kind == DISK_ZERO)
                g_assert_true(zero);
            else if (extent.length > 4096)
                g_assert_false(zero);
            at += extent.length;
        }
    }
}

/* A huge disk with little on it: one extent a hole, whatever its size. */
static void
test_holes(void)
{
    g_autoptr(GError) error = NULL;
    auto_ptr(store) store = engine_store_new(FALSE);
    guint64 size = (guint64)5 << 30, far = ((guint64)4 << 30) + 12288;
    auto_ptr(disk) source = disk_memory_new(size, "source");
    g_assert_true(disk_write(source, 8192, engine_block(1), 4096, NULL));
    g_assert_true(disk_write(source, far, engine_block(2), 4096, NULL));
    auto_ptr(set) set = engine_backup(store, source, NULL, 2);
    auto_ptr(disk) disk = open_set(store, set);
    guint64 ends[16];
    guint n = 0;
    for (guint64 at = 0; at < size; at = ends[n++]) {
        struct disk_extent extent;
        g_assert_cmpuint(n, <, G_N_ELEMENTS(ends));
        disk_extent(disk, at, size - at, &extent, &error);
        g_assert_no_error(error);
        ends[n] = at + extent.length;
        g_assert_cmpint(extent.kind, ==, at == 8192 || at == far ? DISK_DATA : DISK_ZERO);
    }
    g_assert_cmpuint(n, <=, 6);
}

struct reading {
    struct disk *disk;
    const guint8 *data;
    guint seed;
};

static gpointer
read_some(gpointer data)
{
    const struct reading *reading = data;
    g_autoptr(GRand) rand = g_rand_new_with_seed(reading->seed);
    g_autofree guint8 *buffer = g_malloc(300000);
    for (guint i = 0; i < 300; i++) {
        guint64 offset = g_rand_int(rand) % disk_size(reading->disk);
        gsize length = (gsize)MIN(300000, disk_size(reading->disk) - offset);
        g_assert_true(disk_read(reading->disk, offset, buffer, length, NULL));
        g_assert_cmpmem(buffer, length, reading->data + offset, length);
        struct disk_extent extent;
        g_assert_true(disk_extent(reading->disk, offset, length, &extent, NULL));
    }
    return NULL;
}

static void
test_threads(void)
{
    auto_ptr(store) store = engine_store_new(TRUE);
    auto_ptr(disk) source = engine_disk_new(20000001, 9);
    auto_ptr(set) set = engine_backup(store, source, NULL, 2);
    auto_ptr(disk) disk = open_set(store, set);
    g_autoptr(GBytes) bytes = engine_bytes(source);
    struct reading readings[6];
    GThread *threads[G_N_ELEMENTS(readings)];
    for (guint i = 0; i < G_N_ELEMENTS(readings); i++) {
        readings[i] = (struct reading){disk, g_bytes_get_data(bytes, NULL), i};
        threads[i] = g_thread_new("read", read_some, &readings[i]);
    }
    for (guint i = 0; i < G_N_ELEMENTS(readings); i++)
        g_thread_join(threads[i]);
}

/* Where it is damaged it says so, with the place; elsewhere it reads. */
static void
test_damage(void)
{
    auto_ptr(store) store = engine_store_new(FALSE);
    auto_ptr(disk) source = engine_disk_new(12000001, 4);
    auto_ptr(set) set = engine_backup(store, source, NULL, 2);
    g_autofree struct map_leaf *leaf = g_new(struct map_leaf, 1);
    g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(struct chunk_id));
    engine_leaf(store, engine_map(set), 1, leaf);
    engine_damage(store, &leaf->entries[leaf->n / 2].id, ids);
    auto_ptr(extent_list) places = engine_places(store, engine_map(set), ids);
    g_assert_cmpuint(places->extents->len, >, 0);
    auto_ptr(disk) disk = open_set(store, set);
    g_autoptr(GBytes) bytes = engine_bytes(source);
    guint8 buffer[4096];
    for (guint64 at = 0; at < disk_size(disk); at += 4096) {
        g_autoptr(GError) error = NULL;
        struct extent extent;
        gsize length = (gsize)MIN(4096, disk_size(disk) - at);
        gboolean hit = extent_list_next(places, at, NULL, &extent) && extent.offset < at + length;
        g_assert_cmpint(disk_read(disk, at, buffer, length, &error), ==, !hit);
        if (!hit) {
            g_assert_cmpmem(buffer, length, (const guint8 *)g_bytes_get_data(bytes, NULL) + at,
                            length);
            continue;
        }
        g_autofree char *place = g_strdup_printf("disk disk, offset %" G_GUINT64_FORMAT ": ", at);
        g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
        g_assert_nonnull(strstr(error->message, place));
        g_assert_nonnull(strstr(error->message, "of machine"));
    }
}

static void
test_pack_is_gone(void)
{
    g_autoptr(GError) error = NULL;
    auto_ptr(store) store = engine_store_new(FALSE);
    auto_ptr(disk) source = engine_disk_new(2000000, 4);
    auto_ptr(set) set = engine_backup(store, source, NULL, 2);
    auto_ptr(disk) disk = open_set(store, set);
    g_autoptr(GPtrArray) packs = repo_list(store_repo(store), "packs", NULL);
    for (guint i = 0; i < packs->len; i++)
        repo_remove(store_repo(store), ((struct repo_entry *)packs->pdata[i])->name, NULL);
    guint8 byte;
    g_assert_false(disk_read(disk, 1999999, &byte, 1, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
}

static void
test_no_such_disk(void)
{
    g_autoptr(GError) error = NULL;
    auto_ptr(store) store = engine_store_new(FALSE);
    auto_ptr(disk) source = engine_disk_new(20000, 4);
    auto_ptr(set) set = engine_backup(store, source, NULL, 2);
    g_assert_null(set_disk_open(store, NULL, set, "sda", &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND);
    g_assert_nonnull(strstr(error->message, "has no disk sda; it has: disk"));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/set-disk/reads-as-source", test_reads_as_source);
    g_test_add_func("/set-disk/extents", test_extents);
    g_test_add_func("/set-disk/holes", test_holes);
    g_test_add_func("/set-disk/threads", test_threads);
    g_test_add_func("/set-disk/damage", test_damage);
    g_test_add_func("/set-disk/pack-is-gone", test_pack_is_gone);
    g_test_add_func("/set-disk/no-such-disk", test_no_such_disk);
    return g_test_run();
}
