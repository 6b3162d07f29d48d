/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/cancel.h"
#include "engine/boot_set.h"
#include "engine/export.h"
#include "engine/retain.h"
#include "machine_fixture.h"

#include <sys/wait.h>
#include <unistd.h>

static struct machine_backup_disk *
report_disk(struct machine_backup_report *report, guint index)
{
    return report->disks->pdata[index];
}

/* ---- A run ----------------------------------------------------------------------------------- */

/* What there is in the store when the machine thaws, and when its change ids are settled. */
struct watch {
    struct store *store;
    guint thaws, settles;
    guint sets_at_thaw, sets_at_settle;
    gboolean verified_at_settle;
};

static void
look_on(struct hypervisor *hypervisor G_GNUC_UNUSED, enum hypervisor_memory_call call,
        gpointer data)
{
    struct watch *watch = data;
    if (call == HYPERVISOR_MEMORY_THAW) {
        watch->thaws++;
        watch->sets_at_thaw = fixture_count(store_repo(watch->store), "sets");
    }
    if (call == HYPERVISOR_MEMORY_SETTLE) {
        watch->settles++;
        watch->sets_at_settle = fixture_count(store_repo(watch->store), "sets");
        watch->verified_at_settle = fixture_count(store_repo(watch->store), "flags") > 0;
    }
}

/* Nothing but reading happens while the machine is frozen, and it thaws before anything else. */
static void
test_order(void)
{
    auto_ptr(world) world = world_new();
    struct watch watch = {.store = world->store, .sets_at_thaw = 9};
    struct machine_backup_report report;
    g_autoptr(GError) error = NULL;
    struct machine_backup_options options = world_options(world, world->ref);
    options.verify = BACKUP_VERIFY_ALL;
    hypervisor_memory_follow(world->hypervisor, look_on, &watch);
    machine_backup_run(world->store, world->hypervisor, &options, &report, &error);
    g_assert_no_error(error);
    g_autofree char *events = hypervisor_memory_events(world->hypervisor);
    g_assert_cmpstr(events, ==, "describe clean freeze read thaw settle-kept");
    g_assert_cmpuint(watch.thaws, ==, 1);
    g_assert_cmpuint(watch.settles, ==, 1);
    g_assert_cmpuint(watch.sets_at_thaw, ==, 0);
    g_assert_cmpuint(watch.sets_at_settle, ==, 1);
    g_assert_false(watch.verified_at_settle);
    g_assert_true(report.backup.verified);
    world_assert_clean(world);
    world_assert_is_now(world, world->ref, report.backup.set);
    machine_backup_report_clear(&report);
}

/* What is kept with the set. */
static void
test_set(void)
{
    auto_ptr(world) world = world_new();
    struct machine_backup_report report;
    const struct set *set = world_backup(world, world->ref, &report);
    g_autoptr(GError) error = NULL;
    struct set_entry *entry = store_sets_read(world->store, &set->id, &error);
    g_assert_no_error(error);
    set = entry->set;
    const struct machine *there = hypervisor_memory_machine(world->hypervisor, world->ref);
    g_autofree char *identity = g_strconcat("memory:", there->id, NULL);
    g_assert_cmpstr(set->name, ==, "app01");
    g_assert_cmpstr(set->identity, ==, identity);
    g_assert_cmpstr(set->driver, ==, "memory");
    g_assert_cmpstr(set->hypervisor, ==, "memory");
    g_assert_cmpstr(set->consistency, ==, "quiesced");
    g_assert_cmpstr(set->config_type, ==, "machine");
    auto_ptr(machine) kept = machine_parse(set->config, strlen(set->config), &error);
    g_assert_no_error(error);
    g_assert_cmpstr(kept->uuid, ==, there->uuid);
    g_assert_cmpuint(kept->disks->len, ==, 2);
    g_assert_cmpstr(((struct set_disk *)set->disks->pdata[1])->name, ==, "scsi0:1");
    g_assert_nonnull(((struct set_disk *)set->disks->pdata[0])->change_id);
    g_assert_cmpint(report.consistency, ==, FROZEN_QUIESCED);
    g_assert_null(report.consistency_words);
    g_assert_null(report.left);
    g_assert_cmpuint(report.disks->len, ==, 2);
    g_assert_null(report_disk(&report, 0)->why_full);
    g_assert_cmpuint(report_disk(&report, 0)->changed, ==, MACHINE_SIZE);
    g_assert_cmpuint(world->warnings->len, ==, 0);
    set_entry_free(entry);
    machine_backup_report_clear(&report);
}

/* A machine that does not boot from the first of its disks. */
static void
test_boot_order(void)
{
    auto_ptr(world) world = world_new();
    struct machine_backup_report report;
    const struct set *set = world_backup(world, world->ref, &report);
    g_assert_null(boot_set_order(set));
    machine_backup_report_clear(&report);
    struct machine *machine = hypervisor_memory_machine(world->hypervisor, world->ref);
    machine_find_disk(machine, "scsi0:0")->boot_order = 2;
    machine_find_disk(machine, "scsi0:1")->boot_order = 1;
    set = world_backup(world, world->ref, &report);
    g_auto(GStrv) order = boot_set_order(set);
    g_assert_cmpuint(g_strv_length(order), ==, 2);
    g_assert_cmpstr(order[0], ==, "scsi0:1");
    g_assert_cmpstr(order[1], ==, "scsi0:0");
    g_assert_cmpint(boot_bus_of_config(set->config), ==, BOOT_BUS_PVSCSI);
    machine_backup_report_clear(&report);
}

/* ---- Incremental ----------------------------------------------------------------------------- */

/* The guest goes on writing while its disks are read: that is in the next set. */
static void
write_on(struct hypervisor *hypervisor, enum hypervisor_memory_call call, gpointer data)
{
    if (call == HYPERVISOR_MEMORY_READ)
        hypervisor_memory_fill(hypervisor, data, "scsi0:0", 1000000, 5000, 0x77);
}

