/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "target/iscsi_private.h"

#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

void
iscsi_connection_order(struct iscsi_connection *connection, enum iscsi_order order)
{
    g_atomic_int_or(&connection->orders, order);
    eventfd_write(connection->wake, 1);
    /* It may be at sending to a peer that takes nothing. */
    if ((order & (ISCSI_ORDER_END | ISCSI_ORDER_DROP)) != 0)
        shutdown(connection->client->fd, SHUT_RDWR);
}

gboolean
iscsi_connection_fail(struct iscsi_connection *connection, const char *words)
{
    connection->end = words;
    return FALSE;
}

/* ---- Answers --------------------------------------------------------------------------------- */

void
iscsi_connection_number(struct iscsi_connection *connection, guint8 *bhs, gboolean counts)
{
    guint32 exp = 0, max = 0;
    iscsi_nexus_numbers(connection->nexus, &exp, &max);
    big_endian_put32(bhs + ISCSI_AT_STAT_SN, connection->stat_sn);
    big_endian_put32(bhs + ISCSI_AT_EXP_CMD_SN, exp);
    big_endian_put32(bhs + ISCSI_AT_MAX_CMD_SN, max);
    connection->stat_sn += counts ? 1 : 0;
}

gboolean
iscsi_connection_send(struct iscsi_connection *connection, guint8 *bhs, const void *data,
                      guint32 length)
{
    return iscsi_stream_send(&connection->stream, bhs, data, length) ||
           iscsi_connection_fail(connection, "the connection is lost");
}

gboolean
iscsi_connection_reject(struct iscsi_connection *connection, const guint8 *bhs,
                        enum iscsi_reject_reason reason)
{
    guint8 answer[ISCSI_BHS] = {ISCSI_REJECT, ISCSI_FINAL, (guint8)reason};
    big_endian_put32(answer + ISCSI_AT_TAG, ISCSI_NO_TAG);
    iscsi_connection_number(connection, answer, TRUE);
    iscsi_server_log(connection->server, connection->client->peer,
                     "a request (opcode %02x) was rejected, reason %02x", ISCSI_OPCODE(bhs),
                     reason);
    return iscsi_connection_send(connection, answer, bhs, ISCSI_BHS);
}

/* ---- Requests, in their turn ----------------------------------------------------------------- */

static gboolean
run_request(struct iscsi_connection *connection, const struct iscsi_pdu *pdu)
{
    guint opcode = ISCSI_OPCODE(pdu->bhs);
    if (pdu->ahs_length > 0)
        return iscsi_connection_reject(connection, pdu->bhs, ISCSI_REJECT_UNSUPPORTED);
    if (pdu->damaged && opcode != ISCSI_COMMAND)
        return iscsi_connection_reject(connection, pdu->bhs, ISCSI_REJECT_DATA_DIGEST);
    switch (opcode) {
    case ISCSI_COMMAND:
        return iscsi_command_run(connection, pdu);
    case ISCSI_NOP_OUT:
        return iscsi_requests_nop(connection, pdu);
    case ISCSI_TASK_REQUEST:
        return iscsi_requests_task(connection, pdu);
    case ISCSI_TEXT_REQUEST:
        return iscsi_discovery_text(connection, pdu);
    default:
        return iscsi_requests_logout(connection, pdu);
    }
}

#define HELD_DAMAGED 0x80 /* of byte 0 of a copy; it has no meaning on the wire */

