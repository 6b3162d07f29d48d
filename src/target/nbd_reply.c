/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "target/nbd_reply.h"

/* Words of an error: the protocol has room for 16 bits, and people for less. */
#define WORDS_MAX 1000u

static void
put_simple(guint8 *head, const guint8 *cookie, enum nbd_status status)
{
    big_endian_put32(head, NBD_SIMPLE_REPLY_MAGIC);
    big_endian_put32(head + 4, status);
    memcpy(head + 8, cookie, NBD_COOKIE);
}

static gboolean
send_simple(struct nbd_session *session, const guint8 *cookie, enum nbd_status status,
            const void *data, gsize length)
{
    guint8 head[NBD_SIMPLE_REPLY_HEAD];
    put_simple(head, cookie, status);
    struct iovec parts[] = {{head, sizeof head}, {(gpointer)data, length}};
    return nbd_channel_send(&session->channel, parts, length > 0 ? 2 : 1);
}

static void
put_chunk(guint8 *head, const guint8 *cookie, enum nbd_chunk type, gboolean last, gsize length)
{
    big_endian_put32(head, NBD_STRUCTURED_REPLY_MAGIC);
    big_endian_put16(head + 4, last ? NBD_CHUNK_DONE : 0);
    big_endian_put16(head + 6, (guint16)type);
    memcpy(head + 8, cookie, NBD_COOKIE);
    big_endian_put32(head + 16, (guint32)length);
}

gboolean
nbd_reply_chunk(struct nbd_session *session, const guint8 *cookie, enum nbd_chunk type,
                gboolean last, const void *payload, gsize length)
{
    guint8 head[NBD_CHUNK_HEAD];
    put_chunk(head, cookie, type, last, length);
    struct iovec parts[] = {{head, sizeof head}, {(gpointer)payload, length}};
    return nbd_channel_send(&session->channel, parts, length > 0 ? 2 : 1);
}

gboolean
nbd_reply_done(struct nbd_session *session, const guint8 *cookie)
{
    return send_simple(session, cookie, NBD_OK, NULL, 0);
}

gboolean
nbd_reply_error(struct nbd_session *session, const guint8 *cookie, enum nbd_status status,
                const char *words)
{
    if (!session->structured)
        return send_simple(session, cookie, status, NULL, 0);
    guint8 payload[6 + WORDS_MAX];
    gsize length = MIN(strlen(words), WORDS_MAX);
    big_endian_put32(payload, status);
    big_endian_put16(payload + 4, (guint16)length);
    memcpy(payload + 6, words, length);
    return nbd_reply_chunk(session, cookie, NBD_CHUNK_ERROR, TRUE, payload, 6 + length);
}

gboolean
nbd_reply_data(struct nbd_session *session, const guint8 *cookie, const void *data, gsize length)
{
    return send_simple(session, cookie, NBD_OK, data, length);
}

gboolean
nbd_reply_data_chunk(struct nbd_session *session, const guint8 *cookie, gboolean last,
                     guint64 offset, const void *data, gsize length)
{
    guint8 head[NBD_CHUNK_HEAD + 8];
    put_chunk(head, cookie, NBD_CHUNK_DATA, last, 8 + length);
    big_endian_put64(head + NBD_CHUNK_HEAD, offset);
    struct iovec parts[] = {{head, sizeof head}, {(gpointer)data, length}};
    return nbd_channel_send(&session->channel, parts, 2);
}

gboolean
nbd_reply_hole_chunk(struct nbd_session *session, const guint8 *cookie, gboolean last,
                     guint64 offset, guint32 length)
{
    guint8 payload[12];
    big_endian_put64(payload, offset);
    big_endian_put32(payload + 8, length);
    return nbd_reply_chunk(session, cookie, NBD_CHUNK_HOLE, last, payload, sizeof payload);
}
