/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "disk_suite.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB (1024u * 1024)

static struct disk *
create_file(const struct disk_suite *suite G_GNUC_UNUSED, const struct scratch *scratch,
            guint64 size)
{
    g_autofree char *path = scratch_path(scratch, "disk");
    g_autoptr(GError) error = NULL;
    struct disk *disk = disk_create(path, DISK_FORMAT_AUTO, size, &error);
    g_assert_no_error(error);
    return disk;
}

static struct disk *
open_file(const struct disk_suite *suite G_GNUC_UNUSED, const struct scratch *scratch,
          gboolean writable)
{
    g_autofree char *path = scratch_path(scratch, "disk");
    g_autoptr(GError) error = NULL;
    struct disk *disk = writable ? disk_open_write(path, DISK_FORMAT_RAW, &error)
                                 : disk_open_read(path, DISK_FORMAT_AUTO, &error);
    g_assert_no_error(error);
    return disk;
}

/* Run a program; its standard output without the last newline, or NULL when it fails. */
static char *
run(const char *const *argv)
{
    char *output = NULL;
    int status;
    if (!g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_STDERR_TO_DEV_NULL,
                      NULL, NULL, &output, NULL, &status, NULL))
        return NULL;
    if (status == 0)
        return g_strchomp(output);
    g_free(output);
    return NULL;
}

/* A real block device, where we may make one. */
static struct disk *
create_device(const struct disk_suite *suite G_GNUC_UNUSED, const struct scratch *scratch,
              guint64 size)
{
    disk_close(create_file(suite, scratch, size));
    g_autofree char *path = scratch_path(scratch, "disk");
    g_autofree char *device = run((const char *const[]){"losetup", "--find", "--show", path, NULL});
    if (device == NULL) {
        g_test_skip("no loop device can be made here");
        return NULL;
    }
    scratch_put(scratch, "device", device);
    g_autoptr(GError) error = NULL;
    g_assert_true(disk_is_device(device));
    g_assert_cmpint(disk_format_probe(device, &error), ==, DISK_FORMAT_RAW);
    struct disk *disk = disk_open_write(device, DISK_FORMAT_AUTO, &error);
    g_assert_no_error(error);
    return disk;
}

static char *
device_name(const struct scratch *scratch)
{
    g_autoptr(GBytes) bytes = scratch_get(scratch, "device");
    return g_strndup(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes));
}

static struct disk *
open_device(const struct disk_suite *suite G_GNUC_UNUSED, const struct scratch *scratch,
            gboolean writable)
{
    g_autofree char *device = device_name(scratch);
    g_autoptr(GError) error = NULL;
    struct disk *disk = writable ? disk_open_write(device, DISK_FORMAT_AUTO, &error)
                                 : disk_open_read(device, DISK_FORMAT_AUTO, &error);
    g_assert_no_error(error);
    return disk;
}

static void
end_device(const struct disk_suite *suite G_GNUC_UNUSED, const struct scratch *scratch)
{
    if (!scratch_has(scratch, "device"))
        return;
    g_autofree char *device = device_name(scratch);
    g_free(run((const char *const[]){"losetup", "--detach", device, NULL}));
}

/* A file that somebody cuts off is an error at the right place, and never a hole. */
static void
test_shrinks(void)
{
    auto_scratch scratch = scratch_new();
    auto_ptr(disk) disk = create_file(NULL, &scratch, 10 * MIB);
    g_autofree char *path = scratch_path(&scratch, "disk");
    g_autofree guint8 *bytes = g_malloc(2 * MIB);
    struct disk_extent extent;
    g_autoptr(GError) error = NULL, read = NULL, hole = NULL;
    g_assert_cmpint(truncate(path, 5 * MIB), ==, 0);
    g_assert_true(disk_read(disk, 4 * MIB, bytes, MIB, &error));
    g_assert_no_error(error);
    g_assert_false(disk_read(disk, 4 * MIB, bytes, 2 * MIB, &read));
    g_assert_error(read, SLIPWAY_ERROR, SLIPWAY_ERROR_IO);
    g_autofree char *text = g_strdup_printf(
        "disk %s: ends before offset 5242880, but had 10485760 bytes when it was opened; keep "
        "others from changing it meanwhile",
        path);
    g_assert_cmpstr(read->message, ==, text);
    g_assert_false(disk_extent(disk, 6 * MIB, MIB, &extent, &hole));
    g_assert_error(hole, SLIPWAY_ERROR, SLIPWAY_ERROR_IO);
}

static guint64
allocated(const char *path)
{
    struct stat status;
    g_assert_cmpint(stat(path, &status), ==, 0);
    return (guint64)status.st_blocks * 512;
}

static void
test_punch(void)
{
    auto_scratch scratch = scratch_new();
    auto_ptr(disk) disk = create_file(NULL, &scratch, 8 * MIB + 77);
    g_autofree char *path = scratch_path(&scratch, "disk");
    g_autofree guint8 *bytes = g_malloc(8 * MIB);
    memset(bytes, 7, 8 * MIB);
    g_autoptr(GError) error = NULL;
    g_assert_true(disk_write(disk, 0, bytes, 8 * MIB, &error));
    g_assert_true(disk_flush(disk, &error));
    g_assert_cmpuint(allocated(path), >=, 8 * MIB);
    g_assert_true(disk_zero(disk, 5, 8 * MIB, &error));
    g_assert_true(disk_flush(disk, &error));
    g_assert_no_error(error);
    if (!(disk_capabilities(disk) & DISK_CAN_EXTENTS))
        g_test_skip("the temporary directory has no holes");
    else
        g_assert_cmpuint(allocated(path), <, MIB);
}

