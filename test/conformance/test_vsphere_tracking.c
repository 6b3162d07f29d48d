/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Change tracking, and what is told to be allocated: whatever a server answers, what is read is
 * right. */
#include "vsphere_bench.h"

/* ---- Snapshots of users ---------------------------------------------------------------------- */

/* A disk that begins with tracking, then gets a snapshot of the user's: changes are still told. */
static void
test_user_snapshot_tracked(void)
{
    auto_vsphere_bench bench;
    if (!vsphere_bench_begin_run(&bench))
        return;
    vsphere_bench_add(&bench, NULL, NULL);
    vsphere_bench_open(&bench, HYPERVISOR_TRANSPORT_HTTPS);
    struct frozen *frozen = vsphere_bench_freeze(&bench, NULL);
    g_autofree char *change_id = g_strdup(frozen_get_disk(frozen, 0)->change_id);
    frozen_free(frozen);
    vsphere_bench_change(&bench, "snapshot", "user's own");
    vsphere_peer_write(bench.peer, VSPHERE_PEER_MACHINE, 0, 5 * KIB64, KIB64, 0x42);
    g_autofree guint8 *truth = vsphere_bench_look(&bench);
    frozen = vsphere_bench_freeze(&bench, change_id);
    const struct extent_list *changed = frozen_get_disk(frozen, 0)->changed;
    g_assert_nonnull(changed);
    g_assert_cmpuint(extent_list_total(changed), ==, KIB64);
    vsphere_bench_read_and_thaw(frozen, truth);
}

/* What is allocated is not asked for where it may not be all: of a disk on a chain. */
static void
test_user_snapshot_allocated(void)
{
    auto_vsphere_bench bench;
    if (!vsphere_bench_begin_run(&bench))
        return;
    vsphere_bench_add(&bench, NULL, NULL);
    vsphere_bench_open(&bench, HYPERVISOR_TRANSPORT_HTTPS);
    frozen_free(vsphere_bench_freeze(&bench, NULL));
    g_autofree guint8 *truth = vsphere_bench_look(&bench);
    struct frozen *frozen = vsphere_bench_freeze(&bench, NULL);
    g_assert_cmpint(disk_capabilities(frozen_get_disk(frozen, 0)->disk) & DISK_CAN_EXTENTS, !=, 0);
    vsphere_bench_read_and_thaw(frozen, truth);
    vsphere_bench_change(&bench, "snapshot", "user's own");
    frozen = vsphere_bench_freeze(&bench, NULL);
    g_assert_nonnull(frozen_get_disk(frozen, 0)->change_id);
    g_assert_cmpint(disk_capabilities(frozen_get_disk(frozen, 0)->disk) & DISK_CAN_EXTENTS, ==, 0);
    vsphere_bench_read_and_thaw(frozen, truth);
}

/* ---- Without tracking ------------------------------------------------------------------------ */

static void
test_old_hardware(void)
{
    auto_vsphere_bench bench;
    if (!vsphere_bench_begin_run(&bench))
        return;
    vsphere_bench_add(&bench, "version", "vmx-04");
    vsphere_bench_open(&bench, HYPERVISOR_TRANSPORT_HTTPS);
    g_autofree guint8 *truth = vsphere_bench_look(&bench);
    struct frozen *frozen = vsphere_bench_freeze(&bench, NULL);
    vsphere_bench_expect_why(frozen, "too old");
    g_assert_null(frozen_get_disk(frozen, 0)->change_id);
    vsphere_bench_read_and_thaw(frozen, truth);
}

static void
test_tracking_refused(void)
{
    auto_vsphere_bench bench;
    if (!vsphere_bench_begin_run(&bench))
        return;
    vsphere_bench_add(&bench, NULL, NULL);
    vsphere_bench_open(&bench, HYPERVISOR_TRANSPORT_HTTPS);
    vsphere_peer_tell(bench.peer, "rule", "{s:s, s:s}", "method", "ReconfigVM_Task", "fault",
                      "NoPermission");
    g_autofree guint8 *truth = vsphere_bench_look(&bench);
    struct frozen *frozen = vsphere_bench_freeze(&bench, NULL);
    vsphere_bench_expect_why(frozen, "could not be enabled");
    vsphere_bench_read_and_thaw(frozen, truth);
}

static void
test_late_id(void)
{
    auto_vsphere_bench bench;
    if (!vsphere_bench_begin_run(&bench))
        return;
    vsphere_bench_add(&bench, NULL, NULL);
    vsphere_peer_tell(bench.peer, "settings", "{s:b}", "late_change_id", 1);
    vsphere_bench_open(&bench, HYPERVISOR_TRANSPORT_HTTPS);
    g_autofree guint8 *truth = vsphere_bench_look(&bench);
    struct frozen *frozen = vsphere_bench_freeze(&bench, NULL);
    vsphere_bench_expect_why(frozen, "no change id");
    vsphere_bench_read_and_thaw(frozen, truth);
    frozen = vsphere_bench_freeze(&bench, NULL);
    g_assert_nonnull(frozen_get_disk(frozen, 0)->change_id);
    frozen_free(frozen);
}

/* ---- Answers --------------------------------------------------------------------------------- */

