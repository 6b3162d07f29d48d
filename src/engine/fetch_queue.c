/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/fetch_queue.h"

struct job {
    gpointer owner;
    guint64 offset, length;
};

struct worker {
    struct fetch_queue *queue;
    GThread *thread;
    gpointer owner; /* for whom it works now; of the queue's lock */
};

struct fetch_queue {
    fetch_func fetch;
    GMutex lock; /* of all that follows */
    GCond pushed, done;
    GQueue jobs[FETCH_KINDS]; /* of struct job * */
    gboolean ends;
    guint n_workers;
    struct worker *workers;
};

/* With the lock held; NULL when there is none. */
static struct job *
next_job(struct fetch_queue *queue)
{
    struct job *job = NULL;
    for (guint kind = 0; kind < FETCH_KINDS && job == NULL; kind++)
        job = g_queue_pop_head(&queue->jobs[kind]);
    return job;
}

static void
run(struct worker *worker, struct job *job)
{
    struct fetch_queue *queue = worker->queue;
    worker->owner = job->owner;
    g_mutex_unlock(&queue->lock);
    queue->fetch(job->owner, job->offset, job->length);
    g_free(job);
    g_mutex_lock(&queue->lock);
    worker->owner = NULL;
    g_cond_broadcast(&queue->done);
}

static gpointer
work(gpointer data)
{
    struct worker *worker = data;
    struct fetch_queue *queue = worker->queue;
    g_mutex_lock(&queue->lock);
    while (!queue->ends) {
        struct job *job = next_job(queue);
        if (job != NULL)
            run(worker, job);
        else
            g_cond_wait(&queue->pushed, &queue->lock);
    }
    g_mutex_unlock(&queue->lock);
    return NULL;
}

struct fetch_queue *
fetch_queue_new(guint threads, fetch_func fetch)
{
    struct fetch_queue *queue = g_new0(struct fetch_queue, 1);
    queue->fetch = fetch;
    g_mutex_init(&queue->lock);
    g_cond_init(&queue->pushed);
    g_cond_init(&queue->done);
    for (guint kind = 0; kind < FETCH_KINDS; kind++)
        g_queue_init(&queue->jobs[kind]);
    queue->workers = g_new0(struct worker, threads);
    queue->n_workers = threads;
    for (guint i = 0; i < threads; i++) {
        queue->workers[i].queue = queue;
        queue->workers[i].thread = g_thread_new("fetch", work, &queue->workers[i]);
    }
    return queue;
}

void
fetch_queue_free(struct fetch_queue *queue)
{
    if (queue == NULL)
        return;
    g_mutex_lock(&queue->lock);
    queue->ends = TRUE;
    g_cond_broadcast(&queue->pushed);
    g_mutex_unlock(&queue->lock);
    for (guint i = 0; i < queue->n_workers; i++)
        g_thread_join(queue->workers[i].thread);
    for (guint kind = 0; kind < FETCH_KINDS; kind++)
        g_queue_clear_full(&queue->jobs[kind], g_free);
    g_cond_clear(&queue->pushed);
    g_cond_clear(&queue->done);
    g_mutex_clear(&queue->lock);
    g_free(queue->workers);
    g_free(queue);
}

gboolean
fetch_queue_push(struct fetch_queue *queue, enum fetch_kind kind, gpointer owner, guint64 offset,
                 guint64 length)
{
    g_mutex_lock(&queue->lock);
    gboolean fits = queue->jobs[kind].length < FETCH_QUEUE_MAX;
    if (fits) {
        struct job *job = g_new(struct job, 1);
        *job = (struct job){owner, offset, length};
        g_queue_push_tail(&queue->jobs[kind], job);
        g_cond_signal(&queue->pushed);
    }
    g_mutex_unlock(&queue->lock);
    return fits;
}

static void
drop_jobs(GQueue *jobs, gpointer owner)
{
    for (GList *link = jobs->head, *next; link != NULL; link = next) {
        next = link->next;
        if (((struct job *)link->data)->owner == owner) {
            g_free(link->data);
            g_queue_delete_link(jobs, link);
        }
    }
}

static gboolean
works_for(const struct fetch_queue *queue, gpointer owner)
{
    for (guint i = 0; i < queue->n_workers; i++) {
        if (queue->workers[i].owner == owner)
            return TRUE;
    }
    return FALSE;
}

void
fetch_queue_forget(struct fetch_queue *queue, gpointer owner)
{
    g_mutex_lock(&queue->lock);
    for (guint kind = 0; kind < FETCH_KINDS; kind++)
        drop_jobs(&queue->jobs[kind], owner);
    while (works_for(queue, owner))
        g_cond_wait(&queue->done, &queue->lock);
    g_mutex_unlock(&queue->lock);
}
