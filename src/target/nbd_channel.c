/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "target/nbd_channel.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

/* The largest record of TLS: what is shorter is sent as one. */
#define RECORD_MAX 16384u
/* Sent before whoever receives gets its turn. */
#define TURN_MAX (2 * RECORD_MAX)

void
nbd_channel_init(struct nbd_channel *channel, int fd, int interrupt)
{
    *channel = (struct nbd_channel){.fd = fd, .interrupt = interrupt};
    g_mutex_init(&channel->tls_lock);
    g_mutex_init(&channel->send_lock);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

void
nbd_channel_clear(struct nbd_channel *channel)
{
    if (channel->tls != NULL) {
        ERR_clear_error();
        SSL_shutdown(channel->tls);
        SSL_free(channel->tls);
        ERR_clear_error();
    }
    g_mutex_clear(&channel->tls_lock);
    g_mutex_clear(&channel->send_lock);
}

/* TRUE when the socket may be tried again; FALSE: time is over, or it was interrupted (errno is
 * then ETIMEDOUT or EINTR). */
static gboolean
wait_for(const struct nbd_channel *channel, short events, gint64 deadline)
{
    struct pollfd fds[] = {{.fd = channel->fd, .events = events},
                           {.fd = channel->interrupt, .events = POLLIN}};
    nfds_t n = events & POLLIN ? 2 : 1;
    for (;;) {
        gint64 left = deadline - g_get_monotonic_time();
        int timeout = left <= 0 ? 0 : (int)MIN(left / 1000 + 1, G_MAXINT);
        int ready = poll(fds, n, timeout);
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready > 0 && n == 2 && fds[1].revents != 0) {
            errno = EINTR;
            return FALSE;
        }
        if (ready == 0)
            errno = ETIMEDOUT;
        return ready > 0;
    }
}

/* ---- TLS ------------------------------------------------------------------------------------- */

/* What an operation of OpenSSL waits for: events of poll(2), or 0 when it has failed for good. */
static short
wanted(SSL *tls, int result)
{
    switch (SSL_get_error(tls, result)) {
    case SSL_ERROR_WANT_READ:
        return POLLIN;
    case SSL_ERROR_WANT_WRITE:
        return POLLOUT;
    default:
        return 0;
    }
}

static gboolean
fail_tls(SSL *tls, GError **error)
{
    long verdict = SSL_get_verify_result(tls);
    unsigned long number = ERR_peek_error();
    gboolean none = ERR_GET_REASON(number) == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE;
    const char *words = number != 0 ? ERR_reason_error_string(number) : NULL;
    if (none)
        error_set(error, SLIPWAY_ERROR_DENIED, "TLS: it has no certificate");
    else if (verdict != X509_V_OK)
        error_set(error, SLIPWAY_ERROR_DENIED, "TLS: its certificate is refused: %s",
                  X509_verify_cert_error_string(verdict));
    else
        error_set(error, SLIPWAY_ERROR_NETWORK, "TLS: %s",
                  words != NULL ? words : "it went away in the handshake");
    ERR_clear_error();
    return FALSE;
}

gboolean
nbd_channel_start_tls(struct nbd_channel *channel, SSL_CTX *context, gint64 deadline,
                      GError **error)
{
    ERR_clear_error();
    SSL *tls = SSL_new(context);
    if (tls == NULL || SSL_set_fd(tls, channel->fd) != 1) {
        SSL_free(tls);
        ERR_clear_error();
        return error_set(error, SLIPWAY_ERROR_FAILED, "TLS: no memory");
    }
    for (int result; (result = SSL_accept(tls)) != 1; ERR_clear_error()) {
        short events = wanted(tls, result);
        if (events != 0 && wait_for(channel, events, deadline))
            continue;
        if (events != 0 && errno == EINTR)
            error_set(error, SLIPWAY_ERROR_CANCELLED, "the server stops");
        else if (events != 0)
            error_set(error, SLIPWAY_ERROR_NETWORK, "TLS: its handshake does not come to an end");
        else
            fail_tls(tls, error);
        SSL_free(tls);
        return FALSE;
    }
    channel->tls = tls;
    return TRUE;
}

char *
nbd_channel_peer_name(struct nbd_channel *channel)
{
    X509 *certificate = channel->tls != NULL ? SSL_get1_peer_certificate(channel->tls) : NULL;
    BIO *text = BIO_new(BIO_s_mem());
    char *name = NULL;
    /* This form escapes what is not printable. */
    if (certificate != NULL && text != NULL &&
        X509_NAME_print_ex(text, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253) > 0) {
        char *data;
        long length = BIO_get_mem_data(text, &data);
        name = g_strndup(data, (gsize)length);
    }
    BIO_free(text);
    X509_free(certificate);
    return name;
}

