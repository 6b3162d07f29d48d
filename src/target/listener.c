/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "target/listener.h"

#include "base/error.h"
#include "target/listener_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* When there are no descriptors or no memory: not to ask again at once. */
#define PAUSE_MS 100
/* Who has lost its place is waited for, when there are as many of them as places. */
#define LEAVE_US (1 * G_TIME_SPAN_SECOND)

struct client {
    struct listener_connection connection; /* what serve() sees */
    char *peer, *address, *local;
    gboolean established;
    gboolean dropped; /* has lost its place: is shut down and on its way out */
};

struct listener {
    GPtrArray *sockets; /* of struct listener_socket */
    char **addresses;   /* their words */
    char **ranges;      /* NULL: anybody */
    guint most;
    listener_serve_func serve;
    listener_refuse_func refuse;
    gpointer data;

    GThread *thread;
    int wake; /* eventfd: readable when it shall end */
    GMutex closing;

    GMutex lock;        /* over all below */
    GCond gone;         /* a client has */
    GPtrArray *clients; /* of struct client, the oldest first */
    GThread *last;      /* of the client that has gone last, to be joined by the next to go */
};

static void
free_client(struct client *client)
{
    close(client->connection.fd);
    g_free(client->peer);
    g_free(client->address);
    g_free(client->local);
    g_free(client);
}

static void G_GNUC_PRINTF(2, 3) refuse(const struct listener *listener, const char *format, ...)
{
    if (listener->refuse == NULL)
        return;
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *words = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    listener->refuse(words, listener->data);
}

/* ---- A client -------------------------------------------------------------------------------- */

static gpointer
run_client(gpointer data)
{
    struct client *client = data;
    struct listener *listener = client->connection.listener;
    listener->serve(&client->connection, listener->data);
    g_mutex_lock(&listener->lock);
    g_ptr_array_remove(listener->clients, client);
    /* Before anybody is told, so that all descriptors are closed when listener_stop() returns. */
    free_client(client);
    GThread *before = listener->last;
    listener->last = g_thread_self();
    g_cond_broadcast(&listener->gone);
    g_mutex_unlock(&listener->lock);
    if (before != NULL)
        g_thread_join(before);
    return NULL;
}

/* A peer whose machine has died never says so: let the kernel ask it. */
static void
set_options(int fd)
{
    static const int on = 1, idle_s = 30, interval_s = 10, count = 6;
    static const unsigned unacknowledged_ms = 120 * 1000;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacknowledged_ms, sizeof unacknowledged_ms);
}

static char *
local_peer(int fd)
{
    struct ucred who = {.pid = 0};
    socklen_t length = sizeof who;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &length) != 0)
        return g_strdup("unix");
    return g_strdup_printf("unix:%d", (int)who.pid);
}

static struct client *
new_client(struct listener *listener, const struct listener_socket *at, int fd,
           const union listener_socket_address *from)
{
    struct client *client = g_new0(struct client, 1);
    union listener_socket_address here = {.any.sa_family = AF_UNSPEC};
    socklen_t length = sizeof here;
    gboolean local = at->remove != NULL;
    client->peer = local ? local_peer(fd) : listener_address_format(from, TRUE);
    client->address = local ? g_strdup("unix") : listener_address_format(from, FALSE);
    if (local || getsockname(fd, &here.any, &length) != 0)
        client->local = g_strdup(at->text);
    else
        client->local = listener_address_format(&here, TRUE);
    client->connection = (struct listener_connection){.fd = fd,
                                                      .peer = client->peer,
                                                      .address = client->address,
                                                      .local = client->local,
                                                      .listener = listener};
    if (!local)
        set_options(fd);
    return client;
}

/* ---- Room ------------------------------------------------------------------------------------ */

static guint
unestablished_of(const struct listener *listener, const char *address)
{
    guint n = 0;
    for (guint i = 0; i < listener->clients->len; i++) {
        const struct client *client = listener->clients->pdata[i];
        n += !client->established && !client->dropped && g_str_equal(client->address, address);
    }
    return n;
}

