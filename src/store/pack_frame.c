/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "store/pack_format.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

static gboolean
damaged(struct repo *repo, const struct pack_table *table, guint number, const char *words,
        GError **error)
{
    char object[PACK_OBJECT_TEXT];
    return error_set(error, SLIPWAY_ERROR_CORRUPT,
                     "%s: %s is damaged: frame %u: %s; slipway store repair may heal it",
                     repo_label(repo), pack_name_object(&table->name, "packs", object), number,
                     words);
}

gboolean
pack_open_frame(struct repo *repo, const struct pack_table *table, guint number,
                const struct store_key *key, guint8 *stored, guint32 *ret_length, GError **error)
{
    g_assert(number < table->n_frames);
    const struct pack_frame *frame = &table->frames[number];
    char object[PACK_OBJECT_TEXT];
    if (table->encrypted && key == NULL)
        return error_set(error, SLIPWAY_ERROR_DENIED, "%s: %s is encrypted, and there is no key",
                         repo_label(repo), pack_name_object(&table->name, "packs", object));
    *ret_length = frame->stored_length;
    if (XXH3_64bits(stored, frame->stored_length) != frame->checksum)
        return damaged(repo, table, number, "its bytes are not those that were written", error);
    if (!table->encrypted)
        return TRUE;
    g_autoptr(GError) local = NULL;
    auto_ptr(store_cipher) cipher = store_cipher_new(key, PACK_CIPHER_KIND, table->salt);
    if (!store_cipher_open(cipher, number, NULL, 0, stored, frame->stored_length, stored, &local))
        return damaged(repo, table, number, local->message, error);
    *ret_length -= STORE_TAG_SIZE;
    return TRUE;
}

gboolean
pack_decode_frame(struct repo *repo, const struct pack_table *table, guint number,
                  const struct store_key *key, struct codec *codec, const void *prefix,
                  gsize prefix_length, guint8 *stored, guint8 *out, GError **error)
{
    guint32 length;
    g_autoptr(GError) local = NULL;
    if (!pack_open_frame(repo, table, number, key, stored, &length, error))
        return FALSE;
    const struct pack_frame *frame = &table->frames[number];
    return codec_decode(codec, frame->codec, stored, length, prefix, prefix_length, out,
                        frame->plain_length, &local) ||
           damaged(repo, table, number, local->message, error);
}

gboolean
pack_read_frame(struct repo *repo, const struct pack_table *table, guint number,
                const struct store_key *key, struct codec *codec, const void *prefix,
                gsize prefix_length, guint8 *stored, guint8 *out, GError **error)
{
    g_assert(number < table->n_frames);
    const struct pack_frame *frame = &table->frames[number];
    char object[PACK_OBJECT_TEXT];
    return repo_read(repo, pack_name_object(&table->name, "packs", object), frame->offset, stored,
                     frame->stored_length, error) &&
           pack_decode_frame(repo, table, number, key, codec, prefix, prefix_length, stored, out,
                             error);
}
