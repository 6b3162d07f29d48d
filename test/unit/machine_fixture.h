/* SPDX-License-Identifier: GPL-3.0-or-later */
/* machine_fixture.h: a hypervisor in memory with machines on it, a store, and backups of them. */
#pragma once

#include "engine/machine_backup.h"
#include "engine/set_disk.h"
#include "engine_fixture.h"
#include "hyper/mark.h"
#include "hyper/memory.h"

#define MACHINE_SIZE ((guint64)CHUNK_SEGMENT + 1234 * 4096)
#define MACHINE_OTHER_SIZE ((guint64)700 * 1024)

struct world {
    struct store *store;
    struct hypervisor *hypervisor;
    const char *ref;     /* of the first machine */
    GPtrArray *warnings; /* of char * */
    GMutex lock;
    struct progress *progress;
};

struct world_progress {
    struct progress base;
    struct world *world;
};

static inline void
world_note(struct progress *self, enum progress_note kind, const char *text)
{
    struct world *world = ((struct world_progress *)self)->world;
    g_mutex_lock(&world->lock);
    if (kind == PROGRESS_WARNING)
        g_ptr_array_add(world->warnings, g_strdup(text));
    g_mutex_unlock(&world->lock);
}

static inline void
world_begin(struct progress *self G_GNUC_UNUSED, const char *what G_GNUC_UNUSED,
            guint64 total G_GNUC_UNUSED, enum progress_unit unit G_GNUC_UNUSED)
{
}

static inline void
world_advance(struct progress *self G_GNUC_UNUSED, guint64 amount G_GNUC_UNUSED)
{
}

static inline void
world_end(struct progress *self G_GNUC_UNUSED, gboolean ok G_GNUC_UNUSED)
{
}

static inline struct machine *
machine_fixture_new(const char *name)
{
    struct machine *machine = machine_new();
    machine->name = g_strdup(name);
    machine->folder = g_strdup("/DC0/vm/prod");
    machine->power = MACHINE_ON;
    machine->cpus = 2;
    machine->memory = 1u << 30;
    machine->family = g_strdup("linux");
    machine->uuid = g_uuid_string_random();
    const guint64 sizes[] = {MACHINE_SIZE, MACHINE_OTHER_SIZE};
    for (guint i = 0; i < 2; i++) {
        struct machine_disk *disk = machine_add_disk(machine);
        disk->name = g_strdup_printf("scsi0:%u", i);
        disk->key = g_strdup_printf("%s-%u", name, 2000 + i);
        disk->bus = MACHINE_SCSI;
        disk->unit = i;
        disk->model = g_strdup("pvscsi");
        disk->size = sizes[i];
        disk->datastore = g_strdup("ds1");
        disk->thin = TRUE;
    }
    struct machine_nic *nic = machine_add_nic(machine);
    nic->name = g_strdup("ethernet0");
    nic->model = g_strdup("vmxnet3");
    nic->kind = MACHINE_PORT_GROUP;
    nic->network = g_strdup("VM Network");
    nic->connected = TRUE;
    return machine;
}

/* Some of each disk is written. */
static inline const char *
world_add(struct world *world, const char *name, guint seed)
{
    const char *ref = hypervisor_memory_add(world->hypervisor, machine_fixture_new(name));
    for (guint i = 0; i < 2; i++) {
        g_autofree char *disk = g_strdup_printf("scsi0:%u", i);
        auto_ptr(disk) content = engine_disk_new(i == 0 ? 3000000 : 300000, seed + i);
        g_autoptr(GBytes) bytes = engine_bytes(content);
        gsize length;
        const void *data = g_bytes_get_data(bytes, &length);
        hypervisor_memory_write(world->hypervisor, ref, disk, 40000, data, length);
    }
    return ref;
}

