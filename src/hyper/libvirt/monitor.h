/* SPDX-License-Identifier: GPL-3.0-or-later */
/* monitor.h: what only the QEMU of a running machine can be asked. */
#pragma once

#include "hyper/libvirt/libvirt.h"

#include <jansson.h>

/* What QEMU returns for `command` ({"execute": ...}), which is taken over.  json_decref() it. */
json_t *monitor_ask(virDomainPtr domain, json_t *command, GError **error);

/* The version of the QEMU that the machine runs in: one that was installed since is not that.
 * Where it does not say, that of the host's.  *ret_text ("7.2.22"): g_free() it. */
gboolean monitor_version(virDomainPtr domain, guint *ret_major, char **ret_text, GError **error);
