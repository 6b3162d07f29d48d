/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Whole maps against plain lists of leaves. */
#include "map_fixture.h"

#define GIB ((guint64)1 << 30)
#define TIB ((guint64)1 << 40)
#define SEGMENT ((guint64)CHUNK_SEGMENT)

static const guint64 sizes[] = {
    1,
    CHUNK_BLOCK,
    SEGMENT - 1,
    SEGMENT,
    SEGMENT + 1,
    3 * SEGMENT + 5000,
    64 * SEGMENT - 1,
    64 * SEGMENT,
    64 * SEGMENT + 1,
    40 * GIB + 512,
    4096 * SEGMENT,
    4096 * SEGMENT + 1,
    TIB,
    2 * TIB - 77 * SEGMENT,
    16 * TIB + 4096,
    100 * TIB,
    MAP_SIZE_MAX,
};

static void
assert_map(const struct map *map, const struct map *expected)
{
    g_assert_cmpuint(map->size, ==, expected->size);
    g_assert_cmpint(map->empty, ==, expected->empty);
    g_assert_cmpmem(&map->root, sizeof map->root, &expected->root, sizeof map->root);
}

/* A segment anywhere; often near the start, the end, or a place where others are. */
static guint64
random_segment(const struct disk_model *disk, GRand *rand)
{
    guint64 segments = map_segments(disk->size);
    guint64 far = ((guint64)g_rand_int(rand) << 32 | g_rand_int(rand)) % segments;
    guint64 near = (guint64)g_rand_int_range(rand, 0, 200) % segments;
    guint64 place = far & ~(guint64)127;
    switch (g_rand_int_range(rand, 0, 4)) {
    case 0:
        return near;
    case 1:
        return segments - 1 - near;
    case 2:
        return MIN(place + far % 4, segments - 1);
    default:
        return far;
    }
}

static struct disk_model *
random_disk(GRand *rand, guint64 size, guint leaves)
{
    struct disk_model *disk = disk_model_new(size);
    g_autofree struct map_leaf *leaf = g_new(struct map_leaf, 1);
    for (guint i = 0; i < leaves; i++) {
        guint64 segment = random_segment(disk, rand);
        disk_model_random_leaf(disk, rand, segment, leaf);
        disk_model_set(disk, segment, leaf);
    }
    return disk;
}

static const struct map_leaf *
leaf_or_none(const struct disk_model *disk, guint64 segment)
{
    static const struct map_leaf none = {.n = 0};
    const struct map_leaf *leaf = disk_model_get(disk, segment);
    return leaf != NULL ? leaf : &none;
}

static gint
compare_segments(gconstpointer a, gconstpointer b)
{
    guint64 left = *(const guint64 *)a, right = *(const guint64 *)b;
    return left < right ? -1 : left > right;
}

/* `disk` by a builder over `old`, of which these segments (in any order) are set. */
static struct map
build(struct node_store *store, const struct map *old, const struct disk_model *disk,
      GArray *segments)
{
    g_autoptr(GError) error = NULL;
    struct map map;
    auto_ptr(map_builder) builder = map_builder_new(old, disk->size, &store->source, &store->sink);
    g_array_sort(segments, compare_segments);
    for (guint i = 0; i < segments->len; i++) {
        guint64 segment = g_array_index(segments, guint64, i);
        if (i > 0 && segment == g_array_index(segments, guint64, i - 1))
            continue;
        map_builder_set(builder, segment, leaf_or_none(disk, segment), &error);
        g_assert_no_error(error);
    }
    map_builder_finish(builder, &map, &error);
    g_assert_no_error(error);
    return map;
}

static GArray *
all_segments(const struct disk_model *disk)
{
    GArray *segments = g_array_new(FALSE, FALSE, sizeof(guint64));
    for (guint i = 0; i < disk->leaves->len; i++)
        g_array_append_val(segments, ((struct disk_leaf *)disk->leaves->pdata[i])->segment);
    return segments;
}

