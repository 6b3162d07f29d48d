/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Mounting a tree, and the threads that answer the kernel.
 *
 * They are our own and not libfuse's loop, which cannot be ended from outside as long as somebody
 * has a file open: a thread that waits for the kernel is cancelled, one that works comes to its
 * end. */
#include "target/disk_tree.h"

#include "base/error.h"
#include "target/disk_tree_ops.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define THREADS 8u
#define TIDY_EVERY G_TIME_SPAN_SECOND
#define KEEP (10 * G_TIME_SPAN_SECOND) /* a disk that nobody has open */

struct disk_tree {
    char *mount_point;
    struct disk_tree_nodes *nodes;
    struct disk_tree_context context;
    struct fuse_session *session;
    pthread_t threads[THREADS];
    guint n_threads;
    GThread *tidier;
    GMutex lock; /* over what follows */
    GCond stop;
    gboolean stopping;
};

/* ---- Words of libfuse -------------------------------------------------------------------------
 */

/* It has no errors but lines on standard error: the last one of this thread. */
static _Thread_local char last_words[256];

static void
keep_words(enum fuse_log_level level G_GNUC_UNUSED, const char *format, va_list arguments)
{
    vsnprintf(last_words, sizeof last_words, format, arguments);
    g_strchomp(last_words);
}

static const char *
words(void)
{
    return last_words[0] != '\0' ? last_words : "no reason given";
}

/* ---- Threads ----------------------------------------------------------------------------------
 */

static void
free_memory(void *data)
{
    struct fuse_buf *buffer = data;
    /* libfuse's, by malloc(). */
    free(buffer->mem);
}

static void *
answer(void *data)
{
    struct disk_tree *tree = data;
    struct fuse_buf buffer = {.mem = NULL};
    int before;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
    pthread_cleanup_push(free_memory, &buffer);
    while (!fuse_session_exited(tree->session)) {
        pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &before);
        int n = fuse_session_receive_buf(tree->session, &buffer);
        pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
        if (n == -EINTR || n == -EAGAIN)
            continue;
        if (n <= 0)
            break;
        fuse_session_process_buf(tree->session, &buffer);
    }
    pthread_cleanup_pop(1);
    return NULL;
}

static gpointer
tidy(gpointer data)
{
    struct disk_tree *tree = data;
    g_mutex_lock(&tree->lock);
    while (!tree->stopping) {
        g_cond_wait_until(&tree->stop, &tree->lock, g_get_monotonic_time() + TIDY_EVERY);
        g_mutex_unlock(&tree->lock);
        disk_tree_nodes_tidy(tree->nodes, KEEP);
        g_mutex_lock(&tree->lock);
    }
    g_mutex_unlock(&tree->lock);
    return NULL;
}

static gboolean
start_threads(struct disk_tree *tree, GError **error)
{
    for (; tree->n_threads < THREADS; tree->n_threads++) {
        int status = pthread_create(&tree->threads[tree->n_threads], NULL, answer, tree);
        if (status != 0)
            return error_set_errno(error, status, "cannot start a thread");
    }
    tree->tidier = g_thread_new("tidy", tidy, tree);
    return TRUE;
}

static void
stop_threads(struct disk_tree *tree)
{
    fuse_session_exit(tree->session);
    for (guint i = 0; i < tree->n_threads; i++)
        pthread_cancel(tree->threads[i]);
    for (guint i = 0; i < tree->n_threads; i++)
        pthread_join(tree->threads[i], NULL);
    if (tree->tidier == NULL)
        return;
    g_mutex_lock(&tree->lock);
    tree->stopping = TRUE;
    g_cond_signal(&tree->stop);
    g_mutex_unlock(&tree->lock);
    g_thread_join(tree->tidier);
}

/* ---- Mounting ---------------------------------------------------------------------------------
 */

static gboolean
check_system(GError **error)
{
    if (access("/dev/fuse", R_OK | W_OK) != 0)
        return error_set(error, SLIPWAY_ERROR_UNSUPPORTED,
                         "cannot mount: /dev/fuse: %s; load the kernel's module fuse, and in a "
                         "container let it have the device",
                         g_strerror(errno));
    g_autofree char *helper = g_find_program_in_path("fusermount3");
    if (geteuid() != 0 && helper == NULL)
        return error_set(error, SLIPWAY_ERROR_UNSUPPORTED,
                         "cannot mount: there is no fusermount3; install the package fuse3");
    return TRUE;
}

