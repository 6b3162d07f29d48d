/* SPDX-License-Identifier: GPL-3.0-or-later */
/* PERSISTENT RESERVE IN. */
#include "target/scsi_reservation.h"
#include "target/scsi_sense.h"

#include <string.h>

enum { READ_KEYS, READ_RESERVATION, REPORT_CAPABILITIES, READ_FULL_STATUS };

/* A port's name in a TransportID: ended by NULs, a multiple of four bytes long, at least 20. */
#define STATUS_HEAD 24u
#define ID_HEAD 4u

static gsize
name_length(const char *port)
{
    return MAX((strlen(port) + 4) & ~(gsize)3, 20);
}

/* The lock is held by each of these. */

static gboolean
read_keys(struct scsi_call *call)
{
    const struct scsi_reservation *reservation = &call->unit->reservation;
    guint n = reservation->registrations->len;
    guint8 *reply = scsi_call_reply(call, 8 + 8 * n);
    if (reply == NULL)
        return FALSE;
    big_endian_put32(reply + 4, 8 * n);
    for (guint i = 0; i < n; i++) {
        const struct scsi_registration *registration = reservation->registrations->pdata[i];
        big_endian_put64(reply + 8 + 8 * i, registration->key);
    }
    return TRUE;
}

static gboolean
read_reservation(struct scsi_call *call)
{
    const struct scsi_reservation *reservation = &call->unit->reservation;
    guint length = reservation->type != 0 ? 16 : 0;
    guint8 *reply = scsi_call_reply(call, 8 + length);
    if (reply == NULL)
        return FALSE;
    big_endian_put32(reply + 4, length);
    if (length == 0)
        return TRUE;
    big_endian_put64(reply + 8, reservation->holder != NULL ? reservation->holder->key : 0);
    reply[8 + 13] = (guint8)reservation->type; /* scope 0: the unit */
    return TRUE;
}

static gboolean
report_capabilities(struct scsi_call *call)
{
    guint8 *reply = scsi_call_reply(call, 8);
    if (reply == NULL)
        return FALSE;
    reply[1] = 8;    /* its length; it has no generation */
    reply[3] = 0x80; /* TMV */
    reply[4] = 0xea; /* all six types */
    reply[5] = 0x01;
    return TRUE;
}

static gsize
write_status(const struct scsi_reservation *reservation,
             const struct scsi_registration *registration, guint8 *to)
{
    gsize name = name_length(registration->port);
    big_endian_put64(to, registration->key);
    if (scsi_reservation_holds(reservation, registration)) {
        to[12] = 0x01; /* R_HOLDER */
        to[13] = (guint8)reservation->type;
    }
    big_endian_put16(to + 18, 1); /* relative target port */
    big_endian_put32(to + 20, (guint32)(ID_HEAD + name));
    guint8 *id = to + STATUS_HEAD;
    id[0] = 0x45; /* format 1 (a port, not a device), iSCSI */
    big_endian_put16(id + 2, (guint)name);
    memcpy(id + ID_HEAD, registration->port, strlen(registration->port));
    return STATUS_HEAD + ID_HEAD + name;
}

static gboolean
read_full_status(struct scsi_call *call)
{
    const struct scsi_reservation *reservation = &call->unit->reservation;
    const GPtrArray *all = reservation->registrations;
    gsize length = 8;
    for (guint i = 0; i < all->len; i++) {
        const struct scsi_registration *registration = all->pdata[i];
        length += STATUS_HEAD + ID_HEAD + name_length(registration->port);
    }
    guint8 *reply = scsi_call_reply(call, length), *at = reply + 8;
    if (reply == NULL)
        return FALSE;
    big_endian_put32(reply + 4, (guint32)(length - 8));
    for (guint i = 0; i < all->len; i++)
        at += write_status(reservation, all->pdata[i], at);
    return TRUE;
}

gboolean
scsi_persist_in(struct scsi_call *call)
{
    static gboolean (*const actions[])(struct scsi_call *) = {
        [READ_KEYS] = read_keys,
        [READ_RESERVATION] = read_reservation,
        [REPORT_CAPABILITIES] = report_capabilities,
        [READ_FULL_STATUS] = read_full_status,
    };
    struct scsi_reservation *reservation = &call->unit->reservation;
    guint action = call->cdb[1] & 0x1f;
    g_mutex_lock(&reservation->lock);
    gboolean ok = actions[action](call);
    if (ok && action != REPORT_CAPABILITIES)
        big_endian_put32(call->task->in->data, reservation->generation);
    g_mutex_unlock(&reservation->lock);
    return ok && scsi_call_cut(call, big_endian_get16(call->cdb + 7));
}
