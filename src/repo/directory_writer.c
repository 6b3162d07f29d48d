/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Not by base/durable_file: an object must not replace another one, and what is unfinished must
 * name its owner. */
#include "repo/directory_private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define BUFFER_SIZE (256u << 10)   /* small appends make large writes */
#define WRITE_BACK_STEP (8u << 20) /* bytes after which the disk is sent to work */

struct directory_writer {
    struct repo_writer base;
    int fd;
    char *path;
    guint8 *buffer;
    gsize used;           /* of the buffer */
    guint64 written;      /* bytes in the file */
    guint64 sent_to_disk; /* of these */
};

static int
write_all(int fd, const guint8 *bytes, gsize length)
{
    while (length > 0) {
        ssize_t written = write(fd, bytes, length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return errno;
        bytes += written;
        length -= (gsize)written;
    }
    return 0;
}

/* The fsync at the end then has little to wait for.  No flag that waits: it would take the error of
 * a write that failed away from fsync. */
static void
start_write_back(struct directory_writer *writer)
{
    if (writer->written - writer->sent_to_disk < WRITE_BACK_STEP)
        return;
    sync_file_range(writer->fd, (off64_t)writer->sent_to_disk,
                    (off64_t)(writer->written - writer->sent_to_disk), SYNC_FILE_RANGE_WRITE);
    writer->sent_to_disk = writer->written;
}

static int
write_out(struct directory_writer *writer, const guint8 *bytes, gsize length)
{
    int number = write_all(writer->fd, bytes, length);
    if (number != 0)
        return number;
    writer->written += length;
    start_write_back(writer);
    return 0;
}

static int
flush(struct directory_writer *writer)
{
    int number = write_out(writer, writer->buffer, writer->used);
    writer->used = 0;
    return number;
}

static gboolean
append(struct repo_writer *self, const void *data, gsize length, GError **error)
{
    struct directory_writer *writer = (struct directory_writer *)self;
    int number = 0;
    if (length > BUFFER_SIZE - writer->used)
        number = flush(writer);
    if (number == 0 && length >= BUFFER_SIZE) {
        number = write_out(writer, data, length);
    } else if (number == 0) {
        memcpy(writer->buffer + writer->used, data, length);
        writer->used += length;
    }
    return number == 0 || directory_fail((struct repo_directory *)self->repo, error, number,
                                         "write", writer->path);
}

static void
leave(struct repo_writer *self)
{
    struct directory_writer *writer = (struct directory_writer *)self;
    close(writer->fd);
    g_free(writer->path);
    g_free(writer->buffer);
    g_free(writer);
}

static void
abandon(struct repo_writer *self)
{
    struct directory_writer *writer = (struct directory_writer *)self;
    unlinkat(((struct repo_directory *)self->repo)->root, writer->path, 0);
    leave(self);
}

static gboolean
commit(struct repo_writer *self, const char *name, GError **error)
{
    struct directory_writer *writer = (struct directory_writer *)self;
    struct repo_directory *directory = (struct repo_directory *)self->repo;
    int number = flush(writer);
    if (number == 0 && fsync(writer->fd) != 0)
        number = errno;
    gboolean ok = number == 0 || directory_fail(directory, error, number, "write", name);
    if (ok && directory_name_give(directory, writer->path, name, FALSE, error)) {
        leave(self);
        return TRUE;
    }
    abandon(self);
    return FALSE;
}

static const struct repo_writer_class directory_writer_class = {
    .append = append,
    .commit = commit,
    .abandon = abandon,
    .leave = leave,
};

struct repo_writer *
directory_writer_new(struct repo *self, const char *owner, GError **error)
{
    struct repo_directory *directory = (struct repo_directory *)self;
    int fd;
    char *path;
    int number = directory_unfinished_open(directory, owner, &fd, &path);
    if (number != 0) {
        directory_fail(directory, error, number, "begin", "an object");
        return NULL;
    }
    struct directory_writer *writer = g_new0(struct directory_writer, 1);
    repo_writer_init(&writer->base, &directory_writer_class, self);
    writer->fd = fd;
    writer->path = path;
    writer->buffer = g_malloc(BUFFER_SIZE);
    return &writer->base;
}

gboolean
directory_writer_put(struct repo *self, const char *name, const void *data, gsize length,
                     gboolean replace, GError **error)
{
    struct repo_directory *directory = (struct repo_directory *)self;
    int fd;
    g_autofree char *path = NULL;
    int number = directory_unfinished_open(directory, REPO_OWNER_PUT, &fd, &path);
    if (number != 0)
        return directory_fail(directory, error, number, "put", name);

    number = write_all(fd, data, length);
    if (number == 0 && fsync(fd) != 0)
        number = errno;
    close(fd);
    gboolean ok = number == 0 || directory_fail(directory, error, number, "put", name);
    if (ok && directory_name_give(directory, path, name, replace, error))
        return TRUE;
    unlinkat(directory->root, path, 0);
    return FALSE;
}
