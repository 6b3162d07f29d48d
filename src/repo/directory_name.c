/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "repo/directory_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* Ways to give a name that nothing else has, the best first.  What a file system cannot do it will
 * not learn, so the first refusal is remembered. */
enum naming {
    NAMING_RENAME, /* renameat2(): local file systems, CIFS */
    NAMING_LINK,   /* NFS */
    NAMING_CHECK,  /* some FUSE */
};

static int
by_rename(const struct repo_directory *directory, const char *path, const char *name)
{
    return renameat2(directory->root, path, directory->root, name, RENAME_NOREPLACE) == 0 ? 0
                                                                                          : errno;
}

static gboolean
has_two_names(const struct repo_directory *directory, const char *path)
{
    struct stat status;
    return fstatat(directory->root, path, &status, 0) == 0 && status.st_nlink == 2;
}

static int
by_link(const struct repo_directory *directory, const char *path, const char *name)
{
    if (linkat(directory->root, path, directory->root, name, 0) != 0) {
        /* An NFS client that did not hear the answer asks again, and is told that the link which
         * it made itself is there already. */
        int number = errno;
        if (number != EEXIST || !has_two_names(directory, path))
            return number;
    }
    /* If this fails, or the process dies here, an unfinished file stays that is one too many. */
    unlinkat(directory->root, path, 0);
    return 0;
}

/* Whoever puts the same name between the two calls loses what he put.  Names are hashes of the
 * content, so that it is the same, or random, so that it does not happen. */
static int
by_check(const struct repo_directory *directory, const char *path, const char *name)
{
    struct stat status;
    if (fstatat(directory->root, name, &status, AT_SYMLINK_NOFOLLOW) == 0)
        return EEXIST;
    if (errno != ENOENT)
        return errno;
    return renameat(directory->root, path, directory->root, name) == 0 ? 0 : errno;
}

static gboolean
refused(enum naming naming, int number)
{
    if (number == ENOSYS || number == EOPNOTSUPP)
        return TRUE;
    return number == (naming == NAMING_RENAME ? EINVAL : EPERM);
}

static int
name_absent(struct repo_directory *directory, const char *path, const char *name)
{
    enum naming naming = (enum naming)g_atomic_int_get(&directory->naming);
    int number = 0;
    if (naming == NAMING_RENAME) {
        number = by_rename(directory, path, name);
        if (!refused(naming, number))
            return number;
        naming = NAMING_LINK;
    }
    if (naming == NAMING_LINK) {
        number = by_link(directory, path, name);
        if (!refused(naming, number)) {
            g_atomic_int_set(&directory->naming, NAMING_LINK);
            return number;
        }
    }
    g_atomic_int_set(&directory->naming, NAMING_CHECK);
    return by_check(directory, path, name);
}

static int
name_once(struct repo_directory *directory, const char *path, const char *name, gboolean replace)
{
    int number = directory_folder_make(directory, name);
    if (number != 0)
        return number;
    if (!replace)
        return name_absent(directory, path, name);
    return renameat(directory->root, path, directory->root, name) == 0 ? 0 : errno;
}

gboolean
directory_name_give(struct repo_directory *directory, const char *path, const char *name,
                    gboolean replace, GError **error)
{
    int number = name_once(directory, path, name, replace);
    if (number == ENOENT) {
        struct stat status;
        if (fstatat(directory->root, path, &status, 0) != 0 && errno == ENOENT)
            return repo_error_taken(&directory->base, name, error);
        /* Somebody tidied up empty folders. */
        directory_folder_forget(directory);
        number = name_once(directory, path, name, replace);
    }
    if (number == 0)
        open_objects_drop(directory->open, name);
    if (number != 0 && number != EEXIST)
        return directory_fail(directory, error, number, "finish", name);

    /* Of what is there already too: whoever put it may not have come to that yet, and the caller
     * is going to rely on it. */
    int sync_number = directory_folder_sync(directory, name);
    if (sync_number != 0)
        return directory_fail(directory, error, sync_number, "sync the folder of", name);
    return number == 0 || repo_error_exists(&directory->base, name, error);
}
