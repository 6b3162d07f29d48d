/* SPDX-License-Identifier: GPL-3.0-or-later */
/* By which way disks are read, and what comes of those that are not there. */
#include "vsphere_bench.h"

#include <string.h>

/* ---- Whether this is a machine of the server ------------------------------------------------- */

/* Not in a machine of this server. */
static void
test_auto_outside(void)
{
    auto_vsphere_bench bench;
    if (!vsphere_bench_begin_run(&bench))
        return;
    vsphere_bench_add(&bench, NULL, NULL);
    scratch_put(&bench.scratch, "sys/class/dmi/id/product_uuid",
                "12345678-1234-1234-1234-123456789abc\n");
    vsphere_bench_open(&bench, HYPERVISOR_TRANSPORT_AUTO);
    g_autofree guint8 *truth = vsphere_bench_look(&bench);
    vsphere_bench_read_and_thaw(vsphere_bench_freeze(&bench, NULL), truth);
    g_assert_cmpstr(bench.notes.text->str, ==, "");
}

static void
test_hot_add_outside(void)
{
    auto_vsphere_bench bench;
    if (!vsphere_bench_begin_run(&bench))
        return;
    vsphere_bench_add(&bench, NULL, NULL);
    vsphere_bench_open_in(&bench, HYPERVISOR_TRANSPORT_HOTADD, "nobody");
    vsphere_bench_expect_refused(&bench, SLIPWAY_ERROR_UNSUPPORTED, "nobody");
}

/* In the order of bytes in which some firmwares have it. */
static void
check_found_by_uuid(const char *uuid, const char *shown)
{
    auto_vsphere_bench bench;
    if (!vsphere_bench_begin_run(&bench))
        return;
    vsphere_bench_add(&bench, NULL, NULL);
    vsphere_peer_tell(bench.peer, "add", "{s:s, s:s}", "name", "proxy02", "uuid", uuid);
    g_autofree char *line = g_strconcat(shown, "\n", NULL);
    scratch_put(&bench.scratch, "sys/class/dmi/id/product_uuid", line);
    vsphere_bench_open(&bench, HYPERVISOR_TRANSPORT_AUTO);
    g_autofree guint8 *truth = vsphere_bench_look(&bench);
    struct frozen *frozen = vsphere_bench_freeze(&bench, NULL);
    json_t *proxy = vsphere_peer_machine(bench.peer, "proxy02");
    json_t *disk = json_array_get(json_object_get(proxy, "disks"), 1);
    g_assert_cmpstr(json_string_value(json_object_get(disk, "mode")), ==,
                    "independent_nonpersistent");
    json_decref(proxy);
    vsphere_bench_read_and_thaw(frozen, truth);
}

static void
test_found_by_uuid(void)
{
    check_found_by_uuid("564d1122-3344-5566-7788-99aabbccddee",
                        "564D1122-3344-5566-7788-99AABBCCDDEE");
}

static void
test_found_by_swapped_uuid(void)
{
    check_found_by_uuid("564d1122-3344-5566-7788-99aabbccddee",
                        "22114d56-4433-6655-7788-99aabbccddee");
}

/* ---- Hot-add --------------------------------------------------------------------------------- */

/* The disk is attached, and the guest's kernel shows none: read over HTTPS, with a warning. */
static void
test_auto_no_device(void)
{
    auto_vsphere_bench bench;
    if (!vsphere_bench_begin_run(&bench))
        return;
    vsphere_bench_add(&bench, NULL, NULL);
    vsphere_peer_tell(bench.peer, "settings", "{s:s}", "attach_links", "");
    vsphere_bench_open_in(&bench, HYPERVISOR_TRANSPORT_AUTO, VSPHERE_BENCH_PROXY);
    g_autofree guint8 *truth = vsphere_bench_look(&bench);
    vsphere_bench_read_and_thaw(vsphere_bench_freeze(&bench, NULL), truth);
    vsphere_bench_expect_note(&bench, "disk.EnableUUID");
}

