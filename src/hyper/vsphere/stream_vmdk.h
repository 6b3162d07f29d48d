/* SPDX-License-Identifier: GPL-3.0-or-later */
/* stream_vmdk.h: a disk as a streamOptimized VMDK, made while it is sent.
 *
 * Format: VMware Virtual Disk Format 5.0, "Stream-Optimized Compressed Sparse Extents"
 * (doc/format/vmdk-stream.md): grains of 64 KiB deflated in ascending order, each behind a marker,
 * grain tables and the directory behind them, a footer.  Grains that are zero are left out.  Same
 * disk, same bytes. */
#pragma once

#include "base/auto_ptr.h"
#include "disk/disk.h"

#define STREAM_VMDK_GRAIN 65536u

struct stream_vmdk;

/* `source` is borrowed; `threads` (0: one per processor; 8 at most) compress, and the bytes do not
 * depend on how many; each takes some 4 MiB of memory.  `level` of zlib 1 to 9, 0: 1.
 * SLIPWAY_ERROR_LIMIT: an empty disk, or one of more than 128 TiB. */
struct stream_vmdk *stream_vmdk_new(struct disk *source, guint threads, int level, GError **error);
void stream_vmdk_free(struct stream_vmdk *stream);
AUTO_PTR_DEFINE(stream_vmdk, stream_vmdk_free)

/* The next bytes, at most `length`: *ret_length 0 at the end.  Fails as disk_read(), and
 * SLIPWAY_ERROR_CANCELLED; SLIPWAY_ERROR_LIMIT: more than 2 TiB are left when it is compressed.
 * What has failed once fails again. */
gboolean stream_vmdk_read(struct stream_vmdk *stream, void *buffer, gsize length, gsize *ret_length,
                          GError **error);
/* How much of the disk (bytes of its size) is done, for progress and leases.  Any thread. */
guint64 stream_vmdk_position(const struct stream_vmdk *stream);
