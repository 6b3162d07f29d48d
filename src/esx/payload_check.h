/* SPDX-License-Identifier: GPL-3.0-or-later */
/* payload_check.h: holding a payload's bytes against its checksums as they pass by.
 *
 * Pure value: give it the stored bytes in order, then finish.  One thread at a time, but for
 * payload_check_spread(). */
#pragma once

#include "base/block_pool.h"
#include "base/lanes.h"
#include "esx/vib.h"

/* PAYLOAD_CHECK_STORED: the checksums over the stored bytes.  PAYLOAD_CHECK_ALL: those over the
 * decompressed bytes too (the gunzip ones; verify processes we do not know are left
 * out and counted). */
enum payload_check_depth { PAYLOAD_CHECK_STORED, PAYLOAD_CHECK_ALL };

struct payload_check;

/* `label` names the VIB in errors.  The payload must outlive the check. */
struct payload_check *payload_check_new(const struct payload *payload,
                                        enum payload_check_depth depth, const char *label);
void payload_check_free(struct payload_check *check);
AUTO_PTR_DEFINE(payload_check, payload_check_free)

/* Before the first update: have the decompressed bytes, in blocks of `pool`, digested in `lane` of
 * `lanes` instead of in the thread that updates, so that decompressing and digesting run at once.
 * Finish and free the check in that lane, behind the last update. */
void payload_check_spread(struct payload_check *check, struct lanes *lanes, unsigned lane,
                          struct block_pool *pool);

void payload_check_update(struct payload_check *check, const void *data, gsize length);

/* TRUE when everything agrees.  SLIPWAY_ERROR_CORRUPT names the VIB, the payload, the kind of
 * checksum, what it should be and what it is; a payload with no checksum at all is corrupt too. */
gboolean payload_check_finish(struct payload_check *check, GError **error);
