/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Backup runs: beside snapshots of users, others at work, and on machines in every state. */
#include "../unit/mark_fixture.h"
#include "vsphere_bench.h"

#include "base/cancel.h"
#include "hyper/vsphere/vsphere.h"

#include <string.h>

/* ---- Snapshots of users ---------------------------------------------------------------------- */

static void
check_user_snapshots(enum hypervisor_transport transport)
{
    auto_vsphere_bench bench;
    if (!vsphere_bench_begin_run(&bench))
        return;
    vsphere_bench_add(&bench, NULL, NULL);
    vsphere_bench_change(&bench, "snapshot", "user's own");
    vsphere_peer_write(bench.peer, VSPHERE_PEER_MACHINE, 0, 8 * KIB64 + 512, 1024, 0x33);
    vsphere_peer_write(bench.peer, VSPHERE_PEER_MACHINE, 0, 3 * KIB64, 4096, 0x34);
    vsphere_bench_change(&bench, "snapshot", "user's own");
    vsphere_peer_write(bench.peer, VSPHERE_PEER_MACHINE, 0, 8 * KIB64 + 1024, 1024, 0x35);
    vsphere_peer_write(bench.peer, VSPHERE_PEER_MACHINE, 0, 15 * KIB64, KIB64, 0x36);
    g_autofree guint8 *truth = vsphere_bench_look(&bench);
    vsphere_bench_open(&bench, transport);
    struct frozen *frozen = vsphere_bench_freeze(&bench, NULL);
    vsphere_bench_expect_why(frozen, "while the machine has snapshots");
    vsphere_peer_write(bench.peer, VSPHERE_PEER_MACHINE, 0, 0, VSPHERE_BENCH_SIZE, 0x77);
    vsphere_bench_read_and_thaw(frozen, truth);
    json_t *machine = vsphere_peer_machine(bench.peer, VSPHERE_PEER_MACHINE);
    g_assert_cmpuint(json_array_size(json_object_get(machine, "snapshots")), ==, 2);
    json_decref(machine);
}

static void
test_user_snapshots_https(void)
{
    check_user_snapshots(HYPERVISOR_TRANSPORT_HTTPS);
}

static void
test_user_snapshots_hot_add(void)
{
    check_user_snapshots(HYPERVISOR_TRANSPORT_HOTADD);
}

/* ---- Others at work -------------------------------------------------------------------------- */

static void
test_busy(void)
{
    auto_vsphere_bench bench;
    if (!vsphere_bench_begin_run(&bench))
        return;
    vsphere_bench_add(&bench, NULL, NULL);
    vsphere_bench_open(&bench, HYPERVISOR_TRANSPORT_HTTPS);
    g_autofree char *alive = mark_new();
    g_autofree char *elsewhere = mark_fixture_elsewhere();
    vsphere_bench_change(&bench, "snapshot", alive);
    vsphere_bench_expect_refused(&bench, SLIPWAY_ERROR_BUSY, alive);
    vsphere_bench_change(&bench, "remove", alive);
    vsphere_bench_change(&bench, "snapshot", elsewhere);
    vsphere_bench_expect_refused(&bench, SLIPWAY_ERROR_BUSY, "another computer");
    vsphere_bench_change(&bench, "remove", elsewhere);
    struct frozen *frozen = vsphere_bench_freeze(&bench, NULL);
    vsphere_bench_expect_refused(&bench, SLIPWAY_ERROR_BUSY, "this very run");
    frozen_free(frozen);
    frozen_free(vsphere_bench_freeze(&bench, NULL));
}

/* The user stops it while the server still makes the snapshot. */
static void
test_cancelled(void)
{
    auto_vsphere_bench bench;
    g_autoptr(GError) error = NULL;
    if (!vsphere_bench_begin_run(&bench))
        return;
    vsphere_bench_add(&bench, NULL, NULL);
    vsphere_bench_open(&bench, HYPERVISOR_TRANSPORT_HTTPS);
    vsphere_peer_tell(bench.peer, "settings", "{s:{s:i}}", "task_times", "CreateSnapshot_Task", 30);
    GThread *thread = vsphere_bench_cancel_soon();
    g_assert_null(vsphere_bench_freeze_with(&bench, FREEZE_TRY, 0, NULL, &error));
    g_thread_join(thread);
    cancel_heard();
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CANCELLED);
}

/* ---- States of machines ---------------------------------------------------------------------- */

static void
test_template(void)
{
    auto_vsphere_bench bench;
    if (!vsphere_bench_begin_run(&bench))
        return;
    vsphere_peer_tell(bench.peer, "add", "{s:s, s:b, s:[{s:i}]}", "name", VSPHERE_PEER_MACHINE,
                      "template", 1, "disks", "size", VSPHERE_BENCH_SIZE);
    vsphere_bench_open(&bench, HYPERVISOR_TRANSPORT_HTTPS);
    vsphere_bench_expect_refused(&bench, SLIPWAY_ERROR_UNSUPPORTED, "template");
}

