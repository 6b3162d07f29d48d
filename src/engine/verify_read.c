/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/verify_private.h"

#include "base/cancel.h"

/* Stored bytes that are read at once. */
#define READ_LENGTH (1u << 20)
#define THREADS_MAX 64u

struct crew {
    struct verify *verify;
    GPtrArray *packs; /* of struct pack_need * */
    GMutex lock;      /* of what follows */
    guint next;
    GError *error; /* the first; everybody stops */
};

struct worker {
    struct crew *crew;
    struct chunk_reader *reader; /* for deltas, and what is damaged */
    struct chunk_hasher *hasher;
    struct codec *codec;
    guint8 *stored, *plain;
    gsize stored_room, plain_room;
    guint64 chunks, bytes;
};

static guint8 *
make_room(guint8 **buffer, gsize *room, gsize length)
{
    if (*room < length) {
        g_free(*buffer);
        *buffer = g_malloc(length);
        *room = length;
    }
    return *buffer;
}

static gboolean
frame_is_needed(const struct pack_need *need, const struct pack_frame *frame)
{
    for (guint i = 0; i < frame->n_slots; i++) {
        if (pack_need_has(need, frame->first_slot + i))
            return TRUE;
    }
    return FALSE;
}

static void
count(struct worker *worker, const struct pack_slot *slot)
{
    worker->chunks++;
    worker->bytes += slot->length;
}

/* With all that a reader tries: other copies, bases. */
static gboolean
read_slot(struct worker *worker, const struct pack_slot *slot, GError **error)
{
    GError *local = NULL;
    if (chunk_reader_peek(worker->reader, &slot->id, slot->length, &local) == NULL)
        return verify_add_damaged(worker->crew->verify, &slot->id, local, error);
    count(worker, slot);
    return TRUE;
}

static gboolean
is_right(struct worker *worker, const struct pack_slot *slot)
{
    struct chunk_id found;
    chunk_hasher_run(worker->hasher, worker->plain + slot->offset, slot->length, &found);
    return chunk_id_equal(&found, &slot->id);
}

/* `stored` NULL: its bytes could not be read with those of its neighbours. */
static gboolean
check_frame(struct worker *worker, const struct pack_table *table, const struct pack_need *need,
            guint number, guint8 *stored, GError **error)
{
    struct store *store = worker->crew->verify->store;
    const struct pack_frame *frame = &table->frames[number];
    guint64 before = worker->bytes;
    gboolean plain = FALSE;
    if (stored != NULL && frame->codec != CODEC_ZSTD_DELTA) {
        make_room(&worker->plain, &worker->plain_room, frame->plain_length);
        plain = pack_decode_frame(store_repo(store), table, number, store_key_of(store),
                                  worker->codec, NULL, 0, stored, worker->plain, NULL);
    }
    for (guint i = frame->first_slot; i < frame->first_slot + frame->n_slots; i++) {
        const struct pack_slot *slot = &table->slots[i];
        if (!pack_need_has(need, i))
            continue;
        if (plain && is_right(worker, slot))
            count(worker, slot);
        else if (!read_slot(worker, slot, error))
            return FALSE;
    }
    progress_advance(worker->crew->verify->options->progress, worker->bytes - before);
    return TRUE;
}

/* Frames first ... last - 1, which lie together. */
static gboolean
check_run(struct worker *worker, const struct pack_table *table, const struct pack_need *need,
          guint first, guint last, GError **error)
{
    struct store *store = worker->crew->verify->store;
    const struct pack_frame *frames = table->frames;
    guint64 start = frames[first].offset;
    gsize length = (gsize)(frames[last - 1].offset + frames[last - 1].stored_length - start);
    char object[PACK_OBJECT_TEXT];
    make_room(&worker->stored, &worker->stored_room, length);
    gboolean ok = repo_read(store_repo(store), pack_name_object(&table->name, "packs", object),
                            start, worker->stored, length, NULL);
    for (guint i = first; i < last; i++) {
        guint8 *stored = ok ? worker->stored + (frames[i].offset - start) : NULL;
        if (!check_frame(worker, table, need, i, stored, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean
check_pack(struct worker *worker, struct pack_need *need, GError **error)
{
    auto_ptr(pack_table) table = locator_table(worker->crew->verify->locator, &need->pack, NULL);
    if (table == NULL) {
        need->failed = TRUE;
        return TRUE;
    }
    for (guint first = 0; first < table->n_frames;) {
        if (!frame_is_needed(need, &table->frames[first])) {
            first++;
            continue;
        }
        guint last = first + 1;
        gsize length = table->frames[first].stored_length;
        while (last < table->n_frames && frame_is_needed(need, &table->frames[last]) &&
               length + table->frames[last].stored_length <= READ_LENGTH)
            length += table->frames[last++].stored_length;
        if (!cancel_check(error) || !check_run(worker, table, need, first, last, error))
            return FALSE;
        first = last;
    }
    return TRUE;
}

static struct pack_need *
take(struct crew *crew)
{
    g_mutex_lock(&crew->lock);
    gboolean any = crew->error == NULL && crew->next < crew->packs->len;
    struct pack_need *need = any ? crew->packs->pdata[crew->next++] : NULL;
    g_mutex_unlock(&crew->lock);
    return need;
}

static gpointer
work(gpointer data)
{
    struct worker *worker = data;
    struct crew *crew = worker->crew;
    struct pack_need *need;
    GError *error = NULL;
    while (error == NULL && (need = take(crew)) != NULL)
        check_pack(worker, need, &error);
    if (error == NULL)
        return NULL;
    g_mutex_lock(&crew->lock);
    if (crew->error == NULL)
        crew->error = error;
    else
        g_error_free(error);
    g_mutex_unlock(&crew->lock);
    return NULL;
}

static void
start_worker(struct worker *worker, struct crew *crew)
{
    struct verify *verify = crew->verify;
    worker->crew = crew;
    worker->reader = chunk_reader_new(verify->store, verify->locator);
    worker->hasher = chunk_hasher_new(store_key_id_key(store_key_of(verify->store)));
    worker->codec = codec_new();
}

static void
end_worker(struct worker *worker)
{
    worker->crew->verify->chunks += worker->chunks;
    worker->crew->verify->bytes += worker->bytes;
    chunk_reader_free(worker->reader);
    chunk_hasher_free(worker->hasher);
    codec_free(worker->codec);
    g_free(worker->stored);
    g_free(worker->plain);
}

gboolean
verify_read(struct verify *verify, GError **error)
{
    g_autoptr(GPtrArray) packs = chunk_needs_packs(verify->needs);
    struct crew crew = {.verify = verify, .packs = packs};
    guint wanted =
        verify->options->threads != 0 ? verify->options->threads : g_get_num_processors();
    guint n = CLAMP(MIN(wanted, packs->len), 1, THREADS_MAX);
    struct worker workers[THREADS_MAX] = {0};
    GThread *threads[THREADS_MAX] = {NULL};
    g_mutex_init(&crew.lock);
    for (guint i = 0; i < n; i++)
        start_worker(&workers[i], &crew);
    for (guint i = 1; i < n; i++)
        threads[i] = g_thread_new("verify", work, &workers[i]);
    work(&workers[0]);
    for (guint i = 1; i < n; i++)
        g_thread_join(threads[i]);
    for (guint i = 0; i < n; i++)
        end_worker(&workers[i]);
    g_mutex_clear(&crew.lock);
    if (crew.error == NULL)
        return TRUE;
    g_propagate_error(error, crew.error);
    return FALSE;
}
