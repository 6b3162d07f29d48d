/* SPDX-License-Identifier: GPL-3.0-or-later */
/* overlay_file.h: the scratch file of an overlay, as bytes at offsets.  Any thread. */
#pragma once

#include "base/auto_ptr.h"

#include <glib.h>

struct overlay_file;

/* A file that is gone with the process, in `directory` (NULL: the one for temporary files), with
 * room for `length` bytes at the offsets from 0 on. */
struct overlay_file *overlay_file_new(const char *directory, guint64 length, GError **error);

/* The file `path`, locked, made when it is not there.  SLIPWAY_ERROR_USAGE: it is no file;
 * SLIPWAY_ERROR_BUSY: somebody has it open; SLIPWAY_ERROR_IO. */
struct overlay_file *overlay_file_open(const char *path, GError **error);
void overlay_file_close(struct overlay_file *file);
AUTO_PTR_DEFINE(overlay_file, overlay_file_close)

/* What it is called in messages. */
const char *overlay_file_label(const struct overlay_file *file);

gboolean overlay_file_length(struct overlay_file *file, guint64 *ret, GError **error);
/* Bytes that are new are a hole. */
gboolean overlay_file_set_length(struct overlay_file *file, guint64 length, GError **error);

gboolean overlay_file_read(struct overlay_file *file, guint64 offset, void *buffer, gsize length,
                           GError **error);
/* SLIPWAY_ERROR_LIMIT: the file system has no space left. */
gboolean overlay_file_write(struct overlay_file *file, guint64 offset, const void *data,
                            gsize length, GError **error);
/* See to it that writing there will find space, where the file system can do that; otherwise as
 * overlay_file_write(). */
gboolean overlay_file_allocate(struct overlay_file *file, guint64 offset, guint64 length,
                               GError **error);
/* Give the space of a range back, which reads as zeros then; FALSE where that cannot be. */
gboolean overlay_file_punch(struct overlay_file *file, guint64 offset, guint64 length);
gboolean overlay_file_sync(struct overlay_file *file, GError **error);
/* The file's name too. */
gboolean overlay_file_sync_name(struct overlay_file *file, GError **error);
/* The next offset from `offset` on that may hold something; FALSE when there is none. */
gboolean overlay_file_next(struct overlay_file *file, guint64 offset, guint64 *ret);
