/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/workspace.h"

#include "base/cancel.h"
#include "base/durable_file.h"
#include "base/error.h"
#include "esx/workspace_intern.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#define LOCK_WAIT_MS 10000
#define LOCK_POLL_MS 50

static gboolean
not_empty(const char *text)
{
    return text != NULL && *text != '\0';
}

/* A workspace that the user placed keeps its cache with it; the default ones follow the desktop's
 * rule that a cache may be thrown away. */
static void
choose_directories(struct workspace *workspace, const char *directory)
{
    if (!not_empty(directory))
        directory = g_getenv("SLIPWAY_WORKSPACE");
    if (not_empty(directory)) {
        workspace->directory = g_canonicalize_filename(directory, NULL);
        workspace->cache_directory = g_build_filename(workspace->directory, "cache", NULL);
        return;
    }
    const char *state = g_getenv("XDG_STATE_HOME");
    if (not_empty(state) && g_path_is_absolute(state))
        workspace->directory = g_build_filename(state, "slipway", NULL);
    else
        workspace->directory =
            g_build_filename(g_get_home_dir(), ".local", "state", "slipway", NULL);
    workspace->cache_directory = g_build_filename(g_get_user_cache_dir(), "slipway", NULL);
}

static gboolean
make_directories(struct workspace *workspace, GError **error)
{
    g_autofree char *profiles = g_build_filename(workspace->directory, "profiles", NULL);
    if (g_mkdir_with_parents(profiles, 0700) == 0)
        return TRUE;
    g_autoptr(GError) why = NULL;
    error_set_errno(&why, errno, "cannot create the workspace %s", workspace->directory);
    return error_set(error, SLIPWAY_ERROR_IO, "%s", why->message);
}

static gboolean
read_state(struct workspace *workspace, GError **error)
{
    workspace_forget_verified(workspace);
    return workspace_read_depots(workspace, error) && workspace_read_profiles(workspace, error);
}

struct workspace *
workspace_open(const char *directory, GError **error)
{
    auto_ptr(workspace) workspace = g_new0(struct workspace, 1);
    workspace->lock = -1;
    choose_directories(workspace, directory);
    if (!make_directories(workspace, error) || !read_state(workspace, error))
        return NULL;
    return g_steal_pointer(&workspace);
}

static void
unlock(struct workspace *workspace)
{
    if (workspace->lock >= 0)
        close(workspace->lock);
    workspace->lock = -1;
}

void
workspace_close(struct workspace *workspace)
{
    if (workspace == NULL)
        return;
    unlock(workspace);
    workspace_forget_verified(workspace);
    g_clear_pointer(&workspace->depots, g_ptr_array_unref);
    g_clear_pointer(&workspace->profiles, g_ptr_array_unref);
    g_free(workspace->directory);
    g_free(workspace->cache_directory);
    g_free(workspace);
}

const char *
workspace_directory(const struct workspace *workspace)
{
    return workspace->directory;
}

const char *
workspace_cache_directory(const struct workspace *workspace)
{
    return workspace->cache_directory;
}

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
                             "another slipway is changing this workspace (%s is held); wait for "
                             "it, or use another --workspace",
                             path);
        g_usleep(LOCK_POLL_MS * 1000);
    }
    return TRUE;
}

static gboolean
take_lock(struct workspace *workspace, GError **error)
{
    g_autofree char *path = g_build_filename(workspace->directory, "lock", NULL);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_set_errno(error, errno, "cannot open %s", path);
    if (!wait_for_lock(fd, path, error)) {
        close(fd);
        return FALSE;
    }
    workspace->lock = fd;
    return TRUE;
}

gboolean
workspace_lock(struct workspace *workspace, GError **error)
{
    gboolean held;
    return workspace_hold(workspace, read_state, &held, error);
}

gboolean
workspace_hold(struct workspace *workspace, workspace_read_func read, gboolean *ret_held,
               GError **error)
{
    *ret_held = workspace->lock >= 0;
    if (*ret_held)
        return TRUE;
    if (!take_lock(workspace, error))
        return FALSE;
    if (read(workspace, error))
        return TRUE;
    unlock(workspace);
    return FALSE;
}

void
workspace_release(struct workspace *workspace, gboolean held)
{
    if (!held)
        unlock(workspace);
}

static gboolean
check_format(json_t *root, const char *path, GError **error)
{
    json_t *format = json_object_get(root, "format");
    if (!json_is_integer(format))
        return error_set(error, SLIPWAY_ERROR_CORRUPT, "%s: no file of a workspace", path);
    if (json_integer_value(format) > WORKSPACE_FORMAT)
        return error_set(error, SLIPWAY_ERROR_UNSUPPORTED,
                         "%s was written by a newer slipway; update this one", path);
    return TRUE;
}

gboolean
workspace_read_json(struct workspace *workspace, const char *name, json_t **ret_root,
                    GError **error)
{
    *ret_root = NULL;
    g_autofree char *path = g_build_filename(workspace->directory, name, NULL);
    g_autofree char *text = NULL;
    gsize length;
    g_autoptr(GError) problem = NULL;
    if (!g_file_get_contents(path, &text, &length, &problem)) {
        if (g_error_matches(problem, G_FILE_ERROR, G_FILE_ERROR_NOENT))
            return TRUE;
        return error_set(error, SLIPWAY_ERROR_IO, "cannot read %s: %s", path, problem->message);
    }
    if (length > WORKSPACE_FILE_MAX)
        return error_set(error, SLIPWAY_ERROR_LIMIT, "%s: larger than %u bytes", path,
                         WORKSPACE_FILE_MAX);
    json_error_t why;
    json_t *root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &why);
    if (root == NULL)
        return error_set(error, SLIPWAY_ERROR_CORRUPT, "%s: line %d: %s", path, why.line, why.text);
    if (!check_format(root, path, error)) {
        json_decref(root);
        return FALSE;
    }
    *ret_root = root;
    return TRUE;
}

gboolean
workspace_write_json(struct workspace *workspace, const char *name, json_t *root, GError **error)
{
    json_object_set_new(root, "format", json_integer(WORKSPACE_FORMAT));
    char *text = json_dumps(root, JSON_INDENT(1) | JSON_SORT_KEYS);
    json_decref(root);
    if (text == NULL)
        return error_set(error, SLIPWAY_ERROR_FAILED, "cannot write %s as JSON", name);
    g_autofree char *path = g_build_filename(workspace->directory, name, NULL);
    gboolean ok = durable_file_put(path, text, strlen(text), 0600, error);
    free(text);
    return ok;
}

struct depot_set *
workspace_load(struct workspace *workspace, const struct depot_context *context, GError **error)
{
    auto_ptr(depot_set) set = depot_set_new();
    for (guint i = 0; i < workspace->depots->len; i++) {
        const struct workspace_depot *entry = workspace->depots->pdata[i];
        g_autoptr(GError) why = NULL;
        struct depot *depot = depot_load(entry->location, context, &why);
        if (depot == NULL && g_error_matches(why, SLIPWAY_ERROR, SLIPWAY_ERROR_CANCELLED)) {
            g_propagate_error(error, g_steal_pointer(&why));
            return NULL;
        }
        if (depot == NULL)
            return error_null(error, (enum slipway_error)why->code,
                              "depot %s: %s; `slipway depot update %s` tries again, "
                              "`slipway depot remove %s` forgets it",
                              entry->name, why->message, entry->name, entry->name);
        depot_set_add(set, depot);
    }
    return g_steal_pointer(&set);
}
