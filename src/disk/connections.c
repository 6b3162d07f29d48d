/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "disk/connections.h"

#include "base/cancel.h"
#include "base/error.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Servers need not take more in one request (the protocol's advice), nor a larger alignment. */
#define REQUEST_MAX (32u * 1024 * 1024)
#define ALIGNMENT_MAX (64u * 1024)

#define ALLOCATION "base:allocation"

#define SLICE_MS 1000u /* how soon a cancel is noticed while nothing comes */
#define BYE_S 5u       /* for the server to let go of the disk */

struct connections {
    char *label, *remedy;
    char *uri; /* NULL: no more than there are */
    gboolean replace;
    guint silence_s;                /* 0: answers are waited for without an end */
    struct connections_offer offer; /* constant once open */
    GMutex lock;                    /* over all below */
    GCond returned;
    GPtrArray *idle; /* of struct nbd_handle */
    guint open;      /* idle and taken */
    guint max;
    gboolean lost;   /* for good ... */
    gboolean silent; /* ... as it said nothing */
};

static gboolean
is_lost(struct nbd_handle *handle)
{
    return nbd_aio_is_dead(handle) != 0 || nbd_aio_is_closed(handle) != 0;
}

/* ---- Waiting --------------------------------------------------------------------------------- */

struct wait {
    struct nbd_handle *handle;
    guint silence_s;   /* 0: for ever */
    guint64 silent_ms; /* so far */
};

/* Until something comes or goes over the connection.  Counted in slices in which nothing did, so
 * that no clock has to be asked. */
static enum connections_end
wait_a_while(struct wait *wait)
{
    guint64 limit_ms = wait->silence_s * G_GUINT64_CONSTANT(1000);
    int slice_ms = limit_ms == 0 ? -1 : (int)MIN(limit_ms - wait->silent_ms, SLICE_MS);
    int status = nbd_poll(wait->handle, slice_ms);
    if (status != 0) {
        wait->silent_ms = 0;
        return status > 0 ? CONNECTIONS_DONE : CONNECTIONS_REFUSED;
    }
    wait->silent_ms += (guint64)slice_ms;
    if (wait->silent_ms >= limit_ms)
        return CONNECTIONS_SILENT;
    return cancel_requested() ? CONNECTIONS_CANCELLED : CONNECTIONS_DONE;
}

static enum connections_end
wait_for_answer(struct nbd_handle *handle, guint silence_s, int64_t cookie)
{
    struct wait wait = {.handle = handle, .silence_s = silence_s};
    enum connections_end end = cookie < 0 ? CONNECTIONS_REFUSED : CONNECTIONS_DONE;
    int completed = 0;
    while (end == CONNECTIONS_DONE && cookie > 0 &&
           (completed = nbd_aio_command_completed(handle, (uint64_t)cookie)) == 0)
        end = wait_a_while(&wait);
    if (completed < 0)
        return CONNECTIONS_REFUSED;
    /* It is the waiting that has failed: the answer may still come. */
    return end == CONNECTIONS_REFUSED && cookie > 0 ? CONNECTIONS_LOST : end;
}

static enum connections_end
wait_until_ready(struct nbd_handle *handle, guint silence_s)
{
    struct wait wait = {.handle = handle, .silence_s = silence_s};
    enum connections_end end = CONNECTIONS_DONE;
    while (end == CONNECTIONS_DONE && nbd_aio_is_ready(handle) != 1)
        end = wait_a_while(&wait);
    return end;
}

/* A polite server then knows that this was no accident, and has let go of the disk when this
 * returns.  Failing is no news. */
static void
say_good_bye(struct nbd_handle *handle, guint silence_s)
{
    struct wait wait = {.handle = handle, .silence_s = MIN(silence_s, BYE_S)};
    if (silence_s == 0) {
        nbd_shutdown(handle, 0);
        return;
    }
    if (nbd_aio_disconnect(handle, 0) != 0)
        return;
    while (!is_lost(handle) && wait_a_while(&wait) == CONNECTIONS_DONE)
        continue;
}

/* What libnbd says is behind the name of its function. */
static char *
take_words(void)
{
    const char *words = nbd_get_error();
    const char *colon =
        words != NULL && g_str_has_prefix(words, "nbd_") ? strstr(words, ": ") : NULL;
    return g_strdup(colon != NULL ? colon + 2 : words);
}

