/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/pipeline.h"

#include "base/cancel.h"
#include "base/error.h"

enum stage {
    STAGE_EMPTY,
    STAGE_READING,
    STAGE_READ,
    STAGE_PLANNING,
    STAGE_PLANNED,
    STAGE_DECIDED,
    STAGE_ENCODING,
    STAGE_ENCODED,
};

struct slot {
    enum stage stage;
    struct segment *segment;
};

/* Segments have sequence numbers in the order of the disk; sequence s is in slot s mod window. */
struct pipeline {
    const struct pipeline_input *input;
    struct store *store;
    struct store_writer *writer;
    struct progress *progress;
    struct map_builder *builder;
    struct segment_stats *stats;
    guint64 segments; /* of the disk */
    guint window;     /* segments on their way at most */
    struct slot *slots;

    GMutex lock; /* of what follows */
    GCond changed;
    guint64 next_segment;          /* of the disk, to be looked at by the next reader */
    guint hint;                    /* in the list of changed extents */
    guint64 read, decided, stored; /* next sequence for each step */
    gboolean deciding, storing, ended;
    GPtrArray *idle; /* segments to use again, the last one first: it is still in the cache */
    GError *error;   /* the first; everybody stops */

    GMutex pace; /* of what follows */
    gint64 paced_until;
};

/* What each thread has for itself. */
struct worker {
    struct pipeline *pipeline;
    struct segment_tools tools;
    struct map_source source;
    struct map_cursor *cursor; /* NULL without an old map */
};

static struct slot *
slot_of(struct pipeline *pipeline, guint64 sequence)
{
    return &pipeline->slots[sequence % pipeline->window];
}

/* ---- Reading --------------------------------------------------------------------------------- */

/* Number of the next segment that has anything to do; FALSE at the end. */
static gboolean
take_segment(struct pipeline *pipeline, guint64 *ret)
{
    const struct extent_list *changed = pipeline->input->changed;
    if (pipeline->next_segment >= pipeline->segments)
        return FALSE;
    if (changed != NULL) {
        struct extent extent;
        guint64 from = pipeline->next_segment * CHUNK_SEGMENT;
        if (!extent_list_next(changed, from, &pipeline->hint, &extent))
            return FALSE;
        pipeline->next_segment = extent.offset / CHUNK_SEGMENT;
    }
    *ret = pipeline->next_segment++;
    return TRUE;
}

/* Hold back readers so that no more than `bandwidth` bytes a second are read on average. */
static void
keep_pace(struct pipeline *pipeline, guint64 bytes)
{
    if (pipeline->input->bandwidth == 0)
        return;
    gint64 now = g_get_monotonic_time();
    g_mutex_lock(&pipeline->pace);
    gint64 start = MAX(now, pipeline->paced_until);
    pipeline->paced_until =
        start + (gint64)((double)bytes * G_USEC_PER_SEC / (double)pipeline->input->bandwidth);
    gint64 until = pipeline->paced_until;
    g_mutex_unlock(&pipeline->pace);
    while (now < until && !cancel_requested()) {
        g_usleep((gulong)MIN(until - now, G_USEC_PER_SEC / 5));
        now = g_get_monotonic_time();
    }
}

static gboolean
read_segment(struct worker *worker, struct segment *segment, guint64 number, GError **error)
{
    struct pipeline *pipeline = worker->pipeline;
    const struct pipeline_input *input = pipeline->input;
    struct map_leaf leaf;
    leaf.n = 0;
    if (worker->cursor != NULL && number < map_segments(input->old->size) &&
        !map_cursor_leaf(worker->cursor, number, &leaf, error)) {
        g_prefix_error(error, "previous backup: ");
        return FALSE;
    }
    segment_begin(segment, number, disk_size(input->disk), input->old != NULL ? &leaf : NULL);
    gboolean ok =
        input->changed != NULL
            ? segment_read_changed(segment, input->disk, input->changed, pipeline->writer, error)
            : segment_read(segment, input->disk, error);
    if (ok)
        keep_pace(pipeline, segment->stats.read);
    return ok;
}

/* ---- Storing --------------------------------------------------------------------------------- */

static gboolean
is_same(const struct map_leaf *left, const struct map_leaf *right)
{
    return left->n == right->n &&
           memcmp(left->entries, right->entries, left->n * sizeof left->entries[0]) == 0;
}

