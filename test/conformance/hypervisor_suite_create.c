/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Machines that are made, and disks that are written over. */
#include "hypervisor_case.h"

#include "base/cancel.h"

#include <string.h>

static void
fill(struct disk *disk, guint64 offset, gsize length, guint8 pattern)
{
    g_autoptr(GError) error = NULL;
    g_autofree guint8 *data = g_malloc(length);
    memset(data, pattern, length);
    disk_write(disk, offset, data, length, &error);
    g_assert_no_error(error);
}

/* What a new machine's disk is to hold: something at its begin, in the middle and at its end. */
static struct disk *
new_content(guint64 size, guint8 seed)
{
    struct disk *disk = disk_memory_new(size, "what is wanted");
    fill(disk, 0, 512, seed);
    fill(disk, MIB + 4096, 3 * KIB64, (guint8)(seed + 1));
    fill(disk, size - 4096, 4096, (guint8)(seed + 2));
    return disk;
}

/* The machine of the suite once more, under another name, with nothing that must be its own. */
static struct machine *
plan(const struct hypervisor_case *one)
{
    struct machine *wanted = machine_copy(one->machine);
    g_free(wanted->name);
    wanted->name = g_strdup_printf("%s-restored", one->suite->machine);
    g_clear_pointer(&wanted->id, g_free);
    g_clear_pointer(&wanted->uuid, g_free);
    for (guint i = 0; i < wanted->nics->len; i++) {
        struct machine_nic *nic = g_ptr_array_index(wanted->nics, i);
        g_clear_pointer(&nic->mac, g_free);
    }
    return wanted;
}

/* By its target, or by a stream. */
static void
fill_disk(struct placement *placement, guint index, struct disk *content)
{
    g_autoptr(GError) error = NULL;
    const struct placement_disk *disk = placement_get_disk(placement, index);
    if (disk->target == NULL) {
        placement_import(placement, index, content, NULL, &error);
        g_assert_no_error(error);
        return;
    }
    g_assert_cmpuint(disk_size(disk->target), ==, disk->size);
    if (!disk->zero)
        g_assert_true(disk_zero(disk->target, 0, disk->size, &error));
    g_autofree guint8 *data = g_malloc(MIB);
    struct disk_extent extent;
    for (guint64 at = 0; at < disk->size; at += extent.length) {
        disk_extent(content, at, MIB, &extent, &error);
        if (extent.kind == DISK_DATA)
            g_assert_true(disk_read(content, at, data, extent.length, &error) &&
                          disk_write(disk->target, at, data, extent.length, &error));
        g_assert_no_error(error);
    }
    disk_flush(disk->target, &error);
    g_assert_no_error(error);
}

static struct placement *
create(struct hypervisor_case *one, const struct machine *wanted)
{
    g_autoptr(GError) error = NULL;
    struct placement *placement = hypervisor_create(one->hypervisor, wanted, NULL, &error);
    g_assert_no_error(error);
    g_assert_nonnull(placement);
    guint expected = 0;
    for (guint i = 0; i < wanted->disks->len; i++) {
        const struct machine_disk *disk = g_ptr_array_index(wanted->disks, i);
        expected += disk->skip == NULL;
    }
    g_assert_cmpuint(placement_n_disks(placement), ==, expected);
    for (guint i = 0; i < expected; i++) {
        const struct placement_disk *disk = placement_get_disk(placement, i);
        const struct machine_disk *of = machine_find_disk(wanted, disk->name);
        g_assert_nonnull(of);
        g_assert_cmpuint(disk->size, ==, of->size);
    }
    return placement;
}

/* Held against what is wanted: by the test's own view of the disk, or frozen. */
static void
expect_disk(struct hypervisor_case *one, const struct machine *machine, const char *name,
            struct disk *content)
{
    g_autoptr(GError) error = NULL;
    if (one->suite->look != NULL) {
        auto_ptr(disk) disk = one->suite->look(one->peer, machine->name, name);
        g_assert_nonnull(disk);
        hypervisor_case_same(disk, content);
    }
    if (!(hypervisor_capabilities(one->hypervisor) & HYPERVISOR_CAN_OFFLINE))
        return;
    const struct freeze_disk wanted = {.name = name};
    const struct freeze_options options = {.disks = &wanted, .n_disks = 1, .chain = "suite1"};
    struct frozen *frozen = hypervisor_freeze(one->hypervisor, machine, &options, &error);
    g_assert_no_error(error);
    hypervisor_case_same(frozen_get_disk(frozen, 0)->disk, content);
    frozen_free(frozen);
}

