/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/cancel.h"
#include "engine/machine_restore.h"
#include "machine_fixture.h"

/* A machine with a set, and what it had then. */
struct scene {
    struct world *world;
    struct set *set;
    struct disk *disks[2];
};

static void
add_place(struct hypervisor *hypervisor, enum place_kind kind, const char *name, const char *path)
{
    struct place *place = g_new0(struct place, 1);
    place->kind = kind;
    place->network = MACHINE_PORT_GROUP;
    place->name = g_strdup(name);
    place->path = g_strdup(path);
    place->capacity = place->free = (guint64)1 << 40;
    hypervisor_memory_add_place(hypervisor, place);
}

static struct scene *
scene_new_on(const struct hypervisor_memory_options *options)
{
    struct scene *scene = g_new0(struct scene, 1);
    struct machine_backup_report report;
    scene->world = world_new_on(repo_memory_new(), options);
    add_place(scene->world->hypervisor, PLACE_FOLDER, "prod", "/DC0/vm/prod");
    add_place(scene->world->hypervisor, PLACE_FOLDER, "lab", "/DC0/vm/lab");
    add_place(scene->world->hypervisor, PLACE_DATASTORE, "ds1", NULL);
    add_place(scene->world->hypervisor, PLACE_NETWORK, "VM Network", NULL);
    world_backup(scene->world, scene->world->ref, &report);
    scene->set = g_steal_pointer(&report.backup.set);
    machine_backup_report_clear(&report);
    for (guint i = 0; i < 2; i++)
        scene->disks[i] = hypervisor_memory_look(scene->world->hypervisor, scene->world->ref,
                                                 i == 0 ? "scsi0:0" : "scsi0:1");
    return scene;
}

static struct scene *
scene_new(gboolean import)
{
    const struct hypervisor_memory_options options = {.import = import};
    return scene_new_on(&options);
}

static void
scene_free(struct scene *scene)
{
    if (scene == NULL)
        return;
    disk_close(scene->disks[0]);
    disk_close(scene->disks[1]);
    set_free(scene->set);
    world_free(scene->world);
    g_free(scene);
}
AUTO_PTR_DEFINE(scene, scene_free)

static struct machine_restore_options
options_of(const struct scene *scene)
{
    return (struct machine_restore_options){
        .mac = RESTORE_MAC_NEW, .threads = 2, .progress = scene->world->progress};
}

static void
assert_disk(struct scene *scene, struct hypervisor *hypervisor, const char *ref, guint index)
{
    auto_ptr(disk) now =
        hypervisor_memory_look(hypervisor, ref, index == 0 ? "scsi0:0" : "scsi0:1");
    g_assert_cmpuint(disk_size(now), ==, disk_size(scene->disks[index]));
    engine_assert_same(now, scene->disks[index]);
}

static guint
count_machines(struct hypervisor *hypervisor)
{
    g_autoptr(GPtrArray) machines = hypervisor_list(hypervisor, NULL);
    return machines->len;
}

static guint
count_calls(struct hypervisor *hypervisor, enum hypervisor_memory_call call)
{
    struct hypervisor_memory_counts counts;
    hypervisor_memory_count(hypervisor, &counts);
    return counts.calls[call];
}

/* ---- As a new machine ------------------------------------------------------------------------ */

