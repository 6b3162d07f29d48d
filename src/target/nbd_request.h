/* SPDX-License-Identifier: GPL-3.0-or-later */
/* nbd_request.h: a request of an NBD client, and doing it. */
#pragma once

#include "target/nbd_protocol.h"
#include "target/nbd_reply.h"
#include "target/nbd_session.h"

/* Reads go in pieces of it through a worker's own memory. */
#define NBD_PIECE (1u << 20)

struct nbd_request {
    guint16 flags;
    guint16 type;
    guint8 cookie[NBD_COOKIE];
    guint64 offset;
    guint32 length;
    guint8 *data; /* of a write, `length` bytes */
    gsize memory; /* that it was counted with */
};

/* From NBD_REQUEST_HEAD bytes; FALSE: they are none. */
gboolean nbd_request_parse(const guint8 *head, struct nbd_request *ret);

/* Bytes of memory that it needs beside a worker's: what is written, and a long read that cannot be
 * answered in pieces.  At most NBD_SERVER_REQUEST_MAX. */
gsize nbd_request_memory(const struct nbd_session *session, const struct nbd_request *request);

/* Memory of a thread that does requests; at most NBD_PIECE. */
struct nbd_scratch {
    guint8 *data;
    gsize room;
};
void nbd_scratch_clear(struct nbd_scratch *scratch);

/* Do it and answer.  FALSE: the client is gone. */
gboolean nbd_request_do(struct nbd_session *session, const struct nbd_request *request,
                        struct nbd_scratch *scratch);

/* NBD_CMD_BLOCK_STATUS, of a range that is inside (nbd_status.c). */
gboolean nbd_request_tell_status(struct nbd_session *session, const struct nbd_request *request);
/* Say that the disk has failed, to the log and to the client; takes over `error`. */
gboolean nbd_request_fail(struct nbd_session *session, const struct nbd_request *request,
                          GError *error);
