/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/index_table.h"

#include "base/error.h"
#include "base/little_endian.h"
#include "store/index.h"

char *
index_object_format(const guint8 digest[OBJECT_HASH_SIZE], char ret[INDEX_OBJECT_TEXT])
{
    memcpy(ret, INDEX_FOLDER "/", sizeof INDEX_FOLDER);
    object_hash_format(digest, ret + sizeof INDEX_FOLDER);
    return ret;
}

gboolean
index_object_parse(const char *object, guint8 ret[OBJECT_HASH_SIZE])
{
    return g_str_has_prefix(object, INDEX_FOLDER "/") &&
           object_hash_parse(object + sizeof INDEX_FOLDER, ret);
}

/* ---- Header ---------------------------------------------------------------------------------- */

guint64
index_header_size(const struct index_header *header)
{
    if (header->n_entries > INDEX_OBJECT_MAX / INDEX_ENTRY_ROW)
        return G_MAXUINT64;
    guint64 size = INDEX_SIZE_MIN + header->n_entries * INDEX_ENTRY_ROW +
                   ((guint64)header->n_packs + header->n_replaced) * INDEX_NAME_ROW;
    return size > INDEX_OBJECT_MAX ? G_MAXUINT64 : size;
}

gboolean
index_header_parse(const guint8 bytes[INDEX_HEADER_SIZE], guint64 size, const char *object,
                   struct index_header *ret, GError **error)
{
    if (memcmp(bytes, INDEX_MAGIC, 8) != 0)
        return error_set(error, SLIPWAY_ERROR_CORRUPT,
                         "%s is damaged: it does not begin as an index does; slipway store repair "
                         "makes a new one",
                         object);
    guint version = little_endian_get16(bytes + 8);
    if (version > INDEX_VERSION)
        return error_set(error, SLIPWAY_ERROR_UNSUPPORTED,
                         "%s has version %u, of which this program knows nothing; use a newer one",
                         object, version);
    ret->n_packs = little_endian_get32(bytes + 16);
    ret->n_replaced = little_endian_get32(bytes + 20);
    ret->n_entries = little_endian_get64(bytes + 24);
    memcpy(ret->owner, bytes + 32, INDEX_OWNER_SIZE);
    if (version == 0 || ret->n_replaced > INDEX_OBJECTS_MAX ||
        !little_endian_is_zero(bytes + 10, 6) || !little_endian_is_zero(bytes + 48, 16) ||
        index_header_size(ret) != size)
        return error_set(error, SLIPWAY_ERROR_CORRUPT,
                         "%s is damaged: what its header says does not fit %" G_GUINT64_FORMAT
                         " bytes; slipway store repair makes a new one",
                         object, size);
    return TRUE;
}

void
index_header_write(const struct index_header *header, guint8 ret[INDEX_HEADER_SIZE])
{
    memset(ret, 0, INDEX_HEADER_SIZE);
    memcpy(ret, INDEX_MAGIC, 8);
    little_endian_put16(ret + 8, INDEX_VERSION);
    little_endian_put32(ret + 16, header->n_packs);
    little_endian_put32(ret + 20, header->n_replaced);
    little_endian_put64(ret + 24, header->n_entries);
    memcpy(ret + 32, header->owner, INDEX_OWNER_SIZE);
}

/* ---- Table ----------------------------------------------------------------------------------- */

struct index_table *
index_table_new(const guint8 digest[OBJECT_HASH_SIZE], GBytes *bytes, GError **error)
{
    char object[INDEX_OBJECT_TEXT];
    index_object_format(digest, object);
    gsize size;
    const guint8 *data = g_bytes_get_data(bytes, &size);
    if (size < INDEX_SIZE_MIN)
        return error_null(error, SLIPWAY_ERROR_CORRUPT,
                          "%s is damaged: it has only %" G_GSIZE_FORMAT
                          " bytes; slipway store repair makes a new one",
                          object, size);
    struct index_header header;
    if (!index_header_parse(data, size, object, &header, error))
        return NULL;
    struct index_table *table = g_new0(struct index_table, 1);
    g_atomic_ref_count_init(&table->references);
    memcpy(table->digest, digest, sizeof table->digest);
    table->bytes = g_bytes_ref(bytes);
    table->header = header;
    table->packs = data + INDEX_HEADER_SIZE;
    table->replaced = table->packs + (gsize)header.n_packs * INDEX_NAME_ROW;
    table->entries = table->replaced + (gsize)header.n_replaced * INDEX_NAME_ROW;
    return table;
}

struct index_table *
index_table_ref(struct index_table *table)
{
    g_atomic_ref_count_inc(&table->references);
    return table;
}

void
index_table_unref(struct index_table *table)
{
    if (table == NULL || !g_atomic_ref_count_dec(&table->references))
        return;
    g_bytes_unref(table->bytes);
    g_free(table);
}

struct index_entry
index_table_entry(const struct index_table *table, guint64 number)
{
    const guint8 *row = table->entries + number * INDEX_ENTRY_ROW;
    return (struct index_entry){
        .fingerprint = little_endian_get64(row),
        .pack = little_endian_get32(row + 8),
        .slot = little_endian_get16(row + 12),
        .zero = little_endian_get16(row + 14),
    };
}

/* ---- Search ---------------------------------------------------------------------------------- */

/* Each guess takes the square root of the distance, so a few of them are within some entries of the
 * goal; then steps that double find its other side.  Both are limited: what is left is bisected, as
 * all of it is when fingerprints are not distributed as they should be. */
#define GUESSES 5u
#define DOUBLINGS 8u
#define SMALL 8u /* entries: not worth a guess */

struct search {
    const struct index_table *table;
    guint64 goal;
    guint64 low, high;  /* the answer is in low ... high */
    guint64 low_value;  /* of the entry before low: below the goal, but for the 0 at the start */
    guint64 high_value; /* of the entry at high: not below the goal */
    guint steps;
};

/* Look at entry `at`, which is in low ... high - 1.  TRUE when the answer is behind it. */
static gboolean
probe(struct search *search, guint64 at)
{
    guint64 value = little_endian_get64(search->table->entries + at * INDEX_ENTRY_ROW);
    search->steps++;
    if (value < search->goal) {
        search->low = at + 1;
        search->low_value = value;
        return TRUE;
    }
    search->high = at;
    search->high_value = value;
    return FALSE;
}

static guint64
guess(const struct search *search)
{
    guint64 width = search->high - search->low;
    if (search->goal == search->high_value)
        return search->high - 1;
    unsigned __int128 part = (unsigned __int128)(search->goal - search->low_value) * width;
    guint64 offset = (guint64)(part / (search->high_value - search->low_value));
    return search->low + MIN(offset, width - 1);
}

guint64
index_table_find(const struct index_table *table, guint64 fingerprint, guint *ret_steps)
{
    struct search search = {
        .table = table,
        .goal = fingerprint,
        .high = table->header.n_entries,
        .high_value = G_MAXUINT64,
    };
    gboolean behind = FALSE;
    for (guint i = 0; i < GUESSES && search.high - search.low > SMALL; i++)
        behind = probe(&search, guess(&search));
    for (guint i = 0; i < DOUBLINGS && search.high - search.low > SMALL; i++) {
        guint64 at = behind ? search.low + (1u << i) : search.high - 1 - (1u << i);
        if (search.high - search.low <= (2u << i) || probe(&search, at) != behind)
            break;
    }
    while (search.low < search.high)
        probe(&search, search.low + (search.high - search.low) / 2);
    if (ret_steps != NULL)
        *ret_steps = search.steps;
    return search.low;
}
