/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Data of the initiator that comes in PDUs of its own: unsolicited, or when it is asked for (R2T).
 *
 * Data comes in order, within a sequence and from sequence to sequence, as was negotiated.  What is
 * wrong with it fails the task, once all that was announced has come. */
#include "target/iscsi_private.h"

#define SENSE_NO_RESOURCES 0x5503

static void
free_write(struct iscsi_write *write)
{
    g_free(write->data);
    g_free(write);
}

static struct iscsi_write *
find(const struct iscsi_connection *connection, guint32 tag)
{
    for (GList *at = connection->writes.head; at != NULL; at = at->next) {
        struct iscsi_write *write = at->data;
        if (write->tag == tag)
            return write;
    }
    return NULL;
}

static void
forget(struct iscsi_connection *connection, struct iscsi_write *write)
{
    g_mutex_lock(&connection->tasks_lock);
    g_queue_remove(&connection->writes, write);
    g_mutex_unlock(&connection->tasks_lock);
    if (write->granted)
        connection->solicited -= write->total;
    iscsi_nexus_pend(connection->nexus, -1);
}

/* ---- Asking for it --------------------------------------------------------------------------- */

static gboolean
grow(struct iscsi_write *write, gsize room)
{
    if (room <= write->room)
        return TRUE;
    guint8 *data = g_try_realloc(write->data, room);
    if (data == NULL)
        return FALSE;
    write->data = data;
    write->room = room;
    return TRUE;
}

static gboolean
send_r2t(struct iscsi_connection *connection, struct iscsi_write *write)
{
    gsize length = MIN(write->total - write->solicited, connection->parameters.burst);
    guint8 bhs[ISCSI_BHS] = {ISCSI_R2T, ISCSI_FINAL};
    struct iscsi_sequence *sequence = &write->sequences[write->n_sequences++];
    if (++connection->next_target_tag == ISCSI_NO_TAG)
        connection->next_target_tag = 0;
    sequence->target_tag = connection->next_target_tag;
    sequence->end = write->solicited + length;
    memcpy(bhs + ISCSI_AT_LUN, write->bhs + ISCSI_AT_LUN, 8);
    memcpy(bhs + ISCSI_AT_TAG, write->bhs + ISCSI_AT_TAG, 4);
    big_endian_put32(bhs + ISCSI_AT_TARGET_TAG, sequence->target_tag);
    iscsi_connection_number(connection, bhs, FALSE);
    big_endian_put32(bhs + ISCSI_AT_DATA_SN, write->r2t_sn++);
    big_endian_put32(bhs + ISCSI_AT_BUFFER_OFFSET, (guint32)write->solicited);
    big_endian_put32(bhs + ISCSI_AT_R2T_LENGTH, (guint32)length);
    write->solicited = sequence->end;
    return iscsi_connection_send(connection, bhs, NULL, 0);
}

static gboolean
solicit(struct iscsi_connection *connection, struct iscsi_write *write)
{
    while (write->failure == 0 && write->solicited < write->total &&
           write->n_sequences < connection->parameters.outstanding_r2t) {
        if (!send_r2t(connection, write))
            return FALSE;
    }
    return TRUE;
}

/* May it hold its data now?  One task always may. */
static gboolean
grant(struct iscsi_connection *connection, struct iscsi_write *write)
{
    if (connection->solicited > 0 && connection->solicited + write->total > ISCSI_SOLICIT_MAX)
        return FALSE;
    if (!grow(write, write->total)) {
        write->failure = SENSE_NO_RESOURCES;
        return TRUE;
    }
    write->granted = TRUE;
    connection->solicited += write->total;
    write->solicited = write->received;
    return TRUE;
}

/* ---- Going on -------------------------------------------------------------------------------- */

/* Is it over?  All that was announced has come, and nothing more is to be asked for. */
static gboolean
is_complete(const struct iscsi_write *write)
{
    if (write->unsolicited || write->n_sequences > 0)
        return FALSE;
    return write->failure != 0 || write->received >= write->total;
}

static gboolean
finish(struct iscsi_connection *connection, struct iscsi_write *write)
{
    forget(connection, write);
    gboolean ok = TRUE;
    if (g_atomic_int_get(&write->aborted))
        ok = TRUE;
    else if (write->failure != 0)
        ok = iscsi_command_refuse(connection, write->bhs, write->failure, write->wanted,
                                  write->r2t_sn);
    else
        ok = iscsi_command_execute(connection, write->bhs, write->data, write->total, write->wanted,
                                   write->r2t_sn);
    free_write(write);
    return ok;
}

/* End those that are complete, and ask for data of those that wait, the oldest first. */
static gboolean
advance_all(struct iscsi_connection *connection)
{
    gboolean full = FALSE;
    for (GList *at = connection->writes.head, *next = NULL; at != NULL; at = next) {
        struct iscsi_write *write = at->data;
        next = at->next;
        if (!write->unsolicited && !is_complete(write) && !write->granted)
            full = full || !grant(connection, write);
        if (is_complete(write)) {
            if (!finish(connection, write))
                return FALSE;
            /* There is room again for those before it. */
            next = connection->writes.head;
            full = FALSE;
        } else if (write->granted && !solicit(connection, write)) {
            return FALSE;
        }
    }
    return TRUE;
}

