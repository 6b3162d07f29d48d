/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "disk/disk_driver.h"
#include "disk/overlay.h"
#include "disk_suite.h"

#include <string.h>

static struct disk *
open_over(struct disk *base, const struct overlay_options *options)
{
    g_autoptr(GError) error = NULL;
    struct disk *disk = disk_overlay_open(base, options, &error);
    g_assert_no_error(error);
    return disk;
}

static struct disk *
create_unnamed(const struct disk_suite *suite G_GNUC_UNUSED, const struct scratch *scratch,
               guint64 size)
{
    struct overlay_options options = {.directory = scratch->path};
    return open_over(disk_memory_new(size, "base"), &options);
}

/* Nothing of what is below may be seen. */
static struct disk *
create_zeroed(const struct disk_suite *suite G_GNUC_UNUSED,
              const struct scratch *scratch G_GNUC_UNUSED, guint64 size)
{
    struct overlay_options options = {.limit = 0};
    struct disk *base = disk_memory_new(size, "base");
    g_autofree guint8 *bytes = g_malloc(size);
    memset(bytes, 0x77, size);
    g_assert_true(disk_write(base, 0, bytes, size, NULL));
    struct disk *disk = open_over(base, &options);
    g_assert_true(disk_zero(disk, 0, size, NULL));
    return disk;
}

static struct disk *
open_named(const struct scratch *scratch, guint64 size)
{
    g_autofree char *path = scratch_path(scratch, "scratch");
    struct overlay_options options = {.path = path, .identity = "the suite's"};
    return open_over(disk_memory_new(size, "base"), &options);
}

static struct disk *
create_named(const struct disk_suite *suite G_GNUC_UNUSED, const struct scratch *scratch,
             guint64 size)
{
    g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT, size);
    scratch_put(scratch, "size", text);
    return open_named(scratch, size);
}

/* Who opens a disk only to read it has no need of an overlay: a filter that does not let it be
 * written. */
struct reading {
    struct disk base;
    struct disk *below;
};

static gboolean
read_below(struct disk *self, guint64 offset, void *buffer, gsize length, GError **error)
{
    return disk_read(((struct reading *)self)->below, offset, buffer, length, error);
}

static gboolean
extent_below(struct disk *self, guint64 offset, guint64 length, struct disk_extent *ret,
             GError **error)
{
    return disk_extent(((struct reading *)self)->below, offset, length, ret, error);
}

static void
close_below(struct disk *self)
{
    disk_close(((struct reading *)self)->below);
    g_free(self);
}

static struct disk *
for_reading(struct disk *below)
{
    static const struct disk_class class = {
        .name = "reading", .read = read_below, .extent = extent_below, .close = close_below};
    struct reading *reading = g_new0(struct reading, 1);
    disk_init(&reading->base, &class, disk_size(below), DISK_CAN_EXTENTS, disk_label(below));
    reading->below = below;
    return &reading->base;
}

static struct disk *
open_again(const struct disk_suite *suite G_GNUC_UNUSED, const struct scratch *scratch,
           gboolean writable)
{
    g_autoptr(GBytes) bytes = scratch_get(scratch, "size");
    g_autofree char *text = g_strndup(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes));
    struct disk *disk = open_named(scratch, g_ascii_strtoull(text, NULL, 10));
    return writable ? disk : for_reading(disk);
}

int
main(int argc, char **argv)
{
    static const struct disk_suite unnamed = {"overlay", .create = create_unnamed};
    static const struct disk_suite zeroed = {"overlay-zeroed", .create = create_zeroed};
    static const struct disk_suite named = {
        "overlay-named", create_named, open_again, NULL, NULL, FALSE};
    g_test_init(&argc, &argv, NULL);
    disk_suite_add(&unnamed);
    disk_suite_add(&zeroed);
    disk_suite_add(&named);
    return g_test_run();
}
