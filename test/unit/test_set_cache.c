/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "disk/overlay.h"
#include "engine/set_cache.h"
#include "engine/set_disk.h"
#include "engine_fixture.h"

#define KIB 1024u
#define MIB (1024u * 1024)
#define TINY (8u * MIB) /* the smallest cache that there is */

static struct set_cache *
new_cache(struct store *store, guint64 bytes, guint threads)
{
    g_autoptr(GError) error = NULL;
    struct set_cache_options options = {.bytes = bytes, .threads = threads};
    struct set_cache *cache = set_cache_new(store, NULL, &options, &error);
    g_assert_no_error(error);
    return cache;
}

static struct disk *
open_set(struct set_cache *cache, const struct set *set)
{
    g_autoptr(GError) error = NULL;
    struct disk *disk = set_cache_open(cache, set, "disk", &error);
    g_assert_no_error(error);
    return disk;
}

static struct set_cache_status
status_of(struct set_cache *cache)
{
    struct set_cache_status status;
    set_cache_status(cache, &status);
    return status;
}

static void
expect_range(struct disk *disk, guint64 offset, const guint8 *expected, gsize length)
{
    g_autoptr(GError) error = NULL;
    g_autofree guint8 *buffer = g_malloc(length + 1);
    buffer[length] = 0xa5;
    disk_read(disk, offset, buffer, length, &error);
    g_assert_no_error(error);
    g_assert_true(memcmp(buffer, expected, length) == 0);
    g_assert_cmpuint(buffer[length], ==, 0xa5);
}

/* ---- Disks ----------------------------------------------------------------------------------- */

static void
test_reads_as_source(void)
{
    static const guint64 sizes[] = {1, 4095, 4096, 5000000, CHUNK_SEGMENT, 41000001};
    for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autoptr(GRand) rand = g_rand_new_with_seed(1);
        g_autoptr(GError) error = NULL;
        auto_ptr(store) store = engine_store_new(i % 2);
        auto_ptr(disk) source = engine_disk_new(sizes[i], (guint)i);
        auto_ptr(set) set = engine_backup(store, source, NULL, 2);
        auto_ptr(set_cache) cache = new_cache(store, i % 3 ? TINY : 0, (guint)i % 3);
        auto_ptr(disk) disk = open_set(cache, set);
        g_assert_cmpuint(disk_size(disk), ==, sizes[i]);
        g_assert_cmpuint(disk_capabilities(disk), ==, DISK_CAN_EXTENTS);
        g_assert_false(disk_write(disk, 0, "x", 1, &error));
        g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_READ_ONLY);
        engine_assert_same(source, disk);
        g_autoptr(GBytes) bytes = engine_bytes(source);
        const guint8 *data = g_bytes_get_data(bytes, NULL);
        for (guint k = 0; k < 400; k++) {
            guint64 offset = g_rand_int(rand) % sizes[i];
            gsize length = g_rand_int(rand) % (k % 8 ? 70000 : 2000000);
            expect_range(disk, offset, data + offset, (gsize)MIN(length, sizes[i] - offset));
        }
        g_assert_cmpuint(status_of(cache).bytes, <=, i % 3 ? TINY : SET_CACHE_BYTES_DEFAULT);
    }
}

/* What is said of extents is what a plain disk of the set says. */
static void
test_extents(void)
{
    auto_ptr(store) store = engine_store_new(FALSE);
    auto_ptr(disk) source = engine_disk_new(30000001, 9);
    auto_ptr(set) set = engine_backup(store, source, NULL, 2);
    auto_ptr(set_cache) cache = new_cache(store, 0, 1);
    auto_ptr(disk) disk = open_set(cache, set);
    auto_ptr(disk) plain = set_disk_open(store, NULL, set, "disk", NULL);
    g_assert_cmpstr(disk_label(disk), ==, disk_label(plain));
    static const guint64 limits[] = {G_MAXUINT64, 5 << 20, 70000, 4096, 1000};
    for (gsize k = 0; k < G_N_ELEMENTS(limits); k++) {
        struct disk_extent one, two;
        for (guint64 at = 0; at < disk_size(disk); at += one.length) {
            g_assert_true(disk_extent(disk, at, limits[k], &one, NULL));
            g_assert_true(disk_extent(plain, at, limits[k], &two, NULL));
            g_assert_cmpuint(one.offset, ==, two.offset);
            g_assert_cmpuint(one.length, ==, two.length);
            g_assert_cmpint(one.kind, ==, two.kind);
        }
    }
    g_assert_cmpuint(status_of(cache).misses, ==, 0);
}

