/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "disk/overlay_file.h"

#include "base/durable_file.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct overlay_file {
    int fd;
    char *label;
    char *path;       /* NULL: it has none */
    int cannot_punch; /* atomic: the file system has said so */
};

static struct overlay_file *
new_file(int fd, const char *path, char *label)
{
    struct overlay_file *file = g_new0(struct overlay_file, 1);
    file->fd = fd;
    file->path = g_strdup(path);
    file->label = label;
    return file;
}

void
overlay_file_close(struct overlay_file *file)
{
    if (file == NULL)
        return;
    close(file->fd);
    g_free(file->path);
    g_free(file->label);
    g_free(file);
}

const char *
overlay_file_label(const struct overlay_file *file)
{
    return file->label;
}

gboolean
overlay_file_length(struct overlay_file *file, guint64 *ret, GError **error)
{
    struct stat status;
    if (fstat(file->fd, &status) != 0)
        return error_set_errno(error, errno, "cannot find out the length of %s", file->label);
    *ret = (guint64)status.st_size;
    return TRUE;
}

gboolean
overlay_file_set_length(struct overlay_file *file, guint64 length, GError **error)
{
    if (length <= G_MAXINT64 && ftruncate(file->fd, (off_t)length) == 0)
        return TRUE;
    if (length > G_MAXINT64 || errno == EFBIG || errno == EINVAL)
        return error_set(error, SLIPWAY_ERROR_IO,
                         "%s: the file system has no files of %" G_GUINT64_FORMAT
                         " bytes, which a scratch file for this disk needs (as a sparse file); put "
                         "it on another one, such as XFS",
                         file->label, length);
    return error_set_errno(error, errno, "cannot make %s", file->label);
}

/* ---- Opening --------------------------------------------------------------------------------- */

/* Where there is no O_TMPFILE (NFS) a name exists for a moment. */
static int
open_unnamed(const char *directory)
{
    int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC | O_EXCL, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
        return fd;
    g_autofree char *name = g_build_filename(directory, ".slipway-scratch-XXXXXX", NULL);
    fd = mkostemp(name, O_CLOEXEC);
    if (fd >= 0)
        unlink(name);
    return fd;
}

struct overlay_file *
overlay_file_new(const char *directory, guint64 length, GError **error)
{
    if (directory == NULL)
        directory = g_get_tmp_dir();
    int fd = open_unnamed(directory);
    if (fd < 0) {
        error_set_errno(error, errno, "cannot make a scratch file in %s", directory);
        return NULL;
    }
    auto_ptr(overlay_file) file =
        new_file(fd, NULL, g_strdup_printf("the scratch file in %s", directory));
    return overlay_file_set_length(file, length, error) ? g_steal_pointer(&file) : NULL;
}

/* O_NONBLOCK: a named pipe is refused instead of waited for. */
struct overlay_file *
overlay_file_open(const char *path, GError **error)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600);
    if (fd < 0) {
        error_set_errno(error, errno, "cannot open scratch file %s", path);
        return NULL;
    }
    auto_ptr(overlay_file) file = new_file(fd, path, g_strdup_printf("scratch file %s", path));
    struct stat status;
    if (fstat(fd, &status) != 0) {
        error_set_errno(error, errno, "cannot open %s", file->label);
        return NULL;
    }
    if (!S_ISREG(status.st_mode))
        return error_null(error, SLIPWAY_ERROR_USAGE,
                          "%s is no file; name a file, or a path where one can be made", path);
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return g_steal_pointer(&file);
    if (errno == EWOULDBLOCK)
        return error_null(error, SLIPWAY_ERROR_BUSY,
                          "%s is in use by another overlay; end that one or name another file",
                          file->label);
    error_set_errno(error, errno, "cannot lock %s", file->label);
    return NULL;
}

/* ---- Bytes ----------------------------------------------------------------------------------- */

gboolean
overlay_file_read(struct overlay_file *file, guint64 offset, void *buffer, gsize length,
                  GError **error)
{
    guint8 *to = buffer;
    while (length > 0) {
        ssize_t n = pread(file->fd, to, length, (off_t)offset);
        if (n == 0)
            return error_set(error, SLIPWAY_ERROR_IO,
                             "%s ends at offset %" G_GUINT64_FORMAT
                             ": it was cut off; what was written to it is lost",
                             file->label, offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_set_errno(error, errno, "cannot read %s at offset %" G_GUINT64_FORMAT,
                                   file->label, offset);
        to += n;
        offset += (gsize)n;
        length -= (gsize)n;
    }
    return TRUE;
}

static gboolean
report_write(struct overlay_file *file, int number, guint64 offset, GError **error)
{
    if (number == ENOSPC || number == EDQUOT)
        return error_set(error, SLIPWAY_ERROR_LIMIT,
                         "%s cannot grow: %s; make space there, or put it elsewhere", file->label,
                         g_strerror(number));
    return error_set_errno(error, number, "cannot write %s at offset %" G_GUINT64_FORMAT,
                           file->label, offset);
}

gboolean
overlay_file_write(struct overlay_file *file, guint64 offset, const void *data, gsize length,
                   GError **error)
{
    const guint8 *from = data;
    while (length > 0) {
        ssize_t n = pwrite(file->fd, from, length, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return report_write(file, n == 0 ? ENOSPC : errno, offset, error);
        from += n;
        offset += (gsize)n;
        length -= (gsize)n;
    }
    return TRUE;
}

gboolean
overlay_file_allocate(struct overlay_file *file, guint64 offset, guint64 length, GError **error)
{
    int status;
    do
        status = fallocate(file->fd, FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)length);
    while (status != 0 && errno == EINTR);
    if (status == 0 || errno == EOPNOTSUPP || errno == ENOSYS)
        return TRUE;
    return report_write(file, errno, offset, error);
}

gboolean
overlay_file_punch(struct overlay_file *file, guint64 offset, guint64 length)
{
    if (g_atomic_int_get(&file->cannot_punch))
        return FALSE;
    int status;
    do
        status = fallocate(file->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
                           (off_t)length);
    while (status != 0 && errno == EINTR);
    if (status != 0 && (errno == EOPNOTSUPP || errno == ENOSYS))
        g_atomic_int_set(&file->cannot_punch, TRUE);
    return status == 0;
}

gboolean
overlay_file_sync(struct overlay_file *file, GError **error)
{
    while (fdatasync(file->fd) != 0) {
        if (errno != EINTR)
            return error_set_errno(error, errno, "cannot make %s durable", file->label);
    }
    return TRUE;
}

gboolean
overlay_file_sync_name(struct overlay_file *file, GError **error)
{
    if (durable_file_sync_name(file->path))
        return TRUE;
    return error_set_errno(error, errno, "cannot make the name of %s durable", file->label);
}

gboolean
overlay_file_next(struct overlay_file *file, guint64 offset, guint64 *ret)
{
    off_t data = lseek(file->fd, (off_t)offset, SEEK_DATA);
    if (data < 0 && errno == ENXIO)
        return FALSE;
    /* Nothing is known: it is data. */
    *ret = data < 0 ? offset : (guint64)data;
    return TRUE;
}
