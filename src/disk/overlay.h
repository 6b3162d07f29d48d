/* SPDX-License-Identifier: GPL-3.0-or-later */
/* overlay.h: a disk that can be written over one that never is: what is written goes to a scratch
 * file (copy on write, doc/format/overlay.md).
 *
 * A scratch file without a name is gone with the process, whatever ends it.  One with a name can be
 * opened again over the same base, and holds what was written up to the last disk_flush() that
 * succeeded, also after a crash or loss of power. */
#pragma once

#include "disk/disk.h"

struct overlay_options {
    /* Where an unnamed scratch file is made; NULL: the directory for temporary files. */
    const char *directory;
    /* A named one, made when it is not there; NULL: unnamed. */
    const char *path;
    /* What the base is, kept in a named file ("set 1a2b..., disk root"); another one is refused.
     * At most 4000 bytes; NULL is the same as "". */
    const char *identity;
    /* Most bytes that the scratch file may hold, in blocks of DISK_BLOCK; 0: any. */
    guint64 limit;
};

/* `base` is taken over, also when this fails.  Same size, label and extents as the base; can be
 * written and punched.  SLIPWAY_ERROR_USAGE: a named file of another base or size;
 * SLIPWAY_ERROR_CORRUPT: damaged; SLIPWAY_ERROR_UNSUPPORTED: written by a newer program;
 * SLIPWAY_ERROR_BUSY: somebody has it open; SLIPWAY_ERROR_IO.
 *
 * A write that would pass the limit, or for which the file system has no space left, is
 * SLIPWAY_ERROR_LIMIT and has changed nothing; reading and writing what was written before goes
 * on.  disk_zero() of whole blocks takes no space and gives it back; where the file system has no
 * holes it writes zeros instead. */
struct disk *disk_overlay_open(struct disk *base, const struct overlay_options *options,
                               GError **error);

/* Bytes that the scratch file holds now (a named one has its table besides: 8 KiB for each 63 MiB
 * of the disk that were touched), and at most (0: any). */
void disk_overlay_usage(struct disk *overlay, guint64 *ret_used, guint64 *ret_limit);

/* The run of equal kind at `offset` (< size), as disk_extent() cuts it: TRUE when it was written or
 * zeroed since the base (also with equal bytes); *ret_length is 1 to `length` (>= 1). */
gboolean disk_overlay_changed(struct disk *overlay, guint64 offset, guint64 length,
                              guint64 *ret_length);
