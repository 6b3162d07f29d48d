/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "target/disk_tree_node.h"

#include "base/error.h"
#include "target/disk_tree_private.h"

#include <errno.h>
#include <string.h>

#define NAME_LENGTH_MAX 255u
#define FAILURES_LOGGED 20 /* of one node */

void
disk_tree_entry_free(struct disk_tree_entry *entry)
{
    if (entry == NULL)
        return;
    g_free(entry->name);
    g_free(entry);
}

void
disk_tree_listing_unref(struct disk_tree_listing *listing)
{
    if (listing == NULL || !g_atomic_ref_count_dec(&listing->references))
        return;
    g_hash_table_unref(listing->by_name);
    g_ptr_array_unref(listing->entries);
    g_free(listing);
}

/* ---- The table --------------------------------------------------------------------------------
 */

static guint
hash_child(gconstpointer key)
{
    const struct disk_tree_node *node = key;
    return g_str_hash(node->name) ^ g_direct_hash(node->parent);
}

static gboolean
equal_children(gconstpointer a, gconstpointer b)
{
    const struct disk_tree_node *x = a, *y = b;
    return x->parent == y->parent && strcmp(x->name, y->name) == 0;
}

static struct disk_tree_node *
add_node(struct disk_tree_nodes *nodes, struct disk_tree_node *parent, const char *name)
{
    struct disk_tree_node *node = g_new0(struct disk_tree_node, 1);
    node->parent = parent;
    node->name = g_strdup(name);
    node->attributes.number = ++nodes->last_number;
    g_mutex_init(&node->asking);
    if (parent != NULL)
        parent->children++;
    g_hash_table_insert(nodes->numbers, &node->attributes.number, node);
    g_hash_table_add(nodes->children, node);
    return node;
}

static void
free_node(gpointer data)
{
    struct disk_tree_node *node = data;
    disk_tree_listing_unref(node->listing);
    disk_close(node->disk);
    g_mutex_clear(&node->asking);
    g_free(node->name);
    g_free(node);
}

void
disk_tree_node_drop(struct disk_tree_nodes *nodes, struct disk_tree_node *node)
{
    while (node->parent != NULL && node->remembered == 0 && node->children == 0 &&
           node->handles == 0 && node->users == 0 && node->disk == NULL) {
        struct disk_tree_node *parent = node->parent;
        /* Another one may have taken its place. */
        if (g_hash_table_lookup(nodes->children, node) == node)
            g_hash_table_remove(nodes->children, node);
        g_hash_table_remove(nodes->numbers, &node->attributes.number);
        parent->children--;
        node = parent;
    }
}

struct disk_tree_node *
disk_tree_node_use(struct disk_tree_nodes *nodes, guint64 number)
{
    g_mutex_lock(&nodes->lock);
    struct disk_tree_node *node = g_hash_table_lookup(nodes->numbers, &number);
    if (node != NULL)
        node->users++;
    g_mutex_unlock(&nodes->lock);
    return node;
}

void
disk_tree_node_release(struct disk_tree_nodes *nodes, struct disk_tree_node *node)
{
    g_mutex_lock(&nodes->lock);
    node->users--;
    node->idle_since = g_get_monotonic_time();
    disk_tree_node_drop(nodes, node);
    g_mutex_unlock(&nodes->lock);
}

char *
disk_tree_node_path(struct disk_tree_nodes *nodes, struct disk_tree_node *node)
{
    GString *path = g_string_new(NULL);
    g_mutex_lock(&nodes->lock);
    for (; node->parent != NULL; node = node->parent) {
        g_string_prepend(path, node->name);
        if (node->parent->parent != NULL)
            g_string_prepend_c(path, '/');
    }
    g_mutex_unlock(&nodes->lock);
    return g_string_free(path, FALSE);
}

