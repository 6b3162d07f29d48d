/* SPDX-License-Identifier: GPL-3.0-or-later */
/* overlay_fixture.h: overlays over a disk of known bytes, and what is expected of them. */
#pragma once

#include "base/error.h"
#include "disk/disk_open.h"
#include "disk/overlay.h"
#include "scratch_directory.h"

#include <sys/stat.h>

#define BLOCK DISK_BLOCK
#define MIB (1024u * 1024)
#define SIZE (5 * MIB + 700)
/* Where the second page of the table begins. */
#define BORDER ((guint64)16128 * BLOCK)

static inline struct disk *
overlay_base(guint64 size)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(3);
    struct disk *base = disk_memory_new(size, "base");
    g_autofree guint8 *bytes = g_malloc(MIB);
    for (guint64 at = 0; at + MIB <= MIN(size, 4 * MIB); at += 2 * MIB) {
        for (guint i = 0; i < MIB; i++)
            bytes[i] = (guint8)(g_rand_int(rand) >> 5);
        g_assert_true(disk_write(base, at, bytes, MIB, NULL));
    }
    return base;
}

static inline struct disk *
overlay_open(guint64 size, const struct overlay_options *options)
{
    g_autoptr(GError) error = NULL;
    struct disk *disk = disk_overlay_open(overlay_base(size), options, &error);
    g_assert_no_error(error);
    return disk;
}

static inline struct disk *
overlay_unnamed(guint64 size, guint64 limit)
{
    struct overlay_options options = {.limit = limit};
    return overlay_open(size, &options);
}

static inline struct disk *
overlay_named(const char *path, guint64 size)
{
    struct overlay_options options = {.path = path, .identity = "set 1, disk root"};
    return overlay_open(size, &options);
}

static inline void
overlay_expect_refused(const char *path, guint64 size, const char *identity, int code,
                       const char *words)
{
    g_autoptr(GError) error = NULL;
    struct overlay_options options = {.path = path, .identity = identity};
    g_assert_null(disk_overlay_open(overlay_base(size), &options, &error));
    g_assert_error(error, SLIPWAY_ERROR, code);
    g_assert_nonnull(strstr(error->message, words));
    g_assert_nonnull(strstr(error->message, path));
}

static inline guint8 *
overlay_read(struct disk *disk)
{
    g_autoptr(GError) error = NULL;
    guint8 *bytes = g_malloc(disk_size(disk));
    disk_read(disk, 0, bytes, disk_size(disk), &error);
    g_assert_no_error(error);
    return bytes;
}

static inline void
overlay_expect(struct disk *disk, const guint8 *expected)
{
    g_autofree guint8 *bytes = overlay_read(disk);
    g_assert_cmpint(memcmp(bytes, expected, disk_size(disk)), ==, 0);
}

static inline guint64
overlay_used(struct disk *disk)
{
    guint64 bytes, limit;
    disk_overlay_usage(disk, &bytes, &limit);
    return bytes;
}

static inline void
overlay_write(struct disk *disk, guint64 offset, guint8 value, gsize length)
{
    g_autoptr(GError) error = NULL;
    g_autofree guint8 *bytes = g_malloc(length);
    memset(bytes, value, length);
    disk_write(disk, offset, bytes, length, &error);
    g_assert_no_error(error);
}

static inline void
overlay_expect_extent(struct disk *disk, guint64 offset, guint64 length, enum disk_extent_kind kind)
{
    g_autoptr(GError) error = NULL;
    struct disk_extent extent;
    disk_extent(disk, offset, G_MAXUINT64, &extent, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(extent.length, ==, length);
    g_assert_cmpint(extent.kind, ==, kind);
}

static inline void
overlay_expect_changed(struct disk *disk, guint64 offset, guint64 length, gboolean changed)
{
    guint64 found;
    g_assert_cmpint(disk_overlay_changed(disk, offset, G_MAXUINT64, &found), ==, changed);
    g_assert_cmpuint(found, ==, length);
    g_assert_cmpint(disk_overlay_changed(disk, offset, 1, &found), ==, changed);
    g_assert_cmpuint(found, ==, 1);
}

static inline guint64
overlay_allocated(const char *path)
{
    struct stat status;
    g_assert_cmpint(stat(path, &status), ==, 0);
    return (guint64)status.st_blocks * 512;
}
