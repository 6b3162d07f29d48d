/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/guest_files.h"

#include "base/error.h"
#include "engine/guestfish.h"
#include "target/nbd_server.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

#define SYSTEMS_MAX 1024u

struct guest_files {
    struct set_cache *cache;
    struct disk *disk;
    char *directory, *socket, *names; /* paths of our own */
    struct nbd_server *server;
    struct guestfish *fish;
    GPtrArray *systems; /* of struct guest_file_system *; NULL: not asked for yet */
    char *mounted;      /* the device at /; "" for the guest's own tree; NULL: nothing */
};

/* ---- Beginning and end ----------------------------------------------------------------------- */

static gboolean
make_directory(struct guest_files *files, GError **error)
{
    g_autoptr(GError) local = NULL;
    files->directory = g_dir_make_tmp("slipway-files-XXXXXX", &local);
    if (files->directory == NULL)
        return error_set(error, SLIPWAY_ERROR_IO, "%s", local->message);
    files->socket = g_build_filename(files->directory, "socket", NULL);
    files->names = g_build_filename(files->directory, "names", NULL);
    return TRUE;
}

static gboolean
serve(struct guest_files *files, GError **error)
{
    g_autofree char *address = g_strconcat("unix:", files->socket, NULL);
    const char *const listen[] = {address, NULL};
    struct nbd_export export = {.name = "", .disk = files->disk, .read_only = TRUE};
    struct nbd_options options = {.exports = &export, .n_exports = 1, .listen = listen};
    files->server = nbd_server_start(&options, error);
    return files->server != NULL;
}

struct guest_files *
guest_files_open(struct store *store, const struct set *set, const char *disk, GError **error)
{
    struct guest_files *files = g_new0(struct guest_files, 1);
    struct set_cache_options options = {0};
    if ((files->cache = set_cache_new(store, NULL, &options, error)) != NULL &&
        (files->disk = set_cache_open(files->cache, set, disk, error)) != NULL &&
        make_directory(files, error) && serve(files, error) &&
        (files->fish = guestfish_start(files->socket, error)) != NULL)
        return files;
    guest_files_close(files);
    return NULL;
}

void
guest_files_close(struct guest_files *files)
{
    if (files == NULL)
        return;
    guestfish_end(files->fish);
    nbd_server_stop(files->server);
    disk_close(files->disk);
    set_cache_free(files->cache);
    if (files->directory != NULL) {
        g_unlink(files->names);
        g_unlink(files->socket);
        g_rmdir(files->directory);
    }
    g_clear_pointer(&files->systems, g_ptr_array_unref);
    g_free(files->directory);
    g_free(files->socket);
    g_free(files->names);
    g_free(files->mounted);
    g_free(files);
}

/* ---- File systems ---------------------------------------------------------------------------- */

static void
free_system(gpointer data)
{
    struct guest_file_system *system = data;
    g_free(system->device);
    g_free(system->kind);
    g_free(system->label);
    g_free(system->mount);
    g_free(system);
}

/* "/dev/sda1" without the folder, and back. */
static const char *
short_device(const char *device)
{
    return g_str_has_prefix(device, "/dev/") ? device + strlen("/dev/") : device;
}

static char *
long_device(const char *device)
{
    return g_str_has_prefix(device, "/") ? g_strdup(device) : g_strconcat("/dev/", device, NULL);
}

/* What cannot be told stays unknown. */
static void
measure(struct guest_files *files, struct guest_file_system *system, const char *device)
{
    g_autofree char *size = guestfish_do(files->fish, NULL, "blockdev-getsize64", device, NULL);
    g_autofree char *label = guestfish_do(files->fish, NULL, "vfs-label", device, NULL);
    system->size = size != NULL ? g_ascii_strtoull(size, NULL, 10) : 0;
    if (label != NULL && *g_strstrip(label) != '\0')
        system->label = g_steal_pointer(&label);
}

