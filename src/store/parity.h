/* SPDX-License-Identifier: GPL-3.0-or-later */
/* parity.h: bytes that restore rotten bytes: Reed-Solomon over the blocks of one object
 * (doc/format/store.md, "Parity").
 *
 * An object is cut into blocks of PARITY_BLOCK bytes, the last one filled with zeros.  Block i
 * belongs to stripe i mod n; each stripe has m parity blocks and survives the loss of any m of its
 * blocks, so a contiguous hole of m * n blocks is healed.  The parity object also has a checksum of
 * every block, which says which ones are lost, and protects itself by checksums.  Works on stored
 * bytes: no key is needed.  A struct parity_encoder belongs to one thread. */
#pragma once

#include "repo/repo.h"

#define PARITY_BLOCK 4096u
#define PARITY_STRIPE_DATA_MAX 200u
#define PARITY_ROWS_MAX 32u
#define PARITY_PERMILLE_MAX 500u
#define PARITY_OBJECT_MAX (256u << 20) /* bytes of an object */

struct parity_encoder;

/* For an object of at most `size_max` bytes (PARITY_OBJECT_MAX; more must not be appended) with
 * `permille` tenths of a per cent of parity (1 to PARITY_PERMILLE_MAX), as far as stripes and rows
 * have their limits: five tenths at least.  An object that stays small gets its share of what it
 * has.  Memory: about size_max * permille / 1000, at first twice that or 4 MiB. */
struct parity_encoder *parity_encoder_new(guint64 size_max, unsigned permille);
void parity_encoder_append(struct parity_encoder *encoder, const void *data, gsize length);
/* The parity object for what was appended.  No append may follow. */
GBytes *parity_encoder_finish(struct parity_encoder *encoder);
void parity_encoder_free(struct parity_encoder *encoder);
AUTO_PTR_DEFINE(parity_encoder, parity_encoder_free)

struct parity_report {
    guint64 blocks;  /* of the object */
    guint64 damaged; /* whose checksum does not fit, that are missing, not whole, or cannot be read;
                      * and one more for bytes behind the end */
    guint64 repaired;       /* of these: what is, or without ret_repaired could be, as it was */
    guint64 parity_damaged; /* parts of the parity object that do not fit: make it again */
    GArray *bad;            /* offsets (guint64) of blocks that stay lost; owned by the report */
};
/* Also of a report of zeros. */
void parity_report_clear(struct parity_report *report);

/* Compare object `name` with its parity object.  With ret_repaired, *ret_repaired is the healed
 * object (NULL when nothing was damaged or something stays lost: the report says).  Memory is the
 * parity object, where it cannot be mapped, and, when there is damage, the object.  Any thread.
 *
 * SLIPWAY_ERROR_NOT_FOUND: there is no parity object, or no object; SLIPWAY_ERROR_CORRUPT: the
 * parity object is itself beyond use; SLIPWAY_ERROR_UNSUPPORTED: of a newer version;
 * SLIPWAY_ERROR_LIMIT: larger than any parity object.  A block that fails with SLIPWAY_ERROR_IO is
 * damaged; when all of them do, that is the error.  The report is then cleared. */
gboolean parity_check(struct repo *repo, const char *name, const char *parity_name,
                      struct parity_report *report, GBytes **ret_repaired, GError **error);
/* The same without finding out what could be restored: `repaired` and `bad` say nothing.  Memory is
 * the parity object. */
gboolean parity_scan(struct repo *repo, const char *name, const char *parity_name,
                     struct parity_report *report, GError **error);
