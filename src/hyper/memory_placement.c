/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Machines of a hypervisor in memory that are made or written over. */
#include "hyper/memory_private.h"

#include <string.h>

#define COPY_LENGTH 65536u

struct memory_placement {
    struct placement base;
    struct hypervisor *hypervisor;
    char *ref;                      /* of a machine that is written over; NULL: a new one ... */
    struct memory_machine *machine; /* ... which is this */
    char *making;                   /* FOLDER/NAME, while nobody else may take it */
};

static gboolean
import(struct placement *self, guint index, struct disk *source, struct progress *progress,
       GError **error)
{
    struct memory_placement *placement = (struct memory_placement *)self;
    struct memory_state *state = memory_state(placement->hypervisor);
    if (!memory_call(placement->hypervisor, HYPERVISOR_MEMORY_IMPORT, error))
        return FALSE;
    const struct placement_disk *wanted = g_ptr_array_index(self->disks, index);
    struct disk *to = memory_find_disk(placement->machine, wanted->name)->content;
    g_autofree guint8 *buffer = g_malloc(COPY_LENGTH);
    struct disk_extent extent;
    for (guint64 offset = 0; offset < wanted->size; offset += extent.length) {
        if (!disk_extent(source, offset, COPY_LENGTH, &extent, error))
            return FALSE;
        progress_advance(progress, extent.length);
        if (extent.kind == DISK_ZERO)
            continue;
        if (!disk_read(source, offset, buffer, extent.length, error) ||
            !disk_write(to, offset, buffer, extent.length, error))
            return FALSE;
        g_mutex_lock(&state->lock);
        state->counts.bytes_imported += extent.length;
        g_mutex_unlock(&state->lock);
    }
    return TRUE;
}

/* With the lock held: nothing is in the making any more. */
static void
leave(struct memory_state *state, struct memory_placement *placement)
{
    guint index;
    state->counts.unfinished--;
    if (placement->making != NULL &&
        g_ptr_array_find_with_equal_func(state->making, placement->making, g_str_equal, &index))
        g_ptr_array_remove_index(state->making, index);
}

static gboolean
finish(struct placement *self, gboolean power_on, struct machine **ret, GError **error)
{
    struct memory_placement *placement = (struct memory_placement *)self;
    struct memory_state *state = memory_state(placement->hypervisor);
    if (!memory_call(placement->hypervisor, HYPERVISOR_MEMORY_FINISH, error))
        return FALSE;
    g_mutex_lock(&state->lock);
    struct memory_machine *memory = placement->machine;
    if (placement->ref != NULL)
        memory = memory_find(state, placement->ref);
    else
        memory_add(state, g_steal_pointer(&placement->machine));
    gboolean ok = memory != NULL || memory_no_machine(state, placement->ref, error) != NULL;
    if (ok) {
        memory->machine->power = power_on ? MACHINE_ON : MACHINE_OFF;
        leave(state, placement);
        if (ret != NULL)
            *ret = machine_copy(memory->machine);
    }
    g_mutex_unlock(&state->lock);
    return ok;
}

static gboolean
abandon(struct placement *self, GError **error)
{
    struct memory_placement *placement = (struct memory_placement *)self;
    struct memory_state *state = memory_state(placement->hypervisor);
    if (!memory_call(placement->hypervisor, HYPERVISOR_MEMORY_ABANDON, error))
        return FALSE;
    g_mutex_lock(&state->lock);
    leave(state, placement);
    g_mutex_unlock(&state->lock);
    return TRUE;
}

static void
free_placement(struct placement *self)
{
    struct memory_placement *placement = (struct memory_placement *)self;
    memory_machine_free(placement->machine);
    g_free(placement->ref);
    g_free(placement->making);
    g_free(placement);
}

static const struct placement_class placement_class = {
    .import = import,
    .finish = finish,
    .abandon = abandon,
    .free = free_placement,
};

/* With the lock held: TRUE when `name` (NULL: anything) is a place of that kind, or there is none
 * of that kind at all. */
static gboolean
check_place(struct memory_state *state, enum place_kind kind, const enum machine_network *network,
            const char *name, GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    for (guint i = 0; i < state->places->len; i++) {
        const struct place *place = g_ptr_array_index(state->places, i);
        if (place->kind != kind)
            continue;
        if ((g_strcmp0(place->name, name) == 0 || g_strcmp0(place->path, name) == 0) &&
            (network == NULL || place->network == *network))
            return TRUE;
        g_ptr_array_add(names, place->path != NULL ? place->path : place->name);
    }
    if (name == NULL || names->len == 0)
        return TRUE;
    g_ptr_array_add(names, NULL);
    g_autofree char *list = g_strjoinv(", ", (char **)names->pdata);
    return error_set(error, SLIPWAY_ERROR_NOT_FOUND, "%s: there is no %s %s; there are: %s",
                     state->label, place_kind_name(kind), name, list);
}

static gboolean
check_places(struct memory_state *state, const struct machine *wanted, GError **error)
{
    if (!check_place(state, PLACE_FOLDER, NULL, wanted->folder, error) ||
        !check_place(state, PLACE_HOST, NULL, wanted->host, error) ||
        !check_place(state, PLACE_CLUSTER, NULL, wanted->cluster, error) ||
        !check_place(state, PLACE_POOL, NULL, wanted->pool, error))
        return FALSE;
    for (guint i = 0; i < wanted->disks->len; i++) {
        const struct machine_disk *disk = g_ptr_array_index(wanted->disks, i);
        if (disk->skip == NULL &&
            !check_place(state, PLACE_DATASTORE, NULL, disk->datastore, error))
            return FALSE;
    }
    for (guint i = 0; i < wanted->nics->len; i++) {
        const struct machine_nic *nic = g_ptr_array_index(wanted->nics, i);
        if (!check_place(state, PLACE_NETWORK, &nic->kind, nic->network, error))
            return FALSE;
    }
    return TRUE;
}

