/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/restore.h"

#include "base/cancel.h"
#include "base/error.h"
#include "engine/restore_private.h"
#include "engine/restore_state.h"

#define THREADS_MAX 64u
#define THREADS_DEFAULT_MAX 12u
/* Segments of zeros that are one piece of work. */
#define ZEROS_MAX 256u

struct piece {
    guint64 first, n;
    gboolean zeros; /* nothing else in it */
};

struct run {
    struct restore_job job;
    struct progress *progress;
    guint64 segments;

    GMutex lock; /* of what follows */
    struct restore_tools planner;
    guint64 next;      /* segment that nobody has begun */
    guint64 first_bad; /* segment that must be tried again; G_MAXUINT64 */
    guint n_workers;
    struct worker *workers;
    GError *error;               /* the first; everybody stops */
    struct restore_state *state; /* NULL: nobody wants one */
    gboolean writing_state;
    gint64 state_due;
};

struct worker {
    struct run *run;
    struct restore_tools tools;
    guint64 at; /* first segment of what it works on; G_MAXUINT64: nothing */
};

void
restore_report_clear(struct restore_report *report)
{
    g_clear_pointer(&report->damage, g_ptr_array_unref);
    *report = (struct restore_report){0};
}

/* ---- What is next ---------------------------------------------------------------------------- */

/* With the lock held: is this segment the same in the older map? */
static gboolean
is_as_older(struct run *run, guint64 segment)
{
    gboolean here, there;
    struct chunk_id left, right;
    return restore_job_knows(&run->job, segment) &&
           map_cursor_leaf_id(run->planner.cursor, segment, &here, &left, NULL) &&
           map_cursor_leaf_id(run->planner.older, segment, &there, &right, NULL) && here == there &&
           (!here || chunk_id_equal(&left, &right));
}

/* How many segments of zeros there are from `segment` on.  A node that cannot be read says nothing:
 * whoever gets the segment meets it again. */
static guint64
count_zeros(struct run *run, guint64 segment)
{
    gboolean found;
    guint64 next;
    if (!map_cursor_next(run->planner.cursor, segment, &found, &next, NULL))
        return 0;
    return (found ? next : run->segments) - segment;
}

static guint64
length_of(const struct run *run, const struct piece *piece)
{
    guint64 offset = piece->first * CHUNK_SEGMENT;
    return MIN(piece->n * CHUNK_SEGMENT, run->job.map.size - offset);
}

/* With the lock held: `piece` is right already. */
static void
pass_over(struct run *run, const struct piece *piece)
{
    guint64 length = length_of(run, piece);
    run->planner.counts.skipped += length;
    run->next += piece->n;
    progress_advance(run->progress, length);
}

/* With the lock held: the next piece of work, whose segments the worker then has. */
static gboolean
take(struct worker *worker, struct piece *ret)
{
    struct run *run = worker->run;
    const struct restore_options *options = run->job.options;
    gboolean plain = options->older == NULL && !options->compare;
    while (run->error == NULL && run->next < run->segments) {
        guint64 zeros = plain ? count_zeros(run, run->next) : 0;
        *ret = (struct piece){run->next, MAX(zeros, 1), zeros > 0};
        if (zeros > 0 ? run->job.target_is_zero : is_as_older(run, run->next)) {
            pass_over(run, ret);
            continue;
        }
        ret->n = MIN(ret->n, ZEROS_MAX);
        worker->at = run->next;
        run->next += ret->n;
        return TRUE;
    }
    return FALSE;
}

/* ---- How far we are -------------------------------------------------------------------------- */

/* With the lock held: all segments before this one are done. */
static guint64
count_done(const struct run *run)
{
    guint64 done = MIN(run->next, run->first_bad);
    for (guint i = 0; i < run->n_workers; i++)
        done = MIN(done, run->workers[i].at);
    return done;
}

/* What the file says must be on the target for certain.  That it cannot be written is no reason to
 * stop. */
static gboolean
save_state(struct run *run, struct restore_state *state, guint64 done, GError **error)
{
    const char *path = run->job.options->state_path;
    g_autoptr(GError) local = NULL;
    if (!disk_flush(run->job.target, error))
        return FALSE;
    state->done = done;
    if (!restore_state_write(path, state, &local))
        progress_warning(run->progress, "if this restore is interrupted it will begin again: %s",
                         local->message);
    return TRUE;
}