/* With `number` of errno: why the folder cannot be one to mount at. */
static gboolean
refuse_mount_point(const char *path, int number, GError **error)
{
    if (number != ENOTCONN)
        return error_set_errno(error, number, "cannot mount at %s", path);
    return error_set(error, SLIPWAY_ERROR_IO,
                     "cannot mount at %s: what was mounted there has died; give the folder free "
                     "with: fusermount3 -u -z %s",
                     path, path);
}

static gboolean
check_mount_point(const char *path, GError **error)
{
    DIR *folder = opendir(path);
    if (folder == NULL)
        return refuse_mount_point(path, errno, error);
    gboolean empty = TRUE;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        empty = empty && (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0);
    closedir(folder);
    if (empty)
        return TRUE;
    return error_set(error, SLIPWAY_ERROR_EXISTS,
                     "cannot mount at %s: it is not empty; name an empty folder", path);
}

static struct fuse_session *
new_session(struct disk_tree *tree, gboolean allow_other)
{
    g_autofree char *options = g_strdup_printf(
        "-oro,nosuid,nodev,noatime,default_permissions,fsname=slipway,subtype=slipway,"
        "max_read=%u%s",
        DISK_TREE_READ_MAX, allow_other ? ",allow_other" : "");
    char *argv[] = {(char *)"slipway", options, NULL};
    struct fuse_args arguments = FUSE_ARGS_INIT(2, argv);
    struct fuse_session *session =
        fuse_session_new(&arguments, &disk_tree_ops, sizeof disk_tree_ops, &tree->context);
    fuse_opt_free_args(&arguments);
    return session;
}

/* The kernel reads 128 KiB ahead unless it is told otherwise, which only root can; a hint. */
static void
read_further_ahead(const char *mount_point)
{
    struct stat status;
    if (stat(mount_point, &status) != 0)
        return;
    g_autofree char *path = g_strdup_printf("/sys/class/bdi/%u:%u/read_ahead_kb",
                                            major(status.st_dev), minor(status.st_dev));
    g_autofree char *text = g_strdup_printf("%u\n", DISK_TREE_READ_MAX / 1024);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t done = write(fd, text, strlen(text));
    (void)done;
    close(fd);
}

static gboolean
mount_session(struct disk_tree *tree, const struct disk_tree_options *options, GError **error)
{
    last_words[0] = '\0';
    tree->session = new_session(tree, options->allow_other);
    if (tree->session == NULL)
        return error_set(error, SLIPWAY_ERROR_FAILED, "libfuse: %s", words());
    tree->context.session = tree->session;
    if (fuse_session_mount(tree->session, tree->mount_point) != 0)
        return error_set(error, SLIPWAY_ERROR_IO, "cannot mount at %s: %s", tree->mount_point,
                         words());
    if (!start_threads(tree, error))
        return FALSE;
    read_further_ahead(tree->mount_point);
    return TRUE;
}

struct disk_tree *
disk_tree_mount(const struct disk_tree_source *source, const struct disk_tree_options *options,
                GError **error)
{
    if (!check_system(error) || !check_mount_point(options->mount_point, error))
        return NULL;
    fuse_set_log_func(keep_words);
    struct disk_tree *tree = g_new0(struct disk_tree, 1);
    /* Who changes the directory later still unmounts this. */
    tree->mount_point = realpath(options->mount_point, NULL);
    if (tree->mount_point == NULL)
        tree->mount_point = g_strdup(options->mount_point);
    tree->nodes = disk_tree_nodes_new(source, options->log, options->log_data);
    tree->context.nodes = tree->nodes;
    g_mutex_init(&tree->lock);
    g_cond_init(&tree->stop);
    if (mount_session(tree, options, error))
        return tree;
    disk_tree_unmount(tree);
    return NULL;
}

void
disk_tree_unmount(struct disk_tree *tree)
{
    if (tree == NULL)
        return;
    if (tree->session != NULL) {
        stop_threads(tree);
        fuse_session_unmount(tree->session);
        fuse_session_destroy(tree->session);
    }
    disk_tree_nodes_free(tree->nodes);
    g_mutex_clear(&tree->lock);
    g_cond_clear(&tree->stop);
    g_free(tree->mount_point);
    g_free(tree);
}

gboolean
disk_tree_is_gone(struct disk_tree *tree)
{
    return fuse_session_exited(tree->session) != 0;
}
