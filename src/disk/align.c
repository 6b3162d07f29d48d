/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any range over a driver that only does whole blocks: parts of a block go through a copy of it. */
#include "disk/disk_private.h"

#include <string.h>

struct piece {
    guint64 block;  /* where the driver's range begins ... */
    guint64 extent; /* ... and how long it is */
    guint64 skip;   /* what of it lies before the caller's range */
    guint64 length; /* what of it is the caller's */
};

gboolean
disk_align_is(const struct disk *disk, guint64 offset, guint64 length)
{
    guint64 end = offset + length;
    return offset % disk->alignment == 0 && (end % disk->alignment == 0 || end == disk->size);
}

/* The first part of the range: either all blocks that are wholly in it, or a part of one. */
static struct piece
take(const struct disk *disk, guint64 offset, guint64 length)
{
    guint64 skip = offset % disk->alignment;
    guint64 block = offset - skip;
    if (skip == 0 && disk_align_is(disk, offset, length))
        return (struct piece){block, length, 0, length};
    if (skip == 0 && length >= disk->alignment) {
        guint64 whole = length - length % disk->alignment;
        return (struct piece){block, whole, 0, whole};
    }
    guint64 extent = MIN(disk->alignment, disk->size - block);
    return (struct piece){block, extent, skip, MIN(length, extent - skip)};
}

static gboolean
is_whole(const struct piece *piece)
{
    return piece->length == piece->extent;
}

gboolean
disk_align_read(struct disk *disk, guint64 offset, void *buffer, gsize length, GError **error)
{
    g_autofree guint8 *copy = g_malloc(disk->alignment);
    guint8 *to = buffer;
    while (length > 0) {
        struct piece piece = take(disk, offset, length);
        guint8 *into = is_whole(&piece) ? to : copy;
        if (!disk->class->read(disk, piece.block, into, piece.extent, error))
            return FALSE;
        if (into == copy)
            memcpy(to, copy + piece.skip, piece.length);
        to += piece.length;
        offset += piece.length;
        length -= piece.length;
    }
    return TRUE;
}

/* Two writes to different parts of one block must both last, so only one at a time does this. */
static gboolean
write_part(struct disk *disk, const struct piece *piece, const guint8 *data, GError **error)
{
    g_autofree guint8 *copy = g_malloc(disk->alignment);
    g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&disk->partial_writes);
    (void)lock;
    if (!disk->class->read(disk, piece->block, copy, piece->extent, error))
        return FALSE;
    if (data != NULL)
        memcpy(copy + piece->skip, data, piece->length);
    else
        memset(copy + piece->skip, 0, piece->length);
    return disk->class->write(disk, piece->block, copy, piece->extent, error);
}

gboolean
disk_align_write(struct disk *disk, guint64 offset, const void *data, guint64 length,
                 GError **error)
{
    const guint8 *from = data;
    while (length > 0) {
        struct piece piece = take(disk, offset, length);
        gboolean ok;
        if (!is_whole(&piece))
            ok = write_part(disk, &piece, from, error);
        else if (from != NULL)
            ok = disk->class->write(disk, piece.block, from, piece.extent, error);
        else
            ok = disk_zero_aligned(disk, piece.block, piece.extent, error);
        if (!ok)
            return FALSE;
        if (from != NULL)
            from += piece.length;
        offset += piece.length;
        length -= piece.length;
    }
    return TRUE;
}

gboolean
disk_align_extent(struct disk *disk, guint64 offset, guint64 length, struct disk_extent *ret,
                  GError **error)
{
    guint64 skip = offset % disk->alignment;
    guint64 wanted = length + skip;
    guint64 over = wanted % disk->alignment;
    /* Whole blocks, but the last one ends with the disk; `length` is inside, so nothing wraps. */
    wanted = MIN(wanted - over + (over ? disk->alignment : 0), disk->size - (offset - skip));
    if (!disk->class->extent(disk, offset - skip, wanted, ret, error))
        return FALSE;
    if (ret->offset != offset - skip || ret->length <= skip)
        ret->length = 0; /* the frontend says what that is */
    else
        ret->length -= skip;
    ret->offset = offset;
    return TRUE;
}
