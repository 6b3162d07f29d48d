/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/cancel.h"
#include "base/error.h"
#include "store/sweeper_private.h"

/* Plain bytes of a group that is made of what remains of others: as writers make them. */
#define GROUP_SIZE (128u << 10)

gboolean
sweeper_forgive(struct sweep *sweep, struct live_pack *pack, GError *why, GError **error)
{
    char object[PACK_OBJECT_TEXT];
    gboolean damage = g_error_matches(why, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT) ||
                      g_error_matches(why, SLIPWAY_ERROR, SLIPWAY_ERROR_IO);
    if (!damage) {
        g_propagate_error(error, why);
        return FALSE;
    }
    if (!pack->unreadable)
        sweeper_note(sweep, "%s stays, as it cannot be read in full: %s",
                     pack_name_object(&pack->name, "packs", object), why->message);
    pack->unreadable = TRUE;
    g_error_free(why);
    return TRUE;
}

/* ---- Frames ---------------------------------------------------------------------------------- */

gboolean
sweeper_copy_frame(struct frame_source *source, const struct pack_table *table, guint number,
                   struct pack_stream *stream, GError **error)
{
    const struct pack_frame *frame = &table->frames[number];
    struct repo *repo = store_repo(source->sweep->store);
    char object[PACK_OBJECT_TEXT];
    guint32 length;
    source->reading = TRUE;
    if (!repo_read(repo, pack_name_object(&table->name, "packs", object), frame->offset,
                   source->stored, frame->stored_length, error) ||
        !pack_open_frame(repo, table, number, store_key_of(source->sweep->store), source->stored,
                         &length, error))
        return FALSE;
    g_autofree struct chunk_id *ids = g_new(struct chunk_id, frame->n_slots);
    g_autofree guint32 *lengths = g_new(guint32, frame->n_slots);
    for (guint i = 0; i < frame->n_slots; i++) {
        ids[i] = table->slots[frame->first_slot + i].id;
        lengths[i] = table->slots[frame->first_slot + i].length;
    }
    struct pack_group group = {
        .codec = frame->codec,
        .plain_length = frame->plain_length,
        .stored = source->stored,
        .stored_length = length,
        .base = frame->base,
        .n_chunks = frame->n_slots,
        .ids = ids,
        .lengths = lengths,
    };
    source->reading = FALSE;
    return pack_stream_add(stream, &group, error);
}

static gboolean
check_chunk(struct frame_source *source, const struct pack_table *table, guint slot, GError **error)
{
    const struct pack_slot *row = &table->slots[slot];
    struct chunk_id found;
    char text[CHUNK_ID_TEXT];
    chunk_hasher_run(source->hasher, source->plain + row->offset, row->length, &found);
    return chunk_id_equal(&found, &row->id) ||
           error_set(error, SLIPWAY_ERROR_CORRUPT, "chunk %s: its bytes have another digest",
                     chunk_id_format(&row->id, text));
}

gboolean
sweeper_split_frame(struct frame_source *source, struct live_pack *pack,
                    const struct pack_table *table, guint number, struct regroup *regroup,
                    GError **error)
{
    const struct pack_frame *frame = &table->frames[number];
    struct store *store = source->sweep->store;
    source->reading = TRUE;
    if (!pack_read_frame(store_repo(store), table, number, store_key_of(store), source->codec, NULL,
                         0, source->stored, source->plain, error))
        return FALSE;
    for (guint s = frame->first_slot; s < frame->first_slot + frame->n_slots; s++) {
        const struct pack_slot *slot = &table->slots[s];
        if (!live_bit(pack->live, s) || live_bit(pack->moved, s))
            continue;
        source->reading = TRUE;
        if (!check_chunk(source, table, s, error))
            return FALSE;
        source->reading = FALSE;
        if (!regroup_add(regroup, &slot->id, source->plain + slot->offset, slot->length, error))
            return FALSE;
        live_bit_set(pack->moved, s);
    }
    return TRUE;
}

/* ---- Packs ----------------------------------------------------------------------------------- */

static guint
count_live(const struct live_pack *pack, const struct pack_frame *frame)
{
    guint n = 0;
    for (guint s = frame->first_slot; s < frame->first_slot + frame->n_slots; s++)
        n += live_bit(pack->live, s);
    return n;
}

static gboolean
move_frames(struct frame_source *source, struct live_pack *pack, const struct pack_table *table,
            struct pack_stream *stream, struct regroup *regroup, GError **error)
{
    for (guint i = 0; i < table->n_frames; i++) {
        const struct pack_frame *frame = &table->frames[i];
        guint n = count_live(pack, frame);
        if (n > 0 &&
            !(n == frame->n_slots ? sweeper_copy_frame(source, table, i, stream, error)
                                  : sweeper_split_frame(source, pack, table, i, regroup, error)))
            return FALSE;
        progress_advance(source->sweep->options->progress, frame->stored_length);
    }
    return TRUE;
}

static gboolean
move_pack(struct frame_source *source, struct live_pack *pack, struct pack_stream *stream,
          struct regroup *regroup, GError **error)
{
    GError *local = NULL;
    if (!cancel_check(error))
        return FALSE;
    source->reading = TRUE;
    auto_ptr(pack_table) table = locator_table(source->sweep->locator, &pack->name, &local);
    if (table != NULL && move_frames(source, pack, table, stream, regroup, &local))
        return TRUE;
    if (source->reading)
        return sweeper_forgive(source->sweep, pack, local, error);
    g_propagate_error(error, local);
    return FALSE;
}

