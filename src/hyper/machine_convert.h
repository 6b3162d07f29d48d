/* SPDX-License-Identifier: GPL-3.0-or-later */
/* machine_convert.h: a machine of one hypervisor in the terms of another.
 *
 * Decides from the neutral terms alone, and says what it changed: disks go to a bus that the new
 * hypervisor has and the guest has a driver for (which the guest's family and version tell: virtio
 * for Linux, SATA and e1000 where nobody can promise more), firmware is kept, what cannot be
 * carried over is told.  Names of disks stay as the set knows them.  Pure. */
#pragma once

#include "hyper/machine.h"

/* A copy of `machine` for driver `target` ("vsphere", "libvirt").  The same driver: a plain copy.
 * Else without native description and firmware variables (unless the other can read them).
 * *ret_words (of char *): sentences for people.  `bus` and `nic_model`: what the user insists on;
 * NULL: chosen.  SLIPWAY_ERROR_UNSUPPORTED: it cannot run there at all, and why. */
struct machine *machine_convert(const struct machine *machine, const char *target,
                                const enum machine_bus *bus, const char *nic_model,
                                GPtrArray **ret_words, GError **error);
