/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Each call of a whole run goes wrong in turn, in each way: the run ends in success or in an error
 * with words, and nothing of it is on the server afterwards, nor in our notes. */
#include "vsphere_bench.h"

#include "hyper/vsphere/vsphere.h"

#include <string.h>

/* The call after the next that goes wrong: odd, as every second run is of a machine that is new. */
#ifdef __SANITIZE_ADDRESS__
#define STEP 5u
#else
#define STEP 1u
#endif

/* ---- The server ------------------------------------------------------------------------------ */

/* Runs of one kind. */
struct series {
    struct vsphere_bench bench;
    enum hypervisor_transport transport;
    guint8 *truth;    /* what the disk of each machine is */
    char *change_id;  /* of a run that went well */
    guint failed, ok; /* runs */
};

/* One that was never backed up. */
static void
add_machine(struct series *series, const char *name)
{
    vsphere_peer_tell(series->bench.peer, "add", "{s:s, s:[{s:i}]}", "name", name, "disks", "size",
                      VSPHERE_BENCH_SIZE);
    for (guint i = 0; i < VSPHERE_BENCH_SIZE / KIB64; i += 3)
        vsphere_peer_write(series->bench.peer, name, 0, i * KIB64, KIB64, (guint8)(i + 1));
}

static gboolean
begin(struct series *series, enum hypervisor_transport transport)
{
    *series = (struct series){.transport = transport};
    if (!vsphere_bench_begin(&series->bench, NULL))
        return FALSE;
    vsphere_bench_add_proxy(&series->bench);
    vsphere_peer_tell(series->bench.peer, "settings", "{s:i}", "areas_per_reply", 2);
    add_machine(series, VSPHERE_PEER_MACHINE);
    series->truth = vsphere_bench_look(&series->bench);
    return TRUE;
}

static void
end(struct series *series)
{
    vsphere_bench_end(&series->bench);
    g_free(series->truth);
    g_free(series->change_id);
}

#define auto_series __attribute__((cleanup(end))) struct series

/* ---- A run ----------------------------------------------------------------------------------- */

static gboolean
read_all(const struct series *series, const struct frozen *frozen, GError **error)
{
    const struct frozen_disk *disk = frozen_get_disk(frozen, 0);
    g_autofree guint8 *bytes = g_malloc(VSPHERE_BENCH_SIZE);
    g_assert_cmpuint(disk_size(disk->disk), ==, VSPHERE_BENCH_SIZE);
    for (guint64 at = 0; at < VSPHERE_BENCH_SIZE; at += KIB64)
        if (!disk_read(disk->disk, at, bytes + at, KIB64, error))
            return FALSE;
    /* What could be read is right, whatever went wrong before. */
    g_assert_cmpmem(bytes, VSPHERE_BENCH_SIZE, series->truth, VSPHERE_BENCH_SIZE);
    return TRUE;
}

static gboolean
freeze_and_read(struct series *series, GError **error)
{
    struct frozen *frozen =
        vsphere_bench_freeze_with(&series->bench, FREEZE_TRY, 0, series->change_id, error);
    if (frozen == NULL)
        return FALSE;
    gboolean ok = read_all(series, frozen, error);
    char *change_id = g_strdup(frozen_get_disk(frozen, 0)->change_id);
    gboolean thawed = frozen_thaw(frozen, ok ? error : NULL);
    if (thawed && series->change_id == NULL)
        series->change_id = g_steal_pointer(&change_id);
    g_free(change_id);
    frozen_free(frozen);
    return ok && thawed;
}

/* The call after `skip` others of that method goes wrong in that way, and nothing else does. */
static void
break_call(struct series *series, const char *way, const char *method, guint skip)
{
    g_autofree char *text =
        g_strdup_printf("{\"method\": \"%s\", \"skip\": %u, %s}", method, skip, way);
    vsphere_peer_tell(series->bench.peer, "clear", NULL);
    vsphere_bench_rule(&series->bench, text);
}

/* With what goes wrong decided when the session is there; `way` NULL: nothing. */
static gboolean
run(struct series *series, const char *way, const char *method, guint skip)
{
    g_autoptr(GError) error = NULL;
    vsphere_bench_open(&series->bench, series->transport);
    if (way != NULL)
        break_call(series, way, method, skip);
    else
        vsphere_peer_tell(series->bench.peer, "clear", NULL);
    gboolean ok = freeze_and_read(series, &error);
    vsphere_bench_close(&series->bench);
    if (!ok) {
        g_assert_nonnull(error);
        g_assert_true(error->domain == SLIPWAY_ERROR);
        g_assert_cmpuint(strlen(error->message), >, 10);
        g_test_message("%s %s %u: %s", method, way, skip, error->message);
    }
    series->ok += ok;
    series->failed += !ok;
    return ok;
}

