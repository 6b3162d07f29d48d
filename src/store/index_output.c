/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/index_output.h"

#include "base/error.h"
#include "base/little_endian.h"
#include "store/index.h"

#define BUFFER (256u << 10)

struct writing {
    struct repo_writer *output;
    struct object_hash *hash;
    guint8 *buffer;
    gsize filled;
};

static gboolean
flush(struct writing *writing, GError **error)
{
    object_hash_update(writing->hash, writing->buffer, writing->filled);
    gsize length = writing->filled;
    writing->filled = 0;
    return repo_writer_append(writing->output, writing->buffer, length, error);
}

/* `length` bytes, of which the buffer must hold many, that the caller fills. */
static guint8 *
reserve(struct writing *writing, gsize length, GError **error)
{
    if (writing->filled + length > BUFFER && !flush(writing, error))
        return NULL;
    guint8 *room = writing->buffer + writing->filled;
    writing->filled += length;
    return room;
}

static gboolean
write_names(struct writing *writing, GPtrArray *names, GError **error)
{
    for (guint i = 0; i < names->len; i++) {
        guint8 *row = reserve(writing, INDEX_NAME_ROW, error);
        if (row == NULL)
            return FALSE;
        memcpy(row, names->pdata[i], INDEX_NAME_ROW);
    }
    return TRUE;
}

static guint64
count_entries(const struct index_output *output)
{
    auto_ptr(index_merge) merge = index_merge_new(output->runs, output->n_runs);
    struct index_entry entry;
    guint64 n = 0;
    while (index_merge_next(merge, &entry))
        n++;
    return n;
}

static gboolean
write_entries(struct writing *writing, const struct index_output *output, guint64 expected,
              GError **error)
{
    auto_ptr(index_merge) merge = index_merge_new(output->runs, output->n_runs);
    struct index_entry entry;
    guint64 n = 0;
    for (; index_merge_next(merge, &entry); n++) {
        guint8 *row = reserve(writing, INDEX_ENTRY_ROW, error);
        if (row == NULL)
            return FALSE;
        little_endian_put64(row, entry.fingerprint);
        little_endian_put32(row + 8, entry.pack);
        little_endian_put16(row + 12, entry.slot);
        little_endian_put16(row + 14, 0);
    }
    if (n == expected)
        return TRUE;
    return error_set(error, SLIPWAY_ERROR_CORRUPT, "%s: an index object changed while it was read",
                     repo_label(output->repo));
}

static gboolean
write_all(struct writing *writing, const struct index_output *output,
          const struct index_header *header, guint8 *ret_digest, GError **error)
{
    index_header_write(header, reserve(writing, INDEX_HEADER_SIZE, error));
    if (!write_names(writing, output->packs, error) ||
        !write_names(writing, output->replaced, error) ||
        !write_entries(writing, output, header->n_entries, error) || !flush(writing, error))
        return FALSE;
    object_hash_finish(writing->hash, ret_digest);
    return repo_writer_append(writing->output, ret_digest, OBJECT_HASH_SIZE, error);
}

static gboolean
commit(struct repo_writer *output, const guint8 *digest, GError **error)
{
    char object[INDEX_OBJECT_TEXT];
    g_autoptr(GError) local = NULL;
    if (repo_writer_commit(output, index_object_format(digest, object), &local) ||
        g_error_matches(local, SLIPWAY_ERROR, SLIPWAY_ERROR_EXISTS))
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&local));
    return FALSE;
}

/* The owner is 32 hex digits. */
static void
read_owner(const char *text, guint8 ret[INDEX_OWNER_SIZE])
{
    for (gsize i = 0; i < INDEX_OWNER_SIZE; i++)
        ret[i] = (guint8)(g_ascii_xdigit_value(text[2 * i]) << 4 |
                          g_ascii_xdigit_value(text[2 * i + 1]));
}

gboolean
index_output_write(const struct index_output *output, GError **error)
{
    /* The header comes first and has the number of entries, which is known only when those that are
     * there twice were met: so all runs are merged two times. */
    struct index_header header = {
        .n_packs = output->packs->len,
        .n_replaced = output->replaced->len,
        .n_entries = count_entries(output),
    };
    read_owner(output->owner, header.owner);
    if (header.n_replaced > INDEX_OBJECTS_MAX || index_header_size(&header) == G_MAXUINT64)
        return error_set(error, SLIPWAY_ERROR_LIMIT,
                         "%s: an index of %" G_GUINT64_FORMAT
                         " chunks in place of %u others is beyond what one object may hold",
                         repo_label(output->repo), header.n_entries, header.n_replaced);
    auto_ptr(repo_writer) writer = repo_create(output->repo, output->owner, error);
    if (writer == NULL)
        return FALSE;
    auto_ptr(object_hash) hash = object_hash_new();
    g_autofree guint8 *buffer = g_malloc(BUFFER);
    struct writing writing = {.output = writer, .hash = hash, .buffer = buffer};
    guint8 digest[OBJECT_HASH_SIZE];
    return write_all(&writing, output, &header, digest, error) &&
           commit(g_steal_pointer(&writer), digest, error);
}
