/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "target/disk_tree_ops.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Seconds for which the kernel need not ask again. */
#define KNOWN_SECONDS 2.0

#define BLOCK 512u /* that st_blocks counts */
#define DOTS 2     /* "." and ".." before the entries */

static struct disk_tree_nodes *
nodes_of(fuse_req_t request)
{
    const struct disk_tree_context *context = fuse_req_userdata(request);
    return context->nodes;
}

static void
begin(void *data G_GNUC_UNUSED, struct fuse_conn_info *connection)
{
    connection->max_read = DISK_TREE_READ_MAX;
    connection->max_readahead = DISK_TREE_READ_MAX;
    /* It limits reads as well: the kernel has one number of pages for both. */
    connection->max_write = DISK_TREE_READ_MAX;
    connection->max_background = 64;
    connection->congestion_threshold = 48;
    /* Requests are small, and pipes would cost more than they save. */
    connection->want &= ~(unsigned)FUSE_CAP_SPLICE_READ;
}

static void
put_stat(const struct disk_tree_attributes *attributes, struct stat *ret)
{
    memset(ret, 0, sizeof *ret);
    ret->st_ino = attributes->number;
    ret->st_mode = attributes->folder ? S_IFDIR | 0555 : S_IFREG | 0444;
    ret->st_nlink = attributes->folder ? 2 : 1;
    ret->st_uid = getuid();
    ret->st_gid = getgid();
    ret->st_size = (off_t)attributes->size;
    ret->st_blksize = DISK_BLOCK;
    ret->st_blocks = (blkcnt_t)(attributes->data / BLOCK + (attributes->data % BLOCK > 0));
    ret->st_mtime = ret->st_ctime = ret->st_atime = attributes->time;
}

static void
put_entry(const struct disk_tree_attributes *attributes, struct fuse_entry_param *ret)
{
    *ret = (struct fuse_entry_param){
        .ino = attributes->number,
        .attr_timeout = KNOWN_SECONDS,
        .entry_timeout = KNOWN_SECONDS,
    };
    put_stat(attributes, &ret->attr);
}

static void
look_up(fuse_req_t request, fuse_ino_t folder, const char *name)
{
    struct disk_tree_attributes attributes;
    int status = disk_tree_nodes_look_up(nodes_of(request), folder, name, &attributes);
    if (status != 0) {
        fuse_reply_err(request, status);
        return;
    }
    struct fuse_entry_param entry;
    put_entry(&attributes, &entry);
    /* An answer that the kernel did not take has not made it remember anything. */
    if (fuse_reply_entry(request, &entry) != 0)
        disk_tree_nodes_forget(nodes_of(request), attributes.number, 1);
}

static void
forget(fuse_req_t request, fuse_ino_t number, uint64_t n)
{
    disk_tree_nodes_forget(nodes_of(request), number, n);
    fuse_reply_none(request);
}

static void
forget_several(fuse_req_t request, size_t count, struct fuse_forget_data *forgets)
{
    for (size_t i = 0; i < count; i++)
        disk_tree_nodes_forget(nodes_of(request), forgets[i].ino, forgets[i].nlookup);
    fuse_reply_none(request);
}

static void
get_attributes(fuse_req_t request, fuse_ino_t number, struct fuse_file_info *file G_GNUC_UNUSED)
{
    struct disk_tree_attributes attributes;
    int status = disk_tree_nodes_attributes(nodes_of(request), number, &attributes);
    if (status != 0) {
        fuse_reply_err(request, status);
        return;
    }
    struct stat stat;
    put_stat(&attributes, &stat);
    fuse_reply_attr(request, &stat, KNOWN_SECONDS);
}

/* ---- Folders ----------------------------------------------------------------------------------
 */

static struct disk_tree_listing *
listing_of(const struct fuse_file_info *file)
{
    return (struct disk_tree_listing *)(uintptr_t)file->fh;
}

