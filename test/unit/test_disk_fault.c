/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "disk/disk_open.h"

#include <errno.h>
#include <string.h>

#define SIZE 65536u

static struct disk *
new_disk(struct disk_fault fault)
{
    return disk_fault_new(disk_memory_new(SIZE, "victim"), &fault, 1);
}

static gboolean
reads(struct disk *disk, guint64 offset, gsize length)
{
    g_autofree guint8 *bytes = g_malloc(length);
    return disk_read(disk, offset, bytes, length, NULL);
}

/* Fails from the n-th read on that touches the range; others are not counted. */
static void
test_nth(void)
{
    auto_ptr(disk) disk = new_disk((struct disk_fault){.offset = 1000, .length = 10, .reads = 2});
    g_assert_true(reads(disk, 0, 1000));
    g_assert_true(reads(disk, 1010, 100));
    g_assert_true(reads(disk, 1009, 1));
    g_assert_true(disk_write(disk, 1000, "x", 1, NULL));
    g_assert_false(reads(disk, 999, 2));
    g_assert_false(reads(disk, 0, SIZE));
    g_assert_true(reads(disk, 0, 1000));
}

static void
test_once(void)
{
    auto_ptr(disk) disk = new_disk((struct disk_fault){.writes = 3, .once = TRUE});
    g_assert_true(disk_write(disk, 0, "a", 1, NULL));
    g_assert_true(disk_zero(disk, 100, 1, NULL));
    g_assert_false(disk_write(disk, 0, "b", 1, NULL));
    char byte;
    g_assert_true(disk_read(disk, 0, &byte, 1, NULL));
    g_assert_cmpint(byte, ==, 'a');
    g_assert_true(disk_write(disk, 0, "c", 1, NULL));
}

static void
test_others(void)
{
    auto_ptr(disk) disk = new_disk((struct disk_fault){.offset = 4096, .length = 1, .others = 2});
    struct disk_extent extent;
    g_assert_true(disk_extent(disk, 0, 4096, &extent, NULL));
    g_assert_true(disk_extent(disk, 0, 4097, &extent, NULL));
    g_assert_false(disk_flush(disk, NULL));
    g_assert_false(disk_extent(disk, 4096, 1, &extent, NULL));
    g_assert_true(disk_write(disk, 4096, "x", 1, NULL));
}

/* A flush that failed is not made good by the next. */
static void
test_flush(void)
{
    auto_ptr(disk) disk = new_disk((struct disk_fault){.others = 2, .once = TRUE});
    g_autoptr(GError) error = NULL;
    g_assert_true(disk_flush(disk, NULL));
    g_assert_false(disk_flush(disk, NULL));
    g_assert_false(disk_flush(disk, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_IO);
}

static void
test_words(void)
{
    auto_ptr(disk) disk = new_disk((struct disk_fault){.reads = 1, .writes = 1, .number = ENOSPC});
    g_autoptr(GError) read = NULL, write = NULL;
    char byte = 0;
    g_assert_false(disk_read(disk, 7, &byte, 1, &read));
    g_assert_cmpstr(read->message, ==,
                    "disk victim: cannot read at offset 7 (a fault made for a test): No space left "
                    "on device; free some space or choose another place");
    g_assert_false(disk_write(disk, 8, &byte, 1, &write));
    g_assert_error(write, SLIPWAY_ERROR, SLIPWAY_ERROR_IO);
}

/* Exactly one bit, within the range of the fault. */
static void
test_garbage(void)
{
    auto_ptr(disk) disk =
        new_disk((struct disk_fault){.offset = 5000, .length = 100, .reads = 1, .garbage = TRUE});
    g_autofree guint8 *bytes = g_malloc(SIZE), *zeros = g_malloc0(SIZE);
    g_assert_true(disk_read(disk, 0, bytes, SIZE, NULL));
    g_assert_cmpint(bytes[5000], ==, 1);
    bytes[5000] = 0;
    g_assert_cmpint(memcmp(bytes, zeros, SIZE), ==, 0);
    g_assert_true(disk_read(disk, 5050, bytes, 10, NULL));
    g_assert_cmpint(bytes[0], ==, 1);
    g_assert_true(disk_read(disk, 5100, bytes, 10, NULL));
    g_assert_cmpint(bytes[0], ==, 0);
}

static void
test_several(void)
{
    const struct disk_fault faults[] = {
        {.offset = 0, .length = 10, .reads = 1, .once = TRUE, .number = ENOENT},
        {.offset = 5, .length = 10, .reads = 2},
    };
    auto_ptr(disk) disk = disk_fault_new(disk_memory_new(SIZE, "victim"), faults, 2);
    g_autoptr(GError) first = NULL, second = NULL;
    char bytes[10];
    g_assert_false(disk_read(disk, 0, bytes, 10, &first));
    g_assert_error(first, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND);
    g_assert_false(disk_read(disk, 0, bytes, 10, &second));
    g_assert_error(second, SLIPWAY_ERROR, SLIPWAY_ERROR_IO);
    g_assert_true(disk_read(disk, 20, bytes, 10, NULL));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/disk-fault/nth", test_nth);
    g_test_add_func("/disk-fault/once", test_once);
    g_test_add_func("/disk-fault/others", test_others);
    g_test_add_func("/disk-fault/flush", test_flush);
    g_test_add_func("/disk-fault/words", test_words);
    g_test_add_func("/disk-fault/garbage", test_garbage);
    g_test_add_func("/disk-fault/several", test_several);
    return g_test_run();
}
