/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/libvirt/image_lock.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* Where QEMU says what it does with an image, and what it does not let others do: a byte for each
 * permission (block/file-posix.c, since QEMU 2.10). */
#define DOES 100
#define REFUSES 200
#define CONSISTENT_READ 0
#define WRITE 1
#define RESIZE 3

static struct flock
byte_at(short type, off_t at)
{
    return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = at, .l_len = 1};
}

/* Whether somebody holds a byte. */
static gboolean
is_held(int fd, off_t at)
{
    struct flock lock = byte_at(F_WRLCK, at);
    return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

/* FALSE with errno where there are no locks. */
static gboolean
hold(int fd, off_t at)
{
    struct flock lock = byte_at(F_RDLCK, at);
    return fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

/* First said what is refused, then looked whether others do it: of two who begin at once none goes
 * on.  A file system without locks is none of our business. */
static void
take(int fd, gboolean writing)
{
    gboolean ok =
        hold(fd, REFUSES + WRITE) && hold(fd, REFUSES + RESIZE) && hold(fd, DOES + CONSISTENT_READ);
    if (ok && writing && hold(fd, DOES + WRITE))
        hold(fd, REFUSES + CONSISTENT_READ);
}

/* With our own bytes held by this descriptor, F_OFD_GETLK tells of others only. */
static gboolean
is_free(int fd, gboolean writing)
{
    if (is_held(fd, DOES + WRITE) || is_held(fd, DOES + RESIZE))
        return FALSE;
    if (is_held(fd, REFUSES + CONSISTENT_READ))
        return FALSE;
    return !writing || (!is_held(fd, DOES + CONSISTENT_READ) && !is_held(fd, REFUSES + WRITE));
}

int
image_lock(const char *path, gboolean writing, GError **error)
{
    int fd = open(path, (writing ? O_RDWR : O_RDONLY) | O_CLOEXEC);
    if (fd < 0) {
        error_set_errno(error, errno, "cannot open disk %s", path);
        return -1;
    }
    take(fd, writing);
    if (is_free(fd, writing))
        return fd;
    close(fd);
    error_set(error, SLIPWAY_ERROR_BUSY,
              "disk %s is in use by another program (QEMU, qemu-nbd, or another backup); try again "
              "when it has ended",
              path);
    return -1;
}