/* A copy of what came before its turn: a request of another connection is still on its way. */
static gboolean
hold(struct iscsi_connection *connection, const struct iscsi_pdu *pdu)
{
    gsize length = ISCSI_BHS + pdu->length;
    if (pdu->ahs_length > 0)
        return iscsi_connection_fail(connection, "a long command that is out of its order");
    if (connection->held_bytes + length > ISCSI_HELD_MAX ||
        connection->held.length >= 2 * ISCSI_WINDOW)
        return iscsi_connection_fail(connection, "too many commands that are out of their order");
    g_autofree guint8 *copy = g_malloc(length);
    memcpy(copy, pdu->bhs, ISCSI_BHS);
    memcpy(copy + ISCSI_BHS, pdu->data, pdu->length);
    copy[0] = (guint8)((copy[0] & ~HELD_DAMAGED) | (pdu->damaged ? HELD_DAMAGED : 0));
    g_queue_push_tail(&connection->held, g_bytes_new_take(g_steal_pointer(&copy), length));
    connection->held_bytes += length;
    iscsi_nexus_hold(connection->nexus, 1);
    return TRUE;
}

static void
unhold(struct iscsi_connection *connection, GList *at)
{
    GBytes *bytes = at->data;
    connection->held_bytes -= g_bytes_get_size(bytes);
    g_queue_delete_link(&connection->held, at);
    g_bytes_unref(bytes);
    iscsi_nexus_hold(connection->nexus, -1);
}

/* Whose turn has come?  Immediate ones take none. */
static enum iscsi_turn
held_turn(struct iscsi_connection *connection, const guint8 *bhs)
{
    guint32 cmd_sn = big_endian_get32(bhs + ISCSI_AT_CMD_SN);
    if ((bhs[0] & ISCSI_IMMEDIATE) == 0)
        return iscsi_nexus_turn(connection->nexus, cmd_sn);
    return iscsi_nexus_is_early(connection->nexus, cmd_sn) ? ISCSI_TURN_LATER : ISCSI_TURN_NOW;
}

/* Run one that is held and whose turn has come; those that can never be heard any more go. */
static gboolean
run_held_one(struct iscsi_connection *connection, gboolean *ret_ran)
{
    *ret_ran = FALSE;
    for (GList *at = connection->held.head, *next = NULL; at != NULL; at = next) {
        gsize length = 0;
        const guint8 *bhs = g_bytes_get_data(at->data, &length);
        enum iscsi_turn turn = held_turn(connection, bhs);
        next = at->next;
        if (turn == ISCSI_TURN_LATER)
            continue;
        g_autoptr(GBytes) bytes = g_bytes_ref(at->data);
        unhold(connection, at);
        if (turn == ISCSI_TURN_NEVER)
            continue;
        struct iscsi_pdu pdu = {bhs, 0, bhs + ISCSI_BHS, (guint32)(length - ISCSI_BHS),
                                (bhs[0] & HELD_DAMAGED) != 0};
        *ret_ran = TRUE;
        gboolean ok = run_request(connection, &pdu);
        iscsi_nexus_wake_held(connection->nexus);
        return ok;
    }
    return TRUE;
}

static gboolean
run_held(struct iscsi_connection *connection)
{
    gboolean ran = TRUE, ok = TRUE;
    while (ok && ran && connection->held.length > 0)
        ok = run_held_one(connection, &ran);
    return ok;
}

/* Those before it may have come since it was looked at, when nobody knew that it waits. */
static gboolean
wait_turn(struct iscsi_connection *connection, const struct iscsi_pdu *pdu)
{
    return hold(connection, pdu) && run_held(connection);
}

static gboolean
take_request(struct iscsi_connection *connection, const struct iscsi_pdu *pdu)
{
    guint8 opcode = ISCSI_OPCODE(pdu->bhs);
    if (connection->nexus->scsi == NULL &&
        (opcode == ISCSI_COMMAND || opcode == ISCSI_TASK_REQUEST))
        return iscsi_connection_fail(connection, "a command in a discovery session");
    guint32 cmd_sn = big_endian_get32(pdu->bhs + ISCSI_AT_CMD_SN);
    if ((pdu->bhs[0] & ISCSI_IMMEDIATE) != 0) {
        /* It is about commands that were sent before. */
        gboolean early =
            opcode == ISCSI_TASK_REQUEST && iscsi_nexus_is_early(connection->nexus, cmd_sn);
        return early ? wait_turn(connection, pdu) : run_request(connection, pdu);
    }
    switch (iscsi_nexus_turn(connection->nexus, cmd_sn)) {
    case ISCSI_TURN_NOW:
        if (!run_request(connection, pdu))
            return FALSE;
        iscsi_nexus_wake_held(connection->nexus);
        return run_held(connection);
    case ISCSI_TURN_LATER:
        return wait_turn(connection, pdu);
    default:
        return TRUE;
    }
}

