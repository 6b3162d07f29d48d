/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/read_streams.h"

#include <string.h>

/* How far a read may be from where its stream goes on: requests of a queue overtake each other. */
#define BEHIND_MAX (4u << 20)
#define BEFORE_MAX (2u << 20)
/* What is ahead at first, and from where on two reads are enough to know a stream. */
#define WINDOW_MIN (256u << 10)
/* What lies further back does not count any more. */
#define SPAN_MAX (16u << 20)

void
read_streams_init(struct read_streams *streams)
{
    memset(streams, 0, sizeof *streams);
    g_mutex_init(&streams->lock);
}

void
read_streams_clear(struct read_streams *streams)
{
    g_mutex_clear(&streams->lock);
}

static guint64
distance(const struct read_stream *stream, guint64 offset)
{
    return offset > stream->next ? offset - stream->next : stream->next - offset;
}

static gboolean
belongs(const struct read_stream *stream, guint64 offset)
{
    return stream->used > 0 &&
           distance(stream, offset) <= (offset > stream->next ? BEFORE_MAX : BEHIND_MAX);
}

/* The nearest one; NULL when there is none near. */
static struct read_stream *
find(struct read_streams *streams, guint64 offset)
{
    struct read_stream *found = NULL;
    for (guint i = 0; i < READ_STREAMS_N; i++) {
        struct read_stream *stream = &streams->streams[i];
        if (belongs(stream, offset) &&
            (found == NULL || distance(stream, offset) < distance(found, offset)))
            found = stream;
    }
    return found;
}

static struct read_stream *
longest_unused(struct read_streams *streams)
{
    struct read_stream *found = &streams->streams[0];
    for (guint i = 1; i < READ_STREAMS_N; i++) {
        if (streams->streams[i].used < found->used)
            found = &streams->streams[i];
    }
    return found;
}

static void
go_on(struct read_stream *stream, guint64 end)
{
    stream->next = end;
    stream->steps++;
    guint64 span = stream->next - stream->start;
    if (span > SPAN_MAX) {
        stream->start += span / 2;
        stream->total = MIN(stream->total, span) / 2;
    }
}

static gboolean
is_stream(const struct read_stream *stream)
{
    guint64 span = stream->next - stream->start;
    return stream->total >= span / 2 && (stream->steps >= 2 || span >= WINDOW_MIN);
}

/* More is wanted when half of the window is used up, and twice as far then. */
static gboolean
look_ahead(struct read_stream *stream, guint64 limit, guint64 *ret_offset, guint64 *ret_length)
{
    guint64 most = MIN(limit, READ_STREAMS_AHEAD_MAX);
    stream->window = MIN(MAX(stream->window, WINDOW_MIN), most);
    stream->ahead = MAX(stream->ahead, stream->next);
    if (stream->ahead - stream->next > stream->window / 2)
        return FALSE;
    *ret_offset = stream->ahead;
    *ret_length = stream->next + stream->window - stream->ahead;
    stream->ahead += *ret_length;
    stream->window = MIN(stream->window * 2, most);
    return TRUE;
}

static gboolean
note(struct read_streams *streams, guint64 offset, guint64 length, guint64 limit,
     guint64 *ret_offset, guint64 *ret_length)
{
    struct read_stream *stream = find(streams, offset);
    if (stream == NULL) {
        stream = longest_unused(streams);
        *stream = (struct read_stream){.start = offset, .next = offset + length, .total = length};
        stream->used = ++streams->clock;
        return FALSE;
    }
    stream->used = ++streams->clock;
    stream->total += length;
    stream->start = MIN(stream->start, offset);
    if (offset + length <= stream->next)
        return FALSE;
    go_on(stream, offset + length);
    return is_stream(stream) && look_ahead(stream, limit, ret_offset, ret_length);
}

gboolean
read_streams_note(struct read_streams *streams, guint64 offset, guint64 length, guint64 limit,
                  guint64 *ret_offset, guint64 *ret_length)
{
    g_mutex_lock(&streams->lock);
    gboolean wants = note(streams, offset, length, limit, ret_offset, ret_length);
    g_mutex_unlock(&streams->lock);
    return wants;
}