/* ---- Connecting ------------------------------------------------------------------------------ */

/* A server whose machine has died never says so: let the kernel ask it.  Not all sockets know
 * these, and without them it works too. */
static void
keep_alive(struct nbd_handle *handle)
{
    static const int on = 1, idle_s = 30, interval_s = 10, count = 6;
    static const unsigned unacknowledged_ms = 120 * 1000;
    int fd = nbd_aio_get_fd(handle);
    if (fd < 0)
        return;
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacknowledged_ms, sizeof unacknowledged_ms);
}

static struct nbd_handle *
new_handle(const char *label, GError **error)
{
    struct nbd_handle *handle = nbd_create();
    /* Local files in a URI are keys for TLS, named by the user.  Only the end of a disk whose size
     * is no multiple of the server's own block is not aligned: the server may be able to. */
    if (handle != NULL && nbd_add_meta_context(handle, ALLOCATION) == 0 &&
        nbd_set_uri_allow_local_file(handle, true) == 0 &&
        nbd_set_strict_mode(handle, LIBNBD_STRICT_MASK & ~LIBNBD_STRICT_ALIGN) == 0)
        return handle;
    error_set(error, SLIPWAY_ERROR_FAILED, "disk %s: %s", label, nbd_get_error());
    nbd_close(handle);
    return NULL;
}

static gboolean
fail_open(const struct connections *connections, struct nbd_handle *handle,
          enum connections_end end, GError **error)
{
    int number = nbd_get_errno();
    g_autofree char *words = take_words();
    switch (end) {
    case CONNECTIONS_CANCELLED:
        return error_set(error, SLIPWAY_ERROR_CANCELLED, "stopped on request");
    case CONNECTIONS_SILENT:
        return error_set(error, SLIPWAY_ERROR_NETWORK,
                         "cannot open disk %s: its server has said nothing for %u seconds; %s",
                         connections->label, connections->silence_s, connections->remedy);
    default:
        break;
    }
    if (number == EINVAL && nbd_aio_is_created(handle) == 1)
        return error_set(error, SLIPWAY_ERROR_USAGE, "disk %s: not the URI of an NBD server: %s",
                         connections->label, words);
    return error_set(error, SLIPWAY_ERROR_NETWORK,
                     "cannot open disk %s: %s; check the server and the export's name",
                     connections->label, words);
}

/* *ret_silent: why not was that it said nothing. */
static struct nbd_handle *
connect_uri(const struct connections *connections, gboolean *ret_silent, GError **error)
{
    struct nbd_handle *handle = new_handle(connections->label, error);
    if (handle == NULL)
        return NULL;
    enum connections_end end = CONNECTIONS_REFUSED;
    if (nbd_aio_connect_uri(handle, connections->uri) == 0)
        end = wait_until_ready(handle, connections->silence_s);
    *ret_silent = end == CONNECTIONS_SILENT;
    if (end == CONNECTIONS_DONE) {
        keep_alive(handle);
        return handle;
    }
    fail_open(connections, handle, end, error);
    nbd_close(handle);
    return NULL;
}

static struct nbd_handle *
connect_socket(const char *label, int socket, GError **error)
{
    struct nbd_handle *handle = new_handle(label, error);
    if (handle == NULL) {
        close(socket);
        return NULL;
    }
    if (nbd_connect_socket(handle, socket) == 0)
        return handle;
    error_set(error, SLIPWAY_ERROR_NETWORK, "cannot open disk %s: %s", label, nbd_get_error());
    nbd_close(handle);
    return NULL;
}

static gboolean
ask_limits(struct nbd_handle *handle, struct connections_offer *offer)
{
    int64_t size = nbd_get_size(handle);
    int64_t minimum = nbd_get_block_size(handle, LIBNBD_SIZE_MINIMUM);
    int64_t maximum = nbd_get_block_size(handle, LIBNBD_SIZE_MAXIMUM);
    if (size < 0 || minimum < 0 || maximum < 0)
        return FALSE;
    offer->size = (guint64)size;
    offer->alignment = minimum == 0 ? 1 : (guint)MIN(minimum, G_MAXUINT);
    offer->request_max = maximum == 0 ? REQUEST_MAX : (guint32)MIN(maximum, REQUEST_MAX);
    return TRUE;
}