static gboolean
take_pdu(struct iscsi_connection *connection, const struct iscsi_pdu *pdu)
{
    switch (ISCSI_OPCODE(pdu->bhs)) {
    case ISCSI_COMMAND:
    case ISCSI_NOP_OUT:
    case ISCSI_TASK_REQUEST:
    case ISCSI_TEXT_REQUEST:
    case ISCSI_LOGOUT_REQUEST:
        return take_request(connection, pdu);
    case ISCSI_DATA_OUT:
        return iscsi_write_data(connection, pdu);
    case ISCSI_LOGIN_REQUEST:
        return iscsi_connection_fail(connection, "a login in a session");
    case ISCSI_SNACK:
        return iscsi_connection_reject(connection, pdu->bhs, ISCSI_REJECT_SNACK);
    default:
        return iscsi_connection_reject(connection, pdu->bhs, ISCSI_REJECT_UNSUPPORTED);
    }
}

/* Commands that have come behind the present one: what they read is read ahead meanwhile. */
static void
prefetch(struct iscsi_connection *connection)
{
    struct iscsi_pdu pdu;
    while (iscsi_stream_peek(&connection->stream, &connection->prefetched, &pdu)) {
        if (ISCSI_OPCODE(pdu.bhs) != ISCSI_COMMAND ||
            (pdu.bhs[ISCSI_AT_FLAGS] & (ISCSI_READ | ISCSI_WRITE)) != ISCSI_READ)
            continue;
        struct scsi_task task = {.out = NULL};
        memcpy(task.lun, pdu.bhs + ISCSI_AT_LUN, sizeof task.lun);
        memcpy(task.cdb, pdu.bhs + ISCSI_AT_CDB, sizeof task.cdb);
        scsi_task_prefetch(connection->nexus->scsi, &task);
    }
}

/* ---- The full feature phase ------------------------------------------------------------------ */

static gboolean
obey(struct iscsi_connection *connection)
{
    guint orders = g_atomic_int_and(&connection->orders, 0);
    if ((orders & ISCSI_ORDER_DROP) != 0) {
        connection->logged_out = TRUE;
        return iscsi_connection_fail(connection, "replaced or logged out by another connection");
    }
    if ((orders & ISCSI_ORDER_END) != 0)
        return iscsi_connection_fail(connection, "the session has ended");
    if ((orders & ISCSI_ORDER_ABORTED) != 0)
        iscsi_write_sweep(connection);
    if ((orders & ISCSI_ORDER_LOGOUT) != 0 && !iscsi_requests_ask_logout(connection))
        return FALSE;
    return (orders & ISCSI_ORDER_HELD) == 0 || run_held(connection);
}

static gint64
deadline(const struct iscsi_connection *connection)
{
    gint64 idle = connection->server->options.idle_seconds * G_TIME_SPAN_SECOND;
    return (connection->asked != 0 ? connection->asked : connection->stream.heard) + idle;
}

/* Nothing was heard for long. */
static gboolean
take_silence(struct iscsi_connection *connection)
{
    if (g_get_monotonic_time() < deadline(connection))
        return TRUE;
    if (connection->nexus->scsi == NULL)
        return iscsi_connection_fail(connection, "the discovery session was not used any more");
    if (connection->asked != 0)
        return iscsi_connection_fail(connection, "the initiator does not answer any more");
    connection->asked = g_get_monotonic_time();
    return iscsi_requests_ping(connection);
}

