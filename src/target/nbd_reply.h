/* SPDX-License-Identifier: GPL-3.0-or-later */
/* nbd_reply.h: answers to requests, each sent as one message.  FALSE: the client is gone. */
#pragma once

#include "target/nbd_protocol.h"
#include "target/nbd_session.h"

#define NBD_COOKIE 8u

/* Done, and nothing to say; not for reads with structured replies. */
gboolean nbd_reply_done(struct nbd_session *session, const guint8 *cookie);
gboolean nbd_reply_error(struct nbd_session *session, const guint8 *cookie, enum nbd_status status,
                         const char *words);
/* A read without structured replies: all of it. */
gboolean nbd_reply_data(struct nbd_session *session, const guint8 *cookie, const void *data,
                        gsize length);

/* Chunks of structured replies; `last` is the end of the reply. */
gboolean nbd_reply_chunk(struct nbd_session *session, const guint8 *cookie, enum nbd_chunk type,
                         gboolean last, const void *payload, gsize length);
gboolean nbd_reply_data_chunk(struct nbd_session *session, const guint8 *cookie, gboolean last,
                              guint64 offset, const void *data, gsize length);
gboolean nbd_reply_hole_chunk(struct nbd_session *session, const guint8 *cookie, gboolean last,
                              guint64 offset, guint32 length);
