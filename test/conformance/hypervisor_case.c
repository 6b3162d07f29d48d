/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hypervisor_case.h"

#include "base/cancel.h"

#include <string.h>

#define CHAIN "suite1"

/* What a list of changes may have too much: a guest writes its own notes as well. */
#define SLACK (4 * KIB64)

static void
close_model(gpointer disk)
{
    disk_close(disk);
}

static GPtrArray *
new_models(void)
{
    return g_ptr_array_new_with_free_func(close_model);
}

gboolean
hypervisor_case_begin(struct hypervisor_case *one, const struct hypervisor_suite *suite)
{
    g_autoptr(GError) error = NULL;
    *one = (struct hypervisor_case){.suite = suite, .scratch = scratch_new()};
    one->models = new_models();
    one->peer = suite->begin(suite, &one->scratch);
    if (one->peer == NULL)
        return FALSE;
    one->hypervisor = suite->open(one->peer, &error);
    g_assert_no_error(error);
    g_assert_nonnull(one->hypervisor);
    auto_ptr(machine) listed = hypervisor_case_find(one, suite->machine);
    g_assert_nonnull(listed);
    one->machine = hypervisor_describe(one->hypervisor, listed->ref, &error);
    g_assert_no_error(error);
    for (one->n = 0; suite->disks[one->n] != NULL; one->n++) {
        const struct machine_disk *disk = machine_find_disk(one->machine, suite->disks[one->n]);
        g_assert_nonnull(disk);
        g_assert_null(disk->skip);
        g_assert_cmpuint(disk->size, >=, 4 * MIB);
        g_assert_cmpuint(disk->size % KIB64, ==, 0);
        g_ptr_array_add(one->models, disk_memory_new(disk->size, disk->name));
    }
    return TRUE;
}

/* What was written is to be zeros for the next test. */
static void
wipe(struct hypervisor_case *one)
{
    g_autoptr(GError) error = NULL;
    for (guint i = 0; i < one->models->len; i++) {
        struct disk *model = g_ptr_array_index(one->models, i);
        struct disk_extent extent;
        for (guint64 at = 0; at < disk_size(model); at += extent.length) {
            disk_extent(model, at, disk_size(model) - at, &extent, &error);
            g_assert_no_error(error);
            if (extent.kind == DISK_DATA)
                one->suite->write(one->peer, one->suite->disks[i], at, extent.length, 0);
        }
    }
}

void
hypervisor_case_end(struct hypervisor_case *one)
{
    cancel_heard();
    if (one->peer != NULL) {
        hypervisor_case_nothing_left(one);
        if (one->suite->shared && !one->stopped)
            wipe(one);
        hypervisor_close(one->hypervisor);
        one->suite->end(one->peer);
    }
    machine_free(one->machine);
    g_ptr_array_unref(one->models);
    scratch_clear(&one->scratch);
}

gboolean
hypervisor_case_can(const struct hypervisor_case *one, unsigned wanted)
{
    if ((hypervisor_capabilities(one->hypervisor) & wanted) == wanted)
        return TRUE;
    g_test_skip("the driver cannot do this");
    return FALSE;
}

gboolean
hypervisor_case_tracks(const struct hypervisor_case *one)
{
    if (one->suite->granularity > 0)
        return hypervisor_case_can(one, HYPERVISOR_CAN_TRACK);
    g_test_skip("changes are not tracked");
    return FALSE;
}

void
hypervisor_case_write(struct hypervisor_case *one, guint disk, guint64 offset, guint64 length,
                      guint8 pattern)
{
    g_autoptr(GError) error = NULL;
    g_autofree guint8 *data = g_malloc(length);
    memset(data, pattern, length);
    g_assert_false(one->stopped);
    one->suite->write(one->peer, one->suite->disks[disk], offset, length, pattern);
    disk_write(g_ptr_array_index(one->models, disk), offset, data, length, &error);
    g_assert_no_error(error);
}

