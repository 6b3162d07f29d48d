/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/pack_stream.h"

struct pack_stream {
    struct store *store;
    struct pack_stream_options options;
    struct index_writer *index;
    struct pack_writer *pack; /* NULL: none is begun */
    GArray *slots;            /* of struct pack_slot: what is in it */
    guint64 bytes;
    guint packs;
};

struct pack_stream *
pack_stream_new(struct store *store, const struct pack_stream_options *options,
                struct index_writer *index)
{
    struct pack_stream *stream = g_new0(struct pack_stream, 1);
    stream->store = store;
    stream->options = *options;
    stream->index = index;
    stream->slots = g_array_new(FALSE, FALSE, sizeof(struct pack_slot));
    return stream;
}

void
pack_stream_free(struct pack_stream *stream)
{
    if (stream == NULL)
        return;
    pack_writer_abandon(stream->pack);
    g_array_unref(stream->slots);
    g_free(stream);
}

static gboolean
begin_pack(struct pack_stream *stream, GError **error)
{
    struct pack_options options = {
        .key = store_key_of(stream->store),
        .owner = stream->options.owner,
        .parity = store_config(stream->store)->parity,
        .level = stream->options.level,
        .generation = stream->options.generation,
        .unique = TRUE,
    };
    stream->pack =
        pack_writer_new(store_repo(stream->store), stream->options.kind, &options, error);
    return stream->pack != NULL;
}

gboolean
pack_stream_add(struct pack_stream *stream, const struct pack_group *group, GError **error)
{
    gboolean full = stream->pack != NULL &&
                    (pack_writer_size(stream->pack) >= PACK_TARGET ||
                     pack_writer_chunks(stream->pack) + group->n_chunks > PACK_CHUNKS_MAX);
    if ((full && !pack_stream_finish(stream, error)) ||
        (stream->pack == NULL && !begin_pack(stream, error)) ||
        !pack_writer_add(stream->pack, group, error))
        return FALSE;
    guint32 offset = 0;
    for (guint i = 0; i < group->n_chunks; i++) {
        struct pack_slot slot = {group->ids[i], offset, group->lengths[i]};
        g_array_append_val(stream->slots, slot);
        offset += group->lengths[i];
    }
    return TRUE;
}

gboolean
pack_stream_finish(struct pack_stream *stream, GError **error)
{
    struct pack_name name;
    if (stream->pack == NULL)
        return TRUE;
    guint64 size = pack_writer_size(stream->pack);
    if (!pack_writer_finish(g_steal_pointer(&stream->pack), &name, error))
        return FALSE;
    index_writer_add(stream->index, &name, stream->slots->len,
                     (const struct pack_slot *)stream->slots->data);
    g_array_set_size(stream->slots, 0);
    stream->bytes += size;
    stream->packs++;
    return TRUE;
}

guint64
pack_stream_bytes(const struct pack_stream *stream)
{
    return stream->bytes;
}

guint
pack_stream_packs(const struct pack_stream *stream)
{
    return stream->packs;
}