static void
expect_nothing_left(struct series *series, const char *way, const char *method, guint skip)
{
    g_autofree char *when = g_strdup_printf("%s, call %u of %s", way, skip, method);
    vsphere_bench_expect_nothing_left(&series->bench, when);
}

/* ---- Sweeps ---------------------------------------------------------------------------------- */

struct sweep {
    const char *name, *method, *way;
    enum hypervisor_transport transport;
    gboolean succeeds; /* it must: the client tries again, or asks again */
};

/* Of a machine that was never backed up: tracking is enabled, and everything is read. */
static gboolean
run_first(struct series *series, const char *way, const char *method, guint skip)
{
    g_autofree char *name = g_strdup_printf("new%03u", skip);
    g_autofree char *change_id = g_steal_pointer(&series->change_id);
    add_machine(series, name);
    series->bench.machine = name;
    gboolean ok = run(series, way, method, skip);
    series->bench.machine = VSPHERE_PEER_MACHINE;
    g_free(series->change_id);
    series->change_id = g_steal_pointer(&change_id);
    return ok;
}

static void
test_sweep(gconstpointer data)
{
    const struct sweep *sweep = data;
    auto_series series;
    if (!begin(&series, sweep->transport))
        return;
    g_assert_true(run(&series, NULL, NULL, 0));
    expect_nothing_left(&series, "nothing", "-", 0);
    g_assert_nonnull(series.change_id);
    guint skip = 0;
    for (; skip < VSPHERE_BENCH_CALLS_MAX; skip += STEP) {
        gboolean ok = skip % 2 == 0 ? run(&series, sweep->way, sweep->method, skip)
                                    : run_first(&series, sweep->way, sweep->method, skip);
        g_assert_true(ok || !sweep->succeeds);
        if (!vsphere_bench_rule_met(&series.bench))
            break;
        expect_nothing_left(&series, sweep->way, sweep->method, skip);
    }
    g_test_message("%u calls; %u runs went well, %u did not", skip, series.ok, series.failed);
    g_assert_cmpuint(skip, >, 3);
    g_assert_cmpuint(skip, <, VSPHERE_BENCH_CALLS_MAX);
}

/* The same of writing in place: what was written is there when it says so. */
static gboolean
write_in_place(struct series *series, GError **error)
{
    g_autofree char *ref = vsphere_bench_ref(&series->bench);
    struct placement *placement =
        hypervisor_overwrite(series->bench.hypervisor, ref, NULL, NULL, error);
    if (placement == NULL)
        return FALSE;
    g_autofree guint8 *bytes = g_malloc(KIB64);
    memset(bytes, 0x5a, KIB64);
    struct disk *target = placement_get_disk(placement, 0)->target;
    g_assert_true(disk_write(target, 4 * KIB64, bytes, KIB64, NULL) && disk_flush(target, NULL));
    gboolean ok = placement_finish(placement, FALSE, NULL, error);
    placement_free(placement);
    if (!ok)
        return FALSE;
    g_autofree guint8 *there =
        vsphere_peer_read(series->bench.peer, series->bench.machine, 0, 4 * KIB64, KIB64);
    g_assert_cmpmem(there, KIB64, bytes, KIB64);
    return TRUE;
}

static void
test_overwrite(gconstpointer data)
{
    const struct sweep *sweep = data;
    auto_series series;
    if (!begin(&series, sweep->transport))
        return;
    g_assert_true(run(&series, NULL, NULL, 0));
    vsphere_bench_change(&series.bench, "power", "poweredOff");
    guint skip = 0;
    for (; skip < VSPHERE_BENCH_CALLS_MAX; skip += STEP) {
        g_autoptr(GError) error = NULL;
        vsphere_bench_open(&series.bench, series.transport);
        break_call(&series, sweep->way, "*", skip);
        gboolean ok = write_in_place(&series, &error);
        vsphere_bench_close(&series.bench);
        g_assert_true(ok == (error == NULL));
        g_assert_true(ok || error->domain == SLIPWAY_ERROR);
        g_assert_true(ok || !sweep->succeeds);
        series.ok += ok;
        series.failed += !ok;
        if (!vsphere_bench_rule_met(&series.bench))
            break;
        expect_nothing_left(&series, sweep->way, "*", skip);
    }
    g_test_message("%u calls; %u runs went well, %u did not", skip, series.ok, series.failed);
    g_assert_cmpuint(skip, >, 10);
    g_assert_cmpuint(skip, <, VSPHERE_BENCH_CALLS_MAX);
}

