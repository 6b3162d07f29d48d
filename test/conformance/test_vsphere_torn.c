/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A user removes the snapshot while its disks are read: what is said of the bytes then. */
#include "vsphere_bench.h"

#include "hyper/vsphere/snapshot.h"

#include <string.h>

static char *
find_snapshot(struct vsphere_bench *bench)
{
    json_t *machine = vsphere_peer_machine(bench->peer, VSPHERE_PEER_MACHINE);
    json_t *snapshot = json_array_get(json_object_get(machine, "snapshots"), 0);
    char *name = g_strdup(json_string_value(json_object_get(snapshot, "name")));
    json_decref(machine);
    return name;
}

/* As an administrator does it who takes it for a forgotten one. */
static void
remove_snapshot(struct vsphere_bench *bench)
{
    g_autofree char *name = find_snapshot(bench);
    vsphere_bench_change(bench, "remove", name);
    g_autofree char *left = find_snapshot(bench);
    g_assert_cmpstr(left, ==, NULL);
}

/* The same while a disk is attached: it is not listed any more, though it could not be merged. */
static void
remove_locked(struct vsphere_bench *bench)
{
    struct vsphere *vsphere = (struct vsphere *)bench->hypervisor;
    const struct vim_wait wait = {.what = "removing"};
    g_autoptr(GError) error = NULL;
    g_autofree char *ref = vsphere_bench_ref(bench), *name = find_snapshot(bench);
    struct snapshot *snapshot;
    struct moref machine;
    g_assert_true(moref_parse(ref, &machine));
    g_assert_true(snapshot_find(vsphere, &machine, name, &snapshot, NULL));
    g_assert_false(vim_run(vsphere->vim, "RemoveSnapshot_Task", &snapshot->self,
                           "<removeChildren>false</removeChildren>", &wait, NULL, NULL, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_BUSY);
    snapshot_free(snapshot);
    moref_clear(&machine);
    g_autofree char *left = find_snapshot(bench);
    g_assert_cmpstr(left, ==, NULL);
}

static void
expect_torn(const struct frozen *frozen)
{
    const char *torn = frozen_torn(frozen);
    g_assert_nonnull(torn);
    if (strstr(torn, "of " VSPHERE_PEER_MACHINE " was removed by somebody else") == NULL)
        g_error("it is not told who did what: %s", torn);
}

static void
expect_byte(const struct frozen *frozen, guint disk, guint8 expected)
{
    g_autoptr(GError) error = NULL;
    guint8 byte = 0;
    disk_read(frozen_get_disk(frozen, disk)->disk, 0, &byte, 1, &error);
    g_assert_no_error(error);
    g_assert_cmphex(byte, ==, expected);
}

static void
thaw(struct frozen *frozen)
{
    g_autoptr(GError) error = NULL;
    frozen_thaw(frozen, &error);
    g_assert_no_error(error);
}

/* Of a machine that is off nothing is locked: no read fails, and the bytes are another moment's. */
static void
test_https(void)
{
    auto_vsphere_bench bench;
    if (!vsphere_bench_begin_run(&bench))
        return;
    vsphere_bench_add(&bench, "power", "poweredOff");
    vsphere_bench_open(&bench, HYPERVISOR_TRANSPORT_HTTPS);
    struct frozen *frozen = vsphere_bench_freeze(&bench, NULL);
    expect_byte(frozen, 0, 0x11);
    vsphere_peer_write(bench.peer, VSPHERE_PEER_MACHINE, 0, 0, KIB64, 0x77);
    remove_snapshot(&bench);
    expect_byte(frozen, 0, 0x77);
    g_assert_cmpstr(frozen_torn(frozen), ==, NULL);
    thaw(frozen);
    expect_torn(frozen);
    frozen_free(frozen);
    g_assert_cmpstr(bench.notes.text->str, ==, "");
}

/* After the last byte, and of a machine that runs: nobody can know that it was after. */
static void
test_https_running(void)
{
    auto_vsphere_bench bench;
    if (!vsphere_bench_begin_run(&bench))
        return;
    vsphere_bench_add(&bench, NULL, NULL);
    vsphere_bench_open(&bench, HYPERVISOR_TRANSPORT_HTTPS);
    struct frozen *frozen = vsphere_bench_freeze(&bench, NULL);
    expect_byte(frozen, 0, 0x11);
    remove_snapshot(&bench);
    thaw(frozen);
    expect_torn(frozen);
    frozen_free(frozen);
}

/* What is attached stays what it was, and what the removal could not merge is merged by us. */
static void
test_hot_add(void)
{
    auto_vsphere_bench bench;
    if (!vsphere_bench_begin_run(&bench))
        return;
    vsphere_bench_add(&bench, NULL, NULL);
    g_autofree guint8 *truth = vsphere_bench_look(&bench);
    vsphere_bench_open(&bench, HYPERVISOR_TRANSPORT_HOTADD);
    struct frozen *frozen = vsphere_bench_freeze(&bench, NULL);
    vsphere_peer_write(bench.peer, VSPHERE_PEER_MACHINE, 0, 0, KIB64, 0x77);
    remove_locked(&bench);
    g_autofree guint8 *bytes = g_malloc(VSPHERE_BENCH_SIZE);
    g_autoptr(GError) error = NULL;
    disk_read(frozen_get_disk(frozen, 0)->disk, 0, bytes, VSPHERE_BENCH_SIZE, &error);
    g_assert_no_error(error);
    g_assert_cmpmem(bytes, VSPHERE_BENCH_SIZE, truth, VSPHERE_BENCH_SIZE);
    thaw(frozen);
    g_assert_cmpstr(frozen_torn(frozen), ==, NULL);
    vsphere_bench_expect_note(&bench, "was removed by somebody else");
    frozen_free(frozen);
    g_autofree guint8 *after = vsphere_bench_look(&bench);
    g_assert_cmphex(after[0], ==, 0x77);
}

/* One disk that is attached vouches for no other. */
static void
test_mixed(void)
{
    auto_vsphere_bench bench;
    g_autoptr(GError) error = NULL;
    if (!vsphere_bench_begin_run(&bench))
        return;
    vsphere_peer_tell(bench.peer, "add", "{s:s, s:s, s:[{s:i}, {s:i, s:s}]}", "name",
                      VSPHERE_PEER_MACHINE, "power", "poweredOff", "disks", "size",
                      VSPHERE_BENCH_SIZE, "size", VSPHERE_BENCH_SIZE, "controller", "ide");
    bench.hypervisor =
        vsphere_peer_open(bench.peer, HYPERVISOR_TRANSPORT_AUTO, VSPHERE_BENCH_PROXY, &error);
    g_assert_no_error(error);
    const struct freeze_disk wanted[] = {{.name = "scsi0:0"}, {.name = "ide0:0"}};
    const struct freeze_options options = {.quiesce = FREEZE_NEVER,
                                           .disks = wanted,
                                           .n_disks = 2,
                                           .chain = "run",
                                           .progress = &bench.notes.base};
    g_autofree char *ref = vsphere_bench_ref(&bench);
    const struct machine machine = {.ref = ref, .name = (char *)VSPHERE_PEER_MACHINE};
    struct frozen *frozen = hypervisor_freeze(bench.hypervisor, &machine, &options, &error);
    g_assert_no_error(error);
    json_t *state = vsphere_peer_ask(bench.peer, "state", NULL);
    g_assert_cmpuint(json_array_size(json_object_get(state, "attached")), ==, 1);
    json_decref(state);
    remove_locked(&bench);
    thaw(frozen);
    expect_torn(frozen);
    frozen_free(frozen);
}

/* It stayed until everything was read, could not be removed by us, and then was by hand. */
static void
test_removed_by_hand(void)
{
    auto_vsphere_bench bench;
    g_autoptr(GError) error = NULL;
    if (!vsphere_bench_begin_run(&bench))
        return;
    vsphere_bench_add(&bench, NULL, NULL);
    vsphere_bench_open(&bench, HYPERVISOR_TRANSPORT_HTTPS);
    struct frozen *frozen = vsphere_bench_freeze(&bench, NULL);
    vsphere_bench_rule(&bench, "{\"method\": \"RemoveSnapshot_Task\", \"fault\": \"NoPermission\","
                               " \"count\": -1}");
    g_assert_false(frozen_thaw(frozen, &error));
    g_assert_nonnull(strstr(error->message, "is left"));
    g_assert_cmpstr(frozen_torn(frozen), ==, NULL);
    vsphere_peer_tell(bench.peer, "clear", NULL);
    remove_snapshot(&bench);
    thaw(frozen);
    g_assert_cmpstr(frozen_torn(frozen), ==, NULL);
    frozen_free(frozen);
}

/* Our own removal, of which the answer was lost, is nobody else's. */
static void
test_removed_by_us(void)
{
    auto_vsphere_bench bench;
    if (!vsphere_bench_begin_run(&bench))
        return;
    vsphere_bench_add(&bench, NULL, NULL);
    vsphere_bench_open(&bench, HYPERVISOR_TRANSPORT_HTTPS);
    struct frozen *frozen = vsphere_bench_freeze(&bench, NULL);
    vsphere_bench_rule(&bench, "{\"method\": \"RemoveSnapshot_Task\", \"drop\": \"after\"}");
    thaw(frozen);
    g_assert_true(vsphere_bench_rule_met(&bench));
    g_assert_cmpstr(frozen_torn(frozen), ==, NULL);
    frozen_free(frozen);
}

/* The server cannot be asked for a moment, or will not say it. */
static void
look_with(const char *fault, gboolean told)
{
    auto_vsphere_bench bench;
    if (!vsphere_bench_begin_run(&bench))
        return;
    vsphere_bench_add(&bench, NULL, NULL);
    vsphere_bench_open(&bench, HYPERVISOR_TRANSPORT_HTTPS);
    struct frozen *frozen = vsphere_bench_freeze(&bench, NULL);
    remove_snapshot(&bench);
    g_autofree char *rule = g_strdup_printf("{\"method\": \"RetrievePropertiesEx\", \"fault\": "
                                            "\"%s\"}",
                                            fault);
    vsphere_bench_rule(&bench, rule);
    thaw(frozen);
    g_assert_true(vsphere_bench_rule_met(&bench));
    if (told)
        expect_torn(frozen);
    else
        g_assert_cmpstr(frozen_torn(frozen), ==, NULL);
    if (!told)
        vsphere_bench_expect_note(&bench, "could not be found out");
    frozen_free(frozen);
}

static void
test_look_again(void)
{
    look_with("HostCommunication", TRUE);
}

static void
test_look_denied(void)
{
    look_with("NoPermission", FALSE);
}

int
main(int argc, char **argv)
{
    auto_scratch scratch = scratch_new();
    g_setenv("XDG_STATE_HOME", scratch.path, TRUE);
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vsphere/torn/https", test_https);
    g_test_add_func("/vsphere/torn/https-running", test_https_running);
    g_test_add_func("/vsphere/torn/hot-add", test_hot_add);
    g_test_add_func("/vsphere/torn/mixed", test_mixed);
    g_test_add_func("/vsphere/torn/removed-by-hand", test_removed_by_hand);
    g_test_add_func("/vsphere/torn/removed-by-us", test_removed_by_us);
    g_test_add_func("/vsphere/torn/look-again", test_look_again);
    g_test_add_func("/vsphere/torn/look-denied", test_look_denied);
    return g_test_run();
}
