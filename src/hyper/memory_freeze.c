/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One moment of a machine of a hypervisor in memory. */
#include "hyper/mark.h"
#include "hyper/memory_private.h"

#include <string.h>

struct memory_frozen {
    struct frozen base;
    struct hypervisor *hypervisor;
    char *ref, *mark, *chain;
    gboolean looked;   /* whether the snapshot was there to the end */
    GArray *sequences; /* of guint64: of each disk's change id */
    GPtrArray *uuids;  /* of char *, NULL without tracking */
};

static struct memory_state *
state_of(const struct memory_frozen *frozen)
{
    return memory_state(frozen->hypervisor);
}

/* Of a machine that is gone nothing can be told. */
static void
look(struct memory_frozen *frozen)
{
    struct memory_state *state = state_of(frozen);
    if (frozen->looked)
        return;
    frozen->looked = TRUE;
    g_mutex_lock(&state->lock);
    const struct memory_machine *memory = memory_find(state, frozen->ref);
    if (memory != NULL && !memory_is_frozen(memory, frozen->mark))
        frozen->base.torn = g_strdup_printf("somebody removed the snapshot of %s while its disks "
                                            "were read",
                                            memory->machine->name);
    g_mutex_unlock(&state->lock);
}

static gboolean
thaw(struct frozen *self, GError **error)
{
    struct memory_frozen *frozen = (struct memory_frozen *)self;
    look(frozen);
    if (!memory_call(frozen->hypervisor, HYPERVISOR_MEMORY_THAW, error))
        return FALSE;
    struct memory_state *state = state_of(frozen);
    g_mutex_lock(&state->lock);
    struct memory_machine *memory = memory_find(state, frozen->ref);
    guint index;
    if (memory != NULL &&
        g_ptr_array_find_with_equal_func(memory->snapshots, frozen->mark, g_str_equal, &index))
        g_ptr_array_remove_index(memory->snapshots, index);
    g_mutex_unlock(&state->lock);
    return TRUE;
}

/* The tracking of a disk may have begun anew meanwhile: then nothing older is good. */
static void
keep_ids(struct memory_frozen *frozen, struct memory_machine *memory)
{
    for (guint i = 0; i < frozen->base.disks->len; i++) {
        const struct frozen_disk *view = g_ptr_array_index(frozen->base.disks, i);
        const char *uuid = g_ptr_array_index(frozen->uuids, i);
        struct memory_disk *disk = memory_find_disk(memory, view->name);
        if (disk == NULL || uuid == NULL || g_strcmp0(disk->uuid, uuid) != 0)
            continue;
        guint64 *good = g_new(guint64, 1);
        *good = g_array_index(frozen->sequences, guint64, i);
        g_hash_table_replace(disk->chains, g_strdup(frozen->chain), good);
    }
}

static gboolean
settle(struct frozen *self, gboolean kept, GError **error)
{
    struct memory_frozen *frozen = (struct memory_frozen *)self;
    if (!memory_call_named(frozen->hypervisor, HYPERVISOR_MEMORY_SETTLE,
                           kept ? "settle-kept" : "settle-lost", error))
        return FALSE;
    struct memory_state *state = state_of(frozen);
    g_mutex_lock(&state->lock);
    struct memory_machine *memory = memory_find(state, frozen->ref);
    if (kept && memory != NULL)
        keep_ids(frozen, memory);
    g_mutex_unlock(&state->lock);
    return TRUE;
}

static void
free_frozen(struct frozen *self)
{
    struct memory_frozen *frozen = (struct memory_frozen *)self;
    g_free(frozen->ref);
    g_free(frozen->mark);
    g_free(frozen->chain);
    g_array_unref(frozen->sequences);
    g_ptr_array_unref(frozen->uuids);
    g_free(frozen);
}

static const struct frozen_class frozen_class = {
    .thaw = thaw,
    .settle = settle,
    .free = free_frozen,
};

