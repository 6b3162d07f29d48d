/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "target/scsi_report.h"

#include "target/scsi_attention.h"
#include "target/scsi_blocks.h"

#include <string.h>

gboolean
scsi_test_unit_ready(struct scsi_call *call G_GNUC_UNUSED)
{
    return TRUE;
}

/* Sense is given with each status, so there is a unit attention to tell of, or nothing. */
gboolean
scsi_request_sense(struct scsi_call *call)
{
    guint8 sense[SCSI_SENSE_MAX];
    enum scsi_sense what =
        call->unit != NULL ? scsi_attention_take(call->nexus, call->unit) : SCSI_SENSE_NO_UNIT;
    guint length = scsi_sense_format(what, call->cdb[1] & 1, sense);
    guint8 *reply = scsi_call_reply(call, length);
    if (reply == NULL)
        return FALSE;
    memcpy(reply, sense, length);
    return scsi_call_cut(call, call->cdb[4]);
}

gboolean
scsi_report_luns(struct scsi_call *call)
{
    struct scsi_device *device = call->nexus->device;
    /* Before the units are looked at: one that comes meanwhile is told of again. */
    scsi_attention_drop(call->nexus, SCSI_ATTENTION_LUNS_CHANGED);
    guint which = call->cdb[2], n = 0;
    guint8 *reply = scsi_call_reply(call, 8 + 8 * SCSI_LUNS_MAX);
    if (reply == NULL)
        return FALSE;
    if (which > 2)
        return scsi_sense_set_field(call, 2, -1);
    /* There are no well known units, which is what 1 asks for. */
    for (guint i = 0; which != 1 && i < SCSI_LUNS_MAX; i++) {
        if (g_atomic_pointer_get(&device->units[i]) != NULL)
            reply[8 + 8 * n++ + 1] = (guint8)i;
    }
    big_endian_put32(reply, 8 * n);
    call->task->in_length = 8 + 8 * n;
    return scsi_call_cut(call, big_endian_get32(call->cdb + 6));
}

/* ---- LOG SENSE ------------------------------------------------------------------------------- */

#define LOG_PAGES 0x00
#define LOG_TEMPERATURE 0x0d
#define LOG_EXCEPTIONS 0x2f

/* One parameter: its code is 0, and so it is of all pages here. */
static guint
write_parameter(guint8 *to, guint8 first, guint8 second, guint length)
{
    to[2] = 0x03; /* binary, in a list */
    to[3] = (guint8)length;
    to[4] = first;
    to[5] = second;
    return 4 + length;
}

static gboolean
write_log_page(guint page, guint8 *to, guint *ret_length)
{
    static const guint8 pages[] = {LOG_PAGES, LOG_TEMPERATURE, LOG_EXCEPTIONS};
    switch (page) {
    case LOG_PAGES:
        memcpy(to, pages, sizeof pages);
        *ret_length = sizeof pages;
        return TRUE;
    case LOG_TEMPERATURE: /* FFh: not known */
        *ret_length = write_parameter(to, 0, 0xff, 2);
        return TRUE;
    case LOG_EXCEPTIONS: /* no sense, temperature not known */
        *ret_length = write_parameter(to, 0, 0, 4);
        to[6] = 0xff;
        return TRUE;
    default:
        return FALSE;
    }
}

gboolean
scsi_log_sense(struct scsi_call *call)
{
    guint length, page = call->cdb[2] & 0x3f;
    if (call->cdb[1] & 1) /* SP */
        return scsi_sense_set_field(call, 1, 0);
    if (call->cdb[3] != 0)
        return scsi_sense_set_field(call, 3, -1);
    guint8 *reply = scsi_call_reply(call, 16);
    if (reply == NULL)
        return FALSE;
    if (!write_log_page(page, reply + 4, &length))
        return scsi_sense_set_field(call, 2, 5);
    if (big_endian_get16(call->cdb + 5) > 0 && page != LOG_PAGES) /* parameters from there on */
        length = 0;
    reply[0] = (guint8)page;
    big_endian_put16(reply + 2, length);
    call->task->in_length = 4 + length;
    return scsi_call_cut(call, big_endian_get16(call->cdb + 7));
}

/* ---- START STOP UNIT, SEND DIAGNOSTIC -------------------------------------------------------- */

/* There is nothing to start, nor would other initiators like the disk to be stopped; whoever does
 * so wants what was written to last. */
gboolean
scsi_start_stop(struct scsi_call *call)
{
    guint power = call->cdb[4] >> 4;
    if (power != 0)
        return scsi_sense_set_field(call, 4, 7);
    if (call->cdb[4] & 0x02) /* LOEJ: nothing can be ejected */
        return scsi_sense_set_field(call, 4, 1);
    gboolean stop = !(call->cdb[4] & 0x01), no_flush = call->cdb[4] & 0x04;
    return !stop || no_flush || scsi_blocks_flush(call);
}

gboolean
scsi_send_diagnostic(struct scsi_call *call)
{
    if (call->cdb[1] & 0xe0) /* a self test other than the default one */
        return scsi_sense_set_field(call, 1, 7);
    if (big_endian_get16(call->cdb + 3) != 0)
        return scsi_sense_set_field(call, 3, -1);
    return TRUE;
}
