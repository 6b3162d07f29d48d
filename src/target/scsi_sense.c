/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "target/scsi_sense.h"

#include "base/error.h"

#include <string.h>

#define FIXED_LENGTH 18u
#define HEAD_LENGTH 8u /* of the descriptor format */

struct detail {
    gboolean has_information;
    guint64 information;
    gboolean has_field;
    guint8 field[3]; /* sense key specific: a field pointer */
};

static guint
format_fixed(enum scsi_sense sense, const struct detail *detail, guint8 *to)
{
    memset(to, 0, FIXED_LENGTH);
    to[0] = 0x70;
    to[2] = (guint8)(sense >> 16);
    to[7] = FIXED_LENGTH - 8;
    to[12] = (guint8)(sense >> 8);
    to[13] = (guint8)sense;
    /* There is room for 32 bits; more than that is left out, as SPC wants it. */
    if (detail->has_information && detail->information <= G_MAXUINT32) {
        to[0] |= 0x80;
        big_endian_put32(to + 3, (guint32)detail->information);
    }
    if (detail->has_field)
        memcpy(to + 15, detail->field, sizeof detail->field);
    return FIXED_LENGTH;
}

static guint
format_descriptors(enum scsi_sense sense, const struct detail *detail, guint8 *to)
{
    guint length = HEAD_LENGTH;
    memset(to, 0, HEAD_LENGTH + 12 + 8);
    to[0] = 0x72;
    to[1] = (guint8)(sense >> 16);
    to[2] = (guint8)(sense >> 8);
    to[3] = (guint8)sense;
    if (detail->has_information) {
        to[length] = 0x00; /* information */
        to[length + 1] = 10;
        to[length + 2] = 0x80;
        big_endian_put64(to + length + 4, detail->information);
        length += 12;
    }
    if (detail->has_field) {
        to[length] = 0x02; /* sense key specific */
        to[length + 1] = 6;
        memcpy(to + length + 4, detail->field, sizeof detail->field);
        length += 8;
    }
    to[7] = (guint8)(length - HEAD_LENGTH);
    return length;
}

static guint
format(enum scsi_sense sense, const struct detail *detail, gboolean descriptor, guint8 *to)
{
    return descriptor ? format_descriptors(sense, detail, to) : format_fixed(sense, detail, to);
}

guint
scsi_sense_format(enum scsi_sense sense, gboolean descriptor, guint8 *ret)
{
    return format(sense, &(struct detail){0}, descriptor, ret);
}

gboolean
scsi_sense_status(struct scsi_call *call, enum scsi_status status)
{
    call->task->status = status;
    call->task->sense_length = 0;
    return FALSE;
}

static gboolean
set(struct scsi_call *call, enum scsi_sense sense, const struct detail *detail)
{
    gboolean descriptor =
        call->unit != NULL && scsi_unit_has_mode(call->unit, SCSI_MODE_DESCRIPTOR_SENSE);
    call->task->status = SCSI_CHECK_CONDITION;
    call->task->sense_length = format(sense, detail, descriptor, call->task->sense);
    return FALSE;
}

gboolean
scsi_sense_set(struct scsi_call *call, enum scsi_sense sense)
{
    return set(call, sense, &(struct detail){0});
}

gboolean
scsi_sense_set_information(struct scsi_call *call, enum scsi_sense sense, guint64 information)
{
    return set(call, sense, &(struct detail){.has_information = TRUE, .information = information});
}

/* SKSV, C/D, BPV and the bit, then the byte. */
static gboolean
set_pointer(struct scsi_call *call, enum scsi_sense sense, gboolean in_cdb, guint byte, int bit)
{
    struct detail detail = {.has_field = TRUE};
    detail.field[0] = (guint8)(0x80 | (in_cdb ? 0x40 : 0) | (bit >= 0 ? 0x08 | bit : 0));
    big_endian_put16(detail.field + 1, byte);
    return set(call, sense, &detail);
}

gboolean
scsi_sense_set_field(struct scsi_call *call, guint byte, int bit)
{
    return set_pointer(call, SCSI_SENSE_INVALID_CDB_FIELD, TRUE, byte, bit);
}

gboolean
scsi_sense_set_parameter(struct scsi_call *call, enum scsi_sense sense, guint byte)
{
    return set_pointer(call, sense, FALSE, byte, -1);
}

gboolean
scsi_sense_set_medium(struct scsi_call *call, gboolean writing, guint64 block, const GError *error)
{
    __atomic_fetch_add(&call->unit->failures, 1, __ATOMIC_RELAXED);
    scsi_device_log(call->unit, error->message);
    if (g_error_matches(error, SLIPWAY_ERROR, SLIPWAY_ERROR_LIMIT))
        return scsi_sense_set(call, SCSI_SENSE_NO_SPACE);
    if (g_error_matches(error, SLIPWAY_ERROR, SLIPWAY_ERROR_READ_ONLY))
        return scsi_sense_set(call, SCSI_SENSE_WRITE_PROTECTED);
    return scsi_sense_set_information(
        call, writing ? SCSI_SENSE_WRITE_ERROR : SCSI_SENSE_UNRECOVERED_READ, block);
}