static void
check_unquiesced(const char *member, const char *value, const char *words)
{
    auto_vsphere_bench bench;
    g_autoptr(GError) error = NULL;
    if (!vsphere_bench_begin_run(&bench))
        return;
    vsphere_bench_add(&bench, member, value);
    vsphere_bench_open(&bench, HYPERVISOR_TRANSPORT_HTTPS);
    struct frozen *frozen = vsphere_bench_freeze_with(&bench, FREEZE_TRY, 0, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpint(frozen_consistency(frozen), ==, FROZEN_CRASH);
    g_assert_nonnull(strstr(frozen_words(frozen), words));
    frozen_free(frozen);
    g_assert_null(vsphere_bench_freeze_with(&bench, FREEZE_REQUIRE, 0, NULL, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_UNSUPPORTED);
    g_assert_nonnull(strstr(error->message, words));
}

static void
test_suspended(void)
{
    check_unquiesced("power", "suspended", "suspended");
}

static void
test_no_tools(void)
{
    check_unquiesced("tools", "toolsNotRunning", "VMware Tools");
}

/* A guest with a limit is asked by the newer call. */
static void
test_quiesce_minutes(void)
{
    auto_vsphere_bench bench;
    g_autoptr(GError) error = NULL;
    if (!vsphere_bench_begin_run(&bench))
        return;
    vsphere_bench_add(&bench, NULL, NULL);
    vsphere_bench_open(&bench, HYPERVISOR_TRANSPORT_HTTPS);
    struct frozen *frozen = vsphere_bench_freeze_with(&bench, FREEZE_REQUIRE, 1, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpint(frozen_consistency(frozen), ==, FROZEN_QUIESCED);
    frozen_free(frozen);
    g_assert_cmpuint(vsphere_bench_count(&bench, "CreateSnapshotEx_Task"), ==, 1);
    g_assert_cmpuint(vsphere_bench_count(&bench, "CreateSnapshot_Task"), ==, 0);
    /* A server that has it not after all. */
    vsphere_peer_tell(bench.peer, "rule", "{s:s, s:s}", "method", "CreateSnapshotEx_Task", "fault",
                      "MethodNotFound");
    frozen = vsphere_bench_freeze_with(&bench, FREEZE_REQUIRE, 1, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpint(frozen_consistency(frozen), ==, FROZEN_QUIESCED);
    frozen_free(frozen);
}

static gboolean
has_snapshots(struct vsphere_bench *bench, gsize n)
{
    json_t *machine = vsphere_peer_machine(bench->peer, VSPHERE_PEER_MACHINE);
    gboolean ok = json_array_size(json_object_get(machine, "snapshots")) == n;
    json_decref(machine);
    return ok;
}

/* A removal that takes many times as long as what is called a standstill, through a session that
 * expires and a connection that drops: as long as it moves it is waited for, also after a cancel.
 */
static void
test_slow_removal(void)
{
    auto_vsphere_bench bench;
    g_autoptr(GError) error = NULL;
    if (!vsphere_bench_begin_run(&bench))
        return;
    vsphere_bench_add(&bench, NULL, NULL);
    vsphere_bench_open(&bench, HYPERVISOR_TRANSPORT_HTTPS);
    struct frozen *frozen = vsphere_bench_freeze(&bench, NULL);
    ((struct vsphere *)bench.hypervisor)->stall_s = 1;
    vsphere_peer_tell(bench.peer, "settings", "{s:{s:i}}", "task_times", "RemoveSnapshot_Task", 6);
    vsphere_peer_tell(bench.peer, "rule", "{s:s, s:i, s:b}", "method", "WaitForUpdatesEx", "skip",
                      2, "expire", 1);
    vsphere_peer_tell(bench.peer, "rule", "{s:s, s:i, s:s}", "method", "WaitForUpdatesEx", "skip",
                      3, "drop", "after");
    cancel_request();
    gboolean ok = frozen_thaw(frozen, &error);
    cancel_heard();
    g_assert_no_error(error);
    g_assert_true(ok);
    g_assert_true(has_snapshots(&bench, 0));
    frozen_free(frozen);
    g_assert_cmpuint(vsphere_bench_count(&bench, "RemoveSnapshot_Task"), ==, 1);
}

/* A guest that comes to rest when it is not waited for any more: of that snapshot nothing stays. */
static void
test_late_quiesce(void)
{
    auto_vsphere_bench bench;
    g_autoptr(GError) error = NULL;
    if (!vsphere_bench_begin_run(&bench))
        return;
    vsphere_bench_add(&bench, NULL, NULL);
    vsphere_bench_open(&bench, HYPERVISOR_TRANSPORT_HTTPS);
    ((struct vsphere *)bench.hypervisor)->stall_s = 1;
    vsphere_peer_tell(bench.peer, "settings", "{s:b, s:[s]}", "parallel", 1, "task_hang",
                      "CreateSnapshotEx_Task");
    vsphere_peer_tell(bench.peer, "rule", "{s:s, s:s, s:i}", "method", "CancelTask", "fault",
                      "NotSupported", "count", -1);
    struct frozen *frozen = vsphere_bench_freeze_with(&bench, FREEZE_TRY, 5, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpint(frozen_consistency(frozen), ==, FROZEN_CRASH);
    g_assert_true(has_snapshots(&bench, 1));
    vsphere_peer_tell(bench.peer, "settings", "{s:[]}", "task_hang");
    for (guint i = 0; i < 1000 && !has_snapshots(&bench, 2); i++)
        g_usleep(10 * 1000);
    g_assert_true(has_snapshots(&bench, 2));
    g_assert_true(frozen_thaw(frozen, &error));
    g_assert_no_error(error);
    frozen_free(frozen);
    g_assert_true(has_snapshots(&bench, 0));
}

/* What lies on the datastore would be a backup of noise. */
static void
test_encrypted(void)
{
    auto_vsphere_bench bench;
    if (!vsphere_bench_begin_run(&bench))
        return;
    vsphere_bench_add(&bench, NULL, NULL);
    vsphere_peer_tell(bench.peer, "machine", "{s:s, s:b}", "vm", VSPHERE_PEER_MACHINE, "encrypted",
                      1);
    vsphere_bench_open(&bench, HYPERVISOR_TRANSPORT_HTTPS);
    vsphere_bench_expect_refused(&bench, SLIPWAY_ERROR_UNSUPPORTED, "encrypted");
    vsphere_bench_close(&bench);
    vsphere_bench_open(&bench, HYPERVISOR_TRANSPORT_HOTADD);
    g_autofree guint8 *truth = vsphere_bench_look(&bench);
    vsphere_bench_read_and_thaw(vsphere_bench_freeze(&bench, NULL), truth);
}

/* It runs on a delta of a snapshot that is gone: that is merged before. */
static void
test_orphan(void)
{
    auto_vsphere_bench bench;
    if (!vsphere_bench_begin_run(&bench))
        return;
    vsphere_bench_add(&bench, NULL, NULL);
    vsphere_peer_tell(bench.peer, "machine", "{s:s, s:b}", "vm", VSPHERE_PEER_MACHINE, "orphan", 1);
    vsphere_peer_write(bench.peer, VSPHERE_PEER_MACHINE, 0, 4 * KIB64, KIB64, 0x55);
    g_autofree guint8 *truth = vsphere_bench_look(&bench);
    vsphere_bench_open(&bench, HYPERVISOR_TRANSPORT_HTTPS);
    struct frozen *frozen = vsphere_bench_freeze(&bench, NULL);
    vsphere_bench_expect_note(&bench, "need to be merged");
    json_t *machine = vsphere_peer_machine(bench.peer, VSPHERE_PEER_MACHINE);
    json_t *disk = json_array_get(json_object_get(machine, "disks"), 0);
    g_assert_cmpuint(json_array_size(json_object_get(disk, "files")), ==, 2);
    json_decref(machine);
    vsphere_bench_read_and_thaw(frozen, truth);
}

int
main(int argc, char **argv)
{
    auto_scratch scratch = scratch_new();
    g_setenv("XDG_STATE_HOME", scratch.path, TRUE);
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vsphere/run/user-snapshots/https", test_user_snapshots_https);
    g_test_add_func("/vsphere/run/user-snapshots/hot-add", test_user_snapshots_hot_add);
    g_test_add_func("/vsphere/run/busy", test_busy);
    g_test_add_func("/vsphere/run/cancelled", test_cancelled);
    g_test_add_func("/vsphere/run/state/template", test_template);
    g_test_add_func("/vsphere/run/state/suspended", test_suspended);
    g_test_add_func("/vsphere/run/state/no-tools", test_no_tools);
    g_test_add_func("/vsphere/run/state/quiesce-minutes", test_quiesce_minutes);
    g_test_add_func("/vsphere/run/state/late-quiesce", test_late_quiesce);
    g_test_add_func("/vsphere/run/state/slow-removal", test_slow_removal);
    g_test_add_func("/vsphere/run/state/encrypted", test_encrypted);
    g_test_add_func("/vsphere/run/state/orphan", test_orphan);
    return g_test_run();
}
