/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/vsphere/tag_names.h"

#include "base/error.h"

struct tag_names {
    struct rest *rest;
    GHashTable *tags;       /* char * id -> char * "category/tag" */
    GHashTable *categories; /* char * id -> char * name */
};

struct tag_names *
tag_names_new(struct rest *rest)
{
    struct tag_names *names = g_new0(struct tag_names, 1);
    names->rest = rest;
    names->tags = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    names->categories = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    return names;
}

void
tag_names_free(struct tag_names *names)
{
    if (names == NULL)
        return;
    g_hash_table_unref(names->tags);
    g_hash_table_unref(names->categories);
    g_free(names);
}

const char *
tag_names_category(struct tag_names *names, const char *id, GError **error)
{
    const char *known = g_hash_table_lookup(names->categories, id);
    if (known != NULL)
        return known;
    if (g_hash_table_size(names->categories) >= TAG_NAMES_MAX)
        return error_null(error, SLIPWAY_ERROR_LIMIT, "more than %u categories of tags",
                          TAG_NAMES_MAX);
    json_t *answer = rest_get(names->rest, "category", id, error);
    if (answer == NULL)
        return NULL;
    char *name = rest_text(json_object_get(answer, "name"));
    json_decref(answer);
    if (name == NULL)
        return error_null(error, SLIPWAY_ERROR_CORRUPT, "a category of tags without a name");
    g_hash_table_insert(names->categories, g_strdup(id), name);
    return name;
}

const char *
tag_names_tag(struct tag_names *names, const char *id, GError **error)
{
    const char *known = g_hash_table_lookup(names->tags, id);
    if (known != NULL)
        return known;
    if (g_hash_table_size(names->tags) >= TAG_NAMES_MAX)
        return error_null(error, SLIPWAY_ERROR_LIMIT, "more than %u tags", TAG_NAMES_MAX);
    json_t *answer = rest_get(names->rest, "tag", id, error);
    if (answer == NULL)
        return NULL;
    g_autofree char *name = rest_text(json_object_get(answer, "name"));
    g_autofree char *category = rest_text(json_object_get(answer, "category_id"));
    json_decref(answer);
    if (name == NULL)
        return error_null(error, SLIPWAY_ERROR_CORRUPT, "a tag without a name");
    const char *of = category != NULL ? tag_names_category(names, category, error) : NULL;
    if (category != NULL && of == NULL)
        return NULL;
    char *full = of != NULL ? g_strconcat(of, "/", name, NULL) : g_strdup(name);
    g_hash_table_insert(names->tags, g_strdup(id), full);
    return full;
}