struct disk_tree_nodes *
disk_tree_nodes_new(const struct disk_tree_source *source,
                    void (*log)(const char *line, gpointer data), gpointer log_data)
{
    struct disk_tree_nodes *nodes = g_new0(struct disk_tree_nodes, 1);
    nodes->source = *source;
    nodes->log = log;
    nodes->log_data = log_data;
    g_mutex_init(&nodes->lock);
    nodes->numbers = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, free_node);
    nodes->children = g_hash_table_new(hash_child, equal_children);
    nodes->disks = g_hash_table_new(NULL, NULL);
    struct disk_tree_node *root = add_node(nodes, NULL, "");
    g_assert(root->attributes.number == DISK_TREE_ROOT);
    root->attributes.folder = TRUE;
    root->attributes.time = g_get_real_time() / G_USEC_PER_SEC;
    return nodes;
}

void
disk_tree_nodes_free(struct disk_tree_nodes *nodes)
{
    g_hash_table_unref(nodes->disks);
    g_hash_table_unref(nodes->children);
    g_hash_table_unref(nodes->numbers);
    g_mutex_clear(&nodes->lock);
    g_free(nodes);
}

/* ---- What goes wrong --------------------------------------------------------------------------
 */

static int
number_of(const GError *error)
{
    if (g_error_matches(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND))
        return ENOENT;
    return g_error_matches(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CANCELLED) ? EINTR : EIO;
}

int
disk_tree_node_fail(struct disk_tree_nodes *nodes, struct disk_tree_node *node, const GError *error)
{
    int number = number_of(error);
    if (number == EINTR || nodes->log == NULL)
        return number;
    int before = g_atomic_int_add(&node->failures, 1);
    if (before >= FAILURES_LOGGED)
        return number;
    g_autofree char *path = disk_tree_node_path(nodes, node);
    g_autofree char *line = g_strdup_printf(
        "/%s: %s%s", path, error->message,
        before == FAILURES_LOGGED - 1 ? "; further failures of it are not logged" : "");
    nodes->log(line, nodes->log_data);
    return number;
}

/* ---- Folders ----------------------------------------------------------------------------------
 */

