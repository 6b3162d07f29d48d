/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "disk_suite.h"
#include "nbd_server.h"

#include <signal.h>
#include <string.h>

#define MIB (1024u * 1024)

/* The server of the test that runs; tests run one after the other. */
static struct nbd_server *running;

/* suite->data: the filters and options of nbdkit in front of a file. */
static struct disk *
create_remote(const struct disk_suite *suite, const struct scratch *scratch, guint64 size)
{
    g_autofree char *path = scratch_path(scratch, "disk");
    g_autoptr(GError) error = NULL;
    disk_close(disk_create(path, DISK_FORMAT_RAW, size, &error));
    g_assert_no_error(error);
    g_autoptr(GPtrArray) arguments = g_ptr_array_new();
    const char *const *filters = suite->data;
    while (*filters != NULL && g_str_has_prefix(*filters, "--"))
        g_ptr_array_add(arguments, (gpointer)*filters++);
    g_ptr_array_add(arguments, (gpointer) "file");
    g_ptr_array_add(arguments, path);
    while (*filters != NULL)
        g_ptr_array_add(arguments, (gpointer)*filters++);
    g_ptr_array_add(arguments, NULL);
    running = nbd_server_start(scratch, (const char *const *)arguments->pdata);
    if (running == NULL)
        return NULL;
    struct disk *disk = disk_open_write(nbd_server_uri(running), DISK_FORMAT_AUTO, &error);
    g_assert_no_error(error);
    return disk;
}

static struct disk *
open_remote(const struct disk_suite *suite G_GNUC_UNUSED,
            const struct scratch *scratch G_GNUC_UNUSED, gboolean writable)
{
    g_autoptr(GError) error = NULL;
    const char *uri = nbd_server_uri(running);
    struct disk *disk = writable ? disk_open_write(uri, DISK_FORMAT_RAW, &error)
                                 : disk_open_read(uri, DISK_FORMAT_AUTO, &error);
    g_assert_no_error(error);
    return disk;
}

static void
end_remote(const struct disk_suite *suite G_GNUC_UNUSED,
           const struct scratch *scratch G_GNUC_UNUSED)
{
    nbd_server_stop(g_steal_pointer(&running), SIGTERM);
}

/* Start nbdkit with `arguments` for a test of its own. */
#define START(scratch, ...) nbd_server_start((scratch), (const char *const[]){__VA_ARGS__, NULL})

static void
expect_data(struct disk *disk)
{
    guint8 bytes[4096];
    g_autoptr(GError) error = NULL;
    g_assert_true(disk_read(disk, 0, bytes, sizeof bytes, &error));
    g_assert_no_error(error);
}

/* The server dies under a disk that is read, and comes back. */
static void
test_read_restart(void)
{
    auto_scratch scratch = scratch_new();
    struct nbd_server *server = START(&scratch, "memory", "8M");
    if (server == NULL)
        return;
    g_autoptr(GError) open_error = NULL, gone = NULL, still_gone = NULL;
    auto_ptr(disk) disk = disk_nbd_open(nbd_server_uri(server), FALSE, &open_error);
    g_assert_no_error(open_error);
    expect_data(disk);
    nbd_server_stop(server, SIGKILL);
    guint8 bytes[10];
    g_assert_false(disk_read(disk, 12345, bytes, sizeof bytes, &gone));
    g_assert_error(gone, SLIPWAY_ERROR, SLIPWAY_ERROR_NETWORK);
    g_assert_nonnull(strstr(gone->message, disk_label(disk)));
    g_assert_nonnull(strstr(gone->message, "cannot read at offset 12345: nbd_pread: "));
    g_assert_false(disk_read(disk, 12345, bytes, sizeof bytes, &still_gone));
    g_assert_error(still_gone, SLIPWAY_ERROR, SLIPWAY_ERROR_NETWORK);
}

struct reader {
    struct disk *disk;
    GError *error;
};

static gpointer
read_on(gpointer data)
{
    struct reader *reader = data;
    g_autofree guint8 *bytes = g_malloc(MIB);
    for (guint i = 0; reader->error == NULL; i++)
        disk_read(reader->disk, (guint64)(i % 8) * MIB, bytes, MIB, &reader->error);
    return NULL;
}

