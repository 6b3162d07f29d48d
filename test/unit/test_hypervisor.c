/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The frontend, over a driver that answers what a test wants it to: what no driver that works would
 * say, and what a driver forgot to do. */
#include "base/cancel.h"
#include "base/error.h"
#include "disk/disk_open.h"
#include "hyper/hypervisor_driver.h"

#include <string.h>

struct answers {
    struct hypervisor base;
    void (*fill)(struct frozen *frozen); /* what freeze() makes */
    guint thaws, thaw_fails, settles, frees, abandons, finishes, abandon_fails;
    gboolean kept, settle_fails, finish_fails;
};

struct fake_frozen {
    struct frozen base;
    struct answers *answers;
};

struct fake_placement {
    struct placement base;
    struct answers *answers;
};

static gboolean
thaw(struct frozen *self, GError **error)
{
    struct answers *answers = ((struct fake_frozen *)self)->answers;
    answers->thaws++;
    for (guint i = 0; i < self->disks->len; i++)
        g_assert_null(((const struct frozen_disk *)g_ptr_array_index(self->disks, i))->disk);
    if (answers->thaw_fails == 0)
        return TRUE;
    answers->thaw_fails--;
    return error_set(error, SLIPWAY_ERROR_FAILED, "the snapshot does not go");
}

static gboolean
settle(struct frozen *self, gboolean kept, GError **error)
{
    struct answers *answers = ((struct fake_frozen *)self)->answers;
    answers->settles++;
    answers->kept = kept;
    return !answers->settle_fails || error_set(error, SLIPWAY_ERROR_FAILED, "not settled");
}

static void
free_frozen(struct frozen *self)
{
    ((struct fake_frozen *)self)->answers->frees++;
    g_free(self);
}

static struct frozen *
freeze(struct hypervisor *self, const struct machine *machine G_GNUC_UNUSED,
       const struct freeze_options *options, GError **error G_GNUC_UNUSED)
{
    static const struct frozen_class class = {thaw, settle, free_frozen};
    struct fake_frozen *frozen = g_new0(struct fake_frozen, 1);
    frozen_init(&frozen->base, &class, options);
    frozen->answers = (struct answers *)self;
    frozen->answers->fill(&frozen->base);
    return &frozen->base;
}

static gboolean
finish(struct placement *self, gboolean power_on G_GNUC_UNUSED, struct machine **ret,
       GError **error)
{
    struct answers *answers = ((struct fake_placement *)self)->answers;
    answers->finishes++;
    g_assert_null(placement_get_disk(self, 0)->target);
    if (answers->finish_fails)
        return error_set(error, SLIPWAY_ERROR_FAILED, "not finished");
    if (ret != NULL)
        *ret = machine_new();
    return TRUE;
}

static gboolean
abandon(struct placement *self, GError **error)
{
    struct answers *answers = ((struct fake_placement *)self)->answers;
    answers->abandons++;
    if (answers->abandon_fails == 0)
        return TRUE;
    answers->abandon_fails--;
    return error_set(error, SLIPWAY_ERROR_FAILED, "the machine does not go");
}

static void
free_placement(struct placement *self)
{
    ((struct fake_placement *)self)->answers->frees++;
    g_free(self);
}

static struct placement *
create(struct hypervisor *self, const struct machine *wanted, struct progress *progress,
       GError **error G_GNUC_UNUSED)
{
    static const struct placement_class class = {
        .finish = finish, .abandon = abandon, .free = free_placement};
    struct fake_placement *placement = g_new0(struct fake_placement, 1);
    placement_init(&placement->base, &class, progress);
    placement->answers = (struct answers *)self;
    placement_add_disk(&placement->base, "a", 4096)->target = disk_memory_new(4096, "a");
    placement_add_disk(&placement->base, "b", 4096);
    placement_say(&placement->base, "%s is not as it was", wanted->name);
    return &placement->base;
}

static GPtrArray *
list(struct hypervisor *self G_GNUC_UNUSED, GError **error G_GNUC_UNUSED)
{
    GPtrArray *machines = g_ptr_array_new_with_free_func((GDestroyNotify)machine_free);
    static const char *const rows[][2] = {{"/b", "2"}, {"/b", "1"}, {"/a", "9"}, {NULL, "5"}};
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        struct machine *machine = machine_new();
        machine->folder = g_strdup(rows[i][0]);
        machine->name = g_strdup(rows[i][1]);
        g_ptr_array_add(machines, machine);
    }
    return machines;
}

static void
close_answers(struct hypervisor *self G_GNUC_UNUSED)
{
}

