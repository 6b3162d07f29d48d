/* SPDX-License-Identifier: GPL-3.0-or-later */
/* inventory_tree.h: which object of the inventory is where: names, parents, paths.
 *
 * Paths are as the command-line tools of the trade write them: "/DC0/vm/prod", "/DC0/host/C0/
 * Resources/p1", without the root folder.  Names are as the API gives them: in these a slash, a
 * backslash and a percent sign are "%2f", "%5c", "%25".  One thread. */
#pragma once

#include "hyper/vsphere/vim.h"

#define INVENTORY_DEPTH_MAX 64u

struct inventory_tree;

struct inventory_node {
    struct moref self;
    char *name;
    struct moref parent; /* value NULL: none */
};

/* Empty: what is asked for is looked up then; or after inventory_tree_fill() is there.  `vim` NULL:
 * there is what was added, and nothing else. */
struct inventory_tree *inventory_tree_new(struct vim *vim);
void inventory_tree_free(struct inventory_tree *tree);
AUTO_PTR_DEFINE(inventory_tree, inventory_tree_free)
struct vim *inventory_tree_vim(const struct inventory_tree *tree); /* borrowed */
/* An object that was read with "name" and "parent" at least. */
void inventory_tree_add(struct inventory_tree *tree, const struct vim_object *object);
/* Read all of it at once. */
gboolean inventory_tree_fill(struct inventory_tree *tree, GError **error);

/* NULL for what is not there or may not be seen, and without an error; also when the server could
 * not be asked: inventory_tree_failure(). */
const struct inventory_node *inventory_tree_get(struct inventory_tree *tree,
                                                const struct moref *moref);
/* Why an object could not be looked up, of the first that could not, so that what is missing is not
 * taken for what is not there; NULL; borrowed. */
const GError *inventory_tree_failure(const struct inventory_tree *tree);
/* The next one above (not itself) of that type or one that extends it; NULL. */
const struct inventory_node *inventory_tree_above(struct inventory_tree *tree,
                                                  const struct moref *moref, const char *type);
/* Free with g_free(); "/" for the root, NULL for what is not known. */
char *inventory_tree_path(struct inventory_tree *tree, const struct moref *moref);
/* The same below (not with) the next object of type `top`: "Resources/p1". */
char *inventory_tree_path_below(struct inventory_tree *tree, const struct moref *moref,
                                const char *top);
/* The name of a distributed port group by its key; NULL. */
const char *inventory_tree_port_group(struct inventory_tree *tree, const char *key);

/* Calls `visit` with every node that is known. */
void inventory_tree_each(struct inventory_tree *tree,
                         void (*visit)(const struct inventory_node *node, gpointer user),
                         gpointer user);
