/* SPDX-License-Identifier: GPL-3.0-or-later */
/* nbd_channel.h: the bytes between an NBD server and one client, in the clear or over TLS.
 *
 * One thread receives at a time; any number may send meanwhile, whose messages do not mix. */
#pragma once

#include <glib.h>
#include <openssl/ssl.h>
#include <sys/uio.h>

/* A peer that takes nothing of a reply for so long is given up. */
#define NBD_CHANNEL_SEND_SECONDS 120

struct nbd_channel {
    int fd;        /* the caller's */
    int interrupt; /* readable: waiting to receive ends; -1: never */
    SSL *tls;
    GMutex tls_lock;  /* over `tls`, which knows no threads */
    GMutex send_lock; /* from a message's first byte to its last */
};

/* `fd` becomes non-blocking. */
void nbd_channel_init(struct nbd_channel *channel, int fd, int interrupt);
/* Says good-bye to the peer when it is TLS, and closes nothing. */
void nbd_channel_clear(struct nbd_channel *channel);

/* All further bytes go over TLS.  `deadline` is one of g_get_monotonic_time().
 * SLIPWAY_ERROR_DENIED: no certificate, or one that is not trusted; SLIPWAY_ERROR_NETWORK. */
gboolean nbd_channel_start_tls(struct nbd_channel *channel, SSL_CTX *context, gint64 deadline,
                               GError **error);
/* The subject of the peer's certificate; NULL: it has shown none. */
char *nbd_channel_peer_name(struct nbd_channel *channel);

/* Exactly `length` bytes.  SLIPWAY_ERROR_NETWORK: the peer went away or the time is over;
 * SLIPWAY_ERROR_CANCELLED: interrupted. */
gboolean nbd_channel_receive(struct nbd_channel *channel, void *buffer, gsize length,
                             gint64 deadline, GError **error);
/* What is there, without waiting: the number of bytes, 0 when there are none now, -1 when there
 * will be no more. */
gssize nbd_channel_receive_some(struct nbd_channel *channel, void *buffer, gsize length);
/* One message, all of it; `parts` are changed.  FALSE when the peer is gone, for good. */
gboolean nbd_channel_send(struct nbd_channel *channel, struct iovec *parts, guint n);