static const struct hypervisor_class class = {
    .name = "fake", .close = close_answers, .list = list, .freeze = freeze, .create = create};

static void
begin(struct answers *answers, void (*fill)(struct frozen *))
{
    *answers = (struct answers){.fill = fill};
    hypervisor_init(&answers->base, &class, HYPERVISOR_CAN_TRACK | HYPERVISOR_CAN_CREATE, "fake",
                    NULL);
}

static struct frozen *
ask(struct answers *answers, const struct freeze_disk *disks, guint n, struct progress *progress,
    GError **error)
{
    auto_ptr(machine) machine = machine_new();
    machine->ref = g_strdup("m1");
    const struct freeze_options options = {
        .disks = disks, .n_disks = n, .chain = "c", .progress = progress};
    return hypervisor_freeze(&answers->base, machine, &options, error);
}

static struct frozen_disk *
add_disk(struct frozen *frozen, const char *name)
{
    struct frozen_disk *disk = frozen_add_disk(frozen, name);
    disk->disk = disk_memory_new(1 << 20, name);
    return disk;
}

static void
fill_plain(struct frozen *frozen)
{
    add_disk(frozen, "a");
}

/* Out of order, touching, and beyond the end. */
static void
fill_changes(struct frozen *frozen)
{
    struct frozen_disk *disk = add_disk(frozen, "a");
    disk->changed = extent_list_new();
    extent_list_add(disk->changed, 1 << 19, G_MAXINT64);
    extent_list_add(disk->changed, 4096, 4096);
    extent_list_add(disk->changed, 0, 4096);
    disk->why_full = g_strdup("it is not full at all");
}

static void
fill_other_name(struct frozen *frozen)
{
    add_disk(frozen, "b");
}

static void
fill_closed(struct frozen *frozen)
{
    frozen_add_disk(frozen, "a");
}

static void
fill_two(struct frozen *frozen)
{
    add_disk(frozen, "a");
    add_disk(frozen, "b");
}

static void
test_changes(void)
{
    static const struct {
        void (*fill)(struct frozen *);
        struct freeze_disk disk;
        guint64 changed; /* bytes; 0: not known */
        const char *why;
    } rows[] = {
        {fill_changes, {"a", "id", 1 << 20}, 8192 + (1 << 19), NULL},
        {fill_changes, {"a", "id", 1 << 19}, 0, "it is not full at all"},
        {fill_changes, {"a", NULL, 0}, 0, "it is not full at all"},
        {fill_plain, {"a", "id", 1 << 20}, 0, "the hypervisor does not say what changed"},
        {fill_plain, {"a", NULL, 0}, 0, NULL},
    };
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        struct answers answers;
        g_autoptr(GError) error = NULL;
        begin(&answers, rows[i].fill);
        struct frozen *frozen = ask(&answers, &rows[i].disk, 1, NULL, &error);
        g_assert_no_error(error);
        const struct frozen_disk *disk = frozen_get_disk(frozen, 0);
        g_assert_cmpuint(disk->changed != NULL ? extent_list_total(disk->changed) : 0, ==,
                         rows[i].changed);
        g_assert_cmpstr(disk->why_full, ==, rows[i].why);
        g_assert_cmpint(frozen_milliseconds(frozen), >=, 0);
        frozen_free(frozen);
        g_assert_cmpuint(answers.frees, ==, 1);
        hypervisor_close(&answers.base);
    }
}

/* What a driver left out is an error, and what it made is taken back. */
static void
test_incomplete(void)
{
    static void (*const fills[])(struct frozen *) = {fill_other_name, fill_closed, fill_two};
    for (guint i = 0; i < G_N_ELEMENTS(fills); i++) {
        struct answers answers;
        g_autoptr(GError) error = NULL;
        const struct freeze_disk disk = {.name = "a"};
        begin(&answers, fills[i]);
        g_assert_null(ask(&answers, &disk, 1, NULL, &error));
        g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_FAILED);
        g_assert_nonnull(strstr(error->message, "please report this"));
        g_assert_cmpuint(answers.thaws, ==, 1);
        g_assert_cmpuint(answers.settles, ==, 1);
        g_assert_false(answers.kept);
        g_assert_cmpuint(answers.frees, ==, 1);
        hypervisor_close(&answers.base);
    }
}

