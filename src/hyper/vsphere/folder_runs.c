/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/vsphere/folder_runs.h"

/* Of what was read in a row, this part may be read ahead. */
#define SHARE 8u

/* Nothing between the two has to be read. */
static gboolean
touches(const struct folder_runs *runs, guint64 end, guint64 start)
{
    struct extent next;
    if (end == start)
        return TRUE;
    if (end > start || runs->allocated == NULL)
        return FALSE;
    return !extent_list_next(runs->allocated, end, NULL, &next) || next.offset >= start;
}

static struct folder_run *
find_before(struct folder_runs *runs, guint64 start, const struct folder_run *but)
{
    for (guint i = 0; i < FOLDER_RUNS; i++) {
        struct folder_run *run = &runs->runs[i];
        if (run != but && run->used != 0 && touches(runs, run->end, start))
            return run;
    }
    return NULL;
}

static struct folder_run *
find_behind(struct folder_runs *runs, guint64 end, const struct folder_run *but)
{
    for (guint i = 0; i < FOLDER_RUNS; i++) {
        struct folder_run *run = &runs->runs[i];
        if (run != but && run->used != 0 && touches(runs, end, run->start))
            return run;
    }
    return NULL;
}

static struct folder_run *
take_oldest(struct folder_runs *runs)
{
    struct folder_run *oldest = &runs->runs[0];
    for (guint i = 1; i < FOLDER_RUNS; i++)
        if (runs->runs[i].used < oldest->used)
            oldest = &runs->runs[i];
    return oldest;
}

/* Where the next part begins that somebody else has read or reads, as several threads are never
 * quite in order. */
static guint64
next_start(const struct folder_runs *runs, guint64 from, const struct folder_run *but)
{
    guint64 start = G_MAXUINT64;
    for (guint i = 0; i < FOLDER_RUNS; i++) {
        const struct folder_run *run = &runs->runs[i];
        if (run != but && run->used != 0 && run->end > from)
            start = MIN(start, MAX(run->start, from));
    }
    return start;
}

gboolean
folder_runs_note(struct folder_runs *runs, guint64 offset, guint64 length, guint64 step,
                 guint64 most, struct extent *ret)
{
    guint64 end = offset + length;
    struct folder_run *run = find_before(runs, offset, NULL);
    if (run == NULL) {
        run = take_oldest(runs);
        *run = (struct folder_run){.start = offset, .end = offset};
    }
    run->end = MAX(run->end, end);
    run->bytes += length;
    run->used = ++runs->clock;
    struct folder_run *behind = find_behind(runs, run->end, run);
    if (behind != NULL) {
        run->end = behind->end;
        run->bytes += behind->bytes;
        run->ahead = MAX(run->ahead, behind->ahead);
        *behind = (struct folder_run){0};
    }
    guint64 from = MAX(run->ahead, run->end);
    guint64 until = run->end + MIN(most, run->bytes / SHARE);
    until = MIN(until, next_start(runs, from, run));
    if (until < from + step)
        return FALSE;
    ret->offset = from;
    ret->length = (until - from) / step * step;
    run->ahead = from + ret->length;
    return TRUE;
}