static gboolean
take_event(struct iscsi_connection *connection, enum iscsi_stream_event event,
           const struct iscsi_pdu *pdu)
{
    switch (event) {
    case ISCSI_STREAM_PDU:
        connection->asked = 0;
        if (connection->nexus->scsi != NULL)
            prefetch(connection);
        return take_pdu(connection, pdu);
    case ISCSI_STREAM_TIME:
        return take_silence(connection);
    case ISCSI_STREAM_WOKEN:
        return TRUE;
    case ISCSI_STREAM_DAMAGED:
        return iscsi_connection_fail(connection, "a header was damaged on its way (its digest)");
    case ISCSI_STREAM_LONG:
        return iscsi_connection_fail(connection, "a PDU with more data than was agreed upon");
    default:
        return iscsi_connection_fail(connection, "closed by the initiator, or the network failed");
    }
}

static void
run(struct iscsi_connection *connection)
{
    struct iscsi_pdu pdu;
    gboolean ok = TRUE;
    while (ok) {
        if (g_atomic_int_get(&connection->orders) != 0 && !obey(connection))
            break;
        ok = take_event(connection,
                        iscsi_stream_next(&connection->stream, deadline(connection), &pdu), &pdu);
    }
    iscsi_stream_flush(&connection->stream);
}

/* ---- Login ----------------------------------------------------------------------------------- */

static gboolean
login_waits(gpointer data)
{
    struct iscsi_connection *connection = data;
    return iscsi_penalty_wait(connection->server->penalty, connection->client->address,
                              g_get_monotonic_time()) > 0;
}

static void
login_failed(gpointer data)
{
    struct iscsi_connection *connection = data;
    iscsi_penalty_add(connection->server->penalty, connection->client->address,
                      g_get_monotonic_time());
}

static enum iscsi_login_status
login_find(gpointer data, struct iscsi_login *login)
{
    return iscsi_nexus_find(data, login);
}

static enum iscsi_login_status
login_admit(gpointer data, struct iscsi_login *login)
{
    struct iscsi_connection *connection = data;
    enum iscsi_login_status status = iscsi_nexus_admit(connection, login);
    /* Before the initiator knows: from then on it keeps its place. */
    if (status == ISCSI_LOGIN_SUCCESS && connection->nexus->scsi != NULL)
        listener_establish(connection->client);
    return status;
}

static void
set_rules(struct iscsi_connection *connection, struct iscsi_login_rules *rules)
{
    const struct iscsi_options *options = &connection->server->options;
    *rules = (struct iscsi_login_rules){.name = options->name,
                                        .alias = options->alias,
                                        .accounts = options->accounts,
                                        .n_accounts = options->n_accounts,
                                        .own = options->own,
                                        .mutual_only = options->mutual_only,
                                        .initiators = options->initiators,
                                        .header_digest = options->header_digest,
                                        .data_digest = options->data_digest,
                                        .window = ISCSI_WINDOW,
                                        .data = connection,
                                        .waits = login_waits,
                                        .failed = login_failed,
                                        .find = login_find,
                                        .admit = login_admit};
}

static void
log_refusal(const struct iscsi_connection *connection, const struct iscsi_login *login)
{
    g_autofree char *who =
        login->initiator != NULL ? g_strconcat(" of ", login->initiator, NULL) : g_strdup("");
    iscsi_server_log(connection->server, connection->client->peer, "login%s refused: %s", who,
                     login->words);
}

