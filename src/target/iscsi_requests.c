/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Requests that are no commands: NOP-Out, task management, logout; and what the target asks for. */
#include "target/iscsi_private.h"

/* ---- NOP ------------------------------------------------------------------------------------- */

gboolean
iscsi_requests_nop(struct iscsi_connection *connection, const struct iscsi_pdu *pdu)
{
    guint8 bhs[ISCSI_BHS] = {ISCSI_NOP_IN, ISCSI_FINAL};
    guint32 length = MIN(pdu->length, MIN(connection->parameters.send, ISCSI_COPY_MAX));
    /* The answer to a ping of ours, or nothing that wants an answer. */
    if (big_endian_get32(pdu->bhs + ISCSI_AT_TAG) == ISCSI_NO_TAG)
        return TRUE;
    memcpy(bhs + ISCSI_AT_LUN, pdu->bhs + ISCSI_AT_LUN, 8);
    memcpy(bhs + ISCSI_AT_TAG, pdu->bhs + ISCSI_AT_TAG, 4);
    big_endian_put32(bhs + ISCSI_AT_TARGET_TAG, ISCSI_NO_TAG);
    iscsi_connection_number(connection, bhs, TRUE);
    return iscsi_connection_send(connection, bhs, pdu->data, length);
}

gboolean
iscsi_requests_ping(struct iscsi_connection *connection)
{
    guint8 bhs[ISCSI_BHS] = {ISCSI_NOP_IN, ISCSI_FINAL};
    big_endian_put32(bhs + ISCSI_AT_TAG, ISCSI_NO_TAG);
    if (++connection->next_target_tag == ISCSI_NO_TAG)
        connection->next_target_tag = 0;
    big_endian_put32(bhs + ISCSI_AT_TARGET_TAG, connection->next_target_tag);
    iscsi_connection_number(connection, bhs, FALSE);
    return iscsi_connection_send(connection, bhs, NULL, 0);
}

/* ---- Logout ---------------------------------------------------------------------------------- */

enum { LOGOUT_SESSION = 0, LOGOUT_CONNECTION = 1, LOGOUT_RECOVERY = 2 };
enum { LOGOUT_DONE = 0, LOGOUT_NO_CID = 1, LOGOUT_NO_RECOVERY = 2 };

gboolean
iscsi_requests_logout(struct iscsi_connection *connection, const struct iscsi_pdu *pdu)
{
    guint8 bhs[ISCSI_BHS] = {ISCSI_LOGOUT_RESPONSE, ISCSI_FINAL};
    guint reason = pdu->bhs[ISCSI_AT_FLAGS] & 0x7f;
    guint16 cid = big_endian_get16(pdu->bhs + ISCSI_AT_CID);
    gboolean own =
        reason == LOGOUT_SESSION || (reason == LOGOUT_CONNECTION && cid == connection->cid);
    guint8 response = LOGOUT_DONE;
    if (reason >= LOGOUT_RECOVERY)
        response = LOGOUT_NO_RECOVERY;
    else if (!own && !iscsi_nexus_drop(connection->nexus, cid))
        response = LOGOUT_NO_CID;
    bhs[ISCSI_AT_RESPONSE] = response;
    memcpy(bhs + ISCSI_AT_TAG, pdu->bhs + ISCSI_AT_TAG, 4);
    iscsi_connection_number(connection, bhs, TRUE);
    big_endian_put16(bhs + 40, ISCSI_WAIT_S); /* Time2Wait; Time2Retain: 0 */
    if (!iscsi_connection_send(connection, bhs, NULL, 0))
        return FALSE;
    if (!own)
        return TRUE;
    connection->logged_out = TRUE;
    connection->end_session = reason == LOGOUT_SESSION;
    return iscsi_connection_fail(connection, "has logged out");
}

