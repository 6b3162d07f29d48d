/* SPDX-License-Identifier: GPL-3.0-or-later */
/* create_finish.h: what a machine gets when its disks are there; for create.c. */
#pragma once

#include "hyper/vsphere/create_device.h"

/* MAC addresses that the server did not take at once, boot order, what its firmware had stored,
 * its tags.  What fails is no reason to lose the machine: it is told to `placement`. */
void create_finish_apply(struct vsphere *vsphere, const struct moref *self,
                         const struct machine *wanted, const struct create_device *devices,
                         struct placement *placement);
/* What the server has chosen otherwise. */
void create_finish_compare(const struct machine *wanted, const struct machine *now,
                           struct placement *placement);
