/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The suite over the driver of libvirt, with a real libvirtd: test/libvirt/conformance_peer.py,
 * whose path is in LIBVIRT_PEER. */
#include "base/cancel.h"
#include "base/error.h"
#include "disk/disk_open.h"
#include "hypervisor_suite.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct {
    FILE *in, *out; /* of the peer; NULL: none was started */
    GPid pid;
} program;

struct peer {
    char *runs; /* directory of runs; short, as sockets have to be in it */
};

/* What it answers; fails the test when it failed. */
static char *ask(const char *format, ...) G_GNUC_PRINTF(1, 2);

static char *
hear(void)
{
    char line[8192];
    g_assert_nonnull(fgets(line, sizeof line, program.out));
    return g_strdup(g_strstrip(line));
}

static char *
ask(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vfprintf(program.in, format, args);
    va_end(args);
    fputc('\n', program.in);
    fflush(program.in);
    g_autofree char *line = hear();
    if (!g_str_has_prefix(line, "ok"))
        g_error("%s", line);
    return g_strdup(g_strstrip(line + 2));
}

/* Its first line, or why there is none. */
static char *
start(void)
{
    const char *script = g_getenv("LIBVIRT_PEER");
    if (script == NULL)
        return g_strdup("LIBVIRT_PEER is not set");
    const char *argv[] = {"python3", script, NULL};
    int in = -1, out = -1;
    g_autoptr(GError) error = NULL;
    g_spawn_async_with_pipes(NULL, (char **)argv, NULL,
                             G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL,
                             &program.pid, &in, &out, NULL, &error);
    g_assert_no_error(error);
    program.in = fdopen(in, "w");
    program.out = fdopen(out, "r");
    return hear();
}

static gpointer
begin(const struct hypervisor_suite *suite G_GNUC_UNUSED, const struct scratch *scratch)
{
    static char *said = NULL;
    if (said == NULL)
        said = start();
    if (strcmp(said, "ok") != 0) {
        g_test_skip(said);
        return NULL;
    }
    struct peer *peer = g_new0(struct peer, 1);
    peer->runs = g_build_filename(scratch->path, "r", NULL);
    g_assert_cmpint(g_mkdir_with_parents(peer->runs, 0700), ==, 0);
    g_free(ask("begin %s", peer->runs));
    return peer;
}

static void
end(gpointer data)
{
    struct peer *peer = data;
    g_free(ask("end"));
    g_free(peer->runs);
    g_free(peer);
}

static struct hypervisor *
open_session(gpointer data, GError **error)
{
    struct peer *peer = data;
    g_autofree char *uri = ask("uri");
    const struct hypervisor_options options = {.scratch = peer->runs};
    return hypervisor_open(uri, &options, error);
}

static void
write_disk(gpointer data G_GNUC_UNUSED, const char *disk, guint64 offset, guint64 length,
           guint8 pattern)
{
    g_free(ask("write %s %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %u", disk, offset, length,
               pattern));
}

static char *
tell_left(gpointer data G_GNUC_UNUSED)
{
    char *words = ask("left");
    if (words[0] == '\0')
        g_clear_pointer(&words, g_free);
    return words;
}

static void
forget_changes(gpointer data G_GNUC_UNUSED)
{
    g_free(ask("forget"));
}

static void
stop(gpointer data G_GNUC_UNUSED)
{
    g_free(ask("stop"));
}

static void
leave(gpointer data G_GNUC_UNUSED, const char *mark)
{
    g_free(ask("leave %s", mark));
}

static gboolean
has(gpointer data G_GNUC_UNUSED, const char *mark)
{
    g_autofree char *words = ask("has %s", mark);
    return words[0] != '\0';
}

static void
drop(gpointer data G_GNUC_UNUSED, const char *mark)
{
    g_free(ask("drop %s", mark));
}

static struct disk *
look(gpointer data G_GNUC_UNUSED, const char *machine, const char *disk)
{
    g_autofree char *path = ask("path %s %s", machine, disk);
    g_autoptr(GError) error = NULL;
    struct disk *found = disk_open_read(path, DISK_FORMAT_QCOW2, &error);
    g_assert_no_error(error);
    return found;
}

static void
remove_machine(gpointer data G_GNUC_UNUSED, const char *machine)
{
    g_free(ask("remove %s", machine));
}

/* ---- A daemon that is started anew ----------------------------------------------------------- */

#define OTHER "app02"

struct bench {
    struct scratch scratch;
    struct peer *peer;
    struct hypervisor *hypervisor;
};

