/* SPDX-License-Identifier: GPL-3.0-or-later */
/* disk_tree_node.h: the files and folders of a tree that the kernel knows, with the disks that are
 * open.
 *
 * A node is there as long as the kernel remembers it; any thread may use one by its number.  A
 * disk is opened by the first reader, and closed by disk_tree_nodes_tidy() some time after the last
 * one has gone. */
#pragma once

#include "target/disk_tree.h"

/* Entries of one folder; more are an error. */
#define DISK_TREE_ENTRIES_MAX 1000000u
/* A listing serves look-ups for so long. */
#define DISK_TREE_LISTING_SECONDS 2

#define DISK_TREE_ROOT G_GUINT64_CONSTANT(1)

/* What is in a folder, as it was once; shared, and the same for ever. */
struct disk_tree_listing {
    gatomicrefcount references;
    GPtrArray *entries;  /* of struct disk_tree_entry */
    GHashTable *by_name; /* the same */
    gint64 until;        /* monotonic: look-ups use it until then */
};
void disk_tree_listing_unref(struct disk_tree_listing *listing);
AUTO_PTR_DEFINE(disk_tree_listing, disk_tree_listing_unref)

/* What a node is: a copy. */
struct disk_tree_attributes {
    guint64 number;
    gboolean folder;
    guint64 size;
    guint64 data; /* bytes of it that are not holes, as far as that is known */
    gint64 time;
    gboolean counted; /* `data` is known */
};

struct disk_tree_nodes;

struct disk_tree_nodes *disk_tree_nodes_new(const struct disk_tree_source *source,
                                            void (*log)(const char *line, gpointer data),
                                            gpointer log_data);
/* Closes all disks. */
void disk_tree_nodes_free(struct disk_tree_nodes *nodes);
AUTO_PTR_DEFINE(disk_tree_nodes, disk_tree_nodes_free)

/* All functions here return 0 or a value of errno; what the source or a disk says is in the log. */

/* The entry `name` of a folder; the kernel remembers it once more. */
int disk_tree_nodes_look_up(struct disk_tree_nodes *nodes, guint64 folder, const char *name,
                            struct disk_tree_attributes *ret);
/* The same of an entry of a listing of it, which is still there. */
int disk_tree_nodes_remember(struct disk_tree_nodes *nodes, guint64 folder,
                             const struct disk_tree_entry *entry, struct disk_tree_attributes *ret);
/* It forgets it `n` times. */
void disk_tree_nodes_forget(struct disk_tree_nodes *nodes, guint64 number, guint64 n);

/* Of an open file with holes that can be counted soon, how much is data. */
int disk_tree_nodes_attributes(struct disk_tree_nodes *nodes, guint64 number,
                               struct disk_tree_attributes *ret);
/* What a folder has now. */
int disk_tree_nodes_list(struct disk_tree_nodes *nodes, guint64 number,
                         struct disk_tree_listing **ret);

/* A file that somebody has open, or no longer. */
int disk_tree_nodes_open(struct disk_tree_nodes *nodes, guint64 number);
void disk_tree_nodes_close(struct disk_tree_nodes *nodes, guint64 number);
/* Up to *length bytes, fewer at the end of the file. */
int disk_tree_nodes_read(struct disk_tree_nodes *nodes, guint64 number, guint64 offset,
                         void *buffer, gsize *length);
/* The first byte from `offset` on that is data, or a hole (which is also behind the last byte).
 * ENXIO: there is none.  `stop` is asked now and then: EINTR. */
int disk_tree_nodes_seek(struct disk_tree_nodes *nodes, guint64 number, guint64 offset,
                         enum disk_extent_kind kind, gboolean (*stop)(gpointer data),
                         gpointer stop_data, guint64 *ret);

/* Close the disks that have been idle for `idle` microseconds. */
void disk_tree_nodes_tidy(struct disk_tree_nodes *nodes, gint64 idle);
