/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/cancel.h"
#include "base/error.h"
#include "base/http_private.h"

#define PARALLEL 4
#define PARALLEL_MAX 32

/* The requests are taken one after the other by whichever thread is free. */
struct batch {
    struct http_client *client;
    const struct http_request *requests;
    gsize n;
    struct progress *progress;
    GError **errors; /* of each file that is wrong by itself; NULL: those too stop all */
    GMutex lock;
    gsize next;
    GError *error; /* the first failure */
};

static const struct http_request *
take(struct batch *batch)
{
    const struct http_request *request = NULL;
    g_mutex_lock(&batch->lock);
    if (batch->error == NULL && batch->next < batch->n)
        request = &batch->requests[batch->next++];
    g_mutex_unlock(&batch->lock);
    return request;
}

/* It says nothing about the server or the network: the next file may be good. */
static gboolean
is_about_the_file(const GError *error)
{
    return error->code == SLIPWAY_ERROR_NOT_FOUND || error->code == SLIPWAY_ERROR_CORRUPT ||
           error->code == SLIPWAY_ERROR_LIMIT;
}

static void
fail(struct batch *batch, const struct http_request *request, GError *error)
{
    g_mutex_lock(&batch->lock);
    if (batch->errors != NULL && is_about_the_file(error))
        batch->errors[request - batch->requests] = g_steal_pointer(&error);
    else if (batch->error == NULL)
        batch->error = g_steal_pointer(&error);
    g_mutex_unlock(&batch->lock);
    g_clear_error(&error);
}

static gpointer
work(gpointer data)
{
    struct batch *batch = data;
    const struct http_request *request = NULL;
    while ((request = take(batch)) != NULL) {
        GError *error = NULL;
        if (!http_fetch(batch->client, request, NULL, batch->progress, &error))
            fail(batch, request, error);
    }
    return NULL;
}

static void
work_parallel(struct batch *batch, unsigned parallel)
{
    GThread *threads[PARALLEL_MAX];
    for (unsigned i = 0; i < parallel; i++)
        threads[i] = g_thread_new("fetch", work, batch);
    for (unsigned i = 0; i < parallel; i++)
        g_thread_join(threads[i]);
}

/* 0 when one of them is not known. */
static guint64
sum(const struct http_request *requests, gsize n)
{
    guint64 total = 0;
    for (gsize i = 0; i < n; i++)
        if (requests[i].size == 0 || !g_uint64_checked_add(&total, total, requests[i].size))
            return 0;
    return total;
}

gboolean
http_fetch_each(struct http_client *client, const struct http_request *requests, gsize n,
                unsigned parallel, struct progress *progress, GError **errors, GError **error)
{
    if (n == 0)
        return TRUE;
    struct batch batch = {
        .client = client, .requests = requests, .n = n, .progress = progress, .errors = errors};
    parallel = MIN(parallel != 0 ? parallel : PARALLEL, PARALLEL_MAX);
    parallel = (unsigned)MIN(parallel, n);
    g_mutex_init(&batch.lock);
    /* Whose the credentials are must not depend on which thread comes first. */
    http_client_entrusts(client, requests[0].url);

    progress_begin(progress, sum(requests, n), PROGRESS_BYTES, "fetching %" G_GSIZE_FORMAT " %s", n,
                   n == 1 ? "file" : "files");
    if (parallel == 1)
        work(&batch);
    else
        work_parallel(&batch, parallel);
    progress_end(progress, batch.error == NULL);
    g_mutex_clear(&batch.lock);
    if (batch.error == NULL)
        return TRUE;
    g_propagate_error(error, batch.error);
    return FALSE;
}

gboolean
http_fetch_all(struct http_client *client, const struct http_request *requests, gsize n,
               unsigned parallel, struct progress *progress, GError **error)
{
    return http_fetch_each(client, requests, n, parallel, progress, NULL, error);
}
