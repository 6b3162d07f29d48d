/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Nodes as bytes: what is written, what is refused, and nodes at a place where they cannot be. */
#include "map_fixture.h"

#define TIB ((guint64)1 << 40)

static void
test_sizes(void)
{
    static const struct {
        guint64 size, segments;
        guint levels;
    } cases[] = {
        {0, 0, 0},
        {1, 1, 0},
        {CHUNK_SEGMENT, 1, 0},
        {CHUNK_SEGMENT + 1, 2, 1},
        {64ull * CHUNK_SEGMENT, 64, 1},
        {64ull * CHUNK_SEGMENT + 1, 65, 2},
        {16 * 1024 * TIB / 1024, 4u << 20, 4},
        {100 * TIB, 26214400, 5},
        {MAP_SIZE_MAX - CHUNK_SEGMENT, ((guint64)1 << 36) - 1, 6},
        {MAP_SIZE_MAX, (guint64)1 << 36, 6},
        {MAP_SIZE_MAX + 1, ((guint64)1 << 36) + 1, 7},
        {G_MAXUINT64, (guint64)1 << 42, 7},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_assert_cmpuint(map_segments(cases[i].size), ==, cases[i].segments);
        g_assert_cmpuint(map_levels(cases[i].size), ==, cases[i].levels);
    }
}

static void
assert_hex(const GByteArray *bytes, const char *expected)
{
    g_autoptr(GString) hex = g_string_new(NULL);
    for (guint i = 0; i < bytes->len; i++)
        g_string_append_printf(hex, "%02x", bytes->data[i]);
    g_assert_cmpstr(hex->str, ==, expected);
}

/* The bytes that doc/format/store.md says. */
static void
test_bytes(void)
{
    g_autofree struct map_leaf *leaf = g_new0(struct map_leaf, 1);
    *leaf = (struct map_leaf){.n = 2, .entries = {{.block = 0, .blocks = 64}, {1000, 24, {{0}}}}};
    memset(&leaf->entries[0].id, 0x11, CHUNK_ID_SIZE);
    memset(&leaf->entries[1].id, 0x22, CHUNK_ID_SIZE);
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    map_leaf_encode(leaf, bytes);
    assert_hex(bytes, "4c010200"
                      "00004000"
                      "1111111111111111111111111111111111111111111111111111111111111111"
                      "e8031800"
                      "2222222222222222222222222222222222222222222222222222222222222222");
    struct map_inner inner = {.level = 3, .present = (guint64)1 << 63 | 1 << 1};
    memset(&inner.children[1], 0x33, CHUNK_ID_SIZE);
    memset(&inner.children[63], 0x44, CHUNK_ID_SIZE);
    g_byte_array_set_size(bytes, 0);
    map_inner_encode(&inner, bytes);
    assert_hex(bytes, "4e010300"
                      "0200000000000080"
                      "3333333333333333333333333333333333333333333333333333333333333333"
                      "4444444444444444444444444444444444444444444444444444444444444444");
    struct map_inner again;
    memset(&again, 0xff, sizeof again);
    g_autoptr(GError) error = NULL;
    g_assert_true(map_inner_decode(bytes->data, bytes->len, &again, &error));
    g_assert_cmpuint(again.level, ==, 3);
    g_assert_cmphex(again.present, ==, inner.present);
    g_assert_cmpmem(again.children, sizeof again.children, inner.children, sizeof inner.children);
}

/* All blocks a chunk of their own: the largest node. */
static void
test_largest(void)
{
    g_autofree struct map_leaf *leaf = g_new0(struct map_leaf, 1);
    g_autofree struct map_leaf *again = g_new0(struct map_leaf, 1);
    leaf->n = CHUNK_SEGMENT_BLOCKS;
    for (guint i = 0; i < leaf->n; i++) {
        leaf->entries[i].block = (guint16)i;
        leaf->entries[i].blocks = 1;
        memset(&leaf->entries[i].id, (int)i, CHUNK_ID_SIZE);
    }
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    map_leaf_encode(leaf, bytes);
    g_assert_cmpuint(bytes->len, <=, MAP_NODE_MAX);
    g_autoptr(GError) error = NULL;
    g_assert_true(map_leaf_decode(bytes->data, bytes->len, again, &error));
    g_assert_no_error(error);
    g_assert_true(leaf_equal(leaf, again));
}

