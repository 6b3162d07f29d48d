/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/durable_file.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

struct durable_file {
    char *path;
    char *directory;
    char *part; /* name of the unfinished file, NULL while it has none (O_TMPFILE) */
    int fd;
};

static void
free_file(struct durable_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    g_free(file->part);
    g_free(file->directory);
    g_free(file->path);
    g_free(file);
}

static char *
part_name(const struct durable_file *file)
{
    g_autofree char *base = g_path_get_basename(file->path);
    return g_strdup_printf("%s/.%.180s.%08x%08x.part", file->directory, base, g_random_int(),
                           g_random_int());
}

/* O_TMPFILE is refused by NFS, CIFS and some others: there a named file does. */
static gboolean
open_unfinished(struct durable_file *file, unsigned mode)
{
    file->fd = open(file->directory, O_RDWR | O_TMPFILE | O_CLOEXEC, mode);
    if (file->fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
        return file->fd >= 0;
    file->part = part_name(file);
    file->fd = open(file->part, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (file->fd < 0)
        g_clear_pointer(&file->part, g_free);
    return file->fd >= 0;
}

struct durable_file *
durable_file_new(const char *path, unsigned mode, GError **error)
{
    struct durable_file *file = g_new0(struct durable_file, 1);
    file->path = g_strdup(path);
    file->directory = g_path_get_dirname(path);
    if (open_unfinished(file, mode))
        return file;

    error_set_errno(error, errno, "cannot create %s", path);
    free_file(file);
    return NULL;
}

int
durable_file_fd(struct durable_file *file)
{
    return file->fd;
}

gboolean
durable_file_write(struct durable_file *file, const void *data, gsize length, GError **error)
{
    const char *bytes = data;
    while (length > 0) {
        ssize_t written = write(file->fd, bytes, length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return error_set_errno(error, errno, "cannot write %s", file->path);
        bytes += written;
        length -= (gsize)written;
    }
    return TRUE;
}

static gboolean
give_name(struct durable_file *file)
{
    if (file->part == NULL) {
        char link_path[64];
        g_snprintf(link_path, sizeof link_path, "/proc/self/fd/%d", file->fd);
        g_autofree char *part = part_name(file);
        if (linkat(AT_FDCWD, link_path, AT_FDCWD, part, AT_SYMLINK_FOLLOW) != 0)
            return FALSE;
        file->part = g_steal_pointer(&part);
    }
    if (rename(file->part, file->path) != 0)
        return FALSE;
    g_clear_pointer(&file->part, g_free);
    return TRUE;
}

gboolean
durable_file_sync_name(const char *path)
{
    g_autofree char *directory = g_path_get_dirname(path);
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return FALSE;
    /* Some network file systems cannot sync a directory and need not. */
    gboolean ok = fsync(fd) == 0 || errno == EINVAL;
    int number = errno;
    close(fd);
    errno = number;
    return ok;
}

gboolean
durable_file_commit(struct durable_file *file, GError **error)
{
    if (fsync(file->fd) != 0 || !give_name(file)) {
        error_set_errno(error, errno, "cannot finish %s", file->path);
        durable_file_abandon(file);
        return FALSE;
    }
    gboolean ok = durable_file_sync_name(file->path);
    if (!ok)
        error_set_errno(error, errno, "cannot sync the directory of %s", file->path);
    free_file(file);
    return ok;
}

void
durable_file_abandon(struct durable_file *file)
{
    if (file == NULL)
        return;
    if (file->part != NULL)
        unlink(file->part);
    free_file(file);
}

gboolean
durable_file_put(const char *path, const void *data, gsize length, unsigned mode, GError **error)
{
    auto_ptr(durable_file) file = durable_file_new(path, mode, error);
    if (file == NULL || !durable_file_write(file, data, length, error))
        return FALSE;
    return durable_file_commit(g_steal_pointer(&file), error);
}
