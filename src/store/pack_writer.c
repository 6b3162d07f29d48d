/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "base/little_endian.h"
#include "base/random.h"
#include "store/pack_format.h"
#include "store/parity.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

G_STATIC_ASSERT(PACK_WRITTEN_MAX <= PACK_SIZE_MAX);
G_STATIC_ASSERT(PACK_CHUNKS_MAX *(PACK_FRAME_ROW + PACK_CHUNK_ROW + PACK_BASE_ROW) +
                    STORE_TAG_SIZE <=
                PACK_TABLE_MAX);

struct pack_writer {
    struct repo *repo;
    struct repo_writer *output;
    struct store_cipher *cipher;   /* NULL: not encrypted */
    struct parity_encoder *parity; /* NULL: none */
    guint8 header[PACK_HEADER_SIZE];
    GByteArray *frames; /* rows of the table */
    GByteArray *chunks;
    GByteArray *bases;
    GByteArray *sealed; /* scratch: one frame encrypted */
    guint n_frames;
    guint n_chunks;
    guint n_deltas;
    gboolean failed; /* a part number is used up: no frame may follow */
};

void
pack_writer_abandon(struct pack_writer *writer)
{
    if (writer == NULL)
        return;
    repo_writer_abandon(writer->output);
    store_cipher_free(writer->cipher);
    parity_encoder_free(writer->parity);
    g_byte_array_unref(writer->frames);
    g_byte_array_unref(writer->chunks);
    g_byte_array_unref(writer->bases);
    g_byte_array_unref(writer->sealed);
    g_free(writer);
}

static gboolean
emit(struct pack_writer *writer, const void *data, gsize length, GError **error)
{
    if (!repo_writer_append(writer->output, data, length, error)) {
        writer->failed = TRUE;
        return FALSE;
    }
    if (writer->parity != NULL)
        parity_encoder_append(writer->parity, data, length);
    return TRUE;
}

static gboolean
begin_header(struct pack_writer *writer, enum pack_kind kind, const struct pack_options *options,
             GError **error)
{
    guint8 *salt = writer->header + PACK_HEADER_SALT;
    memcpy(writer->header, PACK_MAGIC, PACK_MAGIC_SIZE);
    little_endian_put16(writer->header + PACK_HEADER_VERSION, PACK_VERSION);
    writer->header[PACK_HEADER_KIND] = (guint8)kind;
    writer->header[PACK_HEADER_LEVEL] = options->level;
    writer->header[PACK_HEADER_GENERATION] = options->generation;
    if ((options->key != NULL || options->unique) && !random_fill(salt, STORE_SALT_SIZE, error))
        return FALSE;
    if (options->key != NULL) {
        writer->header[PACK_HEADER_ENCRYPTED] = 1;
        writer->cipher = store_cipher_new(options->key, PACK_CIPHER_KIND, salt);
    }
    return emit(writer, writer->header, sizeof writer->header, error);
}

struct pack_writer *
pack_writer_new(struct repo *repo, enum pack_kind kind, const struct pack_options *options,
                GError **error)
{
    auto_ptr(pack_writer) writer = g_new0(struct pack_writer, 1);
    writer->repo = repo;
    writer->frames = g_byte_array_new();
    writer->chunks = g_byte_array_new();
    writer->bases = g_byte_array_new();
    writer->sealed = g_byte_array_new();
    if (options->parity > 0)
        writer->parity = parity_encoder_new(PACK_WRITTEN_MAX, options->parity);
    writer->output = repo_create(repo, options->owner, error);
    if (writer->output == NULL || !begin_header(writer, kind, options, error))
        return NULL;
    return g_steal_pointer(&writer);
}

/* ---- Frames ---------------------------------------------------------------------------------- */