/* Whose place a new client gets; NULL: everybody is at work. */
static struct client *
find_victim(const struct listener *listener)
{
    struct client *victim = NULL;
    guint most = 0;
    for (guint i = 0; i < listener->clients->len; i++) {
        struct client *client = listener->clients->pdata[i];
        if (client->established || client->dropped)
            continue;
        guint n = unestablished_of(listener, client->address);
        if (n > most) {
            most = n;
            victim = client;
        }
    }
    return victim;
}

static guint
count_clients(const struct listener *listener, gboolean established)
{
    guint n = 0;
    for (guint i = 0; i < listener->clients->len; i++) {
        const struct client *client = listener->clients->pdata[i];
        n += !client->dropped && (client->established || !established);
    }
    return n;
}

/* With the lock held.  What it says is said later, without it. */
static gboolean
make_room(struct listener *listener, char **ret_dropped)
{
    /* Those on their way out have descriptors and threads still; they soon have not. */
    gint64 until = g_get_monotonic_time() + LEAVE_US;
    while (listener->clients->len >= 2 * listener->most) {
        if (!g_cond_wait_until(&listener->gone, &listener->lock, until))
            return FALSE;
    }
    if (count_clients(listener, FALSE) < listener->most)
        return TRUE;
    struct client *victim = find_victim(listener);
    if (victim == NULL)
        return FALSE;
    victim->dropped = TRUE;
    shutdown(victim->connection.fd, SHUT_RDWR);
    *ret_dropped = g_strdup(victim->peer);
    return TRUE;
}

static gboolean
start_client(struct client *client)
{
    g_autoptr(GError) failure = NULL;
    return g_thread_try_new("client", run_client, client, &failure) != NULL;
}

static void
take_client(struct listener *listener, struct client *client)
{
    g_autofree char *peer = g_strdup(client->peer), *dropped = NULL;
    g_mutex_lock(&listener->lock);
    gboolean room = make_room(listener, &dropped), started = FALSE;
    if (room) {
        g_ptr_array_add(listener->clients, client);
        started = start_client(client);
        if (!started)
            g_ptr_array_remove(listener->clients, client);
    }
    g_mutex_unlock(&listener->lock);
    if (dropped != NULL)
        refuse(listener, "%s: too many connections: closed, as it has not logged in", dropped);
    if (started)
        return;
    refuse(listener, room ? "%s: no thread can be started for it" : "%s: too many connections",
           peer);
    free_client(client);
}

/* ---- Accepting ------------------------------------------------------------------------------- */

/* FALSE when it is better to wait before the next one. */
static gboolean
accept_one(struct listener *listener, const struct listener_socket *at)
{
    union listener_socket_address from = {.any.sa_family = AF_UNSPEC};
    socklen_t length = sizeof from;
    int fd = accept4(at->fd, &from.any, &length, SOCK_CLOEXEC);
    if (fd < 0)
        return errno != EMFILE && errno != ENFILE && errno != ENOMEM && errno != ENOBUFS;
    struct client *client = new_client(listener, at, fd, &from);
    if (at->remove == NULL &&
        !listener_allows((const char *const *)listener->ranges, client->address)) {
        refuse(listener, "%s: its address may not connect", client->peer);
        free_client(client);
        return TRUE;
    }
    take_client(listener, client);
    return TRUE;
}

static gpointer
run_listener(gpointer data)
{
    struct listener *listener = data;
    guint n = listener->sockets->len;
    g_autofree struct pollfd *polls = g_new0(struct pollfd, n + 1);
    for (guint i = 0; i < n; i++) {
        const struct listener_socket *at = listener->sockets->pdata[i];
        polls[i + 1] = (struct pollfd){.fd = at->fd, .events = POLLIN};
    }
    polls[0] = (struct pollfd){.fd = listener->wake, .events = POLLIN};
    for (;;) {
        if (poll(polls, n + 1, -1) < 0)
            continue;
        if (polls[0].revents != 0)
            return NULL;
        gboolean ok = TRUE;
        for (guint i = 0; i < n; i++) {
            if (polls[i + 1].revents != 0)
                ok = accept_one(listener, listener->sockets->pdata[i]) && ok;
        }
        if (!ok)
            poll(polls, 1, PAUSE_MS);
    }
}

/* ---- From outside ---------------------------------------------------------------------------- */