/* "/dev/sda1: ext4" */
static gboolean
list_systems(struct guest_files *files, GError **error)
{
    g_autofree char *answer = guestfish_do(files->fish, error, "list-filesystems", NULL);
    if (answer == NULL)
        return FALSE;
    files->systems = g_ptr_array_new_with_free_func(free_system);
    g_auto(GStrv) lines = g_strsplit(answer, "\n", -1);
    for (guint i = 0; lines[i] != NULL && files->systems->len < SYSTEMS_MAX; i++) {
        char *colon = strstr(lines[i], ": ");
        if (colon == NULL)
            continue;
        *colon = '\0';
        struct guest_file_system *system = g_new0(struct guest_file_system, 1);
        system->device = g_strdup(short_device(lines[i]));
        system->kind = g_strdup(colon + 2);
        measure(files, system, lines[i]);
        g_ptr_array_add(files->systems, system);
    }
    return TRUE;
}

static struct guest_file_system *
find_system(struct guest_files *files, const char *device)
{
    for (guint i = 0; i < files->systems->len; i++) {
        struct guest_file_system *system = files->systems->pdata[i];
        if (g_str_equal(system->device, short_device(device)))
            return system;
    }
    return NULL;
}

/* Where the guest has them: "/boot: /dev/sda1"; of the first system on the disk, if there is one.
 */
static void
find_mounts(struct guest_files *files)
{
    g_autofree char *roots = guestfish_do(files->fish, NULL, "inspect-os", NULL);
    if (roots == NULL || *g_strstrip(roots) == '\0')
        return;
    roots[strcspn(roots, "\n")] = '\0';
    g_autofree char *answer =
        guestfish_do(files->fish, NULL, "inspect-get-mountpoints", roots, NULL);
    g_auto(GStrv) lines = g_strsplit(answer != NULL ? answer : "", "\n", -1);
    for (guint i = 0; lines[i] != NULL; i++) {
        char *colon = g_strrstr(lines[i], ": ");
        struct guest_file_system *system = colon != NULL ? find_system(files, colon + 2) : NULL;
        if (system != NULL && system->mount == NULL)
            system->mount = g_strndup(lines[i], (gsize)(colon - lines[i]));
    }
}

GPtrArray *
guest_files_systems(struct guest_files *files, GError **error)
{
    if (files->systems == NULL) {
        if (!list_systems(files, error))
            return NULL;
        find_mounts(files);
    }
    return g_ptr_array_ref(files->systems);
}

/* ---- Mounting -------------------------------------------------------------------------------- */

static gboolean
is_mountable(const struct guest_file_system *system)
{
    static const char *const others[] = {"swap",      "unknown",           "crypto_LUKS",
                                         "BitLocker", "linux_raid_member", "LVM2_member"};
    for (gsize i = 0; i < G_N_ELEMENTS(others); i++)
        if (g_ascii_strcasecmp(system->kind, others[i]) == 0)
            return FALSE;
    return TRUE;
}

static gint
compare_mounts(gconstpointer left, gconstpointer right)
{
    const struct guest_file_system *a = *(struct guest_file_system *const *)left,
                                   *b = *(struct guest_file_system *const *)right;
    return strcmp(a->mount, b->mount);
}

/* The tree as the guest has it; a part of it that cannot be mounted is left out. */
static gboolean
mount_all(struct guest_files *files, GError **error)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new();
    for (guint i = 0; i < files->systems->len; i++) {
        struct guest_file_system *system = files->systems->pdata[i];
        if (system->mount != NULL)
            g_ptr_array_add(list, system);
    }
    g_ptr_array_sort(list, compare_mounts);
    for (guint i = 0; i < list->len; i++) {
        const struct guest_file_system *system = list->pdata[i];
        g_autofree char *device = long_device(system->device);
        g_autofree char *answer = guestfish_do(files->fish, i == 0 ? error : NULL, "mount-ro",
                                               device, system->mount, NULL);
        if (answer == NULL && i == 0)
            return FALSE;
    }
    return TRUE;
}

static gboolean
has_tree(struct guest_files *files)
{
    for (guint i = 0; i < files->systems->len; i++)
        if (g_strcmp0(((struct guest_file_system *)files->systems->pdata[i])->mount, "/") == 0)
            return TRUE;
    return FALSE;
}

/* For messages: "sda1 (ext4), sda2 (ntfs)". */
static char *
name_systems(struct guest_files *files)
{
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < files->systems->len; i++) {
        const struct guest_file_system *system = files->systems->pdata[i];
        g_string_append_printf(text, "%s%s (%s)", i > 0 ? ", " : "", system->device, system->kind);
    }
    return g_string_free(text, FALSE);
}

