/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The user's own profiles: profiles/ID.xml in the workspace, where ID is made from vendor and
 * name, so that one pair has one file. */
#include "base/digest.h"
#include "base/durable_file.h"
#include "base/error.h"
#include "esx/workspace_intern.h"

#include <errno.h>
#include <glib/gstdio.h>

#define ID_LENGTH 32

static void
free_profile(gpointer profile)
{
    profile_free(profile);
}

static char *
profile_path(struct workspace *workspace, const struct profile *profile)
{
    g_autofree char *key = g_strdup_printf("%s\n%s", profile->vendor, profile->name);
    g_autofree char *hex = digest_hex_of(DIGEST_SHA256, key, strlen(key));
    g_autofree char *file = g_strdup_printf("%.*s.xml", ID_LENGTH, hex);
    return g_build_filename(workspace->directory, "profiles", file, NULL);
}

static gboolean
read_profile(const char *path, GPtrArray *profiles, GError **error)
{
    g_autofree char *text = NULL;
    gsize length;
    g_autoptr(GError) problem = NULL;
    if (!g_file_get_contents(path, &text, &length, &problem)) {
        /* Deleted by another process after we listed the directory. */
        if (g_error_matches(problem, G_FILE_ERROR, G_FILE_ERROR_NOENT))
            return TRUE;
        return error_set(error, SLIPWAY_ERROR_IO, "cannot read %s: %s", path, problem->message);
    }
    struct profile *profile = profile_parse(text, length, path, error);
    if (profile == NULL)
        return FALSE;
    g_ptr_array_add(profiles, profile);
    return TRUE;
}

static gint
compare_names(gconstpointer a, gconstpointer b)
{
    const struct profile *first = *(struct profile *const *)a;
    const struct profile *second = *(struct profile *const *)b;
    int order = g_strcmp0(first->name, second->name);
    return order != 0 ? order : g_strcmp0(first->vendor, second->vendor);
}

gboolean
workspace_read_profiles(struct workspace *workspace, GError **error)
{
    g_autofree char *folder = g_build_filename(workspace->directory, "profiles", NULL);
    g_autoptr(GError) problem = NULL;
    g_autoptr(GDir) dir = g_dir_open(folder, 0, &problem);
    if (dir == NULL)
        return error_set(error, SLIPWAY_ERROR_IO, "cannot read the workspace: %s",
                         problem->message);
    g_autoptr(GPtrArray) profiles = g_ptr_array_new_with_free_func(free_profile);
    const char *name;
    while ((name = g_dir_read_name(dir)) != NULL) {
        if (*name == '.' || !g_str_has_suffix(name, ".xml"))
            continue;
        if (profiles->len >= WORKSPACE_PROFILES_MAX)
            return error_set(error, SLIPWAY_ERROR_LIMIT, "%s: more than %d profiles", folder,
                             WORKSPACE_PROFILES_MAX);
        g_autofree char *path = g_build_filename(folder, name, NULL);
        if (!read_profile(path, profiles, error))
            return FALSE;
    }
    g_ptr_array_sort(profiles, compare_names);
    g_clear_pointer(&workspace->profiles, g_ptr_array_unref);
    workspace->profiles = g_steal_pointer(&profiles);
    return TRUE;
}

GPtrArray *
workspace_profiles(struct workspace *workspace)
{
    return workspace->profiles;
}

static gboolean
is_called(const struct profile *profile, const char *text)
{
    if (g_str_equal(profile->name, text) || g_strcmp0(profile->profile_id, text) == 0)
        return TRUE;
    gsize length = strlen(profile->vendor);
    return strncmp(text, profile->vendor, length) == 0 && text[length] == '/' &&
           g_str_equal(text + length + 1, profile->name);
}

struct profile *
workspace_find_profile(struct workspace *workspace, const char *text, GError **error)
{
    struct profile *found = NULL;
    for (guint i = 0; i < workspace->profiles->len; i++) {
        struct profile *profile = workspace->profiles->pdata[i];
        if (!is_called(profile, text))
            continue;
        if (found != NULL)
            return error_null(error, SLIPWAY_ERROR_USAGE,
                              "several profiles are called %s: write '%s/%s' or '%s/%s'", text,
                              found->vendor, found->name, profile->vendor, profile->name);
        found = profile;
    }
    return found;
}

static gboolean
find_same(struct workspace *workspace, const struct profile *profile, guint *ret_index)
{
    for (guint i = 0; i < workspace->profiles->len; i++) {
        const struct profile *other = workspace->profiles->pdata[i];
        if (g_str_equal(other->name, profile->name) &&
            g_str_equal(other->vendor, profile->vendor)) {
            *ret_index = i;
            return TRUE;
        }
    }
    return FALSE;
}

static gboolean
put_profile(struct workspace *workspace, struct profile *profile, GError **error)
{
    g_autofree char *path = profile_path(workspace, profile);
    g_autoptr(GBytes) xml = profile_format(profile, TRUE);
    gsize length;
    const void *data = g_bytes_get_data(xml, &length);
    if (!durable_file_put(path, data, length, 0600, error)) {
        profile_free(profile);
        return FALSE;
    }
    guint at;
    if (find_same(workspace, profile, &at))
        g_ptr_array_remove_index(workspace->profiles, at);
    g_ptr_array_add(workspace->profiles, profile);
    g_ptr_array_sort(workspace->profiles, compare_names);
    return TRUE;
}

gboolean
workspace_save_profile(struct workspace *workspace, const struct profile *profile, GError **error)
{
    if (!profile_check_names(profile, error))
        return FALSE;
    auto_ptr(profile) copy = profile_copy(profile); /* reading again may free what we were given */
    gboolean held;
    if (!workspace_hold(workspace, workspace_read_profiles, &held, error))
        return FALSE;
    gboolean ok = put_profile(workspace, g_steal_pointer(&copy), error);
    workspace_release(workspace, held);
    return ok;
}

static gboolean
drop_profile(struct workspace *workspace, const struct profile *profile, GError **error)
{
    g_autofree char *path = profile_path(workspace, profile);
    if (g_unlink(path) != 0 && errno != ENOENT)
        return error_set_errno(error, errno, "cannot delete %s", path);
    guint at;
    if (!find_same(workspace, profile, &at))
        return error_set(error, SLIPWAY_ERROR_NOT_FOUND, "no profile %s of %s in the workspace",
                         profile->name, profile->vendor);
    g_ptr_array_remove_index(workspace->profiles, at);
    return TRUE;
}

gboolean
workspace_delete_profile(struct workspace *workspace, const struct profile *profile, GError **error)
{
    auto_ptr(profile) copy = profile_copy(profile);
    gboolean held;
    if (!workspace_hold(workspace, workspace_read_profiles, &held, error))
        return FALSE;
    gboolean ok = drop_profile(workspace, copy, error);
    workspace_release(workspace, held);
    return ok;
}

gint64
workspace_profile_saved(struct workspace *workspace, const struct profile *profile)
{
    g_autofree char *path = profile_path(workspace, profile);
    GStatBuf status;
    return g_stat(path, &status) == 0 ? (gint64)status.st_mtime : 0;
}