/* What changed after the snapshot that `change_id` is of; NULL with a sentence when that cannot be
 * told. */
static struct extent_list *
find_changes(struct memory_disk *disk, const char *change_id, const char *chain, char **ret_why)
{
    const char *slash = strrchr(change_id, '/');
    guint64 since = 0;
    if (slash == NULL || !g_ascii_string_to_unsigned(slash + 1, 10, 0, G_MAXUINT64, &since, NULL)) {
        *ret_why = g_strdup_printf("\"%s\" is no change id of this hypervisor", change_id);
        return NULL;
    }
    if (strlen(disk->uuid) != (gsize)(slash - change_id) ||
        !g_str_has_prefix(change_id, disk->uuid)) {
        *ret_why = g_strdup("the tracking of changes began anew since the last backup");
        return NULL;
    }
    const guint64 *good = g_hash_table_lookup(disk->chains, chain);
    if (good == NULL || *good != since) {
        *ret_why = g_strdup_printf("change id %s is not the last one of these backups", change_id);
        return NULL;
    }
    struct extent_list *changed = extent_list_new();
    for (guint i = 0; i < disk->stamps->len; i++)
        if (g_array_index(disk->stamps, guint64, i) > since)
            extent_list_add(changed, (guint64)i * HYPERVISOR_MEMORY_GRANULARITY,
                            HYPERVISOR_MEMORY_GRANULARITY);
    extent_list_settle(changed, disk_size(disk->content));
    return changed;
}

static void
track(struct memory_frozen *frozen, struct memory_disk *disk, const struct freeze_disk *wanted,
      struct frozen_disk *view)
{
    if (disk->uuid == NULL) {
        memory_track_anew(disk);
        view->why_full = g_strdup("changes were not tracked until now");
    } else if (wanted->change_id != NULL) {
        view->changed = find_changes(disk, wanted->change_id, frozen->chain, &view->why_full);
    }
    view->change_id = g_strdup_printf("%s/%" G_GUINT64_FORMAT, disk->uuid, disk->sequence);
}

static void
open_disk(struct memory_frozen *frozen, struct memory_disk *disk, const struct freeze_disk *wanted,
          gboolean tracked)
{
    struct frozen_disk *view = frozen_add_disk(&frozen->base, wanted->name);
    if (tracked)
        track(frozen, disk, wanted, view);
    g_ptr_array_add(frozen->uuids, tracked ? g_strdup(disk->uuid) : NULL);
    g_array_append_val(frozen->sequences, disk->sequence);
    disk->sequence++;
    g_autofree char *label = g_strdup_printf("%s of frozen machine %s", disk->name, frozen->ref);
    view->disk = memory_copy(disk->content, disk_size(disk->content), label);
}

/* With the lock held; FALSE: the guest must be at rest, and cannot be. */
static gboolean
quiesce(struct memory_state *state, const struct hypervisor *hypervisor,
        struct memory_machine *memory, enum freeze_quiesce wanted, struct frozen *ret,
        GError **error)
{
    const char *why = NULL;
    if (memory->machine->power == MACHINE_OFF) {
        ret->consistency = FROZEN_OFF;
        return TRUE;
    }
    if (memory->machine->power == MACHINE_SUSPENDED)
        why = "the machine is suspended";
    else if (!(hypervisor->capabilities & HYPERVISOR_CAN_QUIESCE))
        why = "guests cannot be brought to rest here";
    else if (state->quiesce_fails)
        why = "the guest did not come to rest";
    ret->consistency = why == NULL && wanted != FREEZE_NEVER ? FROZEN_QUIESCED : FROZEN_CRASH;
    if (why != NULL && wanted != FREEZE_NEVER)
        ret->words = g_strdup(why);
    if (why != NULL && wanted == FREEZE_REQUIRE)
        return error_set(error, SLIPWAY_ERROR_FAILED, "machine %s: %s", memory->machine->name, why);
    return TRUE;
}

