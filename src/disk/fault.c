/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A filter over any disk that fails when it is told to. */
#include "base/error.h"
#include "disk/disk_driver.h"
#include "disk/disk_open.h"

#include <errno.h>
#include <string.h>

enum kind { READS, WRITES, OTHERS, KINDS };

struct counted_fault {
    struct disk_fault fault;
    unsigned seen[KINDS];
};

struct fault {
    struct disk base;
    struct disk *below;
    GMutex lock; /* over what was seen */
    struct counted_fault *faults;
    guint n;
};

static gboolean
touches(const struct disk_fault *fault, guint64 offset, guint64 length)
{
    if (offset < fault->offset)
        return fault->offset - offset < length;
    return fault->length == 0 || offset - fault->offset < fault->length;
}

/* Count the call; TRUE when this fault is due. */
static gboolean
strikes(struct counted_fault *counted, enum kind kind)
{
    const unsigned due[KINDS] = {counted->fault.reads, counted->fault.writes,
                                 counted->fault.others};
    if (due[kind] == 0)
        return FALSE;
    unsigned seen = ++counted->seen[kind];
    return counted->fault.once ? seen == due[kind] : seen >= due[kind];
}

/* All faults count the call; the first one that is due is returned, or NULL. */
static const struct disk_fault *
find(struct fault *self, enum kind kind, guint64 offset, guint64 length)
{
    const struct disk_fault *found = NULL;
    g_mutex_lock(&self->lock);
    for (guint i = 0; i < self->n; i++) {
        struct counted_fault *counted = &self->faults[i];
        if (touches(&counted->fault, offset, length) && strikes(counted, kind) && found == NULL)
            found = &counted->fault;
    }
    g_mutex_unlock(&self->lock);
    return found;
}

static gboolean
fail(const struct disk *disk, const struct disk_fault *fault, const char *what, guint64 offset,
     GError **error)
{
    return error_set_errno(error, fault->number != 0 ? fault->number : EIO,
                           "disk %s: cannot %s at offset %" G_GUINT64_FORMAT
                           " (a fault made for a test)",
                           disk->label, what, offset);
}

static gboolean
read_below(struct disk *disk, guint64 offset, void *buffer, gsize length, GError **error)
{
    struct fault *self = (struct fault *)disk;
    const struct disk_fault *fault = find(self, READS, offset, length);
    if (fault != NULL && !fault->garbage)
        return fail(disk, fault, "read", offset, error);
    if (!disk_read(self->below, offset, buffer, length, error))
        return FALSE;
    /* The first byte that is both in the call and in the fault's range. */
    if (fault != NULL)
        ((guint8 *)buffer)[fault->offset > offset ? fault->offset - offset : 0] ^= 1;
    return TRUE;
}

static gboolean
write_below(struct disk *disk, guint64 offset, const void *data, gsize length, GError **error)
{
    struct fault *self = (struct fault *)disk;
    const struct disk_fault *fault = find(self, WRITES, offset, length);
    if (fault != NULL)
        return fail(disk, fault, "write", offset, error);
    return disk_write(self->below, offset, data, length, error);
}

static gboolean
zero_below(struct disk *disk, guint64 offset, guint64 length, GError **error)
{
    struct fault *self = (struct fault *)disk;
    const struct disk_fault *fault = find(self, WRITES, offset, length);
    if (fault != NULL)
        return fail(disk, fault, "write zeros", offset, error);
    return disk_zero(self->below, offset, length, error);
}

static gboolean
flush_below(struct disk *disk, GError **error)
{
    struct fault *self = (struct fault *)disk;
    const struct disk_fault *fault = find(self, OTHERS, 0, G_MAXUINT64);
    if (fault != NULL)
        return error_set_errno(error, fault->number != 0 ? fault->number : EIO,
                               "disk %s: cannot make durable what was written (a fault made for a "
                               "test)",
                               disk->label);
    return disk_flush(self->below, error);
}

static gboolean
extent_below(struct disk *disk, guint64 offset, guint64 length, struct disk_extent *ret,
             GError **error)
{
    struct fault *self = (struct fault *)disk;
    const struct disk_fault *fault = find(self, OTHERS, offset, length);
    if (fault != NULL)
        return fail(disk, fault, "find the extent", offset, error);
    return disk_extent(self->below, offset, length, ret, error);
}

static void
prefetch_below(struct disk *disk, guint64 offset, guint64 length)
{
    disk_prefetch(((struct fault *)disk)->below, offset, length);
}

static void
close_both(struct disk *disk)
{
    struct fault *self = (struct fault *)disk;
    disk_close(self->below);
    g_mutex_clear(&self->lock);
    g_free(self->faults);
    g_free(self);
}

static const struct disk_class fault_class = {
    .name = "fault",
    .read = read_below,
    .write = write_below,
    .zero = zero_below,
    .flush = flush_below,
    .extent = extent_below,
    .prefetch = prefetch_below,
    .close = close_both,
};

struct disk *
disk_fault_new(struct disk *below, const struct disk_fault *faults, guint n)
{
    struct fault *self = g_new0(struct fault, 1);
    disk_init(&self->base, &fault_class, disk_size(below), disk_capabilities(below),
              disk_label(below));
    self->below = below;
    g_mutex_init(&self->lock);
    self->faults = g_new0(struct counted_fault, n);
    self->n = n;
    for (guint i = 0; i < n; i++)
        self->faults[i].fault = faults[i];
    return &self->base;
}
