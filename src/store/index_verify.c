/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "base/little_endian.h"
#include "store/index.h"
#include "store/index_table.h"

/* Bytes that are read at once: whole rows of any kind.  Read, not viewed: what a bad disk cannot
 * give is an error then. */
#define PIECE (1u << 20)

struct reading {
    struct repo *repo;
    const char *object;
    struct index_header header;
    struct object_hash *hash;
    guint64 offset;
    guint8 *piece;
};

static gboolean
damaged(const struct reading *reading, const char *words, GError **error)
{
    return error_set(error, SLIPWAY_ERROR_CORRUPT,
                     "%s: %s is damaged: %s; slipway store repair makes a new one",
                     repo_label(reading->repo), reading->object, words);
}

static gboolean
read_piece(struct reading *reading, gsize length, GError **error)
{
    if (!repo_read(reading->repo, reading->object, reading->offset, reading->piece, length, error))
        return FALSE;
    reading->offset += length;
    return TRUE;
}

/* Ascending, none twice.  `last` is the one before and becomes the last of these. */
static gboolean
check_names(const guint8 *rows, gsize n, guint8 *last, gboolean first)
{
    for (gsize i = 0; i < n; i++, rows += INDEX_NAME_ROW) {
        if (!(first && i == 0) && memcmp(last, rows, INDEX_NAME_ROW) >= 0)
            return FALSE;
        memcpy(last, rows, INDEX_NAME_ROW);
    }
    return TRUE;
}

static gboolean
check_entries(const struct index_header *header, const guint8 *rows, gsize n, guint8 *last,
              gboolean first)
{
    for (gsize i = 0; i < n; i++, rows += INDEX_ENTRY_ROW) {
        guint32 pack = little_endian_get32(rows + 8);
        if (pack >= header->n_packs || little_endian_get16(rows + 12) >= PACK_CHUNKS_MAX ||
            little_endian_get16(rows + 14) != 0)
            return FALSE;
        if (!(first && i == 0)) {
            guint64 before = little_endian_get64(last), here = little_endian_get64(rows);
            guint64 before_rest =
                (guint64)little_endian_get32(last + 8) << 16 | little_endian_get16(last + 12);
            guint64 here_rest = (guint64)pack << 16 | little_endian_get16(rows + 12);
            if (before > here || (before == here && before_rest >= here_rest))
                return FALSE;
        }
        memcpy(last, rows, INDEX_ENTRY_ROW);
    }
    return TRUE;
}

/* The digest comes at the end, so the order that is found wrong here is told only when the digest
 * is right: else the bytes are simply not those that were written. */
static gboolean
read_section(struct reading *reading, guint64 n, gsize row, gboolean *ordered, GError **error)
{
    guint8 last[INDEX_NAME_ROW] = {0};
    gboolean first = TRUE;
    while (n > 0) {
        gsize now = (gsize)MIN(n, PIECE / row);
        if (!read_piece(reading, now * row, error))
            return FALSE;
        object_hash_update(reading->hash, reading->piece, now * row);
        *ordered =
            *ordered && (row == INDEX_NAME_ROW
                             ? check_names(reading->piece, now, last, first)
                             : check_entries(&reading->header, reading->piece, now, last, first));
        first = FALSE;
        n -= now;
    }
    return TRUE;
}

/* A header counts, and its version, only when all bytes are those that were written. */
static gboolean
refuse_header(struct reading *reading, guint64 size, const guint8 *digest, GError *why,
              GError **error)
{
    guint8 found[OBJECT_HASH_SIZE];
    g_autoptr(GError) owned = why;
    object_hash_update(reading->hash, reading->piece, INDEX_HEADER_SIZE);
    for (guint64 left = size - INDEX_HEADER_SIZE - OBJECT_HASH_SIZE; left > 0;) {
        gsize now = (gsize)MIN(left, PIECE);
        if (!read_piece(reading, now, error))
            return FALSE;
        object_hash_update(reading->hash, reading->piece, now);
        left -= now;
    }
    object_hash_finish(reading->hash, found);
    if (memcmp(found, digest, sizeof found) != 0)
        return damaged(reading, "its bytes are not those that gave it its name", error);
    g_propagate_prefixed_error(error, g_steal_pointer(&owned), "%s: ", repo_label(reading->repo));
    return FALSE;
}

static gboolean
read_object(struct reading *reading, guint64 size, const guint8 *digest, GError **error)
{
    if (size < INDEX_SIZE_MIN || size > INDEX_OBJECT_MAX)
        return damaged(reading, "no index has its length", error);
    if (!read_piece(reading, INDEX_HEADER_SIZE, error))
        return FALSE;
    GError *why = NULL;
    if (!index_header_parse(reading->piece, size, reading->object, &reading->header, &why))
        return refuse_header(reading, size, digest, why, error);
    object_hash_update(reading->hash, reading->piece, INDEX_HEADER_SIZE);
    gboolean ordered = TRUE;
    if (!read_section(reading, reading->header.n_packs, INDEX_NAME_ROW, &ordered, error) ||
        !read_section(reading, reading->header.n_replaced, INDEX_NAME_ROW, &ordered, error) ||
        !read_section(reading, reading->header.n_entries, INDEX_ENTRY_ROW, &ordered, error) ||
        !read_piece(reading, OBJECT_HASH_SIZE, error))
        return FALSE;
    guint8 found[OBJECT_HASH_SIZE];
    object_hash_finish(reading->hash, found);
    if (memcmp(found, digest, sizeof found) != 0 ||
        memcmp(found, reading->piece, sizeof found) != 0)
        return damaged(reading, "its bytes are not those that gave it its name", error);
    return ordered || damaged(reading, "its entries are not in order", error);
}

gboolean
chunk_index_verify(struct repo *repo, const char *object, GError **error)
{
    guint8 digest[OBJECT_HASH_SIZE];
    struct reading reading = {.repo = repo, .object = object};
    if (!index_object_parse(object, digest))
        return damaged(&reading, "no index has this name", error);
    guint64 size;
    if (!repo_size(repo, object, &size, error))
        return FALSE;
    auto_ptr(object_hash) hash = reading.hash = object_hash_new();
    g_autofree guint8 *piece = reading.piece = g_malloc(PIECE);
    return read_object(&reading, size, digest, error);
}
