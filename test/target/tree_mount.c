/* SPDX-License-Identifier: GPL-3.0-or-later */
/* tree_mount: files as disks of a mounted tree, for tests with programs of others.
 *
 *     tree_mount MOUNT-POINT PATH=FILE...
 *     tree_mount MOUNT-POINT PATH=damaged:OFFSET:FILE...
 *
 * Prints "mounted" and holds it until it gets SIGTERM or SIGINT, or somebody else unmounts it.  The
 * log goes to standard error, with lines "open PATH" for each disk that is opened. */
#include "base/error.h"
#include "disk/disk_open.h"
#include "target/disk_tree.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct leaf {
    char *path; /* in the tree */
    char *file;
    gint64 damaged; /* -1: nowhere */
};

static GPtrArray *leaves; /* of struct leaf; constant once mounted */

static void
print_log(const char *line, gpointer data G_GNUC_UNUSED)
{
    fprintf(stderr, "%s\n", line);
}

static void
add_entry(GPtrArray *entries, GHashTable *seen, const struct leaf *leaf, gsize skip)
{
    const char *end = strchrnul(leaf->path + skip, '/');
    char *name = g_strndup(leaf->path + skip, (gsize)(end - leaf->path) - skip);
    if (!g_hash_table_add(seen, name))
        return;
    struct stat status = {0};
    stat(leaf->file, &status);
    struct disk_tree_entry *entry = g_new0(struct disk_tree_entry, 1);
    *entry = (struct disk_tree_entry){.name = g_strdup(name),
                                      .folder = *end == '/',
                                      .size = (guint64)status.st_size,
                                      .time = status.st_mtime};
    g_ptr_array_add(entries, entry);
}

static GPtrArray *
list(gpointer data G_GNUC_UNUSED, const char *path, GError **error)
{
    GPtrArray *entries = g_ptr_array_new_with_free_func((GDestroyNotify)disk_tree_entry_free);
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    gsize length = strlen(path);
    for (guint i = 0; i < leaves->len; i++) {
        const struct leaf *leaf = leaves->pdata[i];
        if (length == 0)
            add_entry(entries, seen, leaf, 0);
        else if (g_str_has_prefix(leaf->path, path) && leaf->path[length] == '/')
            add_entry(entries, seen, leaf, length + 1);
    }
    if (entries->len > 0)
        return entries;
    g_ptr_array_unref(entries);
    return error_null(error, SLIPWAY_ERROR_NOT_FOUND, "there is no folder %s", path);
}

static struct disk *
open_leaf(gpointer data G_GNUC_UNUSED, const char *path, GError **error)
{
    fprintf(stderr, "open %s\n", path);
    for (guint i = 0; i < leaves->len; i++) {
        const struct leaf *leaf = leaves->pdata[i];
        if (strcmp(leaf->path, path) != 0)
            continue;
        struct disk *disk = disk_file_open(leaf->file, FALSE, error);
        if (disk == NULL || leaf->damaged < 0)
            return disk;
        const struct disk_fault fault = {
            .offset = (guint64)leaf->damaged, .length = 4096, .reads = 1};
        return disk_fault_new(disk, &fault, 1);
    }
    return error_null(error, SLIPWAY_ERROR_NOT_FOUND, "there is no file %s", path);
}

static void
add_leaf(const char *operand)
{
    g_auto(GStrv) parts = g_strsplit(operand, "=", 2);
    if (g_strv_length(parts) != 2) {
        fprintf(stderr, "tree_mount: %s: write PATH=FILE\n", operand);
        exit(2);
    }
    struct leaf *leaf = g_new0(struct leaf, 1);
    leaf->path = g_strdup(parts[0]);
    leaf->damaged = -1;
    const char *file = parts[1];
    if (g_str_has_prefix(file, "damaged:")) {
        char *end;
        leaf->damaged = g_ascii_strtoll(file + strlen("damaged:"), &end, 10);
        file = *end == ':' ? end + 1 : end;
    }
    leaf->file = g_strdup(file);
    g_ptr_array_add(leaves, leaf);
}

static void
free_leaf(gpointer data)
{
    struct leaf *leaf = data;
    g_free(leaf->path);
    g_free(leaf->file);
    g_free(leaf);
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    leaves = g_ptr_array_new_with_free_func(free_leaf);
    if (argc < 3) {
        fprintf(stderr, "usage: tree_mount MOUNT-POINT PATH=FILE...\n");
        return 2;
    }
    for (int i = 2; i < argc; i++)
        add_leaf(argv[i]);
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    pthread_sigmask(SIG_BLOCK, &stop, NULL);
    const struct disk_tree_source source = {list, open_leaf, NULL};
    const struct disk_tree_options options = {.mount_point = argv[1], .log = print_log};
    struct disk_tree *tree = disk_tree_mount(&source, &options, &error);
    if (tree == NULL) {
        fprintf(stderr, "tree_mount: %s\n", error->message);
        return error_exit_code(error);
    }
    printf("mounted\n");
    fflush(stdout);
    const struct timespec moment = {0, 100 * 1000 * 1000};
    while (sigtimedwait(&stop, NULL, &moment) < 0 && !disk_tree_is_gone(tree))
        continue;
    disk_tree_unmount(tree);
    g_ptr_array_unref(leaves);
    return 0;
}