/* Zeros are no chunks. */
static void
test_zeros(void)
{
    auto_ptr(store) store = engine_store_new(FALSE);
    guint64 size = (guint64)5 << 30, far = ((guint64)4 << 30) + 12288;
    auto_ptr(disk) source = disk_memory_new(size, "source");
    g_assert_true(disk_write(source, 8192, engine_block(1), 4096, NULL));
    g_assert_true(disk_write(source, far, engine_block(2), 4096, NULL));
    auto_ptr(set) set = engine_backup(store, source, NULL, 2);
    auto_ptr(set_cache) cache = new_cache(store, 0, 2);
    auto_ptr(disk) disk = open_set(cache, set);
    g_autofree guint8 *zeros = g_malloc0(MIB);
    expect_range(disk, 0, zeros, 8192);
    for (guint64 at = 8192 + 4096; at < 300 * (guint64)MIB; at += MIB)
        expect_range(disk, at, zeros, MIB);
    expect_range(disk, far + 4096, zeros, MIB);
    g_assert_cmpuint(status_of(cache).misses, ==, 0);
    expect_range(disk, far, engine_block(2), 4096);
    g_assert_cmpuint(status_of(cache).misses, ==, 1);
    g_assert_cmpuint(status_of(cache).bytes, ==, 4096);
}

/* Read again it costs nothing, and of two sets what is equal is read once. */
static void
test_shared(void)
{
    auto_ptr(store) store = engine_store_new(TRUE);
    auto_ptr(disk) source = engine_disk_new(20000001, 9);
    auto_ptr(set) first = engine_backup(store, source, NULL, 2);
    g_assert_true(disk_write(source, 15000000, "changed", 7, NULL));
    auto_ptr(set) second = engine_backup(store, source, NULL, 2);
    auto_ptr(set_cache) cache = new_cache(store, 0, 2);
    auto_ptr(disk) one = open_set(cache, first);
    auto_ptr(disk) two = open_set(cache, second);
    g_autoptr(GBytes) before = engine_bytes(one);
    struct set_cache_status status = status_of(cache);
    g_assert_cmpuint(status.misses, >, 0);
    g_autoptr(GBytes) again = engine_bytes(one);
    g_assert_true(g_bytes_equal(before, again));
    g_assert_cmpuint(status_of(cache).misses, ==, status.misses);
    g_assert_cmpuint(status_of(cache).hits, >, status.hits);
    engine_assert_same(source, two);
    g_assert_cmpuint(status_of(cache).misses, <=, status.misses + 2);
    g_assert_cmpuint(status_of(cache).misses, >, status.misses);
}

/* A disk of which no two chunks are alike. */
static struct disk *
unlike_disk(guint64 size)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(5);
    struct disk *disk = disk_memory_new(size, "source");
    g_autofree guint8 *bytes = g_malloc(MIB);
    for (guint64 at = 0; at < size; at += MIB) {
        for (guint i = 0; i < MIB; i += 4) {
            guint32 value = i % 64 < 16 ? g_rand_int(rand) : 0x20202020;
            memcpy(bytes + i, &value, sizeof value);
        }
        g_assert_true(disk_write(disk, at, bytes, (gsize)MIN(MIB, size - at), NULL));
    }
    return disk;
}

/* Until the threads have brought so many in all; FALSE: they do not. */
static gboolean
wait_for_fetched(struct set_cache *cache, guint64 chunks)
{
    for (guint i = 0; i < 10000; i++) {
        if (status_of(cache).read_ahead >= chunks)
            return TRUE;
        g_usleep(1000);
    }
    return FALSE;
}