/* Whatever a server answers, what is read is right. */
static void
test_absurd(void)
{
    static const char *const kinds[] = {"beyond", "negative", "standstill", "elsewhere"};
    auto_vsphere_bench bench;
    if (!vsphere_bench_begin_run(&bench))
        return;
    vsphere_bench_add(&bench, NULL, NULL);
    vsphere_bench_open(&bench, HYPERVISOR_TRANSPORT_HTTPS);
    struct frozen *frozen = vsphere_bench_freeze(&bench, NULL);
    g_autofree char *change_id = g_strdup(frozen_get_disk(frozen, 0)->change_id);
    frozen_free(frozen);
    vsphere_peer_write(bench.peer, VSPHERE_PEER_MACHINE, 0, 12 * KIB64, KIB64, 0x66);
    g_autofree guint8 *truth = vsphere_bench_look(&bench);
    for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++) {
        vsphere_peer_tell(bench.peer, "settings", "{s:s}", "absurd_areas", kinds[i]);
        frozen = vsphere_bench_freeze(&bench, change_id);
        vsphere_bench_expect_why(frozen, "the server ");
        g_assert_cmpint(disk_capabilities(frozen_get_disk(frozen, 0)->disk) & DISK_CAN_EXTENTS, ==,
                        0);
        vsphere_bench_read_and_thaw(frozen, truth);
        vsphere_bench_read_and_thaw(vsphere_bench_freeze(&bench, NULL), truth);
    }
    /* One extent for the whole disk says nothing, but is no lie. */
    vsphere_peer_tell(bench.peer, "settings", "{s:s}", "absurd_areas", "whole");
    frozen = vsphere_bench_freeze(&bench, NULL);
    g_assert_cmpint(disk_capabilities(frozen_get_disk(frozen, 0)->disk) & DISK_CAN_EXTENTS, ==, 0);
    vsphere_bench_read_and_thaw(frozen, truth);
    vsphere_peer_tell(bench.peer, "settings", "{s:s}", "absurd_areas", "");
    frozen = vsphere_bench_freeze(&bench, NULL);
    g_assert_cmpint(disk_capabilities(frozen_get_disk(frozen, 0)->disk) & DISK_CAN_EXTENTS, !=, 0);
    vsphere_bench_read_and_thaw(frozen, truth);
}

/* That nothing is allocated is not believed. */
static void
test_nothing_allocated(void)
{
    auto_vsphere_bench bench;
    if (!vsphere_bench_begin_run(&bench))
        return;
    vsphere_peer_tell(bench.peer, "add", "{s:s, s:[{s:i}]}", "name", VSPHERE_PEER_MACHINE, "disks",
                      "size", VSPHERE_BENCH_SIZE);
    vsphere_bench_open(&bench, HYPERVISOR_TRANSPORT_HTTPS);
    g_autofree guint8 *truth = vsphere_bench_look(&bench);
    struct frozen *frozen = vsphere_bench_freeze(&bench, NULL);
    g_assert_nonnull(frozen_get_disk(frozen, 0)->change_id);
    g_assert_cmpint(disk_capabilities(frozen_get_disk(frozen, 0)->disk) & DISK_CAN_EXTENTS, ==, 0);
    vsphere_bench_read_and_thaw(frozen, truth);
}

static void
test_query_fails(void)
{
    static const char *const faults[] = {"FileFault", "NoPermission", "SystemError"};
    auto_vsphere_bench bench;
    if (!vsphere_bench_begin_run(&bench))
        return;
    vsphere_bench_add(&bench, NULL, NULL);
    vsphere_bench_open(&bench, HYPERVISOR_TRANSPORT_HTTPS);
    struct frozen *frozen = vsphere_bench_freeze(&bench, NULL);
    g_autofree char *change_id = g_strdup(frozen_get_disk(frozen, 0)->change_id);
    frozen_free(frozen);
    g_autofree guint8 *truth = vsphere_bench_look(&bench);
    for (gsize i = 0; i < G_N_ELEMENTS(faults); i++) {
        vsphere_peer_tell(bench.peer, "clear", NULL);
        vsphere_peer_tell(bench.peer, "rule", "{s:s, s:s, s:i}", "method", "QueryChangedDiskAreas",
                          "fault", faults[i], "count", -1);
        frozen = vsphere_bench_freeze(&bench, change_id);
        vsphere_bench_expect_why(frozen, faults[i]);
        vsphere_bench_read_and_thaw(frozen, truth);
    }
}

int
main(int argc, char **argv)
{
    auto_scratch scratch = scratch_new();
    g_setenv("XDG_STATE_HOME", scratch.path, TRUE);
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vsphere/run/user-snapshots/tracked", test_user_snapshot_tracked);
    g_test_add_func("/vsphere/run/user-snapshots/allocated", test_user_snapshot_allocated);
    g_test_add_func("/vsphere/run/tracking/old-hardware", test_old_hardware);
    g_test_add_func("/vsphere/run/tracking/refused", test_tracking_refused);
    g_test_add_func("/vsphere/run/tracking/late-id", test_late_id);
    g_test_add_func("/vsphere/run/tracking/absurd", test_absurd);
    g_test_add_func("/vsphere/run/tracking/nothing-allocated", test_nothing_allocated);
    g_test_add_func("/vsphere/run/tracking/query-fails", test_query_fails);
    return g_test_run();
}
