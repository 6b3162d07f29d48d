/* SPDX-License-Identifier: GPL-3.0-or-later */
/* zip_writer.h: writing a zip archive from front to back, into a file or into memory.
 *
 * Our own because what a bundle needs is little and the libraries do it otherwise: members that
 * are pushed as they are read and never held in memory, sizes and CRC in the local header (no
 * data descriptors), no extra fields but those of ZIP64 where a number needs them, and the same
 * bytes every time: all times are 1980-01-01, all modes 0644.  APPNOTE.TXT 6.3.
 *
 * One object belongs to one thread.  After a failure only zip_writer_free() may follow. */
#pragma once

#include "base/auto_ptr.h"

#include <glib.h>

struct zip_writer;

/* Write to `fd` from its offset 0, with pwrite(); `fd` is borrowed, `label` names it in errors. */
struct zip_writer *zip_writer_new_fd(int fd, const char *label);
/* Write into memory, for zip_writer_finish_bytes(). */
struct zip_writer *zip_writer_new_memory(const char *label);
void zip_writer_free(struct zip_writer *writer);
AUTO_PTR_DEFINE(zip_writer, zip_writer_free)

/* Add a whole member, deflated when that makes it smaller.
 *
 * SLIPWAY_ERROR_CORRUPT for a name that a zip must not have (empty, absolute, with `..`, an empty
 * part, a backslash or a control character, not UTF-8, longer than 1024 bytes) or has already;
 * SLIPWAY_ERROR_IO. */
gboolean zip_writer_add(struct zip_writer *writer, const char *name, const void *data, gsize length,
                        GError **error);

/* Add a member of exactly `size` bytes, stored, that comes in pieces: begin, write any number of
 * times, end.  More or fewer bytes than `size` are SLIPWAY_ERROR_CORRUPT, which names the member.
 */
gboolean zip_writer_begin(struct zip_writer *writer, const char *name, guint64 size,
                          GError **error);
gboolean zip_writer_write(struct zip_writer *writer, const void *data, gsize length,
                          GError **error);
gboolean zip_writer_end(struct zip_writer *writer, GError **error);

/* Write the central directory.  Nothing may be added after. */
gboolean zip_writer_finish(struct zip_writer *writer, GError **error);
/* The same, and hand out the archive; only of a writer into memory. */
GBytes *zip_writer_finish_bytes(struct zip_writer *writer, GError **error);

/* Bytes written so far; after finish, the size of the archive. */
guint64 zip_writer_size(const struct zip_writer *writer);