static gssize
receive_tls(struct nbd_channel *channel, void *buffer, gsize length)
{
    for (;;) {
        size_t n = 0;
        g_mutex_lock(&channel->tls_lock);
        ERR_clear_error();
        int result = SSL_read_ex(channel->tls, buffer, length, &n);
        short events = result == 1 ? 0 : wanted(channel->tls, result);
        ERR_clear_error();
        g_mutex_unlock(&channel->tls_lock);
        if (result == 1)
            return (gssize)n;
        if (events == POLLIN)
            return 0;
        /* Receiving has to send an answer of TLS itself. */
        gint64 deadline =
            g_get_monotonic_time() + NBD_CHANNEL_SEND_SECONDS * (gint64)G_USEC_PER_SEC;
        if (events == 0 || !wait_for(channel, events, deadline))
            return -1;
    }
}

static gboolean
send_tls(struct nbd_channel *channel, const guint8 *data, gsize length)
{
    while (length > 0) {
        size_t n = 0;
        g_mutex_lock(&channel->tls_lock);
        ERR_clear_error();
        int result = SSL_write_ex(channel->tls, data, MIN(length, TURN_MAX), &n);
        short events = result == 1 ? 0 : wanted(channel->tls, result);
        ERR_clear_error();
        g_mutex_unlock(&channel->tls_lock);
        data += n;
        length -= n;
        if (result == 1)
            continue;
        gint64 deadline =
            g_get_monotonic_time() + NBD_CHANNEL_SEND_SECONDS * (gint64)G_USEC_PER_SEC;
        if (events == 0 || !wait_for(channel, events, deadline))
            return FALSE;
    }
    return TRUE;
}

/* A head and its data go into one record when they fit, and into one packet then. */
static gboolean
send_records(struct nbd_channel *channel, const struct iovec *parts, guint n)
{
    guint8 record[RECORD_MAX];
    gsize fill = 0;
    for (guint i = 0; i < n; i++) {
        const guint8 *from = parts[i].iov_base;
        gsize left = parts[i].iov_len;
        while (left > 0) {
            if (fill == 0 && left >= RECORD_MAX) {
                gsize whole = left - left % RECORD_MAX;
                if (!send_tls(channel, from, whole))
                    return FALSE;
                from += whole;
                left -= whole;
                continue;
            }
            gsize some = MIN(left, RECORD_MAX - fill);
            memcpy(record + fill, from, some);
            fill += some;
            from += some;
            left -= some;
            if (fill == RECORD_MAX && !send_tls(channel, record, fill))
                return FALSE;
            fill %= RECORD_MAX;
        }
    }
    return send_tls(channel, record, fill);
}

/* ---- Both ------------------------------------------------------------------------------------ */

gssize
nbd_channel_receive_some(struct nbd_channel *channel, void *buffer, gsize length)
{
    if (channel->tls != NULL)
        return receive_tls(channel, buffer, length);
    ssize_t n;
    do
        n = recv(channel->fd, buffer, length, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return 0;
    return n > 0 ? n : -1;
}

gboolean
nbd_channel_receive(struct nbd_channel *channel, void *buffer, gsize length, gint64 deadline,
                    GError **error)
{
    guint8 *to = buffer;
    while (length > 0) {
        gssize n = nbd_channel_receive_some(channel, to, length);
        if (n < 0)
            return error_set(error, SLIPWAY_ERROR_NETWORK, "it went away");
        to += n;
        length -= (gsize)n;
        if (n > 0 || wait_for(channel, POLLIN, deadline))
            continue;
        if (errno == EINTR)
            return error_set(error, SLIPWAY_ERROR_CANCELLED, "the server stops");
        return error_set(error, SLIPWAY_ERROR_NETWORK, "it takes too long to say what it wants");
    }
    return TRUE;
}

/* Leave out the first `n` bytes of the parts. */
static void
skip(struct iovec **parts, guint *count, gsize n)
{
    while (*count > 0 && n >= (*parts)->iov_len) {
        n -= (*parts)->iov_len;
        (*parts)++;
        (*count)--;
    }
    if (*count > 0) {
        (*parts)->iov_base = (guint8 *)(*parts)->iov_base + n;
        (*parts)->iov_len -= n;
    }
}

static gboolean
send_plain(struct nbd_channel *channel, struct iovec *parts, guint n)
{
    while (n > 0) {
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = n};
        ssize_t sent = sendmsg(channel->fd, &message, MSG_NOSIGNAL);
        if (sent >= 0) {
            skip(&parts, &n, (gsize)sent);
            continue;
        }
        if (errno == EINTR)
            continue;
        gint64 deadline =
            g_get_monotonic_time() + NBD_CHANNEL_SEND_SECONDS * (gint64)G_USEC_PER_SEC;
        if ((errno != EAGAIN && errno != EWOULDBLOCK) || !wait_for(channel, POLLOUT, deadline))
            return FALSE;
    }
    return TRUE;
}

gboolean
nbd_channel_send(struct nbd_channel *channel, struct iovec *parts, guint n)
{
    g_mutex_lock(&channel->send_lock);
    gboolean ok =
        channel->tls != NULL ? send_records(channel, parts, n) : send_plain(channel, parts, n);
    /* Half a message cannot be mended: nobody shall send behind it. */
    if (!ok)
        shutdown(channel->fd, SHUT_RDWR);
    g_mutex_unlock(&channel->send_lock);
    return ok;
}
