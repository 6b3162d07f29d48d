/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A read is cut into pieces, which threads with a connection each fetch at the same time, straight
 * to where the reader wants them.  When nothing is asked for they fetch blocks ahead: what
 * prefetch() was told, and what a reader from front to back will want. */
#include "base/cancel.h"
#include "base/error.h"
#include "disk/disk_driver.h"
#include "hyper/vsphere/folder.h"
#include "hyper/vsphere/folder_link.h"
#include "hyper/vsphere/folder_runs.h"

#include <string.h>

#define PIECE (1u << 20)
#define AHEAD_BLOCKS 16u
#define AHEAD_MAX (AHEAD_BLOCKS * (guint64)PIECE)

/* Something to fetch. */
struct job {
    guint64 offset;
    gsize length;
    guint8 *to;
    gboolean begun, done;
    GError *error;
};

/* Bytes that were fetched before somebody asked, or soon will have been. */
struct block {
    struct job job;
    gsize taken; /* of them */
    guint users; /* readers that wait for it */
};

struct folder_disk {
    struct disk base;
    struct vim *vim;
    char *url, *what;
    struct extent_list *allocated; /* NULL: everything */
    int ends;                      /* atomic */
    GMutex lock;                   /* of all below */
    GCond work, done;
    GQueue wanted; /* of struct job *: somebody waits */
    GQueue early;  /* of struct job *, inside blocks */
    GQueue blocks; /* of struct block *, the oldest first */
    struct folder_runs runs;
    GThread *threads[FOLDER_CONNECTIONS_MAX];
    guint n_threads, n_idle;
};

/* ---- Threads --------------------------------------------------------------------------------- */

static struct job *
next_job(struct folder_disk *disk)
{
    struct job *job = g_queue_pop_head(&disk->wanted);
    return job != NULL ? job : g_queue_pop_head(&disk->early);
}

static gpointer
fetch_jobs(gpointer data)
{
    struct folder_disk *disk = data;
    auto_ptr(folder_link) link = folder_link_new(disk->vim, disk->url, disk->what, &disk->ends);
    g_mutex_lock(&disk->lock);
    while (!g_atomic_int_get(&disk->ends)) {
        struct job *job = next_job(disk);
        if (job == NULL) {
            disk->n_idle++;
            g_cond_wait(&disk->work, &disk->lock);
            disk->n_idle--;
            continue;
        }
        job->begun = TRUE;
        g_mutex_unlock(&disk->lock);
        GError *error = NULL;
        folder_link_read(link, job->offset, job->to, job->length, NULL, &error);
        g_mutex_lock(&disk->lock);
        job->error = error;
        job->done = TRUE;
        g_cond_broadcast(&disk->done);
    }
    g_mutex_unlock(&disk->lock);
    return NULL;
}

/* With the lock held: somebody to do what was queued.  A connection costs a handshake and the
 * reading of all authorities, so there is one more at a time, as long as there is more to do than
 * the others can: few for a few changed blocks, all for a whole disk. */
static void
call_threads(struct folder_disk *disk)
{
    guint jobs = disk->wanted.length + disk->early.length;
    if (disk->n_idle < jobs && disk->n_threads < FOLDER_CONNECTIONS_MAX)
        disk->threads[disk->n_threads++] = g_thread_new("folder", fetch_jobs, disk);
    g_cond_broadcast(&disk->work);
}

/* ---- What is allocated ------------------------------------------------------------------------
 */

/* The part of [offset, end) that begins at `offset` and is data, or else a hole. */
static guint64
same_kind(const struct folder_disk *disk, guint64 offset, guint64 end, gboolean *ret_data)
{
    struct extent next;
    *ret_data = TRUE;
    if (disk->allocated == NULL)
        return end - offset;
    if (!extent_list_next(disk->allocated, offset, NULL, &next) || next.offset >= end) {
        *ret_data = FALSE;
        return end - offset;
    }
    *ret_data = next.offset == offset;
    return *ret_data ? MIN(next.length, end - offset) : next.offset - offset;
}

/* ---- Blocks -----------------------------------------------------------------------------------
 */

static void
free_block(gpointer data)
{
    struct block *block = data;
    g_clear_error(&block->job.error);
    g_free(block->job.to);
    g_free(block);
}

/* The block that has the byte at `offset`, and in *ret_end where what is no block's ends. */
static struct block *
find_block(struct folder_disk *disk, guint64 offset, guint64 *ret_end)
{
    for (GList *at = disk->blocks.head; at != NULL; at = at->next) {
        struct block *block = at->data;
        if (offset >= block->job.offset && offset - block->job.offset < block->job.length)
            return block;
        if (block->job.offset > offset)
            *ret_end = MIN(*ret_end, block->job.offset);
    }
    return NULL;
}

