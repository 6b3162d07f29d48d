/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gzip_writer.h: gzip as the vendor writes it: no name, no time, best compression, system unknown
 * (1f 8b 08 00 00000000 02 ff), so that the same bytes in give the same bytes out.  One object
 * belongs to one thread. */
#pragma once

#include "base/auto_ptr.h"

#include <glib.h>

/* Where compressed bytes go. */
typedef gboolean (*gzip_sink)(void *user_data, const void *data, gsize length, GError **error);

struct gzip_writer;

struct gzip_writer *gzip_writer_new(gzip_sink sink, void *user_data);
void gzip_writer_free(struct gzip_writer *writer);
AUTO_PTR_DEFINE(gzip_writer, gzip_writer_free)

/* Compress `length` more bytes.  Fails as the sink does. */
gboolean gzip_writer_write(struct gzip_writer *writer, const void *data, gsize length,
                           GError **error);

/* Write what is left, and the checksum.  No write may follow. */
gboolean gzip_writer_finish(struct gzip_writer *writer, GError **error);