static struct map
build_new(struct node_store *store, const struct disk_model *disk)
{
    g_autoptr(GArray) segments = all_segments(disk);
    return build(store, NULL, disk, segments);
}

/* ---- What comes out ----------------------------------------------------------------------------
 */

struct visits {
    const struct disk_model *disk;
    guint leaves;
    guint nodes[MAP_LEVELS_MAX + 1];
    guint skip_level; /* nothing at this level is gone into */
};

static gboolean
visit_node(gpointer data, const struct chunk_id *id G_GNUC_UNUSED, guint level, gboolean *ret_skip,
           GError **error G_GNUC_UNUSED)
{
    struct visits *visits = data;
    visits->nodes[level]++;
    *ret_skip = level == visits->skip_level;
    return TRUE;
}

static gboolean
visit_leaf(gpointer data, guint64 segment, const struct map_leaf *leaf,
           GError **error G_GNUC_UNUSED)
{
    struct visits *visits = data;
    const struct disk_leaf *expected = visits->disk->leaves->pdata[visits->leaves++];
    g_assert_cmpuint(segment, ==, expected->segment);
    g_assert_true(leaf_equal(leaf, &expected->leaf));
    return TRUE;
}

static void
check_walk(struct node_store *store, const struct map *map, const struct disk_model *disk)
{
    struct visits visits = {.disk = disk, .skip_level = MAP_LEVELS_MAX + 1};
    struct map_visitor visitor = {visit_node, visit_leaf, &visits};
    g_autoptr(GError) error = NULL;
    node_store_reset_counts(store);
    map_walk(map, &store->source, &visitor, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(visits.leaves, ==, disk->leaves->len);
    g_assert_cmpuint(visits.nodes[0], ==, disk->leaves->len);
    guint nodes = 0;
    for (guint level = 0; level <= MAP_LEVELS_MAX; level++)
        nodes += visits.nodes[level];
    g_assert_cmpuint(store->fetches, ==, nodes);

    /* Without leaves, or from some level on not at all, fewer are fetched. */
    node_store_reset_counts(store);
    visitor.leaf = NULL;
    map_walk(map, &store->source, &visitor, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(store->fetches, ==, nodes - disk->leaves->len);
    node_store_reset_counts(store);
    visits.skip_level = map_levels(map->size);
    visitor.leaf = visit_leaf;
    visits.leaves = G_MAXUINT;
    map_walk(map, &store->source, &visitor, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(store->fetches, ==, 0);
}

static void
check_cursor(struct node_store *store, const struct map *map, const struct disk_model *disk,
             GRand *rand)
{
    g_autofree struct map_leaf *leaf = g_new(struct map_leaf, 1);
    g_autoptr(GError) error = NULL;
    auto_ptr(map_cursor) cursor = map_cursor_new(map, &store->source);
    for (guint i = 0; i < 60 && disk->size > 0; i++) {
        guint64 segment = random_segment(disk, rand);
        if (i % 2 == 0 && disk->leaves->len > 0)
            segment = ((struct disk_leaf *)
                           disk->leaves->pdata[(guint)g_rand_int(rand) % disk->leaves->len])
                          ->segment;
        map_cursor_leaf(cursor, segment, leaf, &error);
        g_assert_no_error(error);
        g_assert_true(leaf_equal(leaf, leaf_or_none(disk, segment)));
        gboolean present;
        struct chunk_id id;
        node_store_reset_counts(store);
        map_cursor_leaf_id(cursor, segment, &present, &id, &error);
        g_assert_no_error(error);
        g_assert_cmpint(present, ==, leaf->n > 0);
        g_assert_cmpuint(store->fetches, ==, 0);
        g_assert_true(!present || g_hash_table_contains(store->nodes, &id));
    }
    g_assert_true(map_cursor_leaf(cursor, map_segments(disk->size), leaf, &error));
    g_assert_cmpuint(leaf->n, ==, 0);
    g_assert_true(map_cursor_leaf(cursor, G_MAXUINT64, leaf, &error));
    g_assert_cmpuint(leaf->n, ==, 0);
}

struct differences {
    const struct disk_model *left, *right;
    guint64 next; /* segments before this one are done */
    guint n;
};

static gboolean
take_difference(gpointer data, guint64 segment, const struct map_leaf *left,
                const struct map_leaf *right, GError **error G_GNUC_UNUSED)
{
    struct differences *differences = data;
    g_assert_cmpuint(segment, >=, differences->next);
    g_assert_true(leaf_equal(left, leaf_or_none(differences->left, segment)));
    g_assert_true(leaf_equal(right, leaf_or_none(differences->right, segment)));
    g_assert_false(leaf_equal(left, right));
    differences->next = segment + 1;
    differences->n++;
    return TRUE;
}

static guint
count_differences(const struct disk_model *left, const struct disk_model *right)
{
    guint n = 0;
    for (guint i = 0; i < left->leaves->len; i++) {
        const struct disk_leaf *leaf = left->leaves->pdata[i];
        n += !leaf_equal(&leaf->leaf, leaf_or_none(right, leaf->segment));
    }
    for (guint i = 0; i < right->leaves->len; i++)
        n += disk_model_get(left, ((struct disk_leaf *)right->leaves->pdata[i])->segment) == NULL;
    return n;
}

/* Each difference once, in order, and no more nodes than lead to them. */
static void
check_diff(struct node_store *store, const struct map *left_map, const struct disk_model *left,
           const struct map *right_map, const struct disk_model *right)
{
    struct differences differences = {.left = left, .right = right};
    g_autoptr(GError) error = NULL;
    node_store_reset_counts(store);
    map_diff(left_map, right_map, &store->source, take_difference, &differences, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(differences.n, ==, count_differences(left, right));
    guint levels = MAX(map_levels(left->size), map_levels(right->size));
    /* Paths of different height can be fetched in full although nothing differs. */
    guint apart = left->size != right->size ? 2 * (levels + 1) : 0;
    g_assert_cmpuint(store->fetches, <=, apart + 2 * (levels + 1) * differences.n);
}

static void
check_all(struct node_store *store, const struct map *map, const struct disk_model *disk,
          GRand *rand)
{
    struct map expected = disk_model_map(disk, store);
    assert_map(map, &expected);
    check_walk(store, map, disk);
    check_cursor(store, map, disk, rand);
}

/* ---- Tests -------------------------------------------------------------------------------------
 */

static void
test_from_nothing(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(1);
    for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++)
        for (guint leaves = 0; leaves < 200; leaves = 3 * leaves + 1) {
            auto_ptr(node_store) store = node_store_new();
            auto_ptr(disk_model) disk = random_disk(rand, sizes[i], leaves);
            struct map map = build_new(store, disk);
            check_all(store, &map, disk, rand);
        }
}

/* A copy of another size, changed here and there; the segments that whoever builds must set. */
static struct disk_model *
edit(const struct disk_model *old, guint64 size, guint edits, GRand *rand, GArray *segments)
{
    struct disk_model *disk = disk_model_new(size);
    g_autofree struct map_leaf *leaf = g_new(struct map_leaf, 1);
    guint64 last = map_segments(size) - 1;
    for (guint i = 0; i < old->leaves->len; i++) {
        const struct disk_leaf *from = old->leaves->pdata[i];
        if (from->segment <= last)
            disk_model_set(disk, from->segment, &from->leaf);
    }
    if (size < old->size && disk_model_get(disk, last) != NULL) {
        disk_model_random_leaf(disk, rand, last, leaf);
        disk_model_set(disk, last, leaf);
        g_array_append_val(segments, last);
    }
    for (guint i = 0; i < edits; i++) {
        guint64 segment = random_segment(disk, rand);
        if (g_rand_int_range(rand, 0, 4) != 0) {
            disk_model_random_leaf(disk, rand, segment, leaf);
            disk_model_set(disk, segment, leaf);
        }
        g_array_append_val(segments, segment);
    }
    return disk;
}

/* Whatever way a disk came about, its root is the same. */
static void
test_canonical(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(2);
    for (guint round = 0; round < 300; round++) {
        auto_ptr(node_store) store = node_store_new();
        guint64 size = sizes[(guint)g_rand_int(rand) % G_N_ELEMENTS(sizes)];
        struct disk_model *disk = random_disk(rand, size, (guint)g_rand_int_range(rand, 0, 60));
        struct map map = build_new(store, disk);
        for (guint step = 0; step < 6; step++) {
            if (g_rand_int_range(rand, 0, 2) == 0)
                size = sizes[(guint)g_rand_int(rand) % G_N_ELEMENTS(sizes)];
            g_autoptr(GArray) segments = g_array_new(FALSE, FALSE, sizeof(guint64));
            struct disk_model *next =
                edit(disk, size, (guint)g_rand_int_range(rand, 0, 12), rand, segments);
            struct map next_map = build(store, &map, next, segments);
            check_all(store, &next_map, next, rand);
            check_diff(store, &map, disk, &next_map, next);
            check_diff(store, &next_map, next, &map, disk);
            disk_model_free(disk);
            disk = next;
            map = next_map;
        }
        disk_model_free(disk);
    }
}

/* All leaves set again to what they are: nothing is kept.  The same without setting any: nothing is
 * fetched either. */
static void
test_unchanged(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(3);
    for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
        auto_ptr(node_store) store = node_store_new();
        auto_ptr(disk_model) disk = random_disk(rand, sizes[i], 50);
        struct map map = build_new(store, disk);
        g_autoptr(GArray) segments = all_segments(disk);
        guint64 zeros = random_segment(disk, rand);
        g_array_append_val(segments, zeros);
        node_store_reset_counts(store);
        struct map again = build(store, &map, disk, segments);
        assert_map(&again, &map);
        g_assert_cmpuint(store->keeps, ==, 0);
        g_array_set_size(segments, 0);
        node_store_reset_counts(store);
        again = build(store, &map, disk, segments);
        assert_map(&again, &map);
        g_assert_cmpuint(store->keeps + store->fetches, ==, 0);
        check_diff(store, &map, disk, &again, disk);
        g_assert_cmpuint(store->fetches, ==, 0);
    }
}

/* One leaf of many: its path is kept, and a comparison fetches the two paths. */
static void
test_one_change(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(4);
    g_autofree struct map_leaf *leaf = g_new0(struct map_leaf, 1);
    leaf->n = 1;
    leaf->entries[0] = (struct map_entry){.block = 0, .blocks = 1};
    for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
        auto_ptr(node_store) store = node_store_new();
        auto_ptr(disk_model) disk = random_disk(rand, sizes[i], 200);
        struct map map = build_new(store, disk);
        guint levels = map_levels(disk->size);
        g_autoptr(GArray) segments = g_array_new(FALSE, FALSE, sizeof(guint64));
        auto_ptr(disk_model) changed = edit(disk, disk->size, 0, rand, segments);
        guint64 segment = random_segment(changed, rand);
        disk_model_set(changed, segment, leaf);
        g_array_append_val(segments, segment);
        node_store_reset_counts(store);
        struct map after = build(store, &map, changed, segments);
        g_assert_cmpuint(store->keeps, ==, levels + 1);
        g_assert_cmpuint(store->fetches, <=, levels + 1);
        check_diff(store, &map, disk, &after, changed);
        g_assert_cmpuint(store->fetches, <=, 2 * (levels + 1));
    }
}

/* Growing keeps the new levels above the old root only; shrinking back gives the old root. */
static void
test_resize(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(5);
    auto_ptr(node_store) store = node_store_new();
    auto_ptr(disk_model) disk = random_disk(rand, 10 * SEGMENT, 30);
    struct map map = build_new(store, disk);
    g_autoptr(GArray) none = g_array_new(FALSE, FALSE, sizeof(guint64));
    auto_ptr(disk_model) large = edit(disk, 100 * TIB, 0, rand, none);
    node_store_reset_counts(store);
    struct map grown = build(store, &map, large, none);
    g_assert_cmpuint(store->keeps, ==, map_levels(100 * TIB) - 1);
    g_assert_cmpuint(store->fetches, ==, 0);
    check_all(store, &grown, large, rand);
    node_store_reset_counts(store);
    struct map back = build(store, &grown, disk, none);
    assert_map(&back, &map);
    g_assert_cmpuint(store->keeps, ==, 0);
    auto_ptr(disk_model) nothing = disk_model_new(0);
    struct map gone = build(store, &grown, nothing, none);
    g_assert_true(gone.empty);
    check_walk(store, &gone, nothing);
    struct map zeros = build(store, &gone, large, none);
    g_assert_cmpint(zeros.empty, ==, large->leaves->len > 0);
}

/* A last segment that was cut off has to be set, unless none of its chunks is concerned. */
static void
test_cut_off(void)
{
    auto_ptr(node_store) store = node_store_new();
    auto_ptr(disk_model) disk = disk_model_new(200 * SEGMENT);
    g_autofree struct map_leaf *leaf = g_new0(struct map_leaf, 1);
    leaf->n = 1;
    leaf->entries[0] = (struct map_entry){.block = 100, .blocks = 10};
    disk_model_set(disk, 0, leaf);
    disk_model_set(disk, 100, leaf);
    struct map map = build_new(store, disk);
    static const guint64 before[] = {0, 100};
    for (gsize i = 0; i < G_N_ELEMENTS(before); i++) {
        g_autoptr(GError) error = NULL;
        guint64 size = before[i] * SEGMENT + 110 * CHUNK_BLOCK;
        struct map ret;
        auto_ptr(map_builder) fits = map_builder_new(&map, size, &store->source, &store->sink);
        g_assert_true(map_builder_finish(fits, &ret, &error));
        size -= CHUNK_BLOCK;
        auto_ptr(map_builder) cut = map_builder_new(&map, size, &store->source, &store->sink);
        g_assert_false(map_builder_finish(cut, &ret, &error));
        g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_FAILED);
        g_clear_error(&error);
        auto_ptr(map_builder) set = map_builder_new(&map, size, &store->source, &store->sink);
        leaf->n = 0;
        g_assert_true(map_builder_set(set, before[i], leaf, &error));
        g_assert_true(map_builder_finish(set, &ret, &error));
        g_assert_cmpint(ret.empty, ==, before[i] == 0);
    }
}

