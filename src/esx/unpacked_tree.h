/* SPDX-License-Identifier: GPL-3.0-or-later */
/* unpacked_tree.h: the members of an archive as files below one directory, and nowhere else.
 *
 * No symbolic link is ever followed: a directory on the way must be a real one, a file is made
 * anew.  Setuid bits are dropped.  One object belongs to one thread. */
#pragma once

#include "esx/visor_tar.h"

struct unpacked_tree;

/* Make the directory `path` (its parent must exist).  When it is there already that is
 * SLIPWAY_ERROR_EXISTS unless `overwrite`; then files of the same names are replaced. */
struct unpacked_tree *unpacked_tree_new(const char *path, gboolean overwrite, GError **error);
void unpacked_tree_free(struct unpacked_tree *tree);
AUTO_PTR_DEFINE(unpacked_tree, unpacked_tree_free)

/* Put one member there; `data` as visor_member_func gets it.  SLIPWAY_ERROR_EXISTS,
 * SLIPWAY_ERROR_CORRUPT (a member below something that is no directory), SLIPWAY_ERROR_IO. */
gboolean unpacked_tree_add(struct unpacked_tree *tree, const struct visor_member *member,
                           struct stream *data, GError **error);
