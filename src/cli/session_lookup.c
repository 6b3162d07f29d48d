/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the user's words stand for: profiles, packages, files. */
#include "base/error.h"
#include "base/url.h"
#include "cli/session_intern.h"

#include <string.h>

const struct profile *
session_find_profile(struct session *session, const char *text, GError **error)
{
    struct workspace *workspace = session_workspace(session, error);
    if (workspace == NULL)
        return NULL;
    g_autoptr(GError) why = NULL;
    const struct profile *own = workspace_find_profile(workspace, text, &why);
    if (own != NULL || why != NULL) {
        if (why != NULL)
            g_propagate_error(error, g_steal_pointer(&why));
        return own;
    }
    struct depot_set *depots = session_depots(session, error);
    return depots != NULL ? depot_set_find_profile(depots, text, error) : NULL;
}

struct profile *
session_edit_profile(struct session *session, const char *text, GError **error)
{
    struct workspace *workspace = session_workspace(session, error);
    if (workspace == NULL || !workspace_lock(workspace, error))
        return NULL;
    g_autoptr(GError) why = NULL;
    const struct profile *own = workspace_find_profile(workspace, text, &why);
    if (own != NULL)
        return profile_copy(own);
    if (why != NULL) {
        g_propagate_error(error, g_steal_pointer(&why));
        return NULL;
    }
    const struct profile *foreign = session_find_profile(session, text, error);
    if (foreign == NULL)
        return NULL;
    return error_null(error, SLIPWAY_ERROR_READ_ONLY,
                      "profile %s belongs to a depot; make your own with `slipway profile new NAME "
                      "--clone '%s'`",
                      foreign->name, text);
}

gboolean
session_is_file(const char *text)
{
    g_autofree char *lower = g_ascii_strdown(text, -1);
    return !url_is_http(text) &&
           (g_str_has_suffix(lower, ".vib") || g_str_has_suffix(lower, ".zip"));
}

/* Connect the file unless it is connected. */
static gboolean
connect_file(struct session *session, const char *path, GError **error)
{
    struct workspace *workspace = session_workspace(session, error);
    if (workspace == NULL)
        return FALSE;
    if (!g_file_test(path, G_FILE_TEST_EXISTS))
        return error_set(error, SLIPWAY_ERROR_NOT_FOUND, "no such file: %s", path);
    if (workspace_find_depot(workspace, path) != NULL)
        return TRUE;
    const struct depot_context *context = session_context(session, error);
    if (context == NULL)
        return FALSE;
    /* Load it first: what cannot be read is not to be connected. */
    g_autofree char *absolute = g_canonicalize_filename(path, NULL);
    auto_ptr(depot) depot = depot_load(absolute, context, error);
    const struct workspace_addition addition = {.location = path};
    if (depot == NULL || !workspace_add_depot(workspace, &addition, error))
        return FALSE;
    const struct workspace_depot *entry = workspace_find_depot(workspace, path);
    ui_info(session->ui, "connected %s as depot %s", path, entry != NULL ? entry->name : "?");
    if (session->depots != NULL)
        depot_set_add(session->depots, g_steal_pointer(&depot));
    return TRUE;
}

static void
add_depot_packages(struct depot_set *set, const char *path, GPtrArray *ret)
{
    g_autofree char *absolute = g_canonicalize_filename(path, NULL);
    GPtrArray *depots = depot_set_depots(set);
    for (guint i = 0; i < depots->len; i++) {
        const struct depot *depot = depots->pdata[i];
        if (g_str_equal(depot->location, absolute))
            g_ptr_array_extend(ret, depot->packages, NULL, NULL);
    }
}

gboolean
session_resolve(struct session *session, const char *const *texts, GPtrArray *ret, GError **error)
{
    for (gsize i = 0; texts[i] != NULL; i++) {
        if (session_is_file(texts[i]) && !connect_file(session, texts[i], error))
            return FALSE;
    }
    struct depot_set *depots = session_depots(session, error);
    if (depots == NULL)
        return FALSE;
    for (gsize i = 0; texts[i] != NULL; i++) {
        if (session_is_file(texts[i]))
            add_depot_packages(depots, texts[i], ret);
        else if (!depot_set_resolve(depots, texts[i], ret, error))
            return FALSE;
    }
    return TRUE;
}

gboolean
session_overwrite(struct session *session, const char *output, gboolean *ret_overwrite,
                  GError **error)
{
    *ret_overwrite = session_flag(session, OPTION_OVERWRITE) || session_flag(session, OPTION_FORCE);
    if (g_file_test(output, G_FILE_TEST_IS_DIR))
        return error_set(error, SLIPWAY_ERROR_EXISTS,
                         "%s is a directory; name the file to be written", output);
    if (*ret_overwrite || !g_file_test(output, G_FILE_TEST_EXISTS))
        return TRUE;
    g_autofree char *question = g_strdup_printf("%s exists. Replace it?", output);
    g_autoptr(GError) why = NULL;
    *ret_overwrite = ui_confirm(session->ui, question, &why);
    if (*ret_overwrite)
        return TRUE;
    if (g_error_matches(why, SLIPWAY_ERROR, SLIPWAY_ERROR_CANCELLED)) {
        g_propagate_error(error, g_steal_pointer(&why));
        return FALSE;
    }
    return error_set(error, SLIPWAY_ERROR_EXISTS, "%s exists; --overwrite replaces it", output);
}

gboolean
session_export(struct session *session, const char *output, struct depot_set *depots,
               struct image_export *ret, GError **error)
{
    gboolean overwrite;
    const struct trust_store *trust;
    const struct depot_context *context = session_context(session, error);
    if (context == NULL || !session_overwrite(session, output, &overwrite, error) ||
        !session_trust(session, &trust, error))
        return FALSE;
    *ret = (struct image_export){
        .depots = depots,
        .context = context,
        .trust = trust,
        .force = session_flag(session, OPTION_FORCE),
        .overwrite = overwrite,
        .no_installer = session_flag(session, OPTION_NO_INSTALLER),
        .kernel_options = session_list(session, OPTION_KERNEL_OPTION),
        .kickstart = session_text(session, OPTION_KICKSTART),
        .base_iso = session_text(session, OPTION_BASE_ISO),
        .verified = session->workspace,
    };
    return TRUE;
}