static gboolean
ask_offer(struct nbd_handle *handle, const char *label, struct connections_offer *offer,
          GError **error)
{
    offer->read_only = nbd_is_read_only(handle) != 0;
    offer->multi = nbd_can_multi_conn(handle) == 1;
    offer->extents = nbd_can_meta_context(handle, ALLOCATION) == 1;
    offer->zero = nbd_can_zero(handle) == 1;
    offer->flush = nbd_can_flush(handle) == 1;
    if (!ask_limits(handle, offer))
        return error_set(error, SLIPWAY_ERROR_NETWORK, "cannot open disk %s: %s", label,
                         nbd_get_error());
    guint alignment = offer->alignment;
    if (alignment > ALIGNMENT_MAX || (alignment & (alignment - 1)) != 0 ||
        offer->request_max < alignment)
        return error_set(error, SLIPWAY_ERROR_NETWORK,
                         "cannot open disk %s: the server wants requests in blocks of %u bytes and "
                         "of at most %u, which the protocol does not allow",
                         label, alignment, offer->request_max);
    offer->request_max -= offer->request_max % alignment;
    return TRUE;
}

static struct connections *
new_connections(const char *label, const char *uri, gboolean replace)
{
    struct connections *connections = g_new0(struct connections, 1);
    connections->label = g_strdup(label);
    connections->remedy = g_strdup("check the server and begin again");
    connections->uri = g_strdup(uri);
    connections->replace = replace;
    connections->idle = g_ptr_array_new();
    g_mutex_init(&connections->lock);
    g_cond_init(&connections->returned);
    return connections;
}

static void
add(struct connections *connections, struct nbd_handle *handle)
{
    g_ptr_array_add(connections->idle, handle);
    connections->open++;
}

struct connections *
connections_open(const char *uri, gboolean replace, const struct disk_nbd_options *options,
                 GError **error)
{
    auto_ptr(connections) connections =
        new_connections(options->label != NULL ? options->label : uri, uri, replace);
    connections->silence_s = options->silence_s;
    if (options->remedy != NULL) {
        g_free(connections->remedy);
        connections->remedy = g_strdup(options->remedy);
    }
    struct nbd_handle *handle = connect_uri(connections, &connections->silent, error);
    if (handle == NULL)
        return NULL;
    add(connections, handle);
    if (!ask_offer(handle, connections->label, &connections->offer, error))
        return NULL;
    connections->max = connections->offer.multi ? CONNECTIONS_MAX : 1;
    return g_steal_pointer(&connections);
}

struct connections *
connections_adopt(const char *label, const int *sockets, guint n, GError **error)
{
    auto_ptr(connections) connections = new_connections(label, NULL, FALSE);
    gboolean ok = TRUE;
    for (guint i = 0; i < n; i++) {
        if (!ok || (i > 0 && !connections->offer.multi)) {
            close(sockets[i]);
            continue;
        }
        struct nbd_handle *handle = connect_socket(label, sockets[i], error);
        if (handle != NULL)
            add(connections, handle);
        ok = handle != NULL && (i > 0 || ask_offer(handle, label, &connections->offer, error));
    }
    connections->max = connections->open;
    return ok ? g_steal_pointer(&connections) : NULL;
}

const struct connections_offer *
connections_offer(const struct connections *connections)
{
    return &connections->offer;
}

const char *
connections_label(const struct connections *connections)
{
    return connections->label;
}

const char *
connections_remedy(const struct connections *connections)
{
    return connections->remedy;
}

/* One more connection to the server; it must still be the same disk. */
static struct nbd_handle *
connect_again(struct connections *connections, gboolean *ret_silent, GError **error)
{
    struct nbd_handle *handle = connect_uri(connections, ret_silent, error);
    if (handle == NULL)
        return NULL;
    struct connections_offer offer;
    gboolean ok = ask_offer(handle, connections->label, &offer, error);
    const struct connections_offer *first = &connections->offer;
    if (ok && (offer.size != first->size || offer.alignment > first->alignment ||
               offer.request_max < first->request_max || (first->extents && !offer.extents)))
        ok = error_set(error, SLIPWAY_ERROR_NETWORK,
                       "disk %s: the server has something else under this name since its disk was "
                       "opened; begin again",
                       connections->label);
    if (ok)
        return handle;
    say_good_bye(handle, connections->silence_s);
    nbd_close(handle);
    return NULL;
}

