/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/unpacked_tree.h"

#include "base/cancel.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COPY_BUFFER 65536
#define DIRECTORY_MODE 0755
#define DIRECTORY_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

struct unpacked_tree {
    char *path;
    int fd;
    gboolean overwrite;
};

struct unpacked_tree *
unpacked_tree_new(const char *path, gboolean overwrite, GError **error)
{
    if (mkdir(path, DIRECTORY_MODE) != 0 && errno == EEXIST && !overwrite)
        return error_null(error, SLIPWAY_ERROR_EXISTS, "%s exists already; --overwrite replaces it",
                          path);
    int fd = open(path, DIRECTORY_FLAGS);
    if (fd < 0) {
        error_set_errno(error, errno, "cannot make the directory %s", path);
        return NULL;
    }
    struct unpacked_tree *tree = g_new0(struct unpacked_tree, 1);
    tree->path = g_strdup(path);
    tree->fd = fd;
    tree->overwrite = overwrite;
    return tree;
}

void
unpacked_tree_free(struct unpacked_tree *tree)
{
    if (tree == NULL)
        return;
    close(tree->fd);
    g_free(tree->path);
    g_free(tree);
}

static gboolean
fail(const struct unpacked_tree *tree, int number, const char *name, GError **error)
{
    if (number == ELOOP || number == ENOTDIR)
        return error_set(error, SLIPWAY_ERROR_CORRUPT,
                         "%s/%s leads through something that is no directory; it is not unpacked",
                         tree->path, name);
    if (number == EEXIST)
        return error_set(error, SLIPWAY_ERROR_EXISTS,
                         "%s/%s exists already; --overwrite replaces it", tree->path, name);
    return error_set_errno(error, number, "cannot write %s/%s", tree->path, name);
}

/* Go down one real directory, made when it is not there; takes over `fd`. */
static int
descend(int fd, const char *part)
{
    int below = -1;
    if (mkdirat(fd, part, DIRECTORY_MODE) == 0 || errno == EEXIST)
        below = openat(fd, part, DIRECTORY_FLAGS);
    int number = errno;
    close(fd);
    errno = number;
    return below;
}

/* Open the directory that `name` lies in; *ret_last is its last component, inside of `name`. */
static int
open_parent(const struct unpacked_tree *tree, const char *name, const char **ret_last,
            GError **error)
{
    g_auto(GStrv) parts = g_strsplit(name, "/", -1);
    int fd = fcntl(tree->fd, F_DUPFD_CLOEXEC, 0);
    for (gsize i = 0; fd >= 0 && parts[i] != NULL && parts[i + 1] != NULL; i++)
        fd = descend(fd, parts[i]);
    if (fd < 0)
        fail(tree, errno, name, error);
    const char *slash = strrchr(name, '/');
    *ret_last = slash != NULL ? slash + 1 : name;
    return fd;
}

static gboolean
copy(const struct unpacked_tree *tree, int fd, struct stream *data, const char *name,
     GError **error)
{
    g_autofree char *buffer = g_malloc(COPY_BUFFER);
    for (;;) {
        gssize got = stream_read(data, buffer, COPY_BUFFER, error);
        if (got <= 0)
            return got == 0;
        for (gssize done = 0; done < got;) {
            ssize_t written = write(fd, buffer + done, (size_t)(got - done));
            if (written < 0 && errno == EINTR)
                continue;
            if (written < 0)
                return fail(tree, errno, name, error);
            done += written;
        }
        if (!cancel_check(error))
            return FALSE;
    }
}

static gboolean
add_file(const struct unpacked_tree *tree, int parent, const char *last,
         const struct visor_member *member, struct stream *data, GError **error)
{
    int fd = openat(parent, last, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail(tree, errno, member->name, error);
    gboolean ok = copy(tree, fd, data, member->name, error);
    const struct timespec times[2] = {{0, UTIME_OMIT}, {member->mtime, 0}};
    if (ok && (fchmod(fd, member->mode & 0777) != 0 || futimens(fd, times) != 0))
        ok = fail(tree, errno, member->name, error);
    if (close(fd) != 0 && ok)
        ok = fail(tree, errno, member->name, error);
    return ok;
}

/* The owner keeps full access whatever the archive says, or the rest could not be unpacked. */
static gboolean
add_directory(const struct unpacked_tree *tree, int parent, const char *last,
              const struct visor_member *member, GError **error)
{
    int fd = descend(fcntl(parent, F_DUPFD_CLOEXEC, 0), last);
    if (fd < 0 || fchmod(fd, (member->mode & 0777) | 0700) != 0) {
        int number = errno;
        if (fd >= 0)
            close(fd);
        return fail(tree, number, member->name, error);
    }
    close(fd);
    return TRUE;
}

static gboolean
add_hard_link(const struct unpacked_tree *tree, int parent, const char *last,
              const struct visor_member *member, GError **error)
{
    const char *target;
    int target_parent = open_parent(tree, member->target, &target, error);
    if (target_parent < 0)
        return FALSE;
    int result = linkat(target_parent, target, parent, last, 0);
    int number = errno;
    close(target_parent);
    return result == 0 || fail(tree, number, member->name, error);
}

static gboolean
add_at(const struct unpacked_tree *tree, int parent, const char *last,
       const struct visor_member *member, struct stream *data, GError **error)
{
    if (member->type == '5')
        return add_directory(tree, parent, last, member, error);
    if (tree->overwrite && unlinkat(parent, last, 0) != 0 && errno != ENOENT)
        return fail(tree, errno, member->name, error);
    if (member->type == '1')
        return add_hard_link(tree, parent, last, member, error);
    if (member->type == '2')
        return symlinkat(member->target, parent, last) == 0 ||
               fail(tree, errno, member->name, error);
    return add_file(tree, parent, last, member, data, error);
}

gboolean
unpacked_tree_add(struct unpacked_tree *tree, const struct visor_member *member,
                  struct stream *data, GError **error)
{
    const char *last;
    int parent = open_parent(tree, member->name, &last, error);
    if (parent < 0)
        return FALSE;
    gboolean ok = add_at(tree, parent, last, member, data, error);
    close(parent);
    return ok;
}
