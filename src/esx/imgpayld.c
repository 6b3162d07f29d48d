/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/imgpayld.h"

#include "base/error.h"

#include <string.h>
#include <zlib.h>

#define TAR_BLOCK 512u
#define TAR_SIZE_MAX ((guint64)1 << 33) /* eleven octal digits */
#define TAR_NAME_MAX 100u
#define DIRECTORY "var/db/payloads/boot/"

/* RFC 1952 and 1951: header, blocks of at most 65535 bytes with 5 bytes in front, trailer. */
#define GZIP_HEADER 10u
#define GZIP_TRAILER 8u
#define DEFLATE_BLOCK 65535u
#define DEFLATE_HEADER 5u

static const char *const directories[] = {"var/", "var/db/", "var/db/payloads/", DIRECTORY};

static guint64
padding(guint64 size)
{
    return (TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK;
}

static guint64
tar_size(GArray *files)
{
    guint64 total = G_N_ELEMENTS(directories) * TAR_BLOCK + 2 * TAR_BLOCK;
    for (guint i = 0; i < files->len; i++) {
        guint64 size = g_array_index(files, struct imgpayld_file, i).size;
        total += TAR_BLOCK + size + padding(size);
    }
    return total;
}

gboolean
imgpayld_size(GArray *files, guint64 *ret_size, GError **error)
{
    for (guint i = 0; i < files->len; i++) {
        const struct imgpayld_file *file = &g_array_index(files, struct imgpayld_file, i);
        if (file->size >= TAR_SIZE_MAX)
            return error_set(error, SLIPWAY_ERROR_LIMIT, "boot payload %s is larger than 8 GiB",
                             file->name);
    }
    guint64 raw = tar_size(files);
    guint64 blocks = (raw + DEFLATE_BLOCK - 1) / DEFLATE_BLOCK;
    *ret_size = GZIP_HEADER + raw + blocks * DEFLATE_HEADER + GZIP_TRAILER;
    return TRUE;
}

/* A ustar header (POSIX.1-1988): owner 0, time 0, so that it is always the same. */
static void
format_header(char *block, const char *name, guint64 size, char type)
{
    memset(block, 0, TAR_BLOCK);
    g_strlcpy(block, name, TAR_NAME_MAX);
    g_snprintf(block + 100, 8, "%07o", type == '5' ? 0755 : 0644);
    g_snprintf(block + 108, 8, "%07o", 0);
    g_snprintf(block + 116, 8, "%07o", 0);
    g_snprintf(block + 124, 12, "%011" G_GINT64_MODIFIER "o", size);
    g_snprintf(block + 136, 12, "%011o", 0);
    memset(block + 148, ' ', 8);
    block[156] = type;
    memcpy(block + 257, "ustar\00000", 8);
    unsigned sum = 0;
    for (unsigned i = 0; i < TAR_BLOCK; i++)
        sum += (guchar)block[i];
    g_snprintf(block + 148, 8, "%06o", sum);
    block[155] = ' ';
}

struct content {
    struct iso_content base;
    GArray *files;
    guint next; /* directories first, then files, then the end */
    char pending[2 * TAR_BLOCK];
    gsize pending_at, pending_end;
    struct stream *payload;
    guint64 payload_left;
    guint64 zeros; /* padding still to come */
    guint64 raw_left;
    gulong crc;
    guint32 raw_size;
    guint8 *out; /* gzip bytes not yet taken */
    gsize out_at, out_end;
    gboolean finished;
};

static void
queue_header(struct content *self, const char *name, guint64 size, char type)
{
    format_header(self->pending, name, size, type);
    self->pending_at = 0;
    self->pending_end = TAR_BLOCK;
}

/* Queue the next entry of the archive. */
static gboolean
next_entry(struct content *self, GError **error)
{
    guint index = self->next++;
    if (index < G_N_ELEMENTS(directories)) {
        queue_header(self, directories[index], 0, '5');
        return TRUE;
    }
    index -= (guint)G_N_ELEMENTS(directories);
    if (index >= self->files->len) {
        self->zeros = 2 * TAR_BLOCK;
        return TRUE;
    }
    const struct imgpayld_file *file = &g_array_index(self->files, struct imgpayld_file, index);
    g_autofree char *name = g_strconcat(DIRECTORY, file->name, NULL);
    queue_header(self, name, file->size, '0');
    self->payload_left = file->size;
    self->zeros = padding(file->size);
    self->payload = file->open(file->user_data, error);
    return self->payload != NULL;
}

static gboolean
end_payload(struct content *self, GError **error)
{
    /* Reading the end is what makes the stream check its checksum. */
    char extra;
    gssize got = stream_read(self->payload, &extra, 1, error);
    if (got > 0)
        error_set(error, SLIPWAY_ERROR_CORRUPT, "%s: is larger than stated",
                  stream_label(self->payload));
    g_clear_pointer(&self->payload, stream_close);
    return got == 0;
}

/* Some bytes of the tar archive. */
static gssize
read_raw(struct content *self, void *buffer, gsize length, GError **error)
{
    if (self->pending_at < self->pending_end) {
        gsize step = MIN(length, self->pending_end - self->pending_at);
        memcpy(buffer, self->pending + self->pending_at, step);
        self->pending_at += step;
        return (gssize)step;
    }
    if (self->payload_left > 0) {
        gsize step = (gsize)MIN(length, self->payload_left);
        if (!stream_read_exact(self->payload, buffer, step, error))
            return -1;
        self->payload_left -= step;
        return (gssize)step;
    }
    if (self->payload != NULL && !end_payload(self, error))
        return -1;
    if (self->zeros > 0) {
        gsize step = (gsize)MIN(length, self->zeros);
        memset(buffer, 0, step);
        self->zeros -= step;
        return (gssize)step;
    }
    return next_entry(self, error) ? read_raw(self, buffer, length, error) : -1;
}

static void
put32(guint8 *p, guint32 value)
{
    for (int i = 0; i < 4; i++)
        p[i] = (guint8)(value >> (8 * i));
}

static gboolean
fill_block(struct content *self, GError **error)
{
    guint16 length = (guint16)MIN(self->raw_left, DEFLATE_BLOCK);
    guint8 *data = self->out + DEFLATE_HEADER;
    for (gsize done = 0; done < length;) {
        gssize got = read_raw(self, data + done, length - done, error);
        if (got < 0)
            return FALSE;
        done += (gsize)got;
    }
    self->crc = crc32_z(self->crc, data, length);
    self->raw_left -= length;
    self->raw_size += length;
    self->out[0] = self->raw_left == 0; /* BFINAL, BTYPE 00 */
    self->out[1] = (guint8)length;
    self->out[2] = (guint8)(length >> 8);
    self->out[3] = (guint8)~length;
    self->out[4] = (guint8)(~length >> 8);
    self->out_at = 0;
    self->out_end = DEFLATE_HEADER + (gsize)length;
    return TRUE;
}

static void
fill_trailer(struct content *self)
{
    put32(self->out, (guint32)self->crc);
    put32(self->out + 4, self->raw_size);
    self->out_at = 0;
    self->out_end = GZIP_TRAILER;
    self->finished = TRUE;
}

static gssize
read_content(struct iso_content *base, void *buffer, gsize length, GError **error)
{
    struct content *self = (struct content *)base;
    if (self->out_at == self->out_end) {
        if (self->finished)
            return 0;
        if (self->raw_left == 0)
            fill_trailer(self);
        else if (!fill_block(self, error))
            return -1;
    }
    gsize step = MIN(length, self->out_end - self->out_at);
    memcpy(buffer, self->out + self->out_at, step);
    self->out_at += step;
    return (gssize)step;
}

static gboolean
open_content(struct iso_content *base, GError **error G_GNUC_UNUSED)
{
    static const guint8 header[GZIP_HEADER] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 0xff};
    struct content *self = (struct content *)base;
    self->next = 0;
    self->pending_at = self->pending_end = 0;
    self->payload_left = self->zeros = 0;
    self->raw_left = tar_size(self->files);
    self->raw_size = 0;
    self->crc = crc32_z(0, NULL, 0);
    self->finished = FALSE;
    memcpy(self->out, header, sizeof header);
    self->out_at = 0;
    self->out_end = sizeof header;
    return TRUE;
}

static void
close_content(struct iso_content *base)
{
    struct content *self = (struct content *)base;
    g_clear_pointer(&self->payload, stream_close);
}

static void
free_content(struct iso_content *base)
{
    struct content *self = (struct content *)base;
    close_content(base);
    g_array_unref(self->files);
    g_free(self->out);
    g_free(self);
}

struct iso_content *
imgpayld_content_new(GArray *files)
{
    struct content *self = g_new0(struct content, 1);
    self->base = (struct iso_content){open_content, read_content, close_content, free_content};
    self->files = g_array_ref(files);
    self->out = g_malloc(DEFLATE_HEADER + DEFLATE_BLOCK);
    return &self->base;
}