/* A server's answers to logging in and out. */
static void
test_session(gconstpointer data)
{
    const struct sweep *sweep = data;
    auto_series series;
    if (!begin(&series, HYPERVISOR_TRANSPORT_HTTPS))
        return;
    for (guint skip = 0; skip < VSPHERE_BENCH_CALLS_MAX; skip++) {
        g_autoptr(GError) error = NULL;
        break_call(&series, sweep->way, "*", skip);
        gboolean ok = vsphere_bench_try_open(&series.bench, series.transport, &error);
        g_assert_true(ok == (error == NULL));
        vsphere_bench_close(&series.bench);
        if (!vsphere_bench_rule_met(&series.bench))
            return;
        expect_nothing_left(&series, sweep->way, "*", skip);
    }
    g_assert_not_reached();
}

/* ---- What goes on ---------------------------------------------------------------------------- */

struct trouble {
    const char *name, *rule;
    gboolean ok;       /* the run succeeds */
    const char *words; /* in the error */
};

static const struct trouble troubles[] = {
    /* Passes after some tries. */
    {"remove-busy",
     "{\"method\": \"RemoveSnapshot_Task\", \"fault\": \"TaskInProgress\", "
     "\"count\": 4}",
     TRUE, NULL},
    {"remove-task-fails",
     "{\"method\": \"task RemoveSnapshot_Task\", \"fault\": "
     "\"InvalidState\", \"count\": 4}",
     TRUE, NULL},
    {"remove-unavailable", "{\"method\": \"RemoveSnapshot_Task\", \"status\": 503, \"count\": 12}",
     TRUE, NULL},
    {"create-busy",
     "{\"method\": \"CreateSnapshot_Task\", \"fault\": \"TaskInProgress\", \"count\": 2}", TRUE,
     NULL},
    /* Does not. */
    {"create-busy-on",
     "{\"method\": \"CreateSnapshot_Task\", \"fault\": \"TaskInProgress\", \"count\": -1}", FALSE,
     "TaskInProgress"},
    {"create-denied",
     "{\"method\": \"CreateSnapshot_Task\", \"fault\": \"NoPermission\", "
     "\"count\": -1}",
     FALSE, "VirtualMachine.State.CreateSnapshot"},
    {"create-licence",
     "{\"method\": \"CreateSnapshot_Task\", \"fault\": \"RestrictedVersion\", "
     "\"count\": -1}",
     FALSE, "RestrictedVersion"},
    {"create-fails",
     "{\"method\": \"task CreateSnapshot_Task\", \"fault\": "
     "\"SnapshotFault\", \"count\": -1}",
     FALSE, "SnapshotFault"},
    {"read-fails", "{\"method\": \"GET /folder\", \"status\": 500, \"count\": -1}", FALSE, "500"},
};

static void
test_trouble(gconstpointer data)
{
    const struct trouble *trouble = data;
    auto_series series;
    if (!begin(&series, HYPERVISOR_TRANSPORT_HTTPS))
        return;
    g_autoptr(GError) error = NULL;
    vsphere_bench_open(&series.bench, series.transport);
    vsphere_bench_rule(&series.bench, trouble->rule);
    gboolean ok = freeze_and_read(&series, &error);
    vsphere_bench_close(&series.bench);
    g_assert_true(vsphere_bench_rule_met(&series.bench));
    if (trouble->ok)
        g_assert_no_error(error);
    g_assert_true(ok == trouble->ok);
    if (trouble->words != NULL && strstr(error->message, trouble->words) == NULL)
        g_error("\"%s\" does not say %s", error->message, trouble->words);
    expect_nothing_left(&series, trouble->name, "-", 0);
}

/* A snapshot that cannot be removed is told with how to do it by hand, and the next run that may,
 * does. */
