/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "hyper/vsphere/hot_add_private.h"

#include <string.h>

#define UNITS 16
#define CONTROLLER_UNIT 7 /* is the controller itself */
#define NEW_KEY (-101)

static const char *const scsi[] = {"ParaVirtualSCSIController", "VirtualLsiLogicSASController",
                                   "VirtualLsiLogicController", "VirtualBusLogicController"};

static guint
rank(const struct device *device)
{
    guint i = 0;
    while (i < G_N_ELEMENTS(scsi) && g_strcmp0(device->type, scsi[i]) != 0)
        i++;
    return i;
}

/* Units in use, as bits. */
static guint
find_used(const GPtrArray *devices, gint64 controller)
{
    guint used = 1u << CONTROLLER_UNIT;
    for (guint i = 0; i < devices->len; i++) {
        const struct device *device = g_ptr_array_index(devices, i);
        if (device->controller_key == controller && device->unit >= 0 && device->unit < UNITS)
            used |= 1u << device->unit;
    }
    return used;
}

/* A controller whose last disk is taken away may be taken away with it: one that has a disk anyway
 * is better, then the faster one. */
gboolean
hot_add_slot_find(const GPtrArray *devices, struct hot_add_slot *ret, GError **error)
{
    guint best = G_MAXUINT;
    for (guint i = 0; i < devices->len; i++) {
        const struct device *device = g_ptr_array_index(devices, i);
        guint type = rank(device);
        if (type == G_N_ELEMENTS(scsi))
            continue;
        guint used = find_used(devices, device->key);
        guint empty = used == 1u << CONTROLLER_UNIT;
        if (used == (1u << UNITS) - 1 || empty * G_N_ELEMENTS(scsi) + type >= best)
            continue;
        best = empty * (guint)G_N_ELEMENTS(scsi) + type;
        ret->controller_key = device->key;
        for (ret->unit = 0; used & (1u << ret->unit); ret->unit++)
            continue;
    }
    if (best != G_MAXUINT)
        return TRUE;
    return error_set(error, SLIPWAY_ERROR_LIMIT,
                     "this machine has no free place on a SCSI controller to attach a disk; add a "
                     "paravirtual SCSI controller to it, or choose another transport");
}

char *
hot_add_slot_attach_spec(const struct hot_add_slot *slot, const char *file, guint64 size,
                         gboolean writable)
{
    GString *xml = g_string_new(NULL);
    vim_begin(xml, "spec", NULL);
    vim_begin(xml, "deviceChange", "VirtualDeviceConfigSpec");
    vim_put(xml, "operation", "add");
    vim_begin(xml, "device", "VirtualDisk");
    vim_put_int(xml, "key", NEW_KEY);
    vim_begin(xml, "backing", "VirtualDiskFlatVer2BackingInfo");
    vim_put(xml, "fileName", file);
    vim_put(xml, "diskMode", writable ? "persistent" : "independent_nonpersistent");
    vim_end(xml, "backing");
    vim_put_int(xml, "controllerKey", slot->controller_key);
    vim_put_int(xml, "unitNumber", slot->unit);
    vim_put_int(xml, "capacityInKB", (gint64)(size / 1024));
    vim_end(xml, "device");
    vim_end(xml, "deviceChange");
    vim_end(xml, "spec");
    return g_string_free(xml, FALSE);
}

/* Without a fileOperation: the files stay. */
char *
hot_add_slot_detach_spec(const struct device *device)
{
    GString *xml = g_string_new(NULL);
    vim_begin(xml, "spec", NULL);
    vim_begin(xml, "deviceChange", "VirtualDeviceConfigSpec");
    vim_put(xml, "operation", "remove");
    vim_begin(xml, "device", "VirtualDisk");
    vim_put_int(xml, "key", device->key);
    vim_put_int(xml, "controllerKey", device->controller_key);
    vim_put_int(xml, "unitNumber", device->unit);
    vim_put_int(xml, "capacityInKB", (gint64)(device->size / 1024));
    vim_end(xml, "device");
    vim_end(xml, "deviceChange");
    vim_end(xml, "spec");
    return g_string_free(xml, FALSE);
}

/* A server may show the redo log that it made as the file, and what we attached as its parent, or
 * only its identity.  A writable one has no redo log, and is told by its file alone: a disk of this
 * machine's own may be a copy with the same identity. */
const struct device *
hot_add_slot_match(const GPtrArray *devices, const char *file, const char *uuid, gboolean writable)
{
    for (guint i = 0; i < devices->len; i++) {
        const struct device *device = g_ptr_array_index(devices, i);
        const char *mode = writable ? "persistent" : "independent_nonpersistent";
        if (!device_is_disk(device) || g_strcmp0(device->mode, mode) != 0)
            continue;
        gboolean same = g_strcmp0(device->file, file) == 0;
        if (!writable)
            same = same || g_strcmp0(device->parent_file, file) == 0 ||
                   g_strcmp0(device->base_file, file) == 0 ||
                   (uuid != NULL && device->uuid != NULL &&
                    g_ascii_strcasecmp(uuid, device->uuid) == 0);
        if (same)
            return device;
    }
    return NULL;
}
