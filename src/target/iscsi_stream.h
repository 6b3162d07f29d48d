/* SPDX-License-Identifier: GPL-3.0-or-later */
/* iscsi_stream.h: the PDUs of one connection, in both directions.
 *
 * As many PDUs as there are come with one recv(2).  What is sent is gathered, headers copied and
 * data where it lies, and goes out when nothing is left to do or much has come together.  While the
 * peer does not take what is sent, what it sends is received as far as there is room.
 *
 * A peer can make it hold ISCSI_INPUT_ROOM bytes of input (ISCSI_INPUT_FIRST before its login),
 * ISCSI_STREAM_BUFFERS buffers of ISCSI_BUFFER_KEEP bytes, and one of SCSI_TRANSFER_MAX.
 *
 * One thread. */
#pragma once

#include "target/iscsi_pdu.h"
#include "target/scsi.h"

#include <sys/uio.h>

#define ISCSI_INPUT_FIRST (16u << 10)
#define ISCSI_INPUT_ROOM (1u << 20)
#define ISCSI_STREAM_BUFFERS 32u
#define ISCSI_BUFFER_KEEP (256u << 10)
#define ISCSI_GATHER (256u << 10) /* bytes that go out at the latest */
#define ISCSI_IOVECS 256u
#define ISCSI_ARENA (32u << 10)
#define ISCSI_STALL_S 60 /* a peer that takes nothing, or ends within a PDU, is gone */

struct iscsi_pdu {
    const guint8 *bhs;
    guint32 ahs_length;
    const guint8 *data; /* NULL: iscsi_stream_data() gets it */
    guint32 length;
    gboolean damaged; /* the data, by its digest */
};

struct iscsi_stream {
    int fd;
    int wake; /* eventfd of the connection: ends a wait; -1 */
    guint32 data_max;
    gboolean header_digest, data_digest; /* once the login is over */
    gint64 heard;                        /* monotonic time of the last byte that came */
    guint64 received, sent;

    /* Input: [start, end) is there. */
    guint8 *input;
    gsize room, start, end;
    gsize current;  /* bytes of the PDU that was given out, to be dropped */
    guint64 origin; /* where the input's first byte is, counted so that it only grows */

    /* Output. */
    struct iovec iovecs[ISCSI_IOVECS];
    guint n_iovecs;
    guint8 *arena;
    gsize arena_used, gathered;
    struct scsi_buffer buffers[ISCSI_STREAM_BUFFERS];
    guint buffers_used, buffer_last;
    gboolean failed; /* nothing can be sent any more */
};

enum iscsi_stream_event {
    ISCSI_STREAM_PDU,
    ISCSI_STREAM_TIME,    /* the time is up */
    ISCSI_STREAM_WOKEN,   /* `wake` was written to */
    ISCSI_STREAM_CLOSED,  /* by the peer, or it stalls, or the network failed */
    ISCSI_STREAM_DAMAGED, /* a header, by its digest: nothing after it makes sense */
    ISCSI_STREAM_LONG,    /* a PDU with more data than was agreed upon */
};

void iscsi_stream_init(struct iscsi_stream *stream, int fd, int wake);
void iscsi_stream_clear(struct iscsi_stream *stream);
/* The login is over: more input, digests as agreed. */
void iscsi_stream_log_in(struct iscsi_stream *stream, gboolean header_digest, gboolean data_digest,
                         guint32 data_max);

/* The next PDU.  Sends what is gathered before it waits, at most until `until` (monotonic).  A
 * Data-Out comes without its data, anything else with it; both stay until the next call. */
enum iscsi_stream_event iscsi_stream_next(struct iscsi_stream *stream, gint64 until,
                                          struct iscsi_pdu *ret);
/* The data of a Data-Out, `length` bytes: the first `keep` into `to`, the rest nowhere.  FALSE when
 * the connection is lost. */
gboolean iscsi_stream_data(struct iscsi_stream *stream, const struct iscsi_pdu *pdu, guint8 *to,
                           gsize keep, gboolean *ret_damaged);
/* Look at a PDU behind the present one that is wholly there, from *position on, which begins at 0
 * and is then where the next one begins.  Its data is not checked. */
gboolean iscsi_stream_peek(const struct iscsi_stream *stream, guint64 *position,
                           struct iscsi_pdu *ret);

/* Where the data of a reply can be put, free until it was sent. */
struct scsi_buffer *iscsi_stream_buffer(struct iscsi_stream *stream, gsize expected);
/* Send a PDU; the length of the data is put into its header.  Data of iscsi_stream_buffer() is
 * sent from there; any other is copied, ISCSI_COPY_MAX bytes at most. */
#define ISCSI_COPY_MAX (16u << 10)
gboolean iscsi_stream_send(struct iscsi_stream *stream, guint8 *bhs, const void *data,
                           guint32 length);
gboolean iscsi_stream_send_buffer(struct iscsi_stream *stream, guint8 *bhs, const void *data,
                                  guint32 length);
/* The buffer that iscsi_stream_buffer() gave last has been sent from: take another one. */
void iscsi_stream_keep_buffer(struct iscsi_stream *stream);
gboolean iscsi_stream_flush(struct iscsi_stream *stream);

/* For iscsi_stream*.c alone. */

/* Receive into the input what is there, `wanted` bytes or more.  -1: nothing now; 0: closed. */
gssize iscsi_stream_receive(struct iscsi_stream *stream, gsize wanted);
/* TRUE when the socket can be read or written (POLLIN, POLLOUT), FALSE when the peer has stalled.
 */
gboolean iscsi_stream_wait(struct iscsi_stream *stream, short events);
