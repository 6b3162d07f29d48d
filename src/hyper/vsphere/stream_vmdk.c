/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Threads read and compress pieces of the disk, and whoever reads the stream puts them together in
 * their order: so the bytes depend on nothing but the disk. */
#include "hyper/vsphere/stream_vmdk.h"

#include "base/cancel.h"
#include "base/error.h"
#include "base/little_endian.h"
#include "hyper/vsphere/vmdk_layout.h"

#include <string.h>
#include <zlib.h>

/* A divisor of what one grain table spans. */
#define PIECE (2u << 20)
#define PIECE_GRAINS (PIECE / STREAM_VMDK_GRAIN)
#define THREADS_MAX 8u
/* Pieces that are done or being made, beyond one for each thread. */
#define PIECES_AHEAD 2u
/* Of what begins here no sector has a number of more than 32 bits. */
#define PLACE_MAX (G_MAXUINT32 - 2 * PIECE / VMDK_LAYOUT_SECTOR)
/* Largest disk: the directory is kept in memory, 4 bytes for each 32 MiB. */
#define SIZE_MAX_BYTES (G_GUINT64_CONSTANT(1) << 47)

enum stage { STAGE_START, STAGE_GRAINS, STAGE_END, STAGE_OVER };

/* Grains of 2 MiB of disk, compressed, each behind its marker and filled up to whole sectors. */
struct piece {
    guint64 offset;
    gboolean done;
    GByteArray *bytes;
    guint n_grains;
    struct {
        guint64 offset; /* on the disk */
        guint at;       /* in `bytes` */
    } grains[PIECE_GRAINS];
    GError *error;
};

struct stream_vmdk {
    struct disk *source;
    guint64 size;
    int level;
    guint n_threads;
    GThread *threads[THREADS_MAX];

    GMutex lock; /* of what follows, and of piece.done */
    GCond taken, done;
    GQueue pieces;    /* of struct piece *, in the order of the disk */
    guint64 next;     /* offset of the disk from where on no piece was begun */
    gboolean looking; /* a thread asks where the next data is */
    gboolean no_more; /* all pieces were begun, or one has failed */
    gboolean ends;    /* threads are to end */

    /* Of the reader alone: */
    enum stage stage;
    GByteArray *out;
    gsize out_taken;
    guint64 sector; /* of the stream: where what comes next will be */
    guint32 table[VMDK_LAYOUT_TABLE];
    guint64 table_number;
    gboolean table_used;
    guint32 *directory;
    guint n_tables;
    GError *failure; /* what has failed fails again: there is no way on */

    GMutex position_lock;
    guint64 position;
};

static void
free_piece(gpointer data)
{
    struct piece *piece = data;
    g_byte_array_unref(piece->bytes);
    g_clear_error(&piece->error);
    g_free(piece);
}

/* ---- Threads --------------------------------------------------------------------------------- */

static gboolean
read_piece(struct stream_vmdk *stream, guint64 offset, guint8 *buffer, GError **error)
{
    guint64 end = MIN(offset + PIECE, stream->size);
    memset(buffer, 0, PIECE);
    for (guint64 at = offset; at < end;) {
        struct disk_extent extent;
        if (!disk_extent(stream->source, at, end - at, &extent, error))
            return FALSE;
        if (extent.kind == DISK_DATA &&
            !disk_read(stream->source, at, buffer + (at - offset), (gsize)extent.length, error))
            return FALSE;
        at += extent.length;
    }
    return TRUE;
}

static gboolean
compress_grain(z_stream *deflater, struct piece *piece, const guint8 *grain, GError **error)
{
    GByteArray *bytes = piece->bytes;
    guint at = bytes->len;
    guint room = (guint)deflateBound(deflater, STREAM_VMDK_GRAIN);
    g_byte_array_set_size(bytes, at + VMDK_LAYOUT_GRAIN_MARKER + room);
    deflater->next_in = (guint8 *)grain;
    deflater->avail_in = STREAM_VMDK_GRAIN;
    deflater->next_out = bytes->data + at + VMDK_LAYOUT_GRAIN_MARKER;
    deflater->avail_out = room;
    if (deflate(deflater, Z_FINISH) != Z_STREAM_END || deflateReset(deflater) != Z_OK)
        return error_set(error, SLIPWAY_ERROR_FAILED, "zlib cannot compress");
    guint length = room - deflater->avail_out;
    guint64 offset = piece->grains[piece->n_grains].offset;
    little_endian_put64(bytes->data + at, offset / VMDK_LAYOUT_SECTOR);
    little_endian_put32(bytes->data + at + 8, length);
    g_byte_array_set_size(bytes, at + VMDK_LAYOUT_GRAIN_MARKER + length);
    vmdk_layout_pad(bytes);
    piece->grains[piece->n_grains++].at = at;
    return TRUE;
}