static struct disk *
copy_disk(struct disk *from)
{
    g_autoptr(GError) error = NULL;
    struct disk *to = disk_memory_new(disk_size(from), disk_label(from));
    g_autofree guint8 *buffer = g_malloc(MIB);
    struct disk_extent extent;
    for (guint64 at = 0; at < disk_size(from); at += extent.length) {
        disk_extent(from, at, MIB, &extent, &error);
        g_assert_no_error(error);
        if (extent.kind == DISK_ZERO)
            continue;
        g_assert_true(disk_read(from, at, buffer, extent.length, &error) &&
                      disk_write(to, at, buffer, extent.length, &error));
    }
    return to;
}

GPtrArray *
hypervisor_case_moment(const struct hypervisor_case *one)
{
    GPtrArray *moment = new_models();
    for (guint i = 0; i < one->models->len; i++)
        g_ptr_array_add(moment, copy_disk(g_ptr_array_index(one->models, i)));
    return moment;
}

void
hypervisor_case_nothing_left(const struct hypervisor_case *one)
{
    g_autofree char *left = one->suite->left(one->peer);
    g_assert_cmpstr(left, ==, NULL);
}

struct machine *
hypervisor_case_find(const struct hypervisor_case *one, const char *name)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) list = hypervisor_list(one->hypervisor, &error);
    g_assert_no_error(error);
    for (guint i = 0; i < list->len; i++) {
        const struct machine *machine = g_ptr_array_index(list, i);
        if (g_strcmp0(machine->name, name) == 0)
            return machine_copy(machine);
    }
    return NULL;
}

void
hypervisor_ids_clear(struct hypervisor_ids *ids)
{
    g_strfreev(ids->ids);
    ids->ids = NULL;
}

struct frozen *
hypervisor_case_try(struct hypervisor_case *one, const struct hypervisor_ids *ids,
                    enum freeze_quiesce quiesce, GError **error)
{
    g_autofree struct freeze_disk *disks = g_new0(struct freeze_disk, one->n);
    for (guint i = 0; i < one->n; i++) {
        disks[i].name = one->suite->disks[i];
        if (ids != NULL) {
            disks[i].change_id = ids->ids[i];
            disks[i].size = disk_size(g_ptr_array_index(one->models, i));
        }
    }
    const struct freeze_options options = {
        .quiesce = quiesce, .disks = disks, .n_disks = one->n, .chain = CHAIN};
    return hypervisor_freeze(one->hypervisor, one->machine, &options, error);
}

struct frozen *
hypervisor_case_freeze(struct hypervisor_case *one, const struct hypervisor_ids *ids)
{
    g_autoptr(GError) error = NULL;
    struct frozen *frozen = hypervisor_case_try(one, ids, FREEZE_NEVER, &error);
    g_assert_no_error(error);
    g_assert_nonnull(frozen);
    g_assert_cmpuint(frozen_n_disks(frozen), ==, one->n);
    for (guint i = 0; i < one->n; i++) {
        const struct frozen_disk *disk = frozen_get_disk(frozen, i);
        g_assert_cmpstr(disk->name, ==, one->suite->disks[i]);
        g_assert_cmpuint(disk_size(disk->disk), ==, disk_size(g_ptr_array_index(one->models, i)));
        g_assert_cmpint(disk_capabilities(disk->disk) & DISK_CAN_WRITE, ==, 0);
        g_assert_true((disk->change_id != NULL) == (one->suite->granularity > 0));
    }
    return frozen;
}

struct hypervisor_ids
hypervisor_case_ids(const struct frozen *frozen)
{
    GPtrArray *ids = g_ptr_array_new();
    for (guint i = 0; i < frozen_n_disks(frozen); i++)
        g_ptr_array_add(ids, g_strdup(frozen_get_disk(frozen, i)->change_id));
    g_ptr_array_add(ids, NULL);
    return (struct hypervisor_ids){(char **)g_ptr_array_free(ids, FALSE)};
}

void
hypervisor_case_thaw(struct frozen *frozen)
{
    g_autoptr(GError) error = NULL;
    gboolean ok = frozen_thaw(frozen, &error);
    g_assert_no_error(error);
    g_assert_true(ok);
    g_assert_cmpstr(frozen_torn(frozen), ==, NULL);
    for (guint i = 0; i < frozen_n_disks(frozen); i++)
        g_assert_null(frozen_get_disk(frozen, i)->disk);
}

