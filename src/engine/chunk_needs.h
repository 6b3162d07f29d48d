/* SPDX-License-Identifier: GPL-3.0-or-later */
/* chunk_needs.h: a set of chunks by where they are: a bit for each slot of each pack.  One thread
 * fills it; afterwards any thread reads it. */
#pragma once

#include "store/locator.h"

struct pack_need {
    struct pack_name pack;
    guint n_slots;
    gboolean failed; /* for whoever reads: the pack's table could not be had */
    guint8 bits[];   /* bit s % 8 of byte s / 8 for slot s */
};

struct chunk_needs {
    GHashTable *packs; /* struct pack_name * of the need -> struct pack_need * */
    guint64 chunks, bytes;
};

struct chunk_needs *chunk_needs_new(void);
void chunk_needs_free(struct chunk_needs *needs);
AUTO_PTR_DEFINE(chunk_needs, chunk_needs_free)

/* TRUE when it was not there before. */
gboolean chunk_needs_add(struct chunk_needs *needs, const struct location *location);
const struct pack_need *chunk_needs_find(const struct chunk_needs *needs,
                                         const struct pack_name *pack);
/* All packs by name: struct pack_need *, borrowed. */
GPtrArray *chunk_needs_packs(const struct chunk_needs *needs);

static inline gboolean
pack_need_has(const struct pack_need *need, guint slot)
{
    return slot < need->n_slots && (need->bits[slot / 8] >> (slot % 8) & 1) != 0;
}
