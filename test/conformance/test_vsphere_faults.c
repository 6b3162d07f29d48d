/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Each call of a whole run goes wrong in turn, in each way: the run ends in success or in an error
 * with words, and nothing of it is on the server afterwards, nor in our notes. */
#include "vsphere_peer.h"

#include "base/error.h"
#include "hyper/vsphere/vsphere.h"

#include <glib/gstdio.h>
#include <string.h>

#define PROXY "proxy01"
#define DISK_SIZE (1u << 20)
#define KIB64 65536u
/* More calls than a run makes. */
#define CALLS_MAX 400u
/* The call after the next that goes wrong: odd, as every second run is of a machine that is new. */
#ifdef __SANITIZE_ADDRESS__
#define STEP 5u
#else
#define STEP 1u
#endif
/* A task that does not move is given up after so many seconds. */
#define STALL_S 20u

/* ---- The server ------------------------------------------------------------------------------ */

struct bench {
    struct scratch scratch;
    struct vsphere_peer *peer;
    enum hypervisor_transport transport;
    char *machine;    /* its name */
    guint8 *truth;    /* what its disk is */
    char *change_id;  /* of a run that went well */
    guint failed, ok; /* runs */
};

/* One that was never backed up, with the same on its disk. */
static void
bench_add(struct bench *bench, const char *name)
{
    g_free(bench->machine);
    bench->machine = g_strdup(name);
    vsphere_peer_tell(bench->peer, "add", "{s:s, s:[{s:i}]}", "name", name, "disks", "size",
                      DISK_SIZE);
    for (guint i = 0; i < DISK_SIZE / KIB64; i += 3)
        vsphere_peer_write(bench->peer, name, 0, i * KIB64, KIB64, (guint8)(i + 1));
}

static gboolean
bench_begin(struct bench *bench, enum hypervisor_transport transport)
{
    static const char *const arguments[] = {"-machines", "0", NULL};
    *bench = (struct bench){.scratch = scratch_new(), .transport = transport};
    bench->peer = vsphere_peer_new(arguments);
    if (bench->peer == NULL)
        return FALSE;
    g_autofree char *dev = scratch_path(&bench->scratch, "dev");
    g_autofree char *by_id = scratch_path(&bench->scratch, "dev/disk/by-id");
    g_assert_cmpint(g_mkdir_with_parents(by_id, 0700), ==, 0);
    g_setenv("SLIPWAY_DEV", dev, TRUE);
    g_setenv("SLIPWAY_SYSFS", bench->scratch.path, TRUE);
    vsphere_peer_tell(bench->peer, "settings", "{s:f, s:s, s:i}", "task_time", 0.005,
                      "attach_links", by_id, "areas_per_reply", 2);
    bench_add(bench, VSPHERE_PEER_MACHINE);
    vsphere_peer_tell(bench->peer, "add", "{s:s, s:[{s:i}]}", "name", PROXY, "disks", "size",
                      DISK_SIZE);
    bench->truth = vsphere_peer_read(bench->peer, VSPHERE_PEER_MACHINE, 0, 0, DISK_SIZE);
    return TRUE;
}

static void
bench_end(struct bench *bench)
{
    vsphere_peer_free(bench->peer);
    g_free(bench->machine);
    g_free(bench->truth);
    g_free(bench->change_id);
    scratch_clear(&bench->scratch);
}

#define auto_bench __attribute__((cleanup(bench_end))) struct bench

/* ---- A run ----------------------------------------------------------------------------------- */

static gboolean
open_session(struct bench *bench, struct hypervisor **ret, GError **error)
{
    gboolean hot_add = bench->transport == HYPERVISOR_TRANSPORT_HOTADD;
    *ret = vsphere_peer_open(bench->peer, bench->transport, hot_add ? PROXY : NULL, error);
    if (*ret == NULL)
        return FALSE;
    ((struct vsphere *)*ret)->stall_s = STALL_S;
    return TRUE;
}

static char *
find_machine(struct bench *bench)
{
    json_t *machine = vsphere_peer_machine(bench->peer, bench->machine);
    char *ref =
        g_strdup_printf("VirtualMachine:%s", json_string_value(json_object_get(machine, "ref")));
    json_decref(machine);
    return ref;
}

