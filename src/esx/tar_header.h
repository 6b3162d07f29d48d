/* SPDX-License-Identifier: GPL-3.0-or-later */
/* tar_header.h: one 512-byte header block of a tar archive: v7, ustar, GNU, visor.
 *
 * Pure values.  Format: doc/format/visor-tar.md. */
#pragma once

#include <glib.h>

#define TAR_BLOCK 512
#define TAR_NAME 257 /* bytes of a prefix, a slash, a name and the NUL */

struct tar_header {
    char name[TAR_NAME]; /* prefix included */
    char target[101];
    char type; /* as written; NUL became '0' */
    unsigned mode;
    guint64 size;
    gint64 mtime;
    gboolean visor;
    guint32 data_offset; /* of visor: where the data is; 0: right after the header, if any */
};

/* TRUE when `block` is nothing but zeros: the end of the headers. */
gboolean tar_header_is_end(const guint8 block[TAR_BLOCK]);

/* FALSE when `block` is no header: its checksum or one of its numbers is wrong. */
gboolean tar_header_parse(const guint8 block[TAR_BLOCK], struct tar_header *ret_header);
