/* SPDX-License-Identifier: GPL-3.0-or-later */
/* inventory.h: what runs on a host of libvirt, and where machines can be put: the driver's list(),
 * describe() and places(). */
#pragma once

#include "hyper/libvirt/libvirt.h"

GPtrArray *inventory_list(struct hypervisor *self, GError **error);
struct machine *inventory_describe(struct hypervisor *self, const char *ref_or_id, GError **error);
GPtrArray *inventory_places(struct hypervisor *self, GError **error);

/* `domain` without the native description and firmware; for describe() of what was just made. */
struct machine *inventory_read(virDomainPtr domain, GError **error);
