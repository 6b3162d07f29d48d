/* SPDX-License-Identifier: GPL-3.0-or-later */
/* stream_digest.h: the digest of all bytes of a stream. */
#pragma once

#include "base/digest.h"
#include "base/stream.h"

/* Read `stream` to its end; *ret_hex is the digest in lower-case hex, *ret_size how many bytes
 * there were.  Takes over `stream`; NULL is a failure that is set already, so that opening and
 * digesting is one call.  SLIPWAY_ERROR_CANCELLED and what stream_read() fails with. */
gboolean stream_digest(struct stream *stream, enum digest_kind kind, char **ret_hex,
                       guint64 *ret_size, GError **error);