static gboolean
store_segment(struct pipeline *pipeline, struct segment *segment, GError **error)
{
    struct segment_stats *sum = pipeline->stats;
    sum->read += segment->stats.read;
    sum->data += segment->stats.data;
    sum->changed += segment->stats.changed;
    sum->unique += segment->stats.unique;
    sum->chunks += segment->stats.chunks;
    sum->old_data += segment->stats.old_data;
    sum->old_chunks += segment->stats.old_chunks;
    return segment_store(segment, pipeline->writer, error) &&
           (is_same(&segment->leaf, &segment->old) ||
            map_builder_set(pipeline->builder, segment->number, &segment->leaf, error));
}

/* ---- The line -------------------------------------------------------------------------------- */

/* With the lock held: remember the first error and wake everybody. */
static void
fail(struct pipeline *pipeline, GError *error)
{
    if (pipeline->error == NULL)
        pipeline->error = error;
    else
        g_error_free(error);
}

/* With the lock held: decide about all that are next and named. */
static void
decide(struct pipeline *pipeline)
{
    if (pipeline->deciding)
        return;
    pipeline->deciding = TRUE;
    while (pipeline->error == NULL) {
        struct slot *slot = slot_of(pipeline, pipeline->decided);
        if (pipeline->decided >= pipeline->read || slot->stage != STAGE_PLANNED)
            break;
        g_mutex_unlock(&pipeline->lock);
        segment_decide(slot->segment, pipeline->writer);
        g_mutex_lock(&pipeline->lock);
        slot->stage = STAGE_DECIDED;
        pipeline->decided++;
    }
    pipeline->deciding = FALSE;
}

static struct slot *
find_stage(struct pipeline *pipeline, enum stage stage)
{
    for (guint64 sequence = pipeline->stored; sequence < pipeline->read; sequence++) {
        struct slot *slot = slot_of(pipeline, sequence);
        if (slot->stage == stage)
            return slot;
    }
    return NULL;
}

/* Each of these is called with the lock held, does one piece of work without it if there is any,
 * and says whether there was. */

static gboolean
try_store(struct worker *worker)
{
    struct pipeline *pipeline = worker->pipeline;
    struct slot *slot = slot_of(pipeline, pipeline->stored);
    if (pipeline->storing || pipeline->stored >= pipeline->read || slot->stage != STAGE_ENCODED)
        return FALSE;
    g_autoptr(GError) error = NULL;
    pipeline->storing = TRUE;
    g_mutex_unlock(&pipeline->lock);
    gboolean ok = store_segment(pipeline, slot->segment, &error);
    progress_advance(pipeline->progress, pipeline->input->changed != NULL
                                             ? slot->segment->stats.read
                                             : slot->segment->length);
    g_mutex_lock(&pipeline->lock);
    pipeline->storing = FALSE;
    slot->stage = STAGE_EMPTY;
    g_ptr_array_add(pipeline->idle, g_steal_pointer(&slot->segment));
    pipeline->stored++;
    if (!ok)
        fail(pipeline, g_steal_pointer(&error));
    return TRUE;
}

static gboolean
try_encode(struct worker *worker)
{
    struct pipeline *pipeline = worker->pipeline;
    struct slot *slot = find_stage(pipeline, STAGE_DECIDED);
    if (slot == NULL)
        return FALSE;
    g_autoptr(GError) error = NULL;
    slot->stage = STAGE_ENCODING;
    g_mutex_unlock(&pipeline->lock);
    gboolean ok = segment_encode(slot->segment, &worker->tools, &error);
    g_mutex_lock(&pipeline->lock);
    slot->stage = STAGE_ENCODED;
    if (!ok)
        fail(pipeline, g_steal_pointer(&error));
    return TRUE;
}

static gboolean
try_plan(struct worker *worker)
{
    struct pipeline *pipeline = worker->pipeline;
    struct slot *slot = find_stage(pipeline, STAGE_READ);
    if (slot == NULL)
        return FALSE;
    g_autoptr(GError) error = NULL;
    slot->stage = STAGE_PLANNING;
    g_mutex_unlock(&pipeline->lock);
    gboolean ok = segment_plan(slot->segment, &worker->tools, &error);
    g_mutex_lock(&pipeline->lock);
    slot->stage = STAGE_PLANNED;
    if (!ok)
        fail(pipeline, g_steal_pointer(&error));
    decide(pipeline);
    return TRUE;
}