static void
check_new(gboolean import, guint threads)
{
    auto_ptr(scene) scene = scene_new(import);
    struct world *world = scene->world;
    struct machine_restore_options options = options_of(scene);
    struct machine_restore_report report;
    struct hypervisor_memory_counts counts;
    g_autoptr(GError) error = NULL;
    options.power_on = TRUE;
    options.threads = threads;
    world_scribble(world, world->ref, 3);
    hypervisor_memory_note(world->hypervisor, "restore");
    machine_restore_new(world->store, scene->set, world->hypervisor, &options, &report, &error);
    g_assert_no_error(error);
    g_autofree char *events = hypervisor_memory_events(world->hypervisor);
    g_assert_true(g_str_has_suffix(events, import ? " restore list places create import finish"
                                                  : " restore list places create write finish"));
    g_assert_cmpstr(report.machine->name, ==, "app01-restored");
    g_assert_cmpint(report.machine->power, ==, MACHINE_ON);
    g_assert_nonnull(report.machine->id);
    assert_disk(scene, world->hypervisor, report.machine->ref, 0);
    assert_disk(scene, world->hypervisor, report.machine->ref, 1);
    g_assert_cmpuint(report.written + report.skipped, ==, MACHINE_SIZE + MACHINE_OTHER_SIZE);
    g_assert_cmpuint(report.written, <=, scene->set->stats.data);
    hypervisor_memory_count(world->hypervisor, &counts);
    g_assert_cmpuint(import ? counts.bytes_imported : counts.bytes_written, >, 0);
    g_assert_cmpuint(counts.bytes_imported + counts.bytes_written, <=, scene->set->stats.data);
    world_assert_clean(world);
    machine_restore_report_clear(&report);
}

static void
test_new(void)
{
    for (guint threads = 1; threads < 4; threads++) {
        check_new(FALSE, threads);
        check_new(TRUE, threads);
    }
}

/* The new machine is one of its own: its backups are not the old one's. */
static void
test_new_is_another(void)
{
    auto_ptr(scene) scene = scene_new(FALSE);
    struct world *world = scene->world;
    struct machine_restore_options options = options_of(scene);
    struct machine_restore_report report;
    struct machine_backup_report backup;
    const char *const only[] = {"scsi0:0", NULL};
    options.only = only;
    options.folder = "lab";
    options.name = "app01-test";
    g_assert_true(
        machine_restore_new(world->store, scene->set, world->hypervisor, &options, &report, NULL));
    g_assert_cmpuint(report.machine->disks->len, ==, 1);
    g_assert_cmpstr(report.machine->folder, ==, "/DC0/vm/lab");
    g_assert_cmpuint(report.words->len, ==, 1);
    assert_disk(scene, world->hypervisor, report.machine->ref, 0);
    const struct set *set = world_backup(world, report.machine->ref, &backup);
    g_assert_false(set->has_parent);
    g_assert_cmpstr(set->identity, !=, scene->set->identity);
    machine_backup_report_clear(&backup);
    machine_restore_report_clear(&report);
}

static void
refuse_new(struct scene *scene, struct hypervisor *hypervisor,
           const struct machine_restore_options *options, int code, const char *words)
{
    struct machine_restore_report report;
    g_autoptr(GError) error = NULL;
    guint machines = count_machines(hypervisor);
    g_assert_false(
        machine_restore_new(scene->world->store, scene->set, hypervisor, options, &report, &error));
    g_assert_error(error, SLIPWAY_ERROR, code);
    if (strstr(error->message, words) == NULL)
        g_error("\"%s\" is not in: %s", words, error->message);
    g_assert_null(report.machine);
    g_assert_cmpuint(count_machines(hypervisor), ==, machines);
    machine_restore_report_clear(&report);
}

/* Everything is decided before the first thing is made. */
static void
test_refused(void)
{
    auto_ptr(scene) scene = scene_new(FALSE);
    struct world *world = scene->world;
    struct machine_restore_options options = options_of(scene);
    options.mac = RESTORE_MAC_AUTO;
    refuse_new(scene, world->hypervisor, &options, SLIPWAY_ERROR_EXISTS,
               "is taken by machine /DC0/vm/prod/app01");
    options.mac = RESTORE_MAC_NEW;
    options.suffix = "";
    refuse_new(scene, world->hypervisor, &options, SLIPWAY_ERROR_EXISTS, "already");
    options.suffix = NULL;
    options.folder = "/DC0/vm/nowhere";
    refuse_new(scene, world->hypervisor, &options, SLIPWAY_ERROR_NOT_FOUND,
               "there is no folder /DC0/vm/nowhere");
    options.folder = NULL;
    g_assert_cmpuint(count_calls(world->hypervisor, HYPERVISOR_MEMORY_CREATE), ==, 0);

    const struct hypervisor_memory_options weak = {.capabilities = HYPERVISOR_CAN_TRACK};
    auto_ptr(hypervisor) other = hypervisor_memory_new(&weak);
    refuse_new(scene, other, &options, SLIPWAY_ERROR_UNSUPPORTED, "machines cannot be made here");
    g_free(scene->set->config_type);
    scene->set->config_type = g_strdup("vmx");
    refuse_new(scene, world->hypervisor, &options, SLIPWAY_ERROR_UNSUPPORTED,
               "no description of a machine");
}