/* Whoever has opened a folder sees it as it was then. */
static void
open_folder(fuse_req_t request, fuse_ino_t number, struct fuse_file_info *file)
{
    struct disk_tree_listing *listing = NULL;
    int status = disk_tree_nodes_list(nodes_of(request), number, &listing);
    if (status != 0) {
        fuse_reply_err(request, status);
        return;
    }
    file->fh = (uintptr_t)listing;
    if (fuse_reply_open(request, file) != 0)
        disk_tree_listing_unref(listing);
}

static void
close_folder(fuse_req_t request, fuse_ino_t number G_GNUC_UNUSED, struct fuse_file_info *file)
{
    disk_tree_listing_unref(listing_of(file));
    fuse_reply_err(request, 0);
}

/* Entries on their way to the kernel. */
struct filling {
    fuse_req_t request;
    fuse_ino_t folder;
    char *buffer;
    size_t room, fill;
    gboolean plus; /* attributes as well */
};

/* The entry's size there; more than there is room for: it was not added.  `next`: the offset from
 * which to go on behind it. */
static size_t
put_name(struct filling *filling, const char *name, const struct stat *stat, off_t next)
{
    char *to = filling->buffer + filling->fill;
    size_t room = filling->room - filling->fill;
    if (!filling->plus)
        return fuse_add_direntry(filling->request, to, room, name, stat, next);
    /* Without a number nothing is remembered by it. */
    const struct fuse_entry_param entry = {.attr = *stat};
    return fuse_add_direntry_plus(filling->request, to, room, name, &entry, next);
}

static size_t
put_dot(struct filling *filling, off_t at)
{
    const struct stat stat = {.st_ino = filling->folder, .st_mode = S_IFDIR};
    return put_name(filling, at == 0 ? "." : "..", &stat, at + 1);
}

/* With all attributes, which the kernel then remembers. */
static size_t
put_whole(struct filling *filling, const struct disk_tree_entry *from, off_t next)
{
    struct disk_tree_nodes *nodes = nodes_of(filling->request);
    struct disk_tree_attributes attributes;
    char *to = filling->buffer + filling->fill;
    size_t room = filling->room - filling->fill;
    size_t size = fuse_add_direntry_plus(filling->request, NULL, 0, from->name, NULL, next);
    if (size > room || disk_tree_nodes_remember(nodes, filling->folder, from, &attributes) != 0)
        return size > room ? size : 0;
    struct fuse_entry_param entry;
    put_entry(&attributes, &entry);
    return fuse_add_direntry_plus(filling->request, to, room, from->name, &entry, next);
}

static size_t
put_listed(struct filling *filling, const struct disk_tree_entry *entry, off_t next)
{
    if (filling->plus)
        return put_whole(filling, entry, next);
    const struct stat stat = {.st_ino = (ino_t)-1, .st_mode = entry->folder ? S_IFDIR : S_IFREG};
    return put_name(filling, entry->name, &stat, next);
}

static void
fill(struct filling *filling, const struct disk_tree_listing *listing, off_t at)
{
    for (off_t end = (off_t)listing->entries->len + DOTS; at < end; at++) {
        size_t size = at < DOTS ? put_dot(filling, at)
                                : put_listed(filling, listing->entries->pdata[at - DOTS], at + 1);
        if (size > filling->room - filling->fill)
            return;
        filling->fill += size;
    }
}

static void
read_folder(fuse_req_t request, fuse_ino_t number, size_t size, off_t at,
            const struct fuse_file_info *file, gboolean plus)
{
    size = MIN(size, DISK_TREE_READ_MAX);
    g_autofree char *buffer = g_malloc(size);
    struct filling filling = {request, number, buffer, size, 0, plus};
    fill(&filling, listing_of(file), MAX(at, 0));
    fuse_reply_buf(request, buffer, filling.fill);
}