static gboolean
fill_piece(struct stream_vmdk *stream, struct piece *piece, guint8 *buffer, z_stream *deflater,
           GError **error)
{
    if (!cancel_check(error) || !read_piece(stream, piece->offset, buffer, error))
        return FALSE;
    for (guint i = 0; i < PIECE_GRAINS; i++) {
        const guint8 *grain = buffer + (gsize)i * STREAM_VMDK_GRAIN;
        if (little_endian_is_zero(grain, STREAM_VMDK_GRAIN))
            continue;
        piece->grains[piece->n_grains].offset = piece->offset + (guint64)i * STREAM_VMDK_GRAIN;
        if (!compress_grain(deflater, piece, grain, error))
            return FALSE;
    }
    return TRUE;
}

/* The first piece from `offset` on that is not all a hole; the disk's size when there is none. */
static gboolean
skip_holes(struct stream_vmdk *stream, guint64 offset, guint64 *ret, GError **error)
{
    guint64 at = offset;
    while (at < stream->size) {
        struct disk_extent extent;
        if (!cancel_check(error) ||
            !disk_extent(stream->source, at, stream->size - at, &extent, error))
            return FALSE;
        if (extent.kind == DISK_DATA)
            break;
        at += extent.length;
    }
    *ret = at >= stream->size ? stream->size : MAX(offset, at - at % PIECE);
    return TRUE;
}

/* With the lock held, which is given back while the disk is asked.  NULL: there is no more, or the
 * disk cannot tell. */
static struct piece *
begin_piece(struct stream_vmdk *stream)
{
    guint64 offset = 0, from = stream->next;
    g_autoptr(GError) error = NULL;
    stream->looking = TRUE;
    g_mutex_unlock(&stream->lock);
    gboolean ok = skip_holes(stream, from, &offset, &error);
    g_mutex_lock(&stream->lock);
    stream->looking = FALSE;
    gboolean over = ok && offset >= stream->size;
    if (!ok || over)
        stream->no_more = TRUE;
    g_cond_broadcast(&stream->taken);
    g_cond_broadcast(&stream->done);
    if (over)
        return NULL;
    struct piece *piece = g_new0(struct piece, 1);
    piece->offset = offset;
    piece->bytes = g_byte_array_new();
    piece->error = g_steal_pointer(&error);
    piece->done = !ok;
    stream->next = offset + PIECE;
    g_queue_push_tail(&stream->pieces, piece);
    return ok ? piece : NULL;
}

static gboolean
may_begin(const struct stream_vmdk *stream)
{
    return !stream->looking && stream->pieces.length < stream->n_threads + PIECES_AHEAD;
}

static void
make_pieces(struct stream_vmdk *stream, guint8 *buffer, z_stream *deflater)
{
    g_mutex_lock(&stream->lock);
    while (!stream->ends && !stream->no_more) {
        if (!may_begin(stream)) {
            g_cond_wait(&stream->taken, &stream->lock);
            continue;
        }
        struct piece *piece = begin_piece(stream);
        if (piece == NULL)
            break;
        g_mutex_unlock(&stream->lock);
        GError *error = NULL;
        fill_piece(stream, piece, buffer, deflater, &error);
        g_mutex_lock(&stream->lock);
        piece->error = error;
        piece->done = TRUE;
        /* What comes behind a failure is never read. */
        if (error != NULL)
            stream->no_more = TRUE;
        g_cond_broadcast(&stream->taken);
        g_cond_broadcast(&stream->done);
    }
    g_mutex_unlock(&stream->lock);
}

static gpointer
work(gpointer data)
{
    struct stream_vmdk *stream = data;
    z_stream deflater = {0};
    g_autofree guint8 *buffer = g_malloc(PIECE);
    if (deflateInit(&deflater, stream->level) != Z_OK)
        g_error("zlib: no memory");
    make_pieces(stream, buffer, &deflater);
    deflateEnd(&deflater);
    return NULL;
}