/* What pack_table_parse() would refuse must not be written. */
static gboolean
is_coherent(const struct pack_group *group)
{
    guint64 total = 0;
    for (guint i = 0; i < group->n_chunks; i++) {
        if (group->lengths[i] == 0 || group->lengths[i] > CHUNK_MAX)
            return FALSE;
        total += group->lengths[i];
    }
    if (total == 0 || total != group->plain_length || group->stored_length == 0)
        return FALSE;
    switch (group->codec) {
    case CODEC_NONE:
        return group->stored_length == group->plain_length;
    case CODEC_ZSTD:
    case CODEC_LZ4:
        return group->stored_length < group->plain_length;
    case CODEC_ZSTD_DELTA:
        return group->stored_length < group->plain_length && group->n_chunks == 1 &&
               !chunk_id_equal(&group->base, group->ids);
    }
    return FALSE;
}

static gboolean
check_group(const struct pack_writer *writer, const struct pack_group *group, GError **error)
{
    if (writer->failed)
        return error_set(error, SLIPWAY_ERROR_IO, "%s: writing this pack failed before",
                         repo_label(writer->repo));
    if (pack_writer_size(writer) >= PACK_TARGET ||
        group->n_chunks > PACK_CHUNKS_MAX - writer->n_chunks)
        return error_set(error, SLIPWAY_ERROR_LIMIT,
                         "%s: a pack with %u chunks and %" G_GUINT64_FORMAT
                         " bytes has no room for %u more chunks",
                         repo_label(writer->repo), writer->n_chunks, pack_writer_size(writer),
                         group->n_chunks);
    if (group->plain_length > PACK_GROUP_MAX)
        return error_set(error, SLIPWAY_ERROR_LIMIT,
                         "a group of %u bytes is more than the %u that a frame may have",
                         group->plain_length, PACK_GROUP_MAX);
    if (!is_coherent(group))
        return error_set(error, SLIPWAY_ERROR_FAILED,
                         "a group of %u chunks, %u plain and %u stored bytes does not fit itself",
                         group->n_chunks, group->plain_length, group->stored_length);
    return TRUE;
}

static void
add_rows(struct pack_writer *writer, const struct pack_group *group, guint32 stored_length,
         guint64 checksum)
{
    guint8 frame[PACK_FRAME_ROW] = {0};
    little_endian_put32(frame, stored_length);
    little_endian_put32(frame + 4, group->plain_length);
    little_endian_put32(frame + 8, writer->n_chunks);
    frame[12] = (guint8)group->codec;
    little_endian_put64(frame + 16, checksum);
    g_byte_array_append(writer->frames, frame, sizeof frame);
    writer->n_frames++;

    guint32 offset = 0;
    for (guint i = 0; i < group->n_chunks; i++) {
        guint8 chunk[PACK_CHUNK_ROW];
        memcpy(chunk, group->ids[i].bytes, CHUNK_ID_SIZE);
        little_endian_put32(chunk + 32, offset);
        little_endian_put32(chunk + 36, group->lengths[i]);
        g_byte_array_append(writer->chunks, chunk, sizeof chunk);
        offset += group->lengths[i];
    }
    writer->n_chunks += group->n_chunks;

    if (group->codec == CODEC_ZSTD_DELTA) {
        g_byte_array_append(writer->bases, group->base.bytes, CHUNK_ID_SIZE);
        writer->n_deltas++;
    }
}

gboolean
pack_writer_add(struct pack_writer *writer, const struct pack_group *group, GError **error)
{
    if (!check_group(writer, group, error))
        return FALSE;
    const guint8 *stored = group->stored;
    guint32 length = group->stored_length;
    if (writer->cipher != NULL) {
        length += STORE_TAG_SIZE;
        if (writer->sealed->len < length)
            g_byte_array_set_size(writer->sealed, length);
        store_cipher_seal(writer->cipher, writer->n_frames, NULL, 0, stored, group->stored_length,
                          writer->sealed->data);
        stored = writer->sealed->data;
    }
    guint64 checksum = XXH3_64bits(stored, length);
    if (!emit(writer, stored, length, error))
        return FALSE;
    add_rows(writer, group, length, checksum);
    return TRUE;
}