/* A set that cannot be read becomes no machine. */
static void
test_damaged(void)
{
    for (guint import = 0; import < 2; import++) {
        auto_ptr(scene) scene = scene_new(import);
        struct map_leaf *leaf = g_new0(struct map_leaf, 1);
        engine_leaf(scene->world->store, engine_map(scene->set), 0, leaf);
        engine_damage(scene->world->store, &leaf->entries[leaf->n - 1].id, NULL);
        g_free(leaf);
        struct machine_restore_options options = options_of(scene);
        refuse_new(scene, scene->world->hypervisor, &options, SLIPWAY_ERROR_CORRUPT,
                   "machine app01-restored: disk scsi0:0: ");
        world_assert_clean(scene->world);
    }
}

/* ---- Faults ---------------------------------------------------------------------------------- */

static void
run_with_fault(gboolean import, enum hypervisor_memory_call call, guint nth, gboolean once,
               gboolean *ret_struck)
{
    auto_ptr(scene) scene = scene_new(import);
    struct world *world = scene->world;
    struct machine_restore_options options = options_of(scene);
    struct machine_restore_report report;
    g_autoptr(GError) error = NULL;
    guint before = count_calls(world->hypervisor, call);
    hypervisor_memory_fault(world->hypervisor, call, nth, once, SLIPWAY_ERROR_NETWORK);
    gboolean ok =
        machine_restore_new(world->store, scene->set, world->hypervisor, &options, &report, &error);
    *ret_struck = count_calls(world->hypervisor, call) - before >= nth;
    hypervisor_memory_heal(world->hypervisor);
    g_assert_cmpint(ok, ==, !*ret_struck);
    if (ok)
        g_assert_no_error(error);
    else
        g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NETWORK);
    g_assert_cmpuint(count_machines(world->hypervisor), ==, ok ? 2 : 1);
    world_assert_clean(world);
    machine_restore_report_clear(&report);
}

/* Every call fails in turn: no machine is left, not even a part of one. */
static void
test_faults(void)
{
    static const enum hypervisor_memory_call calls[] = {
        HYPERVISOR_MEMORY_LIST,  HYPERVISOR_MEMORY_PLACES, HYPERVISOR_MEMORY_CREATE,
        HYPERVISOR_MEMORY_WRITE, HYPERVISOR_MEMORY_IMPORT, HYPERVISOR_MEMORY_FINISH};
    for (guint import = 0; import < 2; import++) {
        for (gsize i = 0; i < G_N_ELEMENTS(calls); i++) {
            gboolean struck = TRUE;
            guint n = 0;
            while (struck && n < 100) {
                n++;
                run_with_fault(import, calls[i], n, TRUE, &struck);
                run_with_fault(import, calls[i], n, FALSE, &struck);
            }
            gboolean never =
                calls[i] == (import ? HYPERVISOR_MEMORY_WRITE : HYPERVISOR_MEMORY_IMPORT);
            g_assert_cmpint(n >= 2, ==, !never);
            g_assert_false(struck);
        }
    }
}