/* A leaf of two chunks, a node of two children of level 1, with `count` bytes changed at `at`, and
 * `extra` more (or fewer) bytes at the end. */
struct damage {
    gboolean inner;
    guint at;
    const char *bytes;
    guint count;
    int extra;
    const char *words;
};

static const struct damage damages[] = {
    {FALSE, 0, "N", 1, 0, "not a leaf node of a map"},
    {FALSE, 1, "\0", 1, 0, "version 0 is none"},
    {FALSE, 1, "\2", 1, 0, "version 2 is newer than this program: use a newer one"},
    {FALSE, 2, "\0\0", 2, -72, "a leaf of 0 chunks"},
    {FALSE, 2, "\1\4", 2, 0, "a leaf of 1025 chunks"},
    {FALSE, 0, "", 0, -73, "not a leaf node of a map"},
    {FALSE, 0, "", 0, -76, "not a leaf node of a map"},
    {FALSE, 0, "", 0, -1, "a leaf of 2 chunks has 75 bytes"},
    {FALSE, 0, "", 0, 1, "a leaf of 2 chunks has 77 bytes"},
    {FALSE, 2, "\3\0", 2, 0, "a leaf of 3 chunks has 76 bytes"},
    {FALSE, 6, "\0\0", 2, 0, "chunk 0 has 0 blocks"},
    {FALSE, 6, "\101\0", 2, 0, "chunk 0 has 65 blocks"},
    {FALSE, 42, "\0\1", 2, 0, "chunk 1 has 256 blocks"},
    {FALSE, 40, "\7\0", 2, 0, "chunk 1 begins before another ends"},
    {FALSE, 40, "\1\0", 2, 0, "chunk 1 begins before another ends"},
    {FALSE, 40, "\375\3", 2, 0, "chunk 1 reaches beyond the end of its segment"},
    {FALSE, 40, "\377\377", 2, 0, "chunk 1 reaches beyond the end of its segment"},
    {TRUE, 0, "L", 1, 0, "not an inner node of a map"},
    {TRUE, 1, "\2", 1, 0, "version 2 is newer than this program: use a newer one"},
    {TRUE, 2, "\0", 1, 0, "a node of level 0"},
    {TRUE, 2, "\7", 1, 0, "a node of level 7"},
    {TRUE, 3, "\1", 1, 0, "a node of level 1"},
    {TRUE, 4, "\0", 1, -64, "a node of 0 children has 12 bytes"},
    {TRUE, 4, "\1", 1, 0, "a node of 1 children has 76 bytes"},
    {TRUE, 4, "\7", 1, 0, "a node of 3 children has 76 bytes"},
    {TRUE, 0, "", 0, -1, "a node of 2 children has 75 bytes"},
    {TRUE, 0, "", 0, 1, "a node of 2 children has 77 bytes"},
    {TRUE, 0, "", 0, -65, "not an inner node of a map"},
};

