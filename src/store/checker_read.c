/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading all data: each thread takes a pack at a time and reads it from front to back.  A delta
 * needs its base, which the reader of the thread gets from wherever it is. */
#include "base/cancel.h"
#include "base/error.h"
#include "store/checker_private.h"
#include "store/parity.h"

/* Stored bytes that are read at once. */
#define READ_LENGTH (1u << 20)

struct crew {
    struct check *check;
    GPtrArray *packs; /* of struct check_pack * */
    GMutex lock;      /* of what follows */
    guint next;
    GError *error; /* the first; everybody stops */
};

struct worker {
    struct crew *crew;
    struct chunk_reader *reader; /* for bases */
    struct chunk_hasher *hasher;
    struct codec *codec;
    guint8 *stored, *plain;
    gsize stored_room, plain_room;
    guint64 bytes;
    guint packs;
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

/* ---- What is wrong --------------------------------------------------------------------------- */

static void
add_bad(struct worker *worker, struct check_pack *pack, const struct pack_table *table, guint slot,
        const struct chunk_id *base, const char *words)
{
    struct check *check = worker->crew->check;
    struct bad_copy copy = {.pack = pack, .slot = slot, .id = table->slots[slot].id};
    copy.words = g_strdup(words);
    copy.has_base = base != NULL;
    if (base != NULL)
        copy.base = *base;
    g_mutex_lock(&check->lock);
    g_array_append_val(check->bad, copy);
    if (pack->bad == NULL)
        pack->bad = g_malloc0((pack->n_slots + 7) / 8);
    checker_bit_set(pack->bad, slot);
    g_mutex_unlock(&check->lock);
}

/* All chunks of a frame; FALSE when `why` is no damage.  Takes `why`. */
static gboolean
add_bad_frame(struct worker *worker, struct check_pack *pack, const struct pack_table *table,
              guint number, GError *why, GError **error)
{
    const struct pack_frame *frame = &table->frames[number];
    if (!checker_is_damage(why)) {
        g_propagate_error(error, why);
        return FALSE;
    }
    g_mutex_lock(&worker->crew->check->lock);
    checker_count_io(worker->crew->check, why);
    g_mutex_unlock(&worker->crew->check->lock);
    for (guint i = 0; i < frame->n_slots; i++)
        add_bad(worker, pack, table, frame->first_slot + i, NULL, why->message);
    g_error_free(why);
    return TRUE;
}

/* ---- Frames ---------------------------------------------------------------------------------- */

static const guint8 *
get_base(struct worker *worker, const struct chunk_id *id, gsize *ret_length, GBytes **ret_free,
         GError **error)
{
    struct chunk_id found;
    const guint8 *bytes;
    g_autoptr(GError) local = NULL;
    /* Without a copy; but of a chunk that is a delta elsewhere it is the base of that. */
    if (chunk_reader_base(worker->reader, id, &found, &bytes, ret_length, &local) &&
        *ret_length > 0 && chunk_id_equal(&found, id))
        return bytes;
    *ret_free = chunk_reader_bytes(worker->reader, id, error);
    return *ret_free != NULL ? g_bytes_get_data(*ret_free, ret_length) : NULL;
}

/* A delta that no set needs may have outlived its base. */
static gboolean
miss_base(struct worker *worker, struct check_pack *pack, const struct pack_table *table,
          guint number, GError *why, GError **error)
{
    const struct pack_frame *frame = &table->frames[number];
    gboolean gone = checker_is_gone(why), damage = checker_is_damage(why);
    if (!gone && !damage) {
        g_propagate_error(error, why);
        return FALSE;
    }
    if (damage || checker_bit(pack->needed, frame->first_slot)) {
        char text[CHUNK_ID_TEXT];
        g_autofree char *words = g_strdup_printf("base %s of this delta cannot be read: %s",
                                                 chunk_id_format(&frame->base, text), why->message);
        add_bad(worker, pack, table, frame->first_slot, &frame->base, words);
    }
    g_error_free(why);
    return TRUE;
}

static void
check_chunks(struct worker *worker, struct check_pack *pack, const struct pack_table *table,
             const struct pack_frame *frame)
{
    for (guint i = frame->first_slot; i < frame->first_slot + frame->n_slots; i++) {
        const struct pack_slot *slot = &table->slots[i];
        struct chunk_id found;
        chunk_hasher_run(worker->hasher, worker->plain + slot->offset, slot->length, &found);
        if (chunk_id_equal(&found, &slot->id))
            worker->bytes += slot->length;
        else
            add_bad(worker, pack, table, i, NULL,
                    "its bytes have another digest; `slipway store repair` may heal it");
    }
}

static gboolean
check_frame(struct worker *worker, struct check_pack *pack, const struct pack_table *table,
            guint number, guint8 *stored, GError **error)
{
    struct store *store = worker->crew->check->store;
    const struct pack_frame *frame = &table->frames[number];
    GError *local = NULL;
    const guint8 *base = NULL;
    gsize base_length = 0;
    g_autoptr(GBytes) base_bytes = NULL;
    if (frame->codec == CODEC_ZSTD_DELTA) {
        base = get_base(worker, &frame->base, &base_length, &base_bytes, &local);
        if (base == NULL)
            return miss_base(worker, pack, table, number, local, error);
    }
    make_room(&worker->plain, &worker->plain_room, frame->plain_length);
    if (!pack_decode_frame(store_repo(store), table, number, store_key_of(store), worker->codec,
                           base, base_length, stored, worker->plain, &local))
        return add_bad_frame(worker, pack, table, number, local, error);
    check_chunks(worker, pack, table, frame);
    return TRUE;
}

/* ---- Packs ----------------------------------------------------------------------------------- */

/* Frames first ... last - 1.  What cannot be read with its neighbours is read alone. */
static gboolean
check_run(struct worker *worker, struct check_pack *pack, const struct pack_table *table,
          guint first, guint last, gboolean *ret_gone, GError **error)
{
    struct repo *repo = store_repo(worker->crew->check->store);
    const struct pack_frame *frames = table->frames;
    guint64 start = frames[first].offset;
    gsize length = (gsize)(frames[last - 1].offset + frames[last - 1].stored_length - start);
    char object[PACK_OBJECT_TEXT];
    pack_name_object(&table->name, "packs", object);
    make_room(&worker->stored, &worker->stored_room, length);
    gboolean ok = repo_read(repo, object, start, worker->stored, length, NULL);
    for (guint i = first; i < last; i++) {
        guint8 *stored = worker->stored + (frames[i].offset - start);
        GError *local = NULL;
        if (!ok &&
            !repo_read(repo, object, frames[i].offset, stored, frames[i].stored_length, &local)) {
            if ((*ret_gone = checker_is_gone(local))) {
                g_error_free(local);
                return TRUE;
            }
            if (!add_bad_frame(worker, pack, table, i, local, error))
                return FALSE;
        } else if (!check_frame(worker, pack, table, i, stored, error)) {
            return FALSE;
        }
    }
    progress_advance(worker->crew->check->options->progress, length);
    return TRUE;
}

/* Not by the locator, whose tables are for what is read here and there. */
static gboolean
check_pack(struct worker *worker, struct check_pack *pack, GError **error)
{
    struct check *check = worker->crew->check;
    g_autoptr(GError) local = NULL;
    gboolean gone = FALSE;
    auto_ptr(pack_table) table =
        pack_table_load(store_repo(check->store), &pack->name, store_key_of(check->store), &local);
    if (table == NULL) {
        /* What cannot be read now, and could before, is told as bad when it is read again. */
        if (checker_is_gone(local))
            return TRUE;
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    for (guint first = 0, last; first < table->n_frames && !gone; first = last) {
        gsize length = table->frames[first].stored_length;
        for (last = first + 1; last < table->n_frames; last++) {
            if (length + table->frames[last].stored_length > READ_LENGTH)
                break;
            length += table->frames[last].stored_length;
        }
        if (!cancel_check(error) || !check_run(worker, pack, table, first, last, &gone, error))
            return FALSE;
    }
    worker->packs++;
    return TRUE;
}

/* ---- Parity ---------------------------------------------------------------------------------- */

static gboolean
check_parity(struct worker *worker, struct check_pack *pack, GError **error)
{
    struct check *check = worker->crew->check;
    char object[PACK_OBJECT_TEXT], parity[PACK_OBJECT_TEXT];
    struct parity_report report;
    g_autoptr(GError) local = NULL;
    g_autofree char *words = NULL;
    pack_name_object(&pack->name, "packs", object);
    pack_name_object(&pack->name, "parity", parity);
    if (parity_scan(store_repo(check->store), object, parity, &report, &local)) {
        if (report.parity_damaged > 0)
            words = g_strdup_printf("%" G_GUINT64_FORMAT " parts of this parity are damaged; "
                                    "`slipway store repair` makes it again",
                                    report.parity_damaged);
        parity_report_clear(&report);
    } else if (checker_is_damage(local)) {
        words = g_strdup(local->message);
    } else if (!checker_is_gone(local)) {
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    if (words != NULL) {
        g_mutex_lock(&check->lock);
        checker_add(check, CHECKER_PARITY, parity, NULL, words);
        g_mutex_unlock(&check->lock);
    }
    return TRUE;
}

/* ---- Threads --------------------------------------------------------------------------------- */

static struct check_pack *
take(struct crew *crew)
{
    g_mutex_lock(&crew->lock);
    gboolean any = crew->error == NULL && crew->next < crew->packs->len;
    struct check_pack *pack = any ? crew->packs->pdata[crew->next++] : NULL;
    g_mutex_unlock(&crew->lock);
    return pack;
}

static gpointer
work(gpointer data)
{
    struct worker *worker = data;
    struct crew *crew = worker->crew;
    struct check *check = crew->check;
    gboolean parity = check->options->read_data && store_config(check->store)->parity > 0;
    struct check_pack *pack;
    GError *error = NULL;
    while (error == NULL && (pack = take(crew)) != NULL) {
        if (check_pack(worker, pack, &error) && parity)
            check_parity(worker, pack, &error);
    }
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
    struct check *check = crew->check;
    worker->crew = crew;
    worker->reader = chunk_reader_new(check->store, check->locator);
    worker->hasher = chunk_hasher_new(store_key_id_key(store_key_of(check->store)));
    worker->codec = codec_new();
}

static void
end_worker(struct worker *worker)
{
    worker->crew->check->report->read_bytes += worker->bytes;
    worker->crew->check->report->packs_read += worker->packs;
    chunk_reader_free(worker->reader);
    chunk_hasher_free(worker->hasher);
    codec_free(worker->codec);
    g_free(worker->stored);
    g_free(worker->plain);
}

static void
run_crew(struct crew *crew)
{
    guint n = MAX(MIN(crew->check->threads, crew->packs->len), 1);
    struct worker workers[CHECKER_THREADS_MAX] = {0};
    GThread *threads[CHECKER_THREADS_MAX] = {NULL};
    for (guint i = 0; i < n; i++)
        start_worker(&workers[i], crew);
    for (guint i = 1; i < n; i++)
        threads[i] = g_thread_new("check", work, &workers[i]);
    work(&workers[0]);
    for (guint i = 1; i < n; i++)
        g_thread_join(threads[i]);
    for (guint i = 0; i < n; i++)
        end_worker(&workers[i]);
}

gboolean
checker_read(struct check *check, GPtrArray *packs, GError **error)
{
    struct crew crew = {.check = check, .packs = packs};
    guint64 total = 0;
    for (guint i = 0; i < packs->len; i++)
        total += ((struct check_pack *)packs->pdata[i])->size;
    g_mutex_init(&crew.lock);
    progress_begin(check->options->progress, total, PROGRESS_BYTES, "reading %u packs", packs->len);
    run_crew(&crew);
    progress_end(check->options->progress, crew.error == NULL);
    g_mutex_clear(&crew.lock);
    if (crew.error == NULL)
        return TRUE;
    g_propagate_error(error, crew.error);
    return FALSE;
}