static void
test_arguments(void)
{
    struct answers answers;
    begin(&answers, fill_plain);
    auto_ptr(machine) machine = machine_new();
    const struct freeze_disk twice[] = {{.name = "a"}, {.name = "a"}};
    static const struct {
        const char *ref, *chain;
        guint n;
        enum freeze_quiesce quiesce;
        int code;
    } rows[] = {
        {NULL, "c", 1, FREEZE_TRY, SLIPWAY_ERROR_USAGE},
        {"", "c", 1, FREEZE_TRY, SLIPWAY_ERROR_USAGE},
        {"m", "c", 0, FREEZE_TRY, SLIPWAY_ERROR_USAGE},
        {"m", "c", 2, FREEZE_TRY, SLIPWAY_ERROR_USAGE},
        {"m", NULL, 1, FREEZE_TRY, SLIPWAY_ERROR_USAGE},
        {"m", "", 1, FREEZE_TRY, SLIPWAY_ERROR_USAGE},
        {"m", "Store", 1, FREEZE_TRY, SLIPWAY_ERROR_USAGE},
        {"m", "12345678901234567", 1, FREEZE_TRY, SLIPWAY_ERROR_USAGE},
        {"m", "c", 1, FREEZE_REQUIRE, SLIPWAY_ERROR_UNSUPPORTED},
    };
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        g_free(machine->ref);
        machine->ref = g_strdup(rows[i].ref);
        const struct freeze_options options = {.disks = twice,
                                               .n_disks = rows[i].n,
                                               .chain = rows[i].chain,
                                               .quiesce = rows[i].quiesce};
        g_assert_null(hypervisor_freeze(&answers.base, machine, &options, &error));
        g_assert_error(error, SLIPWAY_ERROR, rows[i].code);
    }
    g_assert_null(hypervisor_describe(&answers.base, "", NULL));
    g_autoptr(GError) error = NULL;
    g_assert_null(hypervisor_overwrite(&answers.base, "m", NULL, NULL, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_UNSUPPORTED);
    hypervisor_close(&answers.base);
}

struct warnings {
    struct progress base;
    guint n;
    char *last;
};

static void
note(struct progress *self, enum progress_note kind, const char *text)
{
    struct warnings *warnings = (struct warnings *)self;
    g_assert_cmpint(kind, ==, PROGRESS_WARNING);
    warnings->n++;
    g_free(warnings->last);
    warnings->last = g_strdup(text);
}

static const struct progress_class warnings_class = {.note = note};

