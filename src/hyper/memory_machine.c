/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The machines of a hypervisor in memory, and what a test and their guests do to them. */
#include "hyper/mark.h"
#include "hyper/memory_private.h"

#include <string.h>

static void
free_disk(struct memory_disk *disk)
{
    disk_close(disk->content);
    g_array_unref(disk->stamps);
    g_hash_table_unref(disk->chains);
    g_free(disk->name);
    g_free(disk->uuid);
    g_free(disk);
}

static void
free_machine(struct memory_machine *memory)
{
    machine_free(memory->machine);
    g_ptr_array_unref(memory->disks);
    g_ptr_array_unref(memory->snapshots);
    g_free(memory);
}

GPtrArray *
memory_machines_new(void)
{
    return g_ptr_array_new_with_free_func((GDestroyNotify)free_machine);
}

static void
set_size(struct memory_disk *disk, guint64 size)
{
    guint64 blocks =
        size / HYPERVISOR_MEMORY_GRANULARITY + (size % HYPERVISOR_MEMORY_GRANULARITY != 0);
    g_array_set_size(disk->stamps, (guint)blocks);
}

static struct memory_disk *
new_disk(const struct machine_disk *from)
{
    struct memory_disk *disk = g_new0(struct memory_disk, 1);
    disk->name = g_strdup(from->name);
    disk->content = disk_memory_new(from->size, from->name);
    disk->stamps = g_array_new(FALSE, TRUE, sizeof(guint64));
    disk->sequence = 1;
    disk->chains = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    set_size(disk, from->size);
    return disk;
}

struct memory_machine *
memory_machine_new(struct machine *machine)
{
    struct memory_machine *memory = g_new0(struct memory_machine, 1);
    memory->machine = machine;
    memory->disks = g_ptr_array_new_with_free_func((GDestroyNotify)free_disk);
    memory->snapshots = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < machine->disks->len; i++)
        g_ptr_array_add(memory->disks, new_disk(g_ptr_array_index(machine->disks, i)));
    return memory;
}

void
memory_machine_free(struct memory_machine *memory)
{
    if (memory != NULL)
        free_machine(memory);
}

void
memory_add(struct memory_state *state, struct memory_machine *memory)
{
    struct machine *machine = memory->machine;
    guint number = ++state->next;
    g_free(machine->ref);
    machine->ref = g_strdup_printf("vm-%u", number);
    g_free(machine->driver);
    machine->driver = g_strdup(state->driver);
    if (machine->id == NULL)
        machine->id = g_strdup_printf("00000000-0000-4000-8000-%012x", number);
    for (guint i = 0; i < machine->nics->len; i++) {
        struct machine_nic *nic = g_ptr_array_index(machine->nics, i);
        if (nic->mac == NULL)
            nic->mac = g_strdup_printf("52:54:00:%02x:%02x:%02x", number >> 8 & 0xff, number & 0xff,
                                       i & 0xff);
    }
    g_ptr_array_add(state->machines, memory);
}

struct memory_machine *
memory_find(struct memory_state *state, const char *ref_or_id)
{
    for (guint i = 0; i < state->machines->len; i++) {
        struct memory_machine *memory = g_ptr_array_index(state->machines, i);
        if (g_strcmp0(memory->machine->ref, ref_or_id) == 0 ||
            g_strcmp0(memory->machine->id, ref_or_id) == 0)
            return memory;
    }
    return NULL;
}

struct memory_machine *
memory_find_name(struct memory_state *state, const char *folder, const char *name)
{
    for (guint i = 0; i < state->machines->len; i++) {
        struct memory_machine *memory = g_ptr_array_index(state->machines, i);
        if (g_strcmp0(memory->machine->folder, folder) == 0 &&
            g_strcmp0(memory->machine->name, name) == 0)
            return memory;
    }
    return NULL;
}

struct memory_disk *
memory_find_disk(struct memory_machine *memory, const char *name)
{
    for (guint i = 0; i < memory->disks->len; i++) {
        struct memory_disk *disk = g_ptr_array_index(memory->disks, i);
        if (g_strcmp0(disk->name, name) == 0)
            return disk;
    }
    return NULL;
}

