/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "target/iscsi_stream.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

/* One recv(2) takes this, or what is missing of a PDU: what comes with a large Data-Out is copied
 * from here, what is missing goes where it belongs. */
#define RECEIVE (64u << 10)

void
iscsi_stream_init(struct iscsi_stream *stream, int fd, int wake)
{
    *stream = (struct iscsi_stream){.fd = fd, .wake = wake, .data_max = 8192};
    stream->room = ISCSI_INPUT_FIRST;
    stream->input = g_malloc(stream->room);
    stream->arena = g_malloc(ISCSI_ARENA);
    stream->heard = g_get_monotonic_time();
}

void
iscsi_stream_clear(struct iscsi_stream *stream)
{
    for (guint i = 0; i < ISCSI_STREAM_BUFFERS; i++)
        scsi_buffer_clear(&stream->buffers[i]);
    g_clear_pointer(&stream->input, g_free);
    g_clear_pointer(&stream->arena, g_free);
}

/* The PDU that was given out before is the login's last, and needed no more. */
void
iscsi_stream_log_in(struct iscsi_stream *stream, gboolean header_digest, gboolean data_digest,
                    guint32 data_max)
{
    stream->header_digest = header_digest;
    stream->data_digest = data_digest;
    stream->data_max = data_max;
    stream->room = ISCSI_INPUT_ROOM;
    stream->input = g_realloc(stream->input, stream->room);
}

/* ---- Waiting --------------------------------------------------------------------------------- */

static int
milliseconds_until(gint64 until)
{
    gint64 left = until - g_get_monotonic_time();
    return left <= 0 ? 0 : (int)MIN((left + 999) / 1000, 3600 * 1000);
}

/* Receive into `parts` what is there.  -1: nothing now; 0: closed. */
static gssize
receive(struct iscsi_stream *stream, struct iovec *parts, gsize n)
{
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = n};
    ssize_t got;
    do
        got = recvmsg(stream->fd, &message, MSG_DONTWAIT);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return errno == EAGAIN ? -1 : 0;
    if (got > 0) {
        stream->heard = g_get_monotonic_time();
        stream->received += (guint64)got;
    }
    return got;
}

gssize
iscsi_stream_receive(struct iscsi_stream *stream, gsize wanted)
{
    gsize room = MIN(stream->room - stream->end, MAX(wanted, RECEIVE));
    struct iovec part = {stream->input + stream->end, room};
    gssize got = receive(stream, &part, 1);
    if (got > 0)
        stream->end += (gsize)got;
    return got;
}

gboolean
iscsi_stream_wait(struct iscsi_stream *stream, short events)
{
    struct pollfd poll_fd = {.fd = stream->fd, .events = events};
    int ready;
    do
        ready = poll(&poll_fd, 1, ISCSI_STALL_S * 1000);
    while (ready < 0 && errno == EINTR);
    return ready > 0;
}

/* ---- Input ----------------------------------------------------------------------------------- */

/* Bytes of the PDU with this header up to its data, and of all of it. */
static gsize
header_size(const struct iscsi_stream *stream, const guint8 *bhs)
{
    return ISCSI_BHS + iscsi_ahs_length(bhs) + (stream->header_digest ? ISCSI_DIGEST : 0);
}

static gsize
pdu_size(const struct iscsi_stream *stream, const guint8 *bhs)
{
    gsize size = header_size(stream, bhs);
    guint32 length = iscsi_data_length(bhs);
    if (length > 0)
        size += length + iscsi_padding(length) + (stream->data_digest ? ISCSI_DIGEST : 0);
    return size;
}

static gboolean
header_is_whole(const struct iscsi_stream *stream, const guint8 *bhs)
{
    if (!stream->header_digest)
        return TRUE;
    gsize length = ISCSI_BHS + iscsi_ahs_length(bhs);
    return iscsi_digest_is(iscsi_digest_add(ISCSI_DIGEST_BEGIN, bhs, length), bhs + length);
}

static gboolean
data_is_whole(const struct iscsi_stream *stream, const guint8 *data, guint32 length)
{
    gsize padded = (gsize)length + iscsi_padding(length);
    if (!stream->data_digest || length == 0)
        return TRUE;
    return iscsi_digest_is(iscsi_digest_add(ISCSI_DIGEST_BEGIN, data, padded), data + padded);
}

