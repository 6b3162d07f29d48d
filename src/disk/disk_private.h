/* SPDX-License-Identifier: GPL-3.0-or-later */
/* disk_private.h: what the files of this folder share. */
#pragma once

#include "disk/disk_driver.h"
#include "disk/disk_open.h"

/* Ranges that are not multiples of disk->alignment, brought to the driver as such; the frontend has
 * checked them.  disk_align_is() says whether the driver can have the range as it is. */
gboolean disk_align_is(const struct disk *disk, guint64 offset, guint64 length);
gboolean disk_align_read(struct disk *disk, guint64 offset, void *buffer, gsize length,
                         GError **error);
/* NULL data: zeros. */
gboolean disk_align_write(struct disk *disk, guint64 offset, const void *data, guint64 length,
                          GError **error);
gboolean disk_align_extent(struct disk *disk, guint64 offset, guint64 length,
                           struct disk_extent *ret, GError **error);

/* The class's zero(), or zeros written. */
gboolean disk_zero_aligned(struct disk *disk, guint64 offset, guint64 length, GError **error);

/* The format whose ending `path` has; RAW when it is none's. */
enum disk_format disk_format_of_name(const char *path);

/* Open the image `path` through a qemu-nbd of its own. */
struct disk *disk_image_open(const char *path, enum disk_format format, gboolean writable,
                             GError **error);
