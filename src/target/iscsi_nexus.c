/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "target/iscsi_private.h"

char *
iscsi_nexus_port(const char *initiator, const guint8 isid[6])
{
    return g_strdup_printf("%s,i,0x%02x%02x%02x%02x%02x%02x", initiator, isid[0], isid[1], isid[2],
                           isid[3], isid[4], isid[5]);
}

static void
free_nexus(struct iscsi_nexus *nexus)
{
    g_ptr_array_unref(nexus->connections);
    g_mutex_clear(&nexus->lock);
    g_free(nexus->initiator);
    g_free(nexus->address);
    g_free(nexus);
}

/* ---- Finding; with the server's lock held ---------------------------------------------------- */

static struct iscsi_nexus *
find_handle(const struct iscsi_server *server, guint16 tsih)
{
    for (guint i = 0; i < server->nexuses->len; i++) {
        struct iscsi_nexus *nexus = server->nexuses->pdata[i];
        if (nexus->tsih == tsih)
            return nexus;
    }
    return NULL;
}

/* The session of an initiator port, which has one at most. */
static struct iscsi_nexus *
find_port(const struct iscsi_server *server, const struct iscsi_login *login)
{
    for (guint i = 0; i < server->nexuses->len; i++) {
        struct iscsi_nexus *nexus = server->nexuses->pdata[i];
        if (nexus->scsi != NULL && g_str_equal(nexus->initiator, login->initiator) &&
            memcmp(nexus->isid, login->isid, sizeof nexus->isid) == 0)
            return nexus;
    }
    return NULL;
}

/* The one that a connection wants to join.  Who it belongs to must match. */
static struct iscsi_nexus *
find_joined(const struct iscsi_server *server, const struct iscsi_login *login)
{
    struct iscsi_nexus *nexus = find_handle(server, login->tsih);
    gboolean same = nexus != NULL && nexus->scsi != NULL && !nexus->ended &&
                    g_str_equal(nexus->initiator, login->initiator) &&
                    memcmp(nexus->isid, login->isid, sizeof nexus->isid) == 0;
    return same ? nexus : NULL;
}

enum iscsi_login_status
iscsi_nexus_find(struct iscsi_connection *connection, struct iscsi_login *login)
{
    struct iscsi_server *server = connection->server;
    g_mutex_lock(&server->lock);
    const struct iscsi_nexus *nexus = find_joined(server, login);
    if (nexus != NULL) {
        struct iscsi_parameters own = login->negotiator.parameters;
        login->negotiator.parameters = nexus->parameters;
        login->negotiator.parameters.header_digest = own.header_digest;
        login->negotiator.parameters.data_digest = own.data_digest;
        login->negotiator.parameters.send = own.send;
    }
    g_mutex_unlock(&server->lock);
    return nexus != NULL ? ISCSI_LOGIN_SUCCESS : ISCSI_LOGIN_NO_SESSION;
}

/* Commands that may come, with the nexus's lock held. */
static guint32
window_of(const struct iscsi_nexus *nexus)
{
    return ISCSI_WINDOW - MIN(nexus->pending, ISCSI_WINDOW);
}

/* ---- Joining --------------------------------------------------------------------------------- */

static struct iscsi_connection *
find_connection(const struct iscsi_nexus *nexus, guint16 cid)
{
    for (guint i = 0; i < nexus->connections->len; i++) {
        struct iscsi_connection *connection = nexus->connections->pdata[i];
        if (connection->cid == cid)
            return connection;
    }
    return NULL;
}

static void
enter(struct iscsi_nexus *nexus, struct iscsi_connection *connection, struct iscsi_login *login)
{
    connection->nexus = nexus;
    connection->cid = login->cid;
    g_ptr_array_add(nexus->connections, connection);
    login->tsih = nexus->tsih;
    login->exp_cmd_sn = nexus->exp_cmd_sn;
    login->max_cmd_sn = nexus->exp_cmd_sn + window_of(nexus) - 1;
}

static enum iscsi_login_status
join(struct iscsi_connection *connection, struct iscsi_login *login)
{
    struct iscsi_nexus *nexus = find_joined(connection->server, login);
    if (nexus == NULL || nexus->user != login->user)
        return ISCSI_LOGIN_NO_SESSION;
    enum iscsi_login_status status = ISCSI_LOGIN_SUCCESS;
    g_mutex_lock(&nexus->lock);
    struct iscsi_connection *old = find_connection(nexus, login->cid);
    if (nexus->ended)
        status = ISCSI_LOGIN_NO_SESSION;
    else if (nexus->connections->len >= nexus->parameters.connections + (old != NULL))
        status = ISCSI_LOGIN_TOO_MANY;
    if (status == ISCSI_LOGIN_SUCCESS) {
        /* The initiator has lost that one, and we do not know yet. */
        if (old != NULL)
            iscsi_connection_order(old, ISCSI_ORDER_DROP);
        enter(nexus, connection, login);
    }
    g_mutex_unlock(&nexus->lock);
    return status;
}

