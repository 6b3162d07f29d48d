/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "disk_suite.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB (1024u * 1024)

static gboolean
have_qemu(void)
{
    g_autofree char *program = g_find_program_in_path("qemu-nbd");
    if (program == NULL)
        g_test_skip("qemu-nbd is not installed");
    return program != NULL;
}

/* suite->data: the file name, whose ending says the format. */
static struct disk *
create_image(const struct disk_suite *suite, const struct scratch *scratch, guint64 size)
{
    if (!have_qemu())
        return NULL;
    g_autofree char *path = scratch_path(scratch, suite->data);
    g_autoptr(GError) error = NULL;
    struct disk *disk = disk_create(path, DISK_FORMAT_AUTO, size, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(disk_label(disk), ==, path);
    return disk;
}

static struct disk *
open_image(const struct disk_suite *suite, const struct scratch *scratch, gboolean writable)
{
    g_autofree char *path = scratch_path(scratch, suite->data);
    g_autoptr(GError) error = NULL;
    struct disk *disk = writable ? disk_open_write(path, DISK_FORMAT_AUTO, &error)
                                 : disk_open_read(path, DISK_FORMAT_AUTO, &error);
    g_assert_no_error(error);
    return disk;
}

static void
run(const char *const *argv)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *output = NULL, *errors = NULL;
    int status;
    g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &output, &errors,
                 &status, &error);
    g_assert_no_error(error);
    if (status != 0)
        g_test_message("%s: %s%s", argv[0], output, errors);
    g_assert_cmpint(status, ==, 0);
}

static struct disk *
create_at(const char *path, guint64 size)
{
    g_autoptr(GError) error = NULL;
    struct disk *disk = disk_create(path, DISK_FORMAT_AUTO, size, &error);
    g_assert_no_error(error);
    return disk;
}

static void
write_both(struct disk *one, struct disk *other, guint64 offset, gsize length, int byte)
{
    g_autofree guint8 *bytes = g_malloc(length);
    for (gsize i = 0; i < length; i++)
        bytes[i] = (guint8)(byte + (int)(i / 512));
    g_autoptr(GError) error = NULL;
    g_assert_true(disk_write(one, offset, bytes, length, &error));
    g_assert_true(disk_write(other, offset, bytes, length, &error));
    g_assert_no_error(error);
}

/* What we write is, for qemu-img, the same disk in every format, complete once it is closed. */
static void
test_compare(gconstpointer data)
{
    if (!have_qemu())
        return;
    auto_scratch scratch = scratch_new();
    g_autofree char *image_path = scratch_path(&scratch, data);
    g_autofree char *raw_path = scratch_path(&scratch, "disk.raw");
    struct disk *image = create_at(image_path, 20 * MIB);
    struct disk *raw = create_at(raw_path, 20 * MIB);
    write_both(image, raw, 0, 70000, 1);
    write_both(image, raw, 10 * MIB + 333, 3 * MIB, 5);
    write_both(image, raw, 20 * MIB - 1000, 1000, 9);
    g_autoptr(GError) error = NULL;
    g_assert_true(disk_flush(image, &error));
    g_assert_no_error(error);
    disk_close(image);
    disk_close(raw);
    enum disk_format format = disk_format_probe(image_path, &error);
    const char *name = disk_format_name(format);
    run((const char *const[]){"qemu-img", "compare", "-f", name, "-F", "raw", image_path, raw_path,
                              NULL});
    if (format != DISK_FORMAT_VPC && format != DISK_FORMAT_VMDK)
        run((const char *const[]){"qemu-img", "check", "-f", name, image_path, NULL});
}

