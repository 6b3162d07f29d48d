/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/recipe_depots.h"

#include "base/error.h"
#include "base/secret.h"
#include "base/url.h"
#include "esx/known_depots.h"

#include <string.h>

#define TOKEN_PLACE "{token}"
#define TOKEN_VARIABLE "SLIPWAY_TOKEN"

static struct recipe_depots *
new_depots(void)
{
    struct recipe_depots *depots = g_new0(struct recipe_depots, 1);
    depots->set = depot_set_new();
    depots->titles = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    depots->added = g_ptr_array_new();
    return depots;
}

void
recipe_depots_free(struct recipe_depots *depots)
{
    if (depots == NULL)
        return;
    g_ptr_array_unref(depots->added);
    g_hash_table_unref(depots->titles);
    depot_set_free(depots->set);
    g_free(depots);
}

/* *ret_token is NULL when there is none to be had. */
static gboolean
read_token(const struct recipe_depot *depot, char **ret_token, GError **error)
{
    *ret_token = NULL;
    if (depot->token_file != NULL) {
        *ret_token = secret_read_file(depot->token_file, error);
        return *ret_token != NULL;
    }
    const char *token = g_getenv(TOKEN_VARIABLE);
    if (token == NULL || *token == '\0')
        return TRUE;
    secret_register(token);
    *ret_token = g_strdup(token);
    return TRUE;
}

static char *
known_location(const struct recipe_depot *depot, GError **error)
{
    g_autoptr(GPtrArray) list = known_depots_load(error);
    if (list == NULL)
        return NULL;
    const struct known_depot *known = known_depots_find(list, depot->known);
    if (known == NULL)
        return error_null(error, SLIPWAY_ERROR_NOT_FOUND,
                          "no known depot is called '%s'; `slipway depot known` lists them",
                          depot->known);
    char *token = NULL;
    if (known->needs_token && !read_token(depot, &token, error))
        return NULL;
    char *url = known_depot_url(known, token, error);
    secret_free(token);
    return url;
}

static char *
plain_location(const struct recipe_depot *depot, GError **error)
{
    if (strstr(depot->location, TOKEN_PLACE) == NULL)
        return g_strdup(depot->location);
    char *token;
    if (!read_token(depot, &token, error))
        return NULL;
    if (token == NULL)
        return error_null(error, SLIPWAY_ERROR_USAGE,
                          "depot %s needs a token: give it a 'token_file', or set %s", depot->title,
                          TOKEN_VARIABLE);
    g_autofree char *escaped = g_uri_escape_string(token, NULL, FALSE);
    GString *url = g_string_new(depot->location);
    g_string_replace(url, TOKEN_PLACE, escaped, 0);
    secret_free(token);
    url_register_secrets(url->str);
    return g_string_free(url, FALSE);
}

static struct depot *
load(struct recipe_depots *depots, const char *location, const char *title,
     const struct depot_context *context, GError **error)
{
    struct depot *depot = depot_load(location, context, error);
    if (depot == NULL)
        return NULL;
    g_hash_table_insert(depots->titles, depot, g_strdup(title));
    depot_set_add(depots->set, depot);
    return depot;
}

static gboolean
load_listed(struct recipe_depots *depots, const struct recipe *recipe,
            const struct depot_context *context, GError **error)
{
    for (guint i = 0; i < recipe->depots->len; i++) {
        const struct recipe_depot *entry = recipe->depots->pdata[i];
        g_autofree char *location =
            entry->known != NULL ? known_location(entry, error) : plain_location(entry, error);
        if (location == NULL || load(depots, location, entry->title, context, error) == NULL)
            return FALSE;
    }
    return TRUE;
}

static gboolean
load_file(struct recipe_depots *depots, const struct recipe *recipe, const char *path,
          const struct depot_context *context, GError **error)
{
    g_autofree char *lower = g_ascii_strdown(path, -1);
    g_autofree char *title = recipe_path_title(recipe, path);
    if (!g_str_has_suffix(lower, ".vib") && !g_str_has_suffix(lower, ".zip"))
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "'add': %s is neither a .vib nor a .zip; make a VIB of it first with "
                         "`slipway vib build`",
                         title);
    const struct depot *depot = load(depots, path, title, context, error);
    if (depot == NULL)
        return FALSE;
    g_ptr_array_extend(depots->added, depot->packages, NULL, NULL);
    return TRUE;
}

struct recipe_depots *
recipe_depots_load(const struct recipe *recipe, gboolean files, const struct depot_context *context,
                   GError **error)
{
    auto_ptr(recipe_depots) depots = new_depots();
    if (!load_listed(depots, recipe, context, error))
        return NULL;
    for (guint i = 0; files && i < recipe->add->len; i++)
        if (recipe_is_file(recipe->add->pdata[i]) &&
            !load_file(depots, recipe, recipe->add->pdata[i], context, error))
            return NULL;
    return g_steal_pointer(&depots);
}

const char *
recipe_depots_title(const struct recipe_depots *depots, const struct package *package)
{
    return g_hash_table_lookup(depots->titles, package->depot);
}
