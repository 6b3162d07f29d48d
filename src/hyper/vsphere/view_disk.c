/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/vsphere/view_disk.h"

#include "disk/disk_driver.h"

struct view {
    struct disk base;
    struct disk *below;
    struct extent_list *allocated; /* NULL */
};

static gboolean
read_view(struct disk *self, guint64 offset, void *buffer, gsize length, GError **error)
{
    return disk_read(((struct view *)self)->below, offset, buffer, length, error);
}

static gboolean
write_view(struct disk *self, guint64 offset, const void *data, gsize length, GError **error)
{
    return disk_write(((struct view *)self)->below, offset, data, length, error);
}

static gboolean
zero_view(struct disk *self, guint64 offset, guint64 length, GError **error)
{
    return disk_zero(((struct view *)self)->below, offset, length, error);
}

static gboolean
flush_view(struct disk *self, GError **error)
{
    return disk_flush(((struct view *)self)->below, error);
}

static gboolean
find_extent(struct disk *self, guint64 offset, guint64 length, struct disk_extent *ret,
            GError **error)
{
    struct view *view = (struct view *)self;
    if (view->allocated == NULL)
        return disk_extent(view->below, offset, length, ret, error);
    struct extent extent;
    gboolean found = extent_list_next(view->allocated, offset, NULL, &extent);
    if (found && extent.offset == offset)
        *ret = (struct disk_extent){offset, MIN(extent.length, length), DISK_DATA};
    else
        *ret = (struct disk_extent){offset, found ? MIN(extent.offset - offset, length) : length,
                                    DISK_ZERO};
    return TRUE;
}

static void
prefetch_view(struct disk *self, guint64 offset, guint64 length)
{
    disk_prefetch(((struct view *)self)->below, offset, length);
}

static void
close_view(struct disk *self)
{
    struct view *view = (struct view *)self;
    extent_list_free(view->allocated);
    g_free(view);
}

static const struct disk_class view_class = {
    .name = "view",
    .read = read_view,
    .write = write_view,
    .zero = zero_view,
    .flush = flush_view,
    .extent = find_extent,
    .prefetch = prefetch_view,
    .close = close_view,
};

struct disk *
view_disk_new(struct disk *below, const struct extent_list *allocated, const char *label)
{
    struct view *view = g_new0(struct view, 1);
    unsigned capabilities = disk_capabilities(below);
    if (allocated != NULL) {
        view->allocated = extent_list_new();
        g_array_append_vals(view->allocated->extents, allocated->extents->data,
                            allocated->extents->len);
        capabilities |= DISK_CAN_EXTENTS;
    }
    disk_init(&view->base, &view_class, disk_size(below), capabilities, label);
    view->below = below;
    return &view->base;
}
