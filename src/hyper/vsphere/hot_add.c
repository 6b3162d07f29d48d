/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/vsphere/hot_add.h"

#include "base/cancel.h"
#include "base/error.h"
#include "hyper/mark.h"
#include "hyper/vsphere/hot_add_private.h"
#include "hyper/vsphere/patience.h"

/* How long the kernel may take to show an attached disk, in pauses (a second each by default). */
#define APPEAR_PAUSES 30u

/* One change of our own machine at a time; servers refuse a second one. */
static GMutex reconfiguring;

struct hot_add {
    struct vsphere *vsphere;
    struct moref self;
    char *file, *uuid;
    gboolean writable, attached;
    char *note;   /* path; NULL: there is none */
    char *device; /* "sdb"; NULL: not found */
    struct disk *disk;
};

static gboolean
reconfigure(struct vsphere *vsphere, const struct moref *self, const char *spec, const char *what,
            gboolean cancellable, GError **error)
{
    struct vim_wait wait = {.what = what, .limit_s = vsphere->stall_s, .cancellable = cancellable};
    return vim_run(vsphere->vim, "ReconfigVM_Task", self, spec, &wait, NULL, NULL, error);
}

/* One attempt: *ret_found FALSE when there is nothing (any more) to detach. */
static gboolean
attempt_detach(struct vsphere *vsphere, const struct moref *self, const char *file,
               const char *uuid, gboolean writable, gboolean *ret_found, GError **error)
{
    g_autoptr(GError) failure = NULL;
    *ret_found = FALSE;
    g_autoptr(GPtrArray) devices = vsphere_devices(vsphere, self, &failure);
    if (devices == NULL && g_error_matches(failure, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND))
        return TRUE;
    if (devices == NULL) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return FALSE;
    }
    const struct device *device = hot_add_slot_match(devices, file, uuid, writable);
    if (device == NULL)
        return TRUE;
    *ret_found = TRUE;
    g_autofree char *spec = hot_add_slot_detach_spec(device);
    return reconfigure(vsphere, self, spec, "detaching a disk of another machine", FALSE, error);
}

gboolean
hot_add_take_off(struct vsphere *vsphere, const struct moref *self, const char *file,
                 const char *uuid, gboolean writable, gboolean *ret_found, GError **error)
{
    g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&reconfiguring);
    struct patience patience = {.vsphere = vsphere};
    *ret_found = FALSE;
    for (;;) {
        g_autoptr(GError) failure = NULL;
        gboolean found;
        gboolean ok = attempt_detach(vsphere, self, file, uuid, writable, &found, &failure);
        *ret_found = *ret_found || found;
        if (ok && !found)
            return TRUE;
        if (ok && patience.tries < PATIENCE_TRIES) {
            patience.tries++; /* looked at again: is it gone? */
            continue;
        }
        if (ok)
            failure = g_error_new(SLIPWAY_ERROR, SLIPWAY_ERROR_FAILED,
                                  "the server says it is detached, and lists it still");
        if (!patience_wait(&patience, failure))
            return error_set(error, SLIPWAY_ERROR_FAILED,
                             "disk %s is still attached to the machine that Slipway runs in: %s; "
                             "remove it in the settings of that machine, WITHOUT deleting its "
                             "files, or run a backup again, which does that first",
                             file, failure->message);
        patience_settle(vsphere, self);
    }
}

static gboolean
attach_once(struct hot_add *hot_add, guint64 size, GError **error)
{
    struct hot_add_slot slot;
    g_autoptr(GPtrArray) devices = vsphere_devices(hot_add->vsphere, &hot_add->self, error);
    if (devices == NULL)
        return FALSE;
    if (hot_add_slot_match(devices, hot_add->file, hot_add->uuid, hot_add->writable) != NULL)
        return error_set(error, SLIPWAY_ERROR_EXISTS,
                         "disk %s is attached to this machine already, perhaps by another run",
                         hot_add->file);
    if (!hot_add_slot_find(devices, &slot, error))
        return FALSE;
    hot_add->attached = TRUE; /* perhaps: it is looked for when all is taken away */
    g_autofree char *spec = hot_add_slot_attach_spec(&slot, hot_add->file, size, hot_add->writable);
    return reconfigure(hot_add->vsphere, &hot_add->self, spec,
                       "attaching a disk of another machine", TRUE, error);
}

