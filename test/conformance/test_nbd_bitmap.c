/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What changed, asked of real servers: qemu-nbd with a bitmap, and nbdkit. */
#include "base/error.h"
#include "disk/disk_open.h"
#include "disk/nbd_changes.h"
#include "nbd_server.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <sys/wait.h>

#define KIB 1024ull
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define PATIENCE_US (30 * G_USEC_PER_SEC)

/* Skips when qemu's programs are not there. */
static gboolean
has_qemu(void)
{
    static const char *const programs[] = {"qemu-img", "qemu-io", "qemu-nbd"};
    for (gsize i = 0; i < G_N_ELEMENTS(programs); i++) {
        g_autofree char *path = g_find_program_in_path(programs[i]);
        if (path == NULL) {
            g_test_skip("qemu-img, qemu-io and qemu-nbd are not installed");
            return FALSE;
        }
    }
    return TRUE;
}

static void
run(const char *const *argv)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *words = NULL;
    int status;
    g_assert_true(g_spawn_sync(NULL, (char **)argv, NULL,
                               G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL, NULL, NULL, NULL,
                               &words, &status, &error));
    g_assert_no_error(error);
    if (status != 0)
        g_test_message("%s: %s", argv[0], words);
    g_assert_cmpint(status, ==, 0);
}
#define RUN(...) run((const char *const[]){__VA_ARGS__, NULL})

/* A qcow2 image with bitmap "changed" of `granularity`, and `writes` after it was added. */
static char *
make_image(const struct scratch *scratch, const char *size, const char *granularity,
           const char *const *writes)
{
    char *path = scratch_path(scratch, "disk.qcow2");
    RUN("qemu-img", "create", "-q", "-f", "qcow2", path, size);
    RUN("qemu-io", "-f", "qcow2", "-c", "write -q -P 1 0 1M", path);
    RUN("qemu-img", "bitmap", "--add", "-g", granularity, "-f", "qcow2", path, "changed");
    for (; *writes != NULL; writes++)
        RUN("qemu-io", "-f", "qcow2", "-c", *writes, path);
    return path;
}

struct qemu_server {
    GPid pid;
    char *uri;
};

static struct qemu_server
serve(const struct scratch *scratch, const char *image)
{
    struct qemu_server server;
    g_autoptr(GError) error = NULL;
    g_autofree char *socket = scratch_path(scratch, "nbd"),
                    *pid_file = scratch_path(scratch, "pid");
    server.uri = g_strdup_printf("nbd+unix:///disk?socket=%s", socket);
    const char *argv[] = {"qemu-nbd", "-f",       "qcow2", "-x",  "disk", "-B",
                          "changed",  "-r",       "-t",    "-k",  socket, "--pid-file",
                          pid_file,   "--shared", "2",     image, NULL};
    g_assert_true(g_spawn_async(NULL, (char **)argv, NULL,
                                G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_SEARCH_PATH, NULL, NULL,
                                &server.pid, &error));
    g_assert_no_error(error);
    gint64 end = g_get_monotonic_time() + PATIENCE_US;
    while (!g_file_test(pid_file, G_FILE_TEST_EXISTS)) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_usleep(5000);
    }
    return server;
}

static void
end(struct qemu_server *server)
{
    int status;
    kill(server->pid, SIGTERM);
    g_assert_cmpint(waitpid(server->pid, &status, 0), ==, server->pid);
    g_free(server->uri);
}

static void
expect(const struct extent_list *list, const struct extent *expected, guint n)
{
    g_assert_cmpuint(list->extents->len, ==, n);
    for (guint i = 0; i < n; i++) {
        const struct extent *found = &g_array_index(list->extents, struct extent, i);
        g_assert_cmpuint(found->offset, ==, expected[i].offset);
        g_assert_cmpuint(found->length, ==, expected[i].length);
    }
}

/* A bitmap's bits, in its granules; the last one is cut off at the end of the disk, whose size is
 * no multiple of them. */
static void
test_bitmap(void)
{
    static const char *const writes[] = {"write -q -P 2 4M 64k", "write -q -P 3 4160k 1k",
                                         "write -q -z 8M 128k", "write -q -P 4 12583424 512", NULL};
    static const struct extent expected[] = {
        {4 * MIB, 128 * KIB}, {8 * MIB, 128 * KIB}, {12 * MIB, 1024}};
    if (!has_qemu())
        return;
    auto_scratch scratch = scratch_new();
    g_autofree char *image = make_image(&scratch, "12583936", "65536", writes);
    struct qemu_server server = serve(&scratch, image);
    g_autoptr(GError) error = NULL, missing = NULL;
    auto_ptr(extent_list) list = nbd_changes_query(server.uri, "qemu:dirty-bitmap:changed", &error);
    g_assert_no_error(error);
    expect(list, expected, G_N_ELEMENTS(expected));
    g_assert_null(nbd_changes_query(server.uri, "qemu:dirty-bitmap:other", &missing));
    g_assert_error(missing, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND);
    end(&server);
}