static gboolean
begin(struct hypervisor_case *one, gconstpointer suite)
{
    if (!hypervisor_case_begin(one, suite) || !hypervisor_case_can(one, HYPERVISOR_CAN_CREATE))
        return FALSE;
    if (one->suite->remove != NULL)
        return TRUE;
    g_test_skip("what is made could not be removed");
    return FALSE;
}

static void
free_disk(gpointer disk)
{
    disk_close(disk);
}

static void
test_filled(gconstpointer suite)
{
    auto_hypervisor_case one;
    g_autoptr(GError) error = NULL;
    if (!begin(&one, suite))
        return;
    auto_ptr(machine) wanted = plan(&one);
    struct placement *placement = create(&one, wanted);
    g_autoptr(GPtrArray) contents = g_ptr_array_new_with_free_func(free_disk);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < placement_n_disks(placement); i++) {
        const struct placement_disk *disk = placement_get_disk(placement, i);
        g_ptr_array_add(names, g_strdup(disk->name));
        g_ptr_array_add(contents, new_content(disk->size, (guint8)(0x90 + 8 * i)));
        fill_disk(placement, i, g_ptr_array_index(contents, i));
    }
    struct machine *made = NULL;
    placement_finish(placement, FALSE, &made, &error);
    g_assert_no_error(error);
    placement_free(placement);

    auto_ptr(machine) machine = made;
    g_assert_cmpstr(machine->name, ==, wanted->name);
    g_assert_cmpint(machine->power, ==, MACHINE_OFF);
    g_assert_cmpuint(machine->memory, ==, wanted->memory);
    g_assert_cmpuint(machine->cpus, ==, wanted->cpus);
    g_assert_cmpuint(machine->nics->len, ==, wanted->nics->len);
    g_assert_cmpint(machine->firmware, ==, wanted->firmware);
    g_assert_cmpstr(machine->id, !=, one.machine->id);
    auto_ptr(machine) listed = hypervisor_case_find(&one, wanted->name);
    g_assert_nonnull(listed);
    g_assert_cmpstr(listed->id, ==, machine->id);
    for (guint i = 0; i < names->len; i++)
        expect_disk(&one, machine, g_ptr_array_index(names, i), g_ptr_array_index(contents, i));
    one.suite->remove(one.peer, wanted->name);
}

/* Not even a name that is taken. */
static void
expect_gone(struct hypervisor_case *one, const struct machine *wanted)
{
    hypervisor_case_nothing_left(one);
    auto_ptr(machine) listed = hypervisor_case_find(one, wanted->name);
    g_assert_null(listed);
}

static void
test_abandoned(gconstpointer suite)
{
    auto_hypervisor_case one;
    g_autoptr(GError) error = NULL;
    if (!begin(&one, suite))
        return;
    auto_ptr(machine) wanted = plan(&one);
    struct placement *placement = create(&one, wanted);
    const struct placement_disk *disk = placement_get_disk(placement, 0);
    if (disk->target != NULL)
        fill(disk->target, MIB, KIB64, 0x99);
    /* The user stopped it. */
    cancel_request();
    placement_abandon(placement, &error);
    g_assert_no_error(error);
    placement_abandon(placement, &error);
    g_assert_no_error(error);
    placement_free(placement);
    cancel_heard();
    expect_gone(&one, wanted);

    /* The same name is free again; and what is forgotten goes too. */
    placement_free(create(&one, wanted));
    expect_gone(&one, wanted);
}

