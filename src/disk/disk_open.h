/* SPDX-License-Identifier: GPL-3.0-or-later */
/* disk_open.h: the disk that a word of the user names.
 *
 * A location is a path (raw file, block device, or an image in a format that qemu-nbd reads, found
 * by its magic bytes) or an NBD URI (nbd://, nbds://, nbd+unix://).  A block device is raw unless a
 * format is named.  Who can write a raw disk can also make it look like an image that refers to
 * other files, so name DISK_FORMAT_RAW for the disk of a guest that is not trusted.  Any thread. */
#pragma once

#include "disk/disk.h"

enum disk_format {
    DISK_FORMAT_AUTO, /* reading: by magic bytes; creating: by the file name's ending, else raw */
    DISK_FORMAT_RAW,
    DISK_FORMAT_QCOW2,
    DISK_FORMAT_VMDK,
    DISK_FORMAT_VHDX,
    DISK_FORMAT_VPC,
    DISK_FORMAT_VDI,
    DISK_FORMAT_N
};

/* "qcow2", and so on as qemu-img calls them, "vhd" for VPC, "auto"; FALSE when it is none. */
gboolean disk_format_parse(const char *name, enum disk_format *ret);
const char *disk_format_name(enum disk_format format);
/* By the first bytes (and the last 512, for a fixed VHD); RAW when they are nothing known, and for
 * a block device.  DISK_FORMAT_N and an error as disk_file_open(). */
enum disk_format disk_format_probe(const char *path, GError **error);

/* Open a disk for reading.  Formats but raw are read through a `qemu-nbd` that is started
 * read-only on a private socket and ends with the disk, also when this process is killed.  A qcow2
 * or VMDK image is checked first, which reads its tables: one that was cut off would read as zeros.
 * (qemu cannot tell that of a VDI image, nor of the -flat file of a VMDK.)
 *
 * SLIPWAY_ERROR_NOT_FOUND, SLIPWAY_ERROR_IO; SLIPWAY_ERROR_NETWORK, or SLIPWAY_ERROR_USAGE for a
 * URI that is none; SLIPWAY_ERROR_CORRUPT for an image that is damaged or not of that format;
 * SLIPWAY_ERROR_BUSY for an image that somebody writes; SLIPWAY_ERROR_UNSUPPORTED when qemu-nbd is
 * missing (the message says which package has it), and for what is no disk. */
struct disk *disk_open_read(const char *location, enum disk_format format, GError **error);

/* Open an existing disk for reading and writing (an NBD server, a block device, an image).  As
 * disk_open_read(), and SLIPWAY_ERROR_BUSY for a device that is mounted or an image that is open,
 * SLIPWAY_ERROR_READ_ONLY for a server that does not let it be written. */
struct disk *disk_open_write(const char *location, enum disk_format format, GError **error);

/* Make a disk of `size` bytes that reads as zeros, and open it for writing.  Its file can be read
 * by its owner only.  A file that exists is SLIPWAY_ERROR_EXISTS; a failure leaves none.  Raw files
 * are sparse; other formats are made with qemu-img, and their size must be a multiple of 512, else
 * SLIPWAY_ERROR_USAGE. */
struct disk *disk_create(const char *path, enum disk_format format, guint64 size, GError **error);

/* TRUE when `location` is a block device: what is on it would be lost for good. */
gboolean disk_is_device(const char *location);

/* The drivers by themselves. */

/* `path` is a raw file or block device.  Reads by pread(2): one descriptor, any threads.  A file
 * that becomes shorter is SLIPWAY_ERROR_IO where it ends, never a hole. */
struct disk *disk_file_open(const char *path, gboolean writable, GError **error);
/* A read that fails because the connection was lost may be tried again: it connects anew.  A server
 * that does not offer to flush is taken to write through, as the protocol has it. */
struct disk *disk_nbd_open(const char *uri, gboolean writable, GError **error);

#define DISK_NBD_SILENCE_S 300u

struct disk_nbd_options {
    /* Seconds for which nothing may come from the server, and nothing go to it, while an answer is
     * due: to a connection, or to a request.  Then that fails with SLIPWAY_ERROR_NETWORK, as does
     * whatever else is asked of the disk until it is closed, which does not wait for the server.
     * A cancel (cancel.h) that comes while nothing does is SLIPWAY_ERROR_CANCELLED within a second.
     * 0: DISK_NBD_SILENCE_S for a disk that is only read; one that is written waits for its server
     * without an end, and without a look at cancel.h, as a medium may take long to write. */
    guint silence_s;
    const char *label;  /* what the disk is called in messages; NULL: the URI */
    const char *remedy; /* "check the server": what to do when it is silent or lost; NULL: that */
};
struct disk *disk_nbd_open_with(const char *uri, gboolean writable,
                                const struct disk_nbd_options *options, GError **error);
/* `size` zeros in memory, at most G_MAXINT64; sparse, so that a large one that is empty costs
 * nothing. */
struct disk *disk_memory_new(guint64 size, const char *label);

/* Faults on purpose, over any disk, which it takes over: for tests of whoever uses disks.  Calls
 * are counted for each fault by itself, among those that touch its range: reads (disk_read()),
 * writes (disk_write(), disk_zero()) and others (disk_extent(), and disk_flush(), which touches any
 * range).  A call that fails has done nothing below.  SLIPWAY_ERROR_IO, or what error_set_errno()
 * makes of `number`. */
struct disk_fault {
    guint64 offset, length;         /* calls that touch this range ...; length 0: to the end */
    unsigned reads, writes, others; /* ... fail from the n-th of their kind on; 0: never */
    gboolean once;                  /* only that one */
    gboolean garbage;               /* reads succeed with a flipped bit instead of failing */
    int number;                     /* errno value of the failure; 0: EIO */
};
struct disk *disk_fault_new(struct disk *below, const struct disk_fault *faults, guint n);
