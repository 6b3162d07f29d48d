/* SPDX-License-Identifier: GPL-3.0-or-later */
/* image_file.h: a disk of a machine that is off, opened by ourselves. */
#pragma once

#include "hyper/libvirt/domain_disk.h"
#include "hyper/libvirt/libvirt.h"

/* Open it, in the format that its machine reads it in.  Until *ret_lock (-1: none was needed) is
 * closed, no QEMU can write it, or (`writable`) use it.  SLIPWAY_ERROR_UNSUPPORTED: no file or
 * device of this computer, or a format that is not read; otherwise as disk_open.h says. */
struct disk *image_file_open(struct libvirt *host, const struct domain_disk *disk,
                             gboolean writable, int *ret_lock, GError **error);
/* Where it is; SLIPWAY_ERROR_UNSUPPORTED. */
char *image_file_path(struct libvirt *host, const struct domain_disk *disk, GError **error);
