/* SPDX-License-Identifier: GPL-3.0-or-later */
/* disk_tree.h: disks as files in a tree of folders, mounted with FUSE (libfuse3), read-only.
 *
 * What is in the tree comes from whoever mounts it; a file is opened when it is first read, and
 * closed some seconds after the last reader has gone.  A folder is asked for again when it is
 * opened, and for look-ups every two seconds.  A file whose size or time changes is another one;
 * what is in it must not change, as the kernel keeps what it has read.
 *
 * Files are sparse to those that ask: SEEK_DATA and SEEK_HOLE answer from the disk's extents, and
 * of a file that somebody has open st_blocks is what is data, as far as 20 ms are enough to count
 * it: cp(1) looks for holes then.  What fails is EIO, with a line in the log: "/app01/...: words",
 * 20 of them for a file or folder.
 *
 * Eight threads answer, each with 1 MiB of memory.  Functions may be called from any thread, but
 * for disk_tree_unmount(), which is the last. */
#pragma once

#include "disk/disk.h"

struct disk_tree_entry {
    char *name; /* no '/', not "." or ".." */
    gboolean folder;
    guint64 size; /* of a file, bytes */
    gint64 time;  /* seconds since 1970 */
};
void disk_tree_entry_free(struct disk_tree_entry *entry);

struct disk_tree_source {
    /* What is in a folder ("" the root, "app01/2026-11-26T09:00:00Z"): entries with their free
     * function, or an error (SLIPWAY_ERROR_NOT_FOUND).  Names that no file can have, and two equal
     * ones, are errors of it. */
    GPtrArray *(*list)(gpointer data, const char *path, GError **error);
    /* The disk of a file, of the size in its entry: the caller's, to be closed. */
    struct disk *(*open)(gpointer data, const char *path, GError **error);
    gpointer data;
};

struct disk_tree_options {
    const char *mount_point; /* an empty folder */
    gboolean allow_other;    /* other users too (needs user_allow_other, or root) */
    void (*log)(const char *line, gpointer data); /* NULL: nobody is told; on any thread */
    gpointer log_data;
};

struct disk_tree;

/* Mounted when it returns; the source must outlive it, and is called from several threads.
 * SLIPWAY_ERROR_UNSUPPORTED: no /dev/fuse or no fusermount3; SLIPWAY_ERROR_NOT_FOUND,
 * SLIPWAY_ERROR_EXISTS (not empty), SLIPWAY_ERROR_IO. */
struct disk_tree *disk_tree_mount(const struct disk_tree_source *source,
                                  const struct disk_tree_options *options, GError **error);
/* Unmount (lazily when somebody still uses it: they get errors from then on) and free; calls of the
 * source that are under way come to their end before.  NULL is fine. */
void disk_tree_unmount(struct disk_tree *tree);
AUTO_PTR_DEFINE(disk_tree, disk_tree_unmount)
/* TRUE when somebody else has unmounted it. */
gboolean disk_tree_is_gone(struct disk_tree *tree);