static void
read_names(fuse_req_t request, fuse_ino_t number, size_t size, off_t at,
           struct fuse_file_info *file)
{
    read_folder(request, number, size, at, file, FALSE);
}

static void
read_entries(fuse_req_t request, fuse_ino_t number, size_t size, off_t at,
             struct fuse_file_info *file)
{
    read_folder(request, number, size, at, file, TRUE);
}

/* ---- Files ------------------------------------------------------------------------------------
 */

static void
open_file(fuse_req_t request, fuse_ino_t number, struct fuse_file_info *file)
{
    const struct disk_tree_context *context = fuse_req_userdata(request);
    if ((file->flags & O_ACCMODE) != O_RDONLY) {
        fuse_reply_err(request, EROFS);
        return;
    }
    int status = disk_tree_nodes_open(context->nodes, number);
    if (status != 0) {
        fuse_reply_err(request, status);
        return;
    }
    /* Backups do not change: what the kernel has read of it is right for ever. */
    file->keep_cache = 1;
    file->noflush = 1;
    /* Now it can be known how much of it is data, which makes cp(1) look for holes. */
    fuse_lowlevel_notify_inval_inode(context->session, number, -1, 0);
    if (fuse_reply_open(request, file) != 0)
        disk_tree_nodes_close(context->nodes, number);
}

static void
close_file(fuse_req_t request, fuse_ino_t number, struct fuse_file_info *file G_GNUC_UNUSED)
{
    disk_tree_nodes_close(nodes_of(request), number);
    fuse_reply_err(request, 0);
}

static void
read_file(fuse_req_t request, fuse_ino_t number, size_t size, off_t offset,
          struct fuse_file_info *file G_GNUC_UNUSED)
{
    /* Each thread has one for as long as it lives. */
    static GPrivate buffers = G_PRIVATE_INIT(g_free);
    char *buffer = g_private_get(&buffers);
    if (buffer == NULL) {
        buffer = g_malloc(DISK_TREE_READ_MAX);
        g_private_set(&buffers, buffer);
    }
    gsize length = MIN(size, DISK_TREE_READ_MAX);
    int status = disk_tree_nodes_read(nodes_of(request), number, (guint64)offset, buffer, &length);
    if (status != 0)
        fuse_reply_err(request, status);
    else
        fuse_reply_buf(request, buffer, length);
}

static gboolean
is_interrupted(gpointer request)
{
    return fuse_req_interrupted(request) != 0;
}

static void
seek(fuse_req_t request, fuse_ino_t number, off_t offset, int whence,
     struct fuse_file_info *file G_GNUC_UNUSED)
{
    guint64 found = 0;
    enum disk_extent_kind kind = whence == SEEK_DATA ? DISK_DATA : DISK_ZERO;
    int status = EINVAL;
    if (whence == SEEK_DATA || whence == SEEK_HOLE)
        status = offset < 0 ? ENXIO
                            : disk_tree_nodes_seek(nodes_of(request), number, (guint64)offset, kind,
                                                   is_interrupted, request, &found);
    if (status != 0)
        fuse_reply_err(request, status);
    else
        fuse_reply_lseek(request, (off_t)found);
}

static void
tell_system(fuse_req_t request, fuse_ino_t number G_GNUC_UNUSED)
{
    const struct statvfs status = {
        .f_bsize = DISK_BLOCK, .f_frsize = DISK_BLOCK, .f_namemax = 255, .f_flag = ST_RDONLY};
    fuse_reply_statfs(request, &status);
}

const struct fuse_lowlevel_ops disk_tree_ops = {
    .init = begin,
    .lookup = look_up,
    .forget = forget,
    .forget_multi = forget_several,
    .getattr = get_attributes,
    .opendir = open_folder,
    .readdir = read_names,
    .readdirplus = read_entries,
    .releasedir = close_folder,
    .open = open_file,
    .read = read_file,
    .release = close_file,
    .lseek = seek,
    .statfs = tell_system,
};
