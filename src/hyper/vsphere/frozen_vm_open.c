/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How the bytes of a frozen disk are reached. */
#include "base/error.h"
#include "hyper/vsphere/folder_chain.h"
#include "hyper/vsphere/frozen_vm.h"
#include "hyper/vsphere/view_disk.h"

/* Whether a disk can be attached to another machine: on SCSI only. */
static gboolean
check_hot_add(struct frozen_vm *vm, const GPtrArray *devices, const struct device *device,
              GError **error)
{
    enum machine_bus bus;
    const char *model;
    device_bus(devices, device, &bus, &model);
    if (bus != MACHINE_SCSI)
        return error_set(error, SLIPWAY_ERROR_UNSUPPORTED,
                         "only disks on SCSI controllers can be attached for reading, and this one "
                         "is on %s; choose another transport",
                         machine_bus_name(bus));
    if (vm->self.value == NULL && vm->no_hot_add == NULL) {
        g_autoptr(GError) failure = NULL;
        if (!hot_add_find_self(vm->vsphere, &vm->self, &failure)) {
            if (!g_error_matches(failure, SLIPWAY_ERROR, SLIPWAY_ERROR_UNSUPPORTED)) {
                g_propagate_error(error, g_steal_pointer(&failure));
                return FALSE;
            }
            vm->no_hot_add = g_strdup(failure->message);
        }
    }
    if (vm->no_hot_add != NULL)
        return error_set(error, SLIPWAY_ERROR_UNSUPPORTED, "%s", vm->no_hot_add);
    if (moref_equal(&vm->self, &vm->machine))
        return error_set(error, SLIPWAY_ERROR_UNSUPPORTED,
                         "a machine cannot attach its own disks for reading");
    return TRUE;
}

static struct disk *
open_attached(struct frozen_vm *vm, const GPtrArray *devices, const struct device *device,
              const struct extent_list *allocated, const char *label, GError **error)
{
    if (!check_hot_add(vm, devices, device, error))
        return NULL;
    struct hot_add *left;
    struct hot_add *hot_add = hot_add_attach(vm->vsphere, &vm->self, device->file, device->uuid,
                                             device->size, FALSE, &left, error);
    if (left != NULL)
        g_ptr_array_add(vm->attached, left);
    if (hot_add == NULL)
        return NULL;
    g_ptr_array_add(vm->attached, hot_add);
    return view_disk_new(hot_add_disk(hot_add), allocated, label);
}

static struct disk *
open_folder(struct frozen_vm *vm, const struct device *device, const struct extent_list *allocated,
            const char *label, GError **error)
{
    struct vim *vim = vm->vsphere->vim;
    struct folder_place place = {0};
    if (vm->encrypted)
        return error_null(error, SLIPWAY_ERROR_UNSUPPORTED,
                          "the machine is encrypted, and over HTTPS its disks can only be read as "
                          "they are stored; run Slipway in an encrypted machine of this server, "
                          "which can attach them (transport hotadd), or use transport vddk");
    if (!folder_place_parse(device->file, vm->datacenter, &place, error))
        return NULL;
    struct folder_disk_options options = {place, device->size, allocated, label};
    struct disk *disk = NULL;
    g_autofree char *flat = NULL;
    if (device->parent_file != NULL)
        disk = folder_chain_open(vim, &options, error);
    else
        flat = folder_flat_path(vim, &place, error);
    if (flat != NULL) {
        options.place.path = flat;
        disk = folder_disk_open(vim, &options, error);
    }
    folder_place_clear(&place);
    vm->loose += disk != NULL;
    return disk;
}

static struct disk *
open_vddk(struct frozen_vm *vm, const struct device *device, const struct extent_list *allocated,
          const char *label, GError **error)
{
    struct vddk_wish wish = {&vm->machine, &vm->snapshot, device->file, device->size};
    struct vddk *vddk = vddk_open(vm->vsphere, &wish, error);
    if (vddk == NULL)
        return NULL;
    g_ptr_array_add(vm->servers, vddk);
    vm->loose++;
    return view_disk_new(vddk_disk(vddk), allocated, label);
}

/* Attached when that can be, else over HTTPS.  When both fail the second has the better reason,
 * unless only the first could have worked. */
static struct disk *
open_any(struct frozen_vm *vm, const GPtrArray *devices, const struct device *device,
         const struct extent_list *allocated, const char *label, GError **error)
{
    g_autoptr(GError) first = NULL;
    struct disk *disk = open_attached(vm, devices, device, allocated, label, &first);
    if (disk != NULL)
        return disk;
    if (g_error_matches(first, SLIPWAY_ERROR, SLIPWAY_ERROR_CANCELLED)) {
        g_propagate_error(error, g_steal_pointer(&first));
        return NULL;
    }
    if (g_error_matches(first, SLIPWAY_ERROR, SLIPWAY_ERROR_UNSUPPORTED))
        progress_debug(vm->base.progress, "%s is read over HTTPS: %s", label, first->message);
    else
        progress_warning(vm->base.progress, "%s is read over HTTPS, not attached: %s", label,
                         first->message);
    disk = open_folder(vm, device, allocated, label, error);
    if (disk == NULL && (device->parent_file != NULL || vm->encrypted))
        g_prefix_error(error, "it cannot be attached (%s); ", first->message);
    return disk;
}

struct disk *
frozen_vm_transport(struct frozen_vm *vm, const GPtrArray *devices, const struct device *device,
                    const struct extent_list *allocated, const char *label, GError **error)
{
    struct disk *disk = NULL;
    switch (vm->vsphere->transport) {
    case HYPERVISOR_TRANSPORT_HOTADD:
        disk = open_attached(vm, devices, device, allocated, label, error);
        break;
    case HYPERVISOR_TRANSPORT_HTTPS:
        disk = open_folder(vm, device, allocated, label, error);
        break;
    case HYPERVISOR_TRANSPORT_VDDK:
        disk = open_vddk(vm, device, allocated, label, error);
        break;
    case HYPERVISOR_TRANSPORT_AUTO:
    case HYPERVISOR_TRANSPORT_N:
        disk = open_any(vm, devices, device, allocated, label, error);
        break;
    }
    if (disk == NULL)
        g_prefix_error(error, "%s: ", label);
    return disk;
}
