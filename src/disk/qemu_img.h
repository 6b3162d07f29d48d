/* SPDX-License-Identifier: GPL-3.0-or-later */
/* qemu_img.h: images made by `qemu-img`, and what qemu's tools have in common. */
#pragma once

#include "disk/disk_open.h"

#include <glib.h>

/* Make of the empty file `path` an image of `size` bytes.  SLIPWAY_ERROR_UNSUPPORTED without
 * qemu-img; SLIPWAY_ERROR_IO with its words.  Any thread. */
gboolean qemu_img_create(const char *path, enum disk_format format, guint64 size, GError **error);

/* Whether the image's own tables are wrong, as those of an image that was cut off are: qemu reads
 * what is missing behind the end of a qcow2 or VMDK file as zeros.  Also TRUE for one that cannot
 * be opened; FALSE for formats where qemu has nothing to check.  Any thread. */
gboolean qemu_img_check(const char *path, enum disk_format format, gboolean *ret_damaged,
                        GError **error);

/* The image as the value of --image-opts, whatever bytes its name has. */
char *qemu_img_options(const char *path, enum disk_format format);

/* The full path of a program of Debian's package qemu-utils, or NULL with
 * SLIPWAY_ERROR_UNSUPPORTED. */
char *qemu_img_find_program(const char *name, GError **error);

/* What `program` said on stderr, in one line and without its name in front; NULL for nothing. */
char *qemu_img_words(const char *program, const char *text);
