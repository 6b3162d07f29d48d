/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The frontend: every range is checked here, once, so that no driver has to. */
#include "disk/disk.h"

#include "base/error.h"
#include "disk/disk_driver.h"
#include "disk/disk_private.h"

/* Large enough that a zero written over a network is not all latency. */
#define ZEROS_LENGTH (256u * 1024)

static const guint8 zeros[ZEROS_LENGTH];

void
disk_init(struct disk *disk, const struct disk_class *class, guint64 size, unsigned capabilities,
          const char *label)
{
    disk->class = class;
    disk->label = g_strdup(label);
    disk->size = size;
    disk->capabilities = capabilities;
    disk->alignment = 1;
    g_mutex_init(&disk->partial_writes);
}

void
disk_close(struct disk *disk)
{
    if (disk == NULL)
        return;
    /* The driver may still want to name itself while it closes. */
    g_autofree char *label = disk->label;
    g_mutex_clear(&disk->partial_writes);
    disk->class->close(disk);
}

guint64
disk_size(const struct disk *disk)
{
    return disk->size;
}

const char *
disk_label(const struct disk *disk)
{
    return disk->label;
}

unsigned
disk_capabilities(const struct disk *disk)
{
    return disk->capabilities;
}

static gboolean
check_range(const struct disk *disk, guint64 offset, guint64 length, GError **error)
{
    if (offset <= disk->size && length <= disk->size - offset)
        return TRUE;
    return error_set(error, SLIPWAY_ERROR_USAGE,
                     "disk %s: %" G_GUINT64_FORMAT " bytes at offset %" G_GUINT64_FORMAT
                     " are not inside its %" G_GUINT64_FORMAT " bytes",
                     disk->label, length, offset, disk->size);
}

static gboolean
check_writable(const struct disk *disk, GError **error)
{
    if (disk->capabilities & DISK_CAN_WRITE)
        return TRUE;
    return error_set(error, SLIPWAY_ERROR_READ_ONLY,
                     "disk %s is open for reading only; name another disk to write to",
                     disk->label);
}

gboolean
disk_read(struct disk *disk, guint64 offset, void *buffer, gsize length, GError **error)
{
    if (!check_range(disk, offset, length, error))
        return FALSE;
    if (length == 0)
        return TRUE;
    if (disk_align_is(disk, offset, length))
        return disk->class->read(disk, offset, buffer, length, error);
    return disk_align_read(disk, offset, buffer, length, error);
}

gboolean
disk_write(struct disk *disk, guint64 offset, const void *data, gsize length, GError **error)
{
    if (!check_writable(disk, error) || !check_range(disk, offset, length, error))
        return FALSE;
    if (length == 0)
        return TRUE;
    if (disk_align_is(disk, offset, length))
        return disk->class->write(disk, offset, data, length, error);
    return disk_align_write(disk, offset, data, length, error);
}

gboolean
disk_write_zeros(struct disk *disk, guint64 offset, guint64 length, GError **error)
{
    while (length > 0) {
        gsize n = MIN(length, ZEROS_LENGTH);
        if (!disk->class->write(disk, offset, zeros, n, error))
            return FALSE;
        offset += n;
        length -= n;
    }
    return TRUE;
}

gboolean
disk_zero_aligned(struct disk *disk, guint64 offset, guint64 length, GError **error)
{
    if (disk->class->zero == NULL)
        return disk_write_zeros(disk, offset, length, error);
    return disk->class->zero(disk, offset, length, error);
}

gboolean
disk_zero(struct disk *disk, guint64 offset, guint64 length, GError **error)
{
    if (!check_writable(disk, error) || !check_range(disk, offset, length, error))
        return FALSE;
    if (length == 0)
        return TRUE;
    if (disk_align_is(disk, offset, length))
        return disk_zero_aligned(disk, offset, length, error);
    return disk_align_write(disk, offset, NULL, length, error);
}

/* The kernel, and a server as well, tells of data that could not be written back only once, so that
 * a second flush would succeed over what is lost. */
gboolean
disk_flush(struct disk *disk, GError **error)
{
    if (!check_writable(disk, error))
        return FALSE;
    if (g_atomic_int_get(&disk->flush_failed))
        return error_set(error, SLIPWAY_ERROR_IO,
                         "disk %s: what was written may be lost since making it durable failed "
                         "before; open the disk anew and write all of it again",
                         disk->label);
    gboolean ok = disk->class->flush(disk, error);
    if (!ok)
        g_atomic_int_set(&disk->flush_failed, TRUE);
    return ok;
}

static gboolean
ask_extent(struct disk *disk, guint64 offset, guint64 length, struct disk_extent *ret,
           GError **error)
{
    if (disk_align_is(disk, offset, length))
        return disk->class->extent(disk, offset, length, ret, error);
    return disk_align_extent(disk, offset, length, ret, error);
}

gboolean
disk_extent(struct disk *disk, guint64 offset, guint64 length, struct disk_extent *ret,
            GError **error)
{
    if (offset >= disk->size || length == 0)
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "disk %s: no extent of %" G_GUINT64_FORMAT
                         " bytes begins at offset %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT,
                         disk->label, length, offset, disk->size);
    length = MIN(length, disk->size - offset);
    *ret = (struct disk_extent){.offset = offset, .length = length, .kind = DISK_DATA};
    if (disk->class->extent == NULL || !(disk->capabilities & DISK_CAN_EXTENTS))
        return TRUE;
    if (!ask_extent(disk, offset, length, ret, error))
        return FALSE;
    /* A driver says what a server told it, and a caller's loop must end. */
    if (ret->offset != offset || ret->length == 0)
        return error_set(error, SLIPWAY_ERROR_FAILED,
                         "disk %s: the %s driver says nothing of the extent at offset "
                         "%" G_GUINT64_FORMAT "; please report this",
                         disk->label, disk->class->name, offset);
    ret->length = MIN(ret->length, length);
    return TRUE;
}

void
disk_prefetch(struct disk *disk, guint64 offset, guint64 length)
{
    if (disk->class->prefetch == NULL || offset >= disk->size || length == 0)
        return;
    disk->class->prefetch(disk, offset, MIN(length, disk->size - offset));
}