/* What is read in order is there before it is asked for, when there is time. */
static void
test_read_ahead(void)
{
    auto_ptr(store) store = engine_store_new(FALSE);
    auto_ptr(disk) source = unlike_disk(24 * MIB);
    auto_ptr(set) set = engine_backup(store, source, NULL, 2);
    auto_ptr(set_cache) cache = new_cache(store, 0, 2);
    auto_ptr(disk) disk = open_set(cache, set);
    g_autoptr(GBytes) bytes = engine_bytes(source);
    const guint8 *data = g_bytes_get_data(bytes, NULL);
    for (guint64 at = 0; at < 24 * MIB; at += 64 * KIB) {
        expect_range(disk, at, data + at, 64 * KIB);
        if (at == 256 * KIB)
            g_assert_true(wait_for_fetched(cache, 2));
    }
    g_assert_cmpuint(status_of(cache).hits, >, 0);
}

static guint64
count_chunks(struct store *store, const struct set *set, guint64 segments)
{
    g_autofree struct map_leaf *leaf = g_new(struct map_leaf, 1);
    guint64 n = 0;
    for (guint64 s = 0; s < segments; s++) {
        engine_leaf(store, engine_map(set), s, leaf);
        n += leaf->n;
    }
    return n;
}

static void
test_prefetch(void)
{
    auto_ptr(store) store = engine_store_new(FALSE);
    auto_ptr(disk) source = unlike_disk(12 * MIB);
    auto_ptr(set) set = engine_backup(store, source, NULL, 2);
    auto_ptr(set_cache) cache = new_cache(store, 64 * MIB, 2);
    auto_ptr(disk) disk = open_set(cache, set);
    g_autoptr(GBytes) bytes = engine_bytes(source);
    const guint8 *data = g_bytes_get_data(bytes, NULL);
    disk_prefetch(disk, 0, CHUNK_SEGMENT);
    g_assert_true(wait_for_fetched(cache, count_chunks(store, set, 1)));
    expect_range(disk, 0, data, CHUNK_SEGMENT);
    g_assert_cmpuint(status_of(cache).misses + status_of(cache).hits, ==,
                     count_chunks(store, set, 1));
    guint64 known = status_of(cache).read_ahead;
    /* What is there is not fetched again; what no disk has neither. */
    disk_prefetch(disk, 4096, 4096);
    disk_prefetch(disk, 12 * MIB, 5);
    /* A read here or there brings in its chunk alone. */
    disk_prefetch(disk, 6 * MIB + 100, 10);
    g_assert_true(wait_for_fetched(cache, known + 1));
    g_usleep(20000);
    g_assert_cmpuint(status_of(cache).read_ahead, ==, known + 1);
    known++;
    disk_prefetch(disk, 11 * MIB, G_MAXUINT64);
    g_assert_true(wait_for_fetched(cache, known + 1));
    expect_range(disk, 11 * MIB, data + 11 * MIB, MIB);
}

/* A disk may be closed with all that waits to be read ahead of it. */
static void
test_close(void)
{
    auto_ptr(store) store = engine_store_new(FALSE);
    auto_ptr(disk) source = unlike_disk(24 * MIB);
    auto_ptr(set) set = engine_backup(store, source, NULL, 2);
    auto_ptr(set_cache) cache = new_cache(store, TINY, 2);
    auto_ptr(disk) other = open_set(cache, set);
    for (guint i = 0; i < 30; i++) {
        auto_ptr(disk) disk = open_set(cache, set);
        for (guint k = 0; k < 300; k++)
            disk_prefetch(disk, (k * 7 + i) % 24 * MIB, 300 * KIB);
        disk_prefetch(other, i % 24 * MIB, MIB);
    }
    engine_assert_same(source, other);
    g_assert_cmpuint(status_of(cache).bytes, <=, TINY);
}

/* ---- Threads --------------------------------------------------------------------------------- */

struct reader {
    struct disk *disk;
    const guint8 *data;
    guint seed;
};