static gboolean
try_read(struct worker *worker)
{
    struct pipeline *pipeline = worker->pipeline;
    guint64 number;
    if (pipeline->ended || pipeline->read - pipeline->stored >= pipeline->window)
        return FALSE;
    if (!take_segment(pipeline, &number)) {
        pipeline->ended = TRUE;
        return TRUE;
    }
    struct slot *slot = slot_of(pipeline, pipeline->read++);
    g_autoptr(GError) error = NULL;
    slot->stage = STAGE_READING;
    slot->segment = pipeline->idle->len > 0
                        ? g_ptr_array_steal_index(pipeline->idle, pipeline->idle->len - 1)
                        : segment_new();
    g_mutex_unlock(&pipeline->lock);
    gboolean ok = cancel_check(&error) && read_segment(worker, slot->segment, number, &error);
    g_mutex_lock(&pipeline->lock);
    slot->stage = STAGE_READ;
    if (!ok)
        fail(pipeline, g_steal_pointer(&error));
    return TRUE;
}

static gpointer
work(gpointer data)
{
    struct worker *worker = data;
    struct pipeline *pipeline = worker->pipeline;
    g_mutex_lock(&pipeline->lock);
    while (pipeline->error == NULL && !(pipeline->ended && pipeline->stored == pipeline->read)) {
        if (try_store(worker) || try_encode(worker) || try_plan(worker) || try_read(worker))
            g_cond_broadcast(&pipeline->changed);
        else
            g_cond_wait(&pipeline->changed, &pipeline->lock);
    }
    g_cond_broadcast(&pipeline->changed);
    g_mutex_unlock(&pipeline->lock);
    return NULL;
}

/* ---- Setting up ------------------------------------------------------------------------------ */

static void
start_worker(struct worker *worker, struct pipeline *pipeline)
{
    worker->pipeline = pipeline;
    segment_tools_init(&worker->tools, pipeline->store, store_writer_locator(pipeline->writer));
    worker->tools.kind = pipeline->input->codec;
    worker->tools.level = pipeline->input->level;
    worker->tools.writer = pipeline->writer;
    worker->source = chunk_reader_map_source(worker->tools.reader);
    if (pipeline->input->old != NULL)
        worker->cursor = map_cursor_new(pipeline->input->old, &worker->source);
}

static void
clear_worker(struct worker *worker)
{
    map_cursor_free(worker->cursor);
    segment_tools_clear(&worker->tools);
}

static void
run_workers(struct pipeline *pipeline, guint n)
{
    g_autofree struct worker *workers = g_new0(struct worker, n);
    g_autofree GThread **threads = g_new0(GThread *, n);
    for (guint i = 0; i < n; i++)
        start_worker(&workers[i], pipeline);
    for (guint i = 1; i < n; i++)
        threads[i] = g_thread_new("backup", work, &workers[i]);
    work(&workers[0]);
    for (guint i = 1; i < n; i++)
        g_thread_join(threads[i]);
    for (guint i = 0; i < n; i++)
        clear_worker(&workers[i]);
}

gboolean
pipeline_run(const struct pipeline_input *input, struct store *store, struct store_writer *writer,
             struct progress *progress, struct map *ret_map, struct segment_stats *stats,
             GError **error)
{
    guint threads = input->threads != 0 ? MIN(input->threads, PIPELINE_THREADS_MAX)
                                        : MIN(g_get_num_processors() + 1, PIPELINE_THREADS_MAX);
    auto_ptr(chunk_reader) reader = chunk_reader_new(store, store_writer_locator(writer));
    struct map_source source = chunk_reader_map_source(reader);
    struct map_sink sink = store_writer_map_sink(writer);
    guint64 size = disk_size(input->disk);
    auto_ptr(map_builder) builder = map_builder_new(input->old, size, &source, &sink);
    struct pipeline pipeline = {
        .input = input,
        .store = store,
        .writer = writer,
        .progress = progress,
        .builder = builder,
        .stats = stats,
        .segments = map_segments(size),
        .window = threads + PIPELINE_WAITING,
    };
    pipeline.slots = g_new0(struct slot, pipeline.window);
    pipeline.idle = g_ptr_array_new_with_free_func((GDestroyNotify)segment_free);
    g_mutex_init(&pipeline.lock);
    g_mutex_init(&pipeline.pace);
    g_cond_init(&pipeline.changed);
    run_workers(&pipeline, threads);
    for (guint i = 0; i < pipeline.window; i++)
        segment_free(pipeline.slots[i].segment);
    g_ptr_array_unref(pipeline.idle);
    g_free(pipeline.slots);
    g_mutex_clear(&pipeline.lock);
    g_mutex_clear(&pipeline.pace);
    g_cond_clear(&pipeline.changed);
    if (pipeline.error != NULL) {
        g_propagate_error(error, pipeline.error);
        return FALSE;
    }
    return map_builder_finish(builder, ret_map, error);
}