/* With the lock held. */
static gboolean
check_name(struct memory_state *state, const struct machine *wanted, const char *making,
           GError **error)
{
    if (memory_find_name(state, wanted->folder, wanted->name) == NULL &&
        !g_ptr_array_find_with_equal_func(state->making, making, g_str_equal, NULL))
        return TRUE;
    return error_set(error, SLIPWAY_ERROR_EXISTS,
                     "%s: there is a machine %s already; choose another name", state->label,
                     wanted->name);
}

static struct machine *
plan(const struct machine *wanted)
{
    struct machine *machine = machine_copy(wanted);
    g_clear_pointer(&machine->id, g_free);
    machine->tracked = FALSE;
    for (guint i = machine->disks->len; i-- > 0;) {
        const struct machine_disk *disk = g_ptr_array_index(machine->disks, i);
        if (disk->skip != NULL)
            g_ptr_array_remove_index(machine->disks, i);
    }
    return machine;
}

static struct memory_placement *
new_placement(struct hypervisor *hypervisor, struct progress *progress)
{
    struct memory_placement *placement = g_new0(struct memory_placement, 1);
    placement_init(&placement->base, &placement_class, progress);
    placement->hypervisor = hypervisor;
    return placement;
}

/* What changed nothing yet needs no clean-up. */
static gpointer
discard(struct memory_placement *placement)
{
    placement->base.done = TRUE;
    placement_free(&placement->base);
    return NULL;
}

static gboolean
check_licence(const struct memory_state *state, GError **error)
{
    return !state->read_only || error_set(error, SLIPWAY_ERROR_READ_ONLY,
                                          "%s: it was made read-only for a test", state->label);
}

struct placement *
memory_create(struct hypervisor *hypervisor, const struct machine *wanted,
              struct progress *progress, GError **error)
{
    struct memory_state *state = memory_state(hypervisor);
    if (!memory_call(hypervisor, HYPERVISOR_MEMORY_CREATE, error) || !check_licence(state, error))
        return NULL;
    struct memory_placement *placement = new_placement(hypervisor, progress);
    placement->making =
        g_strdup_printf("%s/%s", wanted->folder != NULL ? wanted->folder : "", wanted->name);
    placement->machine = memory_machine_new(plan(wanted));
    g_mutex_lock(&state->lock);
    gboolean ok =
        check_name(state, wanted, placement->making, error) && check_places(state, wanted, error);
    if (ok) {
        state->counts.unfinished++;
        g_ptr_array_add(state->making, g_strdup(placement->making));
    }
    g_mutex_unlock(&state->lock);
    if (!ok)
        return discard(placement);
    for (guint i = 0; i < placement->machine->disks->len; i++) {
        struct memory_disk *disk = g_ptr_array_index(placement->machine->disks, i);
        struct placement_disk *place =
            placement_add_disk(&placement->base, disk->name, disk_size(disk->content));
        place->target = state->import ? NULL : memory_target(hypervisor, disk);
        place->zero = TRUE;
    }
    return &placement->base;
}

/* With the lock held: the disks of a machine that are to be written over. */
static GPtrArray *
choose_disks(struct memory_machine *memory, const char *const *names, GError **error)
{
    g_autoptr(GPtrArray) chosen = g_ptr_array_new();
    if (memory->machine->power != MACHINE_OFF)
        return error_null(error, SLIPWAY_ERROR_BUSY,
                          "machine %s is not off; turn it off before its disks are written over",
                          memory->machine->name);
    for (guint i = 0; names == NULL && i < memory->disks->len; i++) {
        struct memory_disk *disk = g_ptr_array_index(memory->disks, i);
        if (machine_find_disk(memory->machine, disk->name)->skip == NULL)
            g_ptr_array_add(chosen, disk);
    }
    for (; names != NULL && *names != NULL; names++) {
        struct memory_disk *disk = memory_find_disk(memory, *names);
        if (disk == NULL)
            return error_null(error, SLIPWAY_ERROR_NOT_FOUND, "machine %s has no disk %s",
                              memory->machine->name, *names);
        g_ptr_array_add(chosen, disk);
    }
    return g_steal_pointer(&chosen);
}

struct placement *
memory_overwrite(struct hypervisor *hypervisor, const char *ref, const char *const *names,
                 struct progress *progress, GError **error)
{
    struct memory_state *state = memory_state(hypervisor);
    if (!memory_call(hypervisor, HYPERVISOR_MEMORY_OVERWRITE, error) ||
        !check_licence(state, error))
        return NULL;
    struct memory_placement *placement = new_placement(hypervisor, progress);
    g_mutex_lock(&state->lock);
    struct memory_machine *memory = memory_find(state, ref);
    g_autoptr(GPtrArray) disks =
        memory != NULL ? choose_disks(memory, names, error) : memory_no_machine(state, ref, error);
    if (disks != NULL) {
        placement->ref = g_strdup(memory->machine->ref);
        state->counts.unfinished++;
    }
    g_mutex_unlock(&state->lock);
    if (disks == NULL)
        return discard(placement);
    for (guint i = 0; i < disks->len; i++) {
        struct memory_disk *disk = g_ptr_array_index(disks, i);
        struct placement_disk *place =
            placement_add_disk(&placement->base, disk->name, disk_size(disk->content));
        place->target = memory_target(hypervisor, disk);
    }
    return &placement->base;
}
