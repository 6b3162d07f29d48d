/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The NBD server with many requests at once, slow ones among them, and clients that are slow. */
#include "base/error.h"
#include "nbd_wire.h"

#define MIB (1u << 20)

static void
start(struct nbd_fixture *fixture, struct disk *disk, guint handshake_seconds)
{
    const struct nbd_export export = {.name = "", .disk = disk};
    nbd_fixture_start(fixture, &export, 1, handshake_seconds);
}

/* ---- A disk that makes some requests wait -----------------------------------------------------
 */

struct gate {
    struct disk base;
    GMutex lock;
    GCond changed;
    gboolean open;
    guint inside; /* reads that wait */
};

static gboolean
read_gate(struct disk *self, guint64 offset, void *buffer, gsize length,
          GError **error G_GNUC_UNUSED)
{
    struct gate *gate = (struct gate *)self;
    g_mutex_lock(&gate->lock);
    gate->inside++;
    g_cond_broadcast(&gate->changed);
    while (offset >= MIB && !gate->open)
        g_cond_wait(&gate->changed, &gate->lock);
    gate->inside--;
    g_mutex_unlock(&gate->lock);
    nbd_fixture_fill(buffer, offset, length);
    return TRUE;
}

static void
close_gate(struct disk *self)
{
    struct gate *gate = (struct gate *)self;
    g_mutex_clear(&gate->lock);
    g_cond_clear(&gate->changed);
    g_free(gate);
}

static const struct disk_class gate_class = {
    .name = "gate", .read = read_gate, .close = close_gate};

static struct disk *
gate_new(void)
{
    struct gate *gate = g_new0(struct gate, 1);
    disk_init(&gate->base, &gate_class, 64 * MIB, 0, "gate");
    g_mutex_init(&gate->lock);
    g_cond_init(&gate->changed);
    return &gate->base;
}

static void
gate_set(struct disk *disk, gboolean open)
{
    struct gate *gate = (struct gate *)disk;
    g_mutex_lock(&gate->lock);
    gate->open = open;
    g_cond_broadcast(&gate->changed);
    g_mutex_unlock(&gate->lock);
}

/* The ones that wait stop nobody, as long as there are threads; then there are answers out of
 * order, and all come in the end. */
static void
test_slow_requests(void)
{
    auto_ptr(disk) disk = gate_new();
    struct nbd_fixture fixture;
    start(&fixture, disk, 0);
    int fd = nbd_wire_enter(&fixture);
    guint8 bytes[512], expected[512];
    for (guint round = 0; round < 20; round++) {
        gate_set(disk, FALSE);
        for (guint i = 0; i < 7; i++)
            nbd_wire_say_request(fd, NBD_CMD_READ, 100 + i, MIB + i * 512, 512);
        for (guint i = 0; i < 50; i++) {
            nbd_wire_say_request(fd, NBD_CMD_READ, i, i * 512, 512);
            g_assert_cmpuint(nbd_wire_hear_answer(fd, NBD_OK), ==, i);
            nbd_wire_hear(fd, bytes, sizeof bytes);
        }
        gate_set(disk, TRUE);
        guint seen = 0;
        for (guint i = 0; i < 7; i++) {
            guint64 cookie = nbd_wire_hear_answer(fd, NBD_OK) - 100;
            g_assert_cmpuint(cookie, <, 7);
            seen |= 1u << cookie;
            nbd_wire_hear(fd, bytes, sizeof bytes);
            nbd_fixture_fill(expected, MIB + cookie * 512, sizeof expected);
            g_assert_cmpmem(bytes, sizeof bytes, expected, sizeof expected);
        }
        g_assert_cmpuint(seen, ==, 127);
    }
    close(fd);
    nbd_fixture_stop(&fixture);
}

/* Threads of connections at this moment. */
static guint
count_threads(void)
{
    guint n = 0;
    g_autoptr(GDir) tasks = g_dir_open("/proc/self/task", 0, NULL);
    for (const char *task; (task = g_dir_read_name(tasks)) != NULL;) {
        g_autofree char *path = g_build_filename("/proc/self/task", task, "comm", NULL);
        g_autofree char *name = NULL;
        n += g_file_get_contents(path, &name, NULL, NULL) && strcmp(name, "nbd\n") == 0;
    }
    return n;
}

