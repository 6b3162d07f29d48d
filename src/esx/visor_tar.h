/* SPDX-License-Identifier: GPL-3.0-or-later */
/* visor_tar.h: listing and unpacking payloads: the tar variant of ESXi (all headers first, data
 * at stated offsets) and plain tar (v7, ustar, GNU, pax).  Format: doc/format/visor-tar.md. */
#pragma once

#include "base/stream.h"

#define VISOR_TAR_MEMBERS_MAX 200000
#define VISOR_TAR_NAMES_MAX (64u << 20)  /* bytes of all names that must be remembered at once */
#define VISOR_TAR_NAME_MAX 4096          /* one name or link target */
#define VISOR_TAR_PAX_MAX (1u << 20)     /* one pax header */
#define VISOR_TAR_MAX ((guint64)2 << 30) /* unpacked bytes of one payload */

struct visor_member {
    char *name; /* relative, no `..`, no leading or trailing slash, no control characters */
    char type;  /* '0' file, '1' hard link, '2' symbolic link, '5' directory, '7' file that is an
                 * ELF module; devices and pipes are refused */
    unsigned mode;
    guint64 size; /* of the data; 0 for what is no file */
    gint64 mtime;
    char *target;   /* of a link, a hard link's checked as `name` is; else NULL */
    guint64 offset; /* of the data in the unpacked archive */
};
void visor_member_free(struct visor_member *member);

/* TRUE for '0' and '7'. */
gboolean visor_member_is_file(const struct visor_member *member);

/* What is done with each member: `data` gives exactly member->size bytes (NULL for what is no
 * file) and need not be read.  Return FALSE with an error to stop. */
typedef gboolean (*visor_member_func)(const struct visor_member *member, struct stream *data,
                                      void *user_data, GError **error);

/* Go through a payload that is a gzip of a tar (visor or plain; both read from front to back, to
 * the end, so that every checksum of the gzip is checked).  In a visor tar the members whose data
 * lies apart come last, in the order of their data.  Takes over `packed` (also on failure).
 * SLIPWAY_ERROR_UNSUPPORTED when it is no tar inside (newer system payloads are signed xz),
 * SLIPWAY_ERROR_CORRUPT, SLIPWAY_ERROR_LIMIT, SLIPWAY_ERROR_CANCELLED. */
gboolean visor_tar_each(struct stream *packed, visor_member_func function, void *user_data,
                        GError **error);

/* The same for a tar that is not compressed. */
gboolean visor_tar_each_plain(struct stream *tar, visor_member_func function, void *user_data,
                              GError **error);