/* ---- A new one ------------------------------------------------------------------------------- */

static guint16
new_handle(struct iscsi_server *server)
{
    do
        server->last_tsih++;
    while (server->last_tsih == 0 || find_handle(server, server->last_tsih) != NULL);
    return server->last_tsih;
}

static struct iscsi_nexus *
new_nexus(struct iscsi_connection *connection, const struct iscsi_login *login)
{
    struct iscsi_server *server = connection->server;
    struct iscsi_nexus *nexus = g_new0(struct iscsi_nexus, 1);
    nexus->server = server;
    nexus->initiator = g_strdup(login->initiator);
    nexus->address = g_strdup(connection->client->peer);
    nexus->user = login->user;
    nexus->hash = login->user != NULL ? chap_hash_name(login->hash) : NULL;
    nexus->mutual = login->mutual;
    memcpy(nexus->isid, login->isid, sizeof nexus->isid);
    nexus->tsih = new_handle(server);
    nexus->since = g_get_real_time() / G_USEC_PER_SEC;
    nexus->parameters = login->negotiator.parameters;
    nexus->exp_cmd_sn = login->exp_cmd_sn;
    nexus->connections = g_ptr_array_new();
    g_mutex_init(&nexus->lock);
    if (!login->negotiator.discovery) {
        g_autofree char *port = iscsi_nexus_port(login->initiator, login->isid);
        nexus->scsi = scsi_nexus_join(server->options.device, port, server->target_port);
    } else {
        nexus->parameters.connections = 1;
    }
    g_ptr_array_add(server->nexuses, nexus);
    return nexus;
}

static void
end_connections(struct iscsi_nexus *nexus)
{
    g_mutex_lock(&nexus->lock);
    nexus->ended = TRUE;
    for (guint i = 0; i < nexus->connections->len; i++)
        iscsi_connection_order(nexus->connections->pdata[i], ISCSI_ORDER_END);
    g_mutex_unlock(&nexus->lock);
}

/* An initiator that logs in again has lost its session: the old one's tasks come to their end
 * before the new one begins.  FALSE: they do not. */
static gboolean
end_old(struct iscsi_server *server, const struct iscsi_login *login)
{
    gint64 until = g_get_monotonic_time() + ISCSI_REINSTATE_WAIT_S * G_TIME_SPAN_SECOND;
    for (;;) {
        struct iscsi_nexus *old = find_port(server, login);
        if (old == NULL)
            return TRUE;
        end_connections(old);
        if (!g_cond_wait_until(&server->changed, &server->lock, until))
            return FALSE;
    }
}

enum iscsi_login_status
iscsi_nexus_admit(struct iscsi_connection *connection, struct iscsi_login *login)
{
    struct iscsi_server *server = connection->server;
    enum iscsi_login_status status = ISCSI_LOGIN_SUCCESS;
    g_mutex_lock(&server->lock);
    if (login->joins) {
        status = join(connection, login);
    } else if (!login->negotiator.discovery && !end_old(server, login)) {
        status = ISCSI_LOGIN_NO_RESOURCES;
    } else {
        struct iscsi_nexus *nexus = new_nexus(connection, login);
        g_mutex_lock(&nexus->lock);
        enter(nexus, connection, login);
        g_mutex_unlock(&nexus->lock);
    }
    /* After the session is in the list: iscsi_server_stop() has gone through it, or will. */
    if (server->stopping)
        iscsi_connection_order(connection, ISCSI_ORDER_END);
    g_mutex_unlock(&server->lock);
    return status;
}

/* ---- The end --------------------------------------------------------------------------------- */

void
iscsi_nexus_leave(struct iscsi_nexus *nexus, struct iscsi_connection *connection,
                  gboolean logged_out)
{
    struct iscsi_server *server = nexus->server;
    g_mutex_lock(&nexus->lock);
    g_ptr_array_remove(nexus->connections, connection);
    gboolean last = nexus->connections->len == 0;
    if (last)
        nexus->ended = TRUE;
    g_mutex_unlock(&nexus->lock);
    if (!last && !logged_out)
        end_connections(nexus);
    if (!last)
        return;
    if (nexus->scsi != NULL)
        scsi_nexus_leave(nexus->scsi);
    g_mutex_lock(&server->lock);
    g_ptr_array_remove(server->nexuses, nexus);
    g_cond_broadcast(&server->changed);
    g_mutex_unlock(&server->lock);
    free_nexus(nexus);
}

