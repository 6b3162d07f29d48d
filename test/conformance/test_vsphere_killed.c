/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Runs that are killed, at any moment, leave nothing that the next one does not remove. */
#include "vsphere_bench.h"

#include "hyper/vsphere/vsphere.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- The run --------------------------------------------------------------------------------- */

static void
read_all(const struct frozen *frozen)
{
    g_autoptr(GError) error = NULL;
    struct disk *disk = frozen_get_disk(frozen, 0)->disk;
    g_autofree guint8 *bytes = g_malloc(VSPHERE_BENCH_SIZE);
    disk_read(disk, 0, bytes, VSPHERE_BENCH_SIZE, &error);
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
                                         .own_machine = hot_add ? VSPHERE_BENCH_PROXY : NULL};
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

struct victim {
    struct vsphere_bench bench;
    const char *transport;
    char *ref;
    guint8 *truth;
    GPid pid;
    int out; /* of the run */
};

static gboolean
begin(struct victim *victim, const char *transport)
{
    *victim = (struct victim){.transport = transport, .out = -1};
    if (!vsphere_bench_begin(&victim->bench, NULL))
        return FALSE;
    vsphere_bench_add_proxy(&victim->bench);
    vsphere_bench_add(&victim->bench, NULL, NULL);
    victim->truth = vsphere_bench_look(&victim->bench);
    victim->ref = vsphere_bench_ref(&victim->bench);
    return TRUE;
}

static void
end(struct victim *victim)
{
    vsphere_bench_end(&victim->bench);
    g_free(victim->ref);
    g_free(victim->truth);
}

#define auto_victim __attribute__((cleanup(end))) struct victim

static void
start(struct victim *victim, const char *how)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
    const char *argv[] = {
        self, "--run", vsphere_peer_uri(victim->bench.peer), victim->transport, victim->ref,
        how,  NULL};
    g_spawn_async_with_pipes(NULL, (char **)argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL,
                             &victim->pid, NULL, &victim->out, NULL, &error);
    g_assert_no_error(error);
}

static int
finish(struct victim *victim)
{
    int status;
    g_assert_cmpint(waitpid(victim->pid, &status, 0), ==, victim->pid);
    close(victim->out);
    return status;
}

/* What a killed run had asked for goes on by itself: calls that the server had, and their tasks. */
static gboolean
goes_on(struct vsphere_bench *bench)
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
clean_and_run(struct victim *victim)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) words = NULL;
    vsphere_bench_open_in(&victim->bench, HYPERVISOR_TRANSPORT_HTTPS, NULL);
    gboolean ok = hypervisor_clean(victim->bench.hypervisor, victim->ref, &words, &error);
    g_assert_no_error(error);
    g_assert_true(ok);
    struct frozen *frozen = vsphere_bench_freeze_with(&victim->bench, FREEZE_TRY, 0, NULL, &error);
    g_assert_no_error(error);
    vsphere_bench_read_and_thaw(frozen, victim->truth);
    vsphere_bench_close(&victim->bench);
    return words->len;
}

/* Nobody logs a killed run out: what its session has ends with that. */
static void
expect_nothing_left(struct victim *victim)
{
    vsphere_peer_tell(victim->bench.peer, "expire", NULL);
    vsphere_bench_expect_nothing_left(&victim->bench, victim->transport);
}

/* ---- Tests ----------------------------------------------------------------------------------- */

static void
test_frozen(gconstpointer transport)
{
    auto_victim victim;
    g_autoptr(GError) error = NULL;
    char line[8] = "";
    if (!begin(&victim, transport))
        return;
    start(&victim, "wait");
    g_assert_cmpint(read(victim.out, line, 7), ==, 7);
    g_assert_cmpstr(line, ==, "frozen\n");

    /* While it lives its things are left alone, and nobody else may begin. */
    g_autoptr(GPtrArray) none = NULL;
    vsphere_bench_open_in(&victim.bench, HYPERVISOR_TRANSPORT_HTTPS, NULL);
    g_assert_true(hypervisor_clean(victim.bench.hypervisor, NULL, &none, &error));
    g_assert_cmpuint(none->len, ==, 0);
    vsphere_bench_expect_refused(&victim.bench, SLIPWAY_ERROR_BUSY, "another run");
    vsphere_bench_close(&victim.bench);

    kill(victim.pid, SIGKILL);
    finish(&victim);
    g_assert_cmpuint(clean_and_run(&victim), ==, strcmp(transport, "hotadd") == 0 ? 2 : 1);
    expect_nothing_left(&victim);
}

/* TRUE when the n-th call was under way and the run was killed then; FALSE: it makes less calls. */
static gboolean
kill_at(struct victim *victim, guint n)
{
    vsphere_peer_tell(victim->bench.peer, "clear", NULL);
    vsphere_peer_tell(victim->bench.peer, "rule", "{s:s, s:i, s:i}", "method", "*", "skip", (int)n,
                      "delay", 2);
    start(victim, "whole");
    for (;;) {
        int status;
        if (vsphere_bench_rule_met(&victim->bench)) {
            kill(victim->pid, SIGKILL);
            finish(victim);
            vsphere_peer_tell(victim->bench.peer, "clear", NULL);
            return TRUE;
        }
        if (waitpid(victim->pid, &status, WNOHANG) == victim->pid) {
            close(victim->out);
            g_assert_cmpint(status, ==, 0);
            return FALSE;
        }
        g_usleep(2000);
    }
}

static void
test_any(gconstpointer transport)
{
    auto_victim victim;
    if (!begin(&victim, transport))
        return;
    guint n = 0, cleaned = 0;
    for (; n < VSPHERE_BENCH_CALLS_MAX && kill_at(&victim, n); n++) {
        while (goes_on(&victim.bench))
            g_usleep(2000);
        cleaned += clean_and_run(&victim);
        expect_nothing_left(&victim);
    }
    g_test_message("killed at %u calls; %u things were removed", n, cleaned);
    g_assert_cmpuint(n, >, 10);
    g_assert_cmpuint(n, <, VSPHERE_BENCH_CALLS_MAX);
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