static gboolean
is_name(const char *name)
{
    gsize length = strlen(name);
    return length > 0 && length <= NAME_LENGTH_MAX && strchr(name, '/') == NULL &&
           strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

/* Takes over `entries`. */
static struct disk_tree_listing *
new_listing(GPtrArray *entries)
{
    struct disk_tree_listing *listing = g_new0(struct disk_tree_listing, 1);
    g_atomic_ref_count_init(&listing->references);
    listing->entries = entries;
    listing->by_name = g_hash_table_new(g_str_hash, g_str_equal);
    listing->until = g_get_monotonic_time() + DISK_TREE_LISTING_SECONDS * (gint64)G_USEC_PER_SEC;
    return listing;
}

/* The source's entries; what could not be a file's name is an error of whoever made it. */
static struct disk_tree_listing *
ask_source(struct disk_tree_nodes *nodes, struct disk_tree_node *node, GError **error)
{
    g_autofree char *path = disk_tree_node_path(nodes, node);
    GPtrArray *entries = nodes->source.list(nodes->source.data, path, error);
    if (entries == NULL)
        return NULL;
    auto_ptr(disk_tree_listing) listing = new_listing(entries);
    if (entries->len > DISK_TREE_ENTRIES_MAX)
        return error_null(error, SLIPWAY_ERROR_LIMIT, "it has %u entries, more than %u",
                          entries->len, DISK_TREE_ENTRIES_MAX);
    for (guint i = 0; i < entries->len; i++) {
        struct disk_tree_entry *entry = entries->pdata[i];
        if (!is_name(entry->name))
            return error_null(error, SLIPWAY_ERROR_CORRUPT, "\"%s\" is no name of a file",
                              entry->name);
        if (!g_hash_table_insert(listing->by_name, entry->name, entry))
            return error_null(error, SLIPWAY_ERROR_CORRUPT, "it has two entries \"%s\"",
                              entry->name);
    }
    return g_steal_pointer(&listing);
}

/* One that is not older than allowed; the caller's reference. */
static int
find_listing(struct disk_tree_nodes *nodes, struct disk_tree_node *node, gboolean fresh,
             struct disk_tree_listing **ret)
{
    int status = 0;
    if (!node->attributes.folder)
        return ENOTDIR;
    g_mutex_lock(&node->asking);
    if (fresh || node->listing == NULL || g_get_monotonic_time() > node->listing->until) {
        g_autoptr(GError) error = NULL;
        struct disk_tree_listing *listing = ask_source(nodes, node, &error);
        disk_tree_listing_unref(g_steal_pointer(&node->listing));
        node->listing = listing;
        if (listing == NULL)
            status = disk_tree_node_fail(nodes, node, error);
    }
    if (status == 0) {
        g_atomic_ref_count_inc(&node->listing->references);
        *ret = node->listing;
    }
    g_mutex_unlock(&node->asking);
    return status;
}

int
disk_tree_nodes_list(struct disk_tree_nodes *nodes, guint64 number, struct disk_tree_listing **ret)
{
    struct disk_tree_node *node = disk_tree_node_use(nodes, number);
    if (node == NULL)
        return ENOENT;
    int status = find_listing(nodes, node, TRUE, ret);
    disk_tree_node_release(nodes, node);
    return status;
}

/* ---- Look-ups ---------------------------------------------------------------------------------
 */

/* Is the node what the entry says?  The kernel keeps what it has read of a file. */
static gboolean
is_same(const struct disk_tree_node *node, const struct disk_tree_entry *entry)
{
    const struct disk_tree_attributes *attributes = &node->attributes;
    if (attributes->folder || entry->folder)
        return attributes->folder == entry->folder;
    return attributes->size == entry->size && attributes->time == entry->time;
}

/* The node of an entry, remembered once more.  What was replaced by another of that name is a new
 * node; the old one lasts as long as it is open. */
static void
remember(struct disk_tree_nodes *nodes, struct disk_tree_node *folder,
         const struct disk_tree_entry *entry, struct disk_tree_attributes *ret)
{
    struct disk_tree_node key = {.parent = folder, .name = entry->name};
    g_mutex_lock(&nodes->lock);
    struct disk_tree_node *node = g_hash_table_lookup(nodes->children, &key);
    if (node != NULL && !is_same(node, entry)) {
        g_hash_table_remove(nodes->children, node);
        node = NULL;
    }
    if (node == NULL) {
        node = add_node(nodes, folder, entry->name);
        node->attributes.folder = entry->folder;
        node->attributes.size = entry->folder ? 0 : entry->size;
        node->attributes.data = node->attributes.size;
    }
    node->attributes.time = entry->time;
    node->remembered++;
    *ret = node->attributes;
    g_mutex_unlock(&nodes->lock);
}

int
disk_tree_nodes_look_up(struct disk_tree_nodes *nodes, guint64 folder, const char *name,
                        struct disk_tree_attributes *ret)
{
    struct disk_tree_node *node = disk_tree_node_use(nodes, folder);
    if (node == NULL)
        return ENOENT;
    auto_ptr(disk_tree_listing) listing = NULL;
    int status = find_listing(nodes, node, FALSE, &listing);
    if (status == 0) {
        const struct disk_tree_entry *entry = g_hash_table_lookup(listing->by_name, name);
        if (entry != NULL)
            remember(nodes, node, entry, ret);
        else
            status = ENOENT;
    }
    disk_tree_node_release(nodes, node);
    return status;
}

int
disk_tree_nodes_remember(struct disk_tree_nodes *nodes, guint64 folder,
                         const struct disk_tree_entry *entry, struct disk_tree_attributes *ret)
{
    struct disk_tree_node *node = disk_tree_node_use(nodes, folder);
    if (node == NULL)
        return ENOENT;
    remember(nodes, node, entry, ret);
    disk_tree_node_release(nodes, node);
    return 0;
}

void
disk_tree_nodes_forget(struct disk_tree_nodes *nodes, guint64 number, guint64 n)
{
    g_mutex_lock(&nodes->lock);
    struct disk_tree_node *node = g_hash_table_lookup(nodes->numbers, &number);
    if (node != NULL) {
        node->remembered -= MIN(n, node->remembered);
        disk_tree_node_drop(nodes, node);
    }
    g_mutex_unlock(&nodes->lock);
}
