/* SPDX-License-Identifier: GPL-3.0-or-later */
/* chunk_reader.h: the plain bytes of chunks, each held against its id.
 *
 * A reader belongs to one thread at a time and keeps the last frames that it decompressed; several
 * may share a locator. */
#pragma once

#include "store/locator.h"
#include "store/map.h"

struct chunk_reader;

struct chunk_reader *chunk_reader_new(struct store *store, struct locator *locator);
void chunk_reader_free(struct chunk_reader *reader);
AUTO_PTR_DEFINE(chunk_reader, chunk_reader_free)

/* Exactly `length` plain bytes of chunk `id`.  Where one copy is damaged or gone the next is tried;
 * where none is left the index is looked at again.  SLIPWAY_ERROR_NOT_FOUND: the store does not
 * have it; SLIPWAY_ERROR_CORRUPT: it is damaged, or has another length; both name chunk and pack.
 * What is in `out` after a failure is undefined. */
gboolean chunk_reader_get(struct chunk_reader *reader, const struct chunk_id *id, guint8 *out,
                          gsize length, GError **error);

/* The same without a copy: the bytes are the reader's, until its next call. */
const guint8 *chunk_reader_peek(struct chunk_reader *reader, const struct chunk_id *id,
                                gsize length, GError **error);

struct chunk_wanted {
    const struct chunk_id *id;
    guint8 *out;
    guint32 length;
    GError *error; /* NULL before; afterwards why it is not in `out`, for the caller to free */
};
/* Several chunks, read in the order of the packs so that no frame is decompressed twice.  FALSE
 * when any of them has an error; the others are there all the same. */
gboolean chunk_reader_get_all(struct chunk_reader *reader, struct chunk_wanted *wanted, guint n);

/* One chunk of unknown length, at most CHUNK_MAX (a node of a map: MAP_NODE_MAX). */
GBytes *chunk_reader_bytes(struct chunk_reader *reader, const struct chunk_id *id, GError **error);

/* What a new chunk in the place of `id` can be a delta against: `id` itself, or, when it is kept as
 * a delta, its base.  *ret_bytes is owned by the reader until its next call.  TRUE with *ret_length
 * 0 when there is nothing usable. */
gboolean chunk_reader_base(struct chunk_reader *reader, const struct chunk_id *id,
                           struct chunk_id *ret_base, const guint8 **ret_bytes, gsize *ret_length,
                           GError **error);

/* Fetches nodes of maps through `reader`. */
struct map_source chunk_reader_map_source(struct chunk_reader *reader);