static gboolean
read_all(const struct bench *bench, const struct frozen *frozen, GError **error)
{
    const struct frozen_disk *disk = frozen_get_disk(frozen, 0);
    g_autofree guint8 *bytes = g_malloc(DISK_SIZE);
    g_assert_cmpuint(disk_size(disk->disk), ==, DISK_SIZE);
    for (guint64 at = 0; at < DISK_SIZE; at += KIB64)
        if (!disk_read(disk->disk, at, bytes + at, KIB64, error))
            return FALSE;
    /* What could be read is right, whatever went wrong before. */
    g_assert_cmpmem(bytes, DISK_SIZE, bench->truth, DISK_SIZE);
    return TRUE;
}

static gboolean
freeze_and_read(struct bench *bench, struct hypervisor *hypervisor, const char *ref, GError **error)
{
    const struct freeze_disk wanted = {
        .name = "scsi0:0", .change_id = bench->change_id, .size = DISK_SIZE};
    const struct freeze_options options = {
        .quiesce = FREEZE_TRY, .disks = &wanted, .n_disks = 1, .chain = "faults"};
    const struct machine machine = {.ref = (char *)ref, .name = bench->machine};
    struct frozen *frozen = hypervisor_freeze(hypervisor, &machine, &options, error);
    if (frozen == NULL)
        return FALSE;
    gboolean ok = read_all(bench, frozen, error);
    char *change_id = g_strdup(frozen_get_disk(frozen, 0)->change_id);
    gboolean thawed = frozen_thaw(frozen, ok ? error : NULL);
    if (thawed && bench->change_id == NULL)
        bench->change_id = g_steal_pointer(&change_id);
    g_free(change_id);
    frozen_free(frozen);
    return ok && thawed;
}

/* With what goes wrong decided when the session is there. */
static gboolean
run(struct bench *bench, const char *ref, const char *way, const char *method, guint skip)
{
    struct hypervisor *hypervisor;
    g_autoptr(GError) error = NULL;
    g_assert_true(open_session(bench, &hypervisor, &error));
    vsphere_peer_tell(bench->peer, "clear", NULL);
    if (way != NULL) {
        g_autofree char *text =
            g_strdup_printf("{\"method\": \"%s\", \"skip\": %u, %s}", method, skip, way);
        json_t *rule = json_loads(text, 0, NULL);
        g_assert_nonnull(rule);
        vsphere_peer_tell(bench->peer, "rule", "o", rule);
    }
    gboolean ok = freeze_and_read(bench, hypervisor, ref, &error);
    hypervisor_close(hypervisor);
    if (!ok) {
        g_assert_nonnull(error);
        g_assert_true(error->domain == SLIPWAY_ERROR);
        g_assert_cmpuint(strlen(error->message), >, 10);
        g_test_message("%s %s %u: %s", method, way, skip, error->message);
    }
    bench->ok += ok;
    bench->failed += !ok;
    return ok;
}

/* Whether the rule was met at all. */
static gboolean
was_met(struct bench *bench)
{
    json_t *state = vsphere_peer_ask(bench->peer, "state", NULL);
    json_t *rule = json_array_get(json_object_get(state, "rules"), 0);
    gboolean met = json_integer_value(json_object_get(rule, "used")) > 0;
    json_decref(state);
    return met;
}

static void
expect_nothing_left(struct bench *bench, const char *way, const char *method, guint skip)
{
    g_autofree char *left = vsphere_peer_left(bench->peer, NULL, TRUE);
    if (left != NULL)
        g_error("%s, call %u of %s: %sis left", way, skip, method, left);
    g_autofree char *notes = g_build_filename(g_get_user_state_dir(), "slipway", "attached", NULL);
    g_autoptr(GDir) dir = g_dir_open(notes, 0, NULL);
    g_assert_null(dir != NULL ? g_dir_read_name(dir) : NULL);
}

/* ---- Sweeps ---------------------------------------------------------------------------------- */

struct sweep {
    const char *name, *method, *way;
    enum hypervisor_transport transport;
    gboolean succeeds; /* it must: the client tries again, or asks again */
};