/* ---- The reader ------------------------------------------------------------------------------ */

static void
set_position(struct stream_vmdk *stream, guint64 position)
{
    g_mutex_lock(&stream->position_lock);
    stream->position = MIN(position, stream->size);
    g_mutex_unlock(&stream->position_lock);
}

/* The place of what is appended to the stream next, as tables have it. */
static gboolean
place_now(const struct stream_vmdk *stream, guint32 *ret, GError **error)
{
    guint64 sector = stream->sector + stream->out->len / VMDK_LAYOUT_SECTOR;
    if (sector > PLACE_MAX)
        return error_set(error, SLIPWAY_ERROR_LIMIT,
                         "disk %s: more than 2 TiB are left when it is compressed, which a "
                         "stream-optimized VMDK cannot hold; restore it another way (hot-add)",
                         disk_label(stream->source));
    *ret = (guint32)sector;
    return TRUE;
}

static gboolean
flush_table(struct stream_vmdk *stream, GError **error)
{
    if (!stream->table_used)
        return TRUE;
    vmdk_layout_put_marker(stream->out, VMDK_LAYOUT_GRAIN_TABLE,
                           vmdk_layout_sectors(sizeof stream->table));
    if (!place_now(stream, &stream->directory[stream->table_number], error))
        return FALSE;
    vmdk_layout_put_entries(stream->out, stream->table, VMDK_LAYOUT_TABLE);
    memset(stream->table, 0, sizeof stream->table);
    stream->table_used = FALSE;
    return TRUE;
}

/* Wait for the next piece; NULL without an error at the end. */
static struct piece *
take_piece(struct stream_vmdk *stream, GError **error)
{
    g_mutex_lock(&stream->lock);
    struct piece *piece = g_queue_peek_head(&stream->pieces);
    while (piece != NULL ? !piece->done : stream->looking || !stream->no_more) {
        g_cond_wait(&stream->done, &stream->lock);
        piece = g_queue_peek_head(&stream->pieces);
    }
    if (piece != NULL && piece->error != NULL) {
        g_propagate_error(error, g_error_copy(piece->error));
        piece = NULL;
    } else if (piece != NULL) {
        g_queue_pop_head(&stream->pieces);
        g_cond_broadcast(&stream->taken);
    }
    g_mutex_unlock(&stream->lock);
    return piece;
}

static gboolean
put_piece(struct stream_vmdk *stream, const struct piece *piece, GError **error)
{
    guint64 number = piece->offset / VMDK_LAYOUT_TABLE_SPAN;
    if (number != stream->table_number && !flush_table(stream, error))
        return FALSE;
    stream->table_number = number;
    guint32 place = 0;
    if (!place_now(stream, &place, error))
        return FALSE;
    for (guint i = 0; i < piece->n_grains; i++) {
        guint64 grain = piece->grains[i].offset / STREAM_VMDK_GRAIN;
        guint64 at = place + (guint64)piece->grains[i].at / VMDK_LAYOUT_SECTOR;
        stream->table[grain % VMDK_LAYOUT_TABLE] = (guint32)at;
        stream->table_used = TRUE;
    }
    g_byte_array_append(stream->out, piece->bytes->data, piece->bytes->len);
    return TRUE;
}

static gboolean
next_piece(struct stream_vmdk *stream, GError **error)
{
    GError *cause = NULL;
    struct piece *piece = take_piece(stream, &cause);
    if (cause != NULL) {
        g_propagate_error(error, cause);
        return FALSE;
    }
    if (piece == NULL) {
        stream->stage = STAGE_END;
        return TRUE;
    }
    gboolean ok = put_piece(stream, piece, error);
    set_position(stream, piece->offset + PIECE);
    free_piece(piece);
    return ok;
}

static gboolean
put_end(struct stream_vmdk *stream, GError **error)
{
    guint32 directory = 0;
    if (!flush_table(stream, error))
        return FALSE;
    vmdk_layout_put_marker(stream->out, VMDK_LAYOUT_GRAIN_DIRECTORY,
                           vmdk_layout_sectors((guint64)stream->n_tables * 4));
    if (!place_now(stream, &directory, error))
        return FALSE;
    vmdk_layout_put_entries(stream->out, stream->directory, stream->n_tables);
    vmdk_layout_put_marker(stream->out, VMDK_LAYOUT_FOOTER, 1);
    vmdk_layout_put_header(stream->out, stream->size, directory);
    vmdk_layout_put_marker(stream->out, VMDK_LAYOUT_END, 0);
    set_position(stream, stream->size);
    return TRUE;
}