static void
assert_refused(struct map_builder *builder, guint64 segment, const struct map_leaf *leaf,
               enum slipway_error code, const char *words)
{
    g_autoptr(GError) error = NULL;
    g_assert_false(map_builder_set(builder, segment, leaf, &error));
    g_assert_error(error, SLIPWAY_ERROR, (int)code);
    g_assert_cmpstr(error->message, ==, words);
}

static void
test_wrong_calls(void)
{
    auto_ptr(node_store) store = node_store_new();
    g_autofree struct map_leaf *leaf = g_new0(struct map_leaf, 1);
    leaf->n = 1;
    leaf->entries[0] = (struct map_entry){.block = 100, .blocks = 10};
    auto_ptr(map_builder) builder =
        map_builder_new(NULL, 10 * SEGMENT + 109 * CHUNK_BLOCK, NULL, &store->sink);
    g_assert_true(map_builder_set(builder, 5, leaf, NULL));
    assert_refused(builder, 5, leaf, SLIPWAY_ERROR_FAILED, "segment 5 comes after a later one");
    assert_refused(builder, 11, leaf, SLIPWAY_ERROR_FAILED,
                   "segment 11 lies beyond the end of the disk");
    assert_refused(builder, 10, leaf, SLIPWAY_ERROR_CORRUPT,
                   "segment 10: chunk 0 reaches beyond the end of the disk");
    leaf->entries[0].blocks = 65;
    assert_refused(builder, 9, leaf, SLIPWAY_ERROR_CORRUPT, "segment 9: chunk 0 has 65 blocks");
}

