/* SPDX-License-Identifier: GPL-3.0-or-later */
/* vsphere.h: the driver of vCenter and ESXi, inside. */
#pragma once

#include "hyper/hypervisor_driver.h"
#include "hyper/vsphere/device.h"
#include "hyper/vsphere/vim.h"

struct vsphere {
    struct hypervisor base;
    struct vim *vim;
    enum hypervisor_transport transport;
    char *own_machine; /* NULL: to be found */
    char *scratch;     /* NULL */
    /* For what logs in by itself (nbdkit's vddk plugin); as in hypervisor_options; copies. */
    char *user, *password; /* the latter for secret_free() */
    char *thumbprint;
    guint pause_ms;   /* first pause of what is tried again after a failure; 0: a second */
    guint stall_s;    /* how long a task may show no progress before it is given up; 0: hours */
    GMutex lock;      /* of what follows */
    GHashTable *busy; /* char * ref: machines that this process works on */
};

/* vsphere.c: the class and its sessions. */

/* inventory.c: machines and places. */
GPtrArray *vsphere_list(struct hypervisor *self, GError **error);
struct machine *vsphere_describe(struct hypervisor *self, const char *ref_or_id, GError **error);
GPtrArray *vsphere_places(struct hypervisor *self, GError **error);
/* The reference of a machine: its MoRef ("VirtualMachine:vm-42") as it is, else an id. */
gboolean vsphere_find_machine(struct vsphere *vsphere, const char *ref_or_id, struct moref *ret,
                              GError **error);
/* The datacenter that an object is in, as /folder wants it ("DC0", "Folder/DC0"); NULL on a single
 * host.  Free with g_free(). */
gboolean vsphere_datacenter(struct vsphere *vsphere, const struct moref *object, char **ret,
                            GError **error);
/* The object at a path of the inventory ("/DC0/vm/prod", "/DC0/host/C0/Resources/p1"), of that
 * type (NULL: any); SLIPWAY_ERROR_NOT_FOUND. */
gboolean vsphere_find_path(struct vsphere *vsphere, const char *path, const char *type,
                           struct moref *ret, GError **error);
/* Devices of a machine or of a snapshot now: of struct device *. */
GPtrArray *vsphere_devices(struct vsphere *vsphere, const struct moref *machine_or_snapshot,
                           GError **error);

/* tags.c: vCenter's tags over its REST interface. */
/* Add tags to machines (struct machine *, by ref).  TRUE and a note where the server has none. */
gboolean vsphere_tags(struct vsphere *vsphere, GPtrArray *machines, GError **error);
/* tags_attach.c: attach `tags` (of char *, "category/tag") to a machine, as far as the server has
 * them.  Each that it did not attach is told to `placement`, with the reason. */
void vsphere_attach_tags(struct vsphere *vsphere, const struct moref *self, const GPtrArray *tags,
                         struct placement *placement);

/* freeze.c, thaw.c, clean.c */
struct frozen *vsphere_freeze(struct hypervisor *self, const struct machine *machine,
                              const struct freeze_options *options, GError **error);
gboolean vsphere_clean(struct hypervisor *self, const char *ref, GPtrArray *words, GError **error);

/* create.c, overwrite.c */
struct placement *vsphere_create(struct hypervisor *self, const struct machine *wanted,
                                 struct progress *progress, GError **error);
struct placement *vsphere_overwrite(struct hypervisor *self, const char *ref,
                                    const char *const *names, struct progress *progress,
                                    GError **error);