/* And what qemu-img writes, we read. */
static void
test_convert(gconstpointer data)
{
    if (!have_qemu())
        return;
    auto_scratch scratch = scratch_new();
    g_autofree char *image_path = scratch_path(&scratch, "image");
    g_autofree char *raw_path = scratch_path(&scratch, "disk.raw");
    struct disk *raw = create_at(raw_path, 5 * MIB);
    write_both(raw, raw, MIB, 2 * MIB + 5, 77);
    disk_close(raw);
    g_auto(GStrv) options = g_strsplit(data, " ", 2);
    run((const char *const[]){"qemu-img", "convert", "-f", "raw", "-O", options[0], "-o",
                              options[1], raw_path, image_path, NULL});
    g_autoptr(GError) error = NULL;
    auto_ptr(disk) image = disk_open_read(image_path, DISK_FORMAT_AUTO, &error);
    g_assert_no_error(error);
    raw = disk_file_open(raw_path, FALSE, &error);
    g_assert_cmpuint(disk_size(image), ==, 5 * MIB);
    g_autofree guint8 *expected = g_malloc(5 * MIB), *bytes = g_malloc(5 * MIB);
    g_assert_true(disk_read(raw, 0, expected, 5 * MIB, &error));
    g_assert_true(disk_read(image, 0, bytes, 5 * MIB, &error));
    g_assert_no_error(error);
    g_assert_cmpint(memcmp(bytes, expected, 5 * MIB), ==, 0);
    disk_close(raw);
}

/* Names that would mean something to a shell, to an option parser, or to qemu. */
static void
test_odd_names(void)
{
    static const char *const names[] = {
        "a,b=c.qcow2",      "nbd:x.qcow2",    "json:{}.qcow2",   "-f.qcow2",
        "$(id) 'q\".qcow2", "\xff\xfe.qcow2", "new\nline.qcow2", "file.filename=x,,.vmdk",
        "%s%n.vhdx",        "fat:rw:.vdi",    "blkdebug::x.vhd"};
    if (!have_qemu())
        return;
    auto_scratch scratch = scratch_new();
    g_autofree char *before = g_get_current_dir();
    g_assert_cmpint(chdir(scratch.path), ==, 0);
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autoptr(GError) error = NULL;
        struct disk *disk = create_at(names[i], MIB);
        g_assert_true(disk_write(disk, 1000, "here", 4, &error));
        g_assert_true(disk_flush(disk, &error));
        disk_close(disk);
        g_assert_true(g_file_test(names[i], G_FILE_TEST_IS_REGULAR));
        disk = disk_open_read(names[i], DISK_FORMAT_AUTO, &error);
        g_assert_no_error(error);
        char bytes[4];
        g_assert_true(disk_read(disk, 1000, bytes, 4, &error));
        g_assert_cmpmem(bytes, 4, "here", 4);
        disk_close(disk);
    }
    g_assert_cmpint(chdir(before), ==, 0);
}

static void
test_backing(void)
{
    if (!have_qemu())
        return;
    auto_scratch scratch = scratch_new();
    g_autofree char *base = scratch_path(&scratch, "base.qcow2");
    g_autofree char *top = scratch_path(&scratch, "top.qcow2");
    struct disk *disk = create_at(base, MIB);
    g_autoptr(GError) error = NULL;
    g_assert_true(disk_write(disk, 0, "base", 4, &error));
    disk_close(disk);
    run((const char *const[]){"qemu-img", "create", "-q", "-f", "qcow2", "-b", "base.qcow2", "-F",
                              "qcow2", top, NULL});
    disk = disk_open_read(top, DISK_FORMAT_AUTO, &error);
    g_assert_no_error(error);
    char bytes[4];
    g_assert_true(disk_read(disk, 0, bytes, 4, &error));
    g_assert_cmpmem(bytes, 4, "base", 4);
    disk_close(disk);
}