gpointer
memory_no_machine(struct memory_state *state, const char *ref, GError **error)
{
    GString *names = g_string_new(NULL);
    for (guint i = 0; i < state->machines->len; i++) {
        const struct memory_machine *memory = g_ptr_array_index(state->machines, i);
        g_string_append_printf(names, "%s%s", i > 0 ? ", " : "", memory->machine->name);
    }
    error_set(error, SLIPWAY_ERROR_NOT_FOUND, "%s: there is no machine %s; there are: %s",
              state->label, ref, names->str);
    g_string_free(names, TRUE);
    return NULL;
}

gboolean
memory_is_frozen(const struct memory_machine *memory, const char *mark)
{
    return g_ptr_array_find_with_equal_func(memory->snapshots, mark, g_str_equal, NULL);
}

void
memory_stamp(struct memory_disk *disk, guint64 offset, guint64 length)
{
    if (length == 0)
        return;
    guint64 last = (offset + length - 1) / HYPERVISOR_MEMORY_GRANULARITY;
    for (guint64 block = offset / HYPERVISOR_MEMORY_GRANULARITY; block <= last; block++)
        g_array_index(disk->stamps, guint64, block) = disk->sequence;
}

void
memory_track_anew(struct memory_disk *disk)
{
    g_free(disk->uuid);
    disk->uuid = g_uuid_string_random();
    disk->sequence = 1;
    memset(disk->stamps->data, 0, disk->stamps->len * sizeof(guint64));
    g_hash_table_remove_all(disk->chains);
}

/* ---- What a test does ------------------------------------------------------------------------ */

static struct memory_machine *
must_find(struct memory_state *state, const char *ref)
{
    struct memory_machine *memory = memory_find(state, ref);
    if (memory == NULL)
        g_error("%s: a test names machine %s, which is not there", state->label, ref);
    return memory;
}

static struct memory_disk *
must_find_disk(struct memory_state *state, const char *ref, const char *name)
{
    struct memory_disk *disk = memory_find_disk(must_find(state, ref), name);
    if (disk == NULL)
        g_error("%s: a test names disk %s of machine %s, which is not there", state->label, name,
                ref);
    return disk;
}

const char *
hypervisor_memory_add(struct hypervisor *hypervisor, struct machine *machine)
{
    struct memory_state *state = memory_state(hypervisor);
    struct memory_machine *memory = memory_machine_new(machine);
    g_mutex_lock(&state->lock);
    memory_add(state, memory);
    for (guint i = 0; machine->tracked && i < memory->disks->len; i++)
        memory_track_anew(g_ptr_array_index(memory->disks, i));
    g_mutex_unlock(&state->lock);
    return machine->ref;
}

void
hypervisor_memory_remove(struct hypervisor *hypervisor, const char *ref)
{
    struct memory_state *state = memory_state(hypervisor);
    g_mutex_lock(&state->lock);
    g_ptr_array_remove(state->machines, must_find(state, ref));
    g_mutex_unlock(&state->lock);
}

const char *
hypervisor_memory_find(struct hypervisor *hypervisor, const char *name)
{
    struct memory_state *state = memory_state(hypervisor);
    const char *ref = NULL;
    g_mutex_lock(&state->lock);
    for (guint i = 0; ref == NULL && i < state->machines->len; i++) {
        const struct memory_machine *memory = g_ptr_array_index(state->machines, i);
        if (g_strcmp0(memory->machine->name, name) == 0)
            ref = memory->machine->ref;
    }
    g_mutex_unlock(&state->lock);
    return ref;
}

struct machine *
hypervisor_memory_machine(struct hypervisor *hypervisor, const char *ref)
{
    struct memory_state *state = memory_state(hypervisor);
    g_mutex_lock(&state->lock);
    struct machine *machine = must_find(state, ref)->machine;
    g_mutex_unlock(&state->lock);
    return machine;
}

void
hypervisor_memory_write(struct hypervisor *hypervisor, const char *ref, const char *disk,
                        guint64 offset, const void *data, gsize length)
{
    struct memory_state *state = memory_state(hypervisor);
    g_autoptr(GError) error = NULL;
    g_mutex_lock(&state->lock);
    struct memory_disk *memory = must_find_disk(state, ref, disk);
    if (!disk_write(memory->content, offset, data, length, &error))
        g_error("%s", error->message);
    memory_stamp(memory, offset, length);
    g_mutex_unlock(&state->lock);
}

void
hypervisor_memory_fill(struct hypervisor *hypervisor, const char *ref, const char *disk,
                       guint64 offset, guint64 length, guint8 pattern)
{
    g_autofree guint8 *data = g_malloc(length);
    memset(data, pattern, length);
    hypervisor_memory_write(hypervisor, ref, disk, offset, data, length);
}