/* Whatever fetch or keep fails: its error comes out, and nothing else happens. */
struct failing {
    struct node_store *store;
    guint left; /* calls that still work */
};

static GBytes *
fetch_or_fail(gpointer data, const struct chunk_id *id, GError **error)
{
    struct failing *failing = data;
    if (failing->left-- == 0)
        return error_null(error, SLIPWAY_ERROR_IO, "out of luck");
    return node_store_fetch(failing->store, id, error);
}

static gboolean
keep_or_fail(gpointer data, const guint8 *bytes, gsize length, struct chunk_id *ret_id,
             GError **error)
{
    struct failing *failing = data;
    if (failing->left-- == 0)
        return error_set(error, SLIPWAY_ERROR_IO, "out of luck");
    return node_store_keep(failing->store, bytes, length, ret_id, error);
}

/* FALSE when something failed. */
static gboolean
rebuild(struct failing *failing, const struct map *old, const struct disk_model *disk,
        const struct map *expected)
{
    struct map_source source = {fetch_or_fail, failing};
    struct map_sink sink = {keep_or_fail, failing};
    g_autoptr(GError) error = NULL;
    auto_ptr(map_builder) builder = map_builder_new(old, disk->size, &source, &sink);
    gboolean ok = TRUE;
    struct map map;
    for (guint i = 0; ok && i < disk->leaves->len; i++) {
        const struct disk_leaf *leaf = disk->leaves->pdata[i];
        ok = map_builder_set(builder, leaf->segment, &leaf->leaf, &error);
    }
    ok = ok && map_builder_finish(builder, &map, &error);
    if (ok)
        assert_map(&map, expected);
    else
        g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_IO);
    return ok;
}