gboolean
iscsi_write_begin(struct iscsi_connection *connection, const struct iscsi_pdu *pdu, gsize wanted,
                  guint16 failure)
{
    guint32 tag = big_endian_get32(pdu->bhs + ISCSI_AT_TAG);
    guint32 expected = big_endian_get32(pdu->bhs + ISCSI_AT_EXPECTED);
    if (find(connection, tag) != NULL)
        return iscsi_connection_reject(connection, pdu->bhs, ISCSI_REJECT_TASK_IN_PROGRESS);
    if ((pdu->bhs[0] & ISCSI_IMMEDIATE) != 0 && iscsi_nexus_is_full(connection->nexus))
        return iscsi_connection_reject(connection, pdu->bhs, ISCSI_REJECT_TOO_MANY_IMMEDIATE);
    struct iscsi_write *write = g_new0(struct iscsi_write, 1);
    memcpy(write->bhs, pdu->bhs, ISCSI_BHS);
    write->tag = tag;
    write->wanted = wanted;
    write->total = MIN(wanted, expected);
    write->failure = failure;
    write->unsolicited = (pdu->bhs[ISCSI_AT_FLAGS] & ISCSI_FINAL) == 0;
    write->unsolicited_max = MIN(connection->parameters.first_burst, expected);
    gsize room = MIN(write->total, write->unsolicited ? write->unsolicited_max : pdu->length);
    if (failure == 0 && !grow(write, room))
        write->failure = SENSE_NO_RESOURCES;
    if (write->failure == 0) {
        if (MIN(pdu->length, room) > 0)
            memcpy(write->data, pdu->data, MIN(pdu->length, room));
        write->received = pdu->length;
    }
    iscsi_nexus_pend(connection->nexus, 1);
    g_mutex_lock(&connection->tasks_lock);
    g_queue_push_tail(&connection->writes, write);
    g_mutex_unlock(&connection->tasks_lock);
    return advance_all(connection);
}

/* ---- Data-Out -------------------------------------------------------------------------------- */

/* The header of a Data-Out, which does not last. */
struct data_out {
    guint32 tag, target_tag, data_sn, offset, length;
    gboolean final;
};

static struct data_out
parse(const struct iscsi_pdu *pdu)
{
    const guint8 *bhs = pdu->bhs;
    return (struct data_out){
        .tag = big_endian_get32(bhs + ISCSI_AT_TAG),
        .target_tag = big_endian_get32(bhs + ISCSI_AT_TARGET_TAG),
        .data_sn = big_endian_get32(bhs + ISCSI_AT_DATA_SN),
        .offset = big_endian_get32(bhs + ISCSI_AT_BUFFER_OFFSET),
        .length = pdu->length,
        .final = (bhs[ISCSI_AT_FLAGS] & ISCSI_FINAL) != 0,
    };
}

/* Does it belong to the task's open sequence?  *ret_end: where that ends. */
static gboolean
belongs(const struct iscsi_write *write, const struct data_out *out, gsize *ret_end)
{
    if (out->target_tag == ISCSI_NO_TAG) {
        *ret_end = write->unsolicited_max;
        return write->unsolicited;
    }
    *ret_end = write->n_sequences > 0 ? write->sequences[0].end : 0;
    return write->n_sequences > 0 && write->sequences[0].target_tag == out->target_tag;
}

static void
end_sequence(struct iscsi_write *write, const struct data_out *out, gsize sequence_end)
{
    write->data_sn = 0;
    if (out->target_tag == ISCSI_NO_TAG) {
        write->unsolicited = FALSE;
        return;
    }
    if (write->received != sequence_end && write->failure == 0)
        write->failure = ISCSI_SENSE_TOO_LITTLE_DATA;
    write->n_sequences--;
    memmove(write->sequences, write->sequences + 1,
            write->n_sequences * sizeof write->sequences[0]);
}

gboolean
iscsi_write_data(struct iscsi_connection *connection, const struct iscsi_pdu *pdu)
{
    struct data_out out = parse(pdu);
    struct iscsi_write *write = find(connection, out.tag);
    gsize end = 0, keep = 0;
    gboolean damaged = FALSE;
    gboolean known = write != NULL && pdu->ahs_length == 0 && belongs(write, &out, &end);
    if (known && write->failure == 0 &&
        (out.data_sn != write->data_sn || out.offset != write->received ||
         out.length > end - write->received))
        write->failure = ISCSI_SENSE_CRC;
    gboolean wanted = known && write->failure == 0;
    if (wanted && write->received < write->total)
        keep = MIN(out.length, write->total - write->received);
    guint8 *to = keep > 0 ? write->data + write->received : NULL;
    if (!iscsi_stream_data(&connection->stream, pdu, to, keep, &damaged))
        return iscsi_connection_fail(connection, "the connection is lost");
    /* Of a task that was aborted or has failed, or nobody's. */
    if (!known)
        return TRUE;
    if (damaged && write->failure == 0)
        write->failure = ISCSI_SENSE_CRC;
    if (wanted)
        write->received += out.length;
    write->data_sn++;
    if (!out.final)
        return TRUE;
    end_sequence(write, &out, end);
    return advance_all(connection);
}

/* ---- Aborting -------------------------------------------------------------------------------- */

static void
forget_some(struct iscsi_connection *connection, gboolean all)
{
    for (GList *at = connection->writes.head, *next = NULL; at != NULL; at = next) {
        struct iscsi_write *write = at->data;
        next = at->next;
        if (!all && !g_atomic_int_get(&write->aborted))
            continue;
        forget(connection, write);
        free_write(write);
    }
}

void
iscsi_write_sweep(struct iscsi_connection *connection)
{
    forget_some(connection, FALSE);
    /* There may be room for others now. */
    advance_all(connection);
}

void
iscsi_write_forget_all(struct iscsi_connection *connection)
{
    forget_some(connection, TRUE);
}