/* Put more into `out`, which was taken completely; nothing more is there at the end. */
static gboolean
produce(struct stream_vmdk *stream, GError **error)
{
    stream->sector += stream->out->len / VMDK_LAYOUT_SECTOR;
    g_byte_array_set_size(stream->out, 0);
    stream->out_taken = 0;
    switch (stream->stage) {
    case STAGE_START:
        vmdk_layout_put_start(stream->out, stream->size);
        stream->stage = STAGE_GRAINS;
        return TRUE;
    case STAGE_GRAINS:
        return next_piece(stream, error);
    case STAGE_END:
        if (!put_end(stream, error))
            return FALSE;
        stream->stage = STAGE_OVER;
        return TRUE;
    case STAGE_OVER:
        break;
    }
    return TRUE;
}

gboolean
stream_vmdk_read(struct stream_vmdk *stream, void *buffer, gsize length, gsize *ret_length,
                 GError **error)
{
    *ret_length = 0;
    if (stream->failure != NULL) {
        g_propagate_error(error, g_error_copy(stream->failure));
        return FALSE;
    }
    while (stream->out_taken == stream->out->len) {
        if (stream->stage == STAGE_OVER && stream->out->len == 0)
            return TRUE;
        if (!produce(stream, &stream->failure)) {
            g_propagate_error(error, g_error_copy(stream->failure));
            return FALSE;
        }
    }
    gsize n = MIN(length, stream->out->len - stream->out_taken);
    memcpy(buffer, stream->out->data + stream->out_taken, n);
    stream->out_taken += n;
    *ret_length = n;
    return TRUE;
}

guint64
stream_vmdk_position(const struct stream_vmdk *stream)
{
    struct stream_vmdk *self = (struct stream_vmdk *)stream;
    g_mutex_lock(&self->position_lock);
    guint64 position = self->position;
    g_mutex_unlock(&self->position_lock);
    return position;
}

/* ---- Life ------------------------------------------------------------------------------------ */

struct stream_vmdk *
stream_vmdk_new(struct disk *source, guint threads, int level, GError **error)
{
    guint64 size = disk_size(source);
    if (size == 0 || size > SIZE_MAX_BYTES)
        return error_null(error, SLIPWAY_ERROR_LIMIT,
                          "disk %s: has %" G_GUINT64_FORMAT
                          " bytes, and a stream-optimized VMDK 1 to %" G_GUINT64_FORMAT,
                          disk_label(source), size, SIZE_MAX_BYTES);
    struct stream_vmdk *stream = g_new0(struct stream_vmdk, 1);
    stream->source = source;
    stream->size = size;
    stream->level = level != 0 ? level : 1;
    stream->n_threads = CLAMP(threads != 0 ? threads : g_get_num_processors(), 1, THREADS_MAX);
    stream->out = g_byte_array_new();
    stream->n_tables = (guint)((size - 1) / VMDK_LAYOUT_TABLE_SPAN + 1);
    stream->directory = g_new0(guint32, stream->n_tables);
    g_mutex_init(&stream->lock);
    g_mutex_init(&stream->position_lock);
    g_cond_init(&stream->taken);
    g_cond_init(&stream->done);
    g_queue_init(&stream->pieces);
    for (guint i = 0; i < stream->n_threads; i++)
        stream->threads[i] = g_thread_new("stream-vmdk", work, stream);
    return stream;
}

void
stream_vmdk_free(struct stream_vmdk *stream)
{
    if (stream == NULL)
        return;
    g_mutex_lock(&stream->lock);
    stream->ends = TRUE;
    g_cond_broadcast(&stream->taken);
    g_mutex_unlock(&stream->lock);
    for (guint i = 0; i < stream->n_threads; i++)
        g_thread_join(stream->threads[i]);
    g_queue_clear_full(&stream->pieces, free_piece);
    g_clear_error(&stream->failure);
    g_byte_array_unref(stream->out);
    g_free(stream->directory);
    g_mutex_clear(&stream->lock);
    g_mutex_clear(&stream->position_lock);
    g_cond_clear(&stream->taken);
    g_cond_clear(&stream->done);
    g_free(stream);
}
