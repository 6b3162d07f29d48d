/* SPDX-License-Identifier: GPL-3.0-or-later */
/* damage_fixture.h: a store so small that each of its bytes can be damaged in turn, and which
 * places of its disks can be read, found out in the plainest way. */
#pragma once

#include "store/checker.h"
#include "store_fixture.h"

#define DAMAGE_BLOCK 4096u
#define DAMAGE_SETS 3u

/* "web" with two disks that share a chunk, another day of it with deltas, and "db" alone. */
struct damage_scene {
    struct store *store;
    struct fixture_disk disks[5];
    struct set_id ids[DAMAGE_SETS];
};

static inline void
damage_fill(struct fixture_disk *disk, guint block, guint n, guint seed)
{
    for (guint b = block; b < block + n; b++)
        memset(disk->data + b * DAMAGE_BLOCK, (int)(seed * 16 + b % 3 + 1), DAMAGE_BLOCK);
    /* Something that a delta is much shorter than. */
    fixture_scribble(disk, block * DAMAGE_BLOCK, 200, seed);
}

static inline struct set_id
damage_backup(struct store *store, const char *name, const struct fixture_disk *disks, guint n,
              const struct set_id *old)
{
    g_autoptr(GError) error = NULL;
    struct set_id id;
    struct set_entry *before = old != NULL ? store_sets_read(store, old, &error) : NULL;
    g_assert_no_error(error);
    auto_ptr(fixture_run) run = fixture_begin(store, name);
    for (guint i = 0; i < n; i++) {
        const struct set_disk *disk = before != NULL ? before->set->disks->pdata[i] : NULL;
        fixture_add_disk(run, &disks[i], disk != NULL ? &disk->map : NULL, &error);
        g_assert_no_error(error);
    }
    g_assert_cmpuint(run->deltas > 0, ==, old != NULL);
    fixture_commit(run, &id, &error);
    g_assert_no_error(error);
    set_entry_free(before);
    return id;
}

static inline void
damage_scene_init(struct damage_scene *scene, struct store_key *key, unsigned parity)
{
    for (guint i = 0; i < 5; i++)
        scene->disks[i] = (struct fixture_disk){8 * DAMAGE_BLOCK, g_malloc0(8 * DAMAGE_BLOCK)};
    damage_fill(&scene->disks[0], 0, 2, 1);
    damage_fill(&scene->disks[0], 3, 3, 2);
    damage_fill(&scene->disks[1], 1, 1, 3);
    memcpy(scene->disks[1].data + 3 * DAMAGE_BLOCK, scene->disks[0].data + 3 * DAMAGE_BLOCK,
           3 * DAMAGE_BLOCK);
    memcpy(scene->disks[2].data, scene->disks[0].data, 8 * DAMAGE_BLOCK);
    memset(scene->disks[2].data + 3 * DAMAGE_BLOCK + 50, 0x77, 10);
    memcpy(scene->disks[3].data, scene->disks[1].data, 8 * DAMAGE_BLOCK);
    damage_fill(&scene->disks[4], 2, 4, 5);
    scene->store = fixture_init(repo_memory_new(), key, parity);
    scene->ids[0] = damage_backup(scene->store, "web", scene->disks, 2, NULL);
    scene->ids[1] = damage_backup(scene->store, "web", scene->disks + 2, 2, &scene->ids[0]);
    scene->ids[2] = damage_backup(scene->store, "db", scene->disks + 4, 1, NULL);
}

static inline void
damage_scene_clear(struct damage_scene *scene)
{
    store_close(scene->store);
    for (guint i = 0; i < 5; i++)
        fixture_disk_clear(&scene->disks[i]);
}
#define auto_damage_scene __attribute__((cleanup(damage_scene_clear))) struct damage_scene

/* Change one byte of an object. */
static inline void
damage_flip(struct repo *repo, const char *name, gsize at)
{
    g_autoptr(GBytes) good = fixture_get(repo, name);
    gsize length;
    g_autofree guint8 *data = g_memdup2(g_bytes_get_data(good, NULL), g_bytes_get_size(good));
    length = g_bytes_get_size(good);
    data[at] ^= (guint8)(1u << (at % 8));
    g_autoptr(GBytes) bad = g_bytes_new(data, length);
    fixture_put(repo, name, bad);
}

/* ---- Places ---------------------------------------------------------------------------------- */

/* One bit a block: 8 blocks a disk, at most 2 disks a set; of set i byte i. */
struct damage_places {
    guint16 blocks[DAMAGE_SETS];
};