/* The same, and it cannot be detached at once: it is before the snapshot is removed. */
static void
test_auto_stuck(void)
{
    auto_vsphere_bench bench;
    if (!vsphere_bench_begin_run(&bench))
        return;
    vsphere_bench_add(&bench, NULL, NULL);
    vsphere_bench_open_in(&bench, HYPERVISOR_TRANSPORT_AUTO, VSPHERE_BENCH_PROXY);
    frozen_free(vsphere_bench_freeze(&bench, NULL)); /* the tracking has begun */
    vsphere_peer_tell(bench.peer, "settings", "{s:s}", "attach_links", "");
    vsphere_peer_tell(bench.peer, "rule", "{s:s, s:i, s:i, s:s}", "method", "ReconfigVM_Task",
                      "skip", 1, "count", 9, "fault", "InvalidState");
    g_autofree guint8 *truth = vsphere_bench_look(&bench);
    struct frozen *frozen = vsphere_bench_freeze(&bench, NULL);
    vsphere_bench_expect_note(&bench, "is still attached");
    vsphere_bench_read_and_thaw(frozen, truth);
}

/* IDE disks cannot be attached. */
static void
test_auto_ide(void)
{
    auto_vsphere_bench bench;
    g_autoptr(GError) error = NULL;
    if (!vsphere_bench_begin_run(&bench))
        return;
    vsphere_peer_tell(bench.peer, "add", "{s:s, s:[{s:i, s:s}]}", "name", VSPHERE_PEER_MACHINE,
                      "disks", "size", VSPHERE_BENCH_SIZE, "controller", "ide");
    const struct freeze_disk wanted = {.name = "ide0:0"};
    const struct freeze_options options = {.disks = &wanted, .n_disks = 1, .chain = "run"};
    g_autofree char *ref = vsphere_bench_ref(&bench);
    const struct machine machine = {.ref = ref};
    vsphere_bench_open_in(&bench, HYPERVISOR_TRANSPORT_AUTO, VSPHERE_BENCH_PROXY);
    struct frozen *frozen = hypervisor_freeze(bench.hypervisor, &machine, &options, &error);
    g_assert_no_error(error);
    frozen_free(frozen);
    vsphere_bench_close(&bench);
    vsphere_bench_open_in(&bench, HYPERVISOR_TRANSPORT_HOTADD, VSPHERE_BENCH_PROXY);
    g_assert_null(hypervisor_freeze(bench.hypervisor, &machine, &options, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_UNSUPPORTED);
}

/* ---- HTTPS ----------------------------------------------------------------------------------- */

/* What is in the way of finding a disk's datacenter is told as what it is. */
static void
test_datacenter_faults(void)
{
    auto_vsphere_bench bench;
    guint met = 0;
    if (!vsphere_bench_begin_run(&bench))
        return;
    vsphere_bench_add(&bench, NULL, NULL);
    vsphere_bench_open(&bench, HYPERVISOR_TRANSPORT_HTTPS);
    frozen_free(vsphere_bench_freeze(&bench, NULL));
    for (guint skip = 0; skip < 40; skip++) {
        g_autoptr(GError) error = NULL;
        vsphere_peer_tell(bench.peer, "clear", NULL);
        vsphere_peer_tell(bench.peer, "rule", "{s:s, s:i, s:i, s:s}", "method",
                          "RetrievePropertiesEx", "skip", skip, "count", 1, "fault", "SystemError");
        struct frozen *frozen = vsphere_bench_freeze_with(&bench, FREEZE_NEVER, 0, NULL, &error);
        frozen_free(frozen);
        if (error == NULL)
            continue;
        met += strstr(error->message, "datacenter") != NULL;
        if (strstr(error->message, "SystemError") == NULL)
            g_error("\"%s\" does not tell the fault", error->message);
    }
    g_assert_cmpuint(met, >, 0);
}

int
main(int argc, char **argv)
{
    auto_scratch scratch = scratch_new();
    g_setenv("XDG_STATE_HOME", scratch.path, TRUE);
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vsphere/run/transport/auto-outside", test_auto_outside);
    g_test_add_func("/vsphere/run/transport/hot-add-outside", test_hot_add_outside);
    g_test_add_func("/vsphere/run/transport/found-by-uuid", test_found_by_uuid);
    g_test_add_func("/vsphere/run/transport/found-by-swapped-uuid", test_found_by_swapped_uuid);
    g_test_add_func("/vsphere/run/transport/auto-no-device", test_auto_no_device);
    g_test_add_func("/vsphere/run/transport/auto-stuck", test_auto_stuck);
    g_test_add_func("/vsphere/run/transport/datacenter-faults", test_datacenter_faults);
    g_test_add_func("/vsphere/run/transport/auto-ide", test_auto_ide);
    return g_test_run();
}
