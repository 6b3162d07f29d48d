/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Runs that are killed, at any moment, leave nothing that the next one does not remove. */
#include "vsphere_peer.h"

#include "base/error.h"
#include "hyper/vsphere/vsphere.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROXY "proxy01"
#define DISK_SIZE (1u << 20)
#define KIB64 65536u
#define CALLS_MAX 400u

/* ---- The run --------------------------------------------------------------------------------- */

static void
read_all(const struct frozen *frozen)
{
    g_autoptr(GError) error = NULL;
    struct disk *disk = frozen_get_disk(frozen, 0)->disk;
    g_autofree guint8 *bytes = g_malloc(DISK_SIZE);
    disk_read(disk, 0, bytes, DISK_SIZE, &error);
    g_assert_no_error(error);
}

/* This program again: "--run URI TRANSPORT MACHINE wait|whole". */
static int
be_a_run(char **argv)
{
    static const struct http_options network = {.retries = 3, .backoff_ms = 1, .proxy = ""};
    gboolean hot_add = strcmp(argv[3], "hotadd") == 0;
    struct hypervisor_options options = {.user = "root",
                                         .password = "only-for-tests",
                                         .network = &network,
                                         .own_machine = hot_add ? PROXY : NULL};
    hypervisor_transport_parse(argv[3], &options.transport);
    g_autoptr(GError) error = NULL;
    struct hypervisor *hypervisor = hypervisor_vsphere.open(argv[2], &options, &error);
    g_assert_no_error(error);
    const struct freeze_disk wanted = {.name = "scsi0:0"};
    const struct freeze_options freeze_options = {.disks = &wanted, .n_disks = 1, .chain = "run"};
    const struct machine machine = {.ref = argv[4]};
    struct frozen *frozen = hypervisor_freeze(hypervisor, &machine, &freeze_options, &error);
    g_assert_no_error(error);
    g_assert_nonnull(frozen);
    g_assert_cmpint(write(STDOUT_FILENO, "frozen\n", 7), ==, 7);
    while (strcmp(argv[5], "wait") == 0)
        pause();
    read_all(frozen);
    g_assert_true(frozen_thaw(frozen, &error));
    frozen_free(frozen);
    hypervisor_close(hypervisor);
    return 0;
}

/* ---- Who kills it ---------------------------------------------------------------------------- */

struct bench {
    struct scratch scratch;
    struct vsphere_peer *peer;
    const char *transport;
    char *ref;
    guint8 *truth;
    GPid pid;
    int out; /* of the run */
};

static gboolean
bench_begin(struct bench *bench, const char *transport)
{
    static const char *const arguments[] = {"-machines", "0", NULL};
    *bench = (struct bench){.scratch = scratch_new(), .transport = transport, .out = -1};
    bench->peer = vsphere_peer_new(arguments);
    if (bench->peer == NULL)
        return FALSE;
    g_autofree char *dev = scratch_path(&bench->scratch, "dev");
    g_autofree char *by_id = scratch_path(&bench->scratch, "dev/disk/by-id");
    g_assert_cmpint(g_mkdir_with_parents(by_id, 0700), ==, 0);
    g_setenv("SLIPWAY_DEV", dev, TRUE);
    g_setenv("SLIPWAY_SYSFS", bench->scratch.path, TRUE);
    vsphere_peer_tell(bench->peer, "settings", "{s:f, s:s}", "task_time", 0.005, "attach_links",
                      by_id);
    vsphere_peer_tell(bench->peer, "add", "{s:s}", "name", PROXY);
    vsphere_peer_tell(bench->peer, "add", "{s:s, s:[{s:i}]}", "name", VSPHERE_PEER_MACHINE, "disks",
                      "size", DISK_SIZE);
    vsphere_peer_write(bench->peer, VSPHERE_PEER_MACHINE, 0, 3 * KIB64, 2 * KIB64, 0x47);
    bench->truth = vsphere_peer_read(bench->peer, VSPHERE_PEER_MACHINE, 0, 0, DISK_SIZE);
    json_t *machine = vsphere_peer_machine(bench->peer, VSPHERE_PEER_MACHINE);
    bench->ref =
        g_strdup_printf("VirtualMachine:%s", json_string_value(json_object_get(machine, "ref")));
    json_decref(machine);
    return TRUE;
}

static void
bench_end(struct bench *bench)
{
    vsphere_peer_free(bench->peer);
    g_free(bench->ref);
    g_free(bench->truth);
    scratch_clear(&bench->scratch);
}

#define auto_bench __attribute__((cleanup(bench_end))) struct bench

static void
start(struct bench *bench, const char *how)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
    const char *argv[] = {
        self, "--run", vsphere_peer_uri(bench->peer), bench->transport, bench->ref, how, NULL};
    g_spawn_async_with_pipes(NULL, (char **)argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL,
                             &bench->pid, NULL, &bench->out, NULL, &error);
    g_assert_no_error(error);
}

static int
finish(struct bench *bench)
{
    int status;
    g_assert_cmpint(waitpid(bench->pid, &status, 0), ==, bench->pid);
    close(bench->out);
    return status;
}

/* What a killed run had asked for goes on by itself: calls that the server had, and their tasks. */
static gboolean
goes_on(struct bench *bench)
{
    json_t *state = vsphere_peer_ask(bench->peer, "state", NULL), *one;
    gboolean found = json_integer_value(json_object_get(state, "calls")) > 0;
    gsize i;
    json_array_foreach(json_object_get(state, "tasks"), i, one)
    {
        const char *how = json_string_value(json_object_get(one, "state"));
        found = found || g_strcmp0(how, "queued") == 0 || g_strcmp0(how, "running") == 0;
    }
    json_decref(state);
    return found;
}