/* An image whose last part is missing is refused: its disk would read as zeros there. */
static void
test_truncated(gconstpointer name)
{
    if (!have_qemu())
        return;
    auto_scratch scratch = scratch_new();
    g_autofree char *path = scratch_path(&scratch, name);
    g_autofree char *raw = scratch_path(&scratch, "other.raw");
    struct disk *disk = create_at(path, 4 * MIB), *other = create_at(raw, 4 * MIB);
    write_both(disk, other, 0, 4 * MIB, 3);
    disk_close(disk);
    disk_close(other);
    g_autoptr(GBytes) whole = scratch_get(&scratch, name);
    for (gsize keep = 32; keep < g_bytes_get_size(whole); keep *= 4) {
        g_autoptr(GError) read = NULL, write = NULL;
        g_autoptr(GBytes) part = g_bytes_new_from_bytes(whole, 0, keep);
        scratch_put_bytes(&scratch, name, part);
        g_assert_null(disk_open_read(path, DISK_FORMAT_AUTO, &read));
        g_test_message("%" G_GSIZE_FORMAT ": %s", keep, read->message);
        g_assert_error(read, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
        g_assert_nonnull(strstr(read->message, path));
        g_assert_null(disk_open_write(path, DISK_FORMAT_AUTO, &write));
        g_assert_error(write, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
    }
}

static void
test_wrong_format(void)
{
    if (!have_qemu())
        return;
    auto_scratch scratch = scratch_new();
    g_autofree char *path = scratch_path(&scratch, "disk.raw");
    disk_close(create_at(path, MIB));
    g_autoptr(GError) error = NULL, size = NULL;
    g_assert_null(disk_open_read(path, DISK_FORMAT_QCOW2, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT);
    g_assert_nonnull(strstr(error->message, "Image is not in qcow2 format"));
    g_autofree char *odd = scratch_path(&scratch, "odd.qcow2");
    g_assert_null(disk_create(odd, DISK_FORMAT_AUTO, 1000, &size));
    g_assert_error(size, SLIPWAY_ERROR, SLIPWAY_ERROR_USAGE);
    g_assert_false(scratch_has(&scratch, "odd.qcow2"));
}

/* An image has one writer. */
static void
test_busy(void)
{
    if (!have_qemu())
        return;
    auto_scratch scratch = scratch_new();
    g_autofree char *path = scratch_path(&scratch, "disk.qcow2");
    auto_ptr(disk) disk = create_at(path, MIB);
    g_autoptr(GError) read = NULL, write = NULL, exists = NULL;
    g_assert_null(disk_open_read(path, DISK_FORMAT_AUTO, &read));
    g_test_message("%s", read->message);
    g_assert_error(read, SLIPWAY_ERROR, SLIPWAY_ERROR_BUSY);
    g_assert_null(disk_open_write(path, DISK_FORMAT_AUTO, &write));
    g_assert_error(write, SLIPWAY_ERROR, SLIPWAY_ERROR_BUSY);
    g_assert_null(disk_create(path, DISK_FORMAT_AUTO, MIB, &exists));
    g_assert_error(exists, SLIPWAY_ERROR, SLIPWAY_ERROR_EXISTS);
}

/* The image as soon as nobody writes it any more, which tells that the server has ended. */
static struct disk *
open_when_free(const char *path)
{
    for (guint i = 0; i < 1000; i++) {
        g_autoptr(GError) error = NULL;
        struct disk *disk = disk_open_write(path, DISK_FORMAT_AUTO, &error);
        if (disk != NULL)
            return disk;
        g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_BUSY);
        g_usleep(10 * 1000);
    }
    g_assert_not_reached();
}

/* A process that is killed takes its qemu-nbd with it, and what it flushed is there. */
static void
test_killed(void)
{
    if (!have_qemu())
        return;
    auto_scratch scratch = scratch_new();
    g_autofree char *path = scratch_path(&scratch, "disk.qcow2");
    pid_t child = fork();
    if (child == 0) {
        struct disk *disk = disk_create(path, DISK_FORMAT_AUTO, MIB, NULL);
        if (disk != NULL && disk_write(disk, 5, "flushed", 7, NULL) && disk_flush(disk, NULL))
            raise(SIGKILL);
        _exit(1);
    }
    int status;
    g_assert_cmpint(waitpid(child, &status, 0), ==, child);
    g_assert_true(WIFSIGNALED(status));
    auto_ptr(disk) disk = open_when_free(path);
    char bytes[7];
    g_autoptr(GError) error = NULL;
    g_assert_true(disk_read(disk, 5, bytes, 7, &error));
    g_assert_cmpmem(bytes, 7, "flushed", 7);
}

/* Our only child, which is the qemu-nbd of the only disk that is open. */
static pid_t
only_child(void)
{
    g_autofree char *path = g_strdup_printf("/proc/self/task/%d/children", (int)getpid());
    g_autofree char *children = NULL;
    g_assert_true(g_file_get_contents(path, &children, NULL, NULL));
    char *end;
    pid_t pid = (pid_t)strtol(children, &end, 10);
    g_assert_cmpint(pid, >, 1);
    g_assert_cmpstr(g_strstrip(end), ==, "");
    return pid;
}

/* What was flushed is in the image even if qemu-nbd does not live to close it; and nobody is told
 * that what came after is. */
static void
test_server_killed(gconstpointer name)
{
    if (!have_qemu())
        return;
    auto_scratch scratch = scratch_new();
    g_autofree char *path = scratch_path(&scratch, name);
    g_autofree guint8 *expected = g_malloc(3 * MIB), *bytes = g_malloc(3 * MIB);
    memset(expected, 0x5a, 3 * MIB);
    g_autoptr(GError) error = NULL, write = NULL, flush = NULL;
    struct disk *disk = create_at(path, 8 * MIB);
    g_assert_true(disk_write(disk, MIB + 7, expected, 3 * MIB, &error));
    g_assert_true(disk_flush(disk, &error));
    g_assert_cmpint(kill(only_child(), SIGKILL), ==, 0);
    g_assert_false(disk_write(disk, 0, "x", 1, &write) && disk_flush(disk, &flush));
    g_assert_error(write, SLIPWAY_ERROR, SLIPWAY_ERROR_NETWORK);
    g_assert_false(disk_flush(disk, &flush));
    g_assert_error(flush, SLIPWAY_ERROR, SLIPWAY_ERROR_NETWORK);
    disk_close(disk);
    disk = disk_open_read(path, DISK_FORMAT_AUTO, &error);
    g_assert_no_error(error);
    g_assert_true(disk_read(disk, MIB + 7, bytes, 3 * MIB, &error));
    g_assert_cmpint(memcmp(bytes, expected, 3 * MIB), ==, 0);
    disk_close(disk);
}

/* A thread that opens a disk may end long before the disk does. */
static gpointer
open_in_thread(gpointer path)
{
    return create_at(path, MIB);
}

static void
test_thread_ends(void)
{
    if (!have_qemu())
        return;
    auto_scratch scratch = scratch_new();
    g_autofree char *path = scratch_path(&scratch, "disk.qcow2");
    auto_ptr(disk) disk = g_thread_join(g_thread_new("opener", open_in_thread, path));
    g_autoptr(GError) error = NULL;
    g_usleep(50 * 1000);
    g_assert_true(disk_write(disk, 0, "x", 1, &error));
    g_assert_true(disk_flush(disk, &error));
    g_assert_no_error(error);
}

/* Nothing of ours is left in the temporary directory, even while disks are open. */
static void
test_no_traces(void)
{
    if (!have_qemu())
        return;
    auto_scratch scratch = scratch_new();
    g_autofree char *path = scratch_path(&scratch, "disk.qcow2");
    auto_ptr(disk) disk = create_at(path, MIB);
    g_autoptr(GDir) dir = g_dir_open(g_get_tmp_dir(), 0, NULL);
    g_assert_nonnull(disk);
    for (const char *name; (name = g_dir_read_name(dir)) != NULL;)
        g_assert_false(g_str_has_prefix(name, "slipway-nbd-"));
}

static void
test_not_installed(void)
{
    if (!have_qemu())
        return;
    auto_scratch scratch = scratch_new();
    g_autofree char *path = scratch_path(&scratch, "disk.qcow2");
    g_autofree char *other = scratch_path(&scratch, "other.qcow2");
    disk_close(create_at(path, MIB));
    g_autofree char *programs = g_strdup(g_getenv("PATH"));
    g_autoptr(GError) open_error = NULL, create_error = NULL;
    g_setenv("PATH", scratch.path, TRUE);
    g_assert_null(disk_open_read(path, DISK_FORMAT_AUTO, &open_error));
    g_assert_null(disk_create(other, DISK_FORMAT_AUTO, MIB, &create_error));
    g_setenv("PATH", programs, TRUE);
    g_assert_error(open_error, SLIPWAY_ERROR, SLIPWAY_ERROR_UNSUPPORTED);
    g_assert_nonnull(strstr(open_error->message, "install the package qemu-utils"));
    g_assert_error(create_error, SLIPWAY_ERROR, SLIPWAY_ERROR_UNSUPPORTED);
    g_assert_false(scratch_has(&scratch, "other.qcow2"));
}

static void
add_formats(void)
{
    static const struct disk_suite suites[] = {
        {"qcow2", create_image, open_image, NULL, "disk.qcow2", FALSE},
        {"vmdk", create_image, open_image, NULL, "disk.vmdk", FALSE},
        {"vhdx", create_image, open_image, NULL, "disk.vhdx", TRUE},
        {"vpc", create_image, open_image, NULL, "disk.vhd", FALSE},
        {"vdi", create_image, open_image, NULL, "disk.vdi", FALSE},
    };
    static const struct {
        const char *name, *options;
    } converted[] = {
        {"qcow2-v2", "qcow2 compat=0.10"},
        {"vmdk-flat", "vmdk subformat=monolithicFlat"},
        {"vmdk-stream", "vmdk subformat=streamOptimized"},
        {"vhdx-fixed", "vhdx subformat=fixed"},
        {"vpc-fixed", "vpc subformat=fixed,force_size=on"},
        {"vdi-static", "vdi static=on"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(suites); i++) {
        disk_suite_add(&suites[i]);
        g_autofree char *path = g_strdup_printf("/disk/%s/compare", suites[i].name);
        g_test_add_data_func(path, suites[i].data, test_compare);
        g_autofree char *killed = g_strdup_printf("/disk/%s/server-killed", suites[i].name);
        g_test_add_data_func(killed, suites[i].data, test_server_killed);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(converted); i++) {
        g_autofree char *path = g_strdup_printf("/disk/image/convert/%s", converted[i].name);
        g_test_add_data_func(path, converted[i].options, test_convert);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_formats();
    g_test_add_func("/disk/image/odd-names", test_odd_names);
    g_test_add_func("/disk/image/backing", test_backing);
    g_test_add_data_func("/disk/qcow2/truncated", "disk.qcow2", test_truncated);
    g_test_add_data_func("/disk/vmdk/truncated", "disk.vmdk", test_truncated);
    g_test_add_data_func("/disk/vhdx/truncated", "disk.vhdx", test_truncated);
    g_test_add_data_func("/disk/vpc/truncated", "disk.vhd", test_truncated);
    g_test_add_func("/disk/image/wrong-format", test_wrong_format);
    g_test_add_func("/disk/image/busy", test_busy);
    g_test_add_func("/disk/image/killed", test_killed);
    g_test_add_func("/disk/image/thread-ends", test_thread_ends);
    g_test_add_func("/disk/image/no-traces", test_no_traces);
    g_test_add_func("/disk/image/not-installed", test_not_installed);
    return g_test_run();
}
