/* SPDX-License-Identifier: GPL-3.0-or-later */
/* disk_driver.h: for those who write drivers of struct disk.
 *
 * A driver fills a class, puts `struct disk` first in its own struct and calls disk_init().  The
 * frontend in disk.c has checked every range against the size, and that a length is not 0, before a
 * function of the class is called; it also checks cancel_check() for nobody: long loops are the
 * caller's.  test/conformance/disk_suite.h is run over every driver. */
#pragma once

#include "disk/disk.h"

struct disk_class {
    const char *name; /* "file", "nbd" */
    gboolean (*read)(struct disk *self, guint64 offset, void *buffer, gsize length, GError **error);
    /* NULL in a read-only driver, as are zero and flush. */
    gboolean (*write)(struct disk *self, guint64 offset, const void *data, gsize length,
                      GError **error);
    /* NULL: the frontend writes zeros. */
    gboolean (*zero)(struct disk *self, guint64 offset, guint64 length, GError **error);
    gboolean (*flush)(struct disk *self, GError **error);
    /* NULL: all is data. */
    gboolean (*extent)(struct disk *self, guint64 offset, guint64 length, struct disk_extent *ret,
                       GError **error);
    /* NULL: nothing is done. */
    void (*prefetch)(struct disk *self, guint64 offset, guint64 length);
    /* Free what `self` owns, and `self`. */
    void (*close)(struct disk *self);
};

struct disk {
    const struct disk_class *class;
    char *label; /* freed by disk_close() */
    guint64 size;
    unsigned capabilities;
    /* Set after disk_init() by a driver that cannot do any range: a power of two.  Ranges then come
     * in multiples of it (the last may end at the end of the disk), whatever the caller asked for;
     * parts of such a block are written by reading it first. */
    guint alignment;
    GMutex partial_writes; /* the frontend's, as is ... */
    int flush_failed;      /* ... atomic */
};

/* Set up the base part, to be given back by disk_close() also when the rest of opening fails. */
void disk_init(struct disk *disk, const struct disk_class *class, guint64 size,
               unsigned capabilities, const char *label);

/* Write zeros through the class's write(): what the frontend does for a driver without zero(), for
 * one whose zero() finds out that it cannot. */
gboolean disk_write_zeros(struct disk *disk, guint64 offset, guint64 length, GError **error);
