/* SPDX-License-Identifier: GPL-3.0-or-later */
/* parity_private.h: what the files of parity.h share: the layout of a parity object, the code, and
 * an object that is being healed. */
#pragma once

#include "store/parity.h"

#define PARITY_MAGIC "SLIPPRTY"
#define PARITY_VERSION 1u
#define PARITY_HEADER 64u
#define PARITY_VERSION_AT 8u
#define PARITY_ROWS_AT 10u
#define PARITY_STRIPES_AT 12u
#define PARITY_LENGTH_AT 16u
#define PARITY_BLOCKS_AT 24u
#define PARITY_DIGEST_AT 32u
#define PARITY_DIGEST 32u
#define PARITY_SUM 8u /* a checksum of a block */

struct parity_shape {
    guint rows;      /* m */
    guint64 stripes; /* n */
};

/* The checksum of a block of PARITY_BLOCK bytes, as it lies in the object. */
void parity_sum(const guint8 *block, guint8 ret[PARITY_SUM]);

/* SHA-256 of two pieces; `second` may be NULL. */
void parity_digest(const guint8 *first, gsize first_length, const guint8 *second,
                   gsize second_length, guint8 ret[PARITY_DIGEST]);

/* `rows` rows of PARITY_STRIPE_DATA_MAX coefficients. */
void parity_coefficients(guint rows, guint8 *ret);

/* An object in memory, some of whose blocks are lost. */
struct parity_patient {
    struct parity_shape shape;
    guint64 blocks;           /* of the object */
    guint8 *data;             /* these */
    const guint8 *sums;       /* of each, as they should be */
    gboolean trusted;         /* those are as they were written */
    guint8 *lost;             /* of each block: 1 when it is lost */
    const guint8 *parts;      /* the parity blocks, for each row all stripes */
    const guint8 *parts_lost; /* of each of these: 1 when it cannot be used */
};

/* Restore what can be restored and clear its `lost`; with trusted sums only what fits them. */
void parity_repair(struct parity_patient *patient);