/* Threads that were needed once leave, and come again when they are needed again. */
static void
test_idle(void)
{
    auto_ptr(disk) disk = gate_new();
    struct nbd_fixture fixture;
    start(&fixture, disk, 0);
    int fd = nbd_wire_enter(&fixture);
    guint8 bytes[512];
    for (guint round = 0; round < 2; round++) {
        gate_set(disk, FALSE);
        for (guint i = 0; i < 20; i++)
            nbd_wire_say_request(fd, NBD_CMD_READ, i, MIB, 512);
        struct gate *gate = (struct gate *)disk;
        g_mutex_lock(&gate->lock);
        while (gate->inside < 8)
            g_cond_wait(&gate->changed, &gate->lock);
        g_mutex_unlock(&gate->lock);
        g_assert_cmpuint(count_threads(), ==, 7);
        gate_set(disk, TRUE);
        for (guint i = 0; i < 20; i++) {
            nbd_wire_hear_answer(fd, NBD_OK);
            nbd_wire_hear(fd, bytes, sizeof bytes);
        }
        gint64 deadline = g_get_monotonic_time() + 60 * G_USEC_PER_SEC;
        while (round == 0 && count_threads() > 2) {
            g_assert_cmpint(g_get_monotonic_time(), <, deadline);
            g_usleep(50000);
        }
    }
    close(fd);
    nbd_fixture_stop(&fixture);
}

/* More than it takes at once: the rest waits in the socket, and comes later. */
static void
test_many_requests(void)
{
    auto_ptr(disk) disk = gate_new();
    struct nbd_fixture fixture;
    start(&fixture, disk, 0);
    int fd = nbd_wire_enter(&fixture);
    enum { N = 200 }; /* as many as fit into a socket */
    for (guint i = 0; i < N; i++)
        nbd_wire_say_request(fd, NBD_CMD_READ, i, MIB + i * 512, 512);
    g_usleep(100000);
    struct gate *gate = (struct gate *)disk;
    g_mutex_lock(&gate->lock);
    g_assert_cmpuint(gate->inside, ==, 8);
    g_mutex_unlock(&gate->lock);
    gate_set(disk, TRUE);
    gboolean seen[N] = {FALSE};
    guint8 bytes[512];
    for (guint i = 0; i < N; i++) {
        guint64 cookie = nbd_wire_hear_answer(fd, NBD_OK);
        g_assert_cmpuint(cookie, <, N);
        g_assert_false(seen[cookie]);
        seen[cookie] = TRUE;
        nbd_wire_hear(fd, bytes, sizeof bytes);
    }
    close(fd);
    nbd_fixture_stop(&fixture);
}

static gpointer
open_later(gpointer data)
{
    g_usleep(300000);
    gate_set(data, TRUE);
    return NULL;
}

/* A server that stops answers what is under way. */
static void
test_stop(void)
{
    auto_ptr(disk) disk = gate_new();
    struct nbd_fixture fixture;
    start(&fixture, disk, 0);
    int idle = nbd_wire_enter(&fixture), silent = nbd_wire_dial(&fixture),
        busy = nbd_wire_enter(&fixture);
    for (guint i = 0; i < 5; i++)
        nbd_wire_say_request(busy, NBD_CMD_READ, i, MIB, 512);
    struct gate *gate = (struct gate *)disk;
    g_mutex_lock(&gate->lock);
    while (gate->inside < 5)
        g_cond_wait(&gate->changed, &gate->lock);
    g_mutex_unlock(&gate->lock);
    GThread *opener = g_thread_new("open", open_later, disk);
    nbd_server_stop(g_steal_pointer(&fixture.server));
    g_thread_join(opener);
    guint8 bytes[512];
    for (guint i = 0; i < 5; i++) {
        g_assert_cmpuint(nbd_wire_hear_answer(busy, NBD_OK), <, 5);
        nbd_wire_hear(busy, bytes, sizeof bytes);
    }
    nbd_wire_expect_end(busy);
    nbd_wire_expect_end(idle);
    nbd_wire_expect_end(silent);
    nbd_fixture_stop(&fixture);
}

