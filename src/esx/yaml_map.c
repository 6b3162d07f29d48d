/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/yaml_map.h"

#include "base/error.h"
#include "esx/near_name.h"
#include "esx/word_list.h"

#include <string.h>

#define KEYS_SHOWN 20

gboolean
yaml_map_fail(const struct yaml_map *map, const yaml_node_t *node, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    return error_set(map->error, SLIPWAY_ERROR_USAGE, "%s: line %" G_GSIZE_FORMAT ": %s",
                     map->label, node->start_mark.line + 1, text);
}

static const yaml_node_t *
node_at(const struct yaml_map *map, int index)
{
    return yaml_document_get_node(map->document, index);
}

/* `key:` with nothing behind it, `~` or `null`. */
static gboolean
is_null(const yaml_node_t *node)
{
    if (node->type != YAML_SCALAR_NODE || node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
        return FALSE;
    const char *text = (const char *)node->data.scalar.value;
    return *text == '\0' || strcmp(text, "~") == 0 || strcmp(text, "null") == 0;
}

/* The text of a scalar, trimmed; NULL with an error when it is none. */
char *
yaml_map_text(const struct yaml_map *map, const char *name, const yaml_node_t *node)
{
    if (node->type != YAML_SCALAR_NODE) {
        yaml_map_fail(map, node, "'%s' must be a text", name);
        return NULL;
    }
    g_autofree char *text = g_strstrip(g_strdup((const char *)node->data.scalar.value));
    if (is_null(node) || *text == '\0')
        yaml_map_fail(map, node, "'%s' has no value", name);
    else if (strlen((const char *)node->data.scalar.value) != node->data.scalar.length)
        yaml_map_fail(map, node, "'%s' holds a NUL byte", name);
    else
        return g_steal_pointer(&text);
    return NULL;
}

gboolean
yaml_map_take_text(const struct yaml_map *map, const struct yaml_key *key, const yaml_node_t *value,
                   gpointer target)
{
    char **field = &G_STRUCT_MEMBER(char *, target, key->offset);
    *field = yaml_map_text(map, key->name, value);
    return *field != NULL;
}

char *
yaml_map_path(const struct yaml_map *map, const char *path)
{
    return g_canonicalize_filename(path, map->directory);
}

gboolean
yaml_map_take_path(const struct yaml_map *map, const struct yaml_key *key, const yaml_node_t *value,
                   gpointer target)
{
    g_autofree char *text = yaml_map_text(map, key->name, value);
    if (text == NULL)
        return FALSE;
    G_STRUCT_MEMBER(char *, target, key->offset) = yaml_map_path(map, text);
    return TRUE;
}

gboolean
yaml_map_take_boolean(const struct yaml_map *map, const struct yaml_key *key,
                      const yaml_node_t *value, gpointer target)
{
    g_autofree char *text = yaml_map_text(map, key->name, value);
    if (text == NULL)
        return FALSE;
    gboolean is_true = strcmp(text, "true") == 0;
    if (!is_true && strcmp(text, "false") != 0)
        return yaml_map_fail(map, value, "'%s' must be true or false, not '%s'", key->name, text);
    G_STRUCT_MEMBER(gboolean, target, key->offset) = is_true;
    return TRUE;
}

gboolean
yaml_map_take_items(const struct yaml_map *map, const struct yaml_key *key,
                    const yaml_node_t *value, gpointer target, yaml_item_func take)
{
    GPtrArray *list = G_STRUCT_MEMBER(GPtrArray *, target, key->offset);
    if (is_null(value))
        return TRUE;
    if (value->type != YAML_SEQUENCE_NODE)
        return yaml_map_fail(map, value, "'%s' must be a list, one entry a line behind a dash",
                             key->name);
    const yaml_node_item_t *end = value->data.sequence.items.top;
    for (const yaml_node_item_t *item = value->data.sequence.items.start; item < end; item++) {
        if (list->len == YAML_LIST_MAX)
            return yaml_map_fail(map, value, "'%s' has more than %d entries", key->name,
                                 YAML_LIST_MAX);
        if (!take(map, key, node_at(map, *item), list))
            return FALSE;
    }
    return TRUE;
}

static gboolean
take_text_item(const struct yaml_map *map, const struct yaml_key *key, const yaml_node_t *item,
               GPtrArray *list)
{
    char *text = yaml_map_text(map, key->name, item);
    if (text != NULL)
        g_ptr_array_add(list, text);
    return text != NULL;
}

static gboolean
take_path_item(const struct yaml_map *map, const struct yaml_key *key, const yaml_node_t *item,
               GPtrArray *list)
{
    g_autofree char *text = yaml_map_text(map, key->name, item);
    if (text != NULL)
        g_ptr_array_add(list, yaml_map_path(map, text));
    return text != NULL;
}

gboolean
yaml_map_take_texts(const struct yaml_map *map, const struct yaml_key *key,
                    const yaml_node_t *value, gpointer target)
{
    return yaml_map_take_items(map, key, value, target, take_text_item);
}

gboolean
yaml_map_take_paths(const struct yaml_map *map, const struct yaml_key *key,
                    const yaml_node_t *value, gpointer target)
{
    return yaml_map_take_items(map, key, value, target, take_path_item);
}

static gboolean
fail_unknown_key(const struct yaml_map *map, const struct yaml_key *keys, gsize n,
                 const yaml_node_t *node, const char *name)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    for (gsize i = 0; i < n; i++)
        g_ptr_array_add(names, (gpointer)keys[i].name);
    g_autofree char *hint = near_name_hint(name, names);
    g_autofree char *all = word_list_format(names, KEYS_SHOWN, "and");
    if (*hint != '\0')
        return yaml_map_fail(map, node, "unknown key '%.80s'%s", name, hint);
    return yaml_map_fail(map, node, "unknown key '%.80s'; there are %s", name, all);
}