/* What cannot be removed is told. */
static void
test_abandon_fails(void)
{
    auto_ptr(scene) scene = scene_new(FALSE);
    struct hypervisor *hypervisor = scene->world->hypervisor;
    struct machine_restore_options options = options_of(scene);
    hypervisor_memory_fault(hypervisor, HYPERVISOR_MEMORY_FINISH, 1, TRUE, SLIPWAY_ERROR_BUSY);
    hypervisor_memory_fault(hypervisor, HYPERVISOR_MEMORY_ABANDON, 1, FALSE, SLIPWAY_ERROR_FAILED);
    refuse_new(scene, hypervisor, &options, SLIPWAY_ERROR_BUSY, "besides: memory: cannot abandon");
}

static void
cancel_at(struct hypervisor *hypervisor G_GNUC_UNUSED, enum hypervisor_memory_call call,
          gpointer data)
{
    if (call == *(const enum hypervisor_memory_call *)data)
        cancel_request();
}

static void
test_cancel(void)
{
    for (enum hypervisor_memory_call call = 0; call < HYPERVISOR_MEMORY_CALL_N; call++) {
        auto_ptr(scene) scene = scene_new(call == HYPERVISOR_MEMORY_IMPORT);
        struct world *world = scene->world;
        struct machine_restore_options options = options_of(scene);
        struct machine_restore_report report;
        g_autoptr(GError) error = NULL;
        hypervisor_memory_follow(world->hypervisor, cancel_at, &call);
        gboolean ok = machine_restore_new(world->store, scene->set, world->hypervisor, &options,
                                          &report, &error);
        gboolean cancelled = cancel_requested();
        cancel_heard();
        hypervisor_memory_follow(world->hypervisor, NULL, NULL);
        /* What was being finished is finished. */
        if (cancelled && call != HYPERVISOR_MEMORY_FINISH) {
            g_assert_false(ok);
            g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CANCELLED);
        }
        g_assert_cmpuint(count_machines(world->hypervisor), ==, ok ? 2 : 1);
        world_assert_clean(world);
        machine_restore_report_clear(&report);
    }
}

/* ---- Over a machine -------------------------------------------------------------------------- */

static void
turn_off(struct scene *scene)
{
    hypervisor_memory_machine(scene->world->hypervisor, scene->world->ref)->power = MACHINE_OFF;
}

/* Only what differs is written; the next backup knows what was. */
static void
test_over(void)
{
    auto_ptr(scene) scene = scene_new(FALSE);
    struct world *world = scene->world;
    struct machine_restore_options options = options_of(scene);
    struct machine_restore_report report;
    struct machine_backup_report backup;
    struct hypervisor_memory_counts before, after;
    g_autoptr(GError) error = NULL;
    struct machine *machine = hypervisor_memory_machine(world->hypervisor, world->ref);
    world_scribble(world, world->ref, 3);
    world_backup(world, world->ref, &backup);
    machine_backup_report_clear(&backup);
    world_scribble(world, world->ref, 4);
    turn_off(scene);
    g_free(machine->name);
    machine->name = g_strdup("renamed");
    hypervisor_memory_count(world->hypervisor, &before);
    machine_restore_over(world->store, scene->set, world->hypervisor, NULL, &options, &report,
                         &error);
    g_assert_no_error(error);
    hypervisor_memory_count(world->hypervisor, &after);
    g_assert_cmpstr(report.machine->name, ==, "renamed");
    g_assert_cmpint(report.machine->power, ==, MACHINE_OFF);
    assert_disk(scene, world->hypervisor, world->ref, 0);
    assert_disk(scene, world->hypervisor, world->ref, 1);
    g_assert_cmpuint(report.written, >, 0);
    g_assert_cmpuint(report.written, <=, 6 * 8 * 4096);
    g_assert_cmpuint(after.bytes_written - before.bytes_written, ==, report.written);
    g_assert_cmpuint(report.written + report.skipped, ==, MACHINE_SIZE + MACHINE_OTHER_SIZE);
    machine_restore_report_clear(&report);
    world_assert_clean(world);
    const struct set *set = world_backup(world, world->ref, &backup);
    world_assert_is_now(world, world->ref, set);
    machine_backup_report_clear(&backup);
}