/* Of a machine that was never backed up: tracking is enabled, and everything is read. */
static gboolean
run_first(struct bench *bench, const char *way, const char *method, guint skip)
{
    g_autofree char *name = g_strdup_printf("new%03u", skip);
    g_autofree char *change_id = g_steal_pointer(&bench->change_id);
    bench_add(bench, name);
    g_autofree char *ref = find_machine(bench);
    gboolean ok = run(bench, ref, way, method, skip);
    g_free(bench->change_id);
    bench->change_id = g_steal_pointer(&change_id);
    return ok;
}

static void
test_sweep(gconstpointer data)
{
    const struct sweep *sweep = data;
    auto_bench bench;
    if (!bench_begin(&bench, sweep->transport))
        return;
    g_autofree char *ref = find_machine(&bench);
    g_assert_true(run(&bench, ref, NULL, NULL, 0));
    expect_nothing_left(&bench, "nothing", "-", 0);
    g_assert_nonnull(bench.change_id);
    guint skip = 0;
    for (; skip < CALLS_MAX; skip += STEP) {
        gboolean ok = skip % 2 == 0 ? run(&bench, ref, sweep->way, sweep->method, skip)
                                    : run_first(&bench, sweep->way, sweep->method, skip);
        g_assert_true(ok || !sweep->succeeds);
        if (!was_met(&bench))
            break;
        expect_nothing_left(&bench, sweep->way, sweep->method, skip);
    }
    g_test_message("%u calls; %u runs went well, %u did not", skip, bench.ok, bench.failed);
    g_assert_cmpuint(skip, >, 3);
    g_assert_cmpuint(skip, <, CALLS_MAX);
}

/* The same of writing in place: what was written is there when it says so. */
static gboolean
write_in_place(struct bench *bench, struct hypervisor *hypervisor, const char *ref, GError **error)
{
    struct placement *placement = hypervisor_overwrite(hypervisor, ref, NULL, NULL, error);
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
    g_autofree guint8 *there = vsphere_peer_read(bench->peer, bench->machine, 0, 4 * KIB64, KIB64);
    g_assert_cmpmem(there, KIB64, bytes, KIB64);
    return TRUE;
}

static void
test_overwrite(gconstpointer data)
{
    const struct sweep *sweep = data;
    auto_bench bench;
    if (!bench_begin(&bench, sweep->transport))
        return;
    g_autofree char *ref = find_machine(&bench);
    g_assert_true(run(&bench, ref, NULL, NULL, 0));
    vsphere_peer_tell(bench.peer, "machine", "{s:s, s:s}", "vm", bench.machine, "power",
                      "poweredOff");
    guint skip = 0;
    for (; skip < CALLS_MAX; skip += STEP) {
        struct hypervisor *hypervisor;
        g_autoptr(GError) error = NULL;
        g_autofree char *text =
            g_strdup_printf("{\"method\": \"*\", \"skip\": %u, %s}", skip, sweep->way);
        g_assert_true(open_session(&bench, &hypervisor, &error));
        vsphere_peer_tell(bench.peer, "clear", NULL);
        vsphere_peer_tell(bench.peer, "rule", "o", json_loads(text, 0, NULL));
        gboolean ok = write_in_place(&bench, hypervisor, ref, &error);
        hypervisor_close(hypervisor);
        g_assert_true(ok == (error == NULL));
        g_assert_true(ok || error->domain == SLIPWAY_ERROR);
        g_assert_true(ok || !sweep->succeeds);
        bench.ok += ok;
        bench.failed += !ok;
        if (!was_met(&bench))
            break;
        expect_nothing_left(&bench, sweep->way, "*", skip);
    }
    g_test_message("%u calls; %u runs went well, %u did not", skip, bench.ok, bench.failed);
    g_assert_cmpuint(skip, >, 10);
    g_assert_cmpuint(skip, <, CALLS_MAX);
}

