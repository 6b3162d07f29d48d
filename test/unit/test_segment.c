/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/segment.h"
#include "engine_fixture.h"

#define DISKS 10
#define ROUNDS 80

/* Disks of one segment each, in one set, and what it takes to plan their next backup. */
struct world {
    struct store *store;
    struct disk *disks[DISKS];
    struct set *set;
    struct store_writer *writer;
    struct segment_tools tools;
    struct segment *segment, *other;
};

static void
world_init(struct world *world, gboolean encrypted)
{
    g_autoptr(GError) error = NULL;
    struct backup_source sources[DISKS];
    char names[DISKS][8];
    world->store = engine_store_new(encrypted);
    for (guint i = 0; i < DISKS; i++) {
        guint64 size = i < 4 ? CHUNK_SEGMENT : 100000 * (guint64)(i + 1);
        world->disks[i] = engine_disk_new(size, 100 + i);
        g_snprintf(names[i], sizeof names[i], "d%u", i);
        sources[i] = (struct backup_source){.disk = world->disks[i], .name = names[i]};
    }
    struct backup_options options = {
        .name = "machine", .sources = sources, .n_sources = DISKS, .codec = CODEC_LZ4};
    struct backup_report report;
    backup_run(world->store, &options, &report, &error);
    g_assert_no_error(error);
    world->set = g_steal_pointer(&report.set);
    world->writer = store_writer_begin(world->store, &error);
    g_assert_no_error(error);
    segment_tools_init(&world->tools, world->store, store_writer_locator(world->writer));
    world->tools.kind = CODEC_ZSTD;
    world->tools.level = 1;
    world->tools.writer = world->writer;
    world->segment = segment_new();
    world->other = segment_new();
}

static void
world_clear(struct world *world)
{
    segment_free(world->segment);
    segment_free(world->other);
    segment_tools_clear(&world->tools);
    store_writer_abandon(world->writer);
    set_free(world->set);
    for (guint i = 0; i < DISKS; i++)
        disk_close(world->disks[i]);
    store_close(world->store);
}

static void
old_leaf(struct world *world, guint number, struct map_leaf *ret)
{
    const struct set_disk *disk = world->set->disks->pdata[number];
    engine_leaf(world->store, &disk->map, 0, ret);
}

static void
assert_same_leaf(const struct map_leaf *left, const struct map_leaf *right)
{
    g_assert_cmpuint(left->n, ==, right->n);
    for (guint i = 0; i < left->n; i++) {
        g_assert_cmpuint(left->entries[i].block, ==, right->entries[i].block);
        g_assert_cmpuint(left->entries[i].blocks, ==, right->entries[i].blocks);
        g_assert_true(chunk_id_equal(&left->entries[i].id, &right->entries[i].id));
    }
}

/* Read what changed, read all: the same chunks. */
static void
compare_plans(struct world *world, struct disk *disk, const struct map_leaf *old,
              const struct extent_list *changed)
{
    g_autoptr(GError) error = NULL;
    segment_begin(world->segment, 0, disk_size(disk), old);
    segment_read_changed(world->segment, disk, changed, world->writer, &error);
    g_assert_no_error(error);
    segment_plan(world->segment, &world->tools, &error);
    g_assert_no_error(error);
    segment_begin(world->other, 0, disk_size(disk), NULL);
    segment_read(world->other, disk, &error);
    g_assert_no_error(error);
    segment_plan(world->other, &world->tools, &error);
    g_assert_no_error(error);
    assert_same_leaf(&world->segment->leaf, &world->other->leaf);
    g_assert_cmpuint(world->segment->stats.read, <=, extent_list_total(changed) + 16 * 4096 * 2);
}

static void
check_changed(gboolean encrypted)
{
    struct world world;
    world_init(&world, encrypted);
    g_autoptr(GRand) rand = g_rand_new_with_seed(encrypted);
    g_autofree struct map_leaf *old = g_new(struct map_leaf, 1);
    for (guint i = 0; i < DISKS; i++) {
        old_leaf(&world, i, old);
        for (guint round = 0; round < ROUNDS; round++) {
            auto_ptr(disk) disk = engine_disk_copy(world.disks[i], disk_size(world.disks[i]));
            auto_ptr(extent_list) changed = extent_list_new();
            engine_edit(disk, disk_size(disk), 1 + round % 8, rand, changed);
            compare_plans(&world, disk, old, changed);
        }
    }
    world_clear(&world);
}

static void
test_changed(void)
{
    check_changed(FALSE);
}

