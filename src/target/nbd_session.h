/* SPDX-License-Identifier: GPL-3.0-or-later */
/* nbd_session.h: one client of an NBD server: what it has negotiated, in nbd_handshake.c, and its
 * requests, in nbd_transmission.c. */
#pragma once

#include "target/nbd_channel.h"
#include "target/nbd_service.h"

/* Ids of metadata contexts, and bits of those that a client has chosen. */
#define NBD_CONTEXT_ALLOCATION 1u
#define NBD_CONTEXT_CHANGED 2u

struct nbd_session {
    const struct nbd_service *service;
    const char *peer; /* for messages */
    struct nbd_channel channel;
    int wake;     /* eventfd; written to, the session looks at `stopping` */
    int stopping; /* atomic */
    int failures; /* atomic */

    gboolean structured;                     /* replies */
    const struct nbd_export *context_export; /* that the contexts were chosen for; NULL */
    unsigned contexts;
    const struct nbd_export *export; /* chosen in the end */
};

/* `fd` is the caller's, as is `peer`.  FALSE: too many open files. */
gboolean nbd_session_init(struct nbd_session *session, const struct nbd_service *service, int fd,
                          const char *peer);
void nbd_session_clear(struct nbd_session *session);

/* What is under way is done and answered, then nbd_handshake_do() or nbd_transmission_do()
 * returns.  From any thread. */
void nbd_session_stop(struct nbd_session *session);

/* A failure that the client can bring about again and again: 20 of them are logged. */
#define NBD_FAILURES_LOGGED 20
void nbd_session_log_failure(struct nbd_session *session, const char *words);
