/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/durable_file.h"
#include "base/error.h"
#include "repo/directory_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#define OPEN_OBJECTS_MAX 32u

gboolean
directory_fail(struct repo_directory *directory, GError **error, int number, const char *verb,
               const char *name)
{
    return error_set_errno(error, number, "%s: cannot %s %s", directory->base.label, verb, name);
}

static gboolean
is_missing(int number)
{
    return number == ENOENT || number == ENOTDIR;
}

/* ---- What there is --------------------------------------------------------------------------- */

static gboolean list(struct repo *self, const char *folder, GPtrArray *entries, GError **error);

static gboolean
add_entry(struct repo_directory *directory, const char *name, GPtrArray *entries, GError **error)
{
    struct stat status;
    if (fstatat(directory->root, name, &status, 0) != 0)
        return is_missing(errno) || directory_fail(directory, error, errno, "look at", name);
    if (S_ISDIR(status.st_mode))
        return list(&directory->base, name, entries, error);
    if (S_ISREG(status.st_mode))
        g_ptr_array_add(entries, repo_entry_new(name, (guint64)status.st_size, status.st_mtime));
    return TRUE;
}

/* Goes no deeper than names have parts: what is below that has no valid name. */
static gboolean
list(struct repo *self, const char *folder, GPtrArray *entries, GError **error)
{
    struct repo_directory *directory = (struct repo_directory *)self;
    int fd =
        openat(directory->root, *folder == '\0' ? "." : folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return is_missing(errno) || directory_fail(directory, error, errno, "list", folder);
    DIR *dir = fdopendir(fd);
    if (dir == NULL) {
        int number = errno;
        close(fd);
        return directory_fail(directory, error, number, "list", folder);
    }

    gboolean ok = TRUE;
    const struct dirent *entry;
    while (ok && (errno = 0, entry = readdir(dir)) != NULL) {
        g_autofree char *name = *folder == '\0' ? g_strdup(entry->d_name)
                                                : g_strconcat(folder, "/", entry->d_name, NULL);
        if (repo_name_valid(name))
            ok = add_entry(directory, name, entries, error);
    }
    /* Half a list would be worse than none. */
    if (ok && errno != 0)
        ok = directory_fail(directory, error, errno, "list", folder);
    closedir(dir);
    return ok;
}

static gboolean
size_of(struct repo *self, const char *name, guint64 *ret_size, GError **error)
{
    struct repo_directory *directory = (struct repo_directory *)self;
    struct stat status;
    if (fstatat(directory->root, name, &status, 0) != 0)
        return is_missing(errno) ? repo_error_missing(self, name, error)
                                 : directory_fail(directory, error, errno, "look at", name);
    if (!S_ISREG(status.st_mode))
        return repo_error_missing(self, name, error);
    *ret_size = (guint64)status.st_size;
    return TRUE;
}

/* Synced, because callers remove in an order that matters: what refers to an object before it. */
static gboolean
remove_object(struct repo *self, const char *name, GError **error)
{
    struct repo_directory *directory = (struct repo_directory *)self;
    int number = unlinkat(directory->root, name, 0) == 0 ? 0 : errno;
    open_objects_drop(directory->open, name);
    if (is_missing(number))
        return TRUE;
    if (number == 0)
        number = directory_folder_sync(directory, name);
    return number == 0 || directory_fail(directory, error, number, "remove", name);
}

static guint64
free_space(struct repo *self)
{
    struct statvfs status;
    if (fstatvfs(((struct repo_directory *)self)->root, &status) != 0)
        return G_MAXUINT64;
    return (guint64)status.f_bavail * status.f_frsize;
}

/* ---- Opening --------------------------------------------------------------------------------- */

static void
close_directory(struct repo *self)
{
    struct repo_directory *directory = (struct repo_directory *)self;
    open_objects_free(directory->open);
    g_hash_table_unref(directory->folders);
    g_mutex_clear(&directory->lock);
    close(directory->root);
    g_free(directory);
}

static const struct repo_class directory_class = {
    .name = "directory",
    .put = directory_writer_put,
    .create = directory_writer_new,
    .read = directory_reader_read,
    .read_all = directory_reader_read_all,
    .view = directory_reader_view,
    .size = size_of,
    .list = list,
    .remove = remove_object,
    .unfinished = directory_unfinished_list,
    .unfinished_remove = directory_unfinished_remove,
    .free_space = free_space,
    .close = close_directory,
};

/* Unknown ones count as local: a wrong guess costs what REPO_LISTS_AT_ONCE says, where several
 * clients use a rare cluster file system at the same time. */
static gboolean
is_network(int fd)
{
    struct statfs status;
    if (fstatfs(fd, &status) != 0)
        return TRUE;
    switch ((guint32)status.f_type) {
    case NFS_SUPER_MAGIC:
    case SMB_SUPER_MAGIC:
    case CIFS_SUPER_MAGIC:
    case SMB2_SUPER_MAGIC:
    case FUSE_SUPER_MAGIC: /* sshfs and the like; virtiofs too */
    case V9FS_MAGIC:
        return TRUE;
    default:
        return FALSE;
    }
}

/* With the parent synced, so that it does not vanish with what is put into it. */
static gboolean
make_root(const char *path, GError **error)
{
    if (mkdir(path, DIRECTORY_FOLDER_MODE) != 0)
        return errno == EEXIST || error_set_errno(error, errno, "cannot make %s", path);
    g_autofree char *full = g_canonicalize_filename(path, NULL);
    if (durable_file_sync_name(full))
        return TRUE;
    return error_set_errno(error, errno, "cannot sync the directory of %s", path);
}

struct repo *
repo_directory_open(const char *path, gboolean create, GError **error)
{
    if (create && !make_root(path, error))
        return NULL;
    int root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root < 0 && errno == ENOENT)
        return error_null(error, SLIPWAY_ERROR_NOT_FOUND,
                          "there is no directory %s; make it, or mount what holds it", path);
    if (root < 0) {
        error_set_errno(error, errno, "cannot open the directory %s", path);
        return NULL;
    }

    struct repo_directory *directory = g_new0(struct repo_directory, 1);
    directory->root = root;
    directory->network = is_network(root);
    directory->open = open_objects_new(OPEN_OBJECTS_MAX);
    g_mutex_init(&directory->lock);
    directory->folders = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    repo_init(&directory->base, &directory_class, directory->network ? 0 : REPO_LISTS_AT_ONCE,
              path);
    return &directory->base;
}