/* The next run: it cleans up, and what it then freezes is right. */
static guint
clean_and_run(struct bench *bench)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) words = NULL;
    struct hypervisor *hypervisor =
        vsphere_peer_open(bench->peer, HYPERVISOR_TRANSPORT_HTTPS, NULL, &error);
    g_assert_no_error(error);
    gboolean ok = hypervisor_clean(hypervisor, bench->ref, &words, &error);
    g_assert_no_error(error);
    g_assert_true(ok);
    const struct freeze_disk wanted = {.name = "scsi0:0"};
    const struct freeze_options options = {.disks = &wanted, .n_disks = 1, .chain = "run"};
    const struct machine machine = {.ref = bench->ref};
    struct frozen *frozen = hypervisor_freeze(hypervisor, &machine, &options, &error);
    g_assert_no_error(error);
    g_autofree guint8 *bytes = g_malloc(DISK_SIZE);
    g_assert_true(disk_read(frozen_get_disk(frozen, 0)->disk, 0, bytes, DISK_SIZE, &error));
    g_assert_cmpmem(bytes, DISK_SIZE, bench->truth, DISK_SIZE);
    g_assert_true(frozen_thaw(frozen, &error));
    frozen_free(frozen);
    hypervisor_close(hypervisor);
    return words->len;
}

/* Nobody logs a killed run out: what its session has ends with that. */
static void
expect_nothing_left(struct bench *bench)
{
    vsphere_peer_tell(bench->peer, "expire", NULL);
    g_autofree char *left = vsphere_peer_left(bench->peer, NULL, TRUE);
    g_assert_cmpstr(left, ==, NULL);
    g_autofree char *notes = g_build_filename(g_get_user_state_dir(), "slipway", "attached", NULL);
    g_autoptr(GDir) dir = g_dir_open(notes, 0, NULL);
    g_assert_null(dir != NULL ? g_dir_read_name(dir) : NULL);
}

/* ---- Tests ----------------------------------------------------------------------------------- */

static void
test_frozen(gconstpointer transport)
{
    auto_bench bench;
    g_autoptr(GError) error = NULL;
    char line[8] = "";
    if (!bench_begin(&bench, transport))
        return;
    start(&bench, "wait");
    g_assert_cmpint(read(bench.out, line, 7), ==, 7);
    g_assert_cmpstr(line, ==, "frozen\n");

    /* While it lives its things are left alone, and nobody else may begin. */
    g_autoptr(GPtrArray) none = NULL;
    struct hypervisor *hypervisor =
        vsphere_peer_open(bench.peer, HYPERVISOR_TRANSPORT_HTTPS, NULL, &error);
    g_assert_true(hypervisor_clean(hypervisor, NULL, &none, &error));
    g_assert_cmpuint(none->len, ==, 0);
    const struct freeze_disk wanted = {.name = "scsi0:0"};
    const struct freeze_options options = {.disks = &wanted, .n_disks = 1, .chain = "run"};
    const struct machine machine = {.ref = bench.ref};
    g_assert_null(hypervisor_freeze(hypervisor, &machine, &options, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_BUSY);
    g_assert_nonnull(strstr(error->message, "another run"));
    hypervisor_close(hypervisor);

    kill(bench.pid, SIGKILL);
    finish(&bench);
    g_assert_cmpuint(clean_and_run(&bench), ==, strcmp(transport, "hotadd") == 0 ? 2 : 1);
    expect_nothing_left(&bench);
}

/* TRUE when the n-th call was under way and the run was killed then; FALSE: it makes less calls. */
static gboolean
kill_at(struct bench *bench, guint n)
{
    vsphere_peer_tell(bench->peer, "clear", NULL);
    vsphere_peer_tell(bench->peer, "rule", "{s:s, s:i, s:i}", "method", "*", "skip", (int)n,
                      "delay", 2);
    start(bench, "whole");
    for (;;) {
        json_t *state = vsphere_peer_ask(bench->peer, "state", NULL);
        json_t *rule = json_array_get(json_object_get(state, "rules"), 0);
        gboolean met = json_integer_value(json_object_get(rule, "used")) > 0;
        json_decref(state);
        int status;
        if (met) {
            kill(bench->pid, SIGKILL);
            finish(bench);
            vsphere_peer_tell(bench->peer, "clear", NULL);
            return TRUE;
        }
        if (waitpid(bench->pid, &status, WNOHANG) == bench->pid) {
            close(bench->out);
            g_assert_cmpint(status, ==, 0);
            return FALSE;
        }
        g_usleep(2000);
    }
}

static void
test_any(gconstpointer transport)
{
    auto_bench bench;
    if (!bench_begin(&bench, transport))
        return;
    guint n = 0, cleaned = 0;
    for (; n < CALLS_MAX && kill_at(&bench, n); n++) {
        while (goes_on(&bench))
            g_usleep(2000);
        cleaned += clean_and_run(&bench);
        expect_nothing_left(&bench);
    }
    g_test_message("killed at %u calls; %u things were removed", n, cleaned);
    g_assert_cmpuint(n, >, 10);
    g_assert_cmpuint(n, <, CALLS_MAX);
    g_assert_cmpuint(cleaned, >, 0);
}

int
main(int argc, char **argv)
{
    if (argc == 6 && strcmp(argv[1], "--run") == 0)
        return be_a_run(argv);
    auto_scratch scratch = scratch_new();
    g_setenv("XDG_STATE_HOME", scratch.path, TRUE);
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/vsphere/killed/frozen/https", "https", test_frozen);
    g_test_add_data_func("/vsphere/killed/frozen/hot-add", "hotadd", test_frozen);
    g_test_add_data_func("/vsphere/killed/any/https", "https", test_any);
    g_test_add_data_func("/vsphere/killed/any/hot-add", "hotadd", test_any);
    return g_test_run();
}
