/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Commands and their answers. */
#include "target/iscsi_private.h"

#define ABORTED_COMMAND 0x0b
#define FIXED_SENSE 18u

/* What did not fit, either way, between what the initiator expects and what the command has. */
static void
put_residual(guint8 *bhs, gsize expected, gsize actual)
{
    if (actual > expected) {
        bhs[ISCSI_AT_FLAGS] |= ISCSI_OVERFLOW;
        big_endian_put32(bhs + ISCSI_AT_RESIDUAL, (guint32)MIN(actual - expected, G_MAXUINT32));
    } else if (actual < expected) {
        bhs[ISCSI_AT_FLAGS] |= ISCSI_UNDERFLOW;
        big_endian_put32(bhs + ISCSI_AT_RESIDUAL, (guint32)(expected - actual));
    }
}

/* A response of its own: no data, or not good.  `pdus`: Data-In and R2T that were sent for it. */
static gboolean
respond(struct iscsi_connection *connection, const guint8 *request, enum scsi_status status,
        const guint8 *sense, guint sense_length, gsize actual, guint32 pdus)
{
    guint8 bhs[ISCSI_BHS] = {ISCSI_RESPONSE, ISCSI_FINAL};
    guint8 data[2 + SCSI_SENSE_MAX];
    bhs[ISCSI_AT_SCSI_STATUS] = (guint8)status;
    memcpy(bhs + ISCSI_AT_TAG, request + ISCSI_AT_TAG, 4);
    iscsi_connection_number(connection, bhs, TRUE);
    big_endian_put32(bhs + ISCSI_AT_DATA_SN, pdus);
    put_residual(bhs, big_endian_get32(request + ISCSI_AT_EXPECTED), actual);
    if (sense_length == 0)
        return iscsi_connection_send(connection, bhs, NULL, 0);
    big_endian_put16(data, (guint16)sense_length);
    memcpy(data + 2, sense, sense_length);
    return iscsi_connection_send(connection, bhs, data, 2 + sense_length);
}

/* Data-In PDUs, the status in the last one when it is good.  Returns how many; 0: the connection is
 * lost. */
static guint32
send_data(struct iscsi_connection *connection, const guint8 *request, const guint8 *data,
          gsize length, gsize actual, gboolean good)
{
    const struct iscsi_parameters *parameters = &connection->parameters;
    gsize piece = MIN(parameters->send, ISCSI_SEND_MAX), burst = 0;
    guint32 n = 0;
    for (gsize at = 0; at < length;) {
        guint8 bhs[ISCSI_BHS] = {ISCSI_DATA_IN};
        gsize size = MIN(MIN(piece, length - at), parameters->burst - burst);
        gboolean last = at + size == length;
        burst += size;
        if (last || burst == parameters->burst) {
            bhs[ISCSI_AT_FLAGS] = ISCSI_FINAL;
            burst = 0;
        }
        memcpy(bhs + ISCSI_AT_TAG, request + ISCSI_AT_TAG, 4);
        big_endian_put32(bhs + ISCSI_AT_TARGET_TAG, ISCSI_NO_TAG);
        iscsi_connection_number(connection, bhs, last && good);
        if (last && good) {
            bhs[ISCSI_AT_FLAGS] |= ISCSI_STATUS;
            bhs[ISCSI_AT_SCSI_STATUS] = SCSI_GOOD;
            put_residual(bhs, big_endian_get32(request + ISCSI_AT_EXPECTED), actual);
        } else {
            memset(bhs + ISCSI_AT_STAT_SN, 0, 4);
        }
        big_endian_put32(bhs + ISCSI_AT_DATA_SN, n++);
        big_endian_put32(bhs + ISCSI_AT_BUFFER_OFFSET, (guint32)at);
        if (!iscsi_stream_send_buffer(&connection->stream, bhs, data + at, (guint32)size)) {
            iscsi_connection_fail(connection, "the connection is lost");
            return 0;
        }
        at += size;
    }
    return n;
}

static gboolean
answer(struct iscsi_connection *connection, const guint8 *bhs, const struct scsi_task *task,
       gsize wanted, guint32 pdus)
{
    gsize expected = big_endian_get32(bhs + ISCSI_AT_EXPECTED);
    gboolean reads = (bhs[ISCSI_AT_FLAGS] & ISCSI_READ) != 0;
    gboolean good = task->status == SCSI_GOOD;
    gsize length = reads ? MIN(task->in_length, expected) : 0;
    gsize actual = task->in_length > 0 ? task->in_length : wanted;
    if (length > 0) {
        guint32 sent = send_data(connection, bhs, task->in->data, length, task->in_length, good);
        if (sent == 0)
            return FALSE;
        iscsi_stream_keep_buffer(&connection->stream);
        if (good)
            return TRUE;
        pdus += sent;
    }
    return respond(connection, bhs, task->status, task->sense, good ? 0 : task->sense_length,
                   actual, pdus);
}

