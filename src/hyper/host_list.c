/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The file of hypervisors and the passwords beside it (doc/format/hosts.md). */
#include "hyper/host_list.h"

#include "base/cancel.h"
#include "base/durable_file.h"
#include "base/error.h"
#include "base/secret.h"
#include "hyper/host_format.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_POLL_MS 50
#define LOCK_WAIT_MS 10000

struct host *
host_new(void)
{
    return g_new0(struct host, 1);
}

void
host_free(struct host *host)
{
    if (host == NULL)
        return;
    g_free(host->name);
    g_free(host->uri);
    g_free(host->user);
    g_free(host->password_file);
    g_free(host->ca_file);
    g_free(host->thumbprint);
    g_free(host->own_machine);
    g_free(host->id);
    g_free(host->product);
    g_free(host);
}

void
host_list_free(struct host_list *list)
{
    if (list == NULL)
        return;
    g_ptr_array_unref(list->hosts);
    g_free(list);
}

static struct host_list *
new_list(void)
{
    struct host_list *list = g_new0(struct host_list, 1);
    list->hosts = g_ptr_array_new_with_free_func((GDestroyNotify)host_free);
    return list;
}

static char *
list_path(void)
{
    const char *path = g_getenv("SLIPWAY_HOSTS");
    if (path != NULL && *path != '\0')
        return g_canonicalize_filename(path, NULL);
    return g_build_filename(g_get_user_config_dir(), "slipway", "hosts.json", NULL);
}

/* hosts/ beside the file. */
static char *
passwords_path(void)
{
    g_autofree char *path = list_path();
    g_autofree char *folder = g_path_get_dirname(path);
    return g_build_filename(folder, "hosts", NULL);
}

static char *
own_password_path(const char *name)
{
    g_autofree char *folder = passwords_path();
    g_autofree char *file = g_strconcat(name, ".password", NULL);
    return g_build_filename(folder, file, NULL);
}

/* Whoever can write the list could have our passwords sent to a computer of his own. */
static gboolean
check_file(int fd, const char *path, GError **error)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return error_set_errno(error, errno, "cannot look at %s", path);
    if (!S_ISREG(status.st_mode))
        return error_set(error, SLIPWAY_ERROR_CORRUPT, "%s is no file", path);
    uid_t user = geteuid();
    if (user != 0 && status.st_uid != user && status.st_uid != 0)
        return error_set(error, SLIPWAY_ERROR_DENIED,
                         "%s belongs to another user, who could have passwords sent anywhere; "
                         "remove it, or name another file in SLIPWAY_HOSTS",
                         path);
    if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return error_set(error, SLIPWAY_ERROR_DENIED,
                         "%s can be written by others, who could have passwords sent anywhere; "
                         "look at what it says, then: chmod 600 %s",
                         path, path);
    return TRUE;
}

/* NULL with *ret_missing when there is none. */
static GBytes *
read_file(const char *path, gboolean *ret_missing, GError **error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    *ret_missing = fd < 0 && errno == ENOENT;
    if (fd < 0)
        return *ret_missing ? NULL : (error_set_errno(error, errno, "cannot open %s", path), NULL);
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    gboolean ok = check_file(fd, path, error);
    guint8 buffer[16384];
    ssize_t got = 0;
    while (ok && bytes->len <= HOST_FORMAT_MAX && (got = read(fd, buffer, sizeof buffer)) > 0)
        g_byte_array_append(bytes, buffer, (guint)got);
    if (got < 0)
        ok = error_set_errno(error, errno, "cannot read %s", path);
    close(fd);
    return ok ? g_byte_array_free_to_bytes(g_steal_pointer(&bytes)) : NULL;
}

struct host_list *
host_list_read(GError **error)
{
    g_autofree char *path = list_path();
    auto_ptr(host_list) list = new_list();
    gboolean missing;
    g_autoptr(GBytes) bytes = read_file(path, &missing, error);
    if (missing)
        return g_steal_pointer(&list);
    if (bytes == NULL)
        return NULL;
    gsize length;
    const char *text = g_bytes_get_data(bytes, &length);
    if (!host_format_parse(text, length, list->hosts, error)) {
        g_prefix_error(error, "%s: ", path);
        return NULL;
    }
    for (guint i = 0; i < list->hosts->len; i++) {
        struct host *host = g_ptr_array_index(list->hosts, i);
        if (host->own_file)
            host->password_file = own_password_path(host->name);
    }
    return g_steal_pointer(&list);
}

