/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/cancel.h"
#include "base/error.h"
#include "disk_suite.h"
#include "nbd_server.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

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
    g_assert_nonnull(strstr(gone->message, "cannot read at offset 12345: "));
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

/* ---- A server that says nothing -------------------------------------------------------------- */

static const struct disk_nbd_options soon = {.silence_s = 1, .label = "far", .remedy = "wake it"};

static void
expect_silence(gboolean ok, GError **error)
{
    g_assert_false(ok);
    g_assert_error(*error, SLIPWAY_ERROR, SLIPWAY_ERROR_NETWORK);
    if (strstr((*error)->message, "said nothing for 1 seconds; wake it") == NULL ||
        strstr((*error)->message, "disk far") == NULL)
        g_error("\"%s\"", (*error)->message);
    g_clear_error(error);
}

static int
make_socket(const char *path, struct sockaddr_un *ret)
{
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    g_assert_cmpuint(g_strlcpy(ret->sun_path, path, sizeof ret->sun_path), <, sizeof ret->sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(fd, >=, 0);
    return fd;
}

static int
listen_at(const char *path)
{
    struct sockaddr_un address;
    int fd = make_socket(path, &address);
    g_assert_cmpint(bind(fd, (struct sockaddr *)&address, sizeof address), ==, 0);
    g_assert_cmpint(listen(fd, 4), ==, 0);
    return fd;
}

/* It takes the connection, and that is all. */
static void
test_silent_greeting(void)
{
    auto_scratch scratch = scratch_new();
    g_autofree char *path = scratch_path(&scratch, "socket");
    g_autofree char *uri = g_strconcat("nbd+unix:///?socket=", path, NULL);
    GError *error = NULL;
    int fd = listen_at(path);
    struct disk *disk = disk_nbd_open_with(uri, FALSE, &soon, &error);
    expect_silence(disk != NULL, &error);
    close(fd);
}

/* All who wait for it are told, also those who wait for a connection. */
static void
test_silent_read(void)
{
    auto_scratch scratch = scratch_new();
    struct nbd_server *server = START(&scratch, "--filter=delay", "memory", "8M", "rdelay=600");
    if (server == NULL)
        return;
    GError *error = NULL;
    struct disk *disk = disk_nbd_open_with(nbd_server_uri(server), FALSE, &soon, &error);
    g_assert_no_error(error);
    struct reader readers[8];
    GThread *threads[G_N_ELEMENTS(readers)];
    for (gsize i = 0; i < G_N_ELEMENTS(readers); i++) {
        readers[i] = (struct reader){disk, NULL};
        threads[i] = g_thread_new("reader", read_on, &readers[i]);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(readers); i++) {
        g_thread_join(threads[i]);
        expect_silence(FALSE, &readers[i].error);
    }
    /* It is not asked again. */
    nbd_server_stop(server, SIGKILL);
    guint8 byte;
    expect_silence(disk_read(disk, 0, &byte, 1, &error), &error);
    disk_close(disk);
}

/* No flush may say that all is well after that. */
static void
test_silent_write(void)
{
    auto_scratch scratch = scratch_new();
    struct nbd_server *server = START(&scratch, "--filter=delay", "memory", "8M", "wdelay=600");
    if (server == NULL)
        return;
    GError *error = NULL, *flush = NULL;
    struct disk *disk = disk_nbd_open_with(nbd_server_uri(server), TRUE, &soon, &error);
    g_assert_no_error(error);
    expect_silence(disk_write(disk, 0, "abc", 3, &error), &error);
    expect_silence(disk_flush(disk, &flush), &flush);
    disk_close(disk);
    nbd_server_stop(server, SIGKILL);
}

static gpointer
cancel_soon(gpointer data)
{
    g_usleep(300 * 1000);
    cancel_request();
    return data;
}

/* The user has less patience. */
static void
test_silent_cancelled(void)
{
    auto_scratch scratch = scratch_new();
    struct nbd_server *server = START(&scratch, "--filter=delay", "memory", "8M", "rdelay=600");
    if (server == NULL)
        return;
    g_autoptr(GError) error = NULL;
    struct disk *disk = disk_nbd_open(nbd_server_uri(server), FALSE, &error);
    g_assert_no_error(error);
    GThread *thread = g_thread_new("cancel", cancel_soon, NULL);
    guint8 byte;
    g_assert_false(disk_read(disk, 0, &byte, 1, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CANCELLED);
    g_thread_join(thread);
    cancel_heard();
    disk_close(disk);
    nbd_server_stop(server, SIGKILL);
}

/* Between a client and a server: what the server says comes in small pieces. */
struct drip {
    int listener, client, server;
    const char *path; /* of the server's socket */
    guint pause_ms;   /* after each piece of the server's data */
};

static gboolean
pass(int from, int to, guint pause_ms)
{
    guint8 piece[65536];
    ssize_t n = read(from, piece, sizeof piece);
    for (ssize_t done = 0, more; n > 0 && done < n; done += more) {
        more = send(to, piece + done, (gsize)(n - done), MSG_NOSIGNAL);
        if (more <= 0)
            return FALSE;
    }
    if (n > 1024)
        g_usleep(pause_ms * 1000);
    return n > 0;
}

static gpointer
drip(gpointer data)
{
    struct drip *drip = data;
    struct sockaddr_un address;
    drip->client = accept(drip->listener, NULL, NULL);
    drip->server = make_socket(drip->path, &address);
    g_assert_cmpint(connect(drip->server, (struct sockaddr *)&address, sizeof address), ==, 0);
    for (gboolean ok = TRUE; ok;) {
        struct pollfd fds[] = {{.fd = drip->client, .events = POLLIN},
                               {.fd = drip->server, .events = POLLIN}};
        poll(fds, G_N_ELEMENTS(fds), -1);
        if (fds[0].revents != 0)
            ok = pass(drip->client, drip->server, 0);
        if (ok && fds[1].revents != 0)
            ok = pass(drip->server, drip->client, drip->pause_ms);
    }
    close(drip->client);
    close(drip->server);
    return NULL;
}

/* One that goes on, however slowly, is not silent: this takes longer than the limit. */
static void
test_slow_read(void)
{
    auto_scratch scratch = scratch_new();
    struct nbd_server *server = START(&scratch, "pattern", "8M");
    if (server == NULL)
        return;
    g_autoptr(GError) error = NULL;
    g_autofree char *path = scratch_path(&scratch, "slow");
    g_autofree char *uri = g_strconcat("nbd+unix:///?socket=", path, NULL);
    struct drip slow = {.listener = listen_at(path),
                        .path = strchr(nbd_server_uri(server), '=') + 1,
                        .pause_ms = 1200};
    GThread *thread = g_thread_new("drip", drip, &slow);
    const struct disk_nbd_options options = {.silence_s = 3};
    struct disk *disk = disk_nbd_open_with(uri, FALSE, &options, &error);
    g_assert_no_error(error);
    g_autofree guint8 *bytes = g_malloc(MIB / 4);
    g_assert_true(disk_read(disk, 0, bytes, MIB / 4, &error));
    g_assert_no_error(error);
    g_assert_cmpint(bytes[MIB / 4 - 2], ==, (MIB / 4 - 8) >> 8 & 0xff);
    disk_close(disk);
    g_thread_join(thread);
    close(slow.listener);
    nbd_server_stop(server, SIGTERM);
}

/* A lost connection is replaced, but not by one after the other that is waited for. */
static void
test_silent_again(void)
{
    auto_scratch scratch = scratch_new();
    struct nbd_server *server = START(&scratch, "pattern", "8M");
    if (server == NULL)
        return;
    GError *error = NULL;
    guint8 byte;
    g_autofree char *path = scratch_path(&scratch, "again");
    g_autofree char *uri = g_strconcat("nbd+unix:///?socket=", path, NULL);
    struct drip once = {.listener = listen_at(path),
                        .path = strchr(nbd_server_uri(server), '=') + 1};
    GThread *thread = g_thread_new("drip", drip, &once);
    struct disk *disk = disk_nbd_open_with(uri, FALSE, &soon, &error);
    g_assert_no_error(error);
    g_assert_true(disk_read(disk, 0, &byte, 1, &error));
    nbd_server_stop(server, SIGKILL);
    g_thread_join(thread);
    g_assert_false(disk_read(disk, 0, &byte, 1, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NETWORK);
    g_clear_error(&error);
    for (guint i = 0; i < 3; i++)
        expect_silence(disk_read(disk, 0, &byte, 1, &error), &error);
    disk_close(disk);
    guint tries = 0;
    struct pollfd poll_fd = {.fd = once.listener, .events = POLLIN};
    for (; poll(&poll_fd, 1, 0) == 1; tries++)
        close(accept(once.listener, NULL, NULL));
    g_assert_cmpuint(tries, ==, 1);
    close(once.listener);
}

/* Instead of the C library's: so that it fails when a test wants it. */
static int poll_fails; /* atomic: the next one */

int
poll(struct pollfd *fds, nfds_t n, int timeout)
{
    const struct timespec limit = {timeout / 1000, timeout % 1000 * 1000000L};
    if (!g_atomic_int_compare_and_exchange(&poll_fails, 1, 0))
        return ppoll(fds, n, timeout < 0 ? NULL : &limit, NULL);
    errno = ENOMEM;
    return -1;
}

/* The answer that was not waited for must not come into the buffer, which is the caller's again. */
static void
test_wait_fails(void)
{
    auto_scratch scratch = scratch_new();
    struct nbd_server *server = START(&scratch, "--filter=delay", "pattern", "8M", "rdelay=300ms");
    if (server == NULL)
        return;
    g_autoptr(GError) error = NULL;
    guint8 first[4096], second[4096], as_it_was[4096];
    struct disk *disk = disk_nbd_open(nbd_server_uri(server), FALSE, &error);
    g_assert_no_error(error);
    g_atomic_int_set(&poll_fails, 1);
    g_assert_false(disk_read(disk, MIB, first, sizeof first, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NETWORK);
    g_clear_error(&error);
    memset(first, 0xaa, sizeof first);
    memset(as_it_was, 0xaa, sizeof as_it_was);
    g_assert_true(disk_read(disk, MIB, second, sizeof second, &error));
    g_assert_no_error(error);
    g_assert_cmpint(second[5], ==, MIB >> 16);
    g_assert_cmpmem(first, sizeof first, as_it_was, sizeof as_it_was);
    disk_close(disk);
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
    g_test_add_func("/disk/nbd/silent-greeting", test_silent_greeting);
    g_test_add_func("/disk/nbd/silent-read", test_silent_read);
    g_test_add_func("/disk/nbd/silent-write", test_silent_write);
    g_test_add_func("/disk/nbd/silent-again", test_silent_again);
    g_test_add_func("/disk/nbd/silent-cancelled", test_silent_cancelled);
    g_test_add_func("/disk/nbd/wait-fails", test_wait_fails);
    g_test_add_func("/disk/nbd/slow-read", test_slow_read);
    return g_test_run();
}
