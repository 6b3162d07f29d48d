/* SPDX-License-Identifier: GPL-3.0-or-later */
/* disk_tree_private.h: a node, for disk_tree_node.c and disk_tree_file.c. */
#pragma once

#include "target/disk_tree_node.h"

struct disk_tree_node {
    struct disk_tree_node *parent; /* NULL: the root; counted there in `children` */
    char *name;
    struct disk_tree_attributes attributes;
    guint64 remembered; /* by the kernel */
    guint children;     /* nodes below it */
    guint handles;      /* by which somebody has it open */
    guint users;        /* calls that are under way */

    GMutex asking; /* the source, for its listing or its disk; before the lock of all nodes */
    struct disk_tree_listing *listing;
    struct disk *disk; /* stays while there are handles or users */
    gint64 idle_since; /* monotonic */
    int failures;      /* that were logged; atomic */
};

struct disk_tree_nodes {
    struct disk_tree_source source;
    void (*log)(const char *line, gpointer data);
    gpointer log_data;
    GMutex lock;          /* over all nodes, but for what `asking` is for */
    GHashTable *numbers;  /* nodes by &attributes.number */
    GHashTable *children; /* the same by parent and name */
    GHashTable *disks;    /* those with an open disk */
    guint64 last_number;
};

/* In use until it is released; NULL: there is none. */
struct disk_tree_node *disk_tree_node_use(struct disk_tree_nodes *nodes, guint64 number);
void disk_tree_node_release(struct disk_tree_nodes *nodes, struct disk_tree_node *node);

/* A node that nobody needs is freed.  Locked. */
void disk_tree_node_drop(struct disk_tree_nodes *nodes, struct disk_tree_node *node);

/* "app01/2026.../root": of the root "". */
char *disk_tree_node_path(struct disk_tree_nodes *nodes, struct disk_tree_node *node);

/* Say in the log that something has failed; the errno value for it. */
int disk_tree_node_fail(struct disk_tree_nodes *nodes, struct disk_tree_node *node,
                        const GError *error);