static void
read_at_random(const struct reader *reader, GRand *rand)
{
    guint64 size = disk_size(reader->disk);
    for (guint i = 0; i < 150; i++) {
        guint64 offset = g_rand_int(rand) % size;
        gsize length = (gsize)MIN(i % 10 ? 4096 : 300000, size - offset);
        disk_prefetch(reader->disk, g_rand_int(rand) % size, 4096);
        expect_range(reader->disk, offset, reader->data + offset, length);
        struct disk_extent extent;
        g_assert_true(disk_extent(reader->disk, offset, length, &extent, NULL));
    }
}

static gpointer
read_some(gpointer data)
{
    const struct reader *reader = data;
    g_autoptr(GRand) rand = g_rand_new_with_seed(reader->seed);
    guint64 size = disk_size(reader->disk);
    if (reader->seed % 2) {
        read_at_random(reader, rand);
        return NULL;
    }
    /* Two read the same stream, two others begin elsewhere. */
    for (guint64 at = reader->seed / 4 * 10000000; at < size; at += 100000)
        expect_range(reader->disk, at, reader->data + at, (gsize)MIN(100000, size - at));
    return NULL;
}

static void
run_threads(guint64 bytes, guint threads)
{
    auto_ptr(store) store = engine_store_new(TRUE);
    auto_ptr(disk) source = engine_disk_new(30000001, 9);
    auto_ptr(set) set = engine_backup(store, source, NULL, 2);
    auto_ptr(set_cache) cache = new_cache(store, bytes, threads);
    auto_ptr(disk) one = open_set(cache, set);
    auto_ptr(disk) two = open_set(cache, set);
    g_autoptr(GBytes) content = engine_bytes(source);
    struct reader readers[8];
    GThread *running[G_N_ELEMENTS(readers)];
    for (guint i = 0; i < G_N_ELEMENTS(readers); i++) {
        readers[i] = (struct reader){i % 4 < 2 ? one : two, g_bytes_get_data(content, NULL), i};
        running[i] = g_thread_new("read", read_some, &readers[i]);
    }
    for (guint i = 0; i < G_N_ELEMENTS(readers); i++)
        g_thread_join(running[i]);
}

static void
test_threads(void)
{
    run_threads(0, 2);
    run_threads(TINY, 3);
}

/* ---- Damage ---------------------------------------------------------------------------------- */

/* Where a block of `disk` is damaged it says so, each time, with the place; elsewhere it reads. */
static void
expect_damage(struct disk *disk, const guint8 *data, const struct extent_list *places)
{
    guint8 buffer[4096];
    for (guint64 at = 0; at < disk_size(disk); at += 4096) {
        g_autoptr(GError) error = NULL;
        struct extent extent;
        gsize length = (gsize)MIN(4096, disk_size(disk) - at);
        gboolean hit = extent_list_next(places, at, NULL, &extent) && extent.offset < at + length;
        g_assert_cmpint(disk_read(disk, at, buffer, length, &error), ==, !hit);
        if (!hit) {
            g_assert_cmpmem(buffer, length, data + at, length);
            continue;
        }
        g_autofree char *place = g_strdup_printf("disk disk, offset %" G_GUINT64_FORMAT ": ", at);
        g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
        g_assert_nonnull(strstr(error->message, place));
        g_assert_nonnull(strstr(error->message, "of machine"));
    }
}

static void
test_damage(void)
{
    auto_ptr(store) store = engine_store_new(FALSE);
    auto_ptr(disk) source = engine_disk_new(12000001, 4);
    auto_ptr(set) set = engine_backup(store, source, NULL, 2);
    g_autoptr(GBytes) bytes = engine_bytes(source);
    const guint8 *data = g_bytes_get_data(bytes, NULL);
    g_autofree struct map_leaf *leaf = g_new(struct map_leaf, 1);
    g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(struct chunk_id));
    struct repo *whole = fixture_copy(store_repo(store));
    engine_leaf(store, engine_map(set), 1, leaf);
    engine_damage(store, &leaf->entries[leaf->n / 2].id, ids);
    auto_ptr(extent_list) places = engine_places(store, engine_map(set), ids);
    g_assert_cmpuint(places->extents->len, >, 0);
    auto_ptr(set_cache) cache = new_cache(store, 0, 2);
    auto_ptr(disk) disk = open_set(cache, set);
    disk_prefetch(disk, 0, G_MAXUINT64);
    expect_damage(disk, data, places);
    expect_damage(disk, data, places);
    /* A large read says where it got to. */
    g_autoptr(GError) error = NULL;
    g_autofree guint8 *buffer = g_malloc(disk_size(disk));
    const struct extent *first = &g_array_index(places->extents, struct extent, 0);
    g_assert_false(disk_read(disk, 1, buffer, disk_size(disk) - 1, &error));
    g_autofree char *place =
        g_strdup_printf("offset %" G_GUINT64_FORMAT ": ", MAX(first->offset, 1));
    g_assert_nonnull(strstr(error->message, place));
    /* It was not remembered: once the store is whole again so is the disk. */
    g_autoptr(GPtrArray) packs = repo_list(whole, "packs", NULL);
    for (guint i = 0; i < packs->len; i++) {
        const char *name = ((struct repo_entry *)packs->pdata[i])->name;
        g_autoptr(GBytes) pack = fixture_get(whole, name);
        fixture_put(store_repo(store), name, pack);
    }
    engine_assert_same(source, disk);
    repo_close(whole);
}