void
iscsi_nexus_end(struct iscsi_nexus *nexus)
{
    end_connections(nexus);
}

gboolean
iscsi_nexus_drop(struct iscsi_nexus *nexus, guint16 cid)
{
    g_mutex_lock(&nexus->lock);
    struct iscsi_connection *connection = find_connection(nexus, cid);
    if (connection != NULL)
        iscsi_connection_order(connection, ISCSI_ORDER_DROP);
    g_mutex_unlock(&nexus->lock);
    return connection != NULL;
}

/* ---- Numbers --------------------------------------------------------------------------------- */

enum iscsi_turn
iscsi_nexus_turn(struct iscsi_nexus *nexus, guint32 cmd_sn)
{
    enum iscsi_turn turn = ISCSI_TURN_NEVER;
    g_mutex_lock(&nexus->lock);
    guint32 ahead = cmd_sn - nexus->exp_cmd_sn;
    if (ahead < window_of(nexus))
        turn = ahead == 0 ? ISCSI_TURN_NOW : ISCSI_TURN_LATER;
    if (turn == ISCSI_TURN_NOW)
        nexus->exp_cmd_sn++;
    g_mutex_unlock(&nexus->lock);
    return turn;
}

gboolean
iscsi_nexus_is_early(struct iscsi_nexus *nexus, guint32 cmd_sn)
{
    g_mutex_lock(&nexus->lock);
    guint32 ahead = cmd_sn - nexus->exp_cmd_sn;
    gboolean early = nexus->connections->len > 1 && ahead > 0 && ahead < window_of(nexus);
    g_mutex_unlock(&nexus->lock);
    return early;
}

void
iscsi_nexus_wake_held(struct iscsi_nexus *nexus)
{
    g_mutex_lock(&nexus->lock);
    for (guint i = 0; nexus->held > 0 && i < nexus->connections->len; i++)
        iscsi_connection_order(nexus->connections->pdata[i], ISCSI_ORDER_HELD);
    g_mutex_unlock(&nexus->lock);
}

void
iscsi_nexus_hold(struct iscsi_nexus *nexus, int change)
{
    g_mutex_lock(&nexus->lock);
    nexus->held += (guint)change;
    g_mutex_unlock(&nexus->lock);
}

void
iscsi_nexus_pend(struct iscsi_nexus *nexus, int change)
{
    g_mutex_lock(&nexus->lock);
    nexus->pending += (guint)change;
    g_mutex_unlock(&nexus->lock);
}

void
iscsi_nexus_numbers(struct iscsi_nexus *nexus, guint32 *ret_exp, guint32 *ret_max)
{
    g_mutex_lock(&nexus->lock);
    *ret_exp = nexus->exp_cmd_sn;
    *ret_max = nexus->exp_cmd_sn + window_of(nexus) - 1;
    g_mutex_unlock(&nexus->lock);
}

gboolean
iscsi_nexus_is_full(struct iscsi_nexus *nexus)
{
    g_mutex_lock(&nexus->lock);
    gboolean full = window_of(nexus) == 0;
    g_mutex_unlock(&nexus->lock);
    return full;
}

/* ---- Aborting -------------------------------------------------------------------------------- */

static gboolean
abort_writes(struct iscsi_connection *connection, const guint8 *lun, const guint32 *tag)
{
    gboolean found = FALSE;
    g_mutex_lock(&connection->tasks_lock);
    for (GList *at = connection->writes.head; at != NULL; at = at->next) {
        struct iscsi_write *write = at->data;
        if ((lun != NULL && memcmp(write->bhs + ISCSI_AT_LUN, lun, 8) != 0) ||
            (tag != NULL && write->tag != *tag) || g_atomic_int_get(&write->aborted))
            continue;
        g_atomic_int_set(&write->aborted, 1);
        found = TRUE;
    }
    g_mutex_unlock(&connection->tasks_lock);
    if (found)
        iscsi_connection_order(connection, ISCSI_ORDER_ABORTED);
    return found;
}

gboolean
iscsi_nexus_abort(struct iscsi_nexus *nexus, const guint8 *lun, const guint32 *tag)
{
    gboolean found = FALSE;
    g_mutex_lock(&nexus->lock);
    for (guint i = 0; i < nexus->connections->len; i++)
        found = abort_writes(nexus->connections->pdata[i], lun, tag) || found;
    g_mutex_unlock(&nexus->lock);
    return found;
}

void
iscsi_server_abort(struct iscsi_server *server, const guint8 *lun)
{
    g_mutex_lock(&server->lock);
    for (guint i = 0; i < server->nexuses->len; i++)
        iscsi_nexus_abort(server->nexuses->pdata[i], lun, NULL);
    g_mutex_unlock(&server->lock);
}
