/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "target/scsi_inquiry.h"

#include "target/scsi_sense.h"

#include <string.h>

#define LENGTH 96u
#define REVISION "1.0 "

/* Of the standards that are kept to; these numbers name them without a revision. */
static const guint16 versions[] = {
    0x0080, /* SAM-4 */
    0x0960, /* iSCSI */
    0x0460, /* SPC-4 */
    0x04c0, /* SBC-3 */
};

/* Nothing but that there is nothing: qualifier 3, type 1Fh. */
static gboolean
inquire_nothing(struct scsi_call *call)
{
    if (call->cdb[1] & 1)
        return scsi_sense_set(call, SCSI_SENSE_NO_UNIT);
    guint8 *reply = scsi_call_reply(call, 36);
    if (reply == NULL)
        return FALSE;
    reply[0] = 0x7f;
    reply[2] = 6;
    reply[3] = 0x12;
    reply[4] = 36 - 5;
    memset(reply + 8, ' ', 28);
    return scsi_call_cut(call, big_endian_get16(call->cdb + 3));
}

static gboolean
inquire_standard(struct scsi_call *call)
{
    guint8 *reply = scsi_call_reply(call, LENGTH);
    if (reply == NULL)
        return FALSE;
    reply[2] = 6;    /* SPC-4 */
    reply[3] = 0x12; /* HISUP, response data format 2 */
    reply[4] = LENGTH - 5;
    reply[5] = 0x08; /* 3PC */
    reply[7] = 0x02; /* CMDQUE */
    memcpy(reply + 8, SCSI_VENDOR, 8);
    memcpy(reply + 16, call->unit->product, 16);
    memcpy(reply + 32, REVISION, 4);
    for (gsize i = 0; i < G_N_ELEMENTS(versions); i++)
        big_endian_put16(reply + 58 + 2 * i, versions[i]);
    return scsi_call_cut(call, big_endian_get16(call->cdb + 3));
}

gboolean
scsi_inquiry(struct scsi_call *call)
{
    if (call->cdb[1] & 2) /* CMDDT, obsolete */
        return scsi_sense_set_field(call, 1, 1);
    gboolean vpd = call->cdb[1] & 1;
    if (!vpd && call->cdb[2] != 0)
        return scsi_sense_set_field(call, 2, -1);
    if (call->unit == NULL)
        return inquire_nothing(call);
    return vpd ? scsi_vpd(call, call->cdb[2]) : inquire_standard(call);
}
