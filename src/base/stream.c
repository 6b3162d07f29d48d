/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/stream.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SKIP_BUFFER 65536

void
stream_init(struct stream *stream, const struct stream_class *class, guint64 size,
            const char *label)
{
    stream->class = class;
    stream->size = size;
    stream->label = g_strdup(label);
}

gssize
stream_read(struct stream *stream, void *buffer, gsize length, GError **error)
{
    return length == 0 ? 0 : stream->class->read(stream, buffer, length, error);
}

static gboolean
ends_early(struct stream *stream, GError **error)
{
    return error_set(error, SLIPWAY_ERROR_CORRUPT, "%s: ends too early, the file is truncated",
                     stream->label);
}

gboolean
stream_read_exact(struct stream *stream, void *buffer, gsize length, GError **error)
{
    char *bytes = buffer;
    while (length > 0) {
        gssize got = stream_read(stream, bytes, length, error);
        if (got < 0)
            return FALSE;
        if (got == 0)
            return ends_early(stream, error);
        bytes += got;
        length -= (gsize)got;
    }
    return TRUE;
}

gboolean
stream_skip(struct stream *stream, guint64 length, GError **error)
{
    if (stream->class->skip != NULL)
        return stream->class->skip(stream, length, error);

    g_autofree char *buffer = g_malloc(SKIP_BUFFER);
    while (length > 0) {
        gsize step = (gsize)MIN(length, SKIP_BUFFER);
        if (!stream_read_exact(stream, buffer, step, error))
            return FALSE;
        length -= step;
    }
    return TRUE;
}

GBytes *
stream_read_all(struct stream *stream, gsize limit, GError **error)
{
    g_autoptr(GByteArray) all = g_byte_array_new();
    g_autofree guint8 *buffer = g_malloc(SKIP_BUFFER);
    for (;;) {
        gssize got = stream_read(stream, buffer, SKIP_BUFFER, error);
        if (got < 0)
            return NULL;
        if (got == 0)
            return g_byte_array_free_to_bytes(g_steal_pointer(&all));
        if ((gsize)got > limit - all->len)
            return error_null(error, SLIPWAY_ERROR_LIMIT, "%s: more than %" G_GSIZE_FORMAT " bytes",
                              stream->label, limit);
        g_byte_array_append(all, buffer, (guint)got);
    }
}

guint64
stream_size(const struct stream *stream)
{
    return stream->size;
}

const char *
stream_label(const struct stream *stream)
{
    return stream->label;
}

void
stream_close(struct stream *stream)
{
    if (stream == NULL)
        return;
    g_free(stream->label);
    stream->class->close(stream);
}

/* Bytes in memory. */

struct bytes_stream {
    struct stream base;
    GBytes *bytes;
    gsize position;
};

static gssize
read_bytes(struct stream *base, void *buffer, gsize length, GError **error G_GNUC_UNUSED)
{
    struct bytes_stream *self = (struct bytes_stream *)base;
    gsize size;
    const char *data = g_bytes_get_data(self->bytes, &size);
    gsize step = MIN(length, size - self->position);
    if (step > 0)
        memcpy(buffer, data + self->position, step);
    self->position += step;
    return (gssize)step;
}

static gboolean
skip_bytes(struct stream *base, guint64 length, GError **error)
{
    struct bytes_stream *self = (struct bytes_stream *)base;
    if (length > g_bytes_get_size(self->bytes) - self->position)
        return ends_early(base, error);
    self->position += (gsize)length;
    return TRUE;
}

static void
close_bytes(struct stream *base)
{
    struct bytes_stream *self = (struct bytes_stream *)base;
    g_bytes_unref(self->bytes);
    g_free(self);
}

static const struct stream_class bytes_class = {read_bytes, skip_bytes, close_bytes};

struct stream *
stream_new_bytes(GBytes *bytes, const char *label)
{
    struct bytes_stream *self = g_new0(struct bytes_stream, 1);
    stream_init(&self->base, &bytes_class, g_bytes_get_size(bytes), label);
    self->bytes = g_bytes_ref(bytes);
    return &self->base;
}

/* A range of a file. */

struct fd_stream {
    struct stream base;
    int fd;
    guint64 offset;
    guint64 left;
};

static gssize
read_fd(struct stream *base, void *buffer, gsize length, GError **error)
{
    struct fd_stream *self = (struct fd_stream *)base;
    gsize step = (gsize)MIN((guint64)length, self->left);
    if (step == 0)
        return 0;
    ssize_t got;
    do
        got = pread(self->fd, buffer, step, (off_t)self->offset);
    while (got < 0 && errno == EINTR);
    if (got < 0) {
        error_set_errno(error, errno, "cannot read %s", base->label);
        return -1;
    }
    if (got == 0) {
        ends_early(base, error);
        return -1;
    }
    self->offset += (guint64)got;
    self->left -= (guint64)got;
    return got;
}

static gboolean
skip_fd(struct stream *base, guint64 length, GError **error)
{
    struct fd_stream *self = (struct fd_stream *)base;
    if (length > self->left)
        return ends_early(base, error);
    self->offset += length;
    self->left -= length;
    return TRUE;
}

static void
close_fd(struct stream *base)
{
    struct fd_stream *self = (struct fd_stream *)base;
    close(self->fd);
    g_free(self);
}

static const struct stream_class fd_class = {read_fd, skip_fd, close_fd};

struct stream *
stream_new_fd(int fd, guint64 offset, guint64 length, const char *label, GError **error)
{
    if (offset > G_MAXINT64 || length > G_MAXINT64 - offset)
        return error_null(error, SLIPWAY_ERROR_CORRUPT, "%s: lies outside of any file", label);
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (own < 0) {
        error_set_errno(error, errno, "cannot open %s", label);
        return NULL;
    }
    struct fd_stream *self = g_new0(struct fd_stream, 1);
    stream_init(&self->base, &fd_class, length, label);
    self->fd = own;
    self->offset = offset;
    self->left = length;
    return &self->base;
}

struct stream *
stream_new_file(const char *path, GError **error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        error_set_errno(error, errno, "cannot open %s", path);
        return NULL;
    }
    struct stat status;
    struct stream *stream = NULL;
    if (fstat(fd, &status) != 0)
        error_set_errno(error, errno, "cannot look at %s", path);
    else if (!S_ISREG(status.st_mode))
        error_set(error, SLIPWAY_ERROR_USAGE, "%s is not a regular file", path);
    else
        stream = stream_new_fd(fd, 0, (guint64)status.st_size, path, error);
    close(fd);
    return stream;
}