/* The server dies while several threads wait for its answers: each gets an error, none hangs. */
static void
test_dies_mid_read(void)
{
    auto_scratch scratch = scratch_new();
    struct nbd_server *server =
        START(&scratch, "--filter=delay", "memory", "8M", "delay-read=20ms");
    if (server == NULL)
        return;
    g_autoptr(GError) error = NULL;
    auto_ptr(disk) disk = disk_nbd_open(nbd_server_uri(server), FALSE, &error);
    g_assert_no_error(error);
    struct reader readers[8];
    GThread *threads[G_N_ELEMENTS(readers)];
    for (gsize i = 0; i < G_N_ELEMENTS(readers); i++) {
        readers[i] = (struct reader){disk, NULL};
        threads[i] = g_thread_new("reader", read_on, &readers[i]);
    }
    g_usleep(200 * 1000);
    nbd_server_stop(server, SIGKILL);
    for (gsize i = 0; i < G_N_ELEMENTS(readers); i++) {
        g_thread_join(threads[i]);
        g_assert_error(readers[i].error, SLIPWAY_ERROR, SLIPWAY_ERROR_NETWORK);
        g_clear_error(&readers[i].error);
    }
}

/* After a lost connection no flush may say that all is well. */
static void
test_write_lost(void)
{
    auto_scratch scratch = scratch_new();
    struct nbd_server *server = START(&scratch, "memory", "8M");
    if (server == NULL)
        return;
    g_autoptr(GError) error = NULL, write = NULL, flush = NULL;
    auto_ptr(disk) disk = disk_nbd_open(nbd_server_uri(server), TRUE, &error);
    g_assert_true(disk_write(disk, 0, "abc", 3, &error));
    g_assert_no_error(error);
    nbd_server_stop(server, SIGKILL);
    g_assert_false(disk_write(disk, 0, "abc", 3, &write));
    g_assert_error(write, SLIPWAY_ERROR, SLIPWAY_ERROR_NETWORK);
    g_assert_false(disk_flush(disk, &flush));
    g_assert_error(flush, SLIPWAY_ERROR, SLIPWAY_ERROR_NETWORK);
    g_assert_false(disk_flush(disk, NULL));
}

/* Errors that the server reports are those of its medium; the connection lasts. */
static void
test_medium_error(void)
{
    auto_scratch scratch = scratch_new();
    g_autofree char *trigger = scratch_path(&scratch, "trigger");
    g_autofree char *file = g_strconcat("error-file=", trigger, NULL);
    struct nbd_server *server =
        START(&scratch, "--filter=error", "memory", "8M", "error=EIO", "error-rate=100%", file);
    if (server == NULL)
        return;
    g_autoptr(GError) error = NULL, read = NULL, write = NULL, extent = NULL, flush = NULL;
    auto_ptr(disk) disk = disk_nbd_open(nbd_server_uri(server), TRUE, &error);
    g_assert_no_error(error);
    expect_data(disk);
    scratch_put(&scratch, "trigger", "");
    guint8 bytes[10];
    struct disk_extent found;
    g_assert_false(disk_read(disk, 7, bytes, sizeof bytes, &read));
    g_assert_error(read, SLIPWAY_ERROR, SLIPWAY_ERROR_IO);
    g_assert_nonnull(strstr(read->message, "Input/output error"));
    g_assert_false(disk_write(disk, 7, bytes, sizeof bytes, &write));
    g_assert_error(write, SLIPWAY_ERROR, SLIPWAY_ERROR_IO);
    g_assert_false(disk_extent(disk, 7, 10, &found, &extent));
    g_assert_error(extent, SLIPWAY_ERROR, SLIPWAY_ERROR_IO);
    remove(trigger);
    expect_data(disk);
    g_assert_true(disk_flush(disk, &error));
    g_assert_no_error(error);
    disk_close(g_steal_pointer(&disk));
    nbd_server_stop(server, SIGTERM);
}

static void
test_full_medium(void)
{
    auto_scratch scratch = scratch_new();
    struct nbd_server *server = START(&scratch, "full", "8M");
    if (server == NULL)
        return;
    g_autoptr(GError) error = NULL, write = NULL;
    auto_ptr(disk) disk = disk_nbd_open(nbd_server_uri(server), TRUE, &error);
    g_assert_no_error(error);
    g_assert_false(disk_write(disk, 0, "abc", 3, &write));
    g_assert_error(write, SLIPWAY_ERROR, SLIPWAY_ERROR_IO);
    g_assert_nonnull(strstr(write->message, "No space left on device; free some space"));
    disk_close(g_steal_pointer(&disk));
    nbd_server_stop(server, SIGTERM);
}

