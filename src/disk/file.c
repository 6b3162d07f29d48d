/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A raw file or block device.
 *
 * Large aligned writes go past the page cache, through a second descriptor (O_DIRECT): filling the
 * cache with a disk that is being restored costs more CPU than decompressing it, and takes memory
 * from the machine's other work.  The kernel keeps both descriptors coherent. */
#include "base/error.h"
#include "disk/disk_driver.h"
#include "disk/disk_open.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Bytes after which the kernel is told to write back what was written. */
#define SEND_LENGTH (64u << 20)
/* What direct I/O must be aligned to, on disks of any sector size, and from where on it pays. */
#define DIRECT_ALIGNMENT 4096u
#define DIRECT_LENGTH (256u << 10)

struct file {
    struct disk base;
    int fd;
    int direct_fd;    /* O_DIRECT; -1: not here */
    int no_direct;    /* atomic: the file system or device refused such a write */
    int cannot_punch; /* atomic: the file system or device has said so */
    GMutex writing;   /* held while the file is written; of what follows */
    guint64 unsent;   /* bytes that the kernel was not told to write back */
};

static gboolean
report_shrunk(const struct disk *disk, guint64 offset, GError **error)
{
    return error_set(error, SLIPWAY_ERROR_IO,
                     "disk %s: ends before offset %" G_GUINT64_FORMAT ", but had %" G_GUINT64_FORMAT
                     " bytes when it was opened; keep others from changing it meanwhile",
                     disk->label, offset, disk->size);
}

static gboolean
read_file(struct disk *self, guint64 offset, void *buffer, gsize length, GError **error)
{
    struct file *file = (struct file *)self;
    guint8 *to = buffer;
    while (length > 0) {
        ssize_t n = pread(file->fd, to, length, (off_t)offset);
        if (n == 0)
            return report_shrunk(self, offset, error);
        if (n < 0) {
            if (errno == EINTR)
                continue;
            return error_set_errno(error, errno,
                                   "disk %s: cannot read at offset %" G_GUINT64_FORMAT, self->label,
                                   offset);
        }
        to += n;
        offset += (gsize)n;
        length -= (gsize)n;
    }
    return TRUE;
}

/* Written back while more is computed, so that little is left to do when it must be durable.  A
 * hint: where it fails disk_flush() says why. */