/* One that takes no answers gets no more of our memory than there is for it, and does not keep the
 * server from stopping. */
static void
test_deaf_client(void)
{
    auto_ptr(disk) disk = gate_new();
    gate_set(disk, TRUE);
    struct nbd_fixture fixture;
    start(&fixture, disk, 0);
    int fd = nbd_wire_enter(&fixture);
    for (guint i = 0; i < 60; i++)
        nbd_wire_say_request(fd, NBD_CMD_READ, i, 0, 32 * MIB);
    g_usleep(300000);
    gint64 begin = g_get_monotonic_time();
    nbd_server_stop(g_steal_pointer(&fixture.server));
    gint64 took = g_get_monotonic_time() - begin;
    g_assert_cmpint(took, >, 4 * G_USEC_PER_SEC);
    g_assert_cmpint(took, <, 20 * G_USEC_PER_SEC);
    close(fd);
    nbd_fixture_stop(&fixture);
}

/* ---- All at once ------------------------------------------------------------------------------
 */

#define REGION (256u * 1024)

struct worker {
    struct nbd_fixture *fixture;
    guint number;
};

/* Writes and reads a region of its own in random pieces, several requests at a time. */
static gpointer
work(gpointer data)
{
    const struct worker *worker = data;
    struct nbd_handle *handle = nbd_fixture_client(worker->fixture, "");
    g_autoptr(GRand) rand = g_rand_new_with_seed(worker->number);
    guint64 base = worker->number * (guint64)REGION;
    g_autofree guint8 *mirror = g_malloc0(REGION), *bytes = g_malloc(REGION);
    for (guint round = 0; round < 60; round++) {
        enum { PARTS = 8 };
        gint64 cookies[PARTS];
        for (guint i = 0; i < PARTS; i++) {
            gsize part = REGION / PARTS, from = i * part + g_rand_int_range(rand, 0, 1000);
            gsize n = (gsize)g_rand_int_range(rand, 1, (gint32)(part - 1000));
            nbd_fixture_fill(mirror + from, g_rand_int(rand), n);
            cookies[i] =
                nbd_aio_pwrite(handle, mirror + from, n, base + from, NBD_NULL_COMPLETION, 0);
            g_assert_cmpint(cookies[i], >, 0);
        }
        for (guint i = 0; i < PARTS; i++) {
            int done;
            while ((done = nbd_aio_command_completed(handle, (guint64)cookies[i])) == 0)
                g_assert_cmpint(nbd_poll(handle, -1), >=, 0);
            g_assert_cmpint(done, ==, 1);
        }
        g_assert_cmpint(nbd_pread(handle, bytes, REGION, base, 0), ==, 0);
        g_assert_true(memcmp(bytes, mirror, REGION) == 0);
    }
    nbd_fixture_close(handle);
    return NULL;
}

static void
test_storm(void)
{
    enum { N = 8 };
    auto_ptr(disk) disk = disk_memory_new(N * (guint64)REGION, "memory");
    struct nbd_fixture fixture;
    start(&fixture, disk, 0);
    struct worker workers[N];
    GThread *threads[N];
    for (guint i = 0; i < N; i++) {
        workers[i] = (struct worker){&fixture, i};
        threads[i] = g_thread_new("work", work, &workers[i]);
    }
    for (guint i = 0; i < N; i++)
        g_thread_join(threads[i]);
    nbd_fixture_stop(&fixture);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/nbd-load/slow-requests", test_slow_requests);
    g_test_add_func("/nbd-load/idle", test_idle);
    g_test_add_func("/nbd-load/many-requests", test_many_requests);
    g_test_add_func("/nbd-load/stop", test_stop);
    g_test_add_func("/nbd-load/deaf-client", test_deaf_client);
    g_test_add_func("/nbd-load/storm", test_storm);
    return g_test_run();
}