static void
refuse_over(struct scene *scene, const char *ref, const struct machine_restore_options *options,
            int code, const char *words)
{
    struct machine_restore_report report;
    g_autoptr(GError) error = NULL;
    g_assert_false(machine_restore_over(scene->world->store, scene->set, scene->world->hypervisor,
                                        ref, options, &report, &error));
    g_assert_error(error, SLIPWAY_ERROR, code);
    if (strstr(error->message, words) == NULL)
        g_error("\"%s\" is not in: %s", words, error->message);
    g_assert_cmpuint(count_calls(scene->world->hypervisor, HYPERVISOR_MEMORY_WRITE), ==, 0);
    machine_restore_report_clear(&report);
    world_assert_clean(scene->world);
}

static void
test_over_refused(void)
{
    auto_ptr(scene) scene = scene_new(FALSE);
    struct world *world = scene->world;
    struct machine_restore_options options = options_of(scene);
    struct machine *machine = hypervisor_memory_machine(world->hypervisor, world->ref);
    const char *const wrong[] = {"scsi0:7", NULL};
    refuse_over(scene, NULL, &options, SLIPWAY_ERROR_BUSY, "app01 is running: shut it down first");
    turn_off(scene);
    options.only = wrong;
    refuse_over(scene, NULL, &options, SLIPWAY_ERROR_NOT_FOUND, "has no disk scsi0:7");
    options.only = NULL;
    hypervisor_memory_resize(world->hypervisor, world->ref, "scsi0:0", MACHINE_SIZE + 4096);
    refuse_over(scene, NULL, &options, SLIPWAY_ERROR_USAGE, "when it was backed up");
    hypervisor_memory_resize(world->hypervisor, world->ref, "scsi0:0", MACHINE_SIZE);
    /* Somebody has put another disk in its place: only who names it may lose what it has. */
    char *key = g_steal_pointer(&machine_find_disk(machine, "scsi0:1")->key);
    machine_find_disk(machine, "scsi0:1")->key = g_strdup("a new one");
    refuse_over(scene, NULL, &options, SLIPWAY_ERROR_USAGE, "is another one than when");
    refuse_over(scene, NULL, &options, SLIPWAY_ERROR_USAGE, "name it (--only-disk scsi0:1)");
    g_free(machine_find_disk(machine, "scsi0:1")->key);
    machine_find_disk(machine, "scsi0:1")->key = key;
    machine_find_disk(machine, "scsi0:1")->skip = g_strdup("a raw device");
    refuse_over(scene, NULL, &options, SLIPWAY_ERROR_UNSUPPORTED, "cannot be written: a raw");
    machine->template = TRUE;
    refuse_over(scene, NULL, &options, SLIPWAY_ERROR_UNSUPPORTED, "a template");
    refuse_over(scene, "vm-77", &options, SLIPWAY_ERROR_NOT_FOUND, "vm-77");
    g_free(scene->set->identity);
    scene->set->identity = NULL;
    refuse_over(scene, NULL, &options, SLIPWAY_ERROR_USAGE, "name the machine");
    hypervisor_memory_remove(world->hypervisor, world->ref);
    scene->set->identity = g_strdup("memory:nobody");
    refuse_over(scene, NULL, &options, SLIPWAY_ERROR_NOT_FOUND, "the machine of this set (app01)");
}