guint64
pack_writer_size(const struct pack_writer *writer)
{
    return repo_writer_size(writer->output);
}

guint
pack_writer_chunks(const struct pack_writer *writer)
{
    return writer->n_chunks;
}

/* ---- The end --------------------------------------------------------------------------------- */

/* The table as stored. */
static GByteArray *
join_table(struct pack_writer *writer)
{
    GByteArray *table = writer->frames;
    g_byte_array_append(table, writer->chunks->data, writer->chunks->len);
    g_byte_array_append(table, writer->bases->data, writer->bases->len);
    if (writer->cipher == NULL)
        return g_byte_array_ref(table);
    GByteArray *sealed = g_byte_array_new();
    g_byte_array_set_size(sealed, table->len + STORE_TAG_SIZE);
    store_cipher_seal(writer->cipher, PACK_TABLE_PART, writer->header, sizeof writer->header,
                      table->data, table->len, sealed->data);
    return sealed;
}

static gboolean
write_end(struct pack_writer *writer, struct pack_name *ret_name, GError **error)
{
    g_autoptr(GByteArray) table = join_table(writer);
    pack_name_compute(writer->header, table->data, table->len, ret_name);

    guint8 footer[PACK_FOOTER_SIZE] = {0};
    memcpy(footer, PACK_END_MAGIC, PACK_MAGIC_SIZE);
    little_endian_put64(footer + PACK_FOOTER_TABLE_OFFSET, pack_writer_size(writer));
    little_endian_put32(footer + PACK_FOOTER_TABLE_LENGTH, table->len);
    little_endian_put32(footer + PACK_FOOTER_FRAMES, writer->n_frames);
    little_endian_put32(footer + PACK_FOOTER_CHUNKS, writer->n_chunks);
    little_endian_put32(footer + PACK_FOOTER_DELTAS, writer->n_deltas);
    memcpy(footer + PACK_FOOTER_DIGEST, ret_name->bytes, sizeof ret_name->bytes);
    return emit(writer, table->data, table->len, error) &&
           emit(writer, footer, sizeof footer, error);
}

/* Same name, same bytes: what is there already will do. */
static gboolean
forgive_existing(gboolean ok, GError **local, GError **error)
{
    if (!ok && g_error_matches(*local, SLIPWAY_ERROR, SLIPWAY_ERROR_EXISTS)) {
        g_clear_error(local);
        return TRUE;
    }
    if (!ok)
        g_propagate_error(error, g_steal_pointer(local));
    return ok;
}

static gboolean
put_parity(struct pack_writer *writer, const struct pack_name *name, GError **error)
{
    if (writer->parity == NULL)
        return TRUE;
    g_autoptr(GBytes) parity = parity_encoder_finish(writer->parity);
    char object[PACK_OBJECT_TEXT];
    gsize length;
    const void *data = g_bytes_get_data(parity, &length);
    g_autoptr(GError) local = NULL;
    gboolean ok =
        repo_put(writer->repo, pack_name_object(name, "parity", object), data, length, &local);
    return forgive_existing(ok, &local, error);
}

gboolean
pack_writer_finish(struct pack_writer *finished, struct pack_name *ret_name, GError **error)
{
    auto_ptr(pack_writer) writer = finished;
    if (writer->failed)
        return error_set(error, SLIPWAY_ERROR_IO, "%s: writing this pack failed before",
                         repo_label(writer->repo));
    if (writer->n_frames == 0)
        return error_set(error, SLIPWAY_ERROR_FAILED, "%s: a pack without chunks is not written",
                         repo_label(writer->repo));
    if (!write_end(writer, ret_name, error) || !put_parity(writer, ret_name, error))
        return FALSE;
    char object[PACK_OBJECT_TEXT];
    g_autoptr(GError) local = NULL;
    gboolean ok = repo_writer_commit(g_steal_pointer(&writer->output),
                                     pack_name_object(ret_name, "packs", object), &local);
    return forgive_existing(ok, &local, error);
}
