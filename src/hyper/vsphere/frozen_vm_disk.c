/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is known of a frozen disk before a byte is read: what changed, what is allocated. */
#include "base/error.h"
#include "hyper/vsphere/changes.h"
#include "hyper/vsphere/frozen_vm.h"

/* What may be skipped; *ret NULL: nothing.  Nothing here is a reason to fail but a lost server.
 * A server knows it only when the tracking began without snapshots, which cannot be told of a disk
 * that is one of a chain now: of a linked clone it may be what the clone alone has written.  That
 * there is nothing at all is hardly ever true, and would make an empty backup when it is not. */
static gboolean
find_allocated(struct frozen_vm *vm, const struct changes_disk *query, const struct device *device,
               struct extent_list **ret, GError **error)
{
    g_autofree char *words = NULL;
    auto_ptr(extent_list) list = NULL;
    *ret = NULL;
    if (device->parent_file != NULL)
        return TRUE;
    if (!changes_query(vm->vsphere->vim, query, "*", &list, &words, error))
        return FALSE;
    if (list == NULL)
        progress_debug(vm->base.progress, "%s: what is allocated is not known: %s", vm->label,
                       words);
    else if (extent_list_total(list) > 0 && extent_list_total(list) < query->size)
        *ret = g_steal_pointer(&list);
    return TRUE;
}

static gboolean
find_changed(struct frozen_vm *vm, const struct changes_disk *query,
             const struct freeze_disk *wanted, struct frozen_disk *disk, GError **error)
{
    disk->why_full = changes_compare_ids(wanted->change_id, disk->change_id);
    if (disk->why_full == NULL && wanted->size != query->size)
        disk->why_full = g_strdup_printf("the disk has %" G_GUINT64_FORMAT
                                         " bytes now and had %" G_GUINT64_FORMAT,
                                         query->size, wanted->size);
    if (disk->why_full != NULL)
        return TRUE;
    return changes_query(vm->vsphere->vim, query, wanted->change_id, &disk->changed,
                         &disk->why_full, error);
}

gboolean
frozen_vm_open_disk(struct frozen_vm *vm, const GPtrArray *devices, const struct device *device,
                    const struct freeze_disk *wanted, const char *untracked, GError **error)
{
    struct frozen_disk *disk = frozen_add_disk(&vm->base, wanted->name);
    struct changes_disk query = {&vm->machine, &vm->snapshot, device->key, device->size};
    auto_ptr(extent_list) allocated = NULL;
    gboolean tracked = device->change_id != NULL && *device->change_id != '\0';
    if (tracked)
        disk->change_id = g_strdup(device->change_id);
    if (wanted->change_id != NULL && !find_changed(vm, &query, wanted, disk, error))
        return FALSE;
    if (!tracked && untracked != NULL) {
        g_free(disk->why_full);
        disk->why_full = g_strdup(untracked);
    } else if (!tracked && disk->why_full == NULL) {
        disk->why_full = g_strdup("the server gives no change id for this disk");
    }
    if (tracked && disk->changed == NULL && !find_allocated(vm, &query, device, &allocated, error))
        return FALSE;
    g_autofree char *label = g_strdup_printf("%s %s", vm->label, wanted->name);
    disk->disk = frozen_vm_transport(vm, devices, device, allocated, label, error);
    return disk->disk != NULL;
}
