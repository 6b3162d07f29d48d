/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One wrong bit in a table costs the pack its name, and 64 MiB of data.  But rows say what they say
 * all the same: whoever holds each chunk against its id needs no digest of the table.  Of an
 * encrypted one nothing can be read. */
#include "base/error.h"
#include "base/little_endian.h"
#include "store/pack_format.h"
#include "store/repairer_private.h"

struct guess {
    guint8 header[PACK_HEADER_SIZE];
    GBytes *object;
    guint64 offset; /* of the table */
    guint32 length;
};

/* Where the table lies, out of any one of the two numbers that say it. */
static gboolean
find_rows(struct guess *guess, gboolean by_offset)
{
    gsize size;
    const guint8 *data = g_bytes_get_data(guess->object, &size);
    if (size < PACK_HEADER_SIZE + PACK_FOOTER_SIZE)
        return FALSE;
    const guint8 *footer = data + size - PACK_FOOTER_SIZE;
    guint64 end = size - PACK_FOOTER_SIZE;
    if (by_offset)
        guess->offset = little_endian_get64(footer + PACK_FOOTER_TABLE_OFFSET);
    else
        guess->offset = end - MIN(end, little_endian_get32(footer + PACK_FOOTER_TABLE_LENGTH));
    if (guess->offset < PACK_HEADER_SIZE || guess->offset >= end ||
        end - guess->offset > PACK_TABLE_MAX)
        return FALSE;
    guess->length = (guint32)(end - guess->offset);
    return TRUE;
}

static void
find_header(struct guess *guess, gboolean made)
{
    memcpy(guess->header, g_bytes_get_data(guess->object, NULL), PACK_HEADER_SIZE);
    if (!made)
        return;
    guint8 kind = guess->header[PACK_HEADER_KIND] == PACK_NODES ? PACK_NODES : PACK_DATA;
    memset(guess->header, 0, sizeof guess->header);
    memcpy(guess->header, PACK_MAGIC, PACK_MAGIC_SIZE);
    little_endian_put16(guess->header + PACK_HEADER_VERSION, PACK_VERSION);
    guess->header[PACK_HEADER_KIND] = kind;
}

/* The table under the name that it has as it is. */
static struct pack_table *
parse(const struct guess *guess, const struct pack_name *name, GError **error)
{
    gsize size;
    const guint8 *data = g_bytes_get_data(guess->object, &size);
    gsize length = guess->length + PACK_FOOTER_SIZE;
    g_autofree guint8 *tail = g_memdup2(data + guess->offset, length);
    guint8 *footer = tail + guess->length;
    struct pack_name found;
    pack_name_compute(guess->header, tail, guess->length, &found);
    memcpy(footer, PACK_END_MAGIC, PACK_MAGIC_SIZE);
    little_endian_put64(footer + PACK_FOOTER_TABLE_OFFSET, guess->offset);
    little_endian_put32(footer + PACK_FOOTER_TABLE_LENGTH, guess->length);
    memcpy(footer + PACK_FOOTER_DIGEST, found.bytes, sizeof found.bytes);
    struct pack_table *table =
        pack_table_parse(&found, NULL, tail, length, guess->offset, guess->header, error);
    if (table != NULL)
        table->name = *name;
    return table;
}

struct pack_table *
repairer_table(struct repair *repair, const struct pack_name *name, GError **error)
{
    struct repo *repo = store_repo(repair->store);
    char object[PACK_OBJECT_TEXT];
    g_autoptr(GError) why = NULL;
    struct pack_table *table = pack_table_load(repo, name, store_key_of(repair->store), &why);
    if (table != NULL || !g_error_matches(why, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT) ||
        store_key_of(repair->store) != NULL) {
        if (table == NULL)
            g_propagate_error(error, g_steal_pointer(&why));
        return table;
    }
    g_autoptr(GBytes) bytes =
        repo_view(repo, pack_name_object(name, "packs", object), PACK_SIZE_MAX, NULL);
    struct guess guess = {.object = bytes};
    for (guint try = 0; bytes != NULL && table == NULL && try < 4; try++) {
        if (!find_rows(&guess, try % 2 == 0))
            continue;
        find_header(&guess, try >= 2);
        table = parse(&guess, name, NULL);
    }
    if (table == NULL)
        g_propagate_error(error, g_steal_pointer(&why));
    return table;
}
