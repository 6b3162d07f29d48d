/* SPDX-License-Identifier: GPL-3.0-or-later */
/* disk_tree_ops.h: requests of the kernel to a tree.  Their data is a struct disk_tree_nodes. */
#pragma once

#define FUSE_USE_VERSION 314

#include "target/disk_tree_node.h"

#include <fuse_lowlevel.h>

/* The most that is read at once. */
#define DISK_TREE_READ_MAX (1u << 20)

struct disk_tree_context {
    struct disk_tree_nodes *nodes;
    struct fuse_session *session;
};

/* For fuse_session_new(), with a struct disk_tree_context. */
extern const struct fuse_lowlevel_ops disk_tree_ops;
