/* SPDX-License-Identifier: GPL-3.0-or-later */
/* vib_write.h: writing the ar archive that a VIB is, as the vendor writes it: time, owner and mode
 * 0, so that it depends on its members alone.  Format: doc/format/vib.md. */
#pragma once

#include "base/durable_file.h"
#include "base/stream.h"

/* Longest name of a member: no table of long names is ever written. */
#define VIB_MEMBER_NAME_MAX 15

/* What an archive begins with. */
gboolean vib_write_begin(struct durable_file *out, GError **error);

/* Append a member of exactly stream_size(data) bytes, which must be known.
 * SLIPWAY_ERROR_USAGE for a name that is too long, SLIPWAY_ERROR_LIMIT for a size that ten digits
 * cannot say, SLIPWAY_ERROR_CORRUPT for a stream of another length, SLIPWAY_ERROR_IO. */
gboolean vib_write_member(struct durable_file *out, const char *name, struct stream *data,
                          GError **error);

/* The same for bytes in memory; NULL is an empty member. */
gboolean vib_write_bytes(struct durable_file *out, const char *name, GBytes *bytes, GError **error);
