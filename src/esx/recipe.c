/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading a recipe.  Format: doc/format/recipe.md. */
#include "esx/recipe.h"

#include "base/error.h"
#include "base/stream.h"
#include "base/url.h"
#include "esx/yaml_map.h"

#include <string.h>

static void
free_depot(gpointer data)
{
    struct recipe_depot *depot = data;
    g_free(depot->known);
    g_free(depot->location);
    g_free(depot->token_file);
    g_free(depot->title);
    g_free(depot);
}

static GPtrArray *
new_texts(void)
{
    return g_ptr_array_new_null_terminated(1, g_free, TRUE);
}

static struct recipe *
new_recipe(const char *path)
{
    struct recipe *recipe = g_new0(struct recipe, 1);
    recipe->path = g_canonicalize_filename(path, NULL);
    recipe->depots = g_ptr_array_new_with_free_func(free_depot);
    recipe->add = new_texts();
    recipe->remove = new_texts();
    recipe->kernel_options = new_texts();
    recipe->trust = new_texts();
    recipe->signature_check = TRUE;
    return recipe;
}

void
recipe_free(struct recipe *recipe)
{
    if (recipe == NULL)
        return;
    g_ptr_array_unref(recipe->depots);
    g_ptr_array_unref(recipe->add);
    g_ptr_array_unref(recipe->remove);
    g_ptr_array_unref(recipe->kernel_options);
    g_ptr_array_unref(recipe->trust);
    char *texts[] = {recipe->path,         recipe->name,     recipe->vendor,   recipe->description,
                     recipe->base_profile, recipe->base_iso, recipe->kickstart};
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
        g_free(texts[i]);
    g_free(recipe);
}

/* ---- values ------------------------------------------------------------------------------- */

static gboolean
take_acceptance(const struct yaml_map *map, const struct yaml_key *key, const yaml_node_t *value,
                gpointer target)
{
    g_autofree char *text = yaml_map_text(map, key->name, value);
    if (text == NULL)
        return FALSE;
    if (!acceptance_parse(text, &G_STRUCT_MEMBER(enum acceptance, target, key->offset)))
        return yaml_map_fail(
            map, value,
            "'%s' is no acceptance level; there are community, partner, accepted and "
            "certified",
            text);
    return TRUE;
}

gboolean
recipe_is_file(const char *text)
{
    static const char *const prefixes[] = {"/", "./", "../"};
    static const char *const suffixes[] = {".vib", ".zip", ".tgz", ".tar.gz", ".tar"};
    g_autofree char *lower = g_ascii_strdown(text, -1);
    for (gsize i = 0; i < G_N_ELEMENTS(prefixes); i++)
        if (g_str_has_prefix(lower, prefixes[i]))
            return TRUE;
    for (gsize i = 0; i < G_N_ELEMENTS(suffixes); i++)
        if (g_str_has_suffix(lower, suffixes[i]))
            return TRUE;
    return FALSE;
}

static gboolean
take_package_item(const struct yaml_map *map, const struct yaml_key *key, const yaml_node_t *item,
                  GPtrArray *list)
{
    g_autofree char *text = yaml_map_text(map, key->name, item);
    if (text == NULL)
        return FALSE;
    g_ptr_array_add(list, recipe_is_file(text) ? yaml_map_path(map, text) : g_steal_pointer(&text));
    return TRUE;
}

static gboolean
take_packages(const struct yaml_map *map, const struct yaml_key *key, const yaml_node_t *value,
              gpointer target)
{
    return yaml_map_take_items(map, key, value, target, take_package_item);
}

/* ---- mappings ----------------------------------------------------------------------------- */

static gboolean
take_base(const struct yaml_map *map, const struct yaml_key *key G_GNUC_UNUSED,
          const yaml_node_t *value, gpointer target)
{
    static const struct yaml_key keys[] = {
        {"profile", yaml_map_take_text, G_STRUCT_OFFSET(struct recipe, base_profile)},
        {"iso", yaml_map_take_path, G_STRUCT_OFFSET(struct recipe, base_iso)},
    };
    const struct recipe *recipe = target;
    if (value->type != YAML_MAPPING_NODE)
        return yaml_map_fail(map, value, "'base' must be {profile: NAME} or {iso: FILE}");
    if (!yaml_map_take(map, keys, G_N_ELEMENTS(keys), value, target))
        return FALSE;
    if (recipe->base_profile == NULL && recipe->base_iso == NULL)
        return yaml_map_fail(map, value, "'base' must be {profile: NAME} or {iso: FILE}");
    return TRUE;
}

/* Locations are URLs or paths; what may be shown of them is decided here, once. */
static void
settle_location(const struct yaml_map *map, struct recipe_depot *depot)
{
    if (depot->location == NULL) {
        depot->title = g_strdup(depot->known);
    } else if (url_is_http(depot->location)) {
        url_register_secrets(depot->location);
        depot->title = url_redact(depot->location);
    } else {
        depot->title = g_steal_pointer(&depot->location);
        depot->location = yaml_map_path(map, depot->title);
    }
}

