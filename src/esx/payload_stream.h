/* SPDX-License-Identifier: GPL-3.0-or-later */
/* payload_stream.h: one payload out of a VIB, as a stream that checks it on the way. */
#pragma once

#include "base/stream.h"
#include "esx/depot.h"

/* The bytes of payload `name` of `package`.  Its stored checksums are held against it when the end
 * is reached: SLIPWAY_ERROR_CORRUPT then.  Fails as package_open() and vib_file_next() do;
 * SLIPWAY_ERROR_NOT_FOUND when the VIB has no such payload. */
struct stream *payload_stream_open(const struct package *package, const char *name, GError **error);
