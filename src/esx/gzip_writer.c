/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/gzip_writer.h"

#include "base/error.h"

#include <zlib.h>

#define OUTPUT_BUFFER 65536
#define WINDOW_GZIP (15 + 16) /* the largest window, in gzip's wrapping */
#define MEMORY_LEVEL 8
#define SYSTEM_UNKNOWN 255

struct gzip_writer {
    gzip_sink sink;
    void *user_data;
    z_stream stream;
    gz_header header;
    guint8 output[OUTPUT_BUFFER];
};

struct gzip_writer *
gzip_writer_new(gzip_sink sink, void *user_data)
{
    struct gzip_writer *writer = g_new0(struct gzip_writer, 1);
    writer->sink = sink;
    writer->user_data = user_data;
    writer->header.os = SYSTEM_UNKNOWN;
    if (deflateInit2(&writer->stream, Z_BEST_COMPRESSION, Z_DEFLATED, WINDOW_GZIP, MEMORY_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK ||
        deflateSetHeader(&writer->stream, &writer->header) != Z_OK)
        g_error("zlib cannot compress");
    return writer;
}

void
gzip_writer_free(struct gzip_writer *writer)
{
    if (writer == NULL)
        return;
    deflateEnd(&writer->stream);
    g_free(writer);
}

static gboolean
deflate_all(struct gzip_writer *writer, int flush, GError **error)
{
    int result;
    do {
        writer->stream.next_out = writer->output;
        writer->stream.avail_out = OUTPUT_BUFFER;
        result = deflate(&writer->stream, flush);
        if (result == Z_STREAM_ERROR)
            return error_set(error, SLIPWAY_ERROR_FAILED, "zlib cannot compress");
        gsize made = OUTPUT_BUFFER - writer->stream.avail_out;
        if (made > 0 && !writer->sink(writer->user_data, writer->output, made, error))
            return FALSE;
    } while (writer->stream.avail_out == 0 || (flush == Z_FINISH && result != Z_STREAM_END));
    return TRUE;
}

gboolean
gzip_writer_write(struct gzip_writer *writer, const void *data, gsize length, GError **error)
{
    const guint8 *bytes = data;
    while (length > 0) {
        gsize step = MIN(length, 1u << 30);
        writer->stream.next_in = (guint8 *)bytes;
        writer->stream.avail_in = (uInt)step;
        if (!deflate_all(writer, Z_NO_FLUSH, error))
            return FALSE;
        bytes += step;
        length -= step;
    }
    return TRUE;
}

gboolean
gzip_writer_finish(struct gzip_writer *writer, GError **error)
{
    return deflate_all(writer, Z_FINISH, error);
}
