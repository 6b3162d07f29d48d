/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/libvirt/image_file.h"

#include "base/error.h"
#include "disk/disk_open.h"
#include "hyper/libvirt/failure.h"
#include "hyper/libvirt/image_lock.h"

#include <string.h>

char *
image_file_path(struct libvirt *host, const struct domain_disk *disk, GError **error)
{
    if (disk->path != NULL && disk->path[0] == '/')
        return g_strdup(disk->path);
    if (disk->pool == NULL || disk->volume == NULL)
        return error_null(error, SLIPWAY_ERROR_UNSUPPORTED,
                          "it is no file or device of this computer, and can be read only while "
                          "its machine runs");
    auto_connection connection = daemon_connect(host->daemon, error);
    if (connection == NULL)
        return NULL;
    auto_pool pool = virStoragePoolLookupByName(connection, disk->pool);
    auto_volume volume = pool != NULL ? virStorageVolLookupByName(pool, disk->volume) : NULL;
    auto_text path = volume != NULL ? virStorageVolGetPath(volume) : NULL;
    if (path == NULL)
        return failure_null(error, "volume %s of storage pool %s", disk->volume, disk->pool);
    return g_strdup(path);
}

/* libvirt calls them as QEMU does. */
static gboolean
format_of(const char *word, enum disk_format *ret)
{
    if (strcmp(word, "vpc") == 0)
        word = "vhd";
    return strcmp(word, "auto") != 0 && disk_format_parse(word, ret);
}

struct disk *
image_file_open(struct libvirt *host, const struct domain_disk *disk, gboolean writable,
                int *ret_lock, GError **error)
{
    enum disk_format format = DISK_FORMAT_RAW;
    *ret_lock = -1;
    g_autofree char *path = image_file_path(host, disk, error);
    if (path == NULL)
        return NULL;
    if (!format_of(disk->format, &format))
        return error_null(error, SLIPWAY_ERROR_UNSUPPORTED,
                          "%s: images of format %s can be read only while their machine runs", path,
                          disk->format);
    if (format == DISK_FORMAT_RAW && (*ret_lock = image_lock(path, writable, error)) < 0)
        return NULL;
    return writable ? disk_open_write(path, format, error) : disk_open_read(path, format, error);
}