struct host *
host_list_find(const struct host_list *list, const char *name)
{
    for (guint i = 0; i < list->hosts->len; i++) {
        struct host *host = g_ptr_array_index(list->hosts, i);
        if (g_strcmp0(host->name, name) == 0)
            return host;
    }
    return NULL;
}

/* One text for all ways to write the same hypervisor's URI; NULL when it is none. */
static char *
normal_uri(const char *uri)
{
    g_autofree char *host = NULL;
    if (!hypervisor_uri_split(uri, &host, NULL, NULL))
        return NULL;
    char *authority = strstr(host, "://") + strlen("://");
    gsize length = strcspn(authority, "/?");
    if (!g_str_has_prefix(host, "vsphere://") && !g_str_has_prefix(host, "esx://"))
        return g_steal_pointer(&host);
    g_autofree char *lower = g_ascii_strdown(authority, (gssize)length);
    const char *at = strrchr(lower, '@');
    if (g_str_has_suffix(lower, ":443"))
        lower[strlen(lower) - strlen(":443")] = '\0';
    return g_strconcat("vsphere://", at != NULL ? at + 1 : lower, NULL);
}

struct host *
host_list_find_uri(const struct host_list *list, const char *uri)
{
    g_autofree char *wanted = normal_uri(uri);
    for (guint i = 0; wanted != NULL && i < list->hosts->len; i++) {
        struct host *host = g_ptr_array_index(list->hosts, i);
        g_autofree char *its = normal_uri(host->uri);
        if (g_strcmp0(its, wanted) == 0)
            return host;
    }
    return NULL;
}

/* ---- Changes --------------------------------------------------------------------------------- */

static gboolean
wait_for_lock(int fd, const char *path, GError **error)
{
    for (int waited = 0; flock(fd, LOCK_EX | LOCK_NB) != 0; waited += LOCK_POLL_MS) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return error_set_errno(error, errno, "cannot lock %s", path);
        if (!cancel_check(error))
            return FALSE;
        if (waited >= LOCK_WAIT_MS)
            return error_set(error, SLIPWAY_ERROR_BUSY,
                             "another slipway is changing the list of hosts (%s is held); wait for "
                             "it",
                             path);
        g_usleep(LOCK_POLL_MS * 1000);
    }
    return TRUE;
}

