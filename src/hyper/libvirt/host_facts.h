/* SPDX-License-Identifier: GPL-3.0-or-later */
/* host_facts.h: what a host of libvirt has, as far as new machines need it. */
#pragma once

#include "hyper/libvirt/domain_edit.h"
#include "hyper/libvirt/libvirt.h"

/* Of processors as x86_64.  host_facts_clear() it. */
gboolean host_facts_read(struct libvirt *host, struct domain_host *ret, GError **error);
void host_facts_clear(struct domain_host *facts);

/* Names of its networks (char *); none, where libvirt knows of none.  NULL as daemon_connect(). */
GPtrArray *host_facts_networks(struct libvirt *host, GError **error);
/* Whether a bridge of that name is there, as far as can be seen. */
gboolean host_facts_has_bridge(const struct libvirt *host, const char *name);
