/* SPDX-License-Identifier: GPL-3.0-or-later */
/* nbd_transmission.h: the second phase of an NBD connection: requests and their answers.
 *
 * A few threads share the connection.  Whoever has nothing to do waits for the socket; who is woken
 * by it takes what requests there are, does one of them itself, and leaves the others to the rest.
 * So a single small request is done by the thread that received it, several are done at once and
 * answered as they are ready, and a slow one stops nobody. */
#pragma once

#include "target/nbd_session.h"

#define NBD_THREADS_MAX 8u   /* of a connection: requests that are done at once */
#define NBD_REQUESTS_MAX 64u /* that are received and not answered */
/* Data of theirs beside NBD_PIECE a thread; the next one is not received before there is room.  A
 * single one fits always. */
#define NBD_MEMORY_MAX NBD_SERVER_REQUEST_MAX

/* Until the client leaves or the session is stopped.  FALSE: it was ended for what it sent
 * (SLIPWAY_ERROR_CORRUPT). */
gboolean nbd_transmission_do(struct nbd_session *session, GError **error);