/* The only file system that can be mounted. */
static const struct guest_file_system *
only_system(struct guest_files *files, GError **error)
{
    const struct guest_file_system *only = NULL;
    guint n = 0;
    for (guint i = 0; i < files->systems->len; i++)
        if (is_mountable(files->systems->pdata[i])) {
            only = files->systems->pdata[i];
            n++;
        }
    if (n == 1)
        return only;
    g_autofree char *names = name_systems(files);
    if (n == 0)
        return error_null(error, SLIPWAY_ERROR_UNSUPPORTED,
                          "there is no file system on the disk that can be read%s%s",
                          *names != '\0' ? ": " : "", names);
    return error_null(error, SLIPWAY_ERROR_USAGE,
                      "there are several file systems: %s; name one, as in %s:/", names,
                      only->device);
}

static gboolean
mount_system(struct guest_files *files, const struct guest_file_system *system, GError **error)
{
    if (!is_mountable(system))
        return error_set(error, SLIPWAY_ERROR_UNSUPPORTED,
                         "%s is %s, which cannot be looked into; attach the disk with `slipway "
                         "export start` to a computer that can",
                         system->device, system->kind);
    g_autofree char *device = long_device(system->device);
    g_autofree char *answer = guestfish_do(files->fish, error, "mount-ro", device, "/", NULL);
    return answer != NULL;
}

/* Take away what is mounted, and mount `device`; "" the guest's own tree or the only one. */
static gboolean
mount_wanted(struct guest_files *files, const char *device, GError **error)
{
    if (g_strcmp0(files->mounted, device) == 0)
        return TRUE;
    g_clear_pointer(&files->mounted, g_free);
    g_autofree char *gone = guestfish_do(files->fish, error, "umount-all", NULL);
    if (gone == NULL)
        return FALSE;
    const struct guest_file_system *system = NULL;
    gboolean ok;
    if (*device == '\0' && has_tree(files)) {
        ok = mount_all(files, error);
    } else {
        system = *device == '\0' ? only_system(files, error) : find_system(files, device);
        if (system == NULL && *device != '\0') {
            g_autofree char *names = name_systems(files);
            return error_set(error, SLIPWAY_ERROR_NOT_FOUND,
                             "there is no file system on %s; there are: %s", device, names);
        }
        ok = system != NULL && mount_system(files, system, error);
    }
    if (ok)
        files->mounted = g_strdup(device);
    return ok;
}

/* "sda1:/etc": mounted, and the path in it. */
static gboolean
enter(struct guest_files *files, const char *text, char **ret_path, GError **error)
{
    const char *colon = strchr(text, ':');
    g_autofree char *device =
        colon != NULL && *text != '/' ? g_strndup(text, (gsize)(colon - text)) : g_strdup("");
    const char *path = *device != '\0' ? colon + 1 : text;
    g_autoptr(GPtrArray) systems = guest_files_systems(files, error);
    if (systems == NULL || !mount_wanted(files, device, error))
        return FALSE;
    *ret_path = *path == '/' ? g_strdup(path) : g_strconcat("/", path, NULL);
    return TRUE;
}

/* ---- Folders --------------------------------------------------------------------------------- */

static void
free_file(gpointer data)
{
    struct guest_file *file = data;
    g_free(file->name);
    g_free(file);
}

static char
kind_of(guint mode)
{
    switch (mode & S_IFMT) {
    case S_IFDIR:
        return 'd';
    case S_IFLNK:
        return 'l';
    case S_IFBLK:
        return 'b';
    case S_IFCHR:
        return 'c';
    case S_IFIFO:
        return 'p';
    case S_IFSOCK:
        return 's';
    default:
        return '-';
    }
}

/* "st_size: 6" out of a structure as guestfish prints it. */
static gint64
number_of(const char *answer, const char *field)
{
    g_autofree char *key = g_strconcat(field, ": ", NULL);
    const char *at = strstr(answer, key);
    return at != NULL ? g_ascii_strtoll(at + strlen(key), NULL, 10) : 0;
}

static struct guest_file *
look_at(struct guest_files *files, const char *path, const char *name, GError **error)
{
    g_autofree char *answer = guestfish_do(files->fish, error, "lstatns", path, NULL);
    if (answer == NULL)
        return NULL;
    struct guest_file *file = g_new0(struct guest_file, 1);
    file->name = g_strdup(name);
    file->mode = (guint)number_of(answer, "st_mode");
    file->kind = kind_of(file->mode);
    file->size = (guint64)number_of(answer, "st_size");
    file->time = number_of(answer, "st_mtime_sec");
    return file;
}