static void
expect_open(const char *path, enum disk_format format, int code)
{
    g_autoptr(GError) read = NULL, write = NULL;
    g_assert_null(disk_open_read(path, format, &read));
    g_assert_error(read, SLIPWAY_ERROR, code);
    g_assert_nonnull(strstr(read->message, path));
    g_assert_null(disk_open_write(path, format, &write));
    g_assert_true(write->domain == SLIPWAY_ERROR);
}

static void
test_not_disks(void)
{
    auto_scratch scratch = scratch_new();
    g_autofree char *missing = scratch_path(&scratch, "missing");
    g_autofree char *fifo = scratch_path(&scratch, "fifo");
    g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
    expect_open(missing, DISK_FORMAT_AUTO, SLIPWAY_ERROR_NOT_FOUND);
    expect_open(missing, DISK_FORMAT_RAW, SLIPWAY_ERROR_NOT_FOUND);
    expect_open(missing, DISK_FORMAT_QCOW2, SLIPWAY_ERROR_NOT_FOUND);
    expect_open(scratch.path, DISK_FORMAT_AUTO, SLIPWAY_ERROR_UNSUPPORTED);
    expect_open(fifo, DISK_FORMAT_RAW, SLIPWAY_ERROR_UNSUPPORTED);
    expect_open("/dev/null", DISK_FORMAT_AUTO, SLIPWAY_ERROR_UNSUPPORTED);
    g_assert_false(disk_is_device(missing));
    g_assert_false(disk_is_device(fifo));
    g_assert_false(disk_is_device("/dev/null"));
}

static void
test_create(void)
{
    auto_scratch scratch = scratch_new();
    scratch_put(&scratch, "there", "precious");
    g_autofree char *there = scratch_path(&scratch, "there");
    g_autofree char *nowhere = scratch_path(&scratch, "no/where");
    g_autofree char *huge = scratch_path(&scratch, "huge");
    g_autoptr(GError) exists = NULL, missing = NULL, limit = NULL, uri = NULL, error = NULL;
    g_assert_null(disk_create(there, DISK_FORMAT_RAW, MIB, &exists));
    g_assert_error(exists, SLIPWAY_ERROR, SLIPWAY_ERROR_EXISTS);
    g_autoptr(GBytes) kept = scratch_get(&scratch, "there");
    g_assert_cmpmem(g_bytes_get_data(kept, NULL), g_bytes_get_size(kept), "precious", 8);
    g_assert_null(disk_create(nowhere, DISK_FORMAT_RAW, MIB, &missing));
    g_assert_error(missing, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND);
    g_assert_null(disk_create(huge, DISK_FORMAT_RAW, (guint64)1 << 63, &limit));
    g_assert_error(limit, SLIPWAY_ERROR, SLIPWAY_ERROR_USAGE);
    g_assert_null(disk_create("nbd://host/disk", DISK_FORMAT_RAW, MIB, &uri));
    g_assert_error(uri, SLIPWAY_ERROR, SLIPWAY_ERROR_UNSUPPORTED);
    /* A failure leaves nothing: no file can be this long. */
    g_clear_error(&limit);
    g_assert_null(disk_create(huge, DISK_FORMAT_RAW, G_MAXINT64, &limit));
    g_assert_error(limit, SLIPWAY_ERROR, SLIPWAY_ERROR_IO);
    g_assert_false(scratch_has(&scratch, "huge"));

    auto_ptr(disk) empty = disk_create(huge, DISK_FORMAT_RAW, 0, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(disk_size(empty), ==, 0);
    g_assert_true(disk_flush(empty, &error));
    struct stat status;
    g_assert_cmpint(stat(huge, &status), ==, 0);
    g_assert_cmpint(status.st_mode & 077, ==, 0);
}

/* A device that somebody uses is not written to. */
static void
test_busy_device(void)
{
    static const struct disk_suite suite = {"device", NULL, NULL, NULL, NULL, FALSE};
    auto_scratch scratch = scratch_new();
    struct disk *disk = create_device(&suite, &scratch, MIB);
    if (disk == NULL)
        return;
    g_autofree char *device = device_name(&scratch);
    g_autoptr(GError) error = NULL;
    g_assert_null(disk_open_write(device, DISK_FORMAT_AUTO, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_BUSY);
    disk_close(disk);
    end_device(&suite, &scratch);
}

int
main(int argc, char **argv)
{
    static const struct disk_suite file = {"file", create_file, open_file, NULL, NULL, FALSE};
    static const struct disk_suite device = {"device",   create_device, open_device,
                                             end_device, NULL,          FALSE};
    g_test_init(&argc, &argv, NULL);
    disk_suite_add(&file);
    disk_suite_add(&device);
    g_test_add_func("/disk/file/shrinks", test_shrinks);
    g_test_add_func("/disk/file/punch", test_punch);
    g_test_add_func("/disk/file/not-disks", test_not_disks);
    g_test_add_func("/disk/file/create", test_create);
    g_test_add_func("/disk/device/busy", test_busy_device);
    return g_test_run();
}
