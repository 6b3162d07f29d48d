/* SPDX-License-Identifier: GPL-3.0-or-later */
/* iscsi_pdu.h: the parts of a PDU of iSCSI (RFC 7143, section 11), and its digest.
 *
 * A PDU is a basic header segment (BHS) of 48 bytes, additional header segments, a header digest
 * when it was negotiated, the data segment, padded to 4 bytes, and a data digest.  Numbers are big
 * endian, digests little endian. */
#pragma once

#include "base/big_endian.h"
#include <glib.h>
#include <string.h>

#define ISCSI_BHS 48u
#define ISCSI_AHS_MAX 1020u
#define ISCSI_DIGEST 4u
#define ISCSI_DATA_MAX 0xffffffu /* what the length field can say */
#define ISCSI_NO_TAG 0xffffffffu

enum iscsi_opcode {
    ISCSI_NOP_OUT = 0x00,
    ISCSI_COMMAND = 0x01,
    ISCSI_TASK_REQUEST = 0x02, /* task management */
    ISCSI_LOGIN_REQUEST = 0x03,
    ISCSI_TEXT_REQUEST = 0x04,
    ISCSI_DATA_OUT = 0x05,
    ISCSI_LOGOUT_REQUEST = 0x06,
    ISCSI_SNACK = 0x10,
    ISCSI_NOP_IN = 0x20,
    ISCSI_RESPONSE = 0x21,
    ISCSI_TASK_RESPONSE = 0x22,
    ISCSI_LOGIN_RESPONSE = 0x23,
    ISCSI_TEXT_RESPONSE = 0x24,
    ISCSI_DATA_IN = 0x25,
    ISCSI_LOGOUT_RESPONSE = 0x26,
    ISCSI_R2T = 0x31,
    ISCSI_ASYNC = 0x32,
    ISCSI_REJECT = 0x3f,
};

#define ISCSI_OPCODE(bhs) ((bhs)[0] & 0x3f)
#define ISCSI_IMMEDIATE 0x40 /* of byte 0 */

/* Of byte 1. */
#define ISCSI_FINAL 0x80
#define ISCSI_CONTINUE 0x40 /* of text: the rest is in the next PDU */
#define ISCSI_TRANSIT 0x80  /* of a login */
#define ISCSI_READ 0x40     /* of a command */
#define ISCSI_WRITE 0x20
#define ISCSI_OVERFLOW 0x04 /* of a response and of the last Data-In */
#define ISCSI_UNDERFLOW 0x02
#define ISCSI_STATUS 0x01 /* of the last Data-In: it has the status in it */

/* Offsets in the BHS; what a place holds depends on the opcode. */
enum iscsi_offset {
    ISCSI_AT_FLAGS = 1,
    ISCSI_AT_RESPONSE = 2,
    ISCSI_AT_SCSI_STATUS = 3,
    ISCSI_AT_AHS_LENGTH = 4,
    ISCSI_AT_LUN = 8,
    ISCSI_AT_ISID = 8,
    ISCSI_AT_TSIH = 14,
    ISCSI_AT_TAG = 16,
    ISCSI_AT_TARGET_TAG = 20,
    ISCSI_AT_EXPECTED = 20, /* a command: expected data transfer length */
    ISCSI_AT_REFERENCED_TAG = 20,
    ISCSI_AT_CID = 20,
    ISCSI_AT_CMD_SN = 24,  /* requests */
    ISCSI_AT_STAT_SN = 24, /* responses */
    ISCSI_AT_EXP_STAT_SN = 28,
    ISCSI_AT_EXP_CMD_SN = 28,
    ISCSI_AT_CDB = 32,
    ISCSI_AT_REF_CMD_SN = 32,
    ISCSI_AT_MAX_CMD_SN = 32,
    ISCSI_AT_DATA_SN = 36,
    ISCSI_AT_LOGIN_STATUS = 36,
    ISCSI_AT_ASYNC_EVENT = 36,
    ISCSI_AT_PARAMETERS = 38,
    ISCSI_AT_BUFFER_OFFSET = 40,
    ISCSI_AT_RESIDUAL = 44,
    ISCSI_AT_R2T_LENGTH = 44,
};

enum iscsi_reject_reason {
    ISCSI_REJECT_DATA_DIGEST = 0x02,
    ISCSI_REJECT_SNACK = 0x03,
    ISCSI_REJECT_PROTOCOL = 0x04,
    ISCSI_REJECT_UNSUPPORTED = 0x05,
    ISCSI_REJECT_TOO_MANY_IMMEDIATE = 0x06,
    ISCSI_REJECT_TASK_IN_PROGRESS = 0x07,
    ISCSI_REJECT_INVALID_FIELD = 0x09,
};

static inline guint32
iscsi_ahs_length(const guint8 *bhs)
{
    return bhs[ISCSI_AT_AHS_LENGTH] * 4u;
}

static inline guint32
iscsi_data_length(const guint8 *bhs)
{
    return big_endian_get24(bhs + 5);
}

static inline guint32
iscsi_padding(guint32 length)
{
    return -length & 3u;
}

/* Serial numbers (RFC 1982): does `a` come before `b`? */
static inline gboolean
iscsi_before(guint32 a, guint32 b)
{
    return (gint32)(a - b) < 0;
}

/* CRC32C over any number of parts: begin with ISCSI_DIGEST_BEGIN, and put it as four bytes. */
#define ISCSI_DIGEST_BEGIN 0xffffffffu
guint32 iscsi_digest_add(guint32 digest, const void *data, gsize length);
void iscsi_digest_put(guint32 digest, guint8 to[ISCSI_DIGEST]);
gboolean iscsi_digest_is(guint32 digest, const guint8 stored[ISCSI_DIGEST]);
