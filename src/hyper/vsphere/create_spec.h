/* SPDX-License-Identifier: GPL-3.0-or-later */
/* create_spec.h: the VirtualMachineConfigSpec of a machine that is to be made. */
#pragma once

#include "hyper/vsphere/create_device.h"

/* The XML of its children; `placement` gets the words about what is not as it was, `devices` where
 * the disks (those without `skip`, in their order) are.  SLIPWAY_ERROR_NOT_FOUND: a datastore or
 * network is not there; SLIPWAY_ERROR_LIMIT.  Free with g_free(). */
char *create_spec_xml(const struct machine *wanted, const struct create_place *place,
                      struct create_device *devices, struct placement *placement, GError **error);