void
hypervisor_case_settle(struct frozen *frozen, gboolean kept)
{
    g_autoptr(GError) error = NULL;
    gboolean ok = frozen_settle(frozen, kept, &error);
    g_assert_no_error(error);
    g_assert_true(ok);
}

void
hypervisor_case_same(struct disk *disk, struct disk *model)
{
    g_autoptr(GError) error = NULL;
    g_autofree guint8 *left = g_malloc(MIB), *right = g_malloc(MIB);
    g_assert_cmpuint(disk_size(disk), ==, disk_size(model));
    struct disk_extent extent;
    for (guint64 at = 0; at < disk_size(disk); at += extent.length) {
        disk_extent(disk, at, MIB, &extent, &error);
        g_assert_no_error(error);
        disk_read(model, at, right, extent.length, &error);
        g_assert_no_error(error);
        if (extent.kind == DISK_ZERO)
            memset(left, 0, extent.length);
        else
            disk_read(disk, at, left, extent.length, &error);
        g_assert_no_error(error);
        if (memcmp(left, right, extent.length) != 0)
            g_error("%s is not as it must be within %" G_GUINT64_FORMAT " bytes from "
                    "%" G_GUINT64_FORMAT " on",
                    disk_label(disk), extent.length, at);
    }
}

void
hypervisor_case_expect(const struct frozen *frozen, const GPtrArray *moment)
{
    for (guint i = 0; i < moment->len; i++)
        hypervisor_case_same(frozen_get_disk(frozen, i)->disk, g_ptr_array_index(moment, i));
}

/* Onto `base` what of `from` is in the list. */
static void
apply(struct disk *base, struct disk *from, const struct extent_list *changed)
{
    g_autoptr(GError) error = NULL;
    struct extent extent;
    for (guint64 at = 0; extent_list_next(changed, at, NULL, &extent);
         at = extent.offset + extent.length) {
        g_autofree guint8 *data = g_malloc(extent.length);
        g_assert_true(disk_read(from, extent.offset, data, extent.length, &error) &&
                      disk_write(base, extent.offset, data, extent.length, &error));
    }
}

/* Bytes of the blocks that differ. */
static guint64
measure_difference(struct disk *left, struct disk *right)
{
    g_autoptr(GError) error = NULL;
    g_autofree guint8 *a = g_malloc(KIB64), *b = g_malloc(KIB64);
    guint64 total = 0;
    for (guint64 at = 0; at < disk_size(left); at += KIB64) {
        g_assert_true(disk_read(left, at, a, KIB64, &error) &&
                      disk_read(right, at, b, KIB64, &error));
        total += memcmp(a, b, KIB64) != 0 ? KIB64 : 0;
    }
    return total;
}

void
hypervisor_case_expect_changes(const struct frozen *frozen, const GPtrArray *before)
{
    for (guint i = 0; i < before->len; i++) {
        const struct frozen_disk *disk = frozen_get_disk(frozen, i);
        g_assert_cmpstr(disk->why_full, ==, NULL);
        g_assert_nonnull(disk->changed);
        guint64 differs = measure_difference(disk->disk, g_ptr_array_index(before, i));
        g_assert_cmpuint(extent_list_total(disk->changed), <=, differs + SLACK);
        auto_ptr(disk) made = copy_disk(g_ptr_array_index(before, i));
        apply(made, disk->disk, disk->changed);
        hypervisor_case_same(disk->disk, made);
    }
}

void
hypervisor_case_expect_full(const struct frozen *frozen)
{
    for (guint i = 0; i < frozen_n_disks(frozen); i++) {
        const struct frozen_disk *disk = frozen_get_disk(frozen, i);
        g_assert_null(disk->changed);
        g_assert_nonnull(disk->why_full);
        g_assert_cmpuint(strlen(disk->why_full), >, 0);
    }
}

void
hypervisor_suite_add_test(const struct hypervisor_suite *suite, const char *name,
                          void (*test)(gconstpointer suite))
{
    g_autofree char *path = g_strdup_printf("/hypervisor/%s/%s", suite->name, name);
    g_test_add_data_func(path, suite, test);
}