/* TRUE when there is room for one more. */
static gboolean
make_room(struct folder_disk *disk)
{
    if (disk->blocks.length < AHEAD_BLOCKS)
        return TRUE;
    for (GList *at = disk->blocks.head; at != NULL; at = at->next) {
        struct block *block = at->data;
        if (!block->job.done || block->users > 0)
            continue;
        free_block(block);
        g_queue_delete_link(&disk->blocks, at);
        return TRUE;
    }
    return FALSE;
}

static void
read_ahead(struct folder_disk *disk, guint64 offset, guint64 end)
{
    while (offset < end) {
        gboolean data;
        guint64 until = offset + same_kind(disk, offset, end, &data);
        struct block *known = data ? find_block(disk, offset, &until) : NULL;
        if (known != NULL)
            until = known->job.offset + known->job.length;
        if (known == NULL && data) {
            if (!make_room(disk))
                break;
            struct block *block = g_new0(struct block, 1);
            block->job.offset = offset;
            block->job.length = (gsize)MIN(until - offset, PIECE);
            block->job.to = g_malloc(block->job.length);
            g_queue_push_tail(&disk->blocks, block);
            g_queue_push_tail(&disk->early, &block->job);
            until = offset + block->job.length;
        }
        offset = until;
    }
}

/* ---- Reading ----------------------------------------------------------------------------------
 */

/* Where a part of a read comes from: fetched for it alone, or out of a block. */
struct part {
    struct job job;
    struct block *block; /* NULL: fetched */
};

static void
want(struct folder_disk *disk, struct part *part)
{
    part->block = NULL;
    g_queue_push_tail(&disk->wanted, &part->job);
}

/* Who waits for a block comes before who may want one. */
static void
hurry(struct folder_disk *disk, struct block *block)
{
    if (!block->job.begun && g_queue_remove(&disk->early, &block->job))
        g_queue_push_tail(&disk->wanted, &block->job);
}

static GPtrArray *
plan(struct folder_disk *disk, guint64 offset, guint8 *to, gsize length)
{
    GPtrArray *parts = g_ptr_array_new_with_free_func(g_free);
    for (gsize n; length > 0; offset += n, to += n, length -= n) {
        gboolean data;
        guint64 until = offset + same_kind(disk, offset, offset + length, &data);
        n = (gsize)(until - offset);
        if (!data) {
            memset(to, 0, n);
            continue;
        }
        struct block *block = find_block(disk, offset, &until);
        gsize most = block != NULL ? (gsize)(block->job.offset + block->job.length - offset)
                                   : MIN((gsize)(until - offset), PIECE);
        n = MIN(n, most);
        struct part *part = g_new0(struct part, 1);
        part->job = (struct job){.offset = offset, .length = n, .to = to};
        g_ptr_array_add(parts, part);
        if (block == NULL) {
            want(disk, part);
            continue;
        }
        part->block = block;
        block->users++;
        hurry(disk, block);
    }
    return parts;
}

/* Copy out of the block; what could not be fetched ahead is fetched now. */
static void
finish_block(struct folder_disk *disk, struct part *part)
{
    struct block *block = part->block;
    while (!block->job.done)
        g_cond_wait(&disk->done, &disk->lock);
    gboolean failed = block->job.error != NULL;
    if (failed) {
        want(disk, part);
    } else {
        memcpy(part->job.to, block->job.to + (part->job.offset - block->job.offset),
               part->job.length);
        block->taken += part->job.length;
    }
    block->users--;
    if (block->users == 0 && (failed || block->taken >= block->job.length)) {
        g_queue_remove(&disk->blocks, block);
        free_block(block);
    }
}

static gboolean
finish_parts(struct folder_disk *disk, GPtrArray *parts, GError **error)
{
    for (guint i = 0; i < parts->len; i++) {
        struct part *part = g_ptr_array_index(parts, i);
        if (part->block != NULL) {
            finish_block(disk, part);
            part->job.done = part->block != NULL;
        }
    }
    call_threads(disk);
    const GError *cause = NULL;
    for (guint i = 0; i < parts->len; i++) {
        struct part *part = g_ptr_array_index(parts, i);
        while (!part->job.done)
            g_cond_wait(&disk->done, &disk->lock);
        if (part->job.error != NULL && cause == NULL)
            cause = part->job.error;
    }
    if (cause != NULL)
        g_propagate_error(error, g_error_copy(cause));
    for (guint i = 0; i < parts->len; i++)
        g_clear_error(&((struct part *)g_ptr_array_index(parts, i))->job.error);
    return cause == NULL;
}

