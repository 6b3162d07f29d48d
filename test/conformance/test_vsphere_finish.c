/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Machines that are finished or given up, also when the server is not heard meanwhile. */
#include "wanted.h"

#include <string.h>

static void
test_no_disks(void)
{
    auto_vsphere_bench bench;
    g_autoptr(GError) error = NULL;
    if (!wanted_begin(&bench))
        return;
    auto_ptr(machine) wanted = wanted_new("no disks");
    wanted_add_nic(wanted, "vmxnet3", NULL, MACHINE_PORT_GROUP, "VM Network");
    struct placement *placement = wanted_create(&bench, wanted);
    g_assert_cmpuint(placement_n_disks(placement), ==, 0);
    g_assert_true(placement_abandon(placement, &error));
    placement_free(placement);
    wanted_expect_none(&bench, "no disks");
    placement = wanted_create(&bench, wanted);
    struct machine *made = NULL;
    wanted_finish(placement, TRUE, &made);
    placement_free(placement);
    g_assert_cmpint(made->power, ==, MACHINE_ON);
    machine_free(made);
}

static void
test_started(void)
{
    auto_vsphere_bench bench;
    if (!wanted_begin(&bench))
        return;
    auto_ptr(machine) wanted = wanted_new("started");
    wanted_add_disk(wanted, MACHINE_SCSI, 0, 0, "pvscsi", MIB);
    auto_ptr(disk) content = wanted_content(MIB, 1);
    auto_ptr(placement) placement = wanted_create(&bench, wanted);
    g_assert_true(placement_import(placement, 0, content, NULL, NULL));
    struct machine *made = NULL;
    wanted_finish(placement, TRUE, &made);
    g_assert_cmpint(made->power, ==, MACHINE_ON);
    machine_free(made);
    /* What was restored stays when it does not start. */
    wanted_set(&wanted->name, "not started");
    auto_ptr(placement) other = wanted_create(&bench, wanted);
    g_assert_true(placement_import(other, 0, content, NULL, NULL));
    vsphere_peer_tell(bench.peer, "rule", "{s:s, s:s}", "method", "PowerOnVM_Task", "fault",
                      "InsufficientResourcesFault");
    wanted_finish(other, TRUE, &made);
    g_assert_true(wanted_says(other, "does not start"));
    g_assert_cmpint(made->power, ==, MACHINE_OFF);
    machine_free(made);
    wanted_expect_content(&bench, "not started", 0, content);
}

/* The server did what it was told, but its answer was lost. */
static void
test_lost_answers(void)
{
    auto_vsphere_bench bench;
    g_autoptr(GError) error = NULL;
    if (!wanted_begin(&bench))
        return;
    auto_ptr(machine) wanted = wanted_new("lost");
    wanted_add_disk(wanted, MACHINE_SCSI, 0, 0, "pvscsi", MIB);
    vsphere_peer_tell(bench.peer, "settings", "{s:f}", "lease_timeout", 1.0);
    vsphere_peer_tell(bench.peer, "rule", "{s:s, s:s}", "method", "ImportVApp", "drop", "after");
    g_assert_null(hypervisor_create(bench.hypervisor, wanted, NULL, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NETWORK);
    g_assert_nonnull(strstr(error->message, "by itself"));
    for (guint i = 0; i < 3000 && wanted_is_listed(&bench, "lost"); i++)
        g_usleep(10 * 1000);
    wanted_expect_none(&bench, "lost");
    vsphere_peer_tell(bench.peer, "settings", "{s:f}", "lease_timeout", 300.0);
    auto_ptr(placement) placement = wanted_create(&bench, wanted);
    auto_ptr(disk) content = wanted_content(MIB, 3);
    g_assert_true(placement_import(placement, 0, content, NULL, NULL));
    vsphere_peer_tell(bench.peer, "rule", "{s:s, s:s}", "method", "HttpNfcLeaseComplete", "drop",
                      "after");
    wanted_finish(placement, FALSE, NULL);
    wanted_expect_content(&bench, "lost", 0, content);
    /* Not heard at all: it is still to be done, or given up. */
    wanted_set(&wanted->name, "unheard");
    auto_ptr(placement) other = wanted_create(&bench, wanted);
    g_assert_true(placement_import(other, 0, content, NULL, NULL));
    vsphere_peer_tell(bench.peer, "rule", "{s:s, s:s, s:i}", "method", "HttpNfcLeaseComplete",
                      "drop", "before", "count", -1);
    g_clear_error(&error);
    g_assert_false(placement_finish(other, FALSE, NULL, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NETWORK);
    g_clear_error(&error);
    placement_abandon(other, &error);
    g_assert_no_error(error);
    wanted_expect_none(&bench, "unheard");
}

/* An abort that the server does not hear the first time. */
static void
test_abort_again(void)
{
    auto_vsphere_bench bench;
    g_autoptr(GError) error = NULL;
    if (!wanted_begin(&bench))
        return;
    auto_ptr(machine) wanted = wanted_new("again");
    wanted_add_disk(wanted, MACHINE_SCSI, 0, 0, "pvscsi", MIB);
    auto_ptr(placement) placement = wanted_create(&bench, wanted);
    vsphere_peer_tell(bench.peer, "rule", "{s:s, s:i, s:i}", "method", "*", "status", 503, "count",
                      -1);
    g_assert_false(placement_abandon(placement, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NETWORK);
    g_assert_nonnull(strstr(error->message, "by hand"));
    vsphere_peer_tell(bench.peer, "clear", NULL);
    g_clear_error(&error);
    placement_abandon(placement, &error);
    g_assert_no_error(error);
    wanted_expect_none(&bench, "again");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vsphere/create/no-disks", test_no_disks);
    g_test_add_func("/vsphere/create/started", test_started);
    g_test_add_func("/vsphere/create/abort-again", test_abort_again);
    g_test_add_func("/vsphere/create/lost-answers", test_lost_answers);
    return g_test_run();
}