static void
test_incremental(void)
{
    auto_ptr(world) world = world_new();
    struct machine_backup_report report;
    world_backup(world, world->ref, &report);
    machine_backup_report_clear(&report);
    for (guint round = 0; round < 4; round++) {
        world_scribble(world, world->ref, round);
        auto_ptr(disk) frozen = hypervisor_memory_look(world->hypervisor, world->ref, "scsi0:0");
        hypervisor_memory_follow(world->hypervisor, write_on, (gpointer)world->ref);
        const struct set *set = world_backup(world, world->ref, &report);
        hypervisor_memory_follow(world->hypervisor, NULL, NULL);
        g_assert_cmpstr(set->method, ==, "extents");
        g_assert_true(set->has_parent);
        g_assert_null(report_disk(&report, 0)->why_full);
        g_assert_cmpuint(report_disk(&report, 0)->changed, <=, 9 * 65536);
        g_assert_cmpuint(report_disk(&report, 1)->changed, ==, 0);
        g_assert_cmpuint(set->stats.read, <=, 9 * 65536);
        auto_ptr(disk) stored = set_disk_open(world->store, NULL, set, "scsi0:0", NULL);
        engine_assert_same(stored, frozen);
        machine_backup_report_clear(&report);
    }
    const struct set *set = world_backup(world, world->ref, &report);
    world_assert_is_now(world, world->ref, set);
    machine_backup_report_clear(&report);
    world_assert_clean(world);
    g_assert_cmpuint(world->warnings->len, ==, 0);
}

/* All of a disk is read, the report says why, and the next run is incremental again. */
static void
expect_full(struct world *world, const char *why, gboolean loud)
{
    struct machine_backup_report report;
    g_ptr_array_set_size(world->warnings, 0);
    world_scribble(world, world->ref, 77);
    const struct set *set = world_backup(world, world->ref, &report);
    const char *found = report_disk(&report, 0)->why_full;
    g_assert_nonnull(found);
    if (strstr(found, why) == NULL)
        g_error("\"%s\" is not in: %s", why, found);
    g_assert_cmpuint(report_disk(&report, 0)->changed, ==, report_disk(&report, 0)->size);
    g_assert_cmpint(world_has_warning(world, "all of it is read"), ==, loud);
    world_assert_is_now(world, world->ref, set);
    machine_backup_report_clear(&report);
    world_scribble(world, world->ref, 78);
    set = world_backup(world, world->ref, &report);
    g_assert_null(report_disk(&report, 0)->why_full);
    g_assert_cmpstr(set->method, ==, "extents");
    world_assert_is_now(world, world->ref, set);
    machine_backup_report_clear(&report);
    world_assert_clean(world);
}

static struct world *
world_with_set(void)
{
    struct world *world = world_new();
    struct machine_backup_report report;
    world_backup(world, world->ref, &report);
    machine_backup_report_clear(&report);
    return world;
}

static void
test_tracking_lost(void)
{
    auto_ptr(world) world = world_with_set();
    hypervisor_memory_forget_changes(world->hypervisor, world->ref);
    expect_full(world, "began anew", TRUE);
}

static void
test_resized(void)
{
    const guint64 sizes[] = {MACHINE_SIZE + 12345 * 512, MACHINE_SIZE - 4096};
    for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
        auto_ptr(world) world = world_with_set();
        hypervisor_memory_resize(world->hypervisor, world->ref, "scsi0:0", sizes[i]);
        expect_full(world, "bytes, and had", TRUE);
    }
}

/* Another disk in the same place is another disk, whatever the hypervisor says of changes. */
static void
test_exchanged(void)
{
    auto_ptr(world) world = world_with_set();
    struct machine *machine = hypervisor_memory_machine(world->hypervisor, world->ref);
    struct machine_disk *disk = machine_find_disk(machine, "scsi0:0");
    g_free(disk->key);
    disk->key = g_strdup("another");
    expect_full(world, "another disk", FALSE);
}

static void
test_damaged_before(void)
{
    g_autoptr(GError) error = NULL;
    auto_ptr(world) world = world_with_set();
    struct set_entry *entry = store_sets_find(world->store, "app01", &error);
    g_assert_no_error(error);
    struct set_flags flags = {.verified = 5, .verified_good = FALSE};
    g_assert_true(store_sets_put_flags(world->store, &entry->set->id, &flags, &error));
    set_entry_free(entry);
    expect_full(world, "found to be damaged", FALSE);
}