/* ---- Taking and giving back ------------------------------------------------------------------ */

/* With the lock held, which is released while the server is waited for. */
static struct nbd_handle *
take_new(struct connections *connections, GError **error)
{
    gboolean silent = FALSE;
    connections->open++;
    g_mutex_unlock(&connections->lock);
    struct nbd_handle *handle = connect_again(connections, &silent, error);
    g_mutex_lock(&connections->lock);
    if (handle == NULL) {
        connections->open--;
        /* While it serves another one it may only want no more of them. */
        if (silent && connections->open == 0)
            connections->silent = connections->lost = TRUE;
        g_cond_broadcast(&connections->returned);
    }
    return handle;
}

/* With the lock held. */
static gboolean
fail_lost(const struct connections *connections, GError **error)
{
    if (connections->silent)
        return error_set(error, SLIPWAY_ERROR_NETWORK,
                         "disk %s: its server has said nothing for %u seconds; %s",
                         connections->label, connections->silence_s, connections->remedy);
    return error_set(error, SLIPWAY_ERROR_NETWORK,
                     "disk %s: the connection to its server was lost before; begin again",
                     connections->label);
}

struct nbd_handle *
connections_take(struct connections *connections, GError **error)
{
    struct nbd_handle *handle = NULL;
    g_mutex_lock(&connections->lock);
    while (handle == NULL) {
        if (connections->lost || connections->max == 0) {
            fail_lost(connections, error);
            break;
        }
        if (connections->idle->len > 0) {
            handle = g_ptr_array_steal_index(connections->idle, connections->idle->len - 1);
        } else if (connections->open < connections->max) {
            g_autoptr(GError) failure = NULL;
            handle = take_new(connections, &failure);
            /* A server that wants no more clients is no error while it serves one. */
            if (handle == NULL && connections->open == 0) {
                g_propagate_error(error, g_steal_pointer(&failure));
                break;
            }
            if (handle == NULL)
                connections->max = connections->open;
        } else {
            g_cond_wait(&connections->returned, &connections->lock);
        }
    }
    g_mutex_unlock(&connections->lock);
    return handle;
}

static void
give_back(struct connections *connections, struct nbd_handle *handle, enum connections_end end)
{
    gboolean good = end == CONNECTIONS_DONE || end == CONNECTIONS_REFUSED;
    if (good)
        good = !is_lost(handle);
    if (!good)
        nbd_close(handle); /* and with it what was asked */
    g_mutex_lock(&connections->lock);
    if (good) {
        g_ptr_array_add(connections->idle, handle);
    } else {
        connections->open--;
        connections->silent = connections->silent || end == CONNECTIONS_SILENT;
        connections->lost = connections->lost || connections->silent || !connections->replace;
    }
    g_cond_broadcast(&connections->returned);
    g_mutex_unlock(&connections->lock);
}

void
connections_give(struct connections *connections, struct nbd_handle *handle, int64_t cookie,
                 struct connections_answer *ret)
{
    *ret =
        (struct connections_answer){.end = wait_for_answer(handle, connections->silence_s, cookie)};
    if (ret->end == CONNECTIONS_REFUSED || ret->end == CONNECTIONS_LOST) {
        /* Both are the thread's and gone after the next call of libnbd. */
        ret->number = nbd_get_errno();
        ret->words = take_words();
        if (is_lost(handle))
            ret->end = CONNECTIONS_LOST;
    } else if (ret->end == CONNECTIONS_SILENT) {
        ret->words =
            g_strdup_printf("its server has said nothing for %u seconds", connections->silence_s);
    }
    give_back(connections, handle, ret->end);
}

void
connections_close(struct connections *connections)
{
    if (connections == NULL)
        return;
    for (guint i = 0; i < connections->idle->len; i++) {
        struct nbd_handle *handle = g_ptr_array_index(connections->idle, i);
        if (!connections->silent)
            say_good_bye(handle, connections->silence_s);
        nbd_close(handle);
    }
    g_ptr_array_unref(connections->idle);
    g_mutex_clear(&connections->lock);
    g_cond_clear(&connections->returned);
    g_free(connections->label);
    g_free(connections->remedy);
    g_free(connections->uri);
    g_free(connections);
}
