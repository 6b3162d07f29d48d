/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/libvirt/scratch.h"

#include "base/error.h"
#include "hyper/mark.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <unistd.h>

#define SOCKET_NAME "nbd.sock"
#define REST_NAME "at-rest"
#define REST_MAX 63u

/* Of what is backed up a guest overwrites a small part while that lasts; but when there is no room
 * for it, it suffers itself. */
#define SPACE_PART 10u
#define SPACE_MORE (64u << 20)

static const char *
directory(const struct libvirt *host)
{
    return host->scratch != NULL ? host->scratch : SCRATCH_DIRECTORY;
}

/* QEMU makes its socket and opens its files there. */
static gboolean
hand_over(const struct libvirt *host, const char *path, GError **error)
{
    if (!host->own_user)
        return TRUE;
    if (geteuid() != 0)
        return error_set(error, SLIPWAY_ERROR_DENIED,
                         "the machines of %s run as another user (%u), whose disks only root can "
                         "read: run this as root",
                         host->base.label, (unsigned)host->uid);
    if (lchown(path, host->uid, host->gid) != 0)
        return error_set_errno(error, errno, "cannot give %s to the user of the machines", path);
    return TRUE;
}

struct scratch *
scratch_make(struct libvirt *host, GError **error)
{
    g_autofree char *mark = mark_new();
    g_autofree char *folder = g_canonicalize_filename(directory(host), NULL);
    auto_ptr(scratch) scratch = g_new0(struct scratch, 1);
    scratch->path = g_build_filename(folder, mark, NULL);
    g_autofree char *socket = scratch_socket(scratch);
    if (strlen(socket) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
        return error_null(error, SLIPWAY_ERROR_USAGE,
                          "scratch directory %s: its name is too long for a socket in it; choose "
                          "one that is at least %zu bytes shorter",
                          folder,
                          strlen(socket) + 1 - sizeof(((struct sockaddr_un *)NULL)->sun_path));
    if (mkdir(scratch->path, 0700) != 0) {
        error_set_errno(error, errno, "cannot make scratch directory %s", scratch->path);
        return NULL;
    }
    if (!hand_over(host, scratch->path, error)) {
        rmdir(scratch->path);
        return NULL;
    }
    return g_steal_pointer(&scratch);
}

void
scratch_free(struct scratch *scratch)
{
    g_free(scratch->path);
    g_free(scratch);
}

char *
scratch_socket(const struct scratch *scratch)
{
    return g_build_filename(scratch->path, SOCKET_NAME, NULL);
}

char *
scratch_file(const struct scratch *scratch, const char *disk)
{
    g_autofree char *name = g_strconcat(disk, ".scratch", NULL);
    g_strdelimit(name, "/", '_');
    return g_build_filename(scratch->path, name, NULL);
}

gboolean
scratch_check_space(const struct scratch *scratch, guint64 bytes, GError **error)
{
    struct statvfs stat;
    if (statvfs(scratch->path, &stat) != 0)
        return error_set_errno(error, errno, "scratch directory %s", scratch->path);
    guint64 free = (guint64)stat.f_bavail * stat.f_frsize;
    guint64 wanted = MIN(bytes, bytes / SPACE_PART + SPACE_MORE);
    if (free >= wanted)
        return TRUE;
    g_autofree char *has = g_format_size_full(free, G_FORMAT_SIZE_IEC_UNITS);
    g_autofree char *needs = g_format_size_full(wanted, G_FORMAT_SIZE_IEC_UNITS);
    return error_set(error, SLIPWAY_ERROR_IO,
                     "scratch directory %s has %s free, and a backup of this machine should have "
                     "%s: what the guest overwrites meanwhile is kept there, and without room for "
                     "it the guest's own writes fail; choose a directory with more",
                     scratch->path, has, needs);
}

/* By its descriptor: QEMU's user owns it, may have put a link in its place by now, and must not be
 * able to lead root elsewhere. */
static int
open_folder(const struct scratch *scratch)
{
    return open(scratch->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Nothing in it is a directory. */
static gboolean
remove_content(DIR *folder, const char *path, GError **error)
{
    const struct dirent *entry;
    while ((entry = readdir(folder)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (unlinkat(dirfd(folder), entry->d_name, 0) != 0 && errno != ENOENT)
            return error_set_errno(error, errno, "cannot remove %s/%s", path, entry->d_name);
    }
    return TRUE;
}

gboolean
scratch_remove(const struct scratch *scratch, GError **error)
{
    int fd = open_folder(scratch);
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    if (folder == NULL) {
        int number = errno;
        if (fd >= 0)
            close(fd);
        return number == ENOENT || error_set_errno(error, number, "cannot open %s", scratch->path);
    }
    gboolean ok = remove_content(folder, scratch->path, error);
    closedir(folder);
    if (ok && rmdir(scratch->path) != 0 && errno != ENOENT)
        return error_set_errno(error, errno, "cannot remove %s", scratch->path);
    return ok;
}

/* ---- File systems at rest -------------------------------------------------------------------- */

static gboolean
write_rest(int folder, const char *uuid)
{
    int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(folder, REST_NAME, flags, 0600);
    if (fd < 0)
        return FALSE;
    gboolean ok = write(fd, uuid, strlen(uuid)) == (ssize_t)strlen(uuid);
    return close(fd) == 0 && ok;
}

gboolean
scratch_note_rest(const struct scratch *scratch, const char *uuid, GError **error)
{
    int folder = open_folder(scratch);
    gboolean ok = folder >= 0 && (unlinkat(folder, REST_NAME, 0) == 0 || errno == ENOENT) &&
                  (uuid == NULL || write_rest(folder, uuid));
    if (!ok)
        error_set_errno(error, errno, "cannot note in %s that the machine rests", scratch->path);
    if (folder >= 0)
        close(folder);
    return ok;
}

char *
scratch_rest(const struct scratch *scratch)
{
    char text[REST_MAX + 1] = "";
    int folder = open_folder(scratch);
    if (folder < 0)
        return NULL;
    /* What is there need not be a file of ours: nothing is waited for. */
    int fd = openat(folder, REST_NAME, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, REST_MAX) : -1;
    if (fd >= 0)
        close(fd);
    close(folder);
    return n > 0 && g_uuid_string_is_valid(text) ? g_strdup(text) : NULL;
}

/* ---- Of other runs --------------------------------------------------------------------------- */

char *
scratch_mark(const char *path)
{
    g_autofree char *folder = g_path_get_dirname(path);
    g_autofree char *name = g_path_get_basename(folder);
    return mark_look(name) != MARK_FOREIGN ? g_steal_pointer(&name) : NULL;
}

/* Anybody may make directories in /var/tmp: one that is a link, or another user's, is no run's. */
static gboolean
is_ours(const struct libvirt *host, const char *path)
{
    struct stat stat;
    if (lstat(path, &stat) != 0 || !S_ISDIR(stat.st_mode))
        return FALSE;
    return stat.st_uid == geteuid() || (host->own_user && stat.st_uid == host->uid);
}

GPtrArray *
scratch_left(struct libvirt *host)
{
    GPtrArray *left = g_ptr_array_new_with_free_func((GDestroyNotify)scratch_free);
    g_autofree char *where = g_canonicalize_filename(directory(host), NULL);
    g_autoptr(GDir) folder = g_dir_open(where, 0, NULL);
    const char *name = NULL;
    while (folder != NULL && (name = g_dir_read_name(folder)) != NULL) {
        g_autofree char *path = g_build_filename(where, name, NULL);
        if (mark_look(name) != MARK_LEFT || !is_ours(host, path))
            continue;
        struct scratch *scratch = g_new0(struct scratch, 1);
        scratch->path = g_steal_pointer(&path);
        g_ptr_array_add(left, scratch);
    }
    return left;
}