static void
send_some(struct file *file, gsize length)
{
    file->unsent += length;
    if (file->unsent < SEND_LENGTH)
        return;
    file->unsent = 0;
    sync_file_range(file->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}

/* Write what `fd` takes; FALSE with errno, and *done is how much was written. */
static gboolean
write_fully(int fd, guint64 offset, const guint8 *from, gsize length, gsize *done)
{
    for (*done = 0; *done < length;) {
        ssize_t n = pwrite(fd, from + *done, length - *done, (off_t)(offset + *done));
        if (n > 0) {
            *done += (gsize)n;
        } else if (n == 0) {
            errno = ENOSPC;
            return FALSE;
        } else if (errno != EINTR) {
            return FALSE;
        }
    }
    return TRUE;
}

static gboolean
may_write_directly(struct file *file, guint64 offset, const void *data, gsize length)
{
    return file->direct_fd >= 0 && !g_atomic_int_get(&file->no_direct) && length >= DIRECT_LENGTH &&
           (offset | length | GPOINTER_TO_SIZE(data)) % DIRECT_ALIGNMENT == 0;
}

/* File systems let one thread at a time write to a file through the page cache; the others would
 * spin for it, at the cost of whoever has work to do. */
static gboolean
write_file(struct disk *self, guint64 offset, const void *data, gsize length, GError **error)
{
    struct file *file = (struct file *)self;
    const guint8 *from = data;
    gsize done = 0;
    gboolean ok = FALSE;
    if (may_write_directly(file, offset, data, length)) {
        ok = write_fully(file->direct_fd, offset, from, length, &done);
        /* Refused: not here, or a larger alignment is wanted.  The page cache takes everything. */
        if (!ok && errno == EINVAL)
            g_atomic_int_set(&file->no_direct, TRUE);
        else if (!ok)
            return error_set_errno(error, errno,
                                   "disk %s: cannot write at offset %" G_GUINT64_FORMAT,
                                   self->label, offset + done);
    }
    if (ok)
        return TRUE;
    g_autoptr(GMutexLocker) writing = g_mutex_locker_new(&file->writing);
    offset += done;
    send_some(file, length - done);
    if (!write_fully(file->fd, offset, from + done, length - done, &done))
        return error_set_errno(error, errno, "disk %s: cannot write at offset %" G_GUINT64_FORMAT,
                               self->label, offset + done);
    return TRUE;
}

/* Punching makes holes in files and unmaps on devices; where there is only ZERO_RANGE that is still
 * better than zeros through the page cache.  Any failure leaves the writing of zeros, which will
 * say itself what is wrong. */
static gboolean
punch(struct file *file, guint64 offset, guint64 length)
{
    static const int modes[] = {FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE};
    if (g_atomic_int_get(&file->cannot_punch))
        return FALSE;
    gboolean unsupported = TRUE;
    for (gsize i = 0; i < G_N_ELEMENTS(modes); i++) {
        int status;
        do
            status = fallocate(file->fd, modes[i], (off_t)offset, (off_t)length);
        while (status != 0 && errno == EINTR);
        if (status == 0)
            return TRUE;
        unsupported = unsupported && (errno == EOPNOTSUPP || errno == ENOSYS || errno == ENODEV);
    }
    if (unsupported)
        g_atomic_int_set(&file->cannot_punch, TRUE);
    return FALSE;
}

static gboolean
zero_file(struct disk *self, guint64 offset, guint64 length, GError **error)
{
    if (punch((struct file *)self, offset, length))
        return TRUE;
    return disk_write_zeros(self, offset, length, error);
}

static gboolean
flush_file(struct disk *self, GError **error)
{
    while (fdatasync(((struct file *)self)->fd) != 0) {
        if (errno != EINTR)
            return error_set_errno(error, errno, "disk %s: cannot make durable what was written",
                                   self->label);
    }
    return TRUE;
}

/* lseek() moves the descriptor's position, which nothing here uses. */
static gboolean
find_extent(struct disk *self, guint64 offset, guint64 length, struct disk_extent *ret,
            GError **error)
{
    struct file *file = (struct file *)self;
    guint64 end = offset + length;
    off_t data = lseek(file->fd, (off_t)offset, SEEK_DATA);
    if (data < 0 && errno == ENXIO) {
        /* No data from here on: a hole up to the end, or a file that has become shorter and must
         * not be taken for one. */
        struct stat status;
        if (fstat(file->fd, &status) != 0 || (guint64)status.st_size < self->size)
            return report_shrunk(self, offset, error);
        data = (off_t)end;
    }
    if (data > (off_t)offset) {
        *ret = (struct disk_extent){offset, MIN((guint64)data, end) - offset, DISK_ZERO};
        return TRUE;
    }
    off_t hole = data == (off_t)offset ? lseek(file->fd, data, SEEK_HOLE) : -1;
    /* When nothing is known, or it has just changed, it is data. */
    guint64 until = hole > (off_t)offset ? MIN((guint64)hole, end) : end;
    *ret = (struct disk_extent){offset, until - offset, DISK_DATA};
    return TRUE;
}

static void
prefetch_file(struct disk *self, guint64 offset, guint64 length)
{
    posix_fadvise(((struct file *)self)->fd, (off_t)offset, (off_t)length, POSIX_FADV_WILLNEED);
}

static void
close_file(struct disk *self)
{
    struct file *file = (struct file *)self;
    close(file->fd);
    if (file->direct_fd >= 0)
        close(file->direct_fd);
    g_mutex_clear(&file->writing);
    g_free(file);
}

static const struct disk_class file_class = {
    .name = "file",
    .read = read_file,
    .write = write_file,
    .zero = zero_file,
    .flush = flush_file,
    .extent = find_extent,
    .prefetch = prefetch_file,
    .close = close_file,
};

/* O_NONBLOCK: a named pipe is refused instead of waited for.  O_EXCL on a device: one that is
 * mounted, or part of something that is, is refused by the kernel. */
static int
open_path(const char *path, gboolean writable, GError **error)
{
    int flags = O_CLOEXEC | O_NONBLOCK | O_NOCTTY | (writable ? O_RDWR : O_RDONLY);
    if (writable && disk_is_device(path))
        flags |= O_EXCL;
    int fd = open(path, flags);
    if (fd < 0 && errno == EBUSY)
        error_set(error, SLIPWAY_ERROR_BUSY,
                  "disk %s is in use, perhaps mounted; unmount it or name another one", path);
    else if (fd < 0)
        error_set_errno(error, errno, "cannot open disk %s", path);
    return fd;
}

/* The same file once more, whatever its path names by now; -1 where that cannot be. */
static int
open_directly(int fd)
{
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);
    return open(path, O_WRONLY | O_DIRECT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

static gboolean
measure(int fd, const char *path, guint64 *ret_size, GError **error)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return error_set_errno(error, errno, "cannot find out the size of disk %s", path);
    if (S_ISREG(status.st_mode)) {
        *ret_size = (guint64)status.st_size;
        return TRUE;
    }
    if (!S_ISBLK(status.st_mode))
        return error_set(error, SLIPWAY_ERROR_UNSUPPORTED,
                         "%s is not a disk; name a file or a block device", path);
    if (ioctl(fd, BLKGETSIZE64, ret_size) != 0)
        return error_set_errno(error, errno, "cannot find out the size of disk %s", path);
    return TRUE;
}

struct disk *
disk_file_open(const char *path, gboolean writable, GError **error)
{
    int fd = open_path(path, writable, error);
    if (fd < 0)
        return NULL;
    guint64 size;
    if (!measure(fd, path, &size, error)) {
        close(fd);
        return NULL;
    }
    unsigned capabilities = writable ? DISK_CAN_WRITE | DISK_CAN_PUNCH : 0;
    if (size > 0 && lseek(fd, 0, SEEK_HOLE) >= 0)
        capabilities |= DISK_CAN_EXTENTS;
    struct file *file = g_new0(struct file, 1);
    disk_init(&file->base, &file_class, size, capabilities, path);
    file->fd = fd;
    file->direct_fd = writable ? open_directly(fd) : -1;
    g_mutex_init(&file->writing);
    return &file->base;
}

gboolean
disk_is_device(const char *location)
{
    struct stat status;
    return stat(location, &status) == 0 && S_ISBLK(status.st_mode);
}
