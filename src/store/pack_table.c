/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "base/little_endian.h"
#include "store/pack_format.h"

/* Enough for the table of a pack of usual chunks. */
#define TAIL_READ (256u << 10)
#define SIZE_MIN (PACK_HEADER_SIZE + PACK_FRAME_ROW + PACK_CHUNK_ROW + PACK_FOOTER_SIZE)

struct footer {
    guint64 table_offset;
    guint32 table_length;
    guint32 n_frames;
    guint32 n_chunks;
    guint32 n_deltas;
    const guint8 *digest;
};

static gboolean damaged(const struct pack_name *name, GError **error, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

static gboolean
damaged(const struct pack_name *name, GError **error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *words = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    char object[PACK_OBJECT_TEXT];
    return error_set(error, SLIPWAY_ERROR_CORRUPT,
                     "%s is damaged: %s; slipway store repair may heal it",
                     pack_name_object(name, "packs", object), words);
}

/* ---- Footer and header ----------------------------------------------------------------------- */

static void
read_footer(const guint8 *at, struct footer *ret)
{
    ret->table_offset = little_endian_get64(at + PACK_FOOTER_TABLE_OFFSET);
    ret->table_length = little_endian_get32(at + PACK_FOOTER_TABLE_LENGTH);
    ret->n_frames = little_endian_get32(at + PACK_FOOTER_FRAMES);
    ret->n_chunks = little_endian_get32(at + PACK_FOOTER_CHUNKS);
    ret->n_deltas = little_endian_get32(at + PACK_FOOTER_DELTAS);
    ret->digest = at + PACK_FOOTER_DIGEST;
}

static gboolean
check_footer(const struct pack_name *name, const guint8 *at, const struct footer *footer,
             guint64 size, GError **error)
{
    if (memcmp(at, PACK_END_MAGIC, PACK_MAGIC_SIZE) != 0)
        return damaged(name, error, "it does not end as a pack does");
    if (footer->table_length > PACK_TABLE_MAX || footer->table_offset < PACK_HEADER_SIZE ||
        footer->table_offset > size - PACK_FOOTER_SIZE ||
        footer->table_length != size - PACK_FOOTER_SIZE - footer->table_offset)
        return damaged(name, error, "its table is not where its end says");
    if (footer->n_frames == 0 || footer->n_frames > footer->n_chunks ||
        footer->n_chunks > PACK_CHUNKS_MAX || footer->n_deltas > footer->n_frames)
        return damaged(name, error, "its end gives impossible numbers");
    return TRUE;
}

/* After the digest was found right: the header is as it was written. */
static gboolean
check_header(const struct pack_name *name, const guint8 *header, GError **error)
{
    char object[PACK_OBJECT_TEXT];
    if (memcmp(header, PACK_MAGIC, PACK_MAGIC_SIZE) != 0)
        return damaged(name, error, "it does not begin as a pack does");
    guint version = little_endian_get16(header + PACK_HEADER_VERSION);
    if (version > PACK_VERSION)
        return error_set(error, SLIPWAY_ERROR_UNSUPPORTED,
                         "%s has version %u, of which this program knows nothing; use a newer one",
                         pack_name_object(name, "packs", object), version);
    guint kind = header[PACK_HEADER_KIND], encrypted = header[PACK_HEADER_ENCRYPTED];
    if (version == 0 || (kind != PACK_DATA && kind != PACK_NODES) || encrypted > 1 ||
        !little_endian_is_zero(header + PACK_HEADER_ZERO, 2))
        return damaged(name, error, "its header says what no pack can be");
    return TRUE;
}

/* ---- Rows ------------------------------------------------------------------------------------ */

static gboolean
check_frame(const struct pack_table *table, guint number, const guint8 *row, GError **error)
{
    const struct pack_frame *frame = &table->frames[number];
    guint32 tag = table->encrypted ? STORE_TAG_SIZE : 0;
    guint32 bare = frame->stored_length - tag;
    gboolean fits =
        frame->stored_length > tag && frame->plain_length > 0 &&
        frame->plain_length <= PACK_GROUP_MAX && row[12] <= CODEC_ZSTD_DELTA &&
        little_endian_is_zero(row + 13, 3) &&
        (row[12] == CODEC_NONE ? bare == frame->plain_length : bare < frame->plain_length);
    if (!fits || frame->stored_length > table->table_offset - frame->offset)
        return damaged(&table->name, error, "frame %u has impossible lengths", number);
    return TRUE;
}

/* Frames lie back to back and share the chunks in order. */
static gboolean
fill_frames(struct pack_table *table, const guint8 *rows, const guint8 *bases, guint n_deltas,
            GError **error)
{
    guint64 offset = PACK_HEADER_SIZE;
    guint deltas = 0;
    for (guint i = 0; i < table->n_frames; i++) {
        const guint8 *row = rows + (gsize)i * PACK_FRAME_ROW;
        guint32 first = little_endian_get32(row + 8);
        guint32 next = i + 1 < table->n_frames ? little_endian_get32(row + PACK_FRAME_ROW + 8)
                                               : table->n_slots;
        if ((i == 0 && first != 0) || next <= first || next > table->n_slots)
            return damaged(&table->name, error, "frame %u has impossible chunks", i);
        struct pack_frame *frame = &table->frames[i];
        *frame = (struct pack_frame){
            .offset = offset,
            .stored_length = little_endian_get32(row),
            .plain_length = little_endian_get32(row + 4),
            .first_slot = first,
            .n_slots = next - first,
            .codec = row[12],
            .checksum = little_endian_get64(row + 16),
        };
        if (!check_frame(table, i, row, error))
            return FALSE;
        offset += frame->stored_length;
        if (frame->codec != CODEC_ZSTD_DELTA)
            continue;
        if (deltas == n_deltas || frame->n_slots != 1)
            return damaged(&table->name, error, "frame %u is no delta of one chunk", i);
        memcpy(frame->base.bytes, bases + (gsize)deltas++ * PACK_BASE_ROW, CHUNK_ID_SIZE);
    }
    if (offset != table->table_offset || deltas != n_deltas)
        return damaged(&table->name, error, "its frames are not what its end says");
    return TRUE;
}

/* Chunks lie back to back in their frame and fill it. */
static gboolean
fill_slots(struct pack_table *table, const guint8 *rows, GError **error)
{
    for (guint i = 0; i < table->n_frames; i++) {
        const struct pack_frame *frame = &table->frames[i];
        guint32 offset = 0;
        for (guint s = frame->first_slot; s < frame->first_slot + frame->n_slots; s++) {
            const guint8 *row = rows + (gsize)s * PACK_CHUNK_ROW;
            struct pack_slot *slot = &table->slots[s];
            memcpy(slot->id.bytes, row, CHUNK_ID_SIZE);
            slot->offset = little_endian_get32(row + 32);
            slot->length = little_endian_get32(row + 36);
            if (slot->offset != offset || slot->length == 0 || slot->length > CHUNK_MAX ||
                slot->length > frame->plain_length - offset)
                return damaged(&table->name, error, "chunk %u does not fit frame %u", s, i);
            offset += slot->length;
        }
        if (offset != frame->plain_length)
            return damaged(&table->name, error, "the chunks do not fill frame %u", i);
        if (frame->codec == CODEC_ZSTD_DELTA &&
            chunk_id_equal(&frame->base, &table->slots[frame->first_slot].id))
            return damaged(&table->name, error, "frame %u needs itself", i);
    }
    return TRUE;
}

/* ---- The table ------------------------------------------------------------------------------- */

/* One block holds everything: there may be thousands of tables. */
static struct pack_table *
make_table(const struct pack_name *name, const guint8 *header, const struct footer *footer,
           guint64 size)
{
    gsize frames = (gsize)footer->n_frames * sizeof(struct pack_frame);
    gsize slots = (gsize)footer->n_chunks * sizeof(struct pack_slot);
    struct pack_table *table = g_malloc(sizeof *table + frames + slots);
    *table = (struct pack_table){
        .name = *name,
        .kind = header[PACK_HEADER_KIND],
        .encrypted = header[PACK_HEADER_ENCRYPTED] != 0,
        .level = header[PACK_HEADER_LEVEL],
        .generation = header[PACK_HEADER_GENERATION],
        .size = size,
        .table_offset = footer->table_offset,
        .n_frames = footer->n_frames,
        .frames = (struct pack_frame *)(table + 1),
        .n_slots = footer->n_chunks,
    };
    table->slots = (struct pack_slot *)(table->frames + footer->n_frames);
    memcpy(table->salt, header + PACK_HEADER_SALT, sizeof table->salt);
    g_atomic_ref_count_init(&table->references);
    return table;
}

/* The rows of a table as stored; *ret_free is memory that holds them, if any was needed. */
static const guint8 *
open_rows(const struct pack_name *name, const struct store_key *key, const guint8 *header,
          const guint8 *stored, gsize *length, guint8 **ret_free, GError **error)
{
    char object[PACK_OBJECT_TEXT];
    if (header[PACK_HEADER_ENCRYPTED] == 0)
        return stored;
    if (key == NULL)
        return error_null(error, SLIPWAY_ERROR_DENIED, "%s is encrypted, and there is no key",
                          pack_name_object(name, "packs", object));
    auto_ptr(store_cipher) cipher = NULL;
    g_autofree guint8 *rows = g_malloc(*length);
    if (*length >= STORE_TAG_SIZE) {
        cipher = store_cipher_new(key, PACK_CIPHER_KIND, header + PACK_HEADER_SALT);
        if (store_cipher_open(cipher, PACK_TABLE_PART, header, PACK_HEADER_SIZE, stored, *length,
                              rows, NULL)) {
            *length -= STORE_TAG_SIZE;
            return *ret_free = g_steal_pointer(&rows);
        }
    }
    damaged(name, error, "its table was not encrypted with the key of this store");
    return NULL;
}

static struct pack_table *
parse_rows(const struct pack_name *name, const guint8 *header, const struct footer *footer,
           guint64 size, const guint8 *rows, gsize length, GError **error)
{
    gsize frames = (gsize)footer->n_frames * PACK_FRAME_ROW;
    gsize chunks = (gsize)footer->n_chunks * PACK_CHUNK_ROW;
    gsize bases = (gsize)footer->n_deltas * PACK_BASE_ROW;
    if (length != frames + chunks + bases) {
        damaged(name, error, "its end gives other numbers than its table has");
        return NULL;
    }
    auto_ptr(pack_table) table = make_table(name, header, footer, size);
    if (!fill_frames(table, rows, rows + frames + chunks, footer->n_deltas, error) ||
        !fill_slots(table, rows + frames, error))
        return NULL;
    return g_steal_pointer(&table);
}

static gboolean
check_size(const struct pack_name *name, guint64 size, GError **error)
{
    if (size >= SIZE_MIN && size <= PACK_SIZE_MAX)
        return TRUE;
    return damaged(name, error, "it has %" G_GUINT64_FORMAT " bytes, which no pack can have", size);
}

struct pack_table *
pack_table_parse(const struct pack_name *name, const struct store_key *key, const guint8 *tail,
                 gsize length, guint64 tail_offset, const guint8 header[32], GError **error)
{
    guint64 size = tail_offset > PACK_SIZE_MAX ? tail_offset : tail_offset + length;
    if (!check_size(name, size, error))
        return NULL;
    struct footer footer;
    if (length < PACK_FOOTER_SIZE) {
        damaged(name, error, "its end is missing");
        return NULL;
    }
    const guint8 *end = tail + length - PACK_FOOTER_SIZE;
    read_footer(end, &footer);
    if (!check_footer(name, end, &footer, size, error))
        return NULL;
    if (footer.table_offset < tail_offset) {
        damaged(name, error, "the beginning of its table is missing");
        return NULL;
    }

    const guint8 *stored = tail + (footer.table_offset - tail_offset);
    struct pack_name found;
    pack_name_compute(header, stored, footer.table_length, &found);
    if (!pack_name_equal(&found, name) || memcmp(footer.digest, name->bytes, 32) != 0) {
        damaged(name, error, "its header and table are not those that gave it its name");
        return NULL;
    }
    if (!check_header(name, header, error))
        return NULL;
    g_autofree guint8 *memory = NULL;
    gsize rows_length = footer.table_length;
    const guint8 *rows = open_rows(name, key, header, stored, &rows_length, &memory, error);
    if (rows == NULL)
        return NULL;
    return parse_rows(name, header, &footer, size, rows, rows_length, error);
}

/* ---- Loading --------------------------------------------------------------------------------- */

/* The last bytes of the object, at least its table: what one read gives, and the rest of a long
 * table.  When the footer is not sane they are what they are: parsing says so. */
static guint8 *
read_tail(struct repo *repo, const char *object, guint64 size, gsize *ret_length, GError **error)
{
    gsize length = MIN(size, TAIL_READ);
    g_autofree guint8 *tail = g_malloc(length);
    *ret_length = length;
    if (!repo_read(repo, object, size - length, tail, length, error))
        return NULL;
    struct footer footer;
    read_footer(tail + length - PACK_FOOTER_SIZE, &footer);
    guint64 wanted = (guint64)footer.table_length + PACK_FOOTER_SIZE;
    if (footer.table_length > PACK_TABLE_MAX || wanted <= length || wanted > size)
        return g_steal_pointer(&tail);

    g_autofree guint8 *longer = g_malloc(wanted);
    if (!repo_read(repo, object, size - wanted, longer, wanted - length, error))
        return NULL;
    memcpy(longer + (wanted - length), tail, length);
    *ret_length = wanted;
    return g_steal_pointer(&longer);
}

struct pack_table *
pack_table_load(struct repo *repo, const struct pack_name *name, const struct store_key *key,
                GError **error)
{
    char object[PACK_OBJECT_TEXT];
    pack_name_object(name, "packs", object);
    guint64 size;
    if (!repo_size(repo, object, &size, error))
        return NULL;
    if (!check_size(name, size, error)) {
        g_prefix_error(error, "%s: ", repo_label(repo));
        return NULL;
    }
    gsize length;
    g_autofree guint8 *tail = read_tail(repo, object, size, &length, error);
    if (tail == NULL)
        return NULL;
    guint8 header[PACK_HEADER_SIZE];
    if (length == size)
        memcpy(header, tail, sizeof header);
    else if (!repo_read(repo, object, 0, header, sizeof header, error))
        return NULL;
    struct pack_table *table =
        pack_table_parse(name, key, tail, length, size - length, header, error);
    if (table == NULL)
        g_prefix_error(error, "%s: ", repo_label(repo));
    return table;
}

struct pack_table *
pack_table_ref(struct pack_table *table)
{
    g_atomic_ref_count_inc(&table->references);
    return table;
}

void
pack_table_unref(struct pack_table *table)
{
    if (table != NULL && g_atomic_ref_count_dec(&table->references))
        g_free(table);
}

guint
pack_table_frame_of(const struct pack_table *table, guint slot)
{
    g_assert(slot < table->n_slots);
    guint low = 0, high = table->n_frames;
    while (high - low > 1) {
        guint middle = low + (high - low) / 2;
        if (table->frames[middle].first_slot <= slot)
            low = middle;
        else
            high = middle;
    }
    return low;
}

gsize
pack_table_memory(const struct pack_table *table)
{
    return sizeof *table + (gsize)table->n_frames * sizeof *table->frames +
           (gsize)table->n_slots * sizeof *table->slots;
}
