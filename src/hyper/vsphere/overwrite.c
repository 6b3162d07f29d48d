/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Disks of a machine that is there, written in place while they are attached to the machine that
 * this runs in.
 *
 * What is written that way passes by the tracking of changes.  So tracking is ended before and
 * begins anew after: with another UUID in its change ids, by which the next backup knows that it
 * has to read everything. */
#include "base/cancel.h"
#include "base/error.h"
#include "hyper/mark.h"
#include "hyper/vsphere/hot_add.h"
#include "hyper/vsphere/patience.h"
#include "hyper/vsphere/snapshot.h"
#include "hyper/vsphere/view_disk.h"

#include <string.h>

struct overwrite {
    struct placement base;
    struct vsphere *vsphere;
    struct moref machine, self;
    char *label;
    char *ref;           /* in vsphere->busy; NULL */
    gboolean untracked;  /* tracking was ended, and is to begin anew */
    GPtrArray *attached; /* of struct hot_add * */
};

static gboolean
set_tracking(struct overwrite *overwrite, gboolean enabled, GError **error)
{
    GString *xml = g_string_new(NULL);
    vim_begin(xml, "spec", NULL);
    vim_put_bool(xml, "changeTrackingEnabled", enabled);
    vim_end(xml, "spec");
    g_autofree char *arguments = g_string_free(xml, FALSE);
    struct patience patience = {.vsphere = overwrite->vsphere};
    struct vim_wait wait = {.what = enabled ? "enabling the tracking of changes"
                                            : "ending the tracking of changes",
                            .limit_s = overwrite->vsphere->stall_s};
    for (;;) {
        g_autoptr(GError) failure = NULL;
        if (vim_run(overwrite->vsphere->vim, "ReconfigVM_Task", &overwrite->machine, arguments,
                    &wait, NULL, NULL, &failure))
            return TRUE;
        if (!patience_wait(&patience, failure)) {
            g_propagate_prefixed_error(error, g_steal_pointer(&failure), "%s: ", overwrite->label);
            return FALSE;
        }
        patience_settle(overwrite->vsphere, &overwrite->machine);
    }
}

/* What is configured comes into force with the next snapshot: without one in between, ending and
 * beginning would be as if nothing had happened, and so would what is written.  That holds, too, of
 * a machine for which somebody else, or a run that was killed, has ended it in the configuration
 * only; but one that is not tracked may be of a kind that can have no snapshot. */
static gboolean
end_tracking(struct overwrite *overwrite, gboolean tracked, GError **error)
{
    g_autofree char *mark = mark_new();
    struct moref snapshot = {0};
    struct snapshot_wish wish = {.machine = &overwrite->machine,
                                 .label = overwrite->label,
                                 .name = mark,
                                 .progress = overwrite->base.progress};
    if (tracked && !set_tracking(overwrite, FALSE, error))
        return FALSE;
    g_autoptr(GError) failure = NULL, left = NULL;
    gboolean ok = snapshot_create(overwrite->vsphere, &wish, &snapshot, &failure);
    moref_clear(&snapshot);
    if (!ok && !tracked && !g_error_matches(failure, SLIPWAY_ERROR, SLIPWAY_ERROR_CANCELLED)) {
        progress_debug(overwrite->base.progress, "%s: %s", overwrite->label, failure->message);
        g_clear_error(&failure);
        ok = TRUE;
    }
    if (!snapshot_remove(overwrite->vsphere, &overwrite->machine, overwrite->label, mark,
                         overwrite->base.progress, &left)) {
        if (ok)
            failure = g_steal_pointer(&left);
        else
            g_prefix_error(&failure, "%s; and ", left->message);
        ok = FALSE;
    }
    if (!ok)
        g_propagate_error(error, g_steal_pointer(&failure));
    return ok;
}

/* Everything but what was written is as before: also after a cancel, and when called again. */
static gboolean
close_all(struct overwrite *overwrite, GError **error)
{
    while (overwrite->attached->len > 0) {
        struct hot_add *last = g_ptr_array_index(overwrite->attached, overwrite->attached->len - 1);
        if (!hot_add_detach(last, error))
            return FALSE;
        g_ptr_array_set_size(overwrite->attached, (gint)overwrite->attached->len - 1);
    }
    if (overwrite->untracked && !set_tracking(overwrite, TRUE, error))
        return FALSE;
    overwrite->untracked = FALSE;
    return TRUE;
}