static void
test_refused(void)
{
    g_autofree struct map_leaf *leaf = g_new0(struct map_leaf, 1);
    struct map_inner inner = {.level = 1, .present = 3};
    leaf->n = 2;
    leaf->entries[0] = (struct map_entry){.block = 4, .blocks = 4};
    leaf->entries[1] = (struct map_entry){.block = 8, .blocks = 4};
    for (gsize i = 0; i < G_N_ELEMENTS(damages); i++) {
        const struct damage *damage = &damages[i];
        g_autoptr(GByteArray) bytes = g_byte_array_new();
        if (damage->inner)
            map_inner_encode(&inner, bytes);
        else
            map_leaf_encode(leaf, bytes);
        gsize length = bytes->len + (gsize)damage->extra;
        g_byte_array_set_size(bytes, (guint)length + 1);
        memcpy(bytes->data + damage->at, damage->bytes, damage->count);
        g_autofree guint8 *exact = g_memdup2(bytes->data, length);
        g_autoptr(GError) error = NULL;
        g_assert_false(damage->inner ? map_inner_decode(exact, length, &inner, &error)
                                     : map_leaf_decode(exact, length, leaf, &error));
        gboolean newer = strstr(damage->words, "newer") != NULL;
        g_assert_error(error, SLIPWAY_ERROR,
                       (int)(newer ? SLIPWAY_ERROR_UNSUPPORTED : SLIPWAY_ERROR_CORRUPT));
        g_assert_cmpstr(error->message, ==, damage->words);
        inner = (struct map_inner){.level = 1, .present = 3};
        leaf->n = 2;
        leaf->entries[0] = (struct map_entry){.block = 4, .blocks = 4};
        leaf->entries[1] = (struct map_entry){.block = 8, .blocks = 4};
    }
}

/* ---- Good nodes at a wrong place ---------------------------------------------------------------
 */

static gboolean
ignore_difference(gpointer data G_GNUC_UNUSED, guint64 segment G_GNUC_UNUSED,
                  const struct map_leaf *left G_GNUC_UNUSED,
                  const struct map_leaf *right G_GNUC_UNUSED, GError **error G_GNUC_UNUSED)
{
    return TRUE;
}

static gboolean
ignore_leaf(gpointer data G_GNUC_UNUSED, guint64 segment G_GNUC_UNUSED,
            const struct map_leaf *leaf G_GNUC_UNUSED, GError **error G_GNUC_UNUSED)
{
    return TRUE;
}