void
hypervisor_memory_read(struct hypervisor *hypervisor, const char *ref, const char *disk,
                       guint64 offset, void *buffer, gsize length)
{
    struct memory_state *state = memory_state(hypervisor);
    g_autoptr(GError) error = NULL;
    g_mutex_lock(&state->lock);
    if (!disk_read(must_find_disk(state, ref, disk)->content, offset, buffer, length, &error))
        g_error("%s", error->message);
    g_mutex_unlock(&state->lock);
}

struct disk *
hypervisor_memory_look(struct hypervisor *hypervisor, const char *ref, const char *disk)
{
    struct memory_state *state = memory_state(hypervisor);
    g_mutex_lock(&state->lock);
    struct disk *content = must_find_disk(state, ref, disk)->content;
    struct disk *copy = memory_copy(content, disk_size(content), disk);
    g_mutex_unlock(&state->lock);
    return copy;
}

void
hypervisor_memory_resize(struct hypervisor *hypervisor, const char *ref, const char *disk,
                         guint64 size)
{
    struct memory_state *state = memory_state(hypervisor);
    g_mutex_lock(&state->lock);
    struct memory_disk *memory = must_find_disk(state, ref, disk);
    struct disk *content = memory_copy(memory->content, size, disk);
    disk_close(memory->content);
    memory->content = content;
    set_size(memory, size);
    machine_find_disk(must_find(state, ref)->machine, disk)->size = size;
    g_mutex_unlock(&state->lock);
}

void
hypervisor_memory_forget_changes(struct hypervisor *hypervisor, const char *ref)
{
    struct memory_state *state = memory_state(hypervisor);
    g_mutex_lock(&state->lock);
    struct memory_machine *memory = must_find(state, ref);
    for (guint i = 0; i < memory->disks->len; i++)
        memory_track_anew(g_ptr_array_index(memory->disks, i));
    g_mutex_unlock(&state->lock);
}

void
hypervisor_memory_set_quiesce(struct hypervisor *hypervisor, gboolean works)
{
    struct memory_state *state = memory_state(hypervisor);
    g_mutex_lock(&state->lock);
    state->quiesce_fails = !works;
    g_mutex_unlock(&state->lock);
}

void
hypervisor_memory_add_place(struct hypervisor *hypervisor, struct place *place)
{
    struct memory_state *state = memory_state(hypervisor);
    g_mutex_lock(&state->lock);
    g_ptr_array_add(state->places, place);
    g_mutex_unlock(&state->lock);
}

void
hypervisor_memory_leave(struct hypervisor *hypervisor, const char *ref, const char *mark)
{
    struct memory_state *state = memory_state(hypervisor);
    g_mutex_lock(&state->lock);
    g_ptr_array_add(must_find(state, ref)->snapshots, g_strdup(mark));
    g_mutex_unlock(&state->lock);
}

gboolean
hypervisor_memory_has(struct hypervisor *hypervisor, const char *ref, const char *mark)
{
    struct memory_state *state = memory_state(hypervisor);
    g_mutex_lock(&state->lock);
    GPtrArray *snapshots = must_find(state, ref)->snapshots;
    gboolean has = g_ptr_array_find_with_equal_func(snapshots, mark, g_str_equal, NULL);
    g_mutex_unlock(&state->lock);
    return has;
}

void
hypervisor_memory_drop(struct hypervisor *hypervisor, const char *ref, const char *mark)
{
    struct memory_state *state = memory_state(hypervisor);
    guint index;
    g_mutex_lock(&state->lock);
    GPtrArray *snapshots = must_find(state, ref)->snapshots;
    if (g_ptr_array_find_with_equal_func(snapshots, mark, g_str_equal, &index))
        g_ptr_array_remove_index(snapshots, index);
    g_mutex_unlock(&state->lock);
}

void
hypervisor_memory_tear(struct hypervisor *hypervisor, const char *ref)
{
    struct memory_state *state = memory_state(hypervisor);
    g_mutex_lock(&state->lock);
    GPtrArray *snapshots = must_find(state, ref)->snapshots;
    for (guint i = snapshots->len; i-- > 0;)
        if (mark_look(g_ptr_array_index(snapshots, i)) == MARK_ALIVE)
            g_ptr_array_remove_index(snapshots, i);
    g_mutex_unlock(&state->lock);
}
