/* SPDX-License-Identifier: GPL-3.0-or-later */
/* yaml_map.h: reading a YAML mapping into a struct by a table of keys.
 *
 * libyaml's document tree rather than a schema library: a value may be a text here and a mapping
 * there, and every error names file, line and key.  Everything here fails with
 * SLIPWAY_ERROR_USAGE, for a person wrote the file.  Anchors and aliases work; one document a
 * file. */
#pragma once

#include <glib.h>
#include <yaml.h>

#define YAML_LIST_MAX 4096

/* A document that is being read. */
struct yaml_map {
    const char *label;     /* the file, for errors */
    const char *directory; /* what relative paths resolve against */
    yaml_document_t *document;
    GError **error;
};

struct yaml_key {
    const char *name;
    /* Take the value of the key into the field at `offset` of `target`. */
    gboolean (*take)(const struct yaml_map *map, const struct yaml_key *key,
                     const yaml_node_t *value, gpointer target);
    gsize offset;
};

/* Parse `bytes` and let `take_root` have the root node; more than one document is an error. */
gboolean yaml_map_read(GBytes *bytes, const char *label, const char *directory,
                       gboolean (*take_root)(const struct yaml_map *map, const yaml_node_t *root,
                                             gpointer target),
                       gpointer target, GError **error);

/* Set the error "LABEL: line N: text" for `node`, and return FALSE. */
gboolean yaml_map_fail(const struct yaml_map *map, const yaml_node_t *node, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

/* Take each pair of the mapping `node` by its row of `keys`; unknown keys and keys that come twice
 * are errors. */
gboolean yaml_map_take(const struct yaml_map *map, const struct yaml_key *keys, gsize n,
                       const yaml_node_t *node, gpointer target);

/* The trimmed text of a scalar, never empty; NULL with an error that calls it `name`. */
char *yaml_map_text(const struct yaml_map *map, const char *name, const yaml_node_t *node);
/* `path` made absolute against the directory.  Free with g_free(). */
char *yaml_map_path(const struct yaml_map *map, const char *path);

/* For tables of keys: a char *, a char * that is a path, a gboolean. */
gboolean yaml_map_take_text(const struct yaml_map *map, const struct yaml_key *key,
                            const yaml_node_t *value, gpointer target);
gboolean yaml_map_take_path(const struct yaml_map *map, const struct yaml_key *key,
                            const yaml_node_t *value, gpointer target);
gboolean yaml_map_take_boolean(const struct yaml_map *map, const struct yaml_key *key,
                               const yaml_node_t *value, gpointer target);
/* A list of texts, or of paths, appended to a GPtrArray that is there.  No value: no entries. */
gboolean yaml_map_take_texts(const struct yaml_map *map, const struct yaml_key *key,
                             const yaml_node_t *value, gpointer target);
gboolean yaml_map_take_paths(const struct yaml_map *map, const struct yaml_key *key,
                             const yaml_node_t *value, gpointer target);

/* The same for entries of any kind. */
typedef gboolean (*yaml_item_func)(const struct yaml_map *map, const struct yaml_key *key,
                                   const yaml_node_t *item, GPtrArray *list);
gboolean yaml_map_take_items(const struct yaml_map *map, const struct yaml_key *key,
                             const yaml_node_t *value, gpointer target, yaml_item_func take);
