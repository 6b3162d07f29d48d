/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/diff.h"

#include "base/cancel.h"
#include "base/error.h"
#include "engine/leaf_compare.h"

static gboolean
add_segment(gpointer data, guint64 segment, const struct map_leaf *left,
            const struct map_leaf *right, GError **error)
{
    struct extent_list *list = data;
    guint8 blocks[CHUNK_SEGMENT_BLOCKS];
    leaf_compare(left, right, blocks);
    for (guint first = 0, next; first < CHUNK_SEGMENT_BLOCKS; first = next) {
        next = leaf_compare_run(blocks, first, CHUNK_SEGMENT_BLOCKS);
        if (blocks[first] != LEAF_SAME)
            extent_list_add(list, segment * CHUNK_SEGMENT + (guint64)first * CHUNK_BLOCK,
                            (guint64)(next - first) * CHUNK_BLOCK);
    }
    return cancel_check(error);
}

struct extent_list *
diff_maps(const struct map *left, const struct map *right, struct chunk_reader *reader,
          GError **error)
{
    auto_ptr(extent_list) list = extent_list_new();
    struct map_source source = chunk_reader_map_source(reader);
    if (!map_diff(left, right, &source, add_segment, list, error))
        return NULL;
    extent_list_settle(list, right->size);
    return g_steal_pointer(&list);
}

struct extent_list *
diff_disks(struct store *store, struct locator *locator, const struct set *left,
           const struct set *right, const char *name, GError **error)
{
    const struct set_disk *now = set_need_disk(right, name, error);
    if (now == NULL)
        return NULL;
    auto_ptr(locator) own = NULL;
    if (locator == NULL && (locator = own = locator_new(store, error)) == NULL)
        return NULL;
    auto_ptr(chunk_reader) reader = chunk_reader_new(store, locator);
    const struct set_disk *before = set_find_disk(left, name);
    const struct map nothing = {.size = now->map.size, .empty = TRUE};
    return diff_maps(before != NULL ? &before->map : &nothing, &now->map, reader, error);
}
