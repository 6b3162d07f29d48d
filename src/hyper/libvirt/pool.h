/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pool.h: where new disks go: volumes of libvirt's storage pools. */
#pragma once

#include "hyper/libvirt/libvirt.h"

/* Its folder; NULL when it has none.  Free with g_free(). */
char *pool_folder(virStoragePoolPtr pool);

/* Pool `name` (or the one of that folder), started; NULL: "default", else the only one that can be
 * used.  SLIPWAY_ERROR_NOT_FOUND lists those that there are.  virStoragePoolFree() it. */
virStoragePoolPtr pool_find(struct libvirt *host, const char *name, GError **error);

struct pool_volume {
    virStorageVolPtr volume;
    char *path;
    char *format;   /* "qcow2", "raw" */
    gboolean block; /* a block device */
    gboolean zero;  /* it reads as zeros */
};
void pool_volume_free(struct pool_volume *volume);
AUTO_PTR_DEFINE(pool_volume, pool_volume_free)

/* A new volume for disk `disk` of machine `machine`, whose name is like theirs and was not taken;
 * thin.  `format`: "qcow2" or "raw", when the pool has a choice.  SLIPWAY_ERROR_IO (no space),
 * SLIPWAY_ERROR_UNSUPPORTED: a pool in which nothing can be made. */
struct pool_volume *pool_make(virStoragePoolPtr pool, const char *machine, const char *disk,
                              const char *format, guint64 size, GError **error);
gboolean pool_remove(struct libvirt *host, struct pool_volume *volume, GError **error);
