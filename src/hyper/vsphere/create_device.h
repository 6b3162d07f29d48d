/* SPDX-License-Identifier: GPL-3.0-or-later */
/* create_device.h: the virtual devices of a machine that is to be made, as deviceChange elements of
 * its VirtualMachineConfigSpec. */
#pragma once

#include "hyper/vsphere/create_place.h"

struct create_device;

/* `placement` gets the words about what is not as it was; it and `place` are borrowed until all was
 * added. */
struct create_device *create_device_new(const struct create_place *place,
                                        struct placement *placement);
void create_device_free(struct create_device *devices);
AUTO_PTR_DEFINE(create_device, create_device_free)

/* A disk, on a controller of its kind; where it was, if that can be.  `home`: of a disk without a
 * datastore. */
gboolean create_device_add_disk(struct create_device *devices, const struct machine_disk *disk,
                                const struct create_store *home, GError **error);
/* Network found by its name; SLIPWAY_ERROR_NOT_FOUND. */
gboolean create_device_add_nic(struct create_device *devices, const struct machine_nic *nic,
                               GError **error);
/* An empty drive at the `bus`-th IDE (`sata`: SATA) controller, where there is room. */
void create_device_add_cdrom(struct create_device *devices, gboolean sata, guint bus);
/* Any other, of `type`, with these members behind those of every device. */
void create_device_add_other(struct create_device *devices, const char *type, const char *members);

/* The elements; borrowed. */
const char *create_device_xml(struct create_device *devices);
/* "ParaVirtualSCSIController0:1" of the index-th disk; borrowed. */
const char *create_device_disk_place(const struct create_device *devices, guint index);
/* The same as device_place() has it: "scsi0:1". */
const char *create_device_disk_name(const struct create_device *devices, guint index);
