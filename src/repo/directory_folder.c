/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "repo/directory_private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The folder of `name`; NULL for the root. */
static char *
folder_of(const char *name)
{
    const char *slash = strrchr(name, '/');
    return slash == NULL ? NULL : g_strndup(name, (gsize)(slash - name));
}

int
directory_folder_sync(struct repo_directory *directory, const char *name)
{
    g_autofree char *folder = folder_of(name);
    int fd =
        openat(directory->root, folder == NULL ? "." : folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    /* Some network file systems cannot sync a directory and need not. */
    int number = fsync(fd) == 0 || errno == EINVAL ? 0 : errno;
    close(fd);
    return number;
}

static gboolean
known(struct repo_directory *directory, const char *folder)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&directory->lock);
    return g_hash_table_contains(directory->folders, folder);
}

/* A folder that is there may have been made by another process a moment ago, which did not come to
 * sync it yet.  So each is synced once by every process that puts something into it. */
int
directory_folder_make(struct repo_directory *directory, const char *name)
{
    g_autofree char *folder = folder_of(name);
    if (folder == NULL || known(directory, folder))
        return 0;

    int number = directory_folder_make(directory, folder);
    if (number != 0)
        return number;
    if (mkdirat(directory->root, folder, DIRECTORY_FOLDER_MODE) != 0 && errno != EEXIST)
        return errno;
    number = directory_folder_sync(directory, folder);
    if (number != 0)
        return number;

    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&directory->lock);
    g_hash_table_add(directory->folders, g_steal_pointer(&folder));
    return 0;
}

void
directory_folder_forget(struct repo_directory *directory)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&directory->lock);
    g_hash_table_remove_all(directory->folders);
}
