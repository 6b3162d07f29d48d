/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/known_depots.h"

#include "base/error.h"
#include "base/secret.h"
#include "base/url.h"

#include <jansson.h>

#define FILE_NAME "known-depots.json"
#define TOKEN_PLACE "{token}"

#ifndef SLIPWAY_DATADIR
#define SLIPWAY_DATADIR "/usr/share/slipway"
#endif

void
known_depot_free(struct known_depot *depot)
{
    if (depot == NULL)
        return;
    g_free(depot->name);
    g_free(depot->vendor);
    g_free(depot->description);
    g_free(depot->url);
    g_free(depot->token_help);
    g_free(depot->note);
    g_free(depot);
}

static void
free_element(gpointer depot)
{
    known_depot_free(depot);
}

const struct known_depot *
known_depots_find(GPtrArray *depots, const char *name)
{
    for (guint i = 0; i < depots->len; i++) {
        const struct known_depot *depot = depots->pdata[i];
        if (g_ascii_strcasecmp(depot->name, name) == 0)
            return depot;
    }
    return NULL;
}

static void
add_or_replace(GPtrArray *depots, struct known_depot *depot)
{
    for (guint i = 0; i < depots->len; i++) {
        struct known_depot *old = depots->pdata[i];
        if (g_ascii_strcasecmp(old->name, depot->name) != 0)
            continue;
        known_depot_free(old);
        depots->pdata[i] = depot;
        return;
    }
    g_ptr_array_add(depots, depot);
}

static struct known_depot *
parse_depot(json_t *object, const char *path, gsize index, GError **error)
{
    const char *name = NULL, *vendor = "", *description = "", *url = NULL;
    const char *token_help = NULL, *note = NULL;
    int needs_token = 0;
    json_t *null_url = json_object_get(object, "url");
    if (json_is_null(null_url))
        json_object_del(object, "url");
    json_error_t why;
    if (json_unpack_ex(object, &why, 0, "{s:s, s?s, s?s, s?s, s?b, s?s, s?s}", "name", &name,
                       "vendor", &vendor, "description", &description, "url", &url, "needs_token",
                       &needs_token, "token_help", &token_help, "note", &note) != 0)
        return error_null(error, SLIPWAY_ERROR_CORRUPT, "%s: depot %" G_GSIZE_FORMAT ": %s", path,
                          index + 1, why.text);
    if (*name == '\0' || (url != NULL && !url_is_http(url)))
        return error_null(error, SLIPWAY_ERROR_CORRUPT,
                          "%s: depot %" G_GSIZE_FORMAT " needs a name and an http or https URL",
                          path, index + 1);

    struct known_depot *depot = g_new0(struct known_depot, 1);
    depot->name = g_strdup(name);
    depot->vendor = g_strdup(vendor);
    depot->description = g_strdup(description);
    depot->url = g_strdup(url);
    depot->needs_token = needs_token != 0 || (url != NULL && strstr(url, TOKEN_PLACE) != NULL);
    depot->token_help = g_strdup(token_help);
    depot->note = g_strdup(note);
    return depot;
}

static gboolean
parse_document(json_t *root, const char *path, GPtrArray *depots, GError **error)
{
    json_t *list = json_object_get(root, "depots");
    if (!json_is_array(list))
        return error_set(error, SLIPWAY_ERROR_CORRUPT, "%s: no list called \"depots\" in it", path);
    gsize i;
    json_t *object;
    json_array_foreach(list, i, object)
    {
        struct known_depot *depot = parse_depot(object, path, i, error);
        if (depot == NULL)
            return FALSE;
        add_or_replace(depots, depot);
    }
    return TRUE;
}

static gboolean
load_file(const char *path, GPtrArray *depots, GError **error)
{
    g_autofree char *text = NULL;
    gsize length;
    g_autoptr(GError) problem = NULL;
    if (!g_file_get_contents(path, &text, &length, &problem)) {
        if (g_error_matches(problem, G_FILE_ERROR, G_FILE_ERROR_NOENT) ||
            g_error_matches(problem, G_FILE_ERROR, G_FILE_ERROR_NOTDIR))
            return TRUE;
        return error_set(error, SLIPWAY_ERROR_IO, "cannot read %s: %s", path, problem->message);
    }
    if (length > KNOWN_DEPOTS_MAX)
        return error_set(error, SLIPWAY_ERROR_LIMIT, "%s: larger than %u bytes", path,
                         KNOWN_DEPOTS_MAX);
    json_error_t why;
    json_t *root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &why);
    if (root == NULL)
        return error_set(error, SLIPWAY_ERROR_CORRUPT, "%s: line %d: %s", path, why.line, why.text);
    gboolean ok = parse_document(root, path, depots, error);
    json_decref(root);
    return ok;
}

/* The file that came with the program: beside an installed program in share/, beside a program
 * in a build tree in data/, and last where the installation was configured to put it. */
static char *
installed_path(void)
{
    const char *directory = g_getenv("SLIPWAY_DATA_DIR");
    if (directory != NULL && *directory != '\0')
        return g_build_filename(directory, FILE_NAME, NULL);

    g_autofree char *program = g_file_read_link("/proc/self/exe", NULL);
    g_autofree char *folder = program != NULL ? g_path_get_dirname(program) : NULL;
    static const char *const beside[] = {"../share/slipway", "../data"};
    for (gsize i = 0; folder != NULL && i < G_N_ELEMENTS(beside); i++) {
        g_autofree char *path = g_build_filename(folder, beside[i], FILE_NAME, NULL);
        if (g_file_test(path, G_FILE_TEST_IS_REGULAR))
            return g_canonicalize_filename(path, NULL);
    }
    return g_build_filename(SLIPWAY_DATADIR, FILE_NAME, NULL);
}

GPtrArray *
known_depots_load(GError **error)
{
    g_autoptr(GPtrArray) depots = g_ptr_array_new_with_free_func(free_element);
    g_autofree char *installed = installed_path();
    g_autofree char *user = g_build_filename(g_get_user_config_dir(), "slipway", FILE_NAME, NULL);
    if (!load_file(installed, depots, error) ||
        !load_file("/etc/slipway/" FILE_NAME, depots, error) || !load_file(user, depots, error))
        return NULL;
    return g_steal_pointer(&depots);
}

char *
known_depot_url(const struct known_depot *depot, const char *token, GError **error)
{
    if (depot->url == NULL)
        return error_null(error, SLIPWAY_ERROR_UNSUPPORTED, "depot %s has no public address%s%s",
                          depot->name, depot->note != NULL ? ": " : "",
                          depot->note != NULL ? depot->note : "");
    if (!depot->needs_token && token != NULL)
        return error_null(error, SLIPWAY_ERROR_USAGE, "depot %s takes no token", depot->name);
    if (depot->needs_token && token == NULL)
        return error_null(error, SLIPWAY_ERROR_USAGE,
                          "depot %s needs a download token: give --token-file or set "
                          "SLIPWAY_TOKEN%s%s",
                          depot->name, depot->token_help != NULL ? "; " : "",
                          depot->token_help != NULL ? depot->token_help : "");
    if (token == NULL)
        return g_strdup(depot->url);

    secret_register(token);
    g_autofree char *escaped = g_uri_escape_string(token, NULL, FALSE);
    GString *url = g_string_new(depot->url);
    g_string_replace(url, TOKEN_PLACE, escaped, 0);
    url_register_secrets(url->str);
    return g_string_free(url, FALSE);
}
