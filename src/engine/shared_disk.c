/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/shared_disk.h"

#include "disk/disk_driver.h"

struct shared {
    struct disk base;
    struct disk *below;
};

static gboolean
read_below(struct disk *self, guint64 offset, void *buffer, gsize length, GError **error)
{
    return disk_read(((struct shared *)self)->below, offset, buffer, length, error);
}

static gboolean
extent_below(struct disk *self, guint64 offset, guint64 length, struct disk_extent *ret,
             GError **error)
{
    return disk_extent(((struct shared *)self)->below, offset, length, ret, error);
}

static void
prefetch_below(struct disk *self, guint64 offset, guint64 length)
{
    disk_prefetch(((struct shared *)self)->below, offset, length);
}

static void
close_shared(struct disk *self)
{
    g_free(self);
}

static const struct disk_class shared_class = {
    .name = "shared",
    .read = read_below,
    .extent = extent_below,
    .prefetch = prefetch_below,
    .close = close_shared,
};

struct disk *
shared_disk_new(struct disk *below)
{
    struct shared *shared = g_new0(struct shared, 1);
    disk_init(&shared->base, &shared_class, disk_size(below),
              disk_capabilities(below) & DISK_CAN_EXTENTS, disk_label(below));
    shared->below = below;
    return &shared->base;
}
