/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The connected depots of a workspace: depots.json. */
#include "base/error.h"
#include "base/secret.h"
#include "base/url.h"
#include "esx/workspace_intern.h"

#define DEPOTS_FILE "depots.json"
#define DEPOT_NAME_MAX 64

static void
free_depot(gpointer data)
{
    struct workspace_depot *depot = data;
    g_free(depot->name);
    g_free(depot->location);
    g_free(depot->title);
    g_free(depot->known);
    secret_free(depot->token);
    g_free(depot->user);
    g_free(depot);
}

static struct workspace_depot *
new_depot(const char *name, const struct workspace_addition *addition, gint64 added)
{
    struct workspace_depot *depot = g_new0(struct workspace_depot, 1);
    const char *location = addition->location;
    secret_register(addition->token);
    if (url_is_http(location))
        url_register_secrets(location);
    depot->name = g_strdup(name);
    depot->location = g_strdup(location);
    depot->title = url_is_http(location) ? url_redact(location) : g_strdup(location);
    depot->known = g_strdup(addition->known);
    depot->token = g_strdup(addition->token);
    depot->user = g_strdup(addition->user);
    depot->added = added;
    return depot;
}

static gboolean
parse_depots(json_t *root, GPtrArray *depots, const char *directory, GError **error)
{
    json_t *list = json_object_get(root, "depots");
    gsize i;
    json_t *object;
    json_array_foreach(list, i, object)
    {
        struct workspace_addition found = {0};
        json_int_t added = 0;
        json_error_t why;
        if (json_unpack_ex(object, &why, 0, "{s:s, s:s, s?s, s?s, s?s, s?I}", "name", &found.name,
                           "location", &found.location, "known", &found.known, "token",
                           &found.token, "user", &found.user, "added", &added) != 0)
            return error_set(error, SLIPWAY_ERROR_CORRUPT,
                             "%s/" DEPOTS_FILE ": depot %" G_GSIZE_FORMAT ": %s", directory, i + 1,
                             why.text);
        g_ptr_array_add(depots, new_depot(found.name, &found, added));
    }
    return TRUE;
}

gboolean
workspace_read_depots(struct workspace *workspace, GError **error)
{
    json_t *root;
    if (!workspace_read_json(workspace, DEPOTS_FILE, &root, error))
        return FALSE;
    g_autoptr(GPtrArray) depots = g_ptr_array_new_with_free_func(free_depot);
    gboolean ok = parse_depots(root, depots, workspace->directory, error);
    json_decref(root);
    if (!ok)
        return FALSE;
    g_clear_pointer(&workspace->depots, g_ptr_array_unref);
    workspace->depots = g_steal_pointer(&depots);
    return TRUE;
}

static gboolean
write_depots(struct workspace *workspace, GError **error)
{
    json_t *list = json_array();
    for (guint i = 0; i < workspace->depots->len; i++) {
        const struct workspace_depot *depot = workspace->depots->pdata[i];
        json_t *object = json_pack("{s:s, s:s, s:I}", "name", depot->name, "location",
                                   depot->location, "added", (json_int_t)depot->added);
        if (object == NULL) {
            json_decref(list);
            return error_set(error, SLIPWAY_ERROR_USAGE,
                             "the location of depot %s is not UTF-8; give it another name on disk",
                             depot->name);
        }
        if (depot->known != NULL)
            json_object_set_new(object, "known", json_string(depot->known));
        if (depot->token != NULL)
            json_object_set_new(object, "token", json_string(depot->token));
        if (depot->user != NULL)
            json_object_set_new(object, "user", json_string(depot->user));
        json_array_append_new(list, object);
    }
    json_t *root = json_object();
    json_object_set_new(root, "depots", list);
    return workspace_write_json(workspace, DEPOTS_FILE, root, error);
}

GPtrArray *
workspace_depots(struct workspace *workspace)
{
    return workspace->depots;
}