gboolean
iscsi_command_execute(struct iscsi_connection *connection, const guint8 *bhs, const guint8 *out,
                      gsize out_length, gsize wanted, guint32 r2ts)
{
    gboolean reads = (bhs[ISCSI_AT_FLAGS] & ISCSI_READ) != 0;
    gboolean writes = (bhs[ISCSI_AT_FLAGS] & ISCSI_WRITE) != 0;
    struct scsi_task task = {.out = out, .out_length = out_length};
    if (writes)
        task.offered = big_endian_get32(bhs + ISCSI_AT_EXPECTED);
    memcpy(task.lun, bhs + ISCSI_AT_LUN, sizeof task.lun);
    memcpy(task.cdb, bhs + ISCSI_AT_CDB, sizeof task.cdb);
    task.in = iscsi_stream_buffer(&connection->stream,
                                  reads ? big_endian_get32(bhs + ISCSI_AT_EXPECTED) : 0);
    scsi_execute(connection->nexus->scsi, &task);
    return answer(connection, bhs, &task, wanted, r2ts);
}

gboolean
iscsi_command_refuse(struct iscsi_connection *connection, const guint8 *bhs, guint16 failure,
                     gsize wanted, guint32 r2ts)
{
    guint8 sense[FIXED_SENSE] = {0x70, 0, ABORTED_COMMAND};
    sense[7] = FIXED_SENSE - 8;
    big_endian_put16(sense + 12, failure);
    return respond(connection, bhs, SCSI_CHECK_CONDITION, sense, sizeof sense, wanted, r2ts);
}

/* What is wrong with the data that came with a command; 0: nothing. */
static guint16
check_immediate(const struct iscsi_connection *connection, const struct iscsi_pdu *pdu)
{
    const struct iscsi_parameters *parameters = &connection->parameters;
    guint8 flags = pdu->bhs[ISCSI_AT_FLAGS];
    gboolean writes = (flags & ISCSI_WRITE) != 0, more = (flags & ISCSI_FINAL) == 0;
    guint32 expected = big_endian_get32(pdu->bhs + ISCSI_AT_EXPECTED);
    if (pdu->damaged)
        return ISCSI_SENSE_CRC;
    if (pdu->length > 0 && (!writes || !parameters->immediate_data ||
                            pdu->length > MIN(parameters->first_burst, expected)))
        return ISCSI_SENSE_UNEXPECTED_DATA;
    if (more && (!writes || parameters->initial_r2t))
        return ISCSI_SENSE_UNEXPECTED_DATA;
    return 0;
}

static gboolean
run_write(struct iscsi_connection *connection, const struct iscsi_pdu *pdu, guint16 failure)
{
    const guint8 *bhs = pdu->bhs;
    gboolean more = (bhs[ISCSI_AT_FLAGS] & ISCSI_FINAL) == 0;
    struct scsi_task task = {.out = NULL};
    memcpy(task.lun, bhs + ISCSI_AT_LUN, sizeof task.lun);
    memcpy(task.cdb, bhs + ISCSI_AT_CDB, sizeof task.cdb);
    gsize wanted = scsi_task_wants(connection->nexus->scsi, &task);
    gsize total = MIN(wanted, big_endian_get32(bhs + ISCSI_AT_EXPECTED));
    if (more || (failure == 0 && pdu->length < total))
        return iscsi_write_begin(connection, pdu, wanted, failure);
    if (failure != 0)
        return iscsi_command_refuse(connection, bhs, failure, wanted, 0);
    return iscsi_command_execute(connection, bhs, pdu->data, total, wanted, 0);
}

gboolean
iscsi_command_run(struct iscsi_connection *connection, const struct iscsi_pdu *pdu)
{
    guint8 flags = pdu->bhs[ISCSI_AT_FLAGS];
    guint16 failure = check_immediate(connection, pdu);
    if ((flags & ISCSI_READ) != 0 && (flags & ISCSI_WRITE) != 0)
        return iscsi_connection_reject(connection, pdu->bhs, ISCSI_REJECT_UNSUPPORTED);
    if ((flags & ISCSI_WRITE) != 0)
        return run_write(connection, pdu, failure);
    if (failure != 0)
        return iscsi_command_refuse(connection, pdu->bhs, failure, 0, 0);
    return iscsi_command_execute(connection, pdu->bhs, NULL, 0, 0, 0);
}