static void
test_remove_denied(void)
{
    auto_series series;
    if (!begin(&series, HYPERVISOR_TRANSPORT_HTTPS))
        return;
    g_autoptr(GError) error = NULL;
    vsphere_bench_open(&series.bench, series.transport);
    struct frozen *frozen = vsphere_bench_freeze_with(&series.bench, FREEZE_TRY, 0, NULL, &error);
    g_assert_no_error(error);
    vsphere_peer_tell(series.bench.peer, "rule", "{s:s, s:s, s:i}", "method", "RemoveSnapshot_Task",
                      "fault", "NoPermission", "count", -1);
    g_assert_false(frozen_thaw(frozen, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_DENIED);
    g_assert_nonnull(strstr(error->message, "slipway-"));
    g_assert_nonnull(strstr(error->message, "vSphere Client"));
    g_clear_error(&error);
    vsphere_peer_tell(series.bench.peer, "clear", NULL);
    g_assert_true(frozen_thaw(frozen, &error));
    g_assert_no_error(error);
    frozen_free(frozen);
    vsphere_bench_close(&series.bench);
    expect_nothing_left(&series, "-", "-", 0);
}

/* Tasks that never end are given up, with words. */
static void
hang(const char *method, gboolean succeeds, const char *words)
{
    auto_series series;
    if (!begin(&series, HYPERVISOR_TRANSPORT_HTTPS))
        return;
    g_autoptr(GError) error = NULL;
    vsphere_bench_open(&series.bench, series.transport);
    ((struct vsphere *)series.bench.hypervisor)->stall_s = 1;
    vsphere_peer_tell(series.bench.peer, "rule", "{s:s, s:b}", "method", method, "hang", 1);
    gboolean ok = freeze_and_read(&series, &error);
    g_assert_true(ok == succeeds);
    if (!ok)
        g_assert_nonnull(strstr(error->message, words));
    vsphere_bench_close(&series.bench);
    if (succeeds)
        expect_nothing_left(&series, "hang", method, 0);
}

/* A guest that never comes to rest: the task is cancelled, and once more without. */
static void
test_hanging_quiesce(void)
{
    hang("task CreateSnapshot_Task", TRUE, NULL);
}

static void
test_hanging_removal(void)
{
    hang("task RemoveSnapshot_Task", FALSE, "has not moved");
}

static void
add_sweeps(void)
{
    static const struct {
        const char *name, *way;
        gboolean succeeds;
    } ways[] = {
        {"system-error", "\"fault\": \"SystemError\"", FALSE},
        {"invalid-state", "\"fault\": \"InvalidState\"", FALSE},
        {"busy", "\"fault\": \"TaskInProgress\"", FALSE},
        {"unavailable", "\"status\": 503", FALSE},
        {"dropped-before", "\"drop\": \"before\"", FALSE},
        {"dropped-after", "\"drop\": \"after\"", FALSE},
        {"expired", "\"expire\": true", TRUE},
    };
    static const struct {
        const char *name, *way;
    } files[] = {
        {"unavailable", "\"status\": 503"}, {"dropped-before", "\"drop\": \"before\""},
        {"short", "\"short\": 1000"},       {"cut", "\"short\": 1000, \"cut\": true"},
        {"expired", "\"expire\": true"},
    };
    static const struct {
        const char *name;
        enum hypervisor_transport transport;
    } transports[] = {{"https", HYPERVISOR_TRANSPORT_HTTPS},
                      {"hot-add", HYPERVISOR_TRANSPORT_HOTADD}};
    for (gsize i = 0; i < G_N_ELEMENTS(ways); i++) {
        for (gsize j = 0; j < G_N_ELEMENTS(transports); j++) {
            struct sweep *sweep = g_new0(struct sweep, 1);
            *sweep = (struct sweep){ways[i].name, "*", ways[i].way, transports[j].transport,
                                    ways[i].succeeds};
            g_autofree char *path =
                g_strdup_printf("/vsphere/faults/%s/%s", transports[j].name, ways[i].name);
            g_test_add_data_func_full(path, sweep, test_sweep, g_free);
        }
        struct sweep *overwrite = g_new0(struct sweep, 1);
        *overwrite = (struct sweep){ways[i].name, "*", ways[i].way, HYPERVISOR_TRANSPORT_HOTADD,
                                    ways[i].succeeds};
        g_autofree char *over = g_strdup_printf("/vsphere/faults/overwrite/%s", ways[i].name);
        g_test_add_data_func_full(over, overwrite, test_overwrite, g_free);
        if (strcmp(ways[i].name, "dropped-after") == 0)
            continue; /* nobody knows of a session whose number was lost */
        struct sweep *session = g_new0(struct sweep, 1);
        session->way = ways[i].way;
        g_autofree char *path = g_strdup_printf("/vsphere/faults/session/%s", ways[i].name);
        g_test_add_data_func_full(path, session, test_session, g_free);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
        struct sweep *sweep = g_new0(struct sweep, 1);
        *sweep = (struct sweep){files[i].name, "GET /folder", files[i].way,
                                HYPERVISOR_TRANSPORT_HTTPS, TRUE};
        g_autofree char *path = g_strdup_printf("/vsphere/faults/folder/%s", files[i].name);
        g_test_add_data_func_full(path, sweep, test_sweep, g_free);
    }
}

int
main(int argc, char **argv)
{
    auto_scratch scratch = scratch_new();
    g_setenv("XDG_STATE_HOME", scratch.path, TRUE);
    g_test_init(&argc, &argv, NULL);
    add_sweeps();
    for (gsize i = 0; i < G_N_ELEMENTS(troubles); i++) {
        g_autofree char *path = g_strdup_printf("/vsphere/faults/lasting/%s", troubles[i].name);
        g_test_add_data_func(path, &troubles[i], test_trouble);
    }
    g_test_add_func("/vsphere/faults/remove-denied", test_remove_denied);
    g_test_add_func("/vsphere/faults/hang/quiesce", test_hanging_quiesce);
    g_test_add_func("/vsphere/faults/hang/removal", test_hanging_removal);
    return g_test_run();
}
