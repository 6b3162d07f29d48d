/* SPDX-License-Identifier: GPL-3.0-or-later */
/* zip_reader.h: random access to the members of a zip archive.
 *
 * Reads the central directory (APPNOTE.TXT 6.3, with ZIP64), stored and
 * deflated members.  Our own because we need what the libraries do not give
 * together: any member by name at once, and a stored member as a plain range of
 * the file, so that a 400 MB bundle is read once and not copied.
 *
 * Hostile input: names with `..`, absolute or with a NUL, duplicate names,
 * members that overlap or lie outside the file, encrypted ones and other
 * methods are refused (SLIPWAY_ERROR_CORRUPT, SLIPWAY_ERROR_UNSUPPORTED).  Backslashes
 * count as slashes; names that are directories (trailing slash) or no UTF-8 are left out.  A reader
 * is immutable after it was opened and may be used from any thread. */
#pragma once

#include "base/stream.h"

#define ZIP_MEMBERS_MAX 200000
#define ZIP_DIRECTORY_MAX (64u << 20) /* bytes of central directory */
#define ZIP_NAME_MAX 1024

struct zip_reader;

struct zip_member {
    char *name;
    guint64 header_offset;
    guint64 packed_size;
    guint64 size;
    guint32 crc32;
    gboolean deflated;
};

struct zip_reader *zip_reader_open(const char *path, GError **error);
struct zip_reader *zip_reader_new_bytes(GBytes *bytes, const char *label, GError **error);
struct zip_reader *zip_reader_ref(struct zip_reader *reader);
void zip_reader_unref(struct zip_reader *reader);
AUTO_PTR_DEFINE(zip_reader, zip_reader_unref)

/* Members in the order of the central directory. */
gsize zip_reader_count(const struct zip_reader *reader);
const struct zip_member *zip_reader_member(const struct zip_reader *reader, gsize index);
/* NULL when there is none; the case must match. */
const struct zip_member *zip_reader_find(const struct zip_reader *reader, const char *name);

/* The member's plain bytes.  `check_crc`: a wrong CRC-32 is SLIPWAY_ERROR_CORRUPT
 * at the end; without it the caller has a better checksum.  The size is always
 * checked. */
struct stream *zip_reader_stream(struct zip_reader *reader, const struct zip_member *member,
                                 gboolean check_crc, GError **error);

/* The whole member, CRC checked, at most `limit` bytes. */
GBytes *zip_reader_read(struct zip_reader *reader, const struct zip_member *member, gsize limit,
                        GError **error);
