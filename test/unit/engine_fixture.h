/* SPDX-License-Identifier: GPL-3.0-or-later */
/* engine_fixture.h: disks of mixed content, edits of them that are tracked, and backups of them
 * into stores in memory. */
#pragma once

#include "disk/disk_driver.h"
#include "disk/disk_open.h"
#include "engine/backup.h"
#include "store_fixture.h"

/* ---- Disks ----------------------------------------------------------------------------------- */

#define ENGINE_BLOCKS 64u /* different ones that come again and again */

static inline const guint8 *
engine_block(guint number)
{
    static guint8 blocks[ENGINE_BLOCKS][DISK_BLOCK];
    static gsize ready;
    if (g_once_init_enter(&ready)) {
        g_autoptr(GRand) rand = g_rand_new_with_seed(7);
        for (guint i = 0; i < ENGINE_BLOCKS; i++) {
            for (guint k = 0; k < DISK_BLOCK; k++)
                blocks[i][k] = (guint8)(g_rand_int(rand) & (i % 2 ? 255 : 7));
        }
        g_once_init_leave(&ready, 1);
    }
    return blocks[number % ENGINE_BLOCKS];
}

/* Fill a range, which may begin and end anywhere, with zeros, one block many times, blocks that
 * come elsewhere too, or bytes that are nowhere else. */
static inline void
engine_scribble(struct disk *disk, guint64 offset, gsize length, GRand *rand)
{
    g_autofree guint8 *bytes = g_malloc0(length);
    guint kind = g_rand_int(rand) % 5, one = g_rand_int(rand);
    for (gsize at = 0; kind > 0 && at < length; at += DISK_BLOCK) {
        const guint8 *block = engine_block(kind == 1 ? one : g_rand_int(rand));
        memcpy(bytes + at, block, MIN(DISK_BLOCK, length - at));
        if (kind == 4)
            bytes[at] = (guint8)g_rand_int(rand);
    }
    g_assert_true(disk_write(disk, offset, bytes, length, NULL));
}

/* Runs of up to 100 blocks. */
static inline void
engine_fill(struct disk *disk, guint64 offset, guint64 length, GRand *rand)
{
    while (length > 0) {
        gsize run = (1 + g_rand_int(rand) % 100) * DISK_BLOCK, n = (gsize)MIN(length, run);
        engine_scribble(disk, offset, n, rand);
        offset += n;
        length -= n;
    }
}

static inline struct disk *
engine_disk_new(guint64 size, guint seed)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
    struct disk *disk = disk_memory_new(size, "source");
    engine_fill(disk, 0, size, rand);
    return disk;
}

static inline GBytes *
engine_bytes(struct disk *disk)
{
    g_autoptr(GError) error = NULL;
    gsize size = (gsize)disk_size(disk);
    guint8 *bytes = g_malloc(size);
    disk_read(disk, 0, bytes, size, &error);
    g_assert_no_error(error);
    return g_bytes_new_take(bytes, size);
}

/* As much of it as fits, on a disk of another size. */
static inline struct disk *
engine_disk_copy(struct disk *from, guint64 size)
{
    struct disk *disk = disk_memory_new(size, disk_label(from));
    g_autoptr(GBytes) bytes = engine_bytes(from);
    gsize n = (gsize)MIN(size, disk_size(from));
    g_assert_true(disk_write(disk, 0, g_bytes_get_data(bytes, NULL), n, NULL));
    return disk;
}

/* The first bytes of both, as many as the smaller one has. */
static inline void
engine_assert_same(struct disk *left, struct disk *right)
{
    g_autoptr(GBytes) a = engine_bytes(left), b = engine_bytes(right);
    gsize n = MIN(g_bytes_get_size(a), g_bytes_get_size(b));
    g_assert_true(memcmp(g_bytes_get_data(a, NULL), g_bytes_get_data(b, NULL), n) == 0);
}

