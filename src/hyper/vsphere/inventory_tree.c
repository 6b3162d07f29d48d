/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/vsphere/inventory_tree.h"

#include "base/error.h"

#include <string.h>

struct inventory_tree {
    struct vim *vim;
    GHashTable *nodes; /* char * "Type:value" -> struct inventory_node *, NULL: not there */
    gboolean full;
    GError *failure;         /* the first of a look-up; NULL */
    GHashTable *port_groups; /* char * key -> char * name; NULL: not read yet */
};

static const char *const paths[] = {"name", "parent", NULL};

static void
free_node(gpointer data)
{
    struct inventory_node *node = data;
    if (node == NULL)
        return;
    moref_clear(&node->self);
    moref_clear(&node->parent);
    g_free(node->name);
    g_free(node);
}

struct inventory_tree *
inventory_tree_new(struct vim *vim)
{
    struct inventory_tree *tree = g_new0(struct inventory_tree, 1);
    tree->vim = vim;
    tree->full = vim == NULL;
    tree->nodes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_node);
    return tree;
}

void
inventory_tree_free(struct inventory_tree *tree)
{
    if (tree == NULL)
        return;
    g_hash_table_unref(tree->nodes);
    g_clear_pointer(&tree->port_groups, g_hash_table_unref);
    g_clear_error(&tree->failure);
    g_free(tree);
}

struct vim *
inventory_tree_vim(const struct inventory_tree *tree)
{
    return tree->vim;
}

void
inventory_tree_add(struct inventory_tree *tree, const struct vim_object *object)
{
    struct inventory_node *node = g_new0(struct inventory_node, 1);
    moref_copy(&node->self, &object->self);
    node->name = vim_property_text(object, "name");
    vim_property_moref(object, "parent", &node->parent);
    if (node->name == NULL)
        node->name = g_strdup("");
    g_hash_table_replace(tree->nodes, moref_format(&node->self), node);
}

gboolean
inventory_tree_fill(struct inventory_tree *tree, GError **error)
{
    g_autoptr(GPtrArray) all = vim_find_all(tree->vim, "ManagedEntity", NULL, paths, error);
    if (all == NULL)
        return FALSE;
    for (guint i = 0; i < all->len; i++)
        inventory_tree_add(tree, all->pdata[i]);
    tree->full = TRUE;
    return TRUE;
}

const GError *
inventory_tree_failure(const struct inventory_tree *tree)
{
    return tree->failure;
}

/* What is not there or may not be seen is remembered; what failed may be there the next time. */
static void
note_missing(struct inventory_tree *tree, char *key, GError *failure)
{
    if (g_error_matches(failure, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND) ||
        g_error_matches(failure, SLIPWAY_ERROR, SLIPWAY_ERROR_DENIED)) {
        g_hash_table_insert(tree->nodes, key, NULL);
        g_error_free(failure);
        return;
    }
    g_free(key);
    if (tree->failure == NULL)
        tree->failure = failure;
    else
        g_error_free(failure);
}

const struct inventory_node *
inventory_tree_get(struct inventory_tree *tree, const struct moref *moref)
{
    gpointer node = NULL;
    if (moref->value == NULL)
        return NULL;
    char *key = moref_format(moref);
    gboolean known = g_hash_table_lookup_extended(tree->nodes, key, NULL, &node);
    if (known || tree->full) {
        g_free(key);
        return node;
    }
    GError *failure = NULL;
    auto_ptr(vim_object) object = vim_get(tree->vim, moref, paths, &failure);
    if (object == NULL) {
        note_missing(tree, key, failure);
        return NULL;
    }
    g_free(key);
    inventory_tree_add(tree, object);
    key = moref_format(&object->self);
    node = g_hash_table_lookup(tree->nodes, key);
    g_free(key);
    return node;
}

const struct inventory_node *
inventory_tree_above(struct inventory_tree *tree, const struct moref *moref, const char *type)
{
    const struct inventory_node *node = inventory_tree_get(tree, moref);
    for (guint depth = 0; node != NULL && depth < INVENTORY_DEPTH_MAX; depth++) {
        node = inventory_tree_get(tree, &node->parent);
        if (node != NULL && vim_is_of(node->self.type, type))
            return node;
    }
    return NULL;
}

/* Names up to the root, or to an object of type `top`, which is not among them. */
static GString *
join(struct inventory_tree *tree, const struct moref *moref, const char *top, gboolean *ret_found)
{
    static const struct moref nothing = {0};
    const struct moref *root = tree->vim != NULL ? &vim_service(tree->vim)->root_folder : &nothing;
    const struct inventory_node *node = inventory_tree_get(tree, moref);
    GString *path = g_string_new(NULL);
    *ret_found = top == NULL && (moref_equal(moref, root) || node != NULL);
    for (guint depth = 0; node != NULL && depth < INVENTORY_DEPTH_MAX; depth++) {
        gboolean end = top != NULL ? vim_is_of(node->self.type, top) && depth > 0
                                   : moref_equal(&node->self, root);
        if (end) {
            *ret_found = TRUE;
            break;
        }
        g_string_prepend(path, node->name);
        g_string_prepend_c(path, '/');
        node = inventory_tree_get(tree, &node->parent);
    }
    return path;
}

char *
inventory_tree_path(struct inventory_tree *tree, const struct moref *moref)
{
    gboolean found = FALSE;
    GString *path = join(tree, moref, NULL, &found);
    if (found && path->len == 0)
        g_string_append_c(path, '/');
    return g_string_free(path, !found);
}

char *
inventory_tree_path_below(struct inventory_tree *tree, const struct moref *moref, const char *top)
{
    gboolean found = FALSE;
    GString *path = join(tree, moref, top, &found);
    if (path->len > 0)
        g_string_erase(path, 0, 1);
    return g_string_free(path, !found);
}

const char *
inventory_tree_port_group(struct inventory_tree *tree, const char *key)
{
    static const char *const group_paths[] = {"key", "name", NULL};
    if (tree->port_groups == NULL) {
        tree->port_groups = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        g_autoptr(GPtrArray) groups =
            tree->vim != NULL
                ? vim_find_all(tree->vim, "DistributedVirtualPortgroup", NULL, group_paths, NULL)
                : NULL;
        for (guint i = 0; groups != NULL && i < groups->len; i++) {
            char *own = vim_property_text(groups->pdata[i], "key");
            char *name = vim_property_text(groups->pdata[i], "name");
            if (own != NULL && name != NULL)
                g_hash_table_replace(tree->port_groups, g_steal_pointer(&own),
                                     g_steal_pointer(&name));
            g_free(own);
            g_free(name);
        }
    }
    return g_hash_table_lookup(tree->port_groups, key);
}

void
inventory_tree_each(struct inventory_tree *tree,
                    void (*visit)(const struct inventory_node *node, gpointer user), gpointer user)
{
    GHashTableIter iter;
    gpointer node = NULL;
    g_hash_table_iter_init(&iter, tree->nodes);
    while (g_hash_table_iter_next(&iter, NULL, &node))
        if (node != NULL)
            visit(node, user);
}
