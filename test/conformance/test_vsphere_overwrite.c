/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Disks that are overwritten in place. */
#include "vsphere_bench.h"

#include "hyper/vsphere/vsphere.h"

#include <string.h>

static struct placement *
overwrite(struct vsphere_bench *bench, GError **error)
{
    g_autofree char *ref = vsphere_bench_ref(bench);
    return hypervisor_overwrite(bench->hypervisor, ref, NULL, &bench->notes.base, error);
}

static void
test_overwrite(void)
{
    auto_vsphere_bench bench;
    g_autoptr(GError) error = NULL;
    if (!vsphere_bench_begin_run(&bench))
        return;
    vsphere_bench_add(&bench, NULL, NULL);
    vsphere_bench_open(&bench, HYPERVISOR_TRANSPORT_HOTADD);
    struct frozen *frozen = vsphere_bench_freeze(&bench, NULL);
    g_autofree char *change_id = g_strdup(frozen_get_disk(frozen, 0)->change_id);
    g_assert_nonnull(change_id);
    frozen_free(frozen);

    g_assert_null(overwrite(&bench, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_BUSY);
    g_assert_nonnull(strstr(error->message, "shut it down"));
    g_clear_error(&error);
    vsphere_bench_change(&bench, "power", "poweredOff");
    vsphere_bench_change(&bench, "snapshot", "user's own");
    g_assert_null(overwrite(&bench, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_UNSUPPORTED);
    g_assert_nonnull(strstr(error->message, "user's own"));
    g_clear_error(&error);
    vsphere_bench_change(&bench, "remove", "user's own");

    struct placement *placement = overwrite(&bench, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(placement_n_disks(placement), ==, 1);
    struct disk *target = placement_get_disk(placement, 0)->target;
    g_autofree guint8 *bytes = g_malloc(KIB64);
    memset(bytes, 0x99, KIB64);
    g_assert_true(disk_write(target, 6 * KIB64, bytes, KIB64, &error));
    g_assert_true(disk_zero(target, 0, KIB64, &error));
    g_assert_true(disk_flush(target, &error));
    struct machine *machine = NULL;
    g_assert_true(placement_finish(placement, TRUE, &machine, &error));
    g_assert_no_error(error);
    g_assert_cmpint(machine->power, ==, MACHINE_ON);
    machine_free(machine);
    placement_free(placement);
    g_autofree guint8 *truth = vsphere_bench_look(&bench);
    g_assert_cmpmem(truth + 6 * KIB64, KIB64, bytes, KIB64);
    g_assert_cmpuint(truth[0], ==, 0);

    /* What was written passed by the tracking: the next backup knows. */
    frozen = vsphere_bench_freeze(&bench, change_id);
    vsphere_bench_expect_why(frozen, "began anew");
    vsphere_bench_read_and_thaw(frozen, truth);
}

static void
test_overwrite_abandoned(void)
{
    auto_vsphere_bench bench;
    g_autoptr(GError) error = NULL;
    if (!vsphere_bench_begin_run(&bench))
        return;
    vsphere_bench_add(&bench, "power", "poweredOff");
    vsphere_bench_open(&bench, HYPERVISOR_TRANSPORT_HOTADD);
    struct placement *placement = overwrite(&bench, &error);
    g_assert_no_error(error);
    placement_free(placement);
    g_assert_cmpstr(bench.notes.text->str, ==, "");
}

/* The tracking begins anew by what is done here, not by what this server does when a disk that
 * could be written is detached: none is attached.  `ended`: in the configuration only, by somebody
 * else. */
static void
check_tracking_anew(gboolean ended)
{
    auto_vsphere_bench bench;
    g_autoptr(GError) error = NULL;
    if (!vsphere_bench_begin_run(&bench))
        return;
    vsphere_bench_add(&bench, "power", "poweredOff");
    vsphere_bench_open(&bench, HYPERVISOR_TRANSPORT_HOTADD);
    struct frozen *frozen = vsphere_bench_freeze(&bench, NULL);
    g_autofree char *change_id = g_strdup(frozen_get_disk(frozen, 0)->change_id);
    frozen_free(frozen);
    frozen = vsphere_bench_freeze(&bench, change_id);
    g_assert_nonnull(frozen_get_disk(frozen, 0)->changed);
    frozen_free(frozen);
    if (ended) {
        const struct vim_wait wait = {.what = "ending"};
        struct moref machine;
        g_autofree char *ref = vsphere_bench_ref(&bench);
        g_assert_true(moref_parse(ref, &machine));
        vim_run(((struct vsphere *)bench.hypervisor)->vim, "ReconfigVM_Task", &machine,
                "<spec><changeTrackingEnabled>false</changeTrackingEnabled></spec>", &wait, NULL,
                NULL, &error);
        g_assert_no_error(error);
        moref_clear(&machine);
    }
    vsphere_peer_tell(bench.peer, "rule", "{s:s, s:i, s:s}", "method", "ReconfigVM_Task", "skip",
                      ended ? 0 : 1, "fault", "InvalidDeviceSpec");
    g_assert_null(overwrite(&bench, &error));
    g_assert_nonnull(strstr(error->message, "InvalidDeviceSpec"));
    frozen = vsphere_bench_freeze(&bench, change_id);
    vsphere_bench_expect_why(frozen, "began anew");
    frozen_free(frozen);
}

static void
test_overwrite_tracking(void)
{
    check_tracking_anew(FALSE);
}

static void
test_overwrite_tracking_ended(void)
{
    check_tracking_anew(TRUE);
}

static void
test_overwrite_outside(void)
{
    auto_vsphere_bench bench;
    g_autoptr(GError) error = NULL;
    if (!vsphere_bench_begin_run(&bench))
        return;
    vsphere_bench_add(&bench, "power", "poweredOff");
    vsphere_bench_open(&bench, HYPERVISOR_TRANSPORT_HTTPS);
    g_assert_null(overwrite(&bench, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_UNSUPPORTED);
    g_assert_nonnull(strstr(error->message, "restore as a new machine"));
}

int
main(int argc, char **argv)
{
    auto_scratch scratch = scratch_new();
    g_setenv("XDG_STATE_HOME", scratch.path, TRUE);
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vsphere/run/overwrite/written", test_overwrite);
    g_test_add_func("/vsphere/run/overwrite/abandoned", test_overwrite_abandoned);
    g_test_add_func("/vsphere/run/overwrite/tracking", test_overwrite_tracking);
    g_test_add_func("/vsphere/run/overwrite/tracking-ended", test_overwrite_tracking_ended);
    g_test_add_func("/vsphere/run/overwrite/outside", test_overwrite_outside);
    return g_test_run();
}