/* With a session that was there before; FALSE after g_test_skip(). */
static gboolean
bench_begin(struct bench *bench)
{
    g_autoptr(GError) error = NULL;
    *bench = (struct bench){.scratch = scratch_new()};
    bench->peer = begin(NULL, &bench->scratch);
    if (bench->peer == NULL)
        return FALSE;
    g_autofree char *words = ask("restartable");
    if (words[0] == '\0') {
        g_test_skip("only the daemon of root can be started anew by the test");
        return FALSE;
    }
    g_free(ask("add %s", OTHER));
    bench->hypervisor = open_session(bench->peer, &error);
    g_assert_no_error(error);
    return TRUE;
}

static void
bench_end(struct bench *bench)
{
    hypervisor_close(bench->hypervisor);
    if (bench->hypervisor != NULL)
        g_free(ask("remove %s", OTHER));
    if (bench->peer != NULL)
        end(bench->peer);
    scratch_clear(&bench->scratch);
}
#define auto_bench __attribute__((cleanup(bench_end))) struct bench

static struct frozen *
freeze(struct bench *bench, const char *name)
{
    g_autoptr(GError) error = NULL;
    static const struct freeze_disk wanted = {.name = "vda"};
    const struct freeze_options options = {
        .quiesce = FREEZE_NEVER, .disks = &wanted, .n_disks = 1, .chain = "restart"};
    auto_ptr(machine) machine = hypervisor_describe(bench->hypervisor, name, &error);
    g_assert_no_error(error);
    struct frozen *frozen = hypervisor_freeze(bench->hypervisor, machine, &options, &error);
    g_assert_no_error(error);
    return frozen;
}

static void
read_and_thaw(struct frozen *frozen)
{
    guint8 bytes[512];
    g_autoptr(GError) error = NULL;
    g_assert_true(disk_read(frozen_get_disk(frozen, 0)->disk, 0, bytes, sizeof bytes, &error));
    g_assert_true(frozen_thaw(frozen, &error));
    g_assert_cmpstr(frozen_torn(frozen), ==, NULL);
    g_assert_true(frozen_settle(frozen, TRUE, &error));
    g_assert_no_error(error);
    frozen_free(frozen);
}

/* While a machine is frozen: it is thawed, and the next one frozen, by the same session. */
static void
test_restart_next(void)
{
    auto_bench bench;
    if (!bench_begin(&bench))
        return;
    struct frozen *frozen = freeze(&bench, "app01");
    g_free(ask("restart"));
    read_and_thaw(frozen);
    read_and_thaw(freeze(&bench, OTHER));
    g_free(ask("restart"));
    read_and_thaw(freeze(&bench, "app01"));
    g_autofree char *left = ask("left");
    g_assert_cmpstr(left, ==, OTHER);
}

