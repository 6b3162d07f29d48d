/* SPDX-License-Identifier: GPL-3.0-or-later */
/* hot_add_private.h: the parts of hot_add. */
#pragma once

#include "hyper/vsphere/hot_add.h"

#define HOT_ADD_NOTE_MAX 65536u

/* ---- hot_add_note.c: what is (about to be) attached, so that it can be detached after a kill.
 *
 * A file MARK.json in the user's state directory (XDG_STATE_HOME/slipway/attached), durable. */
struct hot_add_note {
    char *mark;   /* of the process that attached it */
    char *server; /* identity of the server */
    struct moref self;
    char *file, *uuid; /* uuid NULL: the server told none */
    gboolean writable;
};
void hot_add_note_free(struct hot_add_note *note);
/* *ret_path: free with g_free(). */
gboolean hot_add_note_write(const struct hot_add_note *note, char **ret_path, GError **error);
void hot_add_note_remove(const char *path);
/* Of struct hot_add_note *; `ret_paths` (of char *) in the same order.  What is no note is left
 * out; without the directory there are none. */
GPtrArray *hot_add_note_list(GPtrArray **ret_paths);
/* The identity of a server, for notes; g_free(). */
char *hot_add_note_server(struct vsphere *vsphere);

/* ---- hot_add_device.c: the kernel's side. */

/* A path below /sys or /dev; SLIPWAY_SYSFS and SLIPWAY_DEV put another root there, for tests. */
char *hot_add_sys_path(const char *below);
/* Make the kernel look for disks on all SCSI hosts. */
void hot_add_rescan(void);
/* The block device whose identity is the disk `uuid` ("6000c29e-..."): its name ("sdb"), and (may
 * be NULL) what to open; NULL: there is none (yet).  Both for g_free(). */
char *hot_add_find_device(const char *uuid, char **ret_path);
/* Wait for it, and open it when its size is `size`.  *ret_name (g_free()) on success.
 * SLIPWAY_ERROR_NOT_FOUND: it did not appear; SLIPWAY_ERROR_CORRUPT: it has
 * another size; SLIPWAY_ERROR_CANCELLED. */
struct disk *hot_add_open_device(const char *uuid, guint64 size, gboolean writable, guint wait_ms,
                                 char **ret_name, GError **error);
/* The kernel is to forget it, before it is taken away. */
void hot_add_forget_device(const char *name);

/* ---- hot_add_slot.c: reconfiguring our own machine. */

struct hot_add_slot {
    gint64 controller_key, unit;
};
/* A free place on a SCSI controller; paravirtual ones first, and such that have another disk.
 * SLIPWAY_ERROR_LIMIT. */
gboolean hot_add_slot_find(const GPtrArray *devices, struct hot_add_slot *ret, GError **error);
char *hot_add_slot_attach_spec(const struct hot_add_slot *slot, const char *file, guint64 size,
                               gboolean writable);
char *hot_add_slot_detach_spec(const struct device *device);
/* The attached disk of that file or uuid, in the mode that we attach with; NULL. */
const struct device *hot_add_slot_match(const GPtrArray *devices, const char *file,
                                        const char *uuid, gboolean writable);

/* Detach, of `self`, the disk of that file, if it is (still) attached; tries again what may pass.
 */
gboolean hot_add_take_off(struct vsphere *vsphere, const struct moref *self, const char *file,
                          const char *uuid, gboolean writable, gboolean *ret_found, GError **error);
