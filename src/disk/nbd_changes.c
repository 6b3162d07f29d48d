/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "disk/nbd_changes.h"

#include "base/cancel.h"
#include "base/error.h"

#include <errno.h>
#include <libnbd.h>
#include <string.h>

/* Lengths are 32-bit numbers in the protocol; half of that, as not all servers count without a
 * sign. */
#define STATUS_MAX (2048u * 1024 * 1024)
#define ALIGNMENT_MAX (64u * 1024)

/* What a server may say at all: it could tell of each sector by itself, and never be done. */
#define ENTRIES_MAX (4u * (guint64)EXTENT_LIST_MAX)

#define CONNECT_S 60
#define ANSWER_S 120 /* a bitmap of many terabytes, on a busy medium */
#define POLL_MS 1000 /* how often a cancelled query is noticed */

struct query {
    const char *uri, *context;
    struct nbd_handle *handle;
    guint64 size;
    guint alignment;
    guint64 offset; /* where the next entry begins */
    guint64 entries;
    gboolean stuck; /* an entry without a length */
    struct extent_list *list;
};

/* ---- What the server says -------------------------------------------------------------------- */

static void
mark(struct query *query, guint64 offset, guint64 length)
{
    GArray *extents = query->list->extents;
    struct extent *last =
        extents->len > 0 ? &g_array_index(extents, struct extent, extents->len - 1) : NULL;
    if (last != NULL && last->offset + last->length >= offset)
        last->length = offset + length - last->offset;
    else
        extent_list_add(query->list, offset, length);
}

static void
take(struct query *query, guint64 *offset, guint32 length, guint32 flags)
{
    /* The last entry may be longer than what was asked for: so much the better. */
    guint64 n = MIN(length, query->size - *offset);
    guint64 known = query->offset > *offset ? MIN(query->offset - *offset, n) : 0;
    if (length == 0)
        query->stuck = TRUE;
    if (flags != 0 && n > known)
        mark(query, *offset + known, n - known);
    *offset += n;
    query->offset = MAX(query->offset, *offset);
    query->entries++;
}

static int
hear(void *user_data, const char *context, uint64_t offset, uint32_t *entries, size_t n, int *error)
{
    struct query *query = user_data;
    if (*error != 0)
        return -1;
    /* A second answer about the same range would be one too many. */
    if (strcmp(context, query->context) != 0 || offset > query->offset || offset >= query->size)
        return 0;
    guint64 at = offset;
    for (size_t i = 0; i + 1 < n && at < query->size; i += 2)
        take(query, &at, entries[i], entries[i + 1]);
    return 0;
}

/* ---- Waiting --------------------------------------------------------------------------------- */

static gboolean
fail(const struct query *query, const char *what, GError **error)
{
    /* Gone after the next call of libnbd. */
    g_autofree char *words = g_strdup(nbd_get_error());
    gboolean lost = nbd_aio_is_ready(query->handle) != 1;
    return error_set(error, lost ? SLIPWAY_ERROR_NETWORK : SLIPWAY_ERROR_IO,
                     "disk %s: cannot %s: %s", query->uri, what,
                     words != NULL ? words : "the server does not say why");
}

static gboolean
wait_a_while(const struct query *query, gint64 end, const char *what, GError **error)
{
    if (!cancel_check(error))
        return FALSE;
    if (g_get_monotonic_time() >= end)
        return error_set(error, SLIPWAY_ERROR_NETWORK,
                         "disk %s: cannot %s: its server does not answer", query->uri, what);
    return nbd_poll(query->handle, POLL_MS) >= 0 || fail(query, what, error);
}

static gint64
seconds_from_now(gint64 seconds)
{
    return g_get_monotonic_time() + seconds * G_USEC_PER_SEC;
}

/* ---- The query ------------------------------------------------------------------------------- */

static gboolean
prepare(struct query *query, GError **error)
{
    query->handle = nbd_create();
    /* As connections.c has it. */
    return (query->handle != NULL && nbd_add_meta_context(query->handle, query->context) == 0 &&
            nbd_set_uri_allow_local_file(query->handle, true) == 0 &&
            nbd_set_strict_mode(query->handle, LIBNBD_STRICT_MASK & ~LIBNBD_STRICT_ALIGN) == 0) ||
           error_set(error, SLIPWAY_ERROR_FAILED, "disk %s: %s", query->uri, nbd_get_error());
}

