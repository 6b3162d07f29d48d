/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a stream sends: gathered, and sent with one call. */
#include "target/iscsi_stream.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

static void
reset_output(struct iscsi_stream *stream)
{
    /* Who varies the size of what is read must not make all of them large. */
    for (guint i = 1; i < stream->buffers_used; i++) {
        if (stream->buffers[i].room > ISCSI_BUFFER_KEEP)
            scsi_buffer_clear(&stream->buffers[i]);
    }
    stream->n_iovecs = 0;
    stream->arena_used = 0;
    stream->gathered = 0;
    stream->buffers_used = 0;
}

/* Drop `n` bytes that were sent from the front of the list. */
static void
advance(struct iovec **parts, guint *n_parts, gsize n)
{
    while (*n_parts > 0 && n >= (*parts)->iov_len) {
        n -= (*parts)->iov_len;
        (*parts)++;
        (*n_parts)--;
    }
    if (*n_parts > 0) {
        (*parts)->iov_base = (guint8 *)(*parts)->iov_base + n;
        (*parts)->iov_len -= n;
    }
}

/* The peer takes no more at present, perhaps because it waits until we take what it sends. */
static gboolean
wait_to_send(struct iscsi_stream *stream)
{
    gboolean room = stream->end < stream->room;
    if (!iscsi_stream_wait(stream, room ? POLLOUT | POLLIN : POLLOUT))
        return FALSE;
    return !room || iscsi_stream_receive(stream, 0) != 0;
}

gboolean
iscsi_stream_flush(struct iscsi_stream *stream)
{
    struct iovec *parts = stream->iovecs;
    guint n_parts = stream->n_iovecs;
    gboolean ok = !stream->failed;
    while (ok && n_parts > 0) {
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = n_parts};
        ssize_t sent = sendmsg(stream->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent >= 0) {
            stream->sent += (guint64)sent;
            advance(&parts, &n_parts, (gsize)sent);
        } else if (errno == EAGAIN) {
            ok = wait_to_send(stream);
        } else {
            ok = errno == EINTR;
        }
    }
    stream->failed = !ok;
    reset_output(stream);
    return ok;
}

static void
gather(struct iscsi_stream *stream, const void *data, gsize length)
{
    stream->gathered += length;
    if (stream->n_iovecs > 0) {
        struct iovec *last = &stream->iovecs[stream->n_iovecs - 1];
        if ((const guint8 *)last->iov_base + last->iov_len == data) {
            last->iov_len += length;
            return;
        }
    }
    stream->iovecs[stream->n_iovecs++] = (struct iovec){(void *)data, length};
}

/* Room for copies, which is there: see send_pdu(). */
static guint8 *
gather_room(struct iscsi_stream *stream, gsize length)
{
    guint8 *at = stream->arena + stream->arena_used;
    stream->arena_used += length;
    gather(stream, at, length);
    return at;
}

static gboolean
send_pdu(struct iscsi_stream *stream, guint8 *bhs, const void *data, guint32 length, gboolean copy)
{
    gsize copied = ISCSI_BHS + 2 * ISCSI_DIGEST + 4 + (copy ? length : 0);
    guint32 padding = iscsi_padding(length);
    static const guint8 zeros[4];
    if ((stream->arena_used + copied > ISCSI_ARENA || stream->n_iovecs + 3 > ISCSI_IOVECS) &&
        !iscsi_stream_flush(stream))
        return FALSE;
    big_endian_put24(bhs + 5, length);
    memcpy(gather_room(stream, ISCSI_BHS), bhs, ISCSI_BHS);
    if (stream->header_digest)
        iscsi_digest_put(iscsi_digest_add(ISCSI_DIGEST_BEGIN, bhs, ISCSI_BHS),
                         gather_room(stream, ISCSI_DIGEST));
    if (length > 0) {
        if (copy)
            memcpy(gather_room(stream, length), data, length);
        else
            gather(stream, data, length);
        if (padding > 0)
            memcpy(gather_room(stream, padding), zeros, padding);
        if (stream->data_digest) {
            guint32 digest = iscsi_digest_add(ISCSI_DIGEST_BEGIN, data, length);
            digest = iscsi_digest_add(digest, zeros, padding);
            iscsi_digest_put(digest, gather_room(stream, ISCSI_DIGEST));
        }
    }
    return stream->gathered < ISCSI_GATHER || copy || iscsi_stream_flush(stream);
}

gboolean
iscsi_stream_send(struct iscsi_stream *stream, guint8 *bhs, const void *data, guint32 length)
{
    g_assert(length <= ISCSI_COPY_MAX);
    return send_pdu(stream, bhs, data, length, TRUE);
}

gboolean
iscsi_stream_send_buffer(struct iscsi_stream *stream, guint8 *bhs, const void *data, guint32 length)
{
    return send_pdu(stream, bhs, data, length, FALSE);
}

struct scsi_buffer *
iscsi_stream_buffer(struct iscsi_stream *stream, gsize expected)
{
    if (stream->buffers_used == ISCSI_STREAM_BUFFERS ||
        (expected > ISCSI_BUFFER_KEEP / 4 && stream->buffers_used > 0)) {
        /* A failure is seen again by whoever sends next. */
        iscsi_stream_flush(stream);
    }
    stream->buffer_last = stream->buffers_used;
    return &stream->buffers[stream->buffer_last];
}

void
iscsi_stream_keep_buffer(struct iscsi_stream *stream)
{
    /* Parts of it may have been sent, which made all other buffers free. */
    if (stream->n_iovecs > 0)
        stream->buffers_used = stream->buffer_last + 1;
}