static gboolean
finish(struct placement *self, gboolean power_on, struct machine **ret, GError **error)
{
    struct overwrite *overwrite = (struct overwrite *)self;
    if (!close_all(overwrite, error))
        return FALSE;
    g_autofree char *what = g_strdup_printf("starting %s", overwrite->label);
    struct vim_wait wait = {
        .what = what, .limit_s = overwrite->vsphere->stall_s, .progress = self->progress};
    if (power_on && !vim_run(overwrite->vsphere->vim, "PowerOnVM_Task", &overwrite->machine, NULL,
                             &wait, NULL, NULL, error))
        return FALSE;
    g_autofree char *ref = moref_format(&overwrite->machine);
    if (ret != NULL)
        *ret = vsphere_describe(&overwrite->vsphere->base, ref, error);
    return ret == NULL || *ret != NULL;
}

static gboolean
abandon(struct placement *self, GError **error)
{
    return close_all((struct overwrite *)self, error);
}

static void
free_overwrite(struct placement *self)
{
    struct overwrite *overwrite = (struct overwrite *)self;
    g_ptr_array_unref(overwrite->attached);
    if (overwrite->ref != NULL) {
        g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&overwrite->vsphere->lock);
        g_hash_table_remove(overwrite->vsphere->busy, overwrite->ref);
    }
    moref_clear(&overwrite->machine);
    moref_clear(&overwrite->self);
    g_free(overwrite->label);
    g_free(overwrite->ref);
    g_free(overwrite);
}

static const struct placement_class overwrite_class = {
    .finish = finish,
    .abandon = abandon,
    .free = free_overwrite,
};

/* Off, without snapshots; *ret_tracked as it is. */
static gboolean
check_machine(struct overwrite *overwrite, gboolean *ret_tracked, GError **error)
{
    static const char *const paths[] = {
        "name", "runtime.powerState", "snapshot", "config.template", "config.changeTrackingEnabled",
        NULL};
    auto_ptr(vim_object) object =
        vim_get(overwrite->vsphere->vim, &overwrite->machine, paths, error);
    if (object == NULL)
        return FALSE;
    g_autofree char *name = vim_property_text(object, "name");
    g_autofree char *power = vim_property_text(object, "runtime.powerState");
    g_autofree char *template = vim_property_text(object, "config.template");
    g_autofree char *tracked = vim_property_text(object, "config.changeTrackingEnabled");
    g_autoptr(GPtrArray) snapshots = snapshot_list(vim_property(object, "snapshot"));
    if (name != NULL) {
        g_free(overwrite->label);
        overwrite->label = g_steal_pointer(&name);
    }
    if (g_strcmp0(power, "poweredOff") != 0)
        return error_set(error, SLIPWAY_ERROR_BUSY,
                         "%s is not off, and its disks cannot be written in place; shut it down "
                         "first, or restore as a new machine",
                         overwrite->label);
    if (xml_boolean(template, FALSE))
        return error_set(error, SLIPWAY_ERROR_UNSUPPORTED,
                         "%s is a template; restore as a new machine", overwrite->label);
    if (snapshots->len > 0)
        return error_set(
            error, SLIPWAY_ERROR_UNSUPPORTED,
            "%s has snapshots (%s), which would be worthless when the disks below them "
            "were written; delete them first, or restore as a new machine",
            overwrite->label, ((struct snapshot *)g_ptr_array_index(snapshots, 0))->name);
    *ret_tracked = xml_boolean(tracked, FALSE);
    return TRUE;
}

static gboolean
find_self(struct overwrite *overwrite, GError **error)
{
    if (!hot_add_find_self(overwrite->vsphere, &overwrite->self, error)) {
        g_prefix_error(error,
                       "disks of %s can only be written in place by a Slipway that runs in "
                       "a machine of the same server; restore as a new machine: ",
                       overwrite->label);
        return FALSE;
    }
    if (moref_equal(&overwrite->self, &overwrite->machine))
        return error_set(error, SLIPWAY_ERROR_UNSUPPORTED, "%s is the machine that Slipway runs in",
                         overwrite->label);
    return TRUE;
}

static gboolean
claim(struct overwrite *overwrite, GError **error)
{
    g_autofree char *ref = moref_format(&overwrite->machine);
    g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&overwrite->vsphere->lock);
    if (!g_hash_table_add(overwrite->vsphere->busy, g_strdup(ref)))
        return error_set(error, SLIPWAY_ERROR_BUSY, "%s is worked on by this very run",
                         overwrite->label);
    overwrite->ref = g_steal_pointer(&ref);
    return TRUE;
}

/* By the places of the devices; NULL: not there. */
static const struct device *
find_disk(const GPtrArray *devices, const char *name)
{
    for (guint i = 0; i < devices->len; i++) {
        const struct device *device = g_ptr_array_index(devices, i);
        g_autofree char *place = device_is_disk(device) ? device_place(devices, device) : NULL;
        if (g_strcmp0(place, name) == 0)
            return device;
    }
    return NULL;
}

