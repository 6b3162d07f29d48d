/* SPDX-License-Identifier: GPL-3.0-or-later */
/* nbd_handshake.h: the first phase of an NBD connection, fixed newstyle: options until the client
 * has chosen an export. */
#pragma once

#include "target/nbd_session.h"

/* Longest data of an option: all that an export name and queries of some contexts take. */
#define NBD_OPTION_MAX 16384u

/* TRUE: session->export is chosen.  FALSE without an error: the client has left, as it may.
 * SLIPWAY_ERROR_CORRUPT: what it sends is not the protocol; SLIPWAY_ERROR_DENIED: no TLS where it
 * is demanded, or its certificate is refused; SLIPWAY_ERROR_NOT_FOUND: no such export;
 * SLIPWAY_ERROR_NETWORK: it broke off, or takes too long; SLIPWAY_ERROR_CANCELLED: the server
 * stops. */
gboolean nbd_handshake_do(struct nbd_session *session, GError **error);

/* ---- For the files of the handshake -----------------------------------------------------------
 */

struct nbd_option {
    guint32 number;
    guint32 length;
    guint8 *data;
};

/* What is left of an option's data. */
struct nbd_cursor {
    const guint8 *at;
    gsize left;
};
gboolean nbd_cursor_get16(struct nbd_cursor *cursor, guint16 *ret);
gboolean nbd_cursor_get32(struct nbd_cursor *cursor, guint32 *ret);
/* A string behind its length: NULL when there is none, or it is none of the protocol (too long,
 * with a NUL, no UTF-8). */
char *nbd_cursor_get_string(struct nbd_cursor *cursor);

/* FALSE: the client is gone. */
gboolean nbd_handshake_reply(struct nbd_session *session, const struct nbd_option *option,
                             guint32 type, const void *data, gsize length);
gboolean nbd_handshake_refuse(struct nbd_session *session, const struct nbd_option *option,
                              guint32 type, const char *words);

/* NBD_OPT_LIST_META_CONTEXT and NBD_OPT_SET_META_CONTEXT (nbd_contexts.c). */
gboolean nbd_contexts_answer(struct nbd_session *session, const struct nbd_option *option);