/* Change up to `n` ranges below `limit`, and track them in `changed`: as they are, or larger. */
static inline void
engine_edit(struct disk *disk, guint64 limit, guint n, GRand *rand, struct extent_list *changed)
{
    for (guint i = 0; i < n && limit > 0; i++) {
        guint64 offset = ((guint64)g_rand_int(rand) << 16 ^ g_rand_int(rand)) % limit;
        guint64 length = 1 + g_rand_int(rand) % (g_rand_int(rand) % 4 ? 9000u : 400000u);
        if (g_rand_boolean(rand))
            offset -= offset % DISK_BLOCK;
        length = MIN(length, limit - offset);
        if (g_rand_int(rand) % 6 == 0)
            g_assert_true(disk_zero(disk, offset, length, NULL));
        else if (g_rand_int(rand) % 10 != 0) /* else: tracked, but as it was */
            engine_scribble(disk, offset, (gsize)length, rand);
        if (g_rand_int(rand) % 3 == 0) {
            guint64 before = g_rand_int(rand) % 100000;
            before = MIN(before, offset);
            offset -= before;
            length += before + g_rand_int(rand) % 100000;
        }
        extent_list_add(changed, offset, length);
    }
    extent_list_settle(changed, disk_size(disk));
}

/* A disk that remembers which of its blocks were read. */
struct engine_watch {
    struct disk base;
    struct disk *below; /* borrowed */
    GMutex lock;
    guint8 *read; /* of each block */
};

static inline gboolean
engine_watch_read(struct disk *disk, guint64 offset, void *buffer, gsize length, GError **error)
{
    struct engine_watch *watch = (struct engine_watch *)disk;
    g_mutex_lock(&watch->lock);
    memset(watch->read + offset / DISK_BLOCK, 1,
           (offset + length - 1) / DISK_BLOCK - offset / DISK_BLOCK + 1);
    g_mutex_unlock(&watch->lock);
    return disk_read(watch->below, offset, buffer, length, error);
}

static inline void
engine_watch_close(struct disk *disk)
{
    struct engine_watch *watch = (struct engine_watch *)disk;
    g_mutex_clear(&watch->lock);
    g_free(watch->read);
    g_free(watch);
}

static inline struct engine_watch *
engine_watch_new(struct disk *below)
{
    static const struct disk_class class = {
        .name = "watch", .read = engine_watch_read, .close = engine_watch_close};
    struct engine_watch *watch = g_new0(struct engine_watch, 1);
    disk_init(&watch->base, &class, disk_size(below), 0, disk_label(below));
    watch->below = below;
    watch->read = g_malloc0(disk_size(below) / DISK_BLOCK + 1);
    g_mutex_init(&watch->lock);
    return watch;
}

/* ---- Backups --------------------------------------------------------------------------------- */

static inline struct store *
engine_store_new(gboolean encrypted)
{
    struct store_key *key = encrypted ? store_key_generate(NULL) : NULL;
    return fixture_init(repo_memory_new(), key, 0);
}

/* A set of one disk, "disk"; NULL with an error. */
static inline struct set *
engine_try_backup(struct store *store, struct disk *disk, const struct extent_list *changed,
                  guint threads, GError **error)
{
    struct backup_source source = {.disk = disk, .name = "disk", .changed = changed};
    struct backup_options options = {.name = "machine",
                                     .sources = &source,
                                     .n_sources = 1,
                                     .codec = CODEC_ZSTD,
                                     .level = 1,
                                     .threads = threads};
    struct backup_report report;
    if (!backup_run(store, &options, &report, error))
        return NULL;
    struct set *set = g_steal_pointer(&report.set);
    backup_report_clear(&report);
    return set;
}

static inline struct set *
engine_backup(struct store *store, struct disk *disk, const struct extent_list *changed,
              guint threads)
{
    g_autoptr(GError) error = NULL;
    struct set *set = engine_try_backup(store, disk, changed, threads, &error);
    g_assert_no_error(error);
    return set;
}

