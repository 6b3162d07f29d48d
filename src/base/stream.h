/* SPDX-License-Identifier: GPL-3.0-or-later */
/* stream.h: bytes read once, from front to back, wherever they come from.
 *
 * A part of a file, bytes in memory, or the inflated form of another stream.
 * Nothing is read before it is asked for; memory is bounded whatever the size.
 * One stream belongs to one thread at a time.  Every failure names the stream's
 * label. */
#pragma once

#include "base/auto_ptr.h"

#include <glib.h>

#define STREAM_SIZE_UNKNOWN G_MAXUINT64

struct stream;

struct stream_class {
    /* As stream_read(). */
    gssize (*read)(struct stream *self, void *buffer, gsize length, GError **error);
    /* Skip exactly `length` bytes, or NULL: read and throw away. */
    gboolean (*skip)(struct stream *self, guint64 length, GError **error);
    /* Free what `self` owns, and `self`. */
    void (*close)(struct stream *self);
};

/* Drivers put this first in their own struct; label is owned by the base. */
struct stream {
    const struct stream_class *class;
    char *label;
    guint64 size; /* STREAM_SIZE_UNKNOWN when not known */
};

/* Set up the base part; for drivers. */
void stream_init(struct stream *stream, const struct stream_class *class, guint64 size,
                 const char *label);

/* Read 1..length bytes; 0 at the end; -1 with SLIPWAY_ERROR_IO or
 * SLIPWAY_ERROR_CORRUPT (short file, broken deflate stream). */
gssize stream_read(struct stream *stream, void *buffer, gsize length, GError **error);

/* Read exactly `length` bytes; an earlier end is SLIPWAY_ERROR_CORRUPT. */
gboolean stream_read_exact(struct stream *stream, void *buffer, gsize length, GError **error);

/* Skip exactly `length` bytes; an earlier end is SLIPWAY_ERROR_CORRUPT. */
gboolean stream_skip(struct stream *stream, guint64 length, GError **error);

/* Read all that is left, at most `limit` bytes, more is SLIPWAY_ERROR_LIMIT. */
GBytes *stream_read_all(struct stream *stream, gsize limit, GError **error);

guint64 stream_size(const struct stream *stream);
const char *stream_label(const struct stream *stream);
void stream_close(struct stream *stream);
AUTO_PTR_DEFINE(stream, stream_close)

/* Bytes in memory; takes a reference. */
struct stream *stream_new_bytes(GBytes *bytes, const char *label);

/* `length` bytes at `offset` of the open file `fd`, which is duplicated: the
 * caller may close its own.  Uses pread(): streams of one file do not disturb
 * each other. */
struct stream *stream_new_fd(int fd, guint64 offset, guint64 length, const char *label,
                             GError **error);

/* A whole regular file.  SLIPWAY_ERROR_NOT_FOUND, SLIPWAY_ERROR_IO. */
struct stream *stream_new_file(const char *path, GError **error);

enum stream_format { STREAM_DEFLATE, STREAM_GZIP };

/* What comes out of decompressing `source`, which the new stream takes over
 * (also on failure).  More than `limit` bytes out is SLIPWAY_ERROR_LIMIT.  Gzip
 * may have several members; each one's CRC-32 is checked. */
struct stream *stream_new_inflate(struct stream *source, enum stream_format format, guint64 limit);