static inline struct world *
world_new_on(struct repo *repo, const struct hypervisor_memory_options *options)
{
    static const struct progress_class class = {
        .begin = world_begin, .advance = world_advance, .end = world_end, .note = world_note};
    struct world *world = g_new0(struct world, 1);
    struct world_progress *progress = g_new0(struct world_progress, 1);
    *progress = (struct world_progress){{&class}, world};
    world->progress = &progress->base;
    g_mutex_init(&world->lock);
    world->warnings = g_ptr_array_new_with_free_func(g_free);
    world->store = fixture_init(repo, NULL, 0);
    world->hypervisor = hypervisor_memory_new(options);
    world->ref = world_add(world, "app01", 1);
    return world;
}

static inline struct world *
world_new(void)
{
    return world_new_on(repo_memory_new(), NULL);
}

static inline void
world_free(struct world *world)
{
    if (world == NULL)
        return;
    hypervisor_close(world->hypervisor);
    store_close(world->store);
    g_ptr_array_unref(world->warnings);
    g_mutex_clear(&world->lock);
    g_free(world->progress);
    g_free(world);
}
AUTO_PTR_DEFINE(world, world_free)

static inline gboolean
world_has_warning(struct world *world, const char *part)
{
    for (guint i = 0; i < world->warnings->len; i++)
        if (strstr(world->warnings->pdata[i], part) != NULL)
            return TRUE;
    return FALSE;
}

/* A few places of the first disk are written by the guest. */
static inline void
world_scribble(struct world *world, const char *ref, guint seed)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
    for (guint i = 0; i < 3; i++) {
        guint8 bytes[9000];
        for (gsize k = 0; k < sizeof bytes; k++)
            bytes[k] = (guint8)g_rand_int(rand);
        guint64 at = g_rand_int(rand) % (MACHINE_SIZE - sizeof bytes);
        hypervisor_memory_write(world->hypervisor, ref, "scsi0:0", at, bytes, sizeof bytes);
    }
}

static inline struct machine_backup_options
world_options(struct world *world, const char *ref)
{
    return (struct machine_backup_options){.ref = ref,
                                           .quiesce = FREEZE_TRY,
                                           .codec = CODEC_ZSTD,
                                           .level = 1,
                                           .threads = 2,
                                           .progress = world->progress};
}

/* A backup that works; the set is the caller's. */
static inline struct set *
world_backup(struct world *world, const char *ref, struct machine_backup_report *report)
{
    g_autoptr(GError) error = NULL;
    struct machine_backup_options options = world_options(world, ref);
    machine_backup_run(world->store, world->hypervisor, &options, report, &error);
    g_assert_no_error(error);
    g_assert_nonnull(report->backup.set);
    return report->backup.set;
}

/* Nothing of a run is on the host. */
static inline void
world_assert_clean(struct world *world)
{
    struct hypervisor_memory_counts counts;
    hypervisor_memory_count(world->hypervisor, &counts);
    g_assert_cmpuint(counts.snapshots, ==, 0);
    g_assert_cmpuint(counts.open_disks, ==, 0);
    g_assert_cmpuint(counts.unfinished, ==, 0);
}

/* The set is what reading everything gives: each disk is read as it is now, into a store of its
 * own that names chunks alike. */
static inline void
world_assert_is_now(struct world *world, const char *ref, const struct set *set)
{
    auto_ptr(store) other = fixture_fork(world->store);
    for (guint i = 0; i < set->disks->len; i++) {
        const struct set_disk *stored = set->disks->pdata[i];
        auto_ptr(disk) now = hypervisor_memory_look(world->hypervisor, ref, stored->name);
        struct backup_source source = {.disk = now, .name = "disk"};
        struct backup_options options = {.name = "reference",
                                         .sources = &source,
                                         .n_sources = 1,
                                         .codec = CODEC_ZSTD,
                                         .level = 1,
                                         .full = TRUE};
        struct backup_report report;
        g_autoptr(GError) error = NULL;
        backup_run(other, &options, &report, &error);
        g_assert_no_error(error);
        engine_assert_same_map(&stored->map, engine_map(report.set));
        backup_report_clear(&report);
    }
}