/* With the lock held, which is given up meanwhile. */
static void
save_when_due(struct run *run)
{
    gint64 now = g_get_monotonic_time();
    if (run->state == NULL || run->writing_state || run->error != NULL || now < run->state_due)
        return;
    guint seconds = run->job.options->state_seconds;
    guint64 done = count_done(run);
    GError *error = NULL;
    run->writing_state = TRUE;
    g_mutex_unlock(&run->lock);
    save_state(run, run->state, done, &error);
    g_mutex_lock(&run->lock);
    run->writing_state = FALSE;
    run->state_due = g_get_monotonic_time() +
                     (gint64)(seconds != 0 ? seconds : RESTORE_STATE_SECONDS) * G_USEC_PER_SEC;
    if (run->error == NULL)
        run->error = error;
    else
        g_clear_error(&error);
}

/* ---- Workers --------------------------------------------------------------------------------- */

static gboolean
do_piece(struct worker *worker, const struct piece *piece, GError **error)
{
    if (!cancel_check(error))
        return FALSE;
    return piece->zeros ? restore_zeros(&worker->tools, piece->first, piece->n, error)
                        : restore_segment(&worker->tools, piece->first, error);
}

static gpointer
work(gpointer data)
{
    struct worker *worker = data;
    struct run *run = worker->run;
    struct piece piece;
    g_mutex_lock(&run->lock);
    while (take(worker, &piece)) {
        GError *error = NULL;
        guint bad = worker->tools.damage->len;
        g_mutex_unlock(&run->lock);
        gboolean ok = do_piece(worker, &piece, &error);
        g_mutex_lock(&run->lock);
        if (!ok || worker->tools.damage->len > bad)
            run->first_bad = MIN(run->first_bad, piece.first);
        worker->at = G_MAXUINT64;
        if (ok)
            progress_advance(run->progress, length_of(run, &piece));
        else if (run->error == NULL)
            run->error = error;
        else
            g_error_free(error);
        save_when_due(run);
    }
    g_mutex_unlock(&run->lock);
    return NULL;
}

static void
add_counts(struct restore_report *report, const struct restore_counts *counts)
{
    report->read += counts->read;
    report->written += counts->written;
    report->zeroed += counts->zeroed;
    report->skipped += counts->skipped;
}

static void
run_workers(struct run *run, guint n, struct restore_report *report)
{
    g_autofree struct worker *workers = g_new0(struct worker, n);
    g_autofree GThread **threads = g_new0(GThread *, n);
    run->workers = workers;
    run->n_workers = n;
    for (guint i = 0; i < n; i++) {
        workers[i].run = run;
        workers[i].at = G_MAXUINT64;
        restore_tools_init(&workers[i].tools, &run->job);
    }
    for (guint i = 1; i < n; i++)
        threads[i] = g_thread_new("restore", work, &workers[i]);
    work(&workers[0]);
    for (guint i = 1; i < n; i++)
        g_thread_join(threads[i]);
    for (guint i = 0; i < n; i++) {
        struct restore_tools *tools = &workers[i].tools;
        add_counts(report, &tools->counts);
        g_ptr_array_extend_and_steal(report->damage, tools->damage);
        tools->damage = g_ptr_array_new();
        restore_tools_clear(tools);
    }
    run->n_workers = 0;
}

/* ---- The state of an earlier run ------------------------------------------------------------- */

static struct restore_state *
new_state(struct store *store, const struct set *set, const char *name, const struct disk *target)
{
    char id[SET_ID_TEXT];
    struct restore_state *state = g_new0(struct restore_state, 1);
    state->store = g_strdup(store_config(store)->id);
    state->set = g_strdup(set_id_format(&set->id, id));
    state->disk = g_strdup(name);
    state->target = g_strdup(disk_label(target));
    state->size = disk_size(target);
    return state;
}

gboolean
restore_can_resume(struct store *store, const struct set *set, const char *name,
                   const struct disk *target, const char *state_path)
{
    auto_ptr(restore_state) wanted = new_state(store, set, name, target);
    auto_ptr(restore_state) found = restore_state_read(state_path, NULL);
    return found != NULL && restore_state_same_run(wanted, found);
}

/* Begin, or go on where the file says. */
static void
load_state(struct run *run, const struct set *set, struct restore_report *report)
{
    const struct restore_options *options = run->job.options;
    run->job.target_is_zero = options->target_is_zero;
    if (options->state_path == NULL)
        return;
    g_autoptr(GError) local = NULL;
    run->state = new_state(run->job.store, set, run->job.name, run->job.target);
    run->state->target_is_zero = options->target_is_zero;
    auto_ptr(restore_state) found = restore_state_read(options->state_path, &local);
    if (found == NULL && g_error_matches(local, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND))
        return;
    if (found == NULL || !restore_state_same_run(run->state, found) ||
        found->done > run->segments) {
        progress_warning(run->progress, "this restore begins at the start: %s",
                         found == NULL ? local->message
                                       : "the state file is that of another restore");
        return;
    }
    run->next = found->done;
    run->job.target_is_zero = run->state->target_is_zero = found->target_is_zero;
    struct piece done = {0, found->done, FALSE};
    report->resumed = length_of(run, &done);
    report->skipped = report->resumed;
}

