/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One moment of a machine. */
#include "hypervisor_case.h"

#include "base/cancel.h"

/* The guest writes on, over what it had and beside it; what was frozen is of its moment. */
static void
test_bytes(gconstpointer suite)
{
    auto_hypervisor_case one;
    if (!hypervisor_case_begin(&one, suite))
        return;
    hypervisor_case_write(&one, 0, 0, KIB64, 0x11);
    hypervisor_case_write(&one, 0, MIB, 3 * KIB64, 0x22);
    g_autoptr(GPtrArray) moment = hypervisor_case_moment(&one);
    struct frozen *frozen = hypervisor_case_freeze(&one, NULL);
    hypervisor_case_write(&one, 0, MIB + KIB64, KIB64, 0x33);
    hypervisor_case_write(&one, 0, 2 * MIB, KIB64, 0x44);
    hypervisor_case_expect(frozen, moment);
    hypervisor_case_write(&one, 0, 0, KIB64, 0x55);
    hypervisor_case_expect(frozen, moment);
    g_assert_cmpint(frozen_consistency(frozen), ==, FROZEN_CRASH);
    hypervisor_case_thaw(frozen);
    g_assert_cmpint(frozen_milliseconds(frozen), >=, 0);
    hypervisor_case_settle(frozen, FALSE);
    hypervisor_case_nothing_left(&one);
    frozen_free(frozen);

    /* What the guest wrote meanwhile is still there. */
    frozen = hypervisor_case_freeze(&one, NULL);
    hypervisor_case_expect(frozen, one.models);
    frozen_free(frozen);
}

/* All of one moment. */
static void
test_disks(gconstpointer suite)
{
    auto_hypervisor_case one;
    if (!hypervisor_case_begin(&one, suite))
        return;
    if (one.n < 2) {
        g_test_skip("the machine has one disk");
        return;
    }
    for (guint i = 0; i < one.n; i++)
        hypervisor_case_write(&one, i, MIB, KIB64, (guint8)(0x61 + i));
    g_autoptr(GPtrArray) moment = hypervisor_case_moment(&one);
    struct frozen *frozen = hypervisor_case_freeze(&one, NULL);
    for (guint i = 0; i < one.n; i++)
        hypervisor_case_write(&one, i, MIB, 2 * KIB64, (guint8)(0x71 + i));
    hypervisor_case_expect(frozen, moment);
    hypervisor_case_thaw(frozen);
    frozen_free(frozen);
}

