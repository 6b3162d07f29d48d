/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "repo/directory_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define OWNER_LENGTH 32u
#define RANDOM_LENGTH 16u

/* From the kernel: GLib's generator gives a forked process the numbers of its parent. */
static char *
new_path(const char *owner)
{
    guint64 random;
    while (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random)
        continue;
    return g_strdup_printf("tmp/%s-%016" G_GINT64_MODIFIER "x", owner, random);
}

int
directory_unfinished_open(struct repo_directory *directory, const char *owner, int *ret_fd,
                          char **ret_path)
{
    g_autofree char *path = new_path(owner);
    const int flags = O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC;
    int fd = openat(directory->root, path, flags, DIRECTORY_FILE_MODE);
    if (fd < 0 && errno == ENOENT) {
        directory_folder_forget(directory);
        int number = directory_folder_make(directory, path);
        if (number != 0)
            return number;
        fd = openat(directory->root, path, flags, DIRECTORY_FILE_MODE);
    }
    if (fd < 0)
        return errno;
    *ret_fd = fd;
    *ret_path = g_steal_pointer(&path);
    return 0;
}

static gboolean
parse(const char *file, char ret_owner[OWNER_LENGTH + 1])
{
    const char *digits = "0123456789abcdef";
    if (strspn(file, digits) != OWNER_LENGTH || file[OWNER_LENGTH] != '-' ||
        strspn(file + OWNER_LENGTH + 1, digits) != RANDOM_LENGTH ||
        strlen(file) != OWNER_LENGTH + 1 + RANDOM_LENGTH)
        return FALSE;
    memcpy(ret_owner, file, OWNER_LENGTH);
    ret_owner[OWNER_LENGTH] = '\0';
    return TRUE;
}

/* Now, by the clock that gives the files there their times: that of a file which is written now.
 * 0 when nothing can be written, and so nothing counts as old. */
static gint64
clock_of(struct repo_directory *directory)
{
    int fd;
    g_autofree char *path = NULL;
    if (directory_unfinished_open(directory, REPO_OWNER_PUT, &fd, &path) != 0)
        return 0;
    struct stat status;
    gboolean ok = write(fd, "", 1) == 1 && fsync(fd) == 0 && fstat(fd, &status) == 0;
    close(fd);
    unlinkat(directory->root, path, 0);
    return ok ? status.st_mtime : 0;
}

/* Call `visit` for each unfinished file of `owner` (NULL: of anybody); small objects that may still
 * be on their way are passed over. */
static gboolean
walk(struct repo_directory *directory, const char *owner,
     gboolean (*visit)(struct repo_directory *directory, const char *path, const char *owner,
                       gpointer data, GError **error),
     gpointer data, GError **error)
{
    int fd = openat(directory->root, "tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return TRUE;
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        int number = errno;
        if (fd >= 0)
            close(fd);
        return directory_fail(directory, error, number, "list", "tmp");
    }

    gint64 now = -1;
    gboolean ok = TRUE;
    const struct dirent *entry;
    while (ok && (errno = 0, entry = readdir(dir)) != NULL) {
        char of[OWNER_LENGTH + 1];
        if (!parse(entry->d_name, of) || (owner != NULL && !g_str_equal(of, owner)))
            continue;
        g_autofree char *path = g_strconcat("tmp/", entry->d_name, NULL);
        if (g_str_equal(of, REPO_OWNER_PUT)) {
            struct stat status;
            if (fstatat(directory->root, path, &status, 0) != 0)
                continue;
            if (now < 0)
                now = clock_of(directory);
            if (now - status.st_mtime < REPO_PUT_GRACE)
                continue;
        }
        ok = visit(directory, path, of, data, error);
    }
    if (ok && errno != 0)
        ok = directory_fail(directory, error, errno, "list", "tmp");
    closedir(dir);
    return ok;
}

static gboolean
name_owner(struct repo_directory *directory G_GNUC_UNUSED, const char *path G_GNUC_UNUSED,
           const char *owner, gpointer data, GError **error G_GNUC_UNUSED)
{
    g_ptr_array_add(data, g_strdup(owner));
    return TRUE;
}

gboolean
directory_unfinished_list(struct repo *self, GPtrArray *owners, GError **error)
{
    return walk((struct repo_directory *)self, NULL, name_owner, owners, error);
}

static gboolean
remove_file(struct repo_directory *directory, const char *path, const char *owner G_GNUC_UNUSED,
            gpointer data G_GNUC_UNUSED, GError **error)
{
    return unlinkat(directory->root, path, 0) == 0 || errno == ENOENT ||
           directory_fail(directory, error, errno, "remove", path);
}

gboolean
directory_unfinished_remove(struct repo *self, const char *owner, GError **error)
{
    return walk((struct repo_directory *)self, owner, remove_file, NULL, error);
}