/* At the end of a run: what an interrupted one needs, and a complete one does not. */
static gboolean
settle_state(struct run *run, GError **error)
{
    const char *path = run->job.options->state_path;
    if (run->error == NULL && !disk_flush(run->job.target, error))
        return FALSE;
    if (run->state == NULL)
        return TRUE;
    if (run->error == NULL && run->first_bad == G_MAXUINT64)
        return restore_state_remove(path, error);
    save_state(run, run->state, count_done(run), NULL);
    return TRUE;
}

/* ---- All of it ------------------------------------------------------------------------------- */

static gint
compare_damage(gconstpointer left, gconstpointer right)
{
    const struct verify_damage *a = *(struct verify_damage *const *)left;
    const struct verify_damage *b = *(struct verify_damage *const *)right;
    return (a->offset > b->offset) - (a->offset < b->offset);
}

/* In order, and ranges that touch as one. */
static void
settle_damage(GPtrArray *damage)
{
    g_ptr_array_sort(damage, compare_damage);
    for (guint i = 1; i < damage->len;) {
        struct verify_damage *last = damage->pdata[i - 1], *this = damage->pdata[i];
        if (last->offset + last->length != this->offset) {
            i++;
            continue;
        }
        last->length += this->length;
        g_ptr_array_remove_index(damage, i);
    }
}

static gboolean
run_all(struct run *run, const struct set *set, struct restore_report *report, GError **error)
{
    const struct restore_options *options = run->job.options;
    guint wanted = options->threads != 0
                       ? options->threads
                       : CLAMP(g_get_num_processors() + 1, 2, THREADS_DEFAULT_MAX);
    run->segments = map_segments(run->job.map.size);
    run->first_bad = G_MAXUINT64;
    run->state_due = g_get_monotonic_time() + G_USEC_PER_SEC;
    load_state(run, set, report);
    g_mutex_init(&run->lock);
    restore_tools_init(&run->planner, &run->job);
    progress_begin(run->progress, run->job.map.size, PROGRESS_BYTES, "restoring %s of %s",
                   run->job.name, set->name);
    progress_advance(run->progress, report->resumed);
    run_workers(run, (guint)CLAMP(MIN(wanted, run->segments), 1, THREADS_MAX), report);
    gboolean ok = settle_state(run, run->error == NULL ? &run->error : NULL);
    progress_end(run->progress, ok && run->error == NULL);
    add_counts(report, &run->planner.counts);
    restore_tools_clear(&run->planner);
    g_mutex_clear(&run->lock);
    restore_state_free(run->state);
    settle_damage(report->damage);
    if (run->error == NULL)
        return TRUE;
    g_propagate_error(error, run->error);
    return FALSE;
}

static gboolean
check(const struct set_disk *disk, const struct disk *target, const struct restore_options *options,
      GError **error)
{
    if (options->compare && options->older != NULL)
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "what is on the target is either known or compared, not both");
    if (disk_size(target) < disk->map.size)
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "%s has %" G_GUINT64_FORMAT " bytes, too few for disk %s, which has "
                         "%" G_GUINT64_FORMAT,
                         disk_label(target), disk_size(target), disk->name, disk->map.size);
    return TRUE;
}

gboolean
restore_disk(struct store *store, struct locator *locator, const struct set *set, const char *name,
             struct disk *target, const struct restore_options *options,
             struct restore_report *report, GError **error)
{
    *report = (struct restore_report){
        .damage = g_ptr_array_new_with_free_func((GDestroyNotify)verify_damage_free)};
    const struct set_disk *disk = set_need_disk(set, name, error);
    if (disk == NULL || !check(disk, target, options, error))
        return FALSE;
    auto_ptr(locator) own = NULL;
    if (locator == NULL && (locator = own = locator_new(store, error)) == NULL)
        return FALSE;
    char id[SET_ID_TEXT];
    g_autofree char *label =
        g_strdup_printf("set %s of %s, disk %s", set_id_format(&set->id, id), set->name, name);
    struct run run = {.job = {.store = store,
                              .locator = locator,
                              .map = disk->map,
                              .name = disk->name,
                              .label = label,
                              .target = target,
                              .options = options},
                      .progress = options->progress};
    return run_all(&run, set, report, error);
}
