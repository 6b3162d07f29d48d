/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "target/nbd_session.h"

#include <sys/eventfd.h>
#include <unistd.h>

gboolean
nbd_session_init(struct nbd_session *session, const struct nbd_service *service, int fd,
                 const char *peer)
{
    *session = (struct nbd_session){.service = service, .peer = peer};
    session->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (session->wake < 0)
        return FALSE;
    nbd_channel_init(&session->channel, fd, session->wake);
    return TRUE;
}

void
nbd_session_clear(struct nbd_session *session)
{
    nbd_channel_clear(&session->channel);
    close(session->wake);
}

void
nbd_session_stop(struct nbd_session *session)
{
    g_atomic_int_set(&session->stopping, TRUE);
    eventfd_write(session->wake, 1);
}

void
nbd_session_log_failure(struct nbd_session *session, const char *words)
{
    int before = g_atomic_int_add(&session->failures, 1);
    if (before < NBD_FAILURES_LOGGED)
        nbd_service_log(session->service, session->peer, "%s%s", words,
                        before == NBD_FAILURES_LOGGED - 1
                            ? "; further failures of this connection are not logged"
                            : "");
}