static gboolean
find_depot(struct workspace *workspace, const char *which, guint *ret_index)
{
    g_autofree char *absolute = url_is_http(which) ? NULL : g_canonicalize_filename(which, NULL);
    for (guint i = 0; i < workspace->depots->len; i++) {
        const struct workspace_depot *depot = workspace->depots->pdata[i];
        if (g_str_equal(depot->name, which) || g_str_equal(depot->location, which) ||
            g_str_equal(depot->title, which) || g_strcmp0(depot->location, absolute) == 0) {
            *ret_index = i;
            return TRUE;
        }
    }
    return FALSE;
}

const struct workspace_depot *
workspace_find_depot(struct workspace *workspace, const char *which)
{
    guint i;
    return find_depot(workspace, which, &i) ? workspace->depots->pdata[i] : NULL;
}

static char *
make_name(struct workspace *workspace)
{
    guint unused;
    for (guint n = 1;; n++) {
        g_autofree char *name = g_strdup_printf("depot%u", n);
        if (!find_depot(workspace, name, &unused))
            return g_steal_pointer(&name);
    }
}

static gboolean
check_name(const char *name, GError **error)
{
    gsize length =
        strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
    if (length == 0 || name[length] != '\0' || length > DEPOT_NAME_MAX)
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "depot name '%s': 1 to %d characters of A-Z, a-z, 0-9, '.', '_' and '-' "
                         "make a name",
                         name, DEPOT_NAME_MAX);
    return TRUE;
}

static gboolean
append_depot(struct workspace *workspace, const struct workspace_addition *addition, GError **error)
{
    guint at;
    const char *name = addition->name;
    if (find_depot(workspace, addition->location, &at)) {
        const struct workspace_depot *old = workspace->depots->pdata[at];
        return error_set(error, SLIPWAY_ERROR_EXISTS, "%s is connected already, as depot %s",
                         old->title, old->name);
    }
    if (name != NULL && find_depot(workspace, name, &at))
        return error_set(error, SLIPWAY_ERROR_EXISTS,
                         "there is a depot called %s already; give another --name", name);
    g_autofree char *made = name == NULL ? make_name(workspace) : NULL;
    g_ptr_array_add(workspace->depots, new_depot(name != NULL ? name : made, addition,
                                                 g_get_real_time() / G_USEC_PER_SEC));
    if (write_depots(workspace, error))
        return TRUE;
    g_ptr_array_remove_index(workspace->depots, workspace->depots->len - 1);
    return FALSE;
}

gboolean
workspace_add_depot(struct workspace *workspace, const struct workspace_addition *addition,
                    GError **error)
{
    const char *location = addition->location;
    if (addition->name != NULL && !check_name(addition->name, error))
        return FALSE;
    g_autofree char *absolute =
        url_is_http(location) ? g_strdup(location) : g_canonicalize_filename(location, NULL);
    struct workspace_addition placed = *addition;
    placed.location = absolute;
    gboolean held;
    if (!workspace_hold(workspace, workspace_read_depots, &held, error))
        return FALSE;
    gboolean ok = append_depot(workspace, &placed, error);
    workspace_release(workspace, held);
    return ok;
}

static gboolean
drop_depot(struct workspace *workspace, const char *which, GError **error)
{
    guint at;
    if (!find_depot(workspace, which, &at)) {
        g_autofree char *shown = url_redact(which);
        return error_set(error, SLIPWAY_ERROR_NOT_FOUND,
                         "no depot called %s is connected; `slipway depot list` shows those that "
                         "are",
                         shown);
    }
    struct workspace_depot *depot = g_ptr_array_steal_index(workspace->depots, at);
    if (write_depots(workspace, error)) {
        free_depot(depot);
        return TRUE;
    }
    g_ptr_array_insert(workspace->depots, (gint)at, depot);
    return FALSE;
}

gboolean
workspace_remove_depot(struct workspace *workspace, const char *which, GError **error)
{
    g_autofree char *copy = g_strdup(which); /* may be borrowed from what reading again frees */
    gboolean held;
    if (!workspace_hold(workspace, workspace_read_depots, &held, error))
        return FALSE;
    gboolean ok = drop_depot(workspace, copy, error);
    workspace_release(workspace, held);
    return ok;
}
