/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The files of a tree: disks that are opened when somebody reads, and closed some time after. */
#include "base/error.h"
#include "target/disk_tree_node.h"
#include "target/disk_tree_private.h"

#include <errno.h>

/* How long counting the data of a disk may keep whoever asks for its attributes. */
#define COUNT_TIME (20 * G_TIME_SPAN_MILLISECOND)
#define STOP_EVERY 256u /* extents */

/* A file's node, in use; 0 or an errno value. */
static int
use_file(struct disk_tree_nodes *nodes, guint64 number, struct disk_tree_node **ret)
{
    struct disk_tree_node *node = disk_tree_node_use(nodes, number);
    if (node == NULL)
        return ENOENT;
    *ret = node;
    if (!node->attributes.folder)
        return 0;
    disk_tree_node_release(nodes, node);
    return EISDIR;
}

static struct disk *
open_disk(struct disk_tree_nodes *nodes, struct disk_tree_node *node, GError **error)
{
    g_autofree char *path = disk_tree_node_path(nodes, node);
    struct disk *disk = nodes->source.open(nodes->source.data, path, error);
    if (disk == NULL)
        return NULL;
    if (disk_size(disk) == node->attributes.size)
        return disk;
    /* The kernel believes what it was told first. */
    error_set(error, SLIPWAY_ERROR_CORRUPT,
              "it has %" G_GUINT64_FORMAT " bytes, and %" G_GUINT64_FORMAT " in the listing",
              disk_size(disk), node->attributes.size);
    disk_close(disk);
    return NULL;
}

/* Its disk, which stays open as long as the node is in use. */
static int
need_disk(struct disk_tree_nodes *nodes, struct disk_tree_node *node, struct disk **ret)
{
    int status = 0;
    g_mutex_lock(&node->asking);
    if (node->disk == NULL) {
        g_autoptr(GError) error = NULL;
        struct disk *disk = open_disk(nodes, node, &error);
        g_mutex_lock(&nodes->lock);
        node->disk = disk;
        if (disk != NULL)
            g_hash_table_add(nodes->disks, node);
        g_mutex_unlock(&nodes->lock);
        if (disk == NULL)
            status = disk_tree_node_fail(nodes, node, error);
    }
    *ret = node->disk;
    g_mutex_unlock(&node->asking);
    return status;
}

int
disk_tree_nodes_open(struct disk_tree_nodes *nodes, guint64 number)
{
    struct disk_tree_node *node;
    int status = use_file(nodes, number, &node);
    if (status != 0)
        return status;
    g_mutex_lock(&nodes->lock);
    node->handles++;
    g_mutex_unlock(&nodes->lock);
    disk_tree_node_release(nodes, node);
    return 0;
}

void
disk_tree_nodes_close(struct disk_tree_nodes *nodes, guint64 number)
{
    struct disk_tree_node *node;
    if (use_file(nodes, number, &node) != 0)
        return;
    g_mutex_lock(&nodes->lock);
    node->handles -= MIN(node->handles, 1);
    g_mutex_unlock(&nodes->lock);
    disk_tree_node_release(nodes, node);
}

int
disk_tree_nodes_read(struct disk_tree_nodes *nodes, guint64 number, guint64 offset, void *buffer,
                     gsize *length)
{
    struct disk_tree_node *node;
    struct disk *disk;
    int status = use_file(nodes, number, &node);
    if (status != 0)
        return status;
    guint64 size = node->attributes.size;
    *length = offset >= size ? 0 : (gsize)MIN(*length, size - offset);
    if (*length > 0)
        status = need_disk(nodes, node, &disk);
    if (*length > 0 && status == 0) {
        g_autoptr(GError) error = NULL;
        if (!disk_read(disk, offset, buffer, *length, &error))
            status = disk_tree_node_fail(nodes, node, error);
    }
    disk_tree_node_release(nodes, node);
    return status;
}

/* ---- Holes ------------------------------------------------------------------------------------
 */

