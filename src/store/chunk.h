/* SPDX-License-Identifier: GPL-3.0-or-later */
/* chunk.h: what a chunk is and how it is named.  Pure; any thread.
 *
 * A chunk is a run of whole 4 KiB blocks of one 4 MiB segment of a disk, none of which is all
 * zeros; it is named by a digest of its plain bytes. */
#pragma once

#include <glib.h>
#include <string.h>

#define CHUNK_BLOCK 4096u
#define CHUNK_MIN (16u << 10)
#define CHUNK_MAX (128u << 10)
#define CHUNK_SEGMENT (4u << 20)
#define CHUNK_SEGMENT_BLOCKS (CHUNK_SEGMENT / CHUNK_BLOCK)

/* SHA-256 of the plain bytes; in an encrypted store HMAC-SHA-256 under a key of the store. */
#define CHUNK_ID_SIZE 32u
struct chunk_id {
    guint8 bytes[CHUNK_ID_SIZE];
};

#define CHUNK_ID_TEXT (2 * CHUNK_ID_SIZE + 1)

/* 64 hex digits and a NUL into `ret`; returns ret. */
char *chunk_id_format(const struct chunk_id *id, char ret[CHUNK_ID_TEXT]);
gboolean chunk_id_parse(const char *text, struct chunk_id *ret);

static inline gboolean
chunk_id_equal(const struct chunk_id *left, const struct chunk_id *right)
{
    return memcmp(left, right, sizeof *left) == 0;
}

/* The first 8 bytes, little endian: ids are uniformly distributed, so this is a hash. */
static inline guint64
chunk_id_fingerprint(const struct chunk_id *id)
{
    guint64 value;
    memcpy(&value, id->bytes, sizeof value);
    return GUINT64_FROM_LE(value);
}

/* For GHashTable with keys that are struct chunk_id *. */
guint chunk_id_hash(gconstpointer id);
gboolean chunk_id_equal_func(gconstpointer left, gconstpointer right);

/* Names chunks.  One hasher belongs to one thread. */
struct chunk_hasher;

/* `key` (32 bytes) of an encrypted store, or NULL. */
struct chunk_hasher *chunk_hasher_new(const guint8 *key);
void chunk_hasher_run(struct chunk_hasher *hasher, const void *data, gsize length,
                      struct chunk_id *ret);
void chunk_hasher_free(struct chunk_hasher *hasher);

#include "base/auto_ptr.h"
AUTO_PTR_DEFINE(chunk_hasher, chunk_hasher_free)
