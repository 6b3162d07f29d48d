/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "disk/disk_driver.h"
#include "disk_suite.h"

static struct disk *
create_memory(const struct disk_suite *suite G_GNUC_UNUSED, const struct scratch *s G_GNUC_UNUSED,
              guint64 size)
{
    return disk_memory_new(size, "memory");
}

/* With faults that are never due: the filter itself must not be seen. */
static struct disk *
create_fault(const struct disk_suite *suite G_GNUC_UNUSED, const struct scratch *s G_GNUC_UNUSED,
             guint64 size)
{
    static const struct disk_fault never = {.reads = 0};
    return disk_fault_new(disk_memory_new(size, "below"), &never, 1);
}

/* A driver that takes whole blocks only, and neither zeros nor knows extents: the frontend's work.
 */
#define BLOCK 4096u

struct blocks {
    struct disk base;
    struct disk *below;
};

static void
expect_whole(const struct disk *self, guint64 offset, guint64 length)
{
    g_assert_cmpuint(offset % BLOCK, ==, 0);
    g_assert_true((offset + length) % BLOCK == 0 || offset + length == self->size);
    g_assert_cmpuint(length, >, 0);
}

static gboolean
read_blocks(struct disk *self, guint64 offset, void *buffer, gsize length, GError **error)
{
    expect_whole(self, offset, length);
    return disk_read(((struct blocks *)self)->below, offset, buffer, length, error);
}

static gboolean
write_blocks(struct disk *self, guint64 offset, const void *data, gsize length, GError **error)
{
    expect_whole(self, offset, length);
    return disk_write(((struct blocks *)self)->below, offset, data, length, error);
}

static gboolean
flush_blocks(struct disk *self, GError **error)
{
    return disk_flush(((struct blocks *)self)->below, error);
}

static gboolean
find_blocks(struct disk *self, guint64 offset, guint64 length, struct disk_extent *ret,
            GError **error)
{
    expect_whole(self, offset, length);
    return disk_extent(((struct blocks *)self)->below, offset, length, ret, error);
}

static void
close_blocks(struct disk *self)
{
    disk_close(((struct blocks *)self)->below);
    g_free(self);
}

static const struct disk_class plain_class = {
    "plain", read_blocks, write_blocks, NULL, flush_blocks, NULL, NULL, close_blocks};
static const struct disk_class extents_class = {
    "extents", read_blocks, write_blocks, NULL, flush_blocks, find_blocks, NULL, close_blocks};

static struct disk *
create_blocks(const struct disk_suite *suite, const struct scratch *s G_GNUC_UNUSED, guint64 size)
{
    const struct disk_class *class = suite->data;
    struct blocks *blocks = g_new0(struct blocks, 1);
    unsigned extents = class->extent != NULL ? DISK_CAN_EXTENTS : 0;
    disk_init(&blocks->base, class, size, DISK_CAN_WRITE | extents, "blocks");
    blocks->base.alignment = BLOCK;
    blocks->below = disk_memory_new(size, "below");
    return &blocks->base;
}

/* A disk of any size costs only what was written to it, in memory and in time. */
static void
test_huge(void)
{
    g_autoptr(GError) error = NULL;
    guint64 size = G_MAXINT64;
    auto_ptr(disk) disk = disk_memory_new(size, "huge");
    struct disk_extent extent;
    g_assert_true(disk_extent(disk, 0, size, &extent, &error));
    g_assert_cmpuint(extent.length, ==, size);
    g_assert_cmpint(extent.kind, ==, DISK_ZERO);
    g_assert_true(disk_write(disk, size - 1, "x", 1, &error));
    g_assert_true(disk_extent(disk, size - 1, 1, &extent, &error));
    g_assert_cmpint(extent.kind, ==, DISK_DATA);
    g_assert_true(disk_extent(disk, 5, size - 5, &extent, &error));
    g_assert_cmpint(extent.kind, ==, DISK_ZERO);
    g_assert_cmpuint(extent.length, ==, size - 65535 - 5);
    g_assert_true(disk_zero(disk, 0, size, &error));
    g_assert_true(disk_extent(disk, 0, size, &extent, &error));
    g_assert_cmpuint(extent.length, ==, size);
    g_assert_no_error(error);
}

int
main(int argc, char **argv)
{
    static const struct disk_suite memory = {"memory", create_memory, NULL, NULL, NULL, FALSE};
    static const struct disk_suite fault = {"fault", create_fault, NULL, NULL, NULL, FALSE};
    static const struct disk_suite plain = {"blocks", create_blocks, .data = &plain_class};
    static const struct disk_suite extents = {"blocks-extents", create_blocks,
                                              .data = &extents_class};
    g_test_init(&argc, &argv, NULL);
    disk_suite_add(&memory);
    disk_suite_add(&fault);
    disk_suite_add(&plain);
    disk_suite_add(&extents);
    g_test_add_func("/disk/memory/huge", test_huge);
    return g_test_run();
}