/* Several terabytes with little in them are a matter of a few hundred questions. */
static void
test_sparse(void)
{
    static const char *const writes[] = {"write -q -P 2 3T 64k", "write -q -P 2 5000000000000 1",
                                         NULL};
    static const struct extent expected[] = {{3072 * GIB, 64 * KIB}, {4999999979520ull, 64 * KIB}};
    if (!has_qemu())
        return;
    auto_scratch scratch = scratch_new();
    g_autofree char *image = make_image(&scratch, "6T", "65536", writes);
    struct qemu_server server = serve(&scratch, image);
    g_autoptr(GError) error = NULL;
    gint64 begun = g_get_monotonic_time();
    auto_ptr(extent_list) list = nbd_changes_query(server.uri, "qemu:dirty-bitmap:changed", &error);
    g_assert_no_error(error);
    g_test_message("6 TiB: %" G_GINT64_FORMAT " ms", (g_get_monotonic_time() - begun) / 1000);
    expect(list, expected, G_N_ELEMENTS(expected));
    end(&server);
}

/* More bits than fit into one answer. */
static void
test_many(void)
{
    static const char *const writes[] = {NULL};
    enum { N = 3000 };
    if (!has_qemu())
        return;
    auto_scratch scratch = scratch_new();
    g_autofree char *image = make_image(&scratch, "64M", "4096", writes);
    g_autoptr(GPtrArray) argv = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(argv, g_strdup("qemu-io"));
    g_ptr_array_add(argv, g_strdup("-f"));
    g_ptr_array_add(argv, g_strdup("qcow2"));
    for (guint i = 0; i < N; i++) {
        g_ptr_array_add(argv, g_strdup("-c"));
        g_ptr_array_add(argv, g_strdup_printf("write -q -z %u 4096", i * 3 * 4096));
    }
    g_ptr_array_add(argv, g_strdup(image));
    g_ptr_array_add(argv, NULL);
    run((const char *const *)argv->pdata);
    struct qemu_server server = serve(&scratch, image);
    g_autoptr(GError) error = NULL;
    auto_ptr(extent_list) list = nbd_changes_query(server.uri, "qemu:dirty-bitmap:changed", &error);
    g_assert_no_error(error);
    g_assert_cmpuint(list->extents->len, ==, N);
    for (guint i = 0; i < N; i++) {
        const struct extent *found = &g_array_index(list->extents, struct extent, i);
        g_assert_cmpuint(found->offset, ==, (guint64)i * 3 * 4096);
        g_assert_cmpuint(found->length, ==, 4096);
    }
    end(&server);
}

/* nbdkit knows no bitmaps, and without structured replies no contexts at all. */
static void
test_without(void)
{
    static const char *const plain[] = {"memory", "8M", NULL};
    static const char *const simple[] = {"--no-sr", "memory", "8M", NULL};
    const char *const *const servers[] = {plain, simple};
    for (gsize i = 0; i < G_N_ELEMENTS(servers); i++) {
        auto_scratch scratch = scratch_new();
        struct nbd_server *server = nbd_server_start(&scratch, servers[i]);
        if (server == NULL)
            return;
        g_autoptr(GError) error = NULL;
        g_assert_null(nbd_changes_query(nbd_server_uri(server), "qemu:dirty-bitmap:x", &error));
        g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND);
        nbd_server_stop(server, SIGTERM);
    }
}

/* Any context will do: here what is allocated, of a server whose answers are read in pieces. */
static void
test_allocation(void)
{
    static const char *const arguments[] = {"data", "data=@1048576 1 @5242880 2", "size=8M", NULL};
    auto_scratch scratch = scratch_new();
    struct nbd_server *server = nbd_server_start(&scratch, arguments);
    if (server == NULL)
        return;
    g_autoptr(GError) error = NULL;
    auto_ptr(extent_list) list =
        nbd_changes_query(nbd_server_uri(server), "base:allocation", &error);
    g_assert_no_error(error);
    static const struct extent holes[] = {
        {0, MIB}, {MIB + 32 * KIB, 4 * MIB - 32 * KIB}, {5 * MIB + 32 * KIB, 3 * MIB - 32 * KIB}};
    expect(list, holes, G_N_ELEMENTS(holes));
    nbd_server_stop(server, SIGTERM);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/nbd-bitmap/bitmap", test_bitmap);
    g_test_add_func("/nbd-bitmap/sparse", test_sparse);
    g_test_add_func("/nbd-bitmap/many", test_many);
    g_test_add_func("/nbd-bitmap/without", test_without);
    g_test_add_func("/nbd-bitmap/allocation", test_allocation);
    return g_test_run();
}