static void
test_read_only_server(void)
{
    auto_scratch scratch = scratch_new();
    struct nbd_server *server = START(&scratch, "--read-only", "memory", "8M");
    if (server == NULL)
        return;
    g_autoptr(GError) error = NULL, write = NULL;
    g_assert_null(disk_open_write(nbd_server_uri(server), DISK_FORMAT_AUTO, &write));
    g_assert_error(write, SLIPWAY_ERROR, SLIPWAY_ERROR_READ_ONLY);
    auto_ptr(disk) disk = disk_open_read(nbd_server_uri(server), DISK_FORMAT_AUTO, &error);
    g_assert_no_error(error);
    expect_data(disk);
    disk_close(g_steal_pointer(&disk));
    nbd_server_stop(server, SIGTERM);
}

static void
test_cannot_open(void)
{
    static const struct {
        const char *uri;
        int code;
    } bad[] = {
        {"nbd+unix:///?socket=/nowhere/socket", SLIPWAY_ERROR_NETWORK},
        {"nbd://127.0.0.1:1/", SLIPWAY_ERROR_NETWORK},
        {"nbd://no-such-host.invalid/", SLIPWAY_ERROR_NETWORK},
        {"nbd+unix:///export", SLIPWAY_ERROR_USAGE},
        {"nbd://[::1/", SLIPWAY_ERROR_USAGE},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(disk_open_read(bad[i].uri, DISK_FORMAT_AUTO, &error));
        g_test_message("%s", error->message);
        g_assert_error(error, SLIPWAY_ERROR, bad[i].code);
        g_assert_nonnull(strstr(error->message, bad[i].uri));
    }
    g_autoptr(GError) error = NULL;
    g_assert_null(disk_open_read("nbd://127.0.0.1:1/", DISK_FORMAT_QCOW2, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_UNSUPPORTED);
}

/* Many small extents: one answer serves many calls, and says the same as the disk. */
static void
test_many_extents(void)
{
    auto_scratch scratch = scratch_new();
    g_autofree char *path = scratch_path(&scratch, "disk");
    g_autoptr(GError) error = NULL;
    auto_ptr(disk) file = disk_create(path, DISK_FORMAT_RAW, 64 * MIB, &error);
    for (guint64 offset = 0; offset < 64 * MIB; offset += 64 * 1024)
        g_assert_true(disk_write(file, offset, "data", 4, &error));
    g_assert_true(disk_flush(file, &error));
    g_assert_no_error(error);
    struct nbd_server *server = START(&scratch, "--read-only", "file", path);
    if (server == NULL)
        return;
    auto_ptr(disk) disk = disk_nbd_open(nbd_server_uri(server), FALSE, &error);
    g_assert_no_error(error);
    for (guint64 offset = 0; offset < disk_size(file);) {
        struct disk_extent here, there;
        guint64 rest = disk_size(file) - offset;
        g_assert_true(disk_extent(file, offset, rest, &here, &error));
        g_assert_true(disk_extent(disk, offset, rest, &there, &error));
        g_assert_no_error(error);
        g_assert_cmpuint(here.length, ==, there.length);
        g_assert_cmpint(here.kind, ==, there.kind);
        offset += here.length;
    }
    disk_close(g_steal_pointer(&disk));
    nbd_server_stop(server, SIGTERM);
}

int
main(int argc, char **argv)
{
    static const char *const plain[] = {NULL};
    static const char *const single[] = {"--filter=multi-conn", "multi-conn-mode=disable", NULL};
    static const char *const poor[] = {"--filter=noextents", "--filter=nozero", NULL};
    static const char *const blocks[] = {"--filter=blocksize-policy",    "blocksize-minimum=512",
                                         "blocksize-preferred=64K",      "blocksize-maximum=1M",
                                         "blocksize-error-policy=error", NULL};
    static const struct disk_suite suites[] = {
        {"nbd", create_remote, open_remote, end_remote, plain, FALSE},
        {"nbd-single", create_remote, open_remote, end_remote, single, FALSE},
        {"nbd-poor", create_remote, open_remote, end_remote, poor, TRUE},
        {"nbd-blocks", create_remote, open_remote, end_remote, blocks, FALSE},
    };
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(suites); i++)
        disk_suite_add(&suites[i]);
    g_test_add_func("/disk/nbd/read-restart", test_read_restart);
    g_test_add_func("/disk/nbd/dies-mid-read", test_dies_mid_read);
    g_test_add_func("/disk/nbd/write-lost", test_write_lost);
    g_test_add_func("/disk/nbd/medium-error", test_medium_error);
    g_test_add_func("/disk/nbd/full-medium", test_full_medium);
    g_test_add_func("/disk/nbd/read-only-server", test_read_only_server);
    g_test_add_func("/disk/nbd/cannot-open", test_cannot_open);
    g_test_add_func("/disk/nbd/many-extents", test_many_extents);
    return g_test_run();
}
