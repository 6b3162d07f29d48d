/* SPDX-License-Identifier: GPL-3.0-or-later */
/* imgpayld.h: imgpayld.tgz, the copies of the boot payloads that the installer needs, because
 * boot modules cannot be seen as files after the boot.
 *
 * The payloads are gzip already, so the archive's own gzip layer only wraps them (stored blocks):
 * its size is known before a byte is read, and it is made while the ISO is written.
 * Format: doc/format/imgdb.md. */
#pragma once

#include "base/stream.h"
#include "esx/iso_medium.h"

struct imgpayld_file {
    char *name; /* 8.3 name, lower case, e.g. "k.b00" */
    guint64 size;
    /* Open the payload's bytes; called once, when the archive gets there. */
    struct stream *(*open)(void *user_data, GError **error);
    void *user_data;
};

/* Bytes of imgpayld.tgz for `files` (of struct imgpayld_file).  SLIPWAY_ERROR_LIMIT when a size
 * does not fit a tar header. */
gboolean imgpayld_size(GArray *files, guint64 *ret_size, GError **error);

/* The content; takes a reference to `files`. */
struct iso_content *imgpayld_content_new(GArray *files);
