/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Disks of a hypervisor in memory, as whoever backs up or restores sees them. */
#include "hyper/memory_private.h"

#define COPY_LENGTH 65536u

struct disk *
memory_copy(struct disk *from, guint64 size, const char *label)
{
    struct disk *to = disk_memory_new(size, label);
    g_autofree guint8 *buffer = g_malloc(COPY_LENGTH);
    g_autoptr(GError) error = NULL;
    guint64 end = MIN(size, disk_size(from));
    struct disk_extent extent;
    for (guint64 offset = 0; offset < end; offset += extent.length) {
        gboolean ok = disk_extent(from, offset, MIN(end - offset, COPY_LENGTH), &extent, &error);
        if (ok && extent.kind == DISK_DATA)
            ok = disk_read(from, offset, buffer, extent.length, &error) &&
                 disk_write(to, offset, buffer, extent.length, &error);
        if (!ok)
            g_error("%s", error->message);
    }
    return to;
}

struct view {
    struct disk base;
    struct hypervisor *hypervisor;
    struct disk *content;      /* of a frozen disk, its own */
    struct memory_view_of of;  /* of a frozen disk */
    struct memory_disk *whose; /* of one to be filled */
};

static void
count(struct view *view, int opened, guint64 bytes_read, guint64 bytes_written)
{
    struct memory_state *state = memory_state(view->hypervisor);
    g_mutex_lock(&state->lock);
    state->counts.open_disks += (guint)opened;
    state->counts.bytes_read += bytes_read;
    state->counts.bytes_written += bytes_written;
    g_mutex_unlock(&state->lock);
}

/* As it was; when somebody has removed the snapshot, as it is, without a word. */
static gboolean
read_moment(struct view *view, guint64 offset, void *buffer, gsize length, GError **error)
{
    struct memory_state *state = memory_state(view->hypervisor);
    g_mutex_lock(&state->lock);
    struct memory_machine *memory = memory_find(state, view->of.ref);
    gboolean torn = memory != NULL && !memory_is_frozen(memory, view->of.mark);
    const struct memory_disk *now = torn ? memory_find_disk(memory, view->of.disk) : NULL;
    gboolean ok =
        disk_read(now != NULL ? now->content : view->content, offset, buffer, length, error);
    g_mutex_unlock(&state->lock);
    return ok;
}

static gboolean
read_frozen(struct disk *self, guint64 offset, void *buffer, gsize length, GError **error)
{
    struct view *view = (struct view *)self;
    if (!memory_call(view->hypervisor, HYPERVISOR_MEMORY_READ, error) ||
        !read_moment(view, offset, buffer, length, error))
        return FALSE;
    count(view, 0, length, 0);
    return TRUE;
}

static gboolean
find_extent(struct disk *self, guint64 offset, guint64 length, struct disk_extent *ret,
            GError **error)
{
    return disk_extent(((struct view *)self)->content, offset, length, ret, error);
}

static void
close_view(struct disk *self)
{
    struct view *view = (struct view *)self;
    count(view, -1, 0, 0);
    if (view->whose == NULL)
        disk_close(view->content);
    g_free(view);
}

static const struct disk_class frozen_class = {
    .name = "memory-frozen",
    .read = read_frozen,
    .extent = find_extent,
    .close = close_view,
};

static gboolean
read_target(struct disk *self, guint64 offset, void *buffer, gsize length, GError **error)
{
    return disk_read(((struct view *)self)->content, offset, buffer, length, error);
}

static gboolean
change_target(struct view *view, guint64 offset, const void *data, guint64 length, GError **error)
{
    struct memory_state *state = memory_state(view->hypervisor);
    if (!memory_call(view->hypervisor, HYPERVISOR_MEMORY_WRITE, error))
        return FALSE;
    g_mutex_lock(&state->lock);
    gboolean ok = data != NULL ? disk_write(view->content, offset, data, length, error)
                               : disk_zero(view->content, offset, length, error);
    memory_stamp(view->whose, offset, length);
    g_mutex_unlock(&state->lock);
    count(view, 0, 0, ok ? length : 0);
    return ok;
}

static gboolean
write_target(struct disk *self, guint64 offset, const void *data, gsize length, GError **error)
{
    return change_target((struct view *)self, offset, data, length, error);
}

static gboolean
zero_target(struct disk *self, guint64 offset, guint64 length, GError **error)
{
    return change_target((struct view *)self, offset, NULL, length, error);
}

static gboolean
flush_target(struct disk *self G_GNUC_UNUSED, GError **error G_GNUC_UNUSED)
{
    return TRUE;
}

static const struct disk_class target_class = {
    .name = "memory-target",
    .read = read_target,
    .write = write_target,
    .zero = zero_target,
    .flush = flush_target,
    .extent = find_extent,
    .close = close_view,
};

static struct disk *
open_view(struct hypervisor *hypervisor, struct disk *content, struct memory_disk *whose)
{
    struct view *view = g_new0(struct view, 1);
    view->hypervisor = hypervisor;
    view->content = content;
    view->whose = whose;
    unsigned capabilities = DISK_CAN_EXTENTS;
    if (whose != NULL)
        capabilities |= DISK_CAN_WRITE | DISK_CAN_PUNCH;
    disk_init(&view->base, whose != NULL ? &target_class : &frozen_class, disk_size(content),
              capabilities, disk_label(content));
    count(view, 1, 0, 0);
    return &view->base;
}

struct disk *
memory_frozen_disk(struct hypervisor *hypervisor, struct disk *content,
                   const struct memory_view_of *of)
{
    struct disk *disk = open_view(hypervisor, content, NULL);
    ((struct view *)disk)->of = *of;
    return disk;
}

struct disk *
memory_target(struct hypervisor *hypervisor, struct memory_disk *disk)
{
    return open_view(hypervisor, disk->content, disk);
}
