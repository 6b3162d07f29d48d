/* SPDX-License-Identifier: GPL-3.0-or-later */
/* frozen_vm.h: a machine of vSphere while its snapshot is open. */
#pragma once

#include "hyper/vsphere/hot_add.h"
#include "hyper/vsphere/vddk.h"
#include "hyper/vsphere/vsphere.h"

struct frozen_vm {
    struct frozen base;
    struct vsphere *vsphere;
    struct moref machine, snapshot; /* no value: there is none (yet) */
    char *ref;                      /* in vsphere->busy */
    char *label;                    /* of the machine, for messages */
    char *mark;                     /* name of the snapshot; NULL: none was tried */
    char *tried;         /* name of one whose task may still end, though it was given up; NULL */
    gboolean reading;    /* until the first thaw */
    char *datacenter;    /* NULL on a single host */
    gboolean encrypted;  /* its files are not what its guest sees */
    GPtrArray *attached; /* of struct hot_add * */
    GPtrArray *servers;  /* of struct vddk * */
    guint loose;         /* disks that are read without being attached */
    struct moref self;   /* that this runs in, for hot-add; no value: not known */
    char *no_hot_add;    /* why self is not known */
};

/* thaw.c */
extern const struct frozen_class frozen_vm_class;

/* frozen_vm_disk.c: open the disk `device` of the snapshot's `devices` by the transport that was
 * chosen, and find out what changed. */
gboolean frozen_vm_open_disk(struct frozen_vm *vm, const GPtrArray *devices,
                             const struct device *device, const struct freeze_disk *wanted,
                             const char *untracked, GError **error);
/* frozen_vm_open.c: read what `transport` reaches. */
struct disk *frozen_vm_transport(struct frozen_vm *vm, const GPtrArray *devices,
                                 const struct device *device, const struct extent_list *allocated,
                                 const char *label, GError **error);