/* Until the login has come to an end, one way or the other. */
static enum iscsi_login_state
run_login(struct iscsi_connection *connection, struct iscsi_login *login)
{
    struct iscsi_stream *stream = &connection->stream;
    gint64 until =
        g_get_monotonic_time() + connection->server->options.login_seconds * G_TIME_SPAN_SECOND;
    enum iscsi_login_state state = ISCSI_LOGIN_GOES_ON;
    while (state == ISCSI_LOGIN_GOES_ON && g_get_monotonic_time() < until) {
        struct iscsi_pdu pdu;
        g_autoptr(GByteArray) answer = g_byte_array_new();
        if (iscsi_stream_next(stream, until, &pdu) != ISCSI_STREAM_PDU ||
            ISCSI_OPCODE(pdu.bhs) == ISCSI_DATA_OUT)
            return ISCSI_LOGIN_FAILED;
        state = iscsi_login_step(login, pdu.bhs, pdu.data, pdu.length, answer);
        if (state == ISCSI_LOGIN_FAILED)
            log_refusal(connection, login);
        if (answer->len > 0 && !iscsi_stream_send(stream, answer->data, answer->data + ISCSI_BHS,
                                                  iscsi_data_length(answer->data)))
            return ISCSI_LOGIN_FAILED;
    }
    return iscsi_stream_flush(stream) ? state : ISCSI_LOGIN_FAILED;
}

static void
log_login(const struct iscsi_connection *connection, const struct iscsi_login *login)
{
    const struct iscsi_parameters *parameters = &connection->parameters;
    g_autofree char *who = login->user == NULL ? g_strdup("without authentication")
                                               : g_strdup_printf("as %s (CHAP, %s%s)", login->user,
                                                                 chap_hash_name(login->hash),
                                                                 login->mutual ? ", mutual" : "");
    iscsi_server_log(connection->server, connection->client->peer, "%s has logged in %s%s%s%s%s",
                     login->initiator, who, login->negotiator.discovery ? ", to discover" : "",
                     login->joins ? ", one more connection" : "",
                     parameters->header_digest ? ", header digests" : "",
                     parameters->data_digest ? ", data digests" : "");
}

/* FALSE: it never was logged in. */
static gboolean
log_in(struct iscsi_connection *connection)
{
    struct iscsi_login_rules rules;
    struct iscsi_login login;
    set_rules(connection, &rules);
    iscsi_login_init(&login, &rules);
    gboolean done = run_login(connection, &login) == ISCSI_LOGIN_DONE;
    if (done) {
        connection->parameters = login.negotiator.parameters;
        connection->stat_sn = login.stat_sn;
        iscsi_stream_log_in(&connection->stream, connection->parameters.header_digest,
                            connection->parameters.data_digest, ISCSI_RECEIVE_MAX);
        log_login(connection, &login);
    }
    iscsi_login_clear(&login);
    return done;
}

/* ---- The thread ------------------------------------------------------------------------------ */

static void
end(struct iscsi_connection *connection)
{
    struct iscsi_nexus *nexus = connection->nexus;
    iscsi_write_forget_all(connection);
    while (connection->held.length > 0)
        unhold(connection, connection->held.head);
    if (connection->end_session)
        iscsi_nexus_end(nexus);
    if (nexus->scsi != NULL || !connection->logged_out)
        iscsi_server_log(connection->server, connection->client->peer, "%s: %s", nexus->initiator,
                         connection->end != NULL ? connection->end : "logged out");
    iscsi_nexus_leave(nexus, connection, connection->logged_out);
}

void
iscsi_connection_serve(struct listener_connection *client, gpointer data)
{
    g_autofree struct iscsi_connection *connection = g_new0(struct iscsi_connection, 1);
    connection->server = data;
    connection->client = client;
    connection->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (connection->wake < 0)
        return;
    g_mutex_init(&connection->tasks_lock);
    iscsi_stream_init(&connection->stream, client->fd, connection->wake);
    if (log_in(connection))
        run(connection);
    if (connection->nexus != NULL)
        end(connection);
    g_clear_pointer(&connection->text_in, g_byte_array_unref);
    g_clear_pointer(&connection->text_out, g_byte_array_unref);
    iscsi_stream_clear(&connection->stream);
    g_mutex_clear(&connection->tasks_lock);
    close(connection->wake);
}