static inline const struct map *
engine_map(const struct set *set)
{
    return &((const struct set_disk *)set->disks->pdata[0])->map;
}

static inline void
engine_assert_same_map(const struct map *left, const struct map *right)
{
    g_assert_cmpuint(left->size, ==, right->size);
    g_assert_cmpint(left->empty, ==, right->empty);
    g_assert_true(left->empty || chunk_id_equal(&left->root, &right->root));
}

/* ---- Damage ---------------------------------------------------------------------------------- */

/* Flip a bit in the frame that holds the chunk `id`; the chunks in it (struct chunk_id) are added
 * to `ret`. */
static inline void
engine_damage(struct store *store, const struct chunk_id *id, GArray *ret)
{
    g_autoptr(GError) error = NULL;
    struct location location;
    char object[PACK_OBJECT_TEXT];
    auto_ptr(locator) locator = locator_new(store, &error);
    g_assert_no_error(error);
    g_assert_true(locator_find(locator, id, 0, &location, NULL));
    const struct pack_table *table = location.table;
    const struct pack_frame *frame = &table->frames[pack_table_frame_of(table, location.slot)];
    pack_name_object(&table->name, "packs", object);
    g_autoptr(GBytes) bytes = fixture_get(store_repo(store), object);
    gsize length;
    const guint8 *data = g_bytes_get_data(bytes, &length);
    guint8 *copy = g_memdup2(data, length);
    copy[frame->offset + frame->stored_length / 2] ^= 4;
    g_autoptr(GBytes) damaged = g_bytes_new_take(copy, length);
    fixture_put(store_repo(store), object, damaged);
    for (guint i = 0; ret != NULL && i < frame->n_slots; i++)
        g_array_append_val(ret, table->slots[frame->first_slot + i].id);
    location_clear(&location);
}

/* The leaf of a segment. */
static inline void
engine_leaf(struct store *store, const struct map *map, guint64 segment, struct map_leaf *ret)
{
    g_autoptr(GError) error = NULL;
    auto_ptr(locator) locator = locator_new(store, &error);
    auto_ptr(chunk_reader) reader = chunk_reader_new(store, locator);
    struct map_source source = chunk_reader_map_source(reader);
    auto_ptr(map_cursor) cursor = map_cursor_new(map, &source);
    map_cursor_leaf(cursor, segment, ret, &error);
    g_assert_no_error(error);
}

/* Where a map has any of these chunks. */
static inline struct extent_list *
engine_places(struct store *store, const struct map *map, GArray *ids)
{
    struct extent_list *list = extent_list_new();
    g_autofree struct map_leaf *leaf = g_new(struct map_leaf, 1);
    for (guint64 s = 0; s < map_segments(map->size); s++) {
        engine_leaf(store, map, s, leaf);
        for (guint i = 0; i < leaf->n; i++) {
            for (guint k = 0; k < ids->len; k++) {
                if (chunk_id_equal(&leaf->entries[i].id, &g_array_index(ids, struct chunk_id, k)))
                    extent_list_add(
                        list, s * CHUNK_SEGMENT + leaf->entries[i].block * (guint64)DISK_BLOCK,
                        leaf->entries[i].blocks * (guint64)DISK_BLOCK);
            }
        }
    }
    extent_list_settle(list, map->size);
    return list;
}

static inline void
engine_assert_damage(GPtrArray *damage, const struct extent_list *expected)
{
    g_assert_cmpuint(damage->len, ==, expected->extents->len);
    for (guint i = 0; i < damage->len; i++) {
        const struct verify_damage *found = damage->pdata[i];
        const struct extent *extent = &g_array_index(expected->extents, struct extent, i);
        g_assert_cmpstr(found->disk, ==, "disk");
        g_assert_cmpuint(found->offset, ==, extent->offset);
        g_assert_cmpuint(found->length, ==, extent->length);
        g_assert_nonnull(found->words);
    }
}