static gboolean
check_disk(const struct overwrite *overwrite, const GPtrArray *devices, const char *name,
           const struct device **ret, GError **error)
{
    enum machine_bus bus;
    const char *model;
    *ret = find_disk(devices, name);
    if (*ret == NULL)
        return error_set(error, SLIPWAY_ERROR_NOT_FOUND, "%s has no disk %s", overwrite->label,
                         name);
    const char *skip = device_skip(*ret);
    if (skip != NULL)
        return error_set(error, SLIPWAY_ERROR_UNSUPPORTED, "disk %s of %s: %s", name,
                         overwrite->label, skip);
    device_bus(devices, *ret, &bus, &model);
    if (bus != MACHINE_SCSI || (*ret)->parent_file != NULL)
        return error_set(
            error, SLIPWAY_ERROR_UNSUPPORTED,
            "disk %s of %s %s, and cannot be written in place; restore as a new machine", name,
            overwrite->label,
            bus != MACHINE_SCSI ? "is on no SCSI controller" : "is a linked clone's");
    return TRUE;
}

/* All are looked at before one is touched. */
static GPtrArray *
choose_disks(const struct overwrite *overwrite, const GPtrArray *devices, const char *const *names,
             GError **error)
{
    g_autoptr(GPtrArray) chosen = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; names != NULL && names[i] != NULL; i++)
        g_ptr_array_add(chosen, g_strdup(names[i]));
    for (guint i = 0; names == NULL && i < devices->len; i++) {
        const struct device *device = g_ptr_array_index(devices, i);
        char *place = device_is_disk(device) && device_skip(device) == NULL
                          ? device_place(devices, device)
                          : NULL;
        if (place != NULL)
            g_ptr_array_add(chosen, place);
    }
    for (guint i = 0; i < chosen->len; i++) {
        const struct device *device;
        if (!check_disk(overwrite, devices, g_ptr_array_index(chosen, i), &device, error))
            return NULL;
    }
    if (chosen->len == 0)
        return error_null(error, SLIPWAY_ERROR_NOT_FOUND, "%s has no disk that can be written",
                          overwrite->label);
    return g_steal_pointer(&chosen);
}

static gboolean
open_disks(struct overwrite *overwrite, const char *const *names, gboolean tracked, GError **error)
{
    g_autoptr(GPtrArray) devices = vsphere_devices(overwrite->vsphere, &overwrite->machine, error);
    g_autoptr(GPtrArray) chosen =
        devices != NULL ? choose_disks(overwrite, devices, names, error) : NULL;
    if (chosen == NULL)
        return FALSE;
    overwrite->untracked = tracked; /* from here on, whatever comes of it */
    if (!end_tracking(overwrite, tracked, error))
        return FALSE;
    for (guint i = 0; i < chosen->len; i++) {
        const char *name = g_ptr_array_index(chosen, i);
        const struct device *device = find_disk(devices, name);
        if (!cancel_check(error))
            return FALSE;
        struct hot_add *left;
        struct hot_add *hot_add = hot_add_attach(overwrite->vsphere, &overwrite->self, device->file,
                                                 device->uuid, device->size, TRUE, &left, error);
        if (left != NULL)
            g_ptr_array_add(overwrite->attached, left);
        if (hot_add == NULL) {
            g_prefix_error(error, "disk %s of %s: ", name, overwrite->label);
            return FALSE;
        }
        g_ptr_array_add(overwrite->attached, hot_add);
        g_autofree char *label = g_strdup_printf("%s %s", overwrite->label, name);
        struct placement_disk *disk = placement_add_disk(&overwrite->base, name, device->size);
        disk->target = view_disk_new(hot_add_disk(hot_add), NULL, label);
    }
    return TRUE;
}

struct placement *
vsphere_overwrite(struct hypervisor *self, const char *ref, const char *const *names,
                  struct progress *progress, GError **error)
{
    struct overwrite *overwrite = g_new0(struct overwrite, 1);
    placement_init(&overwrite->base, &overwrite_class, progress);
    overwrite->vsphere = (struct vsphere *)self;
    overwrite->label = g_strdup(ref);
    overwrite->attached = g_ptr_array_new_with_free_func((GDestroyNotify)hot_add_free);
    gboolean tracked = FALSE;
    GError *failure = NULL;
    if (vsphere_find_machine(overwrite->vsphere, ref, &overwrite->machine, &failure) &&
        claim(overwrite, &failure) && check_machine(overwrite, &tracked, &failure) &&
        find_self(overwrite, &failure) && open_disks(overwrite, names, tracked, &failure))
        return &overwrite->base;
    placement_free(&overwrite->base);
    g_propagate_error(error, failure);
    return NULL;
}
