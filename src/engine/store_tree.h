/* SPDX-License-Identifier: GPL-3.0-or-later */
/* store_tree.h: a store as a tree of folders (FUSE): MACHINE/TIME/DISK.raw, each disk a raw file
 * that is read out of its set.
 *
 * TIME is that of the set in UTC ("2026-11-26T09:00:00Z"), with the beginning of the set's id
 * behind it where two have the same.  What cannot be in a file name is written %XX.  Sets that come
 * and go are seen after some seconds.  A lease is held, so that prune leaves alone what is being
 * read. */
#pragma once

#include "engine/set_cache.h"
#include "target/disk_tree.h"

struct store_tree;

struct store_tree_options {
    struct set_cache_options cache;
    struct disk_tree_options mount;
};

/* `store` is borrowed.  Fails as disk_tree_mount(), locator_new() and store_sets_list(). */
struct store_tree *store_tree_mount(struct store *store, const struct store_tree_options *options,
                                    GError **error);
void store_tree_unmount(struct store_tree *tree);
AUTO_PTR_DEFINE(store_tree, store_tree_unmount)
gboolean store_tree_is_gone(struct store_tree *tree);