/* The names of a folder come through a file, each with a NUL behind it: they may have any other
 * byte. */
static GPtrArray *
read_names(struct guest_files *files, const char *path, GError **error)
{
    g_autofree char *answer = guestfish_do(files->fish, error, "ls0", path, files->names, NULL);
    g_autofree char *text = NULL;
    gsize length = 0;
    g_autoptr(GError) local = NULL;
    if (answer == NULL)
        return NULL;
    if (!g_file_get_contents(files->names, &text, &length, &local))
        return error_null(error, SLIPWAY_ERROR_IO, "%s", local->message);
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    for (gsize at = 0; at < length && names->len < GUEST_FILES_NAMES_MAX;
         at += strlen(text + at) + 1)
        g_ptr_array_add(names, g_strdup(text + at));
    return names;
}

static gint
compare_names(gconstpointer left, gconstpointer right)
{
    const struct guest_file *a = *(struct guest_file *const *)left,
                            *b = *(struct guest_file *const *)right;
    return strcmp(a->name, b->name);
}

static gboolean
list_folder(struct guest_files *files, const char *path, GPtrArray *ret, GError **error)
{
    g_autoptr(GPtrArray) names = read_names(files, path, error);
    if (names == NULL)
        return FALSE;
    for (guint i = 0; i < names->len; i++) {
        const char *name = names->pdata[i];
        g_autofree char *full = g_str_has_suffix(path, "/") ? g_strconcat(path, name, NULL)
                                                            : g_strconcat(path, "/", name, NULL);
        struct guest_file *file = look_at(files, full, name, error);
        if (file == NULL)
            return FALSE;
        g_ptr_array_add(ret, file);
    }
    g_ptr_array_sort(ret, compare_names);
    return TRUE;
}

GPtrArray *
guest_files_list(struct guest_files *files, const char *text, GError **error)
{
    g_autofree char *path = NULL;
    if (!enter(files, text, &path, error))
        return NULL;
    g_autofree char *name = g_path_get_basename(path);
    struct guest_file *file = look_at(files, path, name, error);
    if (file == NULL)
        return NULL;
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(free_file);
    gboolean ok = TRUE;
    if (file->kind == 'd') {
        free_file(file);
        ok = list_folder(files, path, list, error);
    } else {
        g_ptr_array_add(list, file);
    }
    return ok ? g_steal_pointer(&list) : NULL;
}

/* ---- Copying --------------------------------------------------------------------------------- */

/* Where "sda1:/etc/hosts" is put; NULL for all of a file system.  Free with g_free(). */
static char *
local_path(const char *path, const char *target)
{
    const char *colon = *path != '/' ? strchr(path, ':') : NULL;
    g_autofree char *name = g_path_get_basename(colon != NULL ? colon + 1 : path);
    return g_str_equal(name, "/") || g_str_equal(name, ".") ? NULL
                                                            : g_build_filename(target, name, NULL);
}

gboolean
guest_files_check_target(const char *path, const char *target, GError **error)
{
    struct stat status;
    g_autofree char *there = local_path(path, target);
    if (there == NULL)
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "name files or folders below /, or attach the whole disk with `slipway "
                         "export start`");
    if (stat(target, &status) != 0)
        return error_set_errno(error, errno, "cannot copy into %s", target);
    return lstat(there, &status) != 0 ||
           error_set(error, SLIPWAY_ERROR_EXISTS, "%s exists; choose another folder", there);
}

gboolean
guest_files_get(struct guest_files *files, const char *text, const char *target, GError **error)
{
    g_autofree char *path = NULL, *there = local_path(text, target);
    struct stat status;
    if (!guest_files_check_target(text, target, error) || !enter(files, text, &path, error))
        return FALSE;
    struct guest_file *file = look_at(files, path, path, error);
    if (file == NULL)
        return FALSE;
    free_file(file);
    g_autofree char *answer = guestfish_do(files->fish, error, "copy-out", path, target, NULL);
    if (answer == NULL)
        return FALSE;
    return lstat(there, &status) == 0 ||
           error_set_errno(error, errno, "%s was not copied to %s", text, there);
}
