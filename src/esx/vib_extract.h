/* SPDX-License-Identifier: GPL-3.0-or-later */
/* vib_extract.h: taking a VIB apart into a directory. */
#pragma once

#include "base/progress.h"
#include "base/stream.h"

struct vib_extract {
    gboolean unpack;    /* payloads that are a gzip of a tar become directories */
    gboolean overwrite; /* replace what is there */
    struct progress *progress;
};

/* Write descriptor.xml, sig.pkcs7 and each payload, all as they are in the VIB, into `directory`
 * (made when it is not there).  With `unpack` a payload that is an archive becomes the directory
 * `directory`/PAYLOAD/ instead of a file; one that cannot be looked into stays a file, with a note.
 * Takes over `stream` (also on failure).  Payloads that do not agree with their checksums are
 * written all the same, with a warning: looking at damage must be possible.
 *
 * What vib_file_open() and vib_file_next() fail with; SLIPWAY_ERROR_EXISTS; SLIPWAY_ERROR_CORRUPT
 * for members that lead out of the directory or through a link; SLIPWAY_ERROR_IO.  What was
 * written before a failure stays. */
gboolean vib_extract_write(struct stream *stream, const char *directory,
                           const struct vib_extract *options, GError **error);
