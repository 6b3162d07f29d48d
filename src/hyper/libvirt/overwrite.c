/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/libvirt/overwrite.h"

#include "base/error.h"
#include "hyper/libvirt/bitmap.h"
#include "hyper/libvirt/checkpoint.h"
#include "hyper/libvirt/failure.h"
#include "hyper/libvirt/image_file.h"
#include "hyper/libvirt/inventory.h"

#include <string.h>
#include <unistd.h>

struct overwriting {
    struct placement base;
    struct libvirt *host;
    virDomainPtr domain;
    GArray *locks; /* of int */
};

static void
unlock(struct overwriting *overwriting)
{
    for (guint i = 0; i < overwriting->locks->len; i++)
        close(g_array_index(overwriting->locks, int, i));
    g_array_set_size(overwriting->locks, 0);
}

static gboolean
finish(struct placement *self, gboolean power_on, struct machine **ret, GError **error)
{
    struct overwriting *overwriting = (struct overwriting *)self;
    unlock(overwriting);
    if (!daemon_renew(overwriting->host->daemon, &overwriting->domain, error)) {
        g_prefix_error(error, "the disks were written: ");
        return FALSE;
    }
    const char *name = virDomainGetName(overwriting->domain);
    if (power_on && virDomainCreate(overwriting->domain) < 0)
        return failure_set(error, "machine %s was written, but cannot be started", name);
    if (ret != NULL)
        *ret = inventory_read(overwriting->domain, error);
    return ret == NULL || *ret != NULL;
}

static gboolean
abandon(struct placement *self, GError **error)
{
    (void)error;
    unlock((struct overwriting *)self);
    return TRUE;
}

static void
free_overwriting(struct placement *self)
{
    struct overwriting *overwriting = (struct overwriting *)self;
    unlock(overwriting);
    g_array_unref(overwriting->locks);
    virDomainFree(overwriting->domain);
    g_free(overwriting);
}

static const struct placement_class overwriting_class = {
    .finish = finish, .abandon = abandon, .free = free_overwriting};

static gboolean
check_off(virDomainPtr domain, GError **error)
{
    const char *name = virDomainGetName(domain);
    if (virDomainIsActive(domain) != 0)
        return error_set(error, SLIPWAY_ERROR_BUSY,
                         "machine %s is not off: shut it down first ('virsh shutdown %s')", name,
                         name);
    if (virDomainHasManagedSaveImage(domain, 0) == 1)
        return error_set(
            error, SLIPWAY_ERROR_BUSY,
            "machine %s has saved its memory, which would not fit its new disks: start "
            "it and shut it down, or throw that away with 'virsh managedsave-remove "
            "%s'",
            name, name);
    return TRUE;
}

/* What the checkpoints count from is not what the disks have then. */
static gboolean
forget_checkpoints(struct overwriting *overwriting, const char *xml, const struct machine *machine,
                   GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    if (!checkpoint_forget(overwriting->domain, names, error))
        return FALSE;
    for (guint i = 0; names->len > 0 && i < machine->disks->len; i++) {
        const struct machine_disk *named = g_ptr_array_index(machine->disks, i);
        if (named->skip != NULL || g_strcmp0(named->format, "qcow2") != 0)
            continue;
        auto_ptr(domain_disk) disk = domain_disk_read(xml, named->name, error);
        g_autofree char *path =
            disk != NULL ? image_file_path(overwriting->host, disk, error) : NULL;
        if (path == NULL)
            return FALSE;
        for (guint j = 0; j < names->len; j++)
            if (!bitmap_remove_file(path, g_ptr_array_index(names, j), error))
                return FALSE;
    }
    if (names->len > 0)
        placement_say(&overwriting->base,
                      "its checkpoints of earlier backups were removed: the next "
                      "backup reads all of its disks");
    return TRUE;
}

static gboolean
open_disk(struct overwriting *overwriting, const char *xml, const char *name, GError **error)
{
    auto_ptr(domain_disk) disk = domain_disk_read(xml, name, error);
    int lock = -1;
    struct disk *target =
        disk != NULL ? image_file_open(overwriting->host, disk, TRUE, &lock, error) : NULL;
    if (lock >= 0)
        g_array_append_val(overwriting->locks, lock);
    if (target == NULL) {
        g_prefix_error(error, "disk %s: ", name);
        return FALSE;
    }
    placement_add_disk(&overwriting->base, name, disk_size(target))->target = target;
    return TRUE;
}

static gboolean
open_all(struct overwriting *overwriting, const char *const *names, GError **error)
{
    auto_text xml = libvirt_xml(overwriting->domain, FALSE, error);
    auto_ptr(machine) machine = xml != NULL ? inventory_read(overwriting->domain, error) : NULL;
    if (machine == NULL || !forget_checkpoints(overwriting, xml, machine, error))
        return FALSE;
    for (guint i = 0; names == NULL && i < machine->disks->len; i++) {
        const struct machine_disk *disk = g_ptr_array_index(machine->disks, i);
        if (disk->skip == NULL && !open_disk(overwriting, xml, disk->name, error))
            return FALSE;
    }
    for (guint i = 0; names != NULL && names[i] != NULL; i++)
        if (!open_disk(overwriting, xml, names[i], error))
            return FALSE;
    return check_off(overwriting->domain, error);
}

struct placement *
overwrite_machine(struct hypervisor *self, const char *ref, const char *const *names,
                  struct progress *progress, GError **error)
{
    struct libvirt *host = (struct libvirt *)self;
    if (!host->local)
        return error_null(error, SLIPWAY_ERROR_UNSUPPORTED,
                          "%s: disks of machines on another computer cannot be written from here; "
                          "run this program there, with the same store",
                          self->label);
    auto_domain domain = libvirt_find(host, ref, error);
    if (domain == NULL || !check_off(domain, error))
        return NULL;
    struct overwriting *overwriting = g_new0(struct overwriting, 1);
    auto_ptr(placement) placement = &overwriting->base;
    placement_init(placement, &overwriting_class, progress);
    overwriting->host = host;
    overwriting->domain = g_steal_pointer(&domain);
    overwriting->locks = g_array_new(FALSE, FALSE, sizeof(int));
    if (!open_all(overwriting, names, error)) {
        g_prefix_error(error, "machine %s: ", virDomainGetName(overwriting->domain));
        return NULL;
    }
    return g_steal_pointer(&placement);
}