static gboolean
read_folder(struct disk *self, guint64 offset, void *buffer, gsize length, GError **error)
{
    struct folder_disk *disk = (struct folder_disk *)self;
    struct extent next;
    if (!cancel_check(error))
        return FALSE;
    g_mutex_lock(&disk->lock);
    g_autoptr(GPtrArray) parts = plan(disk, offset, buffer, length);
    if (folder_runs_note(&disk->runs, offset, length, PIECE, AHEAD_MAX, &next))
        read_ahead(disk, next.offset, MIN(next.offset + next.length, self->size));
    call_threads(disk);
    gboolean ok = finish_parts(disk, parts, error);
    g_mutex_unlock(&disk->lock);
    return ok;
}

static gboolean
find_extent(struct disk *self, guint64 offset, guint64 length, struct disk_extent *ret,
            GError **error G_GNUC_UNUSED)
{
    gboolean data;
    guint64 n = same_kind((struct folder_disk *)self, offset, offset + length, &data);
    *ret = (struct disk_extent){offset, n, data ? DISK_DATA : DISK_ZERO};
    return TRUE;
}

static void
prefetch_folder(struct disk *self, guint64 offset, guint64 length)
{
    struct folder_disk *disk = (struct folder_disk *)self;
    g_mutex_lock(&disk->lock);
    read_ahead(disk, offset, offset + length);
    call_threads(disk);
    g_mutex_unlock(&disk->lock);
}

static void
close_folder(struct disk *self)
{
    struct folder_disk *disk = (struct folder_disk *)self;
    g_mutex_lock(&disk->lock);
    g_atomic_int_set(&disk->ends, TRUE);
    g_cond_broadcast(&disk->work);
    g_mutex_unlock(&disk->lock);
    for (guint i = 0; i < disk->n_threads; i++)
        g_thread_join(disk->threads[i]);
    g_queue_clear(&disk->early);
    g_queue_clear_full(&disk->blocks, free_block);
    g_clear_pointer(&disk->allocated, extent_list_free);
    g_mutex_clear(&disk->lock);
    g_cond_clear(&disk->work);
    g_cond_clear(&disk->done);
    g_free(disk->url);
    g_free(disk->what);
    g_free(disk);
}

static const struct disk_class folder_class = {
    .name = "folder",
    .read = read_folder,
    .extent = find_extent,
    .prefetch = prefetch_folder,
    .close = close_folder,
};

/* ---- Opening ----------------------------------------------------------------------------------
 */

static struct extent_list *
copy_extents(const struct extent_list *list, guint64 size)
{
    struct extent_list *copy = extent_list_new();
    for (guint i = 0; i < list->extents->len; i++) {
        const struct extent *extent = &g_array_index(list->extents, struct extent, i);
        extent_list_add(copy, extent->offset, extent->length);
    }
    extent_list_settle(copy, size);
    return copy;
}

/* That the file is there, that ranges of it can be had, and that it is not too short. */
static gboolean
probe(struct folder_disk *disk, GError **error)
{
    guint64 total = 0;
    guint8 byte;
    auto_ptr(folder_link) link = folder_link_new(disk->vim, disk->url, disk->what, NULL);
    if (!folder_link_read(link, disk->base.size - 1, &byte, 1, &total, error))
        return FALSE;
    if (total != 0 && total < disk->base.size)
        return error_set(error, SLIPWAY_ERROR_CORRUPT,
                         "%s: has %" G_GUINT64_FORMAT " bytes, and the disk %" G_GUINT64_FORMAT,
                         disk->what, total, disk->base.size);
    return TRUE;
}

struct disk *
folder_disk_open(struct vim *vim, const struct folder_disk_options *options, GError **error)
{
    if (options->size == 0)
        return error_null(error, SLIPWAY_ERROR_CORRUPT, "disk %s: has no bytes", options->label);
    struct folder_disk *disk = g_new0(struct folder_disk, 1);
    disk_init(&disk->base, &folder_class, options->size,
              options->allocated != NULL ? DISK_CAN_EXTENTS : 0, options->label);
    disk->vim = vim;
    disk->url = folder_url(vim, &options->place);
    disk->what = g_strdup_printf("disk %s: file [%s] %s", options->label, options->place.datastore,
                                 options->place.path);
    if (options->allocated != NULL)
        disk->allocated = copy_extents(options->allocated, options->size);
    disk->runs.allocated = disk->allocated;
    g_mutex_init(&disk->lock);
    g_cond_init(&disk->work);
    g_cond_init(&disk->done);
    g_queue_init(&disk->wanted);
    g_queue_init(&disk->early);
    g_queue_init(&disk->blocks);
    if (probe(disk, error))
        return &disk->base;
    disk_close(&disk->base);
    return NULL;
}