/* With the lock held. */
static struct memory_machine *
check(struct memory_state *state, const struct hypervisor *hypervisor, const char *ref,
      const struct freeze_options *options, GError **error)
{
    struct memory_machine *memory = memory_find(state, ref);
    if (memory == NULL)
        return memory_no_machine(state, ref, error);
    const char *name = memory->machine->name;
    for (guint i = 0; i < memory->snapshots->len; i++)
        if (mark_look(g_ptr_array_index(memory->snapshots, i)) == MARK_ALIVE)
            return error_null(error, SLIPWAY_ERROR_BUSY,
                              "machine %s is being backed up by somebody else; try again when "
                              "that has ended",
                              name);
    if (memory->machine->power == MACHINE_OFF &&
        !(hypervisor->capabilities & HYPERVISOR_CAN_OFFLINE))
        return error_null(error, SLIPWAY_ERROR_UNSUPPORTED,
                          "machine %s is off, and only running ones can be backed up here", name);
    for (guint i = 0; i < options->n_disks; i++)
        if (memory_find_disk(memory, options->disks[i].name) == NULL)
            return error_null(error, SLIPWAY_ERROR_NOT_FOUND, "machine %s has no disk %s", name,
                              options->disks[i].name);
    return memory;
}

/* With the lock held: all disks are of one moment. */
static gboolean
freeze(struct memory_state *state, struct memory_frozen *frozen,
       const struct freeze_options *options, GError **error)
{
    gboolean tracked = (frozen->hypervisor->capabilities & HYPERVISOR_CAN_TRACK) != 0;
    struct memory_machine *memory = check(state, frozen->hypervisor, frozen->ref, options, error);
    if (memory == NULL ||
        !quiesce(state, frozen->hypervisor, memory, options->quiesce, &frozen->base, error))
        return FALSE;
    frozen_begin(&frozen->base);
    g_ptr_array_add(memory->snapshots, g_strdup(frozen->mark));
    memory->machine->tracked |= tracked;
    for (guint i = 0; i < options->n_disks; i++)
        open_disk(frozen, memory_find_disk(memory, options->disks[i].name), &options->disks[i],
                  tracked);
    return TRUE;
}

/* What never began to be frozen needs no thaw. */
static void
discard(struct memory_frozen *frozen)
{
    frozen->base.thawed = frozen->base.settled = TRUE;
    frozen_free(&frozen->base);
}

struct frozen *
memory_freeze(struct hypervisor *hypervisor, const struct machine *machine,
              const struct freeze_options *options, GError **error)
{
    struct memory_state *state = memory_state(hypervisor);
    if (!memory_call(hypervisor, HYPERVISOR_MEMORY_FREEZE, error))
        return NULL;
    struct memory_frozen *frozen = g_new0(struct memory_frozen, 1);
    frozen_init(&frozen->base, &frozen_class, options);
    frozen->hypervisor = hypervisor;
    frozen->ref = g_strdup(machine->ref);
    frozen->mark = mark_new();
    frozen->chain = g_strdup(options->chain);
    frozen->sequences = g_array_new(FALSE, FALSE, sizeof(guint64));
    frozen->uuids = g_ptr_array_new_with_free_func(g_free);

    g_mutex_lock(&state->lock);
    gboolean ok = freeze(state, frozen, options, error);
    g_mutex_unlock(&state->lock);
    if (!ok) {
        discard(frozen);
        return NULL;
    }
    /* Counting them takes the lock. */
    for (guint i = 0; i < frozen->base.disks->len; i++) {
        struct frozen_disk *disk = g_ptr_array_index(frozen->base.disks, i);
        const struct memory_view_of of = {frozen->ref, disk->name, frozen->mark};
        disk->disk = memory_frozen_disk(hypervisor, disk->disk, &of);
    }
    return &frozen->base;
}
