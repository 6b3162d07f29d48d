/* SPDX-License-Identifier: GPL-3.0-or-later */
/* disk.h: a block device of a known size, wherever its bytes are.
 *
 * Everything of the backup half is composed of this: a backup reads one, a backed-up disk is one, a
 * restore copies between two, an export serves one.  Offsets and lengths are bytes; any alignment
 * is allowed, DISK_BLOCK is the efficient one.
 *
 * Every function but disk_close() may be called from any thread and by several at once; what
 * happens to ranges that two calls write at the same time is undefined, as with pwrite(2).
 * disk_driver.h is for those who write drivers. */
#pragma once

#include "base/auto_ptr.h"

#include <glib.h>

#define DISK_BLOCK 4096u

struct disk;

enum disk_capability {
    DISK_CAN_WRITE = 1 << 0,   /* disk_write(), disk_zero() and disk_flush() work */
    DISK_CAN_EXTENTS = 1 << 1, /* disk_extent() knows holes; without it all is data */
    DISK_CAN_PUNCH = 1 << 2,   /* disk_zero() frees space where it can */
};

enum disk_extent_kind {
    DISK_DATA, /* anything, also zeros */
    DISK_ZERO, /* reads as zeros, and need not be read to know it */
};

struct disk_extent {
    guint64 offset;
    guint64 length;
    enum disk_extent_kind kind;
};

guint64 disk_size(const struct disk *disk);
/* What the disk is called in messages: a path, a URI, a set and its disk. */
const char *disk_label(const struct disk *disk);
/* Bits of enum disk_capability. */
unsigned disk_capabilities(const struct disk *disk);

/* Read exactly `length` bytes at `offset`.  A range that is not inside the disk is
 * SLIPWAY_ERROR_USAGE; SLIPWAY_ERROR_IO (the medium), SLIPWAY_ERROR_NETWORK (a server),
 * SLIPWAY_ERROR_CORRUPT (a checksum), each naming the disk and the offset.  After a failure the
 * content of `buffer` is undefined. */
gboolean disk_read(struct disk *disk, guint64 offset, void *buffer, gsize length, GError **error);

/* Write exactly `length` bytes; they are durable after disk_flush().  A disk that cannot be
 * written is SLIPWAY_ERROR_READ_ONLY; otherwise as disk_read(). */
gboolean disk_write(struct disk *disk, guint64 offset, const void *data, gsize length,
                    GError **error);

/* Make the range read as zeros, without allocating space where the disk can (DISK_CAN_PUNCH). */
gboolean disk_zero(struct disk *disk, guint64 offset, guint64 length, GError **error);

/* All that was written before is durable when this returns TRUE, whatever happens after: an image
 * is then complete, even if the program that writes it were killed.  Once it has failed, or the
 * connection to a server was lost, it fails for good: what was written since the last success may
 * be lost, and has to be written again to a disk that is opened anew. */
gboolean disk_flush(struct disk *disk, GError **error);

/* The extent that begins at `offset` (< size): *ret has that offset and a length >= 1 that does not
 * pass the end of the disk nor `offset` + `length`; the next one may be of the same kind.  A driver
 * without DISK_CAN_EXTENTS says data. */
gboolean disk_extent(struct disk *disk, guint64 offset, guint64 length, struct disk_extent *ret,
                     GError **error);

/* Say that a range will be read soon; a hint without an answer. */
void disk_prefetch(struct disk *disk, guint64 offset, guint64 length);

/* Give back everything, without flushing.  NULL is fine.  No other call may be running.  An image
 * is closed by its own program, for which this waits; there is nothing to report then, since all
 * that has to last was reported by disk_flush(). */
void disk_close(struct disk *disk);
AUTO_PTR_DEFINE(disk, disk_close)