static void
test_failures(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(6);
    auto_ptr(node_store) store = node_store_new();
    auto_ptr(disk_model) disk = random_disk(rand, TIB + 5, 20);
    struct map map = build_new(store, disk);
    g_autoptr(GArray) segments = g_array_new(FALSE, FALSE, sizeof(guint64));
    auto_ptr(disk_model) next = edit(disk, TIB, 10, rand, segments);
    struct map expected = build(store, &map, next, segments);
    guint calls = 0;
    for (gboolean ok = FALSE; !ok; calls++) {
        struct failing failing = {store, calls};
        ok = rebuild(&failing, &map, next, &expected);
    }
    g_assert_cmpuint(calls, >, 20);

    /* A cursor that failed once goes on. */
    struct failing failing = {store, 2};
    struct map_source source = {fetch_or_fail, &failing};
    auto_ptr(map_cursor) cursor = map_cursor_new(&map, &source);
    g_autofree struct map_leaf *leaf = g_new(struct map_leaf, 1);
    const struct disk_leaf *wanted = disk->leaves->pdata[3];
    g_assert_false(map_cursor_leaf(cursor, wanted->segment, leaf, NULL));
    g_assert_true(map_cursor_leaf(cursor, wanted->segment, leaf, NULL));
    g_assert_true(leaf_equal(leaf, &wanted->leaf));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/map/from-nothing", test_from_nothing);
    g_test_add_func("/map/canonical", test_canonical);
    g_test_add_func("/map/unchanged", test_unchanged);
    g_test_add_func("/map/one-change", test_one_change);
    g_test_add_func("/map/resize", test_resize);
    g_test_add_func("/map/cut-off", test_cut_off);
    g_test_add_func("/map/wrong-calls", test_wrong_calls);
    g_test_add_func("/map/failures", test_failures);
    return g_test_run();
}