/* Thawed again when it failed; what fails at the very end is a warning. */
static void
test_thaw(void)
{
    struct answers answers;
    struct warnings warnings = {.base = {&warnings_class}};
    g_autoptr(GError) error = NULL;
    const struct freeze_disk disk = {.name = "a"};
    begin(&answers, fill_plain);
    struct frozen *frozen = ask(&answers, &disk, 1, &warnings.base, &error);
    g_assert_false(frozen_settle(frozen, TRUE, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_USAGE);
    g_clear_error(&error);
    answers.thaw_fails = 1;
    g_assert_false(frozen_thaw(frozen, &error));
    g_clear_error(&error);
    g_assert_true(frozen_thaw(frozen, &error));
    g_assert_true(frozen_thaw(frozen, &error));
    g_assert_cmpuint(answers.thaws, ==, 2);
    frozen_free(frozen);
    g_assert_cmpuint(answers.settles, ==, 1);
    g_assert_false(answers.kept);
    g_assert_cmpuint(warnings.n, ==, 0);

    frozen = ask(&answers, &disk, 1, &warnings.base, &error);
    answers.thaw_fails = 2;
    g_assert_false(frozen_thaw(frozen, NULL));
    frozen_free(frozen);
    g_assert_cmpuint(answers.thaws, ==, 4);
    g_assert_cmpuint(answers.settles, ==, 1);
    g_assert_cmpuint(warnings.n, ==, 1);
    g_assert_cmpstr(warnings.last, ==, "the snapshot does not go");
    g_free(warnings.last);
    hypervisor_close(&answers.base);
}

/* What was decided stays decided. */
static void
test_settle(void)
{
    struct answers answers;
    g_autoptr(GError) error = NULL;
    const struct freeze_disk disk = {.name = "a"};
    begin(&answers, fill_plain);
    struct frozen *frozen = ask(&answers, &disk, 1, NULL, &error);
    g_assert_true(frozen_thaw(frozen, &error));
    answers.settle_fails = TRUE;
    g_assert_false(frozen_settle(frozen, TRUE, &error));
    g_clear_error(&error);
    g_assert_false(frozen_settle(frozen, TRUE, &error));
    g_assert_cmpuint(answers.settles, ==, 2);
    frozen_free(frozen);
    g_assert_cmpuint(answers.settles, ==, 2);
    g_assert_true(answers.kept);
    hypervisor_close(&answers.base);
}

static struct placement *
new_placement(struct answers *answers, struct progress *progress)
{
    g_autoptr(GError) error = NULL;
    auto_ptr(machine) wanted = machine_new();
    wanted->name = g_strdup("new");
    struct placement *placement = hypervisor_create(&answers->base, wanted, progress, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(placement_words(placement)->len, ==, 1);
    g_assert_cmpstr(g_ptr_array_index(placement_words(placement), 0), ==, "new is not as it was");
    return placement;
}

static void
test_placement(void)
{
    struct answers answers;
    g_autoptr(GError) error = NULL;
    begin(&answers, NULL);
    struct placement *placement = new_placement(&answers, NULL);
    auto_ptr(disk) source = disk_memory_new(4096, "source");
    static const struct {
        guint index;
        int code;
    } rows[] = {{0, SLIPWAY_ERROR_USAGE}, {1, SLIPWAY_ERROR_UNSUPPORTED}, {2, SLIPWAY_ERROR_USAGE}};
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_assert_false(placement_import(placement, rows[i].index, source, NULL, &error));
        g_assert_error(error, SLIPWAY_ERROR, rows[i].code);
        g_clear_error(&error);
    }
    struct machine *machine = NULL;
    answers.finish_fails = TRUE;
    g_assert_false(placement_finish(placement, TRUE, &machine, &error));
    g_assert_null(machine);
    g_clear_error(&error);
    answers.finish_fails = FALSE;
    g_assert_true(placement_finish(placement, TRUE, &machine, &error));
    g_assert_nonnull(machine);
    machine_free(machine);
    g_assert_false(placement_finish(placement, TRUE, NULL, &error));
    g_assert_true(placement_abandon(placement, NULL));
    placement_free(placement);
    g_assert_cmpuint(answers.finishes, ==, 2);
    g_assert_cmpuint(answers.abandons, ==, 0);
    hypervisor_close(&answers.base);
}

static void
test_abandon(void)
{
    struct answers answers;
    struct warnings warnings = {.base = {&warnings_class}};
    begin(&answers, NULL);
    placement_free(new_placement(&answers, &warnings.base));
    g_assert_cmpuint(answers.abandons, ==, 1);
    struct placement *placement = new_placement(&answers, &warnings.base);
    answers.abandon_fails = 1;
    g_assert_false(placement_abandon(placement, NULL));
    g_assert_true(placement_abandon(placement, NULL));
    placement_free(placement);
    g_assert_cmpuint(answers.abandons, ==, 3);
    g_assert_cmpuint(warnings.n, ==, 0);
    answers.abandon_fails = 1;
    placement_free(new_placement(&answers, &warnings.base));
    g_assert_cmpuint(warnings.n, ==, 1);
    g_assert_cmpstr(warnings.last, ==, "the machine does not go");
    g_free(warnings.last);
    hypervisor_close(&answers.base);
}

static void
test_cancelled(void)
{
    struct answers answers;
    g_autoptr(GError) error = NULL;
    begin(&answers, fill_plain);
    auto_ptr(machine) wanted = machine_new();
    wanted->name = g_strdup("new");
    struct placement *placement = new_placement(&answers, NULL);
    cancel_request();
    g_assert_null(hypervisor_create(&answers.base, wanted, NULL, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CANCELLED);
    g_clear_error(&error);
    g_assert_null(hypervisor_list(&answers.base, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CANCELLED);
    g_clear_error(&error);
    g_assert_true(placement_abandon(placement, &error));
    g_assert_no_error(error);
    cancel_heard();
    placement_free(placement);
    hypervisor_close(&answers.base);
}

static void
test_order(void)
{
    struct answers answers;
    begin(&answers, NULL);
    g_autoptr(GPtrArray) machines = hypervisor_list(&answers.base, NULL);
    static const char *const names[] = {"5", "9", "1", "2"};
    for (guint i = 0; i < machines->len; i++)
        g_assert_cmpstr(((const struct machine *)g_ptr_array_index(machines, i))->name, ==,
                        names[i]);
    hypervisor_close(&answers.base);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hypervisor/frontend/changes", test_changes);
    g_test_add_func("/hypervisor/frontend/incomplete", test_incomplete);
    g_test_add_func("/hypervisor/frontend/arguments", test_arguments);
    g_test_add_func("/hypervisor/frontend/thaw", test_thaw);
    g_test_add_func("/hypervisor/frontend/settle", test_settle);
    g_test_add_func("/hypervisor/frontend/placement", test_placement);
    g_test_add_func("/hypervisor/frontend/abandon", test_abandon);
    g_test_add_func("/hypervisor/frontend/cancelled", test_cancelled);
    g_test_add_func("/hypervisor/frontend/order", test_order);
    return g_test_run();
}