/* A directory of ours alone; a link in its place is not followed. */
static gboolean
make_folder(const char *path, GError **error)
{
    struct stat status;
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return error_set_errno(error, errno, "cannot make the directory %s", path);
    if (lstat(path, &status) != 0 || !S_ISDIR(status.st_mode))
        return error_set(error, SLIPWAY_ERROR_IO,
                         "%s is no directory, and passwords are to be kept there; move it away",
                         path);
    if (status.st_uid != geteuid() || (status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return error_set(error, SLIPWAY_ERROR_DENIED,
                         "%s can be written by others, and passwords are to be kept there; chmod "
                         "700 it, or move it away",
                         path);
    return TRUE;
}

/* The descriptor that holds the lock; -1. */
static int
take_lock(const char *path, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(path);
    g_autofree char *lock = g_strconcat(path, ".lock", NULL);
    if (g_mkdir_with_parents(folder, 0700) != 0) {
        error_set_errno(error, errno, "cannot make the directory %s", folder);
        return -1;
    }
    int fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        error_set_errno(error, errno, "cannot open %s", lock);
        return -1;
    }
    if (!wait_for_lock(fd, lock, error)) {
        close(fd);
        return -1;
    }
    return fd;
}

static gboolean
write_list(const struct host_list *list, const char *path, GError **error)
{
    g_autofree char *text = host_format_print(list->hosts, error);
    return text != NULL && durable_file_put(path, text, strlen(text), 0600, error);
}

/* What secret_read_file() would read again. */
static gboolean
check_password(const char *password, GError **error)
{
    if (*password != '\0' && strlen(password) <= SECRET_MAX && strpbrk(password, "\r\n") == NULL)
        return TRUE;
    return error_set(error, SLIPWAY_ERROR_USAGE,
                     "a password has 1 to %d bytes, all of them on one line", SECRET_MAX);
}

static gboolean
write_password(struct host *host, const char *password, GError **error)
{
    g_autofree char *folder = passwords_path();
    if (!make_folder(folder, error))
        return FALSE;
    g_free(host->password_file);
    host->password_file = own_password_path(host->name);
    host->own_file = TRUE;
    char *line = g_strconcat(password, "\n", NULL);
    gboolean ok = durable_file_put(host->password_file, line, strlen(line), 0600, error);
    secret_free(line);
    return ok;
}

static void
remove_password(const char *name)
{
    g_autofree char *path = own_password_path(name);
    unlink(path);
}

static gint
compare_names(gconstpointer a, gconstpointer b)
{
    const struct host *x = *(struct host *const *)a, *y = *(struct host *const *)b;
    return strcmp(x->name, y->name);
}

/* With the lock held.  The password comes first: a host that is listed has its password. */
static gboolean
add(struct host_list *list, struct host *host, const char *password, gboolean overwrite,
    const char *path, GError **error)
{
    auto_ptr(host) added = host;
    struct host *old = host_list_find(list, added->name);
    if (old != NULL && !overwrite)
        return error_set(error, SLIPWAY_ERROR_EXISTS,
                         "there is a host %s already (%s); choose another name, or --overwrite it",
                         old->name, old->uri);
    gboolean had_file = old != NULL && old->own_file;
    if (old != NULL)
        g_ptr_array_remove(list->hosts, old);
    if (list->hosts->len >= HOST_LIST_MAX)
        return error_set(error, SLIPWAY_ERROR_LIMIT,
                         "there are %u hosts already, as many as can be", HOST_LIST_MAX);
    added->own_file = FALSE;
    if (password != NULL && !write_password(added, password, error))
        return FALSE;
    gboolean has_file = added->own_file;
    g_autofree char *name = g_strdup(added->name);
    g_ptr_array_add(list->hosts, g_steal_pointer(&added));
    g_ptr_array_sort(list->hosts, compare_names);
    gboolean ok = write_list(list, path, error);
    if (ok ? had_file && !has_file : has_file && !had_file)
        remove_password(name);
    return ok;
}

gboolean
host_list_add(struct host *host, const char *password, gboolean overwrite, GError **error)
{
    auto_ptr(host) added = host;
    if (!host_format_check(added, error) || (password != NULL && !check_password(password, error)))
        return FALSE;
    g_autofree char *path = list_path();
    int lock = take_lock(path, error);
    if (lock < 0)
        return FALSE;
    auto_ptr(host_list) list = host_list_read(error);
    gboolean ok =
        list != NULL && add(list, g_steal_pointer(&added), password, overwrite, path, error);
    close(lock);
    return ok;
}

/* With the lock held. */
static gboolean
forget(struct host_list *list, const char *name, const char *path, GError **error)
{
    struct host *host = host_list_find(list, name);
    if (host == NULL)
        return error_set(error, SLIPWAY_ERROR_NOT_FOUND, "there is no host called %s", name);
    gboolean own_file = host->own_file;
    g_autofree char *own_name = g_strdup(host->name);
    g_ptr_array_remove(list->hosts, host);
    if (!write_list(list, path, error))
        return FALSE;
    if (own_file)
        remove_password(own_name);
    return TRUE;
}

gboolean
host_list_remove(const char *name, GError **error)
{
    g_autofree char *path = list_path();
    int lock = take_lock(path, error);
    if (lock < 0)
        return FALSE;
    auto_ptr(host_list) list = host_list_read(error);
    gboolean ok = list != NULL && forget(list, name, path, error);
    close(lock);
    return ok;
}

gboolean
host_password(const struct host *host, char **ret_password, GError **error)
{
    struct stat status;
    *ret_password = NULL;
    if (host->password_file == NULL)
        return TRUE;
    if (host->own_file && lstat(host->password_file, &status) == 0 && !S_ISREG(status.st_mode))
        return error_set(error, SLIPWAY_ERROR_DENIED,
                         "host %s: %s is no file of ours; add the host again with --overwrite",
                         host->name, host->password_file);
    *ret_password = secret_read_file(host->password_file, error);
    if (*ret_password == NULL)
        g_prefix_error(error, "host %s: ", host->name);
    return *ret_password != NULL;
}
