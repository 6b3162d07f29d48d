/* SPDX-License-Identifier: GPL-3.0-or-later */
/* vib_check.h: .vib files read one after the other, each once from front to back, every checksum
 * held against what passes by.  Exports, and the checking of whole depots, go this one way.
 *
 * What is read may be used (vib_check_read()) or only be read for the check's sake.  Digests run in
 * the background (lanes.h): a file may prove damaged after it was read, at the latest when
 * vib_check_drain() returns.  One thread. */
#pragma once

#include "base/progress.h"
#include "esx/export_vib.h"

struct vib_check;

/* Something does not agree: SLIPWAY_ERROR_CORRUPT, names the VIB.  `payload` is the one of vib->vib
 * that it is about, NULL the file as a whole.  Comes from any thread, and may come several times
 * for a VIB, in any order.  `error` is borrowed. */
typedef void (*vib_check_failed)(const struct export_vib *vib, const struct payload *payload,
                                 const GError *error, gpointer user_data);

/* `progress` (may be NULL) gets advance() for each byte of the files. */
struct vib_check *vib_check_new(vib_check_failed failed, gpointer user_data,
                                struct progress *progress);
/* Waits for what runs. */
void vib_check_free(struct vib_check *check);
AUTO_PTR_DEFINE(vib_check, vib_check_free)

/* Begin with the next file; the one before is given up unless it was read to its end.  `vib` must
 * live until vib_check_drain().  `known_good`: every checksum of a file with this SHA-256 was right
 * before, so that the SHA-256 of the file, which is always checked, vouches for all others.
 *
 * FALSE when it cannot be read, or (SLIPWAY_ERROR_CORRUPT) was exchanged since `vib` was opened.
 * This and all reading fails with SLIPWAY_ERROR_CANCELLED too. */
gboolean vib_check_begin(struct vib_check *check, const struct export_vib *vib, gboolean known_good,
                         GError **error);

/* Go to the next payload, of vib->vib, reading what is left of the one before.  *ret_payload is
 * NULL at the end of the file, which is closed then.  Fails as vib_file_next(). */
gboolean vib_check_next(struct vib_check *check, const struct payload **ret_payload,
                        GError **error);

/* The payload that is being read; NULL: none. */
const struct payload *vib_check_payload(const struct vib_check *check);

/* Read bytes of it; 0 at its end. */
gssize vib_check_read(struct vib_check *check, void *buffer, gsize length, GError **error);

/* Read all that is left of the file, if one is open. */
gboolean vib_check_finish(struct vib_check *check, GError **error);

/* Give up the file, if one is open: nothing more is said of it. */
void vib_check_abandon(struct vib_check *check);

/* Wait until nothing that was read is left to be checked. */
void vib_check_drain(struct vib_check *check);