static gboolean
take_depot_mapping(const struct yaml_map *map, const yaml_node_t *item, struct recipe_depot *depot)
{
    static const struct yaml_key keys[] = {
        {"known", yaml_map_take_text, G_STRUCT_OFFSET(struct recipe_depot, known)},
        {"location", yaml_map_take_text, G_STRUCT_OFFSET(struct recipe_depot, location)},
        {"token_file", yaml_map_take_path, G_STRUCT_OFFSET(struct recipe_depot, token_file)},
    };
    if (!yaml_map_take(map, keys, G_N_ELEMENTS(keys), item, depot))
        return FALSE;
    if ((depot->known == NULL) == (depot->location == NULL))
        return yaml_map_fail(map, item, "an entry of 'depots' has either 'known' or 'location'");
    if (depot->location != NULL && depot->token_file != NULL &&
        strstr(depot->location, "{token}") == NULL)
        return yaml_map_fail(map, item, "'token_file' needs a 'location' with {token} in it");
    return TRUE;
}

static gboolean
take_depot_item(const struct yaml_map *map, const struct yaml_key *key, const yaml_node_t *item,
                GPtrArray *list)
{
    struct recipe_depot *depot = g_new0(struct recipe_depot, 1);
    g_ptr_array_add(list, depot);
    gboolean ok;
    if (item->type == YAML_MAPPING_NODE)
        ok = take_depot_mapping(map, item, depot);
    else
        ok = (depot->location = yaml_map_text(map, key->name, item)) != NULL;
    if (ok)
        settle_location(map, depot);
    return ok;
}

static gboolean
take_depots(const struct yaml_map *map, const struct yaml_key *key, const yaml_node_t *value,
            gpointer target)
{
    return yaml_map_take_items(map, key, value, target, take_depot_item);
}

#define AT(field) G_STRUCT_OFFSET(struct recipe, field)

static const struct yaml_key recipe_keys[] = {
    {"name", yaml_map_take_text, AT(name)},
    {"vendor", yaml_map_take_text, AT(vendor)},
    {"description", yaml_map_take_text, AT(description)},
    {"acceptance", take_acceptance, AT(acceptance)},
    {"depots", take_depots, AT(depots)},
    {"base", take_base, 0},
    {"add", take_packages, AT(add)},
    {"remove", yaml_map_take_texts, AT(remove)},
    {"kickstart", yaml_map_take_path, AT(kickstart)},
    {"kernel_options", yaml_map_take_texts, AT(kernel_options)},
    {"no_installer", yaml_map_take_boolean, AT(no_installer)},
    {"lower_acceptance", yaml_map_take_boolean, AT(lower_acceptance)},
    {"force", yaml_map_take_boolean, AT(force)},
    {"trust", yaml_map_take_paths, AT(trust)},
    {"signature_check", yaml_map_take_boolean, AT(signature_check)},
};

/* ---- the document ------------------------------------------------------------------------- */

static gboolean
check_recipe(const struct yaml_map *map, const struct recipe *recipe)
{
    if (recipe->base_profile == NULL && recipe->base_iso == NULL)
        return error_set(map->error, SLIPWAY_ERROR_USAGE,
                         "%s: has no 'base'; say {profile: NAME} or {iso: FILE}", map->label);
    if (recipe->base_profile != NULL && recipe->depots->len == 0)
        return error_set(map->error, SLIPWAY_ERROR_USAGE,
                         "%s: has no 'depots'; say where profile '%s' is to be found", map->label,
                         recipe->base_profile);
    return TRUE;
}

static gboolean
take_root(const struct yaml_map *map, const yaml_node_t *root, gpointer target)
{
    if (root->type != YAML_MAPPING_NODE)
        return yaml_map_fail(map, root, "a recipe is made of 'key: value' lines");
    return yaml_map_take(map, recipe_keys, G_N_ELEMENTS(recipe_keys), root, target) &&
           check_recipe(map, target);
}

struct recipe *
recipe_load(const char *path, GError **error)
{
    auto_ptr(stream) stream = stream_new_file(path, error);
    if (stream == NULL)
        return NULL;
    g_autoptr(GBytes) bytes = stream_read_all(stream, RECIPE_MAX, error);
    if (bytes == NULL)
        return NULL;
    auto_ptr(recipe) recipe = new_recipe(path);
    g_autofree char *directory = g_path_get_dirname(recipe->path);
    if (!yaml_map_read(bytes, path, directory, take_root, recipe, error))
        return NULL;
    return g_steal_pointer(&recipe);
}

char *
recipe_path_title(const struct recipe *recipe, const char *path)
{
    g_autofree char *directory = g_path_get_dirname(recipe->path);
    gsize length = strlen(directory);
    if (strncmp(path, directory, length) == 0 && path[length] == '/')
        return g_utf8_make_valid(path + length + 1, -1);
    return g_utf8_make_valid(path, -1);
}