static void
test_full(void)
{
    auto_ptr(world) world = world_with_set();
    struct machine_backup_report report;
    g_autoptr(GError) error = NULL;
    struct machine_backup_options options = world_options(world, world->ref);
    options.full = TRUE;
    world_scribble(world, world->ref, 5);
    machine_backup_run(world->store, world->hypervisor, &options, &report, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(report_disk(&report, 0)->why_full, ==, "a full backup was asked for");
    g_assert_false(report.backup.set->has_parent);
    world_assert_is_now(world, world->ref, report.backup.set);
    machine_backup_report_clear(&report);
    world_scribble(world, world->ref, 6);
    const struct set *set = world_backup(world, world->ref, &report);
    g_assert_cmpstr(set->method, ==, "extents");
    world_assert_is_now(world, world->ref, set);
    machine_backup_report_clear(&report);
}

/* The set before turns out to be unreadable while its changes are read: everything is read once
 * more, of the same moment, and only then the machine thaws. */
static void
test_past_broken(void)
{
    auto_ptr(world) world = world_with_set();
    g_autoptr(GError) error = NULL;
    struct set_entry *entry = store_sets_find(world->store, "app01", &error);
    g_assert_no_error(error);
    engine_damage(world->store, &engine_map(entry->set)->root, NULL);
    set_entry_free(entry);
    world_scribble(world, world->ref, 5);
    auto_ptr(disk) frozen = hypervisor_memory_look(world->hypervisor, world->ref, "scsi0:0");
    hypervisor_memory_follow(world->hypervisor, write_on, (gpointer)world->ref);
    hypervisor_memory_note(world->hypervisor, "second");
    struct machine_backup_report report;
    const struct set *set = world_backup(world, world->ref, &report);
    hypervisor_memory_follow(world->hypervisor, NULL, NULL);
    g_autofree char *events = hypervisor_memory_events(world->hypervisor);
    g_assert_true(g_str_has_suffix(events, " second describe clean freeze read thaw settle-kept"));
    g_assert_false(set->has_parent);
    g_assert_cmpstr(report_disk(&report, 0)->why_full, ==, "the set before cannot be read");
    g_assert_true(world_has_warning(world, "the set before cannot be read"));
    auto_ptr(disk) stored = set_disk_open(world->store, NULL, set, "scsi0:0", NULL);
    engine_assert_same(stored, frozen);
    machine_backup_report_clear(&report);
    set = world_backup(world, world->ref, &report);
    g_assert_cmpstr(set->method, ==, "extents");
    world_assert_is_now(world, world->ref, set);
    machine_backup_report_clear(&report);
}

/* ---- Disks ----------------------------------------------------------------------------------- */

static void
set_skip(struct world *world, const char *disk, const char *skip)
{
    struct machine *machine = hypervisor_memory_machine(world->hypervisor, world->ref);
    g_free(machine_find_disk(machine, disk)->skip);
    machine_find_disk(machine, disk)->skip = g_strdup(skip);
}

/* A disk comes and goes: when it comes all of it is read, and that is no reason for the others. */
static void
test_disks_come_and_go(void)
{
    auto_ptr(world) world = world_new();
    struct machine_backup_report report;
    set_skip(world, "scsi0:1", "an independent disk is in no snapshot");
    const struct set *set = world_backup(world, world->ref, &report);
    g_assert_cmpuint(set->disks->len, ==, 1);
    g_assert_cmpuint(report.skipped->len, ==, 1);
    g_assert_cmpstr(report.skipped->pdata[0], ==, "scsi0:1: an independent disk is in no snapshot");
    machine_backup_report_clear(&report);
    set_skip(world, "scsi0:1", NULL);
    set = world_backup(world, world->ref, &report);
    g_assert_cmpuint(set->disks->len, ==, 2);
    g_assert_null(report_disk(&report, 0)->why_full);
    g_assert_cmpstr(report_disk(&report, 1)->why_full, ==,
                    "the set before does not have this disk");
    world_assert_is_now(world, world->ref, set);
    machine_backup_report_clear(&report);
    set_skip(world, "scsi0:1", "gone");
    set = world_backup(world, world->ref, &report);
    g_assert_cmpuint(set->disks->len, ==, 1);
    g_assert_cmpstr(set->method, ==, "extents");
    machine_backup_report_clear(&report);
    g_assert_cmpuint(world->warnings->len, ==,
                     1); /* changes of scsi0:1 were not tracked until then */
}

static void
expect_error(struct world *world, const struct machine_backup_options *options, int code,
             const char *words)
{
    g_autoptr(GError) error = NULL;
    struct machine_backup_report report;
    guint before = fixture_count(store_repo(world->store), "sets");
    g_assert_false(machine_backup_run(world->store, world->hypervisor, options, &report, &error));
    g_assert_error(error, SLIPWAY_ERROR, code);
    if (strstr(error->message, words) == NULL)
        g_error("\"%s\" is not in: %s", words, error->message);
    g_assert_null(report.backup.set);
    g_assert_cmpuint(fixture_count(store_repo(world->store), "sets"), ==, before);
    g_assert_cmpuint(fixture_count(store_repo(world->store), "leases"), ==, 0);
    machine_backup_report_clear(&report);
    world_assert_clean(world);
}

static void
test_choice_of_disks(void)
{
    auto_ptr(world) world = world_new();
    struct machine_backup_options options = world_options(world, world->ref);
    struct machine_backup_report report;
    const char *const first[] = {"scsi0:0", NULL}, *const second[] = {"scsi0:1", NULL};
    const char *const both[] = {"scsi0:0", "scsi0:1", NULL}, *const none[] = {"ide0:0", NULL};
    options.only = none;
    expect_error(world, &options, SLIPWAY_ERROR_NOT_FOUND,
                 "app01 has no disk ide0:0; it has: scsi0:0, scsi0:1");
    options.only = NULL;
    options.without = none;
    expect_error(world, &options, SLIPWAY_ERROR_NOT_FOUND, "ide0:0");
    options.without = both;
    expect_error(world, &options, SLIPWAY_ERROR_UNSUPPORTED, "no disk that can be backed up");
    set_skip(world, "scsi0:1", "an independent disk is in no snapshot");
    options.without = NULL;
    options.only = both;
    expect_error(world, &options, SLIPWAY_ERROR_UNSUPPORTED,
                 "scsi0:1 cannot be backed up: an independent disk");
    options.only = NULL;
    options.without = first;
    expect_error(world, &options, SLIPWAY_ERROR_UNSUPPORTED,
                 "scsi0:1: an independent disk is in no snapshot");
    set_skip(world, "scsi0:1", NULL);
    options.without = NULL;
    options.only = second;
    g_assert_true(machine_backup_run(world->store, world->hypervisor, &options, &report, NULL));
    g_assert_cmpuint(report.disks->len, ==, 1);
    g_assert_cmpstr(report_disk(&report, 0)->name, ==, "scsi0:1");
    g_assert_cmpstr(report.skipped->pdata[0], ==, "scsi0:0: left out, as was asked");
    machine_backup_report_clear(&report);
}

/* A disk that vanished since the machine was described is no reason to fail. */
static void
take_disk_away(struct hypervisor *hypervisor, enum hypervisor_memory_call call, gpointer data)
{
    if (call != HYPERVISOR_MEMORY_FREEZE)
        return;
    struct machine *machine = hypervisor_memory_machine(hypervisor, data);
    struct machine_disk *disk = machine_find_disk(machine, "scsi0:1");
    g_free(disk->skip);
    disk->skip = g_strdup("it was just taken away");
}

static void
test_changed_meanwhile(void)
{
    auto_ptr(world) world = world_new();
    struct machine_backup_report report;
    hypervisor_memory_follow(world->hypervisor, take_disk_away, (gpointer)world->ref);
    hypervisor_memory_fault(world->hypervisor, HYPERVISOR_MEMORY_FREEZE, 1, TRUE,
                            SLIPWAY_ERROR_NOT_FOUND);
    const struct set *set = world_backup(world, world->ref, &report);
    g_assert_cmpuint(set->disks->len, ==, 1);
    g_assert_cmpuint(report.skipped->len, ==, 1);
    machine_backup_report_clear(&report);
    struct machine_backup_options options = world_options(world, world->ref);
    hypervisor_memory_fault(world->hypervisor, HYPERVISOR_MEMORY_FREEZE, 1, FALSE,
                            SLIPWAY_ERROR_NOT_FOUND);
    expect_error(world, &options, SLIPWAY_ERROR_NOT_FOUND, "cannot freeze");
}

/* ---- Names ----------------------------------------------------------------------------------- */

static void
rename_machine(struct world *world, const char *ref, const char *name)
{
    struct machine *machine = hypervisor_memory_machine(world->hypervisor, ref);
    g_free(machine->name);
    machine->name = g_strdup(name);
}

static void
expect_set(struct world *world, const char *ref, const char *name, const char *method)
{
    struct machine_backup_report report;
    g_autoptr(GError) error = NULL;
    char expected[SET_ID_TEXT], found[SET_ID_TEXT];
    world_scribble(world, ref, fixture_count(store_repo(world->store), "sets"));
    const struct set *set = world_backup(world, ref, &report);
    g_assert_cmpstr(set->name, ==, name);
    g_assert_cmpstr(set->method, ==, method);
    world_assert_is_now(world, ref, set);
    struct set_entry *entry = store_sets_find(world->store, name, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(set_id_format(&entry->set->id, found), ==, set_id_format(&set->id, expected));
    set_entry_free(entry);
    machine_backup_report_clear(&report);
}

static void
test_renamed(void)
{
    auto_ptr(world) world = world_new();
    g_autoptr(GError) error = NULL;
    expect_set(world, world->ref, "app01", "full");
    rename_machine(world, world->ref, "app02");
    expect_set(world, world->ref, "app02", "extents");
    struct set_entry *entry = store_sets_find(world->store, "app01", &error);
    g_assert_no_error(error);
    g_assert_cmpstr(entry->set->name, ==, "app02");
    set_entry_free(entry);
    /* Another machine with the name that this one gave up. */
    const char *other = world_add(world, "app01", 9);
    expect_set(world, other, "app01 (2)", "full");
    expect_set(world, world->ref, "app02", "extents");
    expect_set(world, other, "app01 (2)", "extents");
}

/* A machine whose files were copied has the id of the first one, and disks with the same keys. */
static void
test_copied(void)
{
    auto_ptr(world) world = world_new();
    const char *refs[2] = {world->ref, world_add(world, "app01", 5)};
    struct machine *first = hypervisor_memory_machine(world->hypervisor, refs[0]),
                   *copy = hypervisor_memory_machine(world->hypervisor, refs[1]);
    g_free(copy->id);
    copy->id = g_strdup(first->id);
    for (guint n = 0; n < 4; n++) {
        struct machine_backup_options options = world_options(world, refs[n % 2]);
        struct machine_backup_report report;
        g_autoptr(GError) error = NULL;
        options.copied = TRUE;
        world_scribble(world, refs[n % 2], n + 1);
        machine_backup_run(world->store, world->hypervisor, &options, &report, &error);
        g_assert_no_error(error);
        g_assert_cmpstr(report.backup.set->name, ==, n % 2 == 0 ? "app01" : "app01 (2)");
        g_assert_cmpstr(report.backup.set->method, ==, n < 2 ? "full" : "extents");
        world_assert_is_now(world, refs[n % 2], report.backup.set);
        machine_backup_report_clear(&report);
    }
}

static void
test_two_of_one_name(void)
{
    auto_ptr(world) world = world_new();
    const char *second = world_add(world, "app01", 5), *third = world_add(world, "app01", 6);
    expect_set(world, world->ref, "app01", "full");
    expect_set(world, second, "app01 (2)", "full");
    expect_set(world, third, "app01 (3)", "full");
    expect_set(world, second, "app01 (2)", "extents");
    expect_set(world, world->ref, "app01", "extents");
    expect_set(world, third, "app01 (3)", "extents");
    /* A name that was asked for is not changed in silence. */
    struct machine_backup_options options = world_options(world, second);
    options.name = "app01";
    expect_error(world, &options, SLIPWAY_ERROR_EXISTS, "another machine's");
    /* Nor is one taken by a backup of a file. */
    auto_ptr(disk) disk = engine_disk_new(5000, 1);
    struct backup_source source = {.disk = disk, .name = "disk"};
    struct backup_options file = {
        .name = "app01", .sources = &source, .n_sources = 1, .codec = CODEC_ZSTD, .level = 1};
    struct backup_report report;
    g_autoptr(GError) error = NULL;
    g_assert_false(backup_run(world->store, &file, &report, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_EXISTS);
    g_clear_error(&error);
    /* Nor by what was written to an export. */
    const struct nbd_options nbd = {.listen = NULL};
    struct export_options export = {.set = "app01 (2)", .commit = "app01", .nbd = &nbd};
    g_assert_null(export_open(world->store, &export, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_EXISTS);
    g_assert_cmpuint(fixture_count(store_repo(world->store), "leases"), ==, 0);
}

/* A machine whose id is not known goes by its name. */
static void
test_names_of_files(void)
{
    auto_ptr(world) world = world_new();
    auto_ptr(disk) disk = engine_disk_new(5000, 1);
    struct backup_source source = {.disk = disk, .name = "disk"};
    struct backup_options file = {
        .name = "app01", .sources = &source, .n_sources = 1, .codec = CODEC_ZSTD, .level = 1};
    struct backup_report report;
    g_autoptr(GError) error = NULL;
    backup_run(world->store, &file, &report, &error);
    g_assert_no_error(error);
    backup_report_clear(&report);
    expect_set(world, world->ref, "app01 (2)", "full");
    backup_run(world->store, &file, &report, &error);
    g_assert_no_error(error);
    g_assert_true(report.set->has_parent);
    g_assert_cmpuint(report.set->disks->len, ==, 1);
    backup_report_clear(&report);
    expect_set(world, world->ref, "app01 (2)", "extents");
}

/* ---- Consistency ----------------------------------------------------------------------------- */

static void
test_quiesce(void)
{
    auto_ptr(world) world = world_new();
    struct machine_backup_report report;
    hypervisor_memory_set_quiesce(world->hypervisor, FALSE);
    const struct set *set = world_backup(world, world->ref, &report);
    g_assert_cmpstr(set->consistency, ==, "crash-consistent");
    g_assert_cmpint(report.consistency, ==, FROZEN_CRASH);
    g_assert_cmpstr(report.consistency_words, ==, "the guest did not come to rest");
    machine_backup_report_clear(&report);
    struct machine_backup_options options = world_options(world, world->ref);
    options.quiesce = FREEZE_REQUIRE;
    expect_error(world, &options, SLIPWAY_ERROR_FAILED, "did not come to rest");
    hypervisor_memory_machine(world->hypervisor, world->ref)->power = MACHINE_OFF;
    set = world_backup(world, world->ref, &report);
    g_assert_cmpint(report.consistency, ==, FROZEN_OFF);
    g_assert_cmpstr(set->consistency, ==, frozen_consistency_name(FROZEN_OFF));
    machine_backup_report_clear(&report);
}

static void
test_off(void)
{
    const struct hypervisor_memory_options how = {.capabilities = HYPERVISOR_CAN_QUIESCE};
    auto_ptr(world) world = world_new_on(repo_memory_new(), &how);
    struct machine_backup_report report;
    hypervisor_memory_machine(world->hypervisor, world->ref)->power = MACHINE_OFF;
    struct machine_backup_options options = world_options(world, world->ref);
    expect_error(world, &options, SLIPWAY_ERROR_UNSUPPORTED, "app01 is off");
    /* Without tracking nothing is lost that could have been had. */
    hypervisor_memory_machine(world->hypervisor, world->ref)->power = MACHINE_ON;
    for (guint i = 0; i < 2; i++) {
        world_backup(world, world->ref, &report);
        machine_backup_report_clear(&report);
    }
    g_assert_cmpuint(world->warnings->len, ==, 0);
}

/* ---- What is left behind --------------------------------------------------------------------- */

/* The mark of a process that is gone. */
static char *
dead_mark(void)
{
    int ends[2];
    char text[MARK_MAX + 1] = "";
    g_assert_cmpint(pipe(ends), ==, 0);
    pid_t pid = fork();
    if (pid == 0) {
        g_autofree char *mark = mark_new();
        _exit(write(ends[1], mark, strlen(mark)) > 0 ? 0 : 1);
    }
    g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
    g_assert_cmpint(read(ends[0], text, sizeof text - 1), >, 0);
    close(ends[0]);
    close(ends[1]);
    return g_strdup(text);
}

static void
test_leftovers(void)
{
    g_autofree char *mark = dead_mark();
    auto_ptr(world) world = world_new();
    struct machine_backup_report report;
    hypervisor_memory_leave(world->hypervisor, world->ref, mark);
    hypervisor_memory_leave(world->hypervisor, world->ref, "before the update");
    world_backup(world, world->ref, &report);
    g_assert_false(hypervisor_memory_has(world->hypervisor, world->ref, mark));
    g_assert_true(hypervisor_memory_has(world->hypervisor, world->ref, "before the update"));
    g_assert_cmpuint(report.cleaned->len, ==, 1);
    g_assert_nonnull(strstr(report.cleaned->pdata[0], mark));
    g_assert_null(report.left);
    g_autofree char *events = hypervisor_memory_events(world->hypervisor);
    g_assert_cmpstr(events, ==, "describe clean describe freeze read thaw settle-kept");
    machine_backup_report_clear(&report);
}

/* The set is good, but the snapshot stays: not a failure, and not a success either. */
static void
test_thaw_fails(void)
{
    auto_ptr(world) world = world_new();
    struct machine_backup_report report;
    hypervisor_memory_fault(world->hypervisor, HYPERVISOR_MEMORY_THAW, 1, FALSE,
                            SLIPWAY_ERROR_FAILED);
    const struct set *set = world_backup(world, world->ref, &report);
    g_assert_nonnull(report.left);
    g_assert_nonnull(strstr(report.left, "cannot thaw"));
    g_assert_true(world_has_warning(world, "cannot thaw"));
    world_assert_is_now(world, world->ref, set);
    machine_backup_report_clear(&report);
}

/* ---- Somebody takes the snapshot away -------------------------------------------------------- */

/* When the first byte of the second segment is asked for, or at the very end. */
struct thief {
    const char *ref;
    enum hypervisor_memory_call at;
    guint skip;
};

static void
take_snapshot_away(struct hypervisor *hypervisor, enum hypervisor_memory_call call, gpointer data)
{
    struct thief *thief = data;
    if (call != thief->at || thief->skip-- > 0)
        return;
    hypervisor_memory_tear(hypervisor, thief->ref);
    hypervisor_memory_fill(hypervisor, thief->ref, "scsi0:0", 0, MACHINE_SIZE, 0x99);
    hypervisor_memory_follow(hypervisor, NULL, NULL);
}

static void
expect_torn(struct world *world, guint skip)
{
    struct thief thief = {world->ref, HYPERVISOR_MEMORY_READ, skip};
    struct machine_backup_options options = world_options(world, world->ref);
    options.threads = 1;
    hypervisor_memory_follow(world->hypervisor, take_snapshot_away, &thief);
    expect_error(world, &options, SLIPWAY_ERROR_BUSY,
                 "somebody removed the snapshot of app01 while its disks were read; nothing was "
                 "stored: run the backup again");
    g_autofree char *events = hypervisor_memory_events(world->hypervisor);
    g_assert_true(g_str_has_suffix(events, "freeze read thaw settle-lost"));
    g_assert_cmpuint(world->warnings->len, ==, 0);
}

/* What was stored of it already is only found again where it is right. */
static void
expect_good(struct world *world, const char *method)
{
    struct machine_backup_report report;
    const struct set *set = world_backup(world, world->ref, &report);
    g_assert_cmpstr(set->method, ==, method);
    world_assert_is_now(world, world->ref, set);
    machine_backup_report_clear(&report);
    world_assert_clean(world);
}

static void
test_torn(void)
{
    auto_ptr(world) world = world_new();
    expect_torn(world, 1);
    g_assert_cmpuint(fixture_count(store_repo(world->store), "sets"), ==, 0);
    expect_good(world, "full");
    world_scribble(world, world->ref, 3);
    expect_torn(world, 1);
    g_assert_cmpuint(fixture_count(store_repo(world->store), "sets"), ==, 1);
    /* The change ids of the set before it are good still. */
    expect_good(world, "extents");
}

/* No byte is of another moment, as nobody can know. */
static void
test_torn_at_the_end(void)
{
    auto_ptr(world) world = world_with_set();
    struct thief thief = {world->ref, HYPERVISOR_MEMORY_THAW, 0};
    struct machine_backup_report report;
    world_scribble(world, world->ref, 3);
    hypervisor_memory_follow(world->hypervisor, take_snapshot_away, &thief);
    /* That it is gone when it is to be removed is nobody's harm. */
    world_backup(world, world->ref, &report);
    machine_backup_report_clear(&report);
    world_assert_clean(world);
    expect_good(world, "extents");
}

/* It cannot be thawed either: both is told. */
static void
test_torn_and_left(void)
{
    auto_ptr(world) world = world_with_set();
    struct thief thief = {world->ref, HYPERVISOR_MEMORY_READ, 0};
    struct machine_backup_options options = world_options(world, world->ref);
    struct machine_backup_report report;
    g_autoptr(GError) error = NULL;
    options.threads = 1;
    world_scribble(world, world->ref, 3);
    hypervisor_memory_follow(world->hypervisor, take_snapshot_away, &thief);
    hypervisor_memory_fault(world->hypervisor, HYPERVISOR_MEMORY_THAW, 1, FALSE,
                            SLIPWAY_ERROR_NETWORK);
    g_assert_false(machine_backup_run(world->store, world->hypervisor, &options, &report, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_BUSY);
    g_assert_nonnull(strstr(error->message, "run the backup again; besides: "));
    g_assert_null(report.backup.set);
    g_assert_cmpuint(fixture_count(store_repo(world->store), "sets"), ==, 1);
    machine_backup_report_clear(&report);
    hypervisor_memory_heal(world->hypervisor);
    expect_good(world, "extents");
}

/* Where reading fails for it, it is told why. */
static void
test_torn_and_unreadable(void)
{
    auto_ptr(world) world = world_new();
    struct thief thief = {world->ref, HYPERVISOR_MEMORY_READ, 0};
    struct machine_backup_options options = world_options(world, world->ref);
    options.threads = 1;
    hypervisor_memory_follow(world->hypervisor, take_snapshot_away, &thief);
    hypervisor_memory_fault(world->hypervisor, HYPERVISOR_MEMORY_READ, 2, FALSE, SLIPWAY_ERROR_IO);
    expect_error(world, &options, SLIPWAY_ERROR_IO,
                 "cannot read (a fault made for a test); somebody removed the snapshot of app01");
}

/* ---- Faults ---------------------------------------------------------------------------------- */

/* After whatever happened: the next backup is that of a full read. */
static void
assert_goes_on(struct world *world, gboolean tracked)
{
    struct machine_backup_report report;
    hypervisor_memory_heal(world->hypervisor);
    hypervisor_memory_follow(world->hypervisor, NULL, NULL);
    world_scribble(world, world->ref, 1234);
    const struct set *set = world_backup(world, world->ref, &report);
    if (tracked)
        g_assert_cmpstr(set->method, ==, "extents");
    world_assert_is_now(world, world->ref, set);
    machine_backup_report_clear(&report);
    world_assert_clean(world);
}

static void
run_with_fault(enum hypervisor_memory_call call, guint nth, gboolean once, gboolean *ret_struck)
{
    auto_ptr(world) world = world_with_set();
    struct machine_backup_options options = world_options(world, world->ref);
    struct machine_backup_report report;
    struct hypervisor_memory_counts before, after;
    g_autoptr(GError) error = NULL;
    world_scribble(world, world->ref, 17);
    options.threads = 1 + nth % 3;
    hypervisor_memory_count(world->hypervisor, &before);
    hypervisor_memory_fault(world->hypervisor, call, nth, once, SLIPWAY_ERROR_NETWORK);
    gboolean ok = machine_backup_run(world->store, world->hypervisor, &options, &report, &error);
    hypervisor_memory_count(world->hypervisor, &after);
    *ret_struck = after.calls[call] - before.calls[call] >= nth;
    guint sets = fixture_count(store_repo(world->store), "sets");
    g_assert_cmpuint(sets, ==, report.backup.set != NULL ? 2 : 1);
    g_assert_cmpint(ok, ==, report.backup.set != NULL);
    g_assert_cmpuint(fixture_count(store_repo(world->store), "leases"), ==, 0);
    g_assert_true(ok || error != NULL);
    /* Left behind, and told. */
    if (after.snapshots > 0) {
        g_assert_cmpint(call, ==, HYPERVISOR_MEMORY_THAW);
        g_assert_nonnull(report.left);
        g_assert_true(ok || strstr(error->message, "besides: ") != NULL);
        machine_backup_report_clear(&report);
        return;
    }
    world_assert_clean(world);
    if (ok)
        world_assert_is_now(world, world->ref, report.backup.set);
    machine_backup_report_clear(&report);
    assert_goes_on(world, call != HYPERVISOR_MEMORY_SETTLE);
}

/* Every call fails in turn, once or for good. */
static void
test_faults(void)
{
    static const enum hypervisor_memory_call calls[] = {
        HYPERVISOR_MEMORY_DESCRIBE, HYPERVISOR_MEMORY_CLEAN, HYPERVISOR_MEMORY_FREEZE,
        HYPERVISOR_MEMORY_READ,     HYPERVISOR_MEMORY_THAW,  HYPERVISOR_MEMORY_SETTLE};
    for (gsize i = 0; i < G_N_ELEMENTS(calls); i++) {
        gboolean struck = TRUE;
        guint n = 0;
        while (struck && n < 50) {
            n++;
            run_with_fault(calls[i], n, TRUE, &struck);
            run_with_fault(calls[i], n, FALSE, &struck);
        }
        g_assert_cmpuint(n, >=, 2);
        g_assert_false(struck);
    }
}

/* The store fails at every write in turn: the change ids of the older set stay good. */
static void
test_store_fails(void)
{
    gboolean failed = TRUE;
    guint lost = 0;
    for (guint n = 1; failed; n++) {
        auto_ptr(world) world = world_with_set();
        struct machine_backup_options options = world_options(world, world->ref);
        struct machine_backup_report report;
        g_autoptr(GError) error = NULL;
        const struct repo_fault fault = {.operations = 1u << REPO_OP_PUT | 1u << REPO_OP_APPEND |
                                                       1u << REPO_OP_COMMIT,
                                         .at = n,
                                         .once = TRUE};
        struct store *whole = world->store;
        struct repo *copy = fixture_copy(store_repo(whole));
        auto_ptr(store) broken = store_open(repo_fault_new(copy, &fault), NULL, NULL);
        world_scribble(world, world->ref, n);
        failed = !machine_backup_run(broken, world->hypervisor, &options, &report, &error);
        g_autofree char *events = hypervisor_memory_events(world->hypervisor);
        /* Before anything was frozen, or after: settled as it has to be. */
        if (failed)
            g_assert_true(report.backup.set == NULL && (g_str_has_suffix(events, "settle-lost") ||
                                                        g_str_has_suffix(events, " clean")));
        lost += g_str_has_suffix(events, "settle-lost");
        machine_backup_report_clear(&report);
        world_assert_clean(world);
        if (failed)
            assert_goes_on(world, TRUE);
        g_assert_cmpuint(n, <, 200);
    }
    g_assert_cmpuint(lost, >, 3);
}

/* ---- Two stores, and many days ------------------------------------------------------------------
 */

/* Each store has change ids of its own, which the runs to another one leave alone. */
static void
test_two_stores(void)
{
    auto_ptr(world) world = world_new();
    auto_ptr(store) second = fixture_init(repo_memory_new(), NULL, 0);
    struct store *stores[] = {world->store, second};
    struct machine_backup_report report;
    for (guint round = 0; round < 6; round++) {
        world->store = stores[round % 2];
        world_scribble(world, world->ref, round);
        const struct set *set = world_backup(world, world->ref, &report);
        g_assert_cmpstr(set->method, ==, round < 2 ? "full" : "extents");
        world_assert_is_now(world, world->ref, set);
        machine_backup_report_clear(&report);
    }
    world->store = stores[0];
    g_assert_cmpuint(world->warnings->len, ==, 0);
}

/* Something that happens to a machine between two backups, or to a backup. */
static void
let_happen(struct world *world, const char *ref, GRand *rand, guint day)
{
    struct machine *machine = hypervisor_memory_machine(world->hypervisor, ref);
    static const char *const names[] = {"web", "db", "app01"};
    static const enum hypervisor_memory_call calls[] = {
        HYPERVISOR_MEMORY_DESCRIBE, HYPERVISOR_MEMORY_CLEAN, HYPERVISOR_MEMORY_FREEZE,
        HYPERVISOR_MEMORY_READ, HYPERVISOR_MEMORY_SETTLE};
    world_scribble(world, ref, day);
    switch (g_rand_int(rand) % 9) {
    case 0:
        rename_machine(world, ref, names[g_rand_int(rand) % G_N_ELEMENTS(names)]);
        break;
    case 1:
        hypervisor_memory_resize(world->hypervisor, ref, "scsi0:1",
                                 MACHINE_OTHER_SIZE + g_rand_int(rand) % 100 * 4096);
        break;
    case 2:
        hypervisor_memory_forget_changes(world->hypervisor, ref);
        break;
    case 3:
        g_free(machine_find_disk(machine, "scsi0:1")->skip);
        machine_find_disk(machine, "scsi0:1")->skip =
            g_rand_boolean(rand) ? g_strdup("not today") : NULL;
        break;
    case 4:
        machine->power = g_rand_boolean(rand) ? MACHINE_ON : MACHINE_OFF;
        break;
    case 5:
    case 6:
        hypervisor_memory_fault(world->hypervisor, calls[g_rand_int(rand) % G_N_ELEMENTS(calls)],
                                1 + g_rand_int(rand) % 3, TRUE, SLIPWAY_ERROR_NETWORK);
        break;
    default:
        break;
    }
}

/* Whatever happened before, a backup that says that it worked is what reading everything gives, and
 * retention keeps each machine's newest. */
static void
test_days(void)
{
    for (guint seed = 0; seed < 4; seed++) {
        g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
        auto_ptr(world) world = world_new();
        const char *refs[] = {world->ref, world_add(world, "app01", 7), world_add(world, "db", 8)};
        guint incremental = 0, good = 0;
        for (guint day = 0; day < 30; day++) {
            const char *ref = refs[g_rand_int(rand) % G_N_ELEMENTS(refs)];
            struct machine_backup_options options = world_options(world, ref);
            struct machine_backup_report report;
            g_autoptr(GError) error = NULL;
            let_happen(world, ref, rand, day);
            gboolean ok =
                machine_backup_run(world->store, world->hypervisor, &options, &report, &error);
            hypervisor_memory_heal(world->hypervisor);
            g_assert_cmpint(ok, ==, report.backup.set != NULL);
            g_assert_true(ok || g_error_matches(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NETWORK));
            if (ok) {
                good++;
                incremental += g_str_equal(report.backup.set->method, "extents");
                world_assert_is_now(world, ref, report.backup.set);
            }
            machine_backup_report_clear(&report);
            world_assert_clean(world);
            struct store_retention rule = {.last = 3};
            struct retain_report retained;
            g_assert_true(retain_apply(world->store, NULL, &rule, FALSE, &retained, &error));
            g_assert_cmpuint(retained.kept, <=, 3 * G_N_ELEMENTS(refs));
            retain_report_clear(&retained);
        }
        g_assert_cmpuint(good, >, 18);
        g_assert_cmpuint(incremental, >, 5);
    }
}

/* ---- Cancel ---------------------------------------------------------------------------------- */

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
        auto_ptr(world) world = world_with_set();
        struct machine_backup_options options = world_options(world, world->ref);
        struct machine_backup_report report;
        g_autoptr(GError) error = NULL;
        world_scribble(world, world->ref, 17);
        options.verify = BACKUP_VERIFY_ALL;
        hypervisor_memory_follow(world->hypervisor, cancel_at, &call);
        gboolean ok =
            machine_backup_run(world->store, world->hypervisor, &options, &report, &error);
        gboolean cancelled = cancel_requested();
        cancel_heard();
        if (cancelled)
            g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CANCELLED);
        g_assert_cmpint(ok, ==, !cancelled);
        g_assert_null(report.left);
        g_assert_cmpuint(fixture_count(store_repo(world->store), "sets"), ==,
                         report.backup.set != NULL ? 2 : 1);
        machine_backup_report_clear(&report);
        world_assert_clean(world);
        assert_goes_on(world, TRUE);
    }
}

int
main(int argc, char **argv)
{
    fixture_without_cache();
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/machine-backup/leftovers", test_leftovers);
    g_test_add_func("/machine-backup/order", test_order);
    g_test_add_func("/machine-backup/set", test_set);
    g_test_add_func("/machine-backup/boot-order", test_boot_order);
    g_test_add_func("/machine-backup/incremental", test_incremental);
    g_test_add_func("/machine-backup/tracking-lost", test_tracking_lost);
    g_test_add_func("/machine-backup/resized", test_resized);
    g_test_add_func("/machine-backup/exchanged", test_exchanged);
    g_test_add_func("/machine-backup/damaged-before", test_damaged_before);
    g_test_add_func("/machine-backup/full", test_full);
    g_test_add_func("/machine-backup/past-broken", test_past_broken);
    g_test_add_func("/machine-backup/disks-come-and-go", test_disks_come_and_go);
    g_test_add_func("/machine-backup/choice-of-disks", test_choice_of_disks);
    g_test_add_func("/machine-backup/changed-meanwhile", test_changed_meanwhile);
    g_test_add_func("/machine-backup/renamed", test_renamed);
    g_test_add_func("/machine-backup/copied", test_copied);
    g_test_add_func("/machine-backup/two-of-one-name", test_two_of_one_name);
    g_test_add_func("/machine-backup/names-of-files", test_names_of_files);
    g_test_add_func("/machine-backup/quiesce", test_quiesce);
    g_test_add_func("/machine-backup/off", test_off);
    g_test_add_func("/machine-backup/thaw-fails", test_thaw_fails);
    g_test_add_func("/machine-backup/torn", test_torn);
    g_test_add_func("/machine-backup/torn-at-the-end", test_torn_at_the_end);
    g_test_add_func("/machine-backup/torn-and-left", test_torn_and_left);
    g_test_add_func("/machine-backup/torn-and-unreadable", test_torn_and_unreadable);
    g_test_add_func("/machine-backup/faults", test_faults);
    g_test_add_func("/machine-backup/store-fails", test_store_fails);
    g_test_add_func("/machine-backup/two-stores", test_two_stores);
    g_test_add_func("/machine-backup/days", test_days);
    g_test_add_func("/machine-backup/cancel", test_cancel);
    return g_test_run();
}
