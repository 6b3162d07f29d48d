/* SPDX-License-Identifier: GPL-3.0-or-later */
/* NBD_CMD_BLOCK_STATUS: what is data, and what has changed. */
#include "target/nbd_request.h"

/* An answer may be shorter than the question: these bound its length and the time for it. */
#define RUNS_MAX 2048u
#define TIME_MAX (500 * G_TIME_SPAN_MILLISECOND)

#define RUN 8u /* bytes of a length and its flags */

struct runs {
    guint8 bytes[4 + RUNS_MAX * RUN]; /* the payload of a chunk */
    guint n;
    guint32 flags; /* of the last one */
    guint32 length;
};

static gboolean
find_allocation(const struct nbd_export *export, guint64 offset, guint64 length, guint32 *ret_flags,
                guint64 *ret_length, GError **error)
{
    struct disk_extent extent;
    if (!disk_extent(export->disk, offset, length, &extent, error))
        return FALSE;
    *ret_flags = extent.kind == DISK_ZERO ? NBD_STATE_HOLE | NBD_STATE_ZERO : 0;
    *ret_length = extent.length;
    return TRUE;
}

static gboolean
find_changed(const struct nbd_export *export, guint64 offset, guint64 length, guint32 *ret_flags,
             guint64 *ret_length, GError **error)
{
    gboolean changed;
    if (!export->changed(export->changed_data, offset, length, &changed, ret_length, error))
        return FALSE;
    *ret_flags = changed ? NBD_STATE_CHANGED : 0;
    return TRUE;
}

static gboolean
find(guint32 context, const struct nbd_export *export, guint64 offset, guint64 length,
     guint32 *ret_flags, guint64 *ret_length, GError **error)
{
    if (context == NBD_CONTEXT_CHANGED)
        return find_changed(export, offset, length, ret_flags, ret_length, error);
    return find_allocation(export, offset, length, ret_flags, ret_length, error);
}

/* FALSE: there is no room for another one. */
static gboolean
add(struct runs *runs, guint max, guint32 flags, guint32 length)
{
    guint8 *last = runs->bytes + 4 + (runs->n - 1) * (gsize)RUN;
    if (runs->n > 0 && flags == runs->flags) {
        runs->length += length;
    } else {
        if (runs->n == max)
            return FALSE;
        last = runs->bytes + 4 + runs->n++ * (gsize)RUN;
        runs->flags = flags;
        runs->length = length;
    }
    big_endian_put32(last, runs->length);
    big_endian_put32(last + 4, flags);
    return TRUE;
}

/* Neighbours of one kind are one run.  What comes after a failure is left for the next question. */
static gboolean
collect(const struct nbd_session *session, const struct nbd_request *request, guint32 context,
        struct runs *runs, GError **error)
{
    guint max = request->flags & NBD_CMD_REQ_ONE ? 1 : RUNS_MAX;
    gint64 deadline = g_get_monotonic_time() + TIME_MAX;
    guint64 at = request->offset, end = at + request->length;
    big_endian_put32(runs->bytes, context);
    runs->n = 0;
    while (at < end) {
        guint32 flags = 0;
        guint64 length = 0;
        g_autoptr(GError) failure = NULL;
        if (!find(context, session->export, at, end - at, &flags, &length, &failure)) {
            if (runs->n > 0)
                return TRUE;
            g_propagate_error(error, g_steal_pointer(&failure));
            return FALSE;
        }
        length = CLAMP(length, 1, end - at);
        if (!add(runs, max, flags, (guint32)length) || g_get_monotonic_time() > deadline)
            return TRUE;
        at += length;
    }
    return TRUE;
}

gboolean
nbd_request_tell_status(struct nbd_session *session, const struct nbd_request *request)
{
    static const guint32 contexts[] = {NBD_CONTEXT_ALLOCATION, NBD_CONTEXT_CHANGED};
    g_autofree struct runs *runs = g_new(struct runs, 1);
    unsigned left = session->contexts;
    for (gsize i = 0; i < G_N_ELEMENTS(contexts); i++) {
        if (!(left & contexts[i]))
            continue;
        left &= ~contexts[i];
        g_autoptr(GError) error = NULL;
        if (!collect(session, request, contexts[i], runs, &error))
            return nbd_request_fail(session, request, g_steal_pointer(&error));
        if (!nbd_reply_chunk(session, request->cookie, NBD_CHUNK_STATUS, left == 0, runs->bytes,
                             4 + runs->n * (gsize)RUN))
            return FALSE;
    }
    return TRUE;
}