/* A disk that is attached elsewhere now is found by what it is; on another machine by its place. */
static void
test_over_moved(void)
{
    auto_ptr(scene) scene = scene_new(FALSE);
    struct world *world = scene->world;
    struct machine_restore_options options = options_of(scene);
    struct machine_restore_report report;
    g_autoptr(GError) error = NULL;
    struct machine *machine = hypervisor_memory_machine(world->hypervisor, world->ref);
    turn_off(scene);
    /* Both disks change places; the hypervisor in memory finds their content by the name. */
    char *key = machine_find_disk(machine, "scsi0:0")->key;
    machine_find_disk(machine, "scsi0:0")->key = machine_find_disk(machine, "scsi0:1")->key;
    machine_find_disk(machine, "scsi0:1")->key = key;
    hypervisor_memory_resize(world->hypervisor, world->ref, "scsi0:0", MACHINE_OTHER_SIZE);
    hypervisor_memory_resize(world->hypervisor, world->ref, "scsi0:1", MACHINE_SIZE);
    machine_restore_over(world->store, scene->set, world->hypervisor, NULL, &options, &report,
                         &error);
    g_assert_no_error(error);
    machine_restore_report_clear(&report);
    auto_ptr(disk) first = hypervisor_memory_look(world->hypervisor, world->ref, "scsi0:0");
    auto_ptr(disk) second = hypervisor_memory_look(world->hypervisor, world->ref, "scsi0:1");
    engine_assert_same(first, scene->disks[1]);
    engine_assert_same(second, scene->disks[0]);

    const char *other = world_add(world, "app02", 50);
    hypervisor_memory_machine(world->hypervisor, other)->power = MACHINE_OFF;
    machine_restore_over(world->store, scene->set, world->hypervisor, other, &options, &report,
                         &error);
    g_assert_no_error(error);
    machine_restore_report_clear(&report);
    assert_disk(scene, world->hypervisor, other, 0);
    assert_disk(scene, world->hypervisor, other, 1);
}

static void
test_over_another_disk(void)
{
    auto_ptr(scene) scene = scene_new(FALSE);
    struct world *world = scene->world;
    struct machine_restore_options options = options_of(scene);
    struct machine_restore_report report;
    g_autoptr(GError) error = NULL;
    static const char *const named[] = {"scsi0:1", NULL};
    struct machine_disk *disk =
        machine_find_disk(hypervisor_memory_machine(world->hypervisor, world->ref), "scsi0:1");
    g_free(disk->key);
    disk->key = g_strdup("a new one");
    world_scribble(world, world->ref, 3);
    turn_off(scene);
    options.only = named;
    machine_restore_over(world->store, scene->set, world->hypervisor, NULL, &options, &report,
                         &error);
    g_assert_no_error(error);
    machine_restore_report_clear(&report);
    assert_disk(scene, world->hypervisor, world->ref, 1);
}

/* Whatever fails, the machine is told to be unfinished, and the next run completes it. */
static void
test_over_fails(void)
{
    gboolean failed = TRUE;
    guint n;
    for (n = 1; failed; n++) {
        auto_ptr(scene) scene = scene_new(FALSE);
        struct world *world = scene->world;
        struct machine_restore_options options = options_of(scene);
        struct machine_restore_report report;
        g_autoptr(GError) error = NULL;
        turn_off(scene);
        world_scribble(world, world->ref, n);
        hypervisor_memory_fault(world->hypervisor, HYPERVISOR_MEMORY_WRITE, n, FALSE,
                                SLIPWAY_ERROR_IO);
        failed = !machine_restore_over(world->store, scene->set, world->hypervisor, NULL, &options,
                                       &report, &error);
        machine_restore_report_clear(&report);
        world_assert_clean(world);
        hypervisor_memory_heal(world->hypervisor);
        if (failed) {
            g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_IO);
            g_assert_nonnull(strstr(error->message, "app01 is partly written"));
            g_clear_error(&error);
            machine_restore_over(world->store, scene->set, world->hypervisor, NULL, &options,
                                 &report, &error);
            g_assert_no_error(error);
            machine_restore_report_clear(&report);
        }
        assert_disk(scene, world->hypervisor, world->ref, 0);
        g_assert_cmpuint(n, <, 100);
    }
    g_assert_cmpuint(n, >, 2);
}