static gboolean
check_options(const struct listener_options *options, GError **error)
{
    if (options->listen == NULL || options->listen[0] == NULL)
        return error_set(error, SLIPWAY_ERROR_USAGE, "no address to listen on");
    if (options->connections > LISTENER_CONNECTIONS_MAX)
        return error_set(error, SLIPWAY_ERROR_USAGE, "%u connections are more than %u",
                         options->connections, LISTENER_CONNECTIONS_MAX);
    for (const char *const *range = options->addresses; range != NULL && *range != NULL; range++) {
        if (!listener_check_range(*range, error))
            return FALSE;
    }
    return TRUE;
}

static void
close_socket(gpointer data)
{
    listener_socket_close(data);
}

static gboolean
open_sockets(struct listener *listener, const struct listener_options *options, GError **error)
{
    g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
    for (const char *const *text = options->listen; *text != NULL; text++) {
        struct listener_socket *at =
            listener_socket_open(*text, options->port, options->local, error);
        if (at == NULL)
            return FALSE;
        g_ptr_array_add(listener->sockets, at);
        g_ptr_array_add(words, g_strdup(at->text));
    }
    g_ptr_array_add(words, NULL);
    g_ptr_array_set_free_func(words, NULL);
    listener->addresses = (char **)g_ptr_array_free(g_steal_pointer(&words), FALSE);
    return TRUE;
}

struct listener *
listener_start(const struct listener_options *options, GError **error)
{
    if (!check_options(options, error))
        return NULL;
    auto_ptr(listener) listener = g_new0(struct listener, 1);
    listener->sockets = g_ptr_array_new_with_free_func(close_socket);
    listener->clients = g_ptr_array_new();
    listener->ranges = g_strdupv((char **)options->addresses);
    listener->most = options->connections > 0 ? options->connections : LISTENER_CONNECTIONS;
    listener->serve = options->serve;
    listener->refuse = options->refuse;
    listener->data = options->data;
    g_mutex_init(&listener->closing);
    g_mutex_init(&listener->lock);
    g_cond_init(&listener->gone);
    listener->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (listener->wake < 0) {
        error_set_errno(error, errno, "cannot make an event");
        return NULL;
    }
    if (!open_sockets(listener, options, error))
        return NULL;
    listener->thread = g_thread_try_new("listener", run_listener, listener, error);
    return listener->thread != NULL ? g_steal_pointer(&listener) : NULL;
}

const char *const *
listener_addresses(const struct listener *listener)
{
    return (const char *const *)listener->addresses;
}

void
listener_establish(struct listener_connection *connection)
{
    struct client *client = (struct client *)connection;
    g_mutex_lock(&connection->listener->lock);
    client->established = TRUE;
    g_mutex_unlock(&connection->listener->lock);
}

guint
listener_count(struct listener *listener, gboolean established)
{
    g_mutex_lock(&listener->lock);
    guint n = count_clients(listener, established);
    g_mutex_unlock(&listener->lock);
    return n;
}

void
listener_close(struct listener *listener)
{
    g_mutex_lock(&listener->closing);
    if (listener->thread != NULL) {
        eventfd_write(listener->wake, 1);
        g_thread_join(listener->thread);
        listener->thread = NULL;
    }
    g_ptr_array_set_size(listener->sockets, 0);
    g_mutex_unlock(&listener->closing);
}

static void
end_clients(struct listener *listener)
{
    g_mutex_lock(&listener->lock);
    for (guint i = 0; i < listener->clients->len; i++) {
        const struct client *client = listener->clients->pdata[i];
        shutdown(client->connection.fd, SHUT_RDWR);
    }
    while (listener->clients->len > 0)
        g_cond_wait(&listener->gone, &listener->lock);
    GThread *last = g_steal_pointer(&listener->last);
    g_mutex_unlock(&listener->lock);
    if (last != NULL)
        g_thread_join(last);
}

void
listener_stop(struct listener *listener)
{
    if (listener == NULL)
        return;
    listener_close(listener);
    end_clients(listener);
    if (listener->wake >= 0)
        close(listener->wake);
    g_ptr_array_unref(listener->sockets);
    g_ptr_array_unref(listener->clients);
    g_strfreev(listener->addresses);
    g_strfreev(listener->ranges);
    g_mutex_clear(&listener->closing);
    g_mutex_clear(&listener->lock);
    g_cond_clear(&listener->gone);
    g_free(listener);
}