/* When an answer was lost the disk may be there all the same, and is found by the next attempt. */
static gboolean
attach(struct hot_add *hot_add, guint64 size, GError **error)
{
    g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&reconfiguring);
    struct patience patience = {.vsphere = hot_add->vsphere};
    for (;;) {
        g_autoptr(GError) failure = NULL;
        if (attach_once(hot_add, size, &failure))
            return TRUE;
        if (g_error_matches(failure, SLIPWAY_ERROR, SLIPWAY_ERROR_EXISTS) && hot_add->attached)
            return TRUE;
        gboolean passes = g_error_matches(failure, SLIPWAY_ERROR, SLIPWAY_ERROR_BUSY) ||
                          g_error_matches(failure, SLIPWAY_ERROR, SLIPWAY_ERROR_NETWORK);
        if (!passes || cancel_requested() || !patience_wait(&patience, failure)) {
            g_propagate_error(error, g_steal_pointer(&failure));
            return FALSE;
        }
        patience_settle(hot_add->vsphere, &hot_add->self);
    }
}

static gboolean
write_note(struct hot_add *hot_add, GError **error)
{
    g_autofree char *mark = mark_new();
    g_autofree char *server = hot_add_note_server(hot_add->vsphere);
    struct hot_add_note note = {mark,          server,        hot_add->self,
                                hot_add->file, hot_add->uuid, hot_add->writable};
    return hot_add_note_write(&note, &hot_add->note, error);
}

static void
free_hot_add(struct hot_add *hot_add)
{
    moref_clear(&hot_add->self);
    g_free(hot_add->file);
    g_free(hot_add->uuid);
    g_free(hot_add->note);
    g_free(hot_add->device);
    g_free(hot_add);
}

struct hot_add *
hot_add_attach(struct vsphere *vsphere, const struct moref *self, const char *file,
               const char *uuid, guint64 size, gboolean writable, struct hot_add **ret_left,
               GError **error)
{
    *ret_left = NULL;
    if (uuid == NULL)
        return error_null(error, SLIPWAY_ERROR_UNSUPPORTED,
                          "the server does not tell the identity of disk %s, by which it is found "
                          "when it is attached; choose another transport",
                          file);
    g_autofree char *twin = hot_add_find_device(uuid, NULL);
    if (twin != NULL)
        return error_null(error, SLIPWAY_ERROR_EXISTS,
                          "block device %s of this machine has the identity of disk %s already, as "
                          "when one is a copy of the other; choose another transport",
                          twin, file);
    struct hot_add *hot_add = g_new0(struct hot_add, 1);
    hot_add->vsphere = vsphere;
    moref_copy(&hot_add->self, self);
    hot_add->file = g_strdup(file);
    hot_add->uuid = g_strdup(uuid);
    hot_add->writable = writable;
    g_autoptr(GError) failure = NULL;
    if (write_note(hot_add, &failure) && attach(hot_add, size, &failure))
        hot_add->disk =
            hot_add_open_device(uuid, size, writable, APPEAR_PAUSES * patience_pause_ms(vsphere),
                                &hot_add->device, &failure);
    if (hot_add->disk != NULL)
        return hot_add;
    g_autoptr(GError) left = NULL;
    /* It may be under way still, and would be there after it was looked for. */
    if (hot_add->attached)
        patience_settle(vsphere, self);
    if (hot_add_detach(hot_add, &left)) {
        free_hot_add(hot_add);
    } else {
        g_prefix_error(&failure, "%s; and ", left->message);
        *ret_left = hot_add;
    }
    g_propagate_error(error, g_steal_pointer(&failure));
    return NULL;
}

struct disk *
hot_add_disk(const struct hot_add *hot_add)
{
    return hot_add->disk;
}

gboolean
hot_add_detach(struct hot_add *hot_add, GError **error)
{
    g_clear_pointer(&hot_add->disk, disk_close);
    if (hot_add->device != NULL)
        hot_add_forget_device(hot_add->device);
    g_clear_pointer(&hot_add->device, g_free);
    gboolean found;
    if (hot_add->attached && !hot_add_take_off(hot_add->vsphere, &hot_add->self, hot_add->file,
                                               hot_add->uuid, hot_add->writable, &found, error))
        return FALSE;
    hot_add->attached = FALSE;
    if (hot_add->note != NULL)
        hot_add_note_remove(hot_add->note);
    g_clear_pointer(&hot_add->note, g_free);
    return TRUE;
}

void
hot_add_free(struct hot_add *hot_add)
{
    if (hot_add == NULL)
        return;
    g_autoptr(GError) error = NULL;
    if (!hot_add_detach(hot_add, &error))
        progress_warning(hot_add->vsphere->base.progress, "%s", error->message);
    free_hot_add(hot_add);
}