static void
test_changed_encrypted(void)
{
    check_changed(TRUE);
}

/* One block at a time, at every place: so that each cut, hole and end is hit from both sides. */
static void
test_each_block(void)
{
    struct world world;
    world_init(&world, FALSE);
    g_autofree struct map_leaf *old = g_new(struct map_leaf, 1);
    old_leaf(&world, 6, old);
    guint64 size = disk_size(world.disks[6]);
    for (guint64 at = 0; at < size; at += 4096) {
        for (guint kind = 0; kind < 2; kind++) {
            auto_ptr(disk) disk = engine_disk_copy(world.disks[6], size);
            auto_ptr(extent_list) changed = extent_list_new();
            guint64 length = MIN(4096, size - at);
            if (kind == 0)
                g_assert_true(disk_zero(disk, at, length, NULL));
            else
                g_assert_true(disk_write(disk, at, engine_block((guint)(at / 4096)), length, NULL));
            extent_list_add(changed, at, length);
            compare_plans(&world, disk, old, changed);
        }
    }
    world_clear(&world);
}

/* Nothing changed: nothing is read or fetched, and every chunk is kept. */
static void
test_unchanged(void)
{
    struct world world;
    world_init(&world, FALSE);
    g_autofree struct map_leaf *old = g_new(struct map_leaf, 1);
    auto_ptr(extent_list) nothing = extent_list_new();
    for (guint i = 0; i < DISKS; i++) {
        old_leaf(&world, i, old);
        compare_plans(&world, world.disks[i], old, nothing);
        g_assert_cmpuint(world.segment->stats.read, ==, 0);
        for (guint k = 0; k < old->n; k++)
            g_assert_null(
                memchr(world.segment->loaded + old->entries[k].block, 1, old->entries[k].blocks));
        segment_decide(world.segment, world.writer);
        for (guint k = 0; k < world.segment->leaf.n; k++)
            g_assert_cmpuint(world.segment->marks[k], ==, SEGMENT_KEPT);
    }
    world_clear(&world);
}

/* What is encoded decodes to what was read; a chunk that changed a little is a delta. */
static void
test_encode(void)
{
    struct world world;
    world_init(&world, FALSE);
    g_autoptr(GError) error = NULL;
    g_autoptr(GRand) rand = g_rand_new_with_seed(5);
    auto_ptr(disk) disk = disk_memory_new(CHUNK_SEGMENT, "new");
    engine_fill(disk, 0, CHUNK_SEGMENT, rand);
    segment_begin(world.segment, 0, CHUNK_SEGMENT, NULL);
    g_assert_true(segment_read(world.segment, disk, &error));
    g_assert_true(segment_plan(world.segment, &world.tools, &error));
    segment_decide(world.segment, world.writer);
    g_assert_true(segment_encode(world.segment, &world.tools, &error));
    guint chunks = 0;
    g_autofree guint8 *plain = g_malloc(CHUNK_SEGMENT);
    for (guint i = 0; i < world.segment->groups->len; i++) {
        const struct segment_group *group =
            &g_array_index(world.segment->groups, struct segment_group, i);
        gsize length = 0;
        chunks += group->n;
        for (guint k = 0; k < group->n; k++)
            length += world.segment->leaf.entries[group->first + k].blocks * CHUNK_BLOCK;
        g_assert_true(codec_decode(world.tools.codec, group->codec,
                                   world.segment->out->data + group->offset, group->length, NULL, 0,
                                   plain, length, &error));
        const guint8 *at = plain;
        for (guint k = 0; k < group->n; k++) {
            const struct map_entry *entry = &world.segment->leaf.entries[group->first + k];
            gsize n = entry->blocks * CHUNK_BLOCK;
            g_assert_cmpmem(at, n, world.segment->data + entry->block * CHUNK_BLOCK, n);
            at += n;
        }
    }
    guint fresh = 0;
    for (guint k = 0; k < world.segment->leaf.n; k++)
        fresh += world.segment->marks[k] == SEGMENT_NEW;
    g_assert_cmpuint(chunks, ==, fresh);
    g_assert_cmpuint(fresh, >, 0);
    world_clear(&world);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/segment/changed", test_changed);
    g_test_add_func("/segment/changed-encrypted", test_changed_encrypted);
    g_test_add_func("/segment/each-block", test_each_block);
    g_test_add_func("/segment/unchanged", test_unchanged);
    g_test_add_func("/segment/encode", test_encode);
    return g_test_run();
}
