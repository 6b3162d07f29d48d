/* SPDX-License-Identifier: GPL-3.0-or-later */
/* vib_verify.h: everything that can be said about one .vib file without a host. */
#pragma once

#include "base/progress.h"
#include "base/stream.h"
#include "esx/vib_verdict.h"

/* Examine the file, which is read once from front to back.  Takes over `stream`.  `trust` NULL:
 * the signature is not checked.  What is wrong with the file is a finding; NULL only with
 * SLIPWAY_ERROR_CANCELLED or SLIPWAY_ERROR_IO. */
struct vib_verdict *vib_verify(struct stream *stream, const struct trust_store *trust,
                               struct progress *progress, GError **error);
