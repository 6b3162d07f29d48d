/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is not there, and what cannot be read: map_cursor_next() and the `broken` of map_walk(). */
#include "map_fixture.h"

static const guint64 sizes[] = {
    0,
    1,
    CHUNK_SEGMENT,
    (guint64)CHUNK_SEGMENT + 1,
    (guint64)64 * CHUNK_SEGMENT,
    (guint64)65 * CHUNK_SEGMENT,
    (guint64)5000 * CHUNK_SEGMENT,
    ((guint64)1 << 50) + 5,
    MAP_SIZE_MAX,
};

/* A disk with some leaves here and there, some of them next to each other. */
static struct disk_model *
new_disk(guint64 size, guint n, GRand *rand)
{
    struct disk_model *disk = disk_model_new(size);
    guint64 segments = map_segments(size), at = 0;
    g_autofree struct map_leaf *leaf = g_new(struct map_leaf, 1);
    for (guint i = 0; i < n && segments > 0; i++) {
        guint64 any = (guint64)g_rand_int(rand) << 32 | g_rand_int(rand);
        at = g_rand_boolean(rand) ? any % segments : (at + g_rand_int(rand) % 3) % segments;
        disk_model_random_leaf(disk, rand, at, leaf);
        disk_model_set(disk, at, leaf);
    }
    return disk;
}

static void
check_next(const struct disk_model *disk, struct map_cursor *cursor, guint64 from)
{
    g_autoptr(GError) error = NULL;
    gboolean found;
    guint64 next;
    map_cursor_next(cursor, from, &found, &next, &error);
    g_assert_no_error(error);
    guint at = disk_model_find(disk, from);
    g_assert_cmpint(found, ==, at < disk->leaves->len);
    if (found)
        g_assert_cmpuint(next, ==, ((struct disk_leaf *)disk->leaves->pdata[at])->segment);
}

static void
test_next(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(1);
    for (guint round = 0; round < 20 * G_N_ELEMENTS(sizes); round++) {
        guint64 size = sizes[round % G_N_ELEMENTS(sizes)], segments = map_segments(size);
        auto_ptr(node_store) store = node_store_new();
        auto_ptr(disk_model) disk = new_disk(size, round % 40, rand);
        struct map map = disk_model_map(disk, store);
        auto_ptr(map_cursor) cursor = map_cursor_new(&map, &store->source);
        for (guint i = 0; i < 200; i++) {
            guint64 any = (guint64)g_rand_int(rand) << 32 | g_rand_int(rand);
            check_next(disk, cursor, any % (segments + 2));
        }
        for (guint i = 0; i < disk->leaves->len; i++) {
            guint64 segment = ((struct disk_leaf *)disk->leaves->pdata[i])->segment;
            check_next(disk, cursor, segment);
            check_next(disk, cursor, segment + 1);
            check_next(disk, cursor, segment > 0 ? segment - 1 : 0);
        }
        check_next(disk, cursor, 0);
        check_next(disk, cursor, segments);
        check_next(disk, cursor, G_MAXUINT64);
    }
}

/* Holes are passed over without a look into them. */
static void
test_next_is_cheap(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(1);
    auto_ptr(node_store) store = node_store_new();
    auto_ptr(disk_model) disk = disk_model_new(MAP_SIZE_MAX);
    guint64 last = map_segments(MAP_SIZE_MAX) - 1;
    g_autofree struct map_leaf *leaf = g_new(struct map_leaf, 1);
    do
        disk_model_random_leaf(disk, rand, last, leaf);
    while (leaf->n == 0);
    disk_model_set(disk, last, leaf);
    struct map map = disk_model_map(disk, store);
    auto_ptr(map_cursor) cursor = map_cursor_new(&map, &store->source);
    node_store_reset_counts(store);
    check_next(disk, cursor, 0);
    g_assert_cmpuint(store->fetches, <=, MAP_LEVELS_MAX);
}

struct seen {
    GHashTable *gone; /* nodes that cannot be read */
    const struct map_source *source;
    GArray *pieces; /* of struct piece */
};

struct piece {
    guint64 first, n;
    gboolean broken;
};

static GBytes *
fetch_some(gpointer data, const struct chunk_id *id, GError **error)
{
    struct seen *seen = data;
    if (g_hash_table_contains(seen->gone, id))
        return error_null(error, SLIPWAY_ERROR_CORRUPT, "rotten");
    return seen->source->fetch(seen->source->data, id, error);
}

static gboolean
see_leaf(gpointer data, guint64 segment, const struct map_leaf *leaf G_GNUC_UNUSED,
         GError **error G_GNUC_UNUSED)
{
    struct piece piece = {segment, 1, FALSE};
    g_array_append_val(((struct seen *)data)->pieces, piece);
    return TRUE;
}

static gboolean
see_broken(gpointer data, guint64 segment, guint64 n, const GError *why,
           GError **error G_GNUC_UNUSED)
{
    struct piece piece = {segment, n, TRUE};
    g_assert_cmpstr(why->message, ==, "rotten");
    g_array_append_val(((struct seen *)data)->pieces, piece);
    return TRUE;
}

/* Every leaf is either visited or below exactly one broken node, in order, and none is beyond the
 * end of the disk. */
static void
test_broken(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(1);
    for (guint round = 0; round < 20 * G_N_ELEMENTS(sizes); round++) {
        g_autoptr(GError) error = NULL;
        auto_ptr(node_store) store = node_store_new();
        auto_ptr(disk_model) disk = new_disk(sizes[round % G_N_ELEMENTS(sizes)], 60, rand);
        struct map map = disk_model_map(disk, store);
        struct seen seen = {g_hash_table_new(chunk_id_hash, chunk_id_equal_func), &store->source,
                            g_array_new(FALSE, FALSE, sizeof(struct piece))};
        struct map_source source = {fetch_some, &seen};
        struct map_visitor visitor = {.leaf = see_leaf, .broken = see_broken, .data = &seen};
        GHashTableIter iter;
        gpointer id;
        g_hash_table_iter_init(&iter, store->nodes);
        while (g_hash_table_iter_next(&iter, &id, NULL)) {
            if (g_rand_int_range(rand, 0, 12) == 0)
                g_hash_table_add(seen.gone, id);
        }
        map_walk(&map, &source, &visitor, &error);
        g_assert_no_error(error);
        guint leaf = 0;
        guint64 end = 0;
        for (guint i = 0; i < seen.pieces->len; i++) {
            struct piece piece = g_array_index(seen.pieces, struct piece, i);
            g_assert_cmpuint(piece.first, >=, end);
            end = piece.first + piece.n;
            g_assert_cmpuint(end, <=, map_segments(disk->size));
            guint before = leaf;
            while (leaf < disk->leaves->len &&
                   ((struct disk_leaf *)disk->leaves->pdata[leaf])->segment < end) {
                g_assert_cmpuint(((struct disk_leaf *)disk->leaves->pdata[leaf])->segment, >=,
                                 piece.first);
                leaf++;
            }
            g_assert_cmpuint(leaf, >, before);
        }
        g_assert_cmpuint(leaf, ==, disk->leaves->len);
        visitor.broken = NULL;
        gboolean whole = g_hash_table_size(seen.gone) == 0;
        g_assert_cmpint(map_walk(&map, &source, &visitor, &error), ==, whole);
        g_hash_table_unref(seen.gone);
        g_array_unref(seen.pieces);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/map-gaps/next", test_next);
    g_test_add_func("/map-gaps/next-is-cheap", test_next_is_cheap);
    g_test_add_func("/map-gaps/broken", test_broken);
    return g_test_run();
}