/* One disk of several, by its name. */
static void
test_one_disk(gconstpointer suite)
{
    auto_hypervisor_case one;
    g_autoptr(GError) error = NULL;
    if (!hypervisor_case_begin(&one, suite))
        return;
    guint last = one.n - 1;
    hypervisor_case_write(&one, last, 2 * MIB, KIB64, 0x12);
    const struct freeze_disk disk = {.name = one.suite->disks[last]};
    const struct freeze_options options = {.disks = &disk, .n_disks = 1, .chain = "suite1"};
    struct frozen *frozen = hypervisor_freeze(one.hypervisor, one.machine, &options, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(frozen_n_disks(frozen), ==, 1);
    g_assert_cmpstr(frozen_get_disk(frozen, 0)->name, ==, disk.name);
    hypervisor_case_same(frozen_get_disk(frozen, 0)->disk, g_ptr_array_index(one.models, last));
    frozen_free(frozen);
}

static void
test_no_disk(gconstpointer suite)
{
    auto_hypervisor_case one;
    g_autoptr(GError) error = NULL;
    if (!hypervisor_case_begin(&one, suite))
        return;
    const struct freeze_disk disks[] = {{.name = one.suite->disks[0]}, {.name = "scsi3:15"}};
    const struct freeze_options options = {.disks = disks, .n_disks = 2, .chain = "suite1"};
    g_assert_null(hypervisor_freeze(one.hypervisor, one.machine, &options, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND);
    g_assert_nonnull(strstr(error->message, "scsi3:15"));
}

static void
test_no_machine(gconstpointer suite)
{
    auto_hypervisor_case one;
    g_autoptr(GError) error = NULL;
    if (!hypervisor_case_begin(&one, suite))
        return;
    g_autofree char *ref = one.machine->ref;
    one.machine->ref = g_strdup("ffffffff-ffff-4fff-bfff-fffffffffff0");
    g_assert_null(hypervisor_case_try(&one, NULL, FREEZE_NEVER, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND);
}

static void
test_thaw_twice(gconstpointer suite)
{
    auto_hypervisor_case one;
    if (!hypervisor_case_begin(&one, suite))
        return;
    struct frozen *frozen = hypervisor_case_freeze(&one, NULL);
    hypervisor_case_thaw(frozen);
    hypervisor_case_thaw(frozen);
    hypervisor_case_settle(frozen, TRUE);
    hypervisor_case_settle(frozen, TRUE);
    frozen_free(frozen);
}

static void
test_unthawed(gconstpointer suite)
{
    auto_hypervisor_case one;
    if (!hypervisor_case_begin(&one, suite))
        return;
    hypervisor_case_write(&one, 0, MIB, KIB64, 0x29);
    frozen_free(hypervisor_case_freeze(&one, NULL));
    hypervisor_case_nothing_left(&one);
    struct frozen *frozen = hypervisor_case_freeze(&one, NULL);
    hypervisor_case_expect(frozen, one.models);
    frozen_free(frozen);
}

/* The user stops it in the middle: nothing new begins, and what is there goes. */
static void
test_cancelled(gconstpointer suite)
{
    auto_hypervisor_case one;
    g_autoptr(GError) error = NULL;
    if (!hypervisor_case_begin(&one, suite))
        return;
    struct frozen *frozen = hypervisor_case_freeze(&one, NULL);
    cancel_request();
    hypervisor_case_thaw(frozen);
    hypervisor_case_settle(frozen, FALSE);
    hypervisor_case_nothing_left(&one);
    frozen_free(frozen);
    g_assert_null(hypervisor_case_try(&one, NULL, FREEZE_NEVER, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CANCELLED);
    cancel_heard();
}

/* Freed, without a thaw, after the user stopped it. */
static void
test_cancelled_free(gconstpointer suite)
{
    auto_hypervisor_case one;
    if (!hypervisor_case_begin(&one, suite))
        return;
    struct frozen *frozen = hypervisor_case_freeze(&one, NULL);
    cancel_request();
    frozen_free(frozen);
    hypervisor_case_nothing_left(&one);
    cancel_heard();
}

static void
test_quiesced(gconstpointer suite)
{
    auto_hypervisor_case one;
    g_autoptr(GError) error = NULL;
    if (!hypervisor_case_begin(&one, suite) || !hypervisor_case_can(&one, HYPERVISOR_CAN_QUIESCE))
        return;
    if (one.suite->set_quiesce == NULL) {
        g_test_skip("the guest does as it likes");
        return;
    }
    one.suite->set_quiesce(one.peer, TRUE);
    struct frozen *frozen = hypervisor_case_try(&one, NULL, FREEZE_REQUIRE, &error);
    g_assert_no_error(error);
    g_assert_cmpint(frozen_consistency(frozen), ==, FROZEN_QUIESCED);
    g_assert_cmpstr(frozen_words(frozen), ==, NULL);
    frozen_free(frozen);

    one.suite->set_quiesce(one.peer, FALSE);
    g_assert_null(hypervisor_case_try(&one, NULL, FREEZE_REQUIRE, &error));
    g_assert_nonnull(error);
    g_assert_true(error->domain == SLIPWAY_ERROR);
    g_clear_error(&error);
    hypervisor_case_nothing_left(&one);

    one.suite->set_quiesce(one.peer, FALSE);
    frozen = hypervisor_case_try(&one, NULL, FREEZE_TRY, &error);
    g_assert_no_error(error);
    g_assert_cmpint(frozen_consistency(frozen), ==, FROZEN_CRASH);
    g_assert_nonnull(frozen_words(frozen));
    frozen_free(frozen);
    one.suite->set_quiesce(one.peer, TRUE);
}

static void
test_off(gconstpointer suite)
{
    auto_hypervisor_case one;
    g_autoptr(GError) error = NULL;
    if (!hypervisor_case_begin(&one, suite) || !hypervisor_case_can(&one, HYPERVISOR_CAN_OFFLINE))
        return;
    if (one.suite->stop == NULL) {
        g_test_skip("the machine cannot be turned off");
        return;
    }
    hypervisor_case_write(&one, 0, 3 * MIB, 2 * KIB64, 0x77);
    one.suite->stop(one.peer);
    one.stopped = TRUE;
    struct frozen *frozen = hypervisor_case_try(&one, NULL, FREEZE_TRY, &error);
    g_assert_no_error(error);
    g_assert_cmpint(frozen_consistency(frozen), ==, FROZEN_OFF);
    hypervisor_case_expect(frozen, one.models);
    hypervisor_case_thaw(frozen);
    hypervisor_case_settle(frozen, TRUE);
    frozen_free(frozen);
}

void
hypervisor_suite_add_freeze(const struct hypervisor_suite *suite)
{
    hypervisor_suite_add_test(suite, "freeze/bytes", test_bytes);
    hypervisor_suite_add_test(suite, "freeze/disks", test_disks);
    hypervisor_suite_add_test(suite, "freeze/one-disk", test_one_disk);
    hypervisor_suite_add_test(suite, "freeze/no-disk", test_no_disk);
    hypervisor_suite_add_test(suite, "freeze/no-machine", test_no_machine);
    hypervisor_suite_add_test(suite, "freeze/thaw-twice", test_thaw_twice);
    hypervisor_suite_add_test(suite, "freeze/unthawed", test_unthawed);
    hypervisor_suite_add_test(suite, "freeze/cancelled", test_cancelled);
    hypervisor_suite_add_test(suite, "freeze/cancelled-free", test_cancelled_free);
    hypervisor_suite_add_test(suite, "freeze/quiesced", test_quiesced);
    hypervisor_suite_add_test(suite, "freeze/off", test_off);
}
