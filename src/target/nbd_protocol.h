/* SPDX-License-Identifier: GPL-3.0-or-later */
/* nbd_protocol.h: numbers of the NBD protocol (the NBD project's doc/proto.md), and how they are
 * laid out: most significant byte first. */
#pragma once

#include "base/big_endian.h"
#include <glib.h>
#include <string.h>

#define NBD_MAGIC G_GUINT64_CONSTANT(0x4e42444d41474943)        /* "NBDMAGIC" */
#define NBD_OPTION_MAGIC G_GUINT64_CONSTANT(0x49484156454f5054) /* "IHAVEOPT" */
#define NBD_OPTION_REPLY_MAGIC G_GUINT64_CONSTANT(0x3e889045565a9)
#define NBD_REQUEST_MAGIC 0x25609513u
#define NBD_SIMPLE_REPLY_MAGIC 0x67446698u
#define NBD_STRUCTURED_REPLY_MAGIC 0x668e33efu

/* Lengths of heads, in bytes. */
#define NBD_OPTION_HEAD 16u
#define NBD_OPTION_REPLY_HEAD 20u
#define NBD_REQUEST_HEAD 28u
#define NBD_SIMPLE_REPLY_HEAD 16u
#define NBD_CHUNK_HEAD 20u

/* Names of exports, descriptions and queries. */
#define NBD_STRING_MAX 4096u

enum nbd_handshake_flag {
    NBD_FIXED_NEWSTYLE = 1 << 0, /* of server and client alike */
    NBD_NO_ZEROES = 1 << 1,
};

enum nbd_transmission_flag {
    NBD_HAS_FLAGS = 1 << 0,
    NBD_READ_ONLY = 1 << 1,
    NBD_SEND_FLUSH = 1 << 2,
    NBD_SEND_FUA = 1 << 3,
    NBD_SEND_TRIM = 1 << 5,
    NBD_SEND_WRITE_ZEROES = 1 << 6,
    NBD_SEND_DF = 1 << 7,
    NBD_CAN_MULTI_CONN = 1 << 8,
    NBD_SEND_CACHE = 1 << 10,
    NBD_SEND_FAST_ZERO = 1 << 11,
};

enum nbd_option_number {
    NBD_OPT_EXPORT_NAME = 1,
    NBD_OPT_ABORT = 2,
    NBD_OPT_LIST = 3,
    NBD_OPT_STARTTLS = 5,
    NBD_OPT_INFO = 6,
    NBD_OPT_GO = 7,
    NBD_OPT_STRUCTURED_REPLY = 8,
    NBD_OPT_LIST_META_CONTEXT = 9,
    NBD_OPT_SET_META_CONTEXT = 10,
};

#define NBD_REP_ACK 1u
#define NBD_REP_SERVER 2u
#define NBD_REP_INFO 3u
#define NBD_REP_META_CONTEXT 4u
#define NBD_REP_ERR_UNSUP 0x80000001u
#define NBD_REP_ERR_POLICY 0x80000002u
#define NBD_REP_ERR_INVALID 0x80000003u
#define NBD_REP_ERR_TLS_REQD 0x80000005u
#define NBD_REP_ERR_UNKNOWN 0x80000006u

enum nbd_info { NBD_INFO_EXPORT, NBD_INFO_NAME, NBD_INFO_DESCRIPTION, NBD_INFO_BLOCK_SIZE };

enum nbd_command {
    NBD_CMD_READ,
    NBD_CMD_WRITE,
    NBD_CMD_DISC,
    NBD_CMD_FLUSH,
    NBD_CMD_TRIM,
    NBD_CMD_CACHE,
    NBD_CMD_WRITE_ZEROES,
    NBD_CMD_BLOCK_STATUS,
};

enum nbd_command_flag {
    NBD_CMD_FUA = 1 << 0,
    NBD_CMD_NO_HOLE = 1 << 1,
    NBD_CMD_DF = 1 << 2,
    NBD_CMD_REQ_ONE = 1 << 3,
    NBD_CMD_FAST_ZERO = 1 << 4,
};

#define NBD_CHUNK_DONE 1u /* the flag of a reply's last chunk */

enum nbd_chunk {
    NBD_CHUNK_NONE = 0,
    NBD_CHUNK_DATA = 1,
    NBD_CHUNK_HOLE = 2,
    NBD_CHUNK_STATUS = 5,
    NBD_CHUNK_ERROR = 0x8001,
};

enum nbd_status {
    NBD_OK = 0,
    NBD_EPERM = 1,
    NBD_EIO = 5,
    NBD_ENOMEM = 12,
    NBD_EINVAL = 22,
    NBD_ENOSPC = 28,
    NBD_ENOTSUP = 95,
};

/* Flags of base:allocation, and of slipway:changed. */
#define NBD_STATE_HOLE 1u
#define NBD_STATE_ZERO 2u
#define NBD_STATE_CHANGED 1u
