/* SPDX-License-Identifier: GPL-3.0-or-later */
/* device.h: the virtual devices of a machine's or snapshot's configuration.  Values. */
#pragma once

#include "hyper/machine.h"
#include "hyper/vsphere/vim.h"

#define DEVICES_MAX 1024u

struct device {
    gint64 key, controller_key; /* 0: none */
    gint64 unit;                /* on its controller; -1: none */
    gint64 bus;                 /* of a controller: its number */
    char *type;                 /* "VirtualDisk", "ParaVirtualSCSIController", "VirtualVmxnet3" */
    char *label;                /* "Hard disk 1" */
    char *backing;              /* type of the backing; NULL: none */
    /* Disks: */
    char *file;        /* "[ds1] app01/app01-000001.vmdk" */
    char *parent_file; /* of the delta chain: the next older one; NULL */
    char *base_file;   /* the end of that chain: the oldest */
    char *uuid;        /* of the backing; lower case, dashes */
    char *change_id, *mode, *compatibility, *sharing;
    gboolean thin;
    guint64 size;
    struct moref datastore;
    /* NICs: */
    char *mac, *address_type, *network; /* the name of a standard port group */
    char *switch_uuid, *port_group_key; /* of a distributed one */
    gboolean connected, start_connected;
};

/* The elements `VirtualDevice` that are children of `parent` (the value of the property
 * config.hardware.device), in their order: of struct device *.  SLIPWAY_ERROR_LIMIT;
 * SLIPWAY_ERROR_CORRUPT for a device without a key. */
GPtrArray *devices_read(const xmlNode *parent, GError **error);
void device_free(struct device *device);
const struct device *devices_find(const GPtrArray *devices, gint64 key);

gboolean device_is_disk(const struct device *device);
gboolean device_is_nic(const struct device *device);
gboolean device_is_controller(const struct device *device);

/* "scsi0:1", "sata0:0", "ide1:0", "nvme0:2": what a disk is called in sets; free with g_free(). */
char *device_place(const GPtrArray *devices, const struct device *disk);
/* Bus, and the model as struct machine_disk has it. */
void device_bus(const GPtrArray *devices, const struct device *disk, enum machine_bus *ret_bus,
                const char **ret_model);
/* Why a snapshot, and so a backup, leaves it out; NULL when it does not: independent modes,
 * physical raw mappings, disks shared between machines. */
const char *device_skip(const struct device *disk);
