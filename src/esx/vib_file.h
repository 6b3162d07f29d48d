/* SPDX-License-Identifier: GPL-3.0-or-later */
/* vib_file.h: reading a .vib file (an ar archive) from front to back.
 *
 * Members: descriptor.xml, sig.pkcs7, then the payloads.  Format:
 * doc/format/vib.md.  One object belongs to one thread. */
#pragma once

#include "base/stream.h"
#include "esx/vib.h"

#define VIB_SIGNATURE_MAX (1u << 20)

struct vib_file;

/* Take over `stream` (also on failure) and read descriptor and signature.
 * Fails with SLIPWAY_ERROR_CORRUPT (no ar archive, truncated, no descriptor first),
 * SLIPWAY_ERROR_UNSUPPORTED (an ESX 4 package, a Debian package), SLIPWAY_ERROR_LIMIT. */
struct vib_file *vib_file_open(struct stream *stream, GError **error);
void vib_file_close(struct vib_file *file);
AUTO_PTR_DEFINE(vib_file, vib_file_close)

struct vib *vib_file_vib(struct vib_file *file);    /* borrowed */
GBytes *vib_file_descriptor(struct vib_file *file); /* the exact bytes; borrowed */
GBytes *vib_file_signature(struct vib_file *file);  /* empty when unsigned; borrowed */

/* Go to the next payload.  *ret_payload is NULL at the end.  Fails with
 * SLIPWAY_ERROR_CORRUPT when the archive's member is no payload of the descriptor (names
 * both), comes twice, has another size than the descriptor says, or when payloads are
 * missing at the end. */
gboolean vib_file_next(struct vib_file *file, const struct payload **ret_payload, GError **error);

/* Read bytes of the current payload; 0 at its end. */
gssize vib_file_read(struct vib_file *file, void *buffer, gsize length, GError **error);
