/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Maps.  The input: the size of the disk (64 bits, little endian), then nodes, each behind its
 * length (16 bits).  A node that is taken is written again as it was.  The first one is the root of
 * a map whose children may be anything that follows, themselves too; every way to read it ends. */
#include "base/error.h"
#include "fuzz.h"
#include "store/map.h"

#include <string.h>

/* No hash keeps these nodes from pointing at each other: what levels bound is still 64^6. */
#define FETCHES_MAX 400

struct input {
    GPtrArray *nodes; /* of GBytes */
    guint fetches;
};

/* The first byte of an id says which one it is. */
static GBytes *
fetch(gpointer data, const struct chunk_id *id, GError **error)
{
    struct input *input = data;
    if (input->fetches++ == FETCHES_MAX || input->nodes->len == 0)
        return error_null(error, SLIPWAY_ERROR_NOT_FOUND, "no more nodes");
    return g_bytes_ref(input->nodes->pdata[id->bytes[0] % input->nodes->len]);
}

static gboolean
keep(gpointer data G_GNUC_UNUSED, const guint8 *bytes, gsize length, struct chunk_id *ret_id,
     GError **error G_GNUC_UNUSED)
{
    g_assert_cmpuint(length, <=, MAP_NODE_MAX);
    memset(ret_id, bytes[length - 1], sizeof *ret_id);
    return TRUE;
}

static void
take_nodes(struct input *input, const uint8_t *data, size_t size)
{
    while (size >= 2) {
        gsize length = MIN(data[0] | (gsize)data[1] << 8, size - 2);
        g_ptr_array_add(input->nodes, g_bytes_new(data + 2, length));
        data += 2 + length;
        size -= 2 + length;
    }
}

static void
check_node(GBytes *bytes)
{
    gsize length;
    const guint8 *data = g_bytes_get_data(bytes, &length);
    g_autofree struct map_leaf *leaf = g_new(struct map_leaf, 1);
    struct map_inner inner;
    g_autoptr(GByteArray) again = g_byte_array_new();
    g_autoptr(GError) error = NULL;
    gboolean ok = map_leaf_decode(data, length, leaf, &error);
    fuzz_check(ok, error);
    if (ok)
        map_leaf_encode(leaf, again);
    g_clear_error(&error);
    gboolean inner_ok = map_inner_decode(data, length, &inner, &error);
    fuzz_check(inner_ok, error);
    g_assert_false(ok && inner_ok);
    if (inner_ok)
        map_inner_encode(&inner, again);
    if (ok || inner_ok)
        g_assert_cmpmem(again->data, again->len, data, length);
}

/* ---- Everything that reads a map ---------------------------------------------------------------
 */

struct place {
    guint64 segments;
    guint64 next;
};

static gboolean
see_leaf(gpointer data, guint64 segment, const struct map_leaf *leaf, GError **error G_GNUC_UNUSED)
{
    struct place *place = data;
    g_assert_cmpuint(segment, >=, place->next);
    g_assert_cmpuint(segment, <, place->segments);
    g_assert_cmpuint(leaf->n, >, 0);
    g_assert_cmpuint(leaf->n, <=, CHUNK_SEGMENT_BLOCKS);
    place->next = segment + 1;
    return TRUE;
}

static gboolean
see_difference(gpointer data, guint64 segment, const struct map_leaf *left,
               const struct map_leaf *right, GError **error)
{
    return see_leaf(data, segment, left->n > 0 ? left : right, error);
}

static gboolean
see_node(gpointer data G_GNUC_UNUSED, const struct chunk_id *id G_GNUC_UNUSED, guint level,
         gboolean *ret_skip G_GNUC_UNUSED, GError **error G_GNUC_UNUSED)
{
    g_assert_cmpuint(level, <=, MAP_LEVELS_MAX);
    return TRUE;
}

static void
check_readers(struct input *input, const struct map *map, const struct map *other)
{
    struct map_source source = {fetch, input};
    struct place place = {.segments = map_segments(map->size)};
    struct map_visitor visitor = {see_node, see_leaf, &place};
    g_autoptr(GError) error = NULL;
    input->fetches = 0;
    gboolean ok = map_walk(map, &source, &visitor, &error);
    fuzz_check(ok, error);
    g_clear_error(&error);
    place = (struct place){.segments = MAX(map_segments(map->size), map_segments(other->size))};
    input->fetches = 0;
    ok = map_diff(map, other, &source, see_difference, &place, &error);
    fuzz_check(ok, error);
    g_clear_error(&error);

    g_autofree struct map_leaf *leaf = g_new(struct map_leaf, 1);
    auto_ptr(map_cursor) cursor = map_cursor_new(map, &source);
    for (guint64 segment = 0; segment < G_MAXUINT64 / 9; segment = 9 * segment + 1) {
        input->fetches = 0;
        ok = map_cursor_leaf(cursor, segment, leaf, &error);
        fuzz_check(ok, error);
        g_assert_cmpuint(input->fetches, <=, MAP_LEVELS_MAX + 1);
        g_clear_error(&error);
    }
}

static void
check_builder(struct input *input, const struct map *map, guint64 size)
{
    struct map_source source = {fetch, input};
    struct map_sink sink = {keep, NULL};
    g_autofree struct map_leaf *leaf = g_new0(struct map_leaf, 1);
    leaf->n = 1;
    leaf->entries[0].blocks = 1;
    g_autoptr(GError) error = NULL;
    auto_ptr(map_builder) builder = map_builder_new(map, size, &source, &sink);
    input->fetches = 0;
    gboolean ok = TRUE;
    for (guint64 segment = 1; ok && segment < map_segments(size); segment *= 70)
        ok = map_builder_set(builder, segment, leaf, &error);
    struct map ret;
    ok = ok && map_builder_finish(builder, &ret, &error);
    fuzz_check(ok, error);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct map map = {0};
    if (size < sizeof map.size)
        return 0;
    memcpy(&map.size, data, sizeof map.size);
    map.size = GUINT64_FROM_LE(map.size);
    struct input input = {g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref), 0};
    take_nodes(&input, data + sizeof map.size, size - sizeof map.size);
    for (guint i = 0; i < input.nodes->len; i++)
        check_node(input.nodes->pdata[i]);
    struct map second = {.size = map.size / 5, .root = {{1}}};
    struct map none = {.size = map.size / 2, .empty = TRUE};
    check_readers(&input, &map, &second);
    check_readers(&input, &map, &none);
    check_builder(&input, &map, map.size);
    check_builder(&input, &map, map.size / 3 + 4097);
    check_builder(&input, &map, MIN(map.size, MAP_SIZE_MAX / 100) * 99);
    g_ptr_array_unref(input.nodes);
    return 0;
}
