/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/extent_list.h"

#include "base/error.h"
#include "base/stream.h"

#include <jansson.h>

struct extent_list *
extent_list_new(void)
{
    struct extent_list *list = g_new0(struct extent_list, 1);
    list->extents = g_array_new(FALSE, FALSE, sizeof(struct extent));
    return list;
}

void
extent_list_free(struct extent_list *list)
{
    if (list == NULL)
        return;
    g_array_unref(list->extents);
    g_free(list);
}

void
extent_list_add(struct extent_list *list, guint64 offset, guint64 length)
{
    struct extent extent = {offset, length};
    if (length > 0)
        g_array_append_val(list->extents, extent);
}

static gint
compare(gconstpointer left, gconstpointer right)
{
    const struct extent *a = left, *b = right;
    return a->offset < b->offset ? -1 : a->offset > b->offset;
}

void
extent_list_settle(struct extent_list *list, guint64 size)
{
    GArray *extents = list->extents;
    g_array_sort(extents, compare);
    guint n = 0;
    for (guint i = 0; i < extents->len; i++) {
        struct extent extent = g_array_index(extents, struct extent, i);
        if (extent.offset >= size)
            break;
        extent.length = MIN(extent.length, size - extent.offset);
        struct extent *last = n > 0 ? &g_array_index(extents, struct extent, n - 1) : NULL;
        if (last != NULL && extent.offset <= last->offset + last->length) {
            guint64 end = MAX(last->offset + last->length, extent.offset + extent.length);
            last->length = end - last->offset;
        } else {
            g_array_index(extents, struct extent, n++) = extent;
        }
    }
    g_array_set_size(extents, n);
}

gboolean
extent_list_next(const struct extent_list *list, guint64 offset, guint *hint, struct extent *ret)
{
    guint low = hint != NULL ? *hint : 0, high = list->extents->len;
    while (low < high) {
        guint middle = low + (high - low) / 2;
        const struct extent *extent = &g_array_index(list->extents, struct extent, middle);
        if (extent->offset + extent->length > offset)
            high = middle;
        else
            low = middle + 1;
    }
    if (hint != NULL)
        *hint = low;
    if (low == list->extents->len)
        return FALSE;
    *ret = g_array_index(list->extents, struct extent, low);
    if (ret->offset < offset) {
        ret->length -= offset - ret->offset;
        ret->offset = offset;
    }
    return TRUE;
}

guint64
extent_list_total(const struct extent_list *list)
{
    guint64 total = 0;
    for (guint i = 0; i < list->extents->len; i++)
        total += g_array_index(list->extents, struct extent, i).length;
    return total;
}

static gboolean
read_extent(json_t *item, struct extent *ret)
{
    gboolean pair = json_is_array(item) && json_array_size(item) == 2;
    json_t *offset = pair ? json_array_get(item, 0) : json_object_get(item, "offset");
    json_t *length = pair ? json_array_get(item, 1) : json_object_get(item, "length");
    if (!json_is_integer(offset) || !json_is_integer(length) || json_integer_value(offset) < 0 ||
        json_integer_value(length) < 0)
        return FALSE;
    ret->offset = (guint64)json_integer_value(offset);
    ret->length = (guint64)json_integer_value(length);
    return TRUE;
}

static gboolean
read_list(json_t *items, guint64 size, struct extent_list *list, const char *path, GError **error)
{
    if (!json_is_array(items))
        return error_set(error, SLIPWAY_ERROR_CORRUPT,
                         "%s: a JSON list of {\"offset\": BYTES, \"length\": BYTES} is wanted",
                         path);
    gsize n = json_array_size(items);
    if (n > EXTENT_LIST_MAX)
        return error_set(error, SLIPWAY_ERROR_LIMIT, "%s: more than %u extents", path,
                         EXTENT_LIST_MAX);
    for (gsize i = 0; i < n; i++) {
        struct extent extent;
        if (!read_extent(json_array_get(items, i), &extent))
            return error_set(error, SLIPWAY_ERROR_CORRUPT,
                             "%s: extent %zu is not {\"offset\": BYTES, \"length\": BYTES}", path,
                             i + 1);
        if (extent.length > 0 && extent.offset >= size)
            return error_set(error, SLIPWAY_ERROR_CORRUPT,
                             "%s: extent %zu begins at %" G_GUINT64_FORMAT
                             ", beyond the disk's %" G_GUINT64_FORMAT
                             " bytes; is it the file of another disk?",
                             path, i + 1, extent.offset, size);
        extent_list_add(list, extent.offset, MIN(extent.length, size - extent.offset));
    }
    return TRUE;
}

struct extent_list *
extent_list_read(const char *path, guint64 size, GError **error)
{
    auto_ptr(stream) stream = stream_new_file(path, error);
    g_autoptr(GBytes) bytes =
        stream != NULL ? stream_read_all(stream, EXTENT_FILE_MAX, error) : NULL;
    if (bytes == NULL)
        return NULL;
    json_error_t trouble;
    json_t *json = json_loadb(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), 0, &trouble);
    if (json == NULL)
        return error_null(error, SLIPWAY_ERROR_CORRUPT, "%s: line %d: %s", path, trouble.line,
                          trouble.text);
    auto_ptr(extent_list) list = extent_list_new();
    json_t *items = json_is_object(json) ? json_object_get(json, "extents") : json;
    gboolean ok = read_list(items, size, list, path, error);
    json_decref(json);
    if (!ok)
        return NULL;
    extent_list_settle(list, size);
    return g_steal_pointer(&list);
}