static void
test_taken(gconstpointer suite)
{
    auto_hypervisor_case one;
    g_autoptr(GError) error = NULL;
    if (!begin(&one, suite))
        return;
    auto_ptr(machine) wanted = plan(&one);
    g_free(wanted->name);
    wanted->name = g_strdup(one.machine->name);
    g_assert_null(hypervisor_create(one.hypervisor, wanted, NULL, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_EXISTS);
    g_assert_nonnull(strstr(error->message, one.machine->name));
    hypervisor_case_nothing_left(&one);
    auto_ptr(machine) there = hypervisor_case_find(&one, one.machine->name);
    g_assert_cmpstr(there->id, ==, one.machine->id);
}

static void
test_no_place(gconstpointer suite)
{
    auto_hypervisor_case one;
    g_autoptr(GError) error = NULL;
    if (!begin(&one, suite))
        return;
    auto_ptr(machine) wanted = plan(&one);
    struct machine_disk *disk = machine_find_disk(wanted, one.suite->disks[0]);
    g_free(disk->datastore);
    disk->datastore = g_strdup("no-such-datastore");
    g_assert_null(hypervisor_create(one.hypervisor, wanted, NULL, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND);
    g_assert_nonnull(strstr(error->message, "no-such-datastore"));
    expect_gone(&one, wanted);
}

/* Only the disk that is named, only where it is written. */
static void
test_over(gconstpointer suite)
{
    auto_hypervisor_case one;
    g_autoptr(GError) error = NULL;
    if (!hypervisor_case_begin(&one, suite) || !hypervisor_case_can(&one, HYPERVISOR_CAN_IN_PLACE))
        return;
    const char *const names[] = {one.suite->disks[0], NULL};
    g_assert_null(hypervisor_overwrite(one.hypervisor, one.machine->ref, names, NULL, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_BUSY);
    g_clear_error(&error);
    if (one.suite->stop == NULL) {
        g_test_skip("the machine cannot be turned off");
        return;
    }
    hypervisor_case_write(&one, 0, MIB, 4 * KIB64, 0xa0);
    one.suite->stop(one.peer);
    one.stopped = TRUE;
    struct placement *placement =
        hypervisor_overwrite(one.hypervisor, one.machine->ref, names, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(placement_n_disks(placement), ==, 1);
    const struct placement_disk *disk = placement_get_disk(placement, 0);
    g_assert_cmpstr(disk->name, ==, names[0]);
    g_assert_nonnull(disk->target);
    hypervisor_case_same(disk->target, g_ptr_array_index(one.models, 0));
    fill(disk->target, MIB + KIB64, KIB64, 0xa1);
    fill(g_ptr_array_index(one.models, 0), MIB + KIB64, KIB64, 0xa1);
    disk_flush(disk->target, &error);
    g_assert_no_error(error);
    placement_finish(placement, FALSE, NULL, &error);
    g_assert_no_error(error);
    placement_free(placement);
    expect_disk(&one, one.machine, names[0], g_ptr_array_index(one.models, 0));
}

static void
test_over_no_disk(gconstpointer suite)
{
    auto_hypervisor_case one;
    g_autoptr(GError) error = NULL;
    if (!hypervisor_case_begin(&one, suite) || !hypervisor_case_can(&one, HYPERVISOR_CAN_IN_PLACE))
        return;
    if (one.suite->stop == NULL) {
        g_test_skip("the machine cannot be turned off");
        return;
    }
    one.suite->stop(one.peer);
    one.stopped = TRUE;
    const char *const names[] = {one.suite->disks[0], "scsi3:15", NULL};
    g_assert_null(hypervisor_overwrite(one.hypervisor, one.machine->ref, names, NULL, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND);
    g_clear_error(&error);
    hypervisor_case_nothing_left(&one);

    /* Given up: the machine is still there, as it was. */
    placement_free(hypervisor_overwrite(one.hypervisor, one.machine->ref, NULL, NULL, &error));
    g_assert_no_error(error);
    expect_disk(&one, one.machine, one.suite->disks[0], g_ptr_array_index(one.models, 0));
}

void
hypervisor_suite_add_create(const struct hypervisor_suite *suite)
{
    hypervisor_suite_add_test(suite, "create/filled", test_filled);
    hypervisor_suite_add_test(suite, "create/abandoned", test_abandoned);
    hypervisor_suite_add_test(suite, "create/taken", test_taken);
    hypervisor_suite_add_test(suite, "create/no-place", test_no_place);
    hypervisor_suite_add_test(suite, "overwrite/written", test_over);
    hypervisor_suite_add_test(suite, "overwrite/no-disk", test_over_no_disk);
}