/* What the PDU at the start needs to be given out, once its header is there. */
static gsize
needed(const struct iscsi_stream *stream, const guint8 *bhs)
{
    return ISCSI_OPCODE(bhs) == ISCSI_DATA_OUT ? header_size(stream, bhs) : pdu_size(stream, bhs);
}

/* TRUE: *ret_event tells what the input holds.  FALSE: *ret_missing bytes more are needed. */
static gboolean
parse(struct iscsi_stream *stream, struct iscsi_pdu *ret, enum iscsi_stream_event *ret_event,
      gsize *ret_missing)
{
    const guint8 *bhs = stream->input + stream->start;
    gsize there = stream->end - stream->start;
    *ret_missing = ISCSI_BHS - MIN(there, ISCSI_BHS);
    if (*ret_missing > 0)
        return FALSE;
    *ret_event = ISCSI_STREAM_LONG;
    /* With a header digest, first of all whether it is a length at all. */
    if (there >= header_size(stream, bhs) && !header_is_whole(stream, bhs)) {
        *ret_event = ISCSI_STREAM_DAMAGED;
        return TRUE;
    }
    if (iscsi_data_length(bhs) > stream->data_max)
        return TRUE;
    gsize size = needed(stream, bhs);
    if (there < size) {
        *ret_missing = size - there;
        return FALSE;
    }
    *ret_event = ISCSI_STREAM_PDU;
    *ret = (struct iscsi_pdu){bhs, iscsi_ahs_length(bhs), NULL, iscsi_data_length(bhs), FALSE};
    if (ISCSI_OPCODE(bhs) != ISCSI_DATA_OUT) {
        ret->data = bhs + header_size(stream, bhs);
        ret->damaged = !data_is_whole(stream, ret->data, ret->length);
    }
    stream->current = size;
    return TRUE;
}

static void
empty_input(struct iscsi_stream *stream)
{
    stream->origin += stream->end;
    stream->start = stream->end = 0;
}

/* Make room for `missing` bytes after the end. */
static void
make_room(struct iscsi_stream *stream, gsize missing)
{
    if (stream->start == stream->end)
        empty_input(stream);
    if (stream->start == 0 || stream->room - stream->end >= missing)
        return;
    memmove(stream->input, stream->input + stream->start, stream->end - stream->start);
    stream->origin += stream->start;
    stream->end -= stream->start;
    stream->start = 0;
}

/* Something to read, or another reason to go on. */
static enum iscsi_stream_event
wait_input(struct iscsi_stream *stream, gint64 until)
{
    struct pollfd polls[2] = {{.fd = stream->fd, .events = POLLIN},
                              {.fd = stream->wake, .events = POLLIN}};
    int ready = poll(polls, 2, milliseconds_until(until));
    if (ready < 0)
        return errno == EINTR ? ISCSI_STREAM_PDU : ISCSI_STREAM_CLOSED;
    if (ready == 0)
        return ISCSI_STREAM_TIME;
    if (polls[1].revents == 0)
        return ISCSI_STREAM_PDU;
    eventfd_t value;
    eventfd_read(stream->wake, &value);
    return ISCSI_STREAM_WOKEN;
}

static void
drop_current(struct iscsi_stream *stream)
{
    stream->start += stream->current;
    stream->current = 0;
}

enum iscsi_stream_event
iscsi_stream_next(struct iscsi_stream *stream, gint64 until, struct iscsi_pdu *ret)
{
    enum iscsi_stream_event event;
    gsize missing = 0;
    drop_current(stream);
    while (!parse(stream, ret, &event, &missing)) {
        if (!iscsi_stream_flush(stream))
            return ISCSI_STREAM_CLOSED;
        /* Flushing may have received it. */
        if (parse(stream, ret, &event, &missing))
            break;
        make_room(stream, missing);
        gssize got = iscsi_stream_receive(stream, missing);
        if (got == 0)
            return ISCSI_STREAM_CLOSED;
        if (got > 0)
            continue;
        event = wait_input(stream, until);
        if (event != ISCSI_STREAM_PDU)
            return event;
    }
    return event;
}