/* Each by itself is the first thing that is asked of the new daemon. */
static void
test_restart_look(void)
{
    auto_bench bench;
    g_autoptr(GError) error = NULL;
    if (!bench_begin(&bench))
        return;
    g_free(ask("restart"));
    g_autoptr(GPtrArray) list = hypervisor_list(bench.hypervisor, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(list->len, ==, 2);
    g_free(ask("restart"));
    auto_ptr(machine) machine = hypervisor_describe(bench.hypervisor, OTHER, &error);
    g_assert_no_error(error);
    g_free(ask("restart"));
    g_autoptr(GPtrArray) places = hypervisor_places(bench.hypervisor, &error);
    g_assert_no_error(error);
    g_free(ask("restart"));
    struct hypervisor_about about = {0};
    g_assert_true(hypervisor_about(bench.hypervisor, &about, &error));
    hypervisor_about_clear(&about);
    g_free(ask("restart"));
    g_assert_true(hypervisor_clean(bench.hypervisor, NULL, NULL, &error));
    g_assert_no_error(error);
}

/* It does not answer yet, and is waited for. */
static void
test_restart_away(void)
{
    auto_bench bench;
    if (!bench_begin(&bench))
        return;
    struct frozen *frozen = freeze(&bench, "app01");
    g_free(ask("kill"));
    read_and_thaw(frozen);
    g_free(ask("kill"));
    read_and_thaw(freeze(&bench, OTHER));
}

struct worker {
    struct bench *bench;
    const char *machine;
};

static gpointer
work(gpointer data)
{
    const struct worker *worker = data;
    for (guint i = 0; i < 3; i++)
        read_and_thaw(freeze(worker->bench, worker->machine));
    return NULL;
}

/* Two at once find that it is gone. */
static void
test_restart_threads(void)
{
    auto_bench bench;
    if (!bench_begin(&bench))
        return;
    struct worker workers[] = {{&bench, "app01"}, {&bench, OTHER}};
    GThread *threads[G_N_ELEMENTS(workers)];
    g_free(ask("kill"));
    for (gsize i = 0; i < G_N_ELEMENTS(workers); i++)
        threads[i] = g_thread_new("worker", work, &workers[i]);
    for (gsize i = 0; i < G_N_ELEMENTS(workers); i++)
        g_thread_join(threads[i]);
}

static struct placement *
place(struct bench *bench)
{
    g_autoptr(GError) error = NULL;
    auto_ptr(machine) machine = hypervisor_describe(bench->hypervisor, "app01", &error);
    g_assert_no_error(error);
    g_free(machine->name);
    machine->name = g_strdup("made");
    struct placement *placement = hypervisor_create(bench->hypervisor, machine, NULL, &error);
    g_assert_no_error(error);
    return placement;
}

/* While the disks of a new machine are filled: it is completed, or taken away. */
static void
test_restart_create(void)
{
    auto_bench bench;
    g_autoptr(GError) error = NULL;
    if (!bench_begin(&bench))
        return;
    g_free(ask("restart"));
    struct placement *placement = place(&bench);
    g_free(ask("restart"));
    g_assert_true(placement_abandon(placement, &error));
    g_assert_no_error(error);
    placement_free(placement);
    g_autofree char *left = ask("left");
    g_assert_cmpstr(left, ==, OTHER);
    placement = place(&bench);
    g_autofree char *path = ask("path made vda");
    g_assert_true(g_file_test(path, G_FILE_TEST_EXISTS));
    g_free(ask("restart"));
    placement_free(placement);
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    placement = place(&bench);
    g_free(ask("restart"));
    auto_ptr(machine) made = NULL;
    g_assert_true(placement_finish(placement, FALSE, &made, &error));
    g_assert_no_error(error);
    g_assert_cmpstr(made->name, ==, "made");
    placement_free(placement);
    g_free(ask("remove made"));
}

/* ---- One that takes connections and says nothing --------------------------------------------- */

static gpointer
cancel_soon(gpointer data)
{
    g_usleep(300 * 1000);
    cancel_request();
    return data;
}

static int
listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    g_assert_cmpuint(g_strlcpy(address.sun_path, path, sizeof address.sun_path), <,
                     sizeof address.sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(bind(fd, (struct sockaddr *)&address, sizeof address), ==, 0);
    g_assert_cmpint(listen(fd, 4), ==, 0);
    return fd;
}

static void
test_silent(void)
{
    auto_scratch scratch = scratch_new();
    g_autoptr(GError) error = NULL;
    g_autofree char *path = scratch_path(&scratch, "socket");
    g_autofree char *uri = g_strconcat("qemu+unix:///system?socket=", path, NULL);
    int fd = listen_at(path);
    GThread *thread = g_thread_new("cancel", cancel_soon, NULL);
    g_assert_null(hypervisor_open(uri, NULL, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CANCELLED);
    g_thread_join(thread);
    cancel_heard();
    close(fd); /* and libvirt gives up */
}

int
main(int argc, char **argv)
{
    static const char *const disks[] = {"vda", "vdb", NULL};
    static const struct hypervisor_suite suite = {
        .name = "libvirt",
        .machine = "app01",
        .disks = disks,
        .granularity = 65536,
        .begin = begin,
        .end = end,
        .open = open_session,
        .write = write_disk,
        .left = tell_left,
        .forget_changes = forget_changes,
        .stop = stop,
        .leave = leave,
        .has = has,
        .drop = drop,
        .look = look,
        .remove = remove_machine,
    };
    g_test_init(&argc, &argv, NULL);
    hypervisor_suite_add(&suite);
    g_test_add_func("/hypervisor/libvirt/restart/next", test_restart_next);
    g_test_add_func("/hypervisor/libvirt/restart/look", test_restart_look);
    g_test_add_func("/hypervisor/libvirt/restart/away", test_restart_away);
    g_test_add_func("/hypervisor/libvirt/restart/threads", test_restart_threads);
    g_test_add_func("/hypervisor/libvirt/restart/create", test_restart_create);
    g_test_add_func("/hypervisor/libvirt/silent", test_silent);
    int code = g_test_run();
    if (program.in != NULL) {
        fclose(program.in);
        while (fgetc(program.out) != EOF)
            ;
        fclose(program.out);
        g_spawn_close_pid(program.pid);
    }
    return code;
}
