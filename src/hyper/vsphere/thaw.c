/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Everything that freezing made is taken away: attached disks first, since a snapshot that is
 * removed under them leaves files that nobody can. */
#include "base/error.h"
#include "hyper/vsphere/frozen_vm.h"
#include "hyper/vsphere/snapshot.h"

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

/* Looked at once, before it is removed: without it what was read may be of several moments. */
static void
check_snapshot(struct frozen_vm *vm)
{
    struct snapshot *found = NULL;
    if (vm->snapshot.value == NULL || vm->mark == NULL || vm->looked)
        return;
    vm->looked = TRUE;
    if (snapshot_find(vm->vsphere, &vm->machine, vm->mark, &found, NULL) && found == NULL)
        progress_warning(vm->base.progress,
                         "snapshot %s of %s was removed by somebody else while its disks were "
                         "read: what was read may be of several moments; do not rely on this "
                         "backup, and make another",
                         vm->mark, vm->label);
    snapshot_free(found);
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
