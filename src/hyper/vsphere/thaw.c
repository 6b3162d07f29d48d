/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Everything that freezing made is taken away: attached disks first, since a snapshot that is
 * removed under them leaves files that nobody can. */
#include "base/error.h"
#include "hyper/vsphere/frozen_vm.h"
#include "hyper/vsphere/patience.h"
#include "hyper/vsphere/snapshot.h"

/* How often the snapshot is looked for again. */
#define LOOKS_AGAIN 3u

static gboolean
detach(struct frozen_vm *vm, GError **error)
{
    while (vm->attached->len > 0) {
        struct hot_add *last = g_ptr_array_index(vm->attached, vm->attached->len - 1);
        if (!hot_add_detach(last, error)) {
            if (vm->mark != NULL)
                g_prefix_error(error, "snapshot %s of %s must stay while its disks are attached: ",
                               vm->mark, vm->label);
            return FALSE;
        }
        g_ptr_array_set_size(vm->attached, (gint)vm->attached->len - 1);
    }
    return TRUE;
}

/* Tried again for a little while: what removes it afterwards has more patience. */
static gboolean
find_snapshot(struct frozen_vm *vm, gboolean *ret_there, GError **error)
{
    struct patience patience = {.vsphere = vm->vsphere};
    for (;;) {
        struct snapshot *found = NULL;
        g_autoptr(GError) failure = NULL;
        if (snapshot_find(vm->vsphere, &vm->machine, vm->mark, &found, &failure)) {
            *ret_there = found != NULL;
            snapshot_free(found);
            return TRUE;
        }
        if (g_error_matches(failure, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND) ||
            patience.tries >= LOOKS_AGAIN || !patience_wait(&patience, failure)) {
            g_propagate_error(error, g_steal_pointer(&failure));
            return FALSE;
        }
    }
}

/* Without the snapshot the files of a machine are merged and written again, and whoever reads them
 * may go on without an error.  Not so a disk that is attached: as long as it is, its file is locked
 * and nothing can be merged into it, so what was read is what it was at the snapshot.  (VDDK may
 * read straight from the storage, without a lock.)
 *
 * Only the first thaw looks, also when that fails: afterwards the snapshot may be gone by our own
 * doing, and nothing is read any more. */
static void
check_snapshot(struct frozen_vm *vm)
{
    gboolean there;
    g_autoptr(GError) failure = NULL;
    if (!vm->reading)
        return;
    vm->reading = FALSE;
    if (!find_snapshot(vm, &there, &failure))
        progress_warning(vm->base.progress,
                         "whether snapshot %s of %s stayed until its disks were read could not be "
                         "found out: %s",
                         vm->mark, vm->label, failure->message);
    else if (!there && vm->loose > 0)
        vm->base.torn = g_strdup_printf("snapshot %s of %s was removed by somebody else while its "
                                        "disks were read, so what was read may be of several "
                                        "moments",
                                        vm->mark, vm->label);
    else if (!there)
        progress_warning(vm->base.progress,
                         "snapshot %s of %s was removed by somebody else while its disks were "
                         "read; they were attached, and so stayed what they were",
                         vm->mark, vm->label);
}

static gboolean
thaw(struct frozen *self, GError **error)
{
    struct frozen_vm *vm = (struct frozen_vm *)self;
    g_ptr_array_set_size(vm->servers, 0);
    check_snapshot(vm);
    if (!detach(vm, error))
        return FALSE;
    if (vm->mark != NULL &&
        !snapshot_remove(vm->vsphere, &vm->machine, vm->label, vm->mark, vm->base.progress, error))
        return FALSE;
    g_clear_pointer(&vm->mark, g_free);
    if (vm->tried != NULL &&
        !snapshot_remove(vm->vsphere, &vm->machine, vm->label, vm->tried, vm->base.progress, error))
        return FALSE;
    g_clear_pointer(&vm->tried, g_free);
    return TRUE;
}

static void
release(struct frozen_vm *vm)
{
    if (vm->ref == NULL)
        return;
    g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&vm->vsphere->lock);
    g_hash_table_remove(vm->vsphere->busy, vm->ref);
}

static void
free_frozen(struct frozen *self)
{
    struct frozen_vm *vm = (struct frozen_vm *)self;
    release(vm);
    g_ptr_array_unref(vm->servers);
    g_ptr_array_unref(vm->attached);
    moref_clear(&vm->machine);
    moref_clear(&vm->snapshot);
    moref_clear(&vm->self);
    g_free(vm->ref);
    g_free(vm->label);
    g_free(vm->mark);
    g_free(vm->tried);
    g_free(vm->datacenter);
    g_free(vm->no_hot_add);
    g_free(vm);
}

const struct frozen_class frozen_vm_class = {
    .thaw = thaw,
    .free = free_frozen,
};