/* Every way to read the map says so, with the node's id in front. */
static void
assert_misplaced(struct node_store *store, const struct map *map, guint64 segment,
                 const struct chunk_id *bad, const char *words)
{
    g_autofree struct map_leaf *leaf = g_new(struct map_leaf, 1);
    GError *errors[3] = {NULL};
    auto_ptr(map_cursor) cursor = map_cursor_new(map, &store->source);
    g_assert_false(map_cursor_leaf(cursor, segment, leaf, &errors[0]));
    struct map none = {.size = map->size, .empty = TRUE};
    g_assert_false(map_diff(map, &none, &store->source, ignore_difference, NULL, &errors[1]));
    struct map_visitor visitor = {.leaf = ignore_leaf};
    g_assert_false(map_walk(map, &store->source, &visitor, &errors[2]));
    char text[CHUNK_ID_TEXT];
    g_autofree char *expected =
        g_strdup_printf("map node %s: %s", chunk_id_format(bad, text), words);
    for (gsize i = 0; i < G_N_ELEMENTS(errors); i++) {
        g_assert_error(errors[i], SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
        g_assert_cmpstr(errors[i]->message, ==, expected);
        g_error_free(errors[i]);
    }
}

static struct chunk_id
put_leaf(struct node_store *store, guint16 block, guint16 blocks)
{
    g_autofree struct map_leaf *leaf = g_new0(struct map_leaf, 1);
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    leaf->n = 1;
    leaf->entries[0] = (struct map_entry){.block = block, .blocks = blocks};
    map_leaf_encode(leaf, bytes);
    return node_store_put(store, bytes);
}

static struct chunk_id
put_inner(struct node_store *store, guint level, guint place, const struct chunk_id *child)
{
    struct map_inner inner = {.level = level, .present = (guint64)1 << place};
    inner.children[place] = *child;
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    map_inner_encode(&inner, bytes);
    return node_store_put(store, bytes);
}

static void
test_misplaced(void)
{
    auto_ptr(node_store) store = node_store_new();
    struct chunk_id leaf = put_leaf(store, 10, 4);
    struct chunk_id one = put_inner(store, 1, 1, &leaf);
    struct chunk_id two = put_inner(store, 2, 0, &one);
    struct chunk_id two_of_two = put_inner(store, 2, 0, &two);
    struct chunk_id two_of_leaf = put_inner(store, 2, 0, &leaf);
    struct chunk_id one_of_one = put_inner(store, 1, 1, &one);
    const guint64 large = 65ull * CHUNK_SEGMENT, small = 2ull * CHUNK_SEGMENT;

    assert_misplaced(store, &(struct map){large, FALSE, one}, 1, &one, "level 1 where 2 must be");
    assert_misplaced(store, &(struct map){small, FALSE, two}, 1, &two, "level 2 where 1 must be");
    assert_misplaced(store, &(struct map){large, FALSE, two_of_two}, 1, &two,
                     "level 2 where 1 must be");
    assert_misplaced(store, &(struct map){large, FALSE, two_of_leaf}, 1, &leaf,
                     "not an inner node of a map");
    assert_misplaced(store, &(struct map){small, FALSE, one_of_one}, 1, &one,
                     "not a leaf node of a map");
    assert_misplaced(store, &(struct map){CHUNK_SEGMENT, FALSE, one}, 0, &one,
                     "not a leaf node of a map");
}

static void
test_beyond_end(void)
{
    auto_ptr(node_store) store = node_store_new();
    struct chunk_id leaf = put_leaf(store, 10, 4);
    struct chunk_id third = put_inner(store, 1, 2, &leaf);
    struct chunk_id root_of_third = put_inner(store, 2, 1, &third);
    struct chunk_id second = put_inner(store, 1, 1, &leaf);
    const guint64 segment = CHUNK_SEGMENT;

    assert_misplaced(store, &(struct map){2 * segment, FALSE, third}, 0, &third,
                     "a child lies beyond the end of the disk");
    assert_misplaced(store, &(struct map){66 * segment, FALSE, root_of_third}, 64, &third,
                     "a child lies beyond the end of the disk");
    struct map map = {segment + 13 * CHUNK_BLOCK, FALSE, second};
    assert_misplaced(store, &map, 1, &leaf, "chunk 0 reaches beyond the end of the disk");
    /* A last block that is not whole is there. */
    map.size++;
    g_autofree struct map_leaf *read = g_new(struct map_leaf, 1);
    g_autoptr(GError) error = NULL;
    auto_ptr(map_cursor) cursor = map_cursor_new(&map, &store->source);
    g_assert_true(map_cursor_leaf(cursor, 1, read, &error));
    g_assert_no_error(error);
    g_assert_cmpuint(read->n, ==, 1);
}

static void
test_too_large(void)
{
    auto_ptr(node_store) store = node_store_new();
    struct map map = {.size = MAP_SIZE_MAX + 1};
    g_autoptr(GError) error = NULL;
    gboolean present;
    struct chunk_id id;
    auto_ptr(map_cursor) cursor = map_cursor_new(&map, &store->source);
    g_assert_false(map_cursor_leaf_id(cursor, 5, &present, &id, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_LIMIT);
    g_assert_cmpstr(error->message, ==,
                    "a disk of 288230376151711745 bytes is too large for a map");
    g_clear_error(&error);
    g_assert_false(map_diff(&map, &map, &store->source, ignore_difference, NULL, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_LIMIT);
    g_clear_error(&error);
    struct map_visitor visitor = {NULL, NULL, NULL};
    g_assert_false(map_walk(&map, &store->source, &visitor, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_LIMIT);
    g_clear_error(&error);
    auto_ptr(map_builder) builder = map_builder_new(NULL, map.size, NULL, &store->sink);
    g_assert_false(map_builder_finish(builder, &map, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_LIMIT);
    g_clear_error(&error);
    auto_ptr(map_builder) smaller = map_builder_new(&map, 5, &store->source, &store->sink);
    g_assert_false(map_builder_finish(smaller, &map, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_LIMIT);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/map-node/sizes", test_sizes);
    g_test_add_func("/map-node/bytes", test_bytes);
    g_test_add_func("/map-node/largest", test_largest);
    g_test_add_func("/map-node/refused", test_refused);
    g_test_add_func("/map-node/misplaced", test_misplaced);
    g_test_add_func("/map-node/beyond-end", test_beyond_end);
    g_test_add_func("/map-node/too-large", test_too_large);
    return g_test_run();
}
