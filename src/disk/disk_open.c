/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "disk/disk_open.h"

#include "base/durable_file.h"
#include "base/error.h"
#include "disk/disk_private.h"
#include "disk/qemu_img.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

/* What images can have: all formats count in sectors. */
#define SECTOR 512u

static gboolean
is_uri(const char *location)
{
    static const char *const schemes[] = {"nbd://",       "nbds://",      "nbd+unix://",
                                          "nbds+unix://", "nbd+vsock://", "nbds+vsock://"};
    for (gsize i = 0; i < G_N_ELEMENTS(schemes); i++) {
        if (g_ascii_strncasecmp(location, schemes[i], strlen(schemes[i])) == 0)
            return TRUE;
    }
    return FALSE;
}

/* What is missing from an image that was cut off would be read as zeros, and a backup of them would
 * look fine.  Checked first, as nobody else may open an image that is written; said last, as
 * qemu-nbd has better words for an image that it cannot open at all. */
static struct disk *
open_image(const char *path, enum disk_format format, gboolean writable, GError **error)
{
    auto_ptr(disk) file = disk_file_open(path, FALSE, error);
    gboolean damaged = FALSE;
    if (file == NULL || !qemu_img_check(path, format, &damaged, error))
        return NULL;
    auto_ptr(disk) disk = disk_image_open(path, format, writable, error);
    if (disk == NULL || !damaged)
        return g_steal_pointer(&disk);
    const char *name = disk_format_name(format);
    return error_null(error, SLIPWAY_ERROR_CORRUPT,
                      "disk %s is damaged or was cut off: 'qemu-img check -f %s' on it says where; "
                      "use another copy of it",
                      path, name);
}

static struct disk *
open_location(const char *location, enum disk_format format, gboolean writable, GError **error)
{
    if (is_uri(location)) {
        if (format == DISK_FORMAT_AUTO || format == DISK_FORMAT_RAW)
            return disk_nbd_open(location, writable, error);
        return error_null(error, SLIPWAY_ERROR_UNSUPPORTED,
                          "disk %s: what an NBD server gives is read as it is, not as %s; let the "
                          "server read the format",
                          location, disk_format_name(format));
    }
    if (format == DISK_FORMAT_AUTO)
        format = disk_format_probe(location, error);
    if (format == DISK_FORMAT_N)
        return NULL;
    if (format == DISK_FORMAT_RAW)
        return disk_file_open(location, writable, error);
    return open_image(location, format, writable, error);
}

struct disk *
disk_open_read(const char *location, enum disk_format format, GError **error)
{
    return open_location(location, format, FALSE, error);
}

struct disk *
disk_open_write(const char *location, enum disk_format format, GError **error)
{
    return open_location(location, format, TRUE, error);
}

/* An empty file that was not there before. */
static gboolean
make_file(const char *path, guint64 size, GError **error)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST)
        return error_set(error, SLIPWAY_ERROR_EXISTS,
                         "cannot create disk %s: it exists already; remove it or name another one",
                         path);
    if (fd < 0)
        return error_set_errno(error, errno, "cannot create disk %s", path);
    gboolean ok = ftruncate(fd, (off_t)size) == 0 && fsync(fd) == 0 && durable_file_sync_name(path);
    if (!ok) {
        error_set_errno(error, errno, "cannot create disk %s of %" G_GUINT64_FORMAT " bytes", path,
                        size);
        g_unlink(path);
    }
    close(fd);
    return ok;
}

static struct disk *
make_image(const char *path, enum disk_format format, guint64 size, GError **error)
{
    if (!qemu_img_create(path, format, size, error))
        return NULL;
    struct disk *disk = disk_image_open(path, format, TRUE, error);
    if (disk == NULL || disk_size(disk) == size)
        return disk;
    error_set(error, SLIPWAY_ERROR_UNSUPPORTED,
              "cannot create disk %s: %s makes %" G_GUINT64_FORMAT " bytes of %" G_GUINT64_FORMAT
              "; choose another format",
              path, disk_format_name(format), disk_size(disk), size);
    disk_close(disk);
    return NULL;
}

struct disk *
disk_create(const char *path, enum disk_format format, guint64 size, GError **error)
{
    if (is_uri(path))
        return error_null(error, SLIPWAY_ERROR_UNSUPPORTED,
                          "disk %s: a disk on an NBD server is made by the server; write to it as "
                          "an existing one",
                          path);
    if (format == DISK_FORMAT_AUTO)
        format = disk_format_of_name(path);
    gboolean raw = format == DISK_FORMAT_RAW;
    if (size > G_MAXINT64 || (!raw && size % SECTOR != 0))
        return error_null(error, SLIPWAY_ERROR_USAGE,
                          "cannot create disk %s: %" G_GUINT64_FORMAT
                          " bytes are no size for %s; choose a multiple of %u",
                          path, size, disk_format_name(format), SECTOR);
    if (!make_file(path, raw ? size : 0, error))
        return NULL;
    struct disk *disk =
        raw ? disk_file_open(path, TRUE, error) : make_image(path, format, size, error);
    if (disk == NULL)
        g_unlink(path);
    return disk;
}
