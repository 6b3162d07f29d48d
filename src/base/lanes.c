/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/lanes.h"

#define LANES_MAX 4u
#define QUEUE_MAX 24u /* jobs waiting in a lane */

struct job {
    lanes_func function; /* NULL: the lane ends */
    void *target;
    GBytes *data;
};

struct lane {
    GThread *thread;
    GMutex lock;
    GCond work;  /* there is a job for the thread */
    GCond room;  /* for those who give work: the queue became short, or nothing is left to do */
    GQueue jobs; /* of struct job * */
    gboolean busy;
    guint waiting; /* for room; waking nobody costs a system call all the same */
};

struct lanes {
    unsigned n;
    unsigned turn;
    struct lane lane[LANES_MAX];
};

/* Whoever waits for a full queue is woken when half of it is done: once for many jobs. */
static void
tell_room(struct lane *lane)
{
    guint left = lane->jobs.length;
    if (lane->waiting > 0 && (left == 0 || left == QUEUE_MAX / 2))
        g_cond_broadcast(&lane->room);
}

static void
wait_for_room(struct lane *lane)
{
    lane->waiting++;
    g_cond_wait(&lane->room, &lane->lock);
    lane->waiting--;
}

static struct job *
take_job(struct lane *lane)
{
    g_mutex_lock(&lane->lock);
    lane->busy = FALSE;
    tell_room(lane);
    while (lane->jobs.length == 0)
        g_cond_wait(&lane->work, &lane->lock);
    struct job *job = g_queue_pop_head(&lane->jobs);
    lane->busy = TRUE;
    tell_room(lane);
    g_mutex_unlock(&lane->lock);
    return job;
}

static gpointer
run_lane(gpointer data)
{
    struct lane *lane = data;
    for (;;) {
        struct job *job = take_job(lane);
        gboolean last = job->function == NULL;
        if (!last)
            job->function(job->target, job->data);
        g_clear_pointer(&job->data, g_bytes_unref);
        g_free(job);
        if (last)
            return NULL;
    }
}

struct lanes *
lanes_new(unsigned n)
{
    struct lanes *lanes = g_new0(struct lanes, 1);
    lanes->n = n != 0 ? MIN(n, LANES_MAX) : CLAMP(g_get_num_processors(), 1, LANES_MAX);
    for (unsigned i = 0; i < lanes->n; i++) {
        struct lane *lane = &lanes->lane[i];
        g_mutex_init(&lane->lock);
        g_cond_init(&lane->work);
        g_cond_init(&lane->room);
        g_queue_init(&lane->jobs);
        lane->thread = g_thread_new("lane", run_lane, lane);
    }
    return lanes;
}

static guint
count_waiting(struct lane *lane)
{
    g_mutex_lock(&lane->lock);
    guint waiting = lane->jobs.length + lane->busy;
    g_mutex_unlock(&lane->lock);
    return waiting;
}

unsigned
lanes_next(struct lanes *lanes)
{
    unsigned first = lanes->turn++ % lanes->n, best = first;
    guint least = count_waiting(&lanes->lane[first]);
    for (unsigned i = 1; i < lanes->n && least > 0; i++) {
        unsigned number = (first + i) % lanes->n;
        guint waiting = count_waiting(&lanes->lane[number]);
        if (waiting < least) {
            least = waiting;
            best = number;
        }
    }
    return best;
}

void
lanes_push(struct lanes *lanes, unsigned number, lanes_func function, void *target, GBytes *data)
{
    struct lane *lane = &lanes->lane[number];
    struct job *job = g_new0(struct job, 1);
    job->function = function;
    job->target = target;
    job->data = data != NULL ? g_bytes_ref(data) : NULL;
    g_mutex_lock(&lane->lock);
    while (lane->jobs.length >= QUEUE_MAX)
        wait_for_room(lane);
    g_queue_push_tail(&lane->jobs, job);
    if (!lane->busy)
        g_cond_signal(&lane->work);
    g_mutex_unlock(&lane->lock);
}

void
lanes_drain(struct lanes *lanes)
{
    for (unsigned i = 0; i < lanes->n; i++) {
        struct lane *lane = &lanes->lane[i];
        g_mutex_lock(&lane->lock);
        while (lane->jobs.length > 0 || lane->busy)
            wait_for_room(lane);
        g_mutex_unlock(&lane->lock);
    }
}

void
lanes_free(struct lanes *lanes)
{
    if (lanes == NULL)
        return;
    for (unsigned i = 0; i < lanes->n; i++) {
        struct lane *lane = &lanes->lane[i];
        lanes_push(lanes, i, NULL, NULL, NULL);
        g_thread_join(lane->thread);
        g_mutex_clear(&lane->lock);
        g_cond_clear(&lane->work);
        g_cond_clear(&lane->room);
    }
    g_free(lanes);
}
