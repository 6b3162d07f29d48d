/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/extent_file.h"

#include "base/error.h"
#include "base/stream.h"

#include <jansson.h>

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
extent_file_read(const char *path, guint64 size, GError **error)
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