gboolean
iscsi_stream_peek(const struct iscsi_stream *stream, guint64 *position, struct iscsi_pdu *ret)
{
    guint64 first = stream->origin + stream->start + stream->current;
    gsize at = (gsize)(MAX(*position, first) - stream->origin);
    if (stream->end < at || stream->end - at < ISCSI_BHS)
        return FALSE;
    const guint8 *bhs = stream->input + at;
    gsize size = pdu_size(stream, bhs);
    if (stream->end - at < size)
        return FALSE;
    *ret = (struct iscsi_pdu){bhs, iscsi_ahs_length(bhs), bhs + header_size(stream, bhs),
                              iscsi_data_length(bhs), FALSE};
    *position = stream->origin + at + size;
    return TRUE;
}

/* ---- The data of a Data-Out ------------------------------------------------------------------ */

/* A place that is filled from the front. */
struct sink {
    guint8 *at;
    gsize left;
};

/* What follows the data: padding and digest. */
static gsize
tail_size(const struct iscsi_stream *stream, guint32 length)
{
    return length == 0 ? 0 : iscsi_padding(length) + (stream->data_digest ? ISCSI_DIGEST : 0);
}

/* Take bytes that are there already; returns how many. */
static gsize
take_buffered(struct iscsi_stream *stream, guint8 *to, gsize length)
{
    gsize n = MIN(length, stream->end - stream->start);
    if (to != NULL)
        memcpy(to, stream->input + stream->start, n);
    stream->start += n;
    return n;
}

/* Receive into `sink`, and behind it into the input, which is empty. */
static gboolean
fill(struct iscsi_stream *stream, struct sink *sink)
{
    while (sink->left > 0) {
        struct iovec parts[2] = {{sink->at, sink->left},
                                 {stream->input, MIN(stream->room, RECEIVE)}};
        gssize got = receive(stream, parts, 2);
        if (got == 0)
            return FALSE;
        if (got < 0) {
            if (!iscsi_stream_flush(stream) || !iscsi_stream_wait(stream, POLLIN))
                return FALSE;
            /* Flushing may have received it. */
            gsize n = take_buffered(stream, sink->at, sink->left);
            sink->at += n;
            sink->left -= n;
            continue;
        }
        gsize n = MIN((gsize)got, sink->left);
        sink->at += n;
        sink->left -= n;
        empty_input(stream);
        stream->end = (gsize)got - n;
    }
    return TRUE;
}

static gboolean
read_bytes(struct iscsi_stream *stream, guint8 *to, gsize length)
{
    gsize n = take_buffered(stream, to, length);
    if (n == length)
        return TRUE;
    empty_input(stream);
    struct sink sink = {to + n, length - n};
    return fill(stream, &sink);
}

gboolean
iscsi_stream_data(struct iscsi_stream *stream, const struct iscsi_pdu *pdu, guint8 *to, gsize keep,
                  gboolean *ret_damaged)
{
    /* The header is overwritten by what comes in behind the data. */
    guint32 length = pdu->length, digest = ISCSI_DIGEST_BEGIN;
    guint8 tail[8];
    gsize tail_length = tail_size(stream, length), kept = MIN(keep, length);
    *ret_damaged = FALSE;
    drop_current(stream);
    if (!read_bytes(stream, to, kept))
        return FALSE;
    if (stream->data_digest)
        digest = iscsi_digest_add(digest, to, kept);
    for (gsize left = length - kept; left > 0;) {
        guint8 nowhere[4096];
        gsize n = MIN(left, sizeof nowhere);
        if (!read_bytes(stream, nowhere, n))
            return FALSE;
        if (stream->data_digest)
            digest = iscsi_digest_add(digest, nowhere, n);
        left -= n;
    }
    if (!read_bytes(stream, tail, tail_length))
        return FALSE;
    if (stream->data_digest && length > 0) {
        guint32 padding = iscsi_padding(length);
        digest = iscsi_digest_add(digest, tail, padding);
        *ret_damaged = !iscsi_digest_is(digest, tail + padding);
    }
    return TRUE;
}