static inline guint
damage_disk_number(const char *name)
{
    return (guint)(name[strlen("disk")] - '0');
}

static inline void
damage_mark(struct damage_places *places, guint set, guint disk, guint64 offset, guint64 length)
{
    for (guint64 at = offset; at < offset + length; at += DAMAGE_BLOCK)
        places->blocks[set] |= (guint16)(1u << (8 * disk + at / DAMAGE_BLOCK));
}

static inline void
damage_read_disk(struct chunk_reader *reader, guint set, guint disk, const struct map *map,
                 struct damage_places *ret)
{
    struct map_source source = chunk_reader_map_source(reader);
    auto_ptr(map_cursor) cursor = map_cursor_new(map, &source);
    g_autofree struct map_leaf *leaf = g_new0(struct map_leaf, 1);
    g_autofree guint8 *bytes = g_malloc(CHUNK_MAX);
    if (!map_cursor_leaf(cursor, 0, leaf, NULL)) {
        damage_mark(ret, set, disk, 0, map->size);
        return;
    }
    for (guint i = 0; i < leaf->n; i++) {
        const struct map_entry *entry = &leaf->entries[i];
        gsize length = (gsize)entry->blocks * CHUNK_BLOCK;
        if (!chunk_reader_get(reader, &entry->id, bytes, length, NULL))
            damage_mark(ret, set, disk, (guint64)entry->block * CHUNK_BLOCK, length);
    }
}

/* What cannot be read; of sets that can be. */
static inline struct damage_places
damage_read(struct damage_scene *scene, struct store *store)
{
    struct damage_places places = {0};
    auto_ptr(locator) locator = locator_new(store, NULL);
    for (guint s = 0; s < DAMAGE_SETS; s++) {
        auto_ptr(chunk_reader) reader = chunk_reader_new(store, locator);
        char id[SET_ID_TEXT];
        g_autofree char *name = g_strdup_printf("sets/%s", set_id_format(&scene->ids[s], id));
        g_autoptr(GBytes) object = fixture_get(store_repo(store), name);
        auto_ptr(set) set = set_open(object, name, store_key_of(store), NULL);
        for (guint d = 0; set != NULL && d < set->disks->len; d++) {
            const struct set_disk *disk = set->disks->pdata[d];
            damage_read_disk(reader, s, d, &disk->map, &places);
        }
    }
    return places;
}

/* What a report says; of sets of the scene. */
static inline struct damage_places
damage_told(struct damage_scene *scene, const GPtrArray *damage)
{
    struct damage_places places = {0};
    for (guint i = 0; i < damage->len; i++) {
        const struct checker_damage *one = damage->pdata[i];
        for (guint r = 0; r < one->ranges->len; r++) {
            const struct checker_range *range = one->ranges->pdata[r];
            for (guint s = 0; s < DAMAGE_SETS; s++) {
                if (memcmp(&range->set, &scene->ids[s], sizeof range->set) == 0)
                    damage_mark(&places, s, damage_disk_number(range->disk), range->offset,
                                range->length);
            }
        }
    }
    return places;
}

static inline void
damage_expect_places(const struct damage_places *left, const struct damage_places *right)
{
    for (guint s = 0; s < DAMAGE_SETS; s++)
        g_assert_cmphex(left->blocks[s], ==, right->blocks[s]);
}

static inline gboolean
damage_is_none(const struct damage_places *places)
{
    const struct damage_places none = {0};
    return memcmp(places, &none, sizeof none) == 0;
}

/* ---- Checks ---------------------------------------------------------------------------------- */

/* Clear the report. */
static inline void
damage_check(struct store *store, struct checker_report *ret)
{
    g_autoptr(GError) error = NULL;
    struct checker_options options = {.read_data = TRUE, .threads = 1};
    checker_run(store, &options, ret, &error);
    g_assert_no_error(error);
}

static inline void
damage_expect_sound(struct store *store)
{
    struct checker_report report;
    damage_check(store, &report);
    if (report.damage->len > 0) {
        const struct checker_damage *first = report.damage->pdata[0];
        g_test_message("%s: %s", first->object, first->words);
    }
    g_assert_cmpuint(report.damage->len, ==, 0);
    checker_report_clear(&report);
}

/* What leases looked like is remembered in the user's cache; not here. */
static inline void
damage_begin_tests(void)
{
    g_setenv("XDG_CACHE_HOME", "/dev/null/cache", TRUE);
}