/* It stays, and it is told. */
static void
test_does_not_start(void)
{
    auto_ptr(scene) scene = scene_new(FALSE);
    struct world *world = scene->world;
    struct machine_restore_options options = options_of(scene);
    struct machine_restore_report report;
    g_autoptr(GError) error = NULL;
    hypervisor_memory_fault(world->hypervisor, HYPERVISOR_MEMORY_FINISH, 1, TRUE,
                            SLIPWAY_ERROR_FAILED);
    options.power_on = TRUE;
    options.mac = RESTORE_MAC_NEW;
    machine_restore_new(world->store, scene->set, world->hypervisor, &options, &report, &error);
    g_assert_no_error(error);
    g_assert_cmpint(report.machine->power, ==, MACHINE_OFF);
    g_assert_nonnull(strstr(report.words->pdata[report.words->len - 1], "does not start"));
    g_assert_true(world_has_warning(world, "does not start"));
    assert_disk(scene, world->hypervisor, report.machine->ref, 0);
    machine_restore_report_clear(&report);
    world_assert_clean(world);
}

/* What is on the disks is right then: nobody is told to restore once more. */
static void
test_over_is_not_finished(void)
{
    auto_ptr(scene) scene = scene_new(FALSE);
    struct world *world = scene->world;
    struct machine_restore_options options = options_of(scene);
    struct machine_restore_report report;
    g_autoptr(GError) error = NULL;
    turn_off(scene);
    world_scribble(world, world->ref, 1);
    hypervisor_memory_fault(world->hypervisor, HYPERVISOR_MEMORY_FINISH, 1, FALSE,
                            SLIPWAY_ERROR_FAILED);
    options.power_on = TRUE;
    g_assert_false(machine_restore_over(world->store, scene->set, world->hypervisor, NULL, &options,
                                        &report, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_FAILED);
    g_assert_nonnull(strstr(error->message, "all disks of app01 were written"));
    g_assert_null(strstr(error->message, "partly"));
    machine_restore_report_clear(&report);
    world_assert_clean(world);
    assert_disk(scene, world->hypervisor, world->ref, 0);
}

/* ---- On another hypervisor ------------------------------------------------------------------- */

static void
test_elsewhere(void)
{
    const struct hypervisor_memory_options vsphere = {.driver = "vsphere", .label = "vc1"},
                                           libvirt = {.driver = "libvirt", .label = "kvm1"};
    auto_ptr(scene) scene = scene_new_on(&vsphere);
    auto_ptr(hypervisor) kvm = hypervisor_memory_new(&libvirt);
    struct machine_restore_options options = options_of(scene);
    struct machine_restore_report report;
    g_autoptr(GError) error = NULL;
    options.suffix = "";
    machine_restore_new(scene->world->store, scene->set, kvm, &options, &report, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(report.machine->name, ==, "app01");
    g_assert_cmpstr(report.machine->driver, ==, "libvirt");
    g_assert_cmpuint(report.words->len, >, 0);
    assert_disk(scene, kvm, report.machine->ref, 0);
    assert_disk(scene, kvm, report.machine->ref, 1);
    machine_restore_report_clear(&report);
}

int
main(int argc, char **argv)
{
    fixture_without_cache();
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/machine-restore/new", test_new);
    g_test_add_func("/machine-restore/new-is-another", test_new_is_another);
    g_test_add_func("/machine-restore/refused", test_refused);
    g_test_add_func("/machine-restore/damaged", test_damaged);
    g_test_add_func("/machine-restore/faults", test_faults);
    g_test_add_func("/machine-restore/abandon-fails", test_abandon_fails);
    g_test_add_func("/machine-restore/cancel", test_cancel);
    g_test_add_func("/machine-restore/over", test_over);
    g_test_add_func("/machine-restore/over-refused", test_over_refused);
    g_test_add_func("/machine-restore/over-moved", test_over_moved);
    g_test_add_func("/machine-restore/over-another-disk", test_over_another_disk);
    g_test_add_func("/machine-restore/over-fails", test_over_fails);
    g_test_add_func("/machine-restore/does-not-start", test_does_not_start);
    g_test_add_func("/machine-restore/over-is-not-finished", test_over_is_not_finished);
    g_test_add_func("/machine-restore/elsewhere", test_elsewhere);
    return g_test_run();
}
