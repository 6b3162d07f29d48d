/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "repo/directory_private.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* A descriptor of the object and its size.  O_NONBLOCK: a pipe of that name must not stop us. */
static int
open_object(struct repo_directory *directory, const char *name, guint64 *ret_size, GError **error)
{
    int fd = openat(directory->root, name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    struct stat status;
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR)) {
        repo_error_missing(&directory->base, name, error);
    } else if (fd < 0 || fstat(fd, &status) != 0) {
        directory_fail(directory, error, errno, "open", name);
    } else if (S_ISDIR(status.st_mode)) {
        repo_error_missing(&directory->base, name, error);
    } else if (!S_ISREG(status.st_mode)) {
        error_set(error, SLIPWAY_ERROR_CORRUPT, "%s: %s is not a regular file; remove it",
                  directory->base.label, name);
    } else {
        *ret_size = (guint64)status.st_size;
        return fd;
    }
    if (fd >= 0)
        close(fd);
    return -1;
}

/* -1: it is shorter. */
static int
read_exactly(int fd, guint64 offset, guint8 *buffer, gsize length)
{
    while (length > 0) {
        ssize_t n = pread(fd, buffer, length, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? errno : -1;
        buffer += n;
        offset += (guint64)n;
        length -= (gsize)n;
    }
    return 0;
}

static gboolean
report(struct repo_directory *directory, const char *name, guint64 offset, guint64 length,
       int number, GError **error)
{
    if (number < 0)
        return repo_error_short(&directory->base, name, offset, length, error);
    return number == 0 || directory_fail(directory, error, number, "read", name);
}

/* ---- Pieces ---------------------------------------------------------------------------------- */

/* What somebody else removed or replaced has no name any more.  On NFS it may seem to have it for a
 * while, or have one that nobody gave it (.nfs...): hence the rule of REPO_FRESH_MAX. */
static gboolean
is_current(const struct open_object *object)
{
    struct stat status;
    return fstat(open_objects_fd(object), &status) == 0 && status.st_nlink > 0;
}

static struct open_object *
acquire(struct repo_directory *directory, const char *name, GError **error)
{
    struct open_object *object = open_objects_find(directory->open, name);
    if (object != NULL) {
        if (is_current(object))
            return object;
        open_objects_release(object);
        open_objects_drop(directory->open, name);
    }
    guint64 generation = open_objects_generation(directory->open);
    guint64 size = 0;
    int fd = open_object(directory, name, &size, error);
    if (fd < 0)
        return NULL;
    return open_objects_add(directory->open, name, fd, size > REPO_FRESH_MAX, generation);
}

gboolean
directory_reader_read(struct repo *self, const char *name, guint64 offset, void *buffer,
                      gsize length, GError **error)
{
    struct repo_directory *directory = (struct repo_directory *)self;
    /* Once more on ESTALE: what was open was replaced by another client of an NFS server. */
    int number = ESTALE;
    for (guint attempt = 0; number == ESTALE && attempt < 2; attempt++) {
        struct open_object *object = acquire(directory, name, error);
        if (object == NULL)
            return FALSE;
        number = read_exactly(open_objects_fd(object), offset, buffer, length);
        open_objects_release(object);
        if (number == ESTALE)
            open_objects_drop(directory->open, name);
    }
    return report(directory, name, offset, length, number, error);
}

/* ---- The whole ------------------------------------------------------------------------------- */

static int
open_within(struct repo_directory *directory, const char *name, gsize limit, gsize *ret_size,
            GError **error)
{
    guint64 size;
    int fd = open_object(directory, name, &size, error);
    if (fd < 0)
        return -1;
    if (size > limit) {
        close(fd);
        repo_error_limit(&directory->base, name, size, limit, error);
        return -1;
    }
    *ret_size = (gsize)size;
    return fd;
}

GBytes *
directory_reader_read_all(struct repo *self, const char *name, gsize limit, GError **error)
{
    struct repo_directory *directory = (struct repo_directory *)self;
    gsize size;
    int fd = open_within(directory, name, limit, &size, error);
    if (fd < 0)
        return NULL;
    g_autofree guint8 *buffer = size == 0 ? NULL : g_try_malloc(size);
    gboolean ok = size == 0 || buffer != NULL;
    if (!ok)
        error_set(error, SLIPWAY_ERROR_LIMIT,
                  "%s: there is no memory for %s, which has %" G_GSIZE_FORMAT " bytes", self->label,
                  name, size);
    else
        ok = report(directory, name, 0, size, read_exactly(fd, 0, buffer, size), error);
    close(fd);
    return ok ? g_bytes_new_take(g_steal_pointer(&buffer), size) : NULL;
}

/* A mapped file that is cut short, or that the disk cannot read, kills the process by SIGBUS.  Over
 * a network that takes no more than another client or a lost connection, so there it is read into
 * memory; a local file nobody cuts (objects are replaced as a whole, which leaves the old one to
 * those who mapped it), and a local disk that fails is the risk that stays. */
GBytes *
directory_reader_view(struct repo *self, const char *name, gsize limit, GError **error)
{
    struct repo_directory *directory = (struct repo_directory *)self;
    if (directory->network)
        return directory_reader_read_all(self, name, limit, error);
    gsize size;
    int fd = open_within(directory, name, limit, &size, error);
    if (fd < 0)
        return NULL;
    GMappedFile *mapped = g_mapped_file_new_from_fd(fd, FALSE, NULL);
    close(fd);
    if (mapped == NULL)
        return directory_reader_read_all(self, name, limit, error);
    GBytes *bytes = g_mapped_file_get_bytes(mapped);
    g_mapped_file_unref(mapped);
    return bytes;
}
