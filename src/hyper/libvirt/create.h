/* SPDX-License-Identifier: GPL-3.0-or-later */
/* create.h: a new machine of libvirt, with volumes to be filled: the driver's create(). */
#pragma once

#include "hyper/libvirt/libvirt.h"

struct placement *create_machine(struct hypervisor *self, const struct machine *wanted,
                                 struct progress *progress, GError **error);

/* A copy of `wanted` whose NICs lead to something that is there; what is not said becomes the
 * host's default.  SLIPWAY_ERROR_NOT_FOUND lists what there is. */
struct machine *create_connect(struct libvirt *host, const struct machine *wanted, GPtrArray *words,
                               GError **error);