static gboolean
dial(const struct query *query, GError **error)
{
    static const char what[] = "open it to ask what changed";
    if (nbd_aio_connect_uri(query->handle, query->uri) != 0) {
        gboolean usage = nbd_get_errno() == EINVAL && nbd_aio_is_created(query->handle) == 1;
        return usage ? error_set(error, SLIPWAY_ERROR_USAGE,
                                 "disk %s: not the URI of an NBD server: %s", query->uri,
                                 nbd_get_error())
                     : fail(query, what, error);
    }
    gint64 end = seconds_from_now(CONNECT_S);
    while (nbd_aio_is_ready(query->handle) != 1)
        if (!wait_a_while(query, end, what, error))
            return FALSE;
    return TRUE;
}

static gboolean
look(struct query *query, GError **error)
{
    int known = nbd_can_meta_context(query->handle, query->context);
    int64_t size = nbd_get_size(query->handle);
    int64_t alignment = nbd_get_block_size(query->handle, LIBNBD_SIZE_MINIMUM);
    if (known < 0 || size < 0 || alignment < 0)
        return fail(query, "ask what its server offers", error);
    if (known == 0)
        return error_set(error, SLIPWAY_ERROR_NOT_FOUND, "disk %s: its server has no \"%s\"",
                         query->uri, query->context);
    if (alignment > ALIGNMENT_MAX || (alignment & (alignment - 1)) != 0)
        return error_set(error, SLIPWAY_ERROR_NETWORK,
                         "disk %s: its server wants requests in blocks of %" G_GINT64_FORMAT
                         " bytes, which the protocol does not allow",
                         query->uri, alignment);
    query->size = (guint64)size;
    query->alignment = alignment == 0 ? 1 : (guint)alignment;
    return TRUE;
}

/* One request: of what comes next, for as much as fits into one. */
static gboolean
ask(struct query *query, GError **error)
{
    g_autofree char *what =
        g_strdup_printf("ask what changed at offset %" G_GUINT64_FORMAT, query->offset);
    guint64 from = query->offset - query->offset % query->alignment;
    guint64 before = query->offset;
    nbd_extent_callback callback = {.callback = hear, .user_data = query};
    int64_t cookie = nbd_aio_block_status(query->handle, MIN(query->size - from, STATUS_MAX), from,
                                          callback, NBD_NULL_COMPLETION, 0);
    if (cookie < 0)
        return fail(query, what, error);
    gint64 end = seconds_from_now(ANSWER_S);
    int done;
    while ((done = nbd_aio_command_completed(query->handle, (uint64_t)cookie)) == 0)
        if (!wait_a_while(query, end, what, error))
            return FALSE;
    if (done < 0)
        return fail(query, what, error);
    if (query->stuck || query->offset == before)
        return error_set(error, SLIPWAY_ERROR_CORRUPT,
                         "disk %s: cannot %s: its server says nothing of it, against the protocol",
                         query->uri, what);
    return TRUE;
}

static gboolean
ask_all(struct query *query, GError **error)
{
    while (query->offset < query->size) {
        if (!ask(query, error))
            return FALSE;
        if (query->list->extents->len > EXTENT_LIST_MAX || query->entries > ENTRIES_MAX)
            return error_set(error, SLIPWAY_ERROR_LIMIT,
                             "disk %s: what changed is in more than %u pieces", query->uri,
                             EXTENT_LIST_MAX);
    }
    return TRUE;
}

struct extent_list *
nbd_changes_query(const char *uri, const char *context, GError **error)
{
    auto_ptr(extent_list) list = extent_list_new();
    struct query query = {.uri = uri, .context = context, .list = list};
    gboolean ok = prepare(&query, error) && dial(&query, error) && look(&query, error) &&
                  ask_all(&query, error);
    /* Saying good-bye may fail, and takes no time. */
    if (ok)
        nbd_aio_disconnect(query.handle, 0);
    nbd_close(query.handle);
    return ok ? g_steal_pointer(&list) : NULL;
}
