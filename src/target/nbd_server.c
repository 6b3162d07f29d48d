/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "target/nbd_server.h"

#include "base/error.h"
#include "target/listener.h"
#include "target/nbd_handshake.h"
#include "target/nbd_service.h"
#include "target/nbd_session.h"
#include "target/nbd_transmission.h"

#include <pthread.h>
#include <signal.h>

#define PORT 10809 /* assigned to NBD */

/* So long a stopping server waits for what is under way before it hangs up. */
#define STOP_MAX (5 * G_TIME_SPAN_SECOND)

struct nbd_server {
    struct nbd_service *service;
    struct listener *listener;
    GMutex lock; /* over what follows */
    GCond ended;
    GPtrArray *sessions; /* of struct nbd_session, borrowed */
    gboolean stopping;
};

static void
enlist(struct nbd_server *server, struct nbd_session *session)
{
    g_mutex_lock(&server->lock);
    g_ptr_array_add(server->sessions, session);
    if (server->stopping)
        nbd_session_stop(session);
    g_mutex_unlock(&server->lock);
}

static void
strike_off(struct nbd_server *server, struct nbd_session *session)
{
    g_mutex_lock(&server->lock);
    g_ptr_array_remove_fast(server->sessions, session);
    g_cond_signal(&server->ended);
    g_mutex_unlock(&server->lock);
}

static void
log_begin(struct nbd_session *session)
{
    g_autofree char *name = nbd_channel_peer_name(&session->channel);
    nbd_service_log(session->service, session->peer, "export \"%s\" opened%s%s%s",
                    session->export->name, session->channel.tls != NULL ? " over TLS" : "",
                    name != NULL ? " by " : "", name != NULL ? name : "");
}

static void
converse(struct nbd_session *session, struct listener_connection *connection)
{
    g_autoptr(GError) error = NULL;
    if (nbd_handshake_do(session, &error)) {
        listener_establish(connection);
        log_begin(session);
        nbd_transmission_do(session, &error);
        nbd_service_log(session->service, session->peer, "export \"%s\" closed%s%s",
                        session->export->name, error != NULL ? ": " : "",
                        error != NULL ? error->message : "");
    } else if (error != NULL && !g_error_matches(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CANCELLED)) {
        nbd_service_log(session->service, session->peer, "%s", error->message);
    }
}

static void
serve(struct listener_connection *connection, gpointer data)
{
    struct nbd_server *server = data;
    /* OpenSSL writes to sockets without MSG_NOSIGNAL.  The connection's other threads inherit it.
     */
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, NULL);
    struct nbd_session session;
    if (!nbd_session_init(&session, server->service, connection->fd, connection->peer)) {
        nbd_service_log(server->service, connection->peer, "too many open files");
        return;
    }
    enlist(server, &session);
    converse(&session, connection);
    strike_off(server, &session);
    nbd_session_clear(&session);
}

static void
refuse(const char *words, gpointer data)
{
    struct nbd_server *server = data;
    if (server->service->log != NULL)
        server->service->log(words, server->service->log_data);
}

static void
free_server(struct nbd_server *server)
{
    nbd_service_free(server->service);
    g_ptr_array_unref(server->sessions);
    g_mutex_clear(&server->lock);
    g_cond_clear(&server->ended);
    g_free(server);
}

struct nbd_server *
nbd_server_start(const struct nbd_options *options, GError **error)
{
    auto_ptr(nbd_service) service = nbd_service_new(options, error);
    if (service == NULL)
        return NULL;
    struct nbd_server *server = g_new0(struct nbd_server, 1);
    server->service = g_steal_pointer(&service);
    server->sessions = g_ptr_array_new();
    g_mutex_init(&server->lock);
    g_cond_init(&server->ended);
    const struct listener_options listening = {
        .listen = options->listen,
        .port = PORT,
        .local = TRUE,
        .addresses = options->addresses,
        .connections = options->connections,
        .serve = serve,
        .refuse = refuse,
        .data = server,
    };
    server->listener = listener_start(&listening, error);
    if (server->listener != NULL)
        return server;
    free_server(server);
    return NULL;
}

void
nbd_server_stop(struct nbd_server *server)
{
    if (server == NULL)
        return;
    listener_close(server->listener);
    gint64 deadline = g_get_monotonic_time() + STOP_MAX;
    g_mutex_lock(&server->lock);
    server->stopping = TRUE;
    for (guint i = 0; i < server->sessions->len; i++)
        nbd_session_stop(server->sessions->pdata[i]);
    while (server->sessions->len > 0)
        if (!g_cond_wait_until(&server->ended, &server->lock, deadline))
            break;
    g_mutex_unlock(&server->lock);
    listener_stop(server->listener);
    free_server(server);
}

const char *const *
nbd_server_addresses(struct nbd_server *server)
{
    return listener_addresses(server->listener);
}

guint
nbd_server_connections(struct nbd_server *server)
{
    return listener_count(server->listener, TRUE);
}