/* The first extent of `kind` from *offset on; FALSE with status 0: there is none. */
static gboolean
find_kind(struct disk *disk, enum disk_extent_kind kind, gboolean (*stop)(gpointer data),
          gpointer stop_data, guint64 *offset, GError **error)
{
    guint64 size = disk_size(disk);
    struct disk_extent extent;
    for (guint n = 1; *offset < size; *offset += extent.length, n++) {
        if (n % STOP_EVERY == 0 && stop(stop_data))
            return error_set(error, SLIPWAY_ERROR_CANCELLED, "nobody waits for it");
        if (!disk_extent(disk, *offset, size - *offset, &extent, error))
            return FALSE;
        if (extent.kind == kind)
            return TRUE;
    }
    return FALSE;
}

int
disk_tree_nodes_seek(struct disk_tree_nodes *nodes, guint64 number, guint64 offset,
                     enum disk_extent_kind kind, gboolean (*stop)(gpointer data),
                     gpointer stop_data, guint64 *ret)
{
    struct disk_tree_node *node;
    struct disk *disk;
    int status = use_file(nodes, number, &node);
    if (status != 0)
        return status;
    g_autoptr(GError) error = NULL;
    *ret = offset;
    if (offset >= node->attributes.size)
        status = ENXIO;
    else if ((status = need_disk(nodes, node, &disk)) == 0 &&
             !find_kind(disk, kind, stop, stop_data, ret, &error)) {
        /* There is a hole behind the last byte of any file. */
        if (error != NULL)
            status = disk_tree_node_fail(nodes, node, error);
        else if (kind == DISK_DATA)
            status = ENXIO;
    }
    disk_tree_node_release(nodes, node);
    return status;
}

/* Bytes of data; what there is no time for is taken to be like the rest. */
static guint64
count_data(struct disk *disk)
{
    guint64 size = disk_size(disk), data = 0, at = 0;
    gint64 deadline = g_get_monotonic_time() + COUNT_TIME;
    struct disk_extent extent;
    if (!(disk_capabilities(disk) & DISK_CAN_EXTENTS))
        return size;
    for (; at < size && g_get_monotonic_time() < deadline; at += extent.length) {
        if (!disk_extent(disk, at, size - at, &extent, NULL))
            return size;
        data += extent.kind == DISK_DATA ? extent.length : 0;
    }
    if (at == size || at == 0)
        return at == 0 ? size : data;
    return (guint64)((double)data / (double)at * (double)size);
}

int
disk_tree_nodes_attributes(struct disk_tree_nodes *nodes, guint64 number,
                           struct disk_tree_attributes *ret)
{
    struct disk_tree_node *node = disk_tree_node_use(nodes, number);
    struct disk *disk;
    if (node == NULL)
        return ENOENT;
    g_mutex_lock(&nodes->lock);
    gboolean count = !node->attributes.folder && node->handles > 0 && !node->attributes.counted &&
                     node->attributes.size > 0;
    g_mutex_unlock(&nodes->lock);
    guint64 data = 0;
    if (count)
        count = need_disk(nodes, node, &disk) == 0;
    if (count)
        data = count_data(disk);
    g_mutex_lock(&nodes->lock);
    if (count) {
        node->attributes.data = data;
        node->attributes.counted = TRUE;
    }
    *ret = node->attributes;
    g_mutex_unlock(&nodes->lock);
    disk_tree_node_release(nodes, node);
    return 0;
}

/* ---- Closing ----------------------------------------------------------------------------------
 */

/* Take one that has been idle for long out of its node, for the caller to close: that may take a
 * while, and nobody shall wait for it. */
static struct disk *
take_idle(struct disk_tree_nodes *nodes, gint64 before)
{
    GHashTableIter iterator;
    gpointer key;
    struct disk *disk = NULL;
    g_mutex_lock(&nodes->lock);
    g_hash_table_iter_init(&iterator, nodes->disks);
    while (disk == NULL && g_hash_table_iter_next(&iterator, &key, NULL)) {
        struct disk_tree_node *node = key;
        if (node->users > 0 || node->handles > 0 || node->idle_since > before)
            continue;
        disk = g_steal_pointer(&node->disk);
        g_atomic_int_set(&node->failures, 0);
        g_hash_table_iter_remove(&iterator);
        disk_tree_node_drop(nodes, node);
    }
    g_mutex_unlock(&nodes->lock);
    return disk;
}

void
disk_tree_nodes_tidy(struct disk_tree_nodes *nodes, gint64 idle)
{
    gint64 before = g_get_monotonic_time() - idle;
    for (struct disk *disk; (disk = take_idle(nodes, before)) != NULL;)
        disk_close(disk);
}
