/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/libvirt/scratch.h"

#include "base/error.h"
#include "hyper/mark.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <unistd.h>

#define SOCKET_NAME "nbd.sock"
#define REST_NAME "at-rest"

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
    if (chown(path, host->uid, host->gid) != 0)
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

/* Nothing in it is a directory. */
gboolean
scratch_remove(const struct scratch *scratch, GError **error)
{
    g_autoptr(GDir) folder = g_dir_open(scratch->path, 0, NULL);
    const char *name = NULL;
    while (folder != NULL && (name = g_dir_read_name(folder)) != NULL) {
        g_autofree char *path = g_build_filename(scratch->path, name, NULL);
        if (g_unlink(path) != 0 && errno != ENOENT)
            return error_set_errno(error, errno, "cannot remove %s", path);
    }
    if (rmdir(scratch->path) != 0 && errno != ENOENT)
        return error_set_errno(error, errno, "cannot remove %s", scratch->path);
    return TRUE;
}

/* ---- File systems at rest -------------------------------------------------------------------- */

gboolean
scratch_note_rest(const struct scratch *scratch, const char *uuid, GError **error)
{
    g_autofree char *path = g_build_filename(scratch->path, REST_NAME, NULL);
    if (uuid == NULL)
        return g_unlink(path) == 0 || errno == ENOENT ||
               error_set_errno(error, errno, "cannot remove %s", path);
    g_autoptr(GError) failure = NULL;
    if (!g_file_set_contents(path, uuid, -1, &failure))
        return error_set(error, SLIPWAY_ERROR_IO, "%s", failure->message);
    return TRUE;
}

char *
scratch_rest(const struct scratch *scratch)
{
    g_autofree char *path = g_build_filename(scratch->path, REST_NAME, NULL);
    g_autofree char *uuid = NULL;
    if (!g_file_get_contents(path, &uuid, NULL, NULL) || !g_uuid_string_is_valid(uuid))
        return NULL;
    return g_steal_pointer(&uuid);
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
    g_autoptr(GDir) folder = g_dir_open(directory(host), 0, NULL);
    const char *name = NULL;
    while (folder != NULL && (name = g_dir_read_name(folder)) != NULL) {
        g_autofree char *path = g_build_filename(directory(host), name, NULL);
        if (mark_look(name) != MARK_LEFT || !is_ours(host, path))
            continue;
        struct scratch *scratch = g_new0(struct scratch, 1);
        scratch->path = g_steal_pointer(&path);
        g_ptr_array_add(left, scratch);
    }
    return left;
}