static struct regroup *
make_regroup(struct sweep *sweep, const struct live_pack *pack, struct pack_stream *stream)
{
    const struct store_config *config = store_config(sweep->store);
    struct regroup_options options = {.codec = config->codec,
                                      .level = config->level,
                                      .group_size = GROUP_SIZE,
                                      .threads = sweep->options->threads};
    if (pack->level > 0)
        options = (struct regroup_options){CODEC_ZSTD, pack->level, SWEEPER_GROUP_OPTIMIZED,
                                           sweep->options->threads};
    else if (pack->kind == PACK_NODES)
        options.codec = CODEC_ZSTD, options.level = STORE_LEVEL_DEFAULT;
    return regroup_new(stream, &options);
}

static void
count_written(struct sweep *sweep, const struct pack_stream *stream)
{
    sweep->report->written_packs += pack_stream_packs(stream);
    sweep->report->written_bytes += pack_stream_bytes(stream);
}

/* Packs [first, end) have one kind and level. */
static gboolean
move_alike(struct frame_source *source, GPtrArray *packs, guint first, guint end,
           struct index_writer *index, guint8 generation, GError **error)
{
    struct sweep *sweep = source->sweep;
    const struct live_pack *like = packs->pdata[first];
    struct pack_stream_options options = {like->kind, lease_id(sweep->lease), like->level,
                                          generation};
    auto_ptr(pack_stream) stream = pack_stream_new(sweep->store, &options, index);
    auto_ptr(regroup) regroup = make_regroup(sweep, like, stream);
    for (guint i = first; i < end; i++) {
        if (!move_pack(source, packs->pdata[i], stream, regroup, error))
            return FALSE;
    }
    if (!regroup_flush(regroup, error) || !pack_stream_finish(stream, error))
        return FALSE;
    count_written(sweep, stream);
    return TRUE;
}

static gint
compare_kinds(gconstpointer left, gconstpointer right)
{
    const struct live_pack *a = *(struct live_pack *const *)left,
                           *b = *(struct live_pack *const *)right;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    if (a->level != b->level)
        return a->level < b->level ? -1 : 1;
    return memcmp(&a->name, &b->name, sizeof a->name);
}

static gboolean
move_plain(struct frame_source *source, GPtrArray *packs, struct index_writer *index,
           guint8 generation, GError **error)
{
    g_ptr_array_sort(packs, compare_kinds);
    for (guint first = 0, end; first < packs->len; first = end) {
        const struct live_pack *like = packs->pdata[first];
        for (end = first + 1; end < packs->len; end++) {
            const struct live_pack *pack = packs->pdata[end];
            if (pack->kind != like->kind || pack->level != like->level)
                break;
        }
        if (!move_alike(source, packs, first, end, index, generation, error))
            return FALSE;
    }
    return TRUE;
}

/* What is to be optimised, and what only loses its dead chunks. */
static void
sort_out(struct sweep *sweep, GPtrArray *packs, GPtrArray *optimize, GPtrArray *plain)
{
    for (guint i = 0; i < packs->len; i++) {
        struct live_pack *pack = packs->pdata[i];
        gboolean both = sweep->options->optimize && pack->level < sweep->options->level;
        g_ptr_array_add(both ? optimize : plain, pack);
    }
}

static guint8
next_generation(GPtrArray *packs)
{
    guint8 highest = 0;
    for (guint i = 0; i < packs->len; i++)
        highest = MAX(highest, ((struct live_pack *)packs->pdata[i])->generation);
    return highest < G_MAXUINT8 ? highest + 1 : highest;
}

static gboolean
move_all(struct frame_source *source, GPtrArray *packs, GError **error)
{
    struct sweep *sweep = source->sweep;
    g_autoptr(GPtrArray) optimize = g_ptr_array_new(), plain = g_ptr_array_new();
    auto_ptr(index_writer) index = index_writer_new(lease_id(sweep->lease));
    guint8 generation = next_generation(packs);
    sort_out(sweep, packs, optimize, plain);
    return move_plain(source, plain, index, generation, error) &&
           sweeper_optimize(source, optimize, index, generation, error) &&
           lease_check(sweep->lease, error) &&
           index_writer_finish(g_steal_pointer(&index), store_repo(sweep->store), error) &&
           chunk_index_refresh(locator_index(sweep->locator), error);
}

gboolean
sweeper_move(struct sweep *sweep, GPtrArray *packs, GPtrArray **ret_done, GError **error)
{
    guint64 total = 0;
    *ret_done = g_ptr_array_new();
    if (packs->len == 0)
        return TRUE;
    for (guint i = 0; i < packs->len; i++)
        total += ((struct live_pack *)packs->pdata[i])->frame_bytes;
    progress_begin(sweep->options->progress, total, PROGRESS_BYTES, "rewriting %u packs",
                   packs->len);
    struct frame_source source = {
        .sweep = sweep,
        .codec = codec_new(),
        .hasher = chunk_hasher_new(store_key_id_key(store_key_of(sweep->store))),
        .stored = g_malloc(PACK_GROUP_MAX + STORE_TAG_SIZE),
        .plain = g_malloc(PACK_GROUP_MAX),
    };
    gboolean ok = move_all(&source, packs, error);
    codec_free(source.codec);
    chunk_hasher_free(source.hasher);
    g_free(source.stored);
    g_free(source.plain);
    for (guint i = 0; ok && i < packs->len; i++) {
        struct live_pack *pack = packs->pdata[i];
        if (pack->unreadable)
            continue;
        g_ptr_array_add(*ret_done, pack);
        sweep->report->moved_packs++;
        sweep->report->moved_bytes += pack->size;
    }
    progress_end(sweep->options->progress, ok);
    return ok;
}
