/* SPDX-License-Identifier: GPL-3.0-or-later */
/* overwrite.h: the disks of a machine that is off, to be written in place: the driver's
 * overwrite().  Its checkpoints of ours go, as sets that were made before would be taken to be what
 * it has. */
#pragma once

#include "hyper/libvirt/libvirt.h"

struct placement *overwrite_machine(struct hypervisor *self, const char *ref,
                                    const char *const *names, struct progress *progress,
                                    GError **error);