static gboolean
take_pair(const struct yaml_map *map, const struct yaml_key *keys, gsize n,
          const yaml_node_pair_t *pair, gboolean *seen, gpointer target)
{
    const yaml_node_t *node = node_at(map, pair->key);
    g_autofree char *name = yaml_map_text(map, "a key", node);
    if (name == NULL)
        return FALSE;
    for (gsize i = 0; i < n; i++) {
        if (strcmp(name, keys[i].name) != 0)
            continue;
        if (seen[i])
            return yaml_map_fail(map, node, "the key '%s' is there twice", name);
        seen[i] = TRUE;
        return keys[i].take(map, &keys[i], node_at(map, pair->value), target);
    }
    return fail_unknown_key(map, keys, n, node, name);
}

gboolean
yaml_map_take(const struct yaml_map *map, const struct yaml_key *keys, gsize n,
              const yaml_node_t *node, gpointer target)
{
    g_autofree gboolean *seen = g_new0(gboolean, n);
    const yaml_node_pair_t *end = node->data.mapping.pairs.top;
    for (const yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < end; pair++)
        if (!take_pair(map, keys, n, pair, seen, target))
            return FALSE;
    return TRUE;
}

static gboolean
fail_yaml(const yaml_parser_t *parser, const char *label, GError **error)
{
    return error_set(error, SLIPWAY_ERROR_USAGE, "%s: line %" G_GSIZE_FORMAT ": is no YAML: %s",
                     label, parser->problem_mark.line + 1,
                     parser->problem != NULL ? parser->problem : "cannot be read");
}

/* A second document would be ignored in silence: refuse it. */
static gboolean
check_single(yaml_parser_t *parser, const char *label, GError **error)
{
    yaml_document_t next;
    if (!yaml_parser_load(parser, &next))
        return fail_yaml(parser, label, error);
    gboolean single = yaml_document_get_root_node(&next) == NULL;
    yaml_document_delete(&next);
    return single ||
           error_set(error, SLIPWAY_ERROR_USAGE, "%s: has more than one YAML document", label);
}

static gboolean
take_document(const struct yaml_map *map,
              gboolean (*take_root)(const struct yaml_map *map, const yaml_node_t *root,
                                    gpointer target),
              gpointer target)
{
    const yaml_node_t *root = yaml_document_get_root_node(map->document);
    if (root == NULL)
        return error_set(map->error, SLIPWAY_ERROR_USAGE, "%s: is empty", map->label);
    return take_root(map, root, target);
}

gboolean
yaml_map_read(GBytes *bytes, const char *label, const char *directory,
              gboolean (*take_root)(const struct yaml_map *map, const yaml_node_t *root,
                                    gpointer target),
              gpointer target, GError **error)
{
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser))
        g_error("out of memory");
    gsize length;
    const void *data = g_bytes_get_data(bytes, &length);
    yaml_parser_set_input_string(&parser, length > 0 ? data : (const void *)"", length);
    yaml_document_t document;
    gboolean ok = yaml_parser_load(&parser, &document);
    if (ok) {
        struct yaml_map map = {label, directory, &document, error};
        ok = take_document(&map, take_root, target) && check_single(&parser, label, error);
        yaml_document_delete(&document);
    } else {
        fail_yaml(&parser, label, error);
    }
    yaml_parser_delete(&parser);
    return ok;
}