/* "Log out within some seconds." */
gboolean
iscsi_requests_ask_logout(struct iscsi_connection *connection)
{
    guint8 bhs[ISCSI_BHS] = {ISCSI_ASYNC, ISCSI_FINAL};
    if (connection->logging_out)
        return TRUE;
    connection->logging_out = TRUE;
    big_endian_put32(bhs + ISCSI_AT_TAG, ISCSI_NO_TAG);
    iscsi_connection_number(connection, bhs, TRUE);
    bhs[ISCSI_AT_ASYNC_EVENT] = 1;
    big_endian_put16(bhs + ISCSI_AT_PARAMETERS + 4, ISCSI_LOGOUT_WAIT_S);
    return iscsi_connection_send(connection, bhs, NULL, 0);
}

/* ---- Task management ------------------------------------------------------------------------- */

enum {
    ABORT_TASK = 1,
    ABORT_TASK_SET = 2,
    CLEAR_TASK_SET = 4,
    LUN_RESET = 5,
    WARM_RESET = 6,
    COLD_RESET = 7,
    TASK_REASSIGN = 8
};
enum { COMPLETE = 0, NO_TASK = 1, NO_LUN = 2, NO_REASSIGN = 4, NOT_SUPPORTED = 5 };

/* Tasks run to their end as they come, so what can be aborted is what waits for its data. */
static guint8
abort_task(struct iscsi_connection *connection, const guint8 *bhs)
{
    guint32 tag = big_endian_get32(bhs + ISCSI_AT_REFERENCED_TAG);
    return iscsi_nexus_abort(connection->nexus, bhs + ISCSI_AT_LUN, &tag) ? COMPLETE : NO_TASK;
}

static guint8
abort_set(struct iscsi_connection *connection, const guint8 *lun)
{
    if (!scsi_unit_exists(connection->nexus->scsi, lun))
        return NO_LUN;
    /* Each nexus has a task set of its own (TST 001b of the control mode page). */
    iscsi_nexus_abort(connection->nexus, lun, NULL);
    return COMPLETE;
}

static guint8
reset_unit(struct iscsi_connection *connection, const guint8 *lun)
{
    if (!scsi_unit_exists(connection->nexus->scsi, lun))
        return NO_LUN;
    iscsi_server_abort(connection->server, lun);
    return scsi_unit_reset(connection->nexus->scsi, lun) ? COMPLETE : NO_LUN;
}

static guint8
reset_all(struct iscsi_connection *connection)
{
    iscsi_server_abort(connection->server, NULL);
    scsi_device_reset(connection->nexus->scsi);
    return COMPLETE;
}

static guint8
manage(struct iscsi_connection *connection, const guint8 *bhs)
{
    const guint8 *lun = bhs + ISCSI_AT_LUN;
    switch (bhs[ISCSI_AT_FLAGS] & 0x7f) {
    case ABORT_TASK:
        return abort_task(connection, bhs);
    case ABORT_TASK_SET:
    case CLEAR_TASK_SET:
        return abort_set(connection, lun);
    case LUN_RESET:
        return reset_unit(connection, lun);
    case WARM_RESET:
    case COLD_RESET:
        return reset_all(connection);
    case TASK_REASSIGN:
        return NO_REASSIGN;
    default:
        return NOT_SUPPORTED;
    }
}

gboolean
iscsi_requests_task(struct iscsi_connection *connection, const struct iscsi_pdu *pdu)
{
    guint8 bhs[ISCSI_BHS] = {ISCSI_TASK_RESPONSE, ISCSI_FINAL};
    gboolean cold = (pdu->bhs[ISCSI_AT_FLAGS] & 0x7f) == COLD_RESET;
    bhs[ISCSI_AT_RESPONSE] = manage(connection, pdu->bhs);
    iscsi_write_sweep(connection);
    memcpy(bhs + ISCSI_AT_TAG, pdu->bhs + ISCSI_AT_TAG, 4);
    iscsi_connection_number(connection, bhs, TRUE);
    if (!iscsi_connection_send(connection, bhs, NULL, 0))
        return FALSE;
    if (!cold)
        return TRUE;
    /* A target that was switched off and on has no connections. */
    iscsi_stream_flush(&connection->stream);
    iscsi_server_end_sessions(connection->server);
    return TRUE;
}
