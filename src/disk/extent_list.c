/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "disk/extent_list.h"

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