/* A server's answers to logging in and out. */
static void
test_session(gconstpointer data)
{
    const struct sweep *sweep = data;
    auto_bench bench;
    if (!bench_begin(&bench, HYPERVISOR_TRANSPORT_HTTPS))
        return;
    for (guint skip = 0; skip < CALLS_MAX; skip++) {
        struct hypervisor *hypervisor;
        g_autoptr(GError) error = NULL;
        g_autofree char *text =
            g_strdup_printf("{\"method\": \"*\", \"skip\": %u, %s}", skip, sweep->way);
        vsphere_peer_tell(bench.peer, "clear", NULL);
        vsphere_peer_tell(bench.peer, "rule", "o", json_loads(text, 0, NULL));
        gboolean ok = open_session(&bench, &hypervisor, &error);
        g_assert_true(ok == (error == NULL));
        if (ok)
            hypervisor_close(hypervisor);
        if (!was_met(&bench))
            return;
        expect_nothing_left(&bench, sweep->way, "*", skip);
    }
    g_assert_not_reached();
}

/* ---- What goes on -----------------------------------------------------------------------------
 */

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
    auto_bench bench;
    if (!bench_begin(&bench, HYPERVISOR_TRANSPORT_HTTPS))
        return;
    g_autofree char *ref = find_machine(&bench);
    struct hypervisor *hypervisor;
    g_autoptr(GError) error = NULL;
    g_assert_true(open_session(&bench, &hypervisor, &error));
    json_t *rule = json_loads(trouble->rule, 0, NULL);
    g_assert_nonnull(rule);
    vsphere_peer_tell(bench.peer, "rule", "o", rule);
    gboolean ok = freeze_and_read(&bench, hypervisor, ref, &error);
    hypervisor_close(hypervisor);
    g_assert_true(was_met(&bench));
    if (trouble->ok)
        g_assert_no_error(error);
    g_assert_true(ok == trouble->ok);
    if (trouble->words != NULL && strstr(error->message, trouble->words) == NULL)
        g_error("\"%s\" does not say %s", error->message, trouble->words);
    expect_nothing_left(&bench, trouble->name, "-", 0);
}

/* A snapshot that cannot be removed is told with how to do it by hand, and the next run that may,
 * does. */
static void
test_remove_denied(void)
{
    auto_bench bench;
    if (!bench_begin(&bench, HYPERVISOR_TRANSPORT_HTTPS))
        return;
    g_autofree char *ref = find_machine(&bench);
    struct hypervisor *hypervisor;
    g_autoptr(GError) error = NULL;
    g_assert_true(open_session(&bench, &hypervisor, &error));
    const struct freeze_disk wanted = {.name = "scsi0:0"};
    const struct freeze_options options = {.disks = &wanted, .n_disks = 1, .chain = "faults"};
    const struct machine machine = {.ref = ref};
    struct frozen *frozen = hypervisor_freeze(hypervisor, &machine, &options, &error);
    g_assert_no_error(error);
    vsphere_peer_tell(bench.peer, "rule", "{s:s, s:s, s:i}", "method", "RemoveSnapshot_Task",
                      "fault", "NoPermission", "count", -1);
    g_assert_false(frozen_thaw(frozen, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_DENIED);
    g_assert_nonnull(strstr(error->message, "slipway-"));
    g_assert_nonnull(strstr(error->message, "vSphere Client"));
    g_clear_error(&error);
    vsphere_peer_tell(bench.peer, "clear", NULL);
    g_assert_true(frozen_thaw(frozen, &error));
    g_assert_no_error(error);
    frozen_free(frozen);
    hypervisor_close(hypervisor);
    expect_nothing_left(&bench, "-", "-", 0);
}

/* Tasks that never end are given up, with words. */
static void
hang(const char *method, gboolean succeeds, const char *words)
{
    auto_bench bench;
    if (!bench_begin(&bench, HYPERVISOR_TRANSPORT_HTTPS))
        return;
    g_autofree char *ref = find_machine(&bench);
    struct hypervisor *hypervisor;
    g_autoptr(GError) error = NULL;
    g_assert_true(open_session(&bench, &hypervisor, &error));
    ((struct vsphere *)hypervisor)->stall_s = 1;
    vsphere_peer_tell(bench.peer, "rule", "{s:s, s:b}", "method", method, "hang", 1);
    gboolean ok = freeze_and_read(&bench, hypervisor, ref, &error);
    g_assert_true(ok == succeeds);
    if (!ok)
        g_assert_nonnull(strstr(error->message, words));
    hypervisor_close(hypervisor);
    if (succeeds)
        expect_nothing_left(&bench, "hang", method, 0);
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