static void
test_pack_is_gone(void)
{
    g_autoptr(GError) error = NULL;
    auto_ptr(store) store = engine_store_new(FALSE);
    auto_ptr(disk) source = engine_disk_new(2000000, 4);
    auto_ptr(set) set = engine_backup(store, source, NULL, 2);
    auto_ptr(set_cache) cache = new_cache(store, 0, 2);
    auto_ptr(disk) disk = open_set(cache, set);
    g_autoptr(GPtrArray) packs = repo_list(store_repo(store), "packs", NULL);
    for (guint i = 0; i < packs->len; i++)
        repo_remove(store_repo(store), ((struct repo_entry *)packs->pdata[i])->name, NULL);
    guint8 byte;
    disk_prefetch(disk, 0, 2000000);
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
    auto_ptr(set_cache) cache = new_cache(store, 0, 0);
    g_assert_null(set_cache_open(cache, set, "sda", &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND);
    g_assert_nonnull(strstr(error->message, "has no disk sda; it has: disk"));
}

/* ---- An overlay over it ---------------------------------------------------------------------- */

static void
test_overlay(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(4);
    auto_ptr(store) store = engine_store_new(FALSE);
    auto_ptr(disk) source = engine_disk_new(20000001, 9);
    auto_ptr(set) set = engine_backup(store, source, NULL, 2);
    auto_ptr(set_cache) cache = new_cache(store, TINY, 2);
    struct overlay_options options = {.limit = 0};
    auto_ptr(disk) disk = disk_overlay_open(open_set(cache, set), &options, NULL);
    for (guint i = 0; i < 400; i++) {
        guint8 bytes[20000];
        guint64 offset = g_rand_int(rand) % (20000001 - sizeof bytes);
        gsize length = 1 + g_rand_int(rand) % sizeof bytes;
        memset(bytes, (int)i, sizeof bytes);
        if (i % 4 == 0) {
            g_assert_true(disk_zero(disk, offset, length, NULL));
            g_assert_true(disk_zero(source, offset, length, NULL));
        } else {
            g_assert_true(disk_write(disk, offset, bytes, length, NULL));
            g_assert_true(disk_write(source, offset, bytes, length, NULL));
        }
        if (i % 40 == 39)
            engine_assert_same(source, disk);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/set-cache/reads-as-source", test_reads_as_source);
    g_test_add_func("/set-cache/extents", test_extents);
    g_test_add_func("/set-cache/zeros", test_zeros);
    g_test_add_func("/set-cache/shared", test_shared);
    g_test_add_func("/set-cache/read-ahead", test_read_ahead);
    g_test_add_func("/set-cache/prefetch", test_prefetch);
    g_test_add_func("/set-cache/close", test_close);
    g_test_add_func("/set-cache/threads", test_threads);
    g_test_add_func("/set-cache/damage", test_damage);
    g_test_add_func("/set-cache/pack-is-gone", test_pack_is_gone);
    g_test_add_func("/set-cache/no-such-disk", test_no_such_disk);
    g_test_add_func("/set-cache/overlay", test_overlay);
    return g_test_run();
}
