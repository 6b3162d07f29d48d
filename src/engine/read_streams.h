/* SPDX-License-Identifier: GPL-3.0-or-later */
/* read_streams.h: which of the reads of a disk go on in order, and what they will want next.
 *
 * Several streams at once, whose reads come in any order within a queue of some MiB.  A stream is
 * one when most of what lies between its first and its last byte was read.  Any thread. */
#pragma once

#include <glib.h>

/* The most that is wanted ahead of a stream. */
#define READ_STREAMS_AHEAD_MAX (8u << 20)
#define READ_STREAMS_N 8u

struct read_stream {
    guint64 start, next; /* from where to where it was read */
    guint64 total;       /* bytes of reads in there */
    guint64 ahead;       /* up to where more was asked for */
    guint64 window;      /* how far ahead it is read next time */
    guint64 used;        /* by the clock */
    guint steps;         /* reads that went on */
};

struct read_streams {
    GMutex lock; /* of all that follows */
    guint64 clock;
    struct read_stream streams[READ_STREAMS_N];
};

void read_streams_init(struct read_streams *streams);
void read_streams_clear(struct read_streams *streams);

/* A read.  TRUE: *ret_offset and *ret_length will be wanted soon, perhaps beyond the end of the
 * disk; nothing is said twice.  `limit`: the most that may be ahead of a stream. */
gboolean read_streams_note(struct read_streams *streams, guint64 offset, guint64 length,
                           guint64 limit, guint64 *ret_offset, guint64 *ret_length);
